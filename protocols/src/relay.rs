//! The relay: which gossiped messages are accepted, and how a local message gets out.
//!
//! One state machine for both directions, because they share the rules, the nullifier log and the
//! proof pool. It performs nothing: [`Relay::handle`] takes one [`Input`] and appends [`Effect`]s,
//! which the shell performs in order.
//!
//! ```text
//! Gossip ──> ingress ──> decoded? topic? size? ──> Validator::check_early ──> VerifyProof
//!   Admitted               WellFormed                │ unknown root: parked ≤ 2 s, RefreshRoots
//!                                                    ▼
//! Publish ─> topic? size? ─┬─ has a proof ──> as gossip            ProofChecked
//!              WellFormed  └─ has none ──> Prove ──> Proved            │
//!                                                      │          Validator::check_late
//!                              Validator::register_own ┘               │ Verified
//!                                          │ Verified                  ▼
//!                                          └───────────────────────> Accepted
//!   gossip:  RecordNullifier, Verdict, Deliver
//!   publish: RecordNullifier, Broadcast ──> Broadcasted ──> Deliver, Answer
//! ```
//!
//! Checks come cheapest first, and each stage is a type that only its check can make (the `stage`
//! module). Without rate limits a well-formed message is accepted at once, and has no timestamp
//! rule.
//!
//! Spec: 11/WAKU2-RELAY, 17/WAKU2-RLN-RELAY, 64/WAKU2-NETWORK. Deviations from nwaku: a message
//! that comes again is ignored where nwaku rejects it (RLN-API LIP); see [`IgnoreReason`].
//!
//! # Invariants
//! - One [`Effect::Verdict`] for each [`Input::Gossip`], at the latest 7 s after it (2 s parked and
//!   5 s in the proof pool), as long as [`Input::Tick`] comes when [`Relay::next_deadline`] says; also when the clock
//!   is set back meanwhile.
//! - One [`Effect::Answer`] for each [`Input::Publish`], at the latest [`PUBLISH_TIMEOUT`] after it.
//!   What comes for a ticket after its answer is dropped: a late proof is not sent, and the message
//!   id it took is lost, never used again.
//! - [`Effect::Deliver`] exactly for messages accepted from a peer and for local ones that were
//!   sent, each once; a local one that turns out to have been sent before is not delivered again.
//!
//! # Security
//! Everything a peer can make this machine hold is bounded: [`Config::proof_units`] for messages
//! whose proof is being checked, [`Config::parked_units`] for messages that wait for a root. Of both
//! a peer gets only a share, so that one cannot starve the others.

use std::time::Duration;

use weir_core::{Autosharding, ClusterId, PubsubTopic, Timestamp, limits::DEFAULT_MAX_MESSAGE_SIZE};
use weir_rln::{Epoch, Nullifier, Share, Validator, ValidatorConfig};

use crate::ingress::{self, PeerQuotas};

mod cache;
mod first_senders;
mod input;
mod jobs;
mod parked;
mod publish;
mod publish_error;
mod stage;
mod subscriptions;
#[cfg(test)]
mod tests;
mod verdict;
mod verify;
mod verify_schedule;

pub use cache::MessageCache;
pub use input::{
    BroadcastError, Content, Effect, Gossip, GossipId, Input, JobId, ProofOutcome, ProofRefusal, Published,
    Ticket,
};
pub use jobs::PROOF_TIMEOUT;
pub use publish::PUBLISH_TIMEOUT;
pub use publish_error::PublishError;
#[cfg(test)]
pub(crate) use stage::accepted_in_tests;
pub use stage::{Accepted, Origin};
pub use subscriptions::SubscribeError;
pub use verdict::{Acceptance, IgnoreReason, RejectReason, Verdict};
pub use verify_schedule::{MAX_BATCH, Shed, ShedReason, VerifySchedule};

use publish::Tickets;
use stage::{Claimant, Form, Pending, Unlimited, WellFormed};
use subscriptions::Subscriptions;
use verify::{OnUnknownRoot, RateLimit};

