//! One message on its way.

use std::{collections::BTreeSet, time::Duration};

use weir_core::{MessageHash, PeerId, ProofField, Timestamp, WakuMessage};

use super::Outgoing;
use crate::lightpush::Class;

/// Where a send is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Stage {
    /// For its next round.
    Waiting,
    /// Peers have it and have not answered.
    Pushing,
    /// A new proof is being made.
    Renewing,
    /// A peer took it; a store is to be asked.
    Propagated,
    /// A store was asked.
    Querying,
}

/// Names that are looked for. A proof lives for 20 s, so there are few, unless peers refuse one after the other.
const MAX_NAMES: usize = 8;

/// A send.
#[derive(Debug)]
pub(super) struct Send {
    pub(super) outgoing: Outgoing,
    /// The names it had and has: a new proof gives a new one, and any of them counts.
    pub(super) hashes: Vec<MessageHash>,
    pub(super) stage: Stage,
    pub(super) give_up_at: Timestamp,
    pub(super) propagated_at: Option<Timestamp>,
    /// The number of this round.
    pub(super) round: u32,
    /// In this round.
    pub(super) tried: BTreeSet<PeerId>,
    pub(super) pushing: usize,
    pub(super) took: usize,
    /// In all rounds.
    pub(super) served_by: BTreeSet<PeerId>,
    pub(super) refused_by: BTreeSet<PeerId>,
    discarded: BTreeSet<PeerId>,
    /// A peer held something against the proof.
    proof_refused: bool,
    pub(super) last_reason: String,
    /// Why a peer refused the message for good.
    pub(super) refusal: String,
}

impl Send {
    pub(super) fn new(outgoing: Outgoing, give_up_at: Timestamp) -> Self {
        Self {
            hashes: vec![outgoing.message.hash(outgoing.topic)],
            outgoing,
            stage: Stage::Waiting,
            give_up_at,
            propagated_at: None,
            round: 0,
            tried: BTreeSet::new(),
            pushing: 0,
            took: 0,
            served_by: BTreeSet::new(),
            refused_by: BTreeSet::new(),
            discarded: BTreeSet::new(),
            proof_refused: false,
            last_reason: "there is no service peer".to_owned(),
            refusal: String::new(),
        }
    }

    pub(super) const fn is_out(&self) -> bool {
        self.propagated_at.is_some()
    }

    /// The name it has now.
    pub(super) fn hash(&self) -> MessageHash {
        self.outgoing.message.hash(self.outgoing.topic)
    }

    /// Replaces the message by the same with another timestamp and proof.
    pub(super) fn renew(&mut self, message: WakuMessage) {
        self.outgoing.message = message;
        let hash = self.hash();
        if !self.hashes.contains(&hash) {
            self.hashes.push(hash);
        }
        if self.hashes.len() > MAX_NAMES {
            self.hashes.remove(0);
        }
        self.proof_refused = false;
        // What was held against the old proof does not count any more.
        self.refused_by.clear();
    }

    /// Notes what a peer answered that did not take the message.
    pub(super) fn failed(&mut self, peer: &PeerId, class: Class, renew_proof: bool, reason: String) {
        if class == Class::Irrecoverable {
            self.refusal.clone_from(&reason);
        }
        self.last_reason = reason;
        self.proof_refused |= renew_proof;
        match class {
            Class::Irrecoverable => drop(self.refused_by.insert(peer.clone())),
            Class::DiscardPeer => drop(self.discarded.insert(peer.clone())),
            Class::Retry => {}
        }
    }

    /// Whether the message has a proof that is of no use any more. One without a proof gets it from the service.
    pub(super) fn needs_proof(&self, now: Timestamp, life: Duration) -> bool {
        let message = &self.outgoing.message;
        let is_old = now.saturating_since(message.timestamp) >= life;
        message.proof != ProofField::Absent && (is_old || self.proof_refused)
    }

    pub(super) fn begin_round(&mut self) {
        self.stage = Stage::Pushing;
        self.round = self.round.saturating_add(1);
        self.tried.clear();
        (self.pushing, self.took) = (0, 0);
    }

    /// Whether `peer` can be tried in this round. One that refused the message would refuse it again.
    pub(super) fn may_push_to(&self, peer: &PeerId) -> bool {
        !self.tried.contains(peer) && !self.refused_by.contains(peer) && !self.discarded.contains(peer)
    }

    /// How long until the next round: 1, 2, 4, then 8 s.
    pub(super) fn next_delay(&self) -> Duration {
        Duration::from_secs(1 << self.round.saturating_sub(1).min(3))
    }
}
