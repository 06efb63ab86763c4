//! What a node must not forget: its key, its peers, the nullifiers it has seen, how much of its message quota
//! it has used, and, if it serves an archive, the messages.
//!
//! Two small stores, each one redb file of a few megabytes with one owner:
//!
//! - [`StateStore`], `state.redb` in the data directory: node key, peers, nullifiers, evidence.
//! - [`QuotaStore`], `<keystore>.quota` beside the keystore: the message ids already given away. A
//!   mistake there reveals the operator's identity secret, so it is its own file with its own rules.
//!
//! Beside them [`TreeFile`], a flat file with what a start would otherwise compute again, and the [`archive`], in
//! a folder of many redb files or in PostgreSQL.
//!
//! The crate speaks raw bytes and core values; it knows nothing of proofs or peers' behaviour. Every
//! call blocks on the disk: call it from a thread that may block.
//!
//! # Invariants
//!
//! - One process at a time has a store open; a second one gets [`OpenError::InUse`].
//! - A call that returned `Ok` survives a crash or a power loss (fsynced, two-phase commit, and the
//!   file's directory entry is synced when it is made).
//! - A file that is not ours, is damaged or is from a newer version is never written to: the
//!   whole open, including redb's repair, is first rehearsed in memory. All pages of the two stores are verified
//!   then; those of an archive, which are too many, when it is asked to.
//! - A failed write leaves what was there before. The next call opens the file anew, so a store
//!   works again as soon as the disk has room.
//!
//! # Layers
//!
//! ```text
//! StateStore  QuotaStore     tables and their meaning
//!      └───┬──────┘
//!        engine              one transaction at a time, reopen after a failure
//!          │
//!        schema              whose file is it, which version; migrations
//!          │
//!   file ──┴── rehearsal     create, lock, permissions  |  writes that go nowhere
//! ```

pub mod archive;
mod engine;
mod error;
#[cfg(any(test, feature = "test-utils"))]
pub mod faulty_disk;
mod file;
#[cfg(any(test, feature = "test-utils"))]
pub mod postgres_server;
mod quota;
mod rehearsal;
mod schema;
mod shared;
mod state;
mod tree_file;

pub use error::{OpenError, StoreError};
pub use quota::{EPOCHS_KEPT, QuotaStore};
pub use state::{
    EvidenceRecord, MAX_ADDRESS_LENGTH, MAX_PEERS, MAX_PROTOCOL_LENGTH, MAX_PROTOCOLS, NullifierRecord,
    PeerRecord, StateStore,
};
pub use tree_file::{MAX_TREE_ROOTS, TreeFile, TreeFileError, TreeHeader, TreeReader, TreeWord};