/// What the relay is told once.
#[derive(Debug, Clone)]
pub struct Config {
    /// The cluster whose topics can be subscribed.
    pub cluster: ClusterId,
    /// Which shard a content topic is on, if the cluster has a rule.
    pub autosharding: Option<Autosharding>,
    /// Longest encoded message, in bytes.
    pub max_message_size: usize,
    /// The rate limit of the cluster, if it has one.
    pub rln: Option<ValidatorConfig>,
    /// Whether this node can make proofs.
    pub has_membership: bool,
    /// What each peer may send.
    pub ingress: ingress::Config,
    /// Room for messages whose proof is being checked: one unit a message and one for each 32 KiB of
    /// it. The proof pool must be able to queue as many jobs.
    pub proof_units: usize,
    /// Room for messages that wait for a root, in the same units.
    pub parked_units: usize,
    /// Publishes under way at one time.
    pub max_publishes: usize,
}

/// The state machine.
#[derive(Debug)]
pub struct Relay {
    max_message_size: usize,
    has_membership: bool,
    subscriptions: Subscriptions,
    quotas: PeerQuotas,
    limits: Limits,
    tickets: Tickets,
    /// The latest time that was told.
    now: Option<Timestamp>,
    draining: bool,
}

/// Whether messages need a proof.
#[derive(Debug)]
enum Limits {
    Unlimited(Unlimited),
    Rln(Box<RateLimit>),
}

/// What is under way.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct InFlight {
    /// Verifications.
    pub proofs: usize,
    /// Units of [`Config::proof_units`] in use.
    pub proof_units: usize,
    /// Messages that wait for a root.
    pub parked: usize,
    /// Units of [`Config::parked_units`] in use.
    pub parked_units: usize,
    /// Publishes.
    pub publishes: usize,
}

impl Config {
    /// The Waku network's values for `cluster`, without autosharding and rate limits.
    ///
    /// 1024 units of proofs are 1.4 s of work for one core at 1.4 ms each, so the last of a full
    /// queue is still far from its 5 s, and at most 32 MiB. A quarter of that for parked messages,
    /// which are rare. 512 publishes: a prover makes at most some 100 proofs within the 5 s of a
    /// publish, and without rate limits a publish is under way for as long as the network's mailbox.
    pub fn new(cluster: ClusterId) -> Self {
        Self {
            cluster,
            autosharding: None,
            max_message_size: DEFAULT_MAX_MESSAGE_SIZE,
            rln: None,
            has_membership: false,
            ingress: ingress::Config::default(),
            proof_units: 1024,
            parked_units: 256,
            max_publishes: 512,
        }
    }
}

impl Relay {
    /// A relay that takes part in no topic yet.
    pub fn new(config: Config) -> Self {
        let limits = match config.rln {
            None => Limits::Unlimited(Unlimited::without_rln()),
            Some(rln) => Limits::Rln(Box::new(RateLimit::new(rln, config.proof_units, config.parked_units))),
        };
        Self {
            max_message_size: config.max_message_size,
            has_membership: config.has_membership,
            subscriptions: Subscriptions::new(config.cluster, config.autosharding),
            quotas: PeerQuotas::new(config.ingress),
            limits,
            tickets: Tickets::new(config.max_publishes),
            now: None,
            draining: false,
        }
    }

    /// Takes one input and appends what to do about it.
    ///
    /// What is due is given up first, so an answer that comes with its deadline is late.
    pub fn handle(&mut self, input: Input, now: Timestamp, effects: &mut Vec<Effect>) {
        self.follow_clock(now);
        self.expire(now, effects);
        match input {
            Input::Gossip(gossip) => self.gossip(gossip, now, effects),
            Input::ProofChecked { id, outcome } => self.proof_checked(id, outcome, effects),
            Input::Publish { ticket, topic, message, encoded_size } => {
                self.publish(ticket, topic, message, encoded_size, now, effects);
            }
            Input::Proved { ticket, result } => self.proved(ticket, result, now, effects),
            Input::Broadcasted { ticket, result } => self.broadcasted(ticket, result, effects),
            Input::Roots(roots) => self.roots(&roots, now, effects),
            Input::Tick => self.forget_old_epochs(now),
        }
        self.refresh_roots(now, effects);
    }

