//! What the prover and the verifier have in common: their settings, and the count of what their
//! fast path did not do.
//!
//! Each operation has a fast path and a slow one that is known to be right, zerokit for proofs and
//! arkworks for checks. A fast path that fails, panics or is caught lying costs time and no message:
//! the slow one takes over, and [`EngineHealth`] counts it, because nobody would notice otherwise.

use std::{
    panic::{AssertUnwindSafe, catch_unwind},
    path::{Path, PathBuf},
    sync::atomic::{AtomicU64, Ordering},
};

use strum::{IntoStaticStr, VariantArray};
use weir_circuits::RLN_V2_DEPTH_20;
pub use weir_groth16::{lanes::BackendKind, prover::Threads};

/// How proofs are made. The default needs no disk.
#[derive(Debug, Clone, Default)]
pub struct EngineSettings {
    /// The file that keeps the tables of the proving key between two starts. Without one they are
    /// computed at each start.
    pub table_cache: Option<PathBuf>,
    /// The arithmetic to use; the fastest that this processor has, unless it is told.
    pub backend: Option<BackendKind>,
    /// How many threads make one proof, and read the keys and tables. A slot takes one: nobody waits for it.
    pub threads: Threads,
}

impl EngineSettings {
    /// What a node does: a publish that waits for its proof gets two threads where there are two, and
    /// the tables are kept in `folder`, in a file named after the key and the arithmetic that they are for:
    /// `rln-tables-4736d28b-portable.bin`. It holds nothing secret and may be deleted at any time.
    pub fn cached_in(folder: &Path) -> Self {
        let (key, _) = RLN_V2_DEPTH_20.arkzkey.split_at(8);
        let file = format!("rln-tables-{key}-{}.bin", BackendKind::detect());
        Self { table_cache: Some(folder.join(file)), backend: None, threads: Threads::available() }
    }
}

/// Where the tables of the fast prover come from.
#[derive(Debug, Clone, Copy, PartialEq, Eq, strum::Display, IntoStaticStr)]
#[strum(serialize_all = "snake_case")]
pub enum TableOrigin {
    /// They were read from the cache.
    Cache,
    /// They were computed, and written to the cache if there is to be one.
    Built,
    /// They were computed and the cache could not be written, so they will be again at the next start.
    Unsaved,
    /// There are none; zerokit proves.
    None,
}

/// An operation that has a fast path. The label is the metric label.
#[derive(Debug, Clone, Copy, PartialEq, Eq, strum::Display, IntoStaticStr, VariantArray)]
#[strum(serialize_all = "snake_case")]
pub enum FastPath {
    /// The tables of the proving key.
    Tables,
    /// A proof from nothing.
    ProveFull,
    /// A proof of a prepared member.
    ProveMember,
    /// A proof of a prepared message id.
    ProveSlot,
    /// The check of one proof.
    VerifyOne,
    /// The check of many proofs at once.
    VerifyBatch,
}

/// How often each fast path was given up for the slow one. Only ever grows.
#[derive(Debug, Default)]
pub struct EngineHealth {
    fallbacks: [AtomicU64; FastPath::VARIANTS.len()],
}

impl EngineHealth {
    /// Times that `path` was given up, since the start.
    pub fn fallbacks(&self, path: FastPath) -> u64 {
        self.fallbacks[path as usize].load(Ordering::Relaxed)
    }

    /// Tries `path`. `None` when it failed or panicked, which is counted.
    pub(crate) fn attempt<T, E>(&self, path: FastPath, fast: impl FnOnce() -> Result<T, E>) -> Option<T> {
        // What a panic leaves half done belongs to the fast path, which keeps nothing between two calls.
        let made = catch_unwind(AssertUnwindSafe(fast)).ok().and_then(Result::ok);
        if made.is_none() {
            self.fell_back(path);
        }
        made
    }

    /// `path` was given up once.
    pub(crate) fn fell_back(&self, path: FastPath) {
        self.fallbacks[path as usize].fetch_add(1, Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_fast_path_that_fails_or_panics_is_given_up_and_counted() {
        let health = EngineHealth::default();
        assert_eq!(health.attempt(FastPath::ProveSlot, || Ok::<_, ()>(7)), Some(7));
        assert_eq!(health.fallbacks(FastPath::ProveSlot), 0);
        assert_eq!(health.attempt(FastPath::ProveSlot, || Err::<(), _>("no")), None);
        let panics = || -> Result<(), ()> { panic!("a bug, on purpose") };
        assert_eq!(health.attempt(FastPath::ProveSlot, panics), None);
        assert_eq!((health.fallbacks(FastPath::ProveSlot), health.fallbacks(FastPath::Tables)), (2, 0));
    }
}
