//! Where the nodes of one test live.

use std::{
    path::{Path, PathBuf},
    time::Duration,
};

use tempfile::TempDir;
use weir_core::{ClusterId, PubsubTopic, ShardId};
use weir_rln::EpochLength;

use crate::{
    node::{Node, Setup},
    wait::{SOON, until_true},
};

/// The cluster of every test: that of the preset `local`.
pub(crate) const CLUSTER: ClusterId = ClusterId(66);

/// An epoch that does not end during a test, except at 2027-01-15 08:00 UTC and every 1157 days after.
const ENDLESS_EPOCH_SECS: u64 = 100_000_000;

/// A temporary folder with a registry that its nodes share.
#[derive(Debug)]
pub(crate) struct World {
    folder: TempDir,
}

impl World {
    pub(crate) fn new() -> Self {
        Self { folder: TempDir::with_prefix("weir-e2e-").expect("a temporary folder") }
    }

    /// The folder; gone with the world.
    pub(crate) fn path(&self) -> &Path {
        self.folder.path()
    }

    /// The registry that the nodes share.
    pub(crate) fn registry(&self) -> PathBuf {
        self.path().join("registry")
    }

    /// Length of the epochs of [`World::node`].
    pub(crate) fn epoch_length() -> EpochLength {
        EpochLength::new(ENDLESS_EPOCH_SECS).expect("not zero")
    }

    /// The same as a duration.
    pub(crate) const fn epoch() -> Duration {
        Duration::from_secs(ENDLESS_EPOCH_SECS)
    }

    /// A rate-limited node, not started yet, with the files in `<world>/<name>`.
    pub(crate) fn node(&self, name: &str) -> Setup {
        self.plain_node(name)
            .option("rln-relay-registry-path", self.registry().display())
            .option("rln-relay-epoch-sec", ENDLESS_EPOCH_SECS)
    }

    /// As [`World::node`], without settings of RLN.
    pub(crate) fn plain_node(&self, name: &str) -> Setup {
        Setup::new(name, self.path().join(name))
    }
}

/// The topic of a shard of [`CLUSTER`].
pub(crate) fn topic(shard: u16) -> PubsubTopic {
    PubsubTopic::new(CLUSTER, ShardId(shard)).expect("a shard index of the cluster")
}

/// Waits until each of `nodes` has all the others in its mesh of `topic`, so that a message of one
/// reaches all.
pub(crate) async fn meshed(nodes: &[&Node], topic: PubsubTopic) {
    for node in nodes {
        let others = nodes.iter().filter(|other| other.peer_id() != node.peer_id());
        let others: Vec<&str> = others.map(|other| other.peer_id()).collect();
        let what = format!("{} has the others in its mesh", node.name());
        until_true(&what, SOON, async || {
            let mesh = node.rest().mesh(topic).await;
            others.iter().all(|other| mesh.iter().any(|id| id == other))
        })
        .await;
    }
}
