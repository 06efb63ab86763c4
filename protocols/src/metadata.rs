//! Whether a peer that told its cluster belongs to ours.
//!
//! nwaku asks every peer on connect and disconnects it when the answer names no cluster or another
//! one; different shards in one cluster are no reason (waku-wire 6.5).
//!
//! Spec: 66/WAKU2-METADATA.

use weir_core::ClusterId;

/// Why a peer is of no use to this node.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Mismatch {
    /// The answer has no cluster id.
    #[error("the peer names no cluster")]
    NoCluster,
    /// The answer names another cluster.
    #[error("the peer is in cluster {theirs}, this node in {ours}")]
    OtherCluster {
        /// This node's cluster.
        ours: ClusterId,
        /// The peer's cluster.
        theirs: ClusterId,
    },
}

/// Compares this node's cluster with what a peer answered.
pub fn judge(ours: ClusterId, theirs: Option<ClusterId>) -> Result<(), Mismatch> {
    match theirs {
        None => Err(Mismatch::NoCluster),
        Some(theirs) if theirs != ours => Err(Mismatch::OtherCluster { ours, theirs }),
        Some(_) => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_peer_of_the_same_cluster_is_kept() {
        let (ours, theirs) = (ClusterId(1), ClusterId(2));
        assert_eq!(judge(ours, Some(ours)), Ok(()));
        assert_eq!(judge(ours, None), Err(Mismatch::NoCluster));
        assert_eq!(judge(ours, Some(theirs)), Err(Mismatch::OtherCluster { ours, theirs }));
        assert_eq!(judge(ClusterId(0), Some(ClusterId(0))), Ok(()), "cluster 0 is a cluster");
    }
}
