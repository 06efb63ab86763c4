//! Keeps the membership tree on disk, so that a start with a million members need not hash them.
//!
//! Nothing depends on the file: a start without it, or with one that does not fit the ledger, makes the
//! tree anew and says why. Writing happens on a thread of its own; the actor goes on meanwhile, and a
//! change then copies the tree once.

use std::{
    io,
    path::PathBuf,
    sync::Arc,
    thread::{self, JoinHandle},
    time::Duration,
};

use tokio::time::Instant;
use weir_membership::{Group, GroupError, LedgerEvent, SavedGroup};
use weir_rln::{MerkleRoot, MerkleTree, NodesError, NotCanonical, TREE_DEPTH};
use weir_storage::{TreeFile, TreeFileError, TreeHeader};

/// The least time from the end of one write to the begin of the next.
const SAVE_PAUSE: Duration = Duration::from_secs(5);

/// A tree is written again when one in so many of its leaves changed. At a million members that is
/// 64 MiB for 16,384 registrations, 4 KiB each, and what is then missing at a start takes less than
/// half a second to hash.
const SAVED_PART: u64 = 64;

/// Depth as the file tells it.
const DEPTH: u16 = TREE_DEPTH as u16;

/// Where the tree is kept, and what is there.
pub(crate) struct TreeKeeper {
    file: TreeFile,
    /// Changes behind the tree on disk, which never are more than the group's; none when there is no
    /// tree that fits.
    on_disk: Option<u64>,
    saving: Option<Saving>,
    next_save: Instant,
}

struct Saving {
    changes: u64,
    thread: JoinHandle<io::Result<()>>,
}

/// Why the tree on disk is not used.
#[derive(Debug, thiserror::Error)]
enum LoadError {
    #[error(transparent)]
    File(#[from] TreeFileError),
    #[error(transparent)]
    Nodes(#[from] NodesError),
    #[error("a root is not a field element")]
    Root(#[from] NotCanonical),
}

impl LoadError {
    fn log(&self) {
        match self {
            Self::File(TreeFileError::Missing { .. }) => tracing::debug!("no membership tree on disk"),
            damaged => tracing::warn!(error = %damaged, "the membership tree on disk is made anew"),
        }
    }
}

impl TreeKeeper {
    pub(crate) fn new(path: PathBuf) -> Self {
        Self { file: TreeFile::new(path), on_disk: None, saving: None, next_save: Instant::now() }
    }

    /// The group of a ledger's events from its beginning, with the help of the tree on disk if it fits.
    pub(crate) fn resume(&mut self, events: &[LedgerEvent]) -> Result<Group, GroupError> {
        let saved = load(&self.file).inspect_err(LoadError::log).ok();
        let Some(saved) = saved else {
            let mut group = Group::new();
            group.apply_all(events)?;
            return Ok(group);
        };
        let changes = saved.changes;
        let (group, fit) = Group::resume(saved, events)?;
        match fit {
            Ok(()) => self.on_disk = Some(changes),
            Err(unfit) => tracing::warn!(reason = %unfit, "the membership tree on disk is made anew"),
        }
        Ok(group)
    }

    /// Starts to write the tree if enough of it changed. Looks after an earlier write, too.
    pub(crate) fn tend(&mut self, group: &Group) {
        if self.saving.as_ref().is_some_and(|saving| saving.thread.is_finished()) {
            self.await_saving();
        }
        let missing = group.changes() - self.on_disk.unwrap_or(0);
        let is_due = missing > group.len() as u64 / SAVED_PART;
        if is_due && self.saving.is_none() && Instant::now() >= self.next_save {
            self.start_saving(group);
        }
    }

    /// Writes what is not on disk yet and gives the thread that does it, if there is anything to do.
    pub(crate) fn finish(mut self, group: &Group) -> Option<JoinHandle<()>> {
        let is_saved = self.on_disk.unwrap_or(0) == group.changes();
        if self.saving.is_none() && is_saved {
            return None;
        }
        let (saved, changes) = (group.to_saved(), group.changes());
        let finish = move || {
            self.await_saving();
            if self.on_disk != Some(changes) {
                report(&save(&self.file, &saved));
            }
        };
        spawn(finish)
    }

    fn start_saving(&mut self, group: &Group) {
        let (file, saved, changes) = (self.file.clone(), group.to_saved(), group.changes());
        self.saving = spawn(move || save(&file, &saved)).map(|thread| Saving { changes, thread });
    }

    /// Waits for the write under way, if there is one.
    fn await_saving(&mut self) {
        let Some(Saving { changes, thread }) = self.saving.take() else { return };
        self.next_save = Instant::now() + SAVE_PAUSE;
        let result = thread.join().unwrap_or_else(|_| Err(io::Error::other("the writing thread panicked")));
        report(&result);
        if result.is_ok() {
            self.on_disk = Some(changes);
        }
    }
}

fn report(result: &io::Result<()>) {
    match result {
        Ok(()) => tracing::debug!("the membership tree was written"),
        Err(error) => {
            tracing::warn!(%error, "the membership tree cannot be written; the next start makes it anew")
        }
    }
}

fn spawn<T: Send + 'static>(work: impl FnOnce() -> T + Send + 'static) -> Option<JoinHandle<T>> {
    let spawned = thread::Builder::new().name("weir-tree".into()).spawn(work);
    spawned.inspect_err(|error| tracing::warn!(%error, "no thread to write the membership tree")).ok()
}

fn load(file: &TreeFile) -> Result<SavedGroup, LoadError> {
    let mut reader = file.open(DEPTH)?;
    let TreeHeader { leaves, changes, source, .. } = *reader.header();
    let roots = reader.header().roots.iter().map(MerkleRoot::from_bytes).collect::<Result<_, _>>()?;
    let tree = MerkleTree::from_nodes(leaves, reader.by_ref());
    // The file's own reason first: nodes that make no tree are what a damaged file has.
    reader.finish()?;
    Ok(SavedGroup { changes, source, roots, tree: Arc::new(tree?) })
}

fn save(file: &TreeFile, saved: &SavedGroup) -> io::Result<()> {
    let header = TreeHeader {
        depth: DEPTH,
        leaves: saved.tree.used_leaves(),
        changes: saved.changes,
        source: saved.source,
        roots: saved.roots.iter().map(MerkleRoot::to_bytes).collect(),
    };
    file.write(&header, saved.tree.nodes())
}