    /// When [`Input::Tick`] is due at the latest. More ticks do no harm; one a minute keeps the
    /// nullifier log of a quiet node short.
    pub fn next_deadline(&self) -> Option<Timestamp> {
        let rln = match &self.limits {
            Limits::Unlimited(_) => None,
            Limits::Rln(rln) => rln.next_deadline(),
        };
        self.tickets.next_deadline().into_iter().chain(rln).min()
    }

    /// Takes no new work from now on: gossip is ignored and publishes are answered
    /// [`PublishError::Stopping`], those that wait for a proof among them. What else is under way goes
    /// on until [`Relay::is_idle`].
    pub fn drain(&mut self, effects: &mut Vec<Effect>) {
        self.draining = true;
        self.stop_proving(effects);
    }

    /// Whether nothing is under way.
    pub fn is_idle(&self) -> bool {
        let InFlight { proofs, parked, publishes, .. } = self.in_flight();
        proofs + parked + publishes == 0
    }

    /// What is under way.
    pub fn in_flight(&self) -> InFlight {
        let publishes = self.tickets.len();
        match &self.limits {
            Limits::Unlimited(_) => InFlight { publishes, ..InFlight::default() },
            Limits::Rln(rln) => InFlight { publishes, ..rln.in_flight() },
        }
    }

    /// Remembers nullifiers of an earlier run, before the first message. Returns how many were new.
    pub fn restore_nullifiers(
        &mut self,
        shares: impl IntoIterator<Item = (Epoch, Nullifier, Share)>,
    ) -> usize {
        match self.validator_mut() {
            None => 0,
            Some(validator) => validator.restore_nullifiers(shares),
        }
    }

    /// Nullifiers remembered now.
    pub fn nullifiers_remembered(&self) -> usize {
        match &self.limits {
            Limits::Unlimited(_) => 0,
            Limits::Rln(rln) => rln.nullifiers_remembered(),
        }
    }

    /// Keeps what waits from waiting longer when the clock is set back.
    fn follow_clock(&mut self, now: Timestamp) {
        let step = self.now.replace(now).map_or(Duration::ZERO, |before| before.saturating_since(now));
        if !step.is_zero() {
            self.tickets.set_back(step);
            if let Limits::Rln(rln) = &mut self.limits {
                rln.set_back(step);
            }
        }
    }

    fn gossip(&mut self, gossip: Gossip, now: Timestamp, effects: &mut Vec<Effect>) {
        let (id, from) = (gossip.id, gossip.from.clone());
        let verdict = match self.admit(gossip, now) {
            Ok(message) => {
                let claimant = Claimant::Gossip { id, from };
                let pending = Pending { claimant, message };
                return self.screen(pending, OnUnknownRoot::Wait, now, effects);
            }
            Err(verdict) => verdict,
        };
        effects.push(Effect::Verdict { id, verdict });
    }

    /// Ingress and structure: everything that needs no rate limit.
    fn admit(&mut self, gossip: Gossip, now: Timestamp) -> Result<WellFormed, Verdict> {
        if self.draining {
            return Err(Verdict::Ignore(IgnoreReason::Stopping));
        }
        let form = self.form_of(gossip.topic);
        let (from, bytes) = (gossip.from.clone(), gossip.size);
        let admitted = self
            .quotas
            .admit(&from, bytes, gossip, now)
            .map_err(|refusal| Verdict::Ignore(refusal.into()))?;
        WellFormed::from_gossip(admitted, form)
    }

    fn form_of(&self, topic: PubsubTopic) -> Form {
        Form { subscribed: self.subscriptions.contains(topic), max_size: self.max_message_size }
    }

    const fn validator_mut(&mut self) -> Option<&mut Validator> {
        match &mut self.limits {
            Limits::Unlimited(_) => None,
            Limits::Rln(rln) => Some(rln.validator_mut()),
        }
    }
}
