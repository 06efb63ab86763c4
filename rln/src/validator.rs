//! The rules a message must pass before and after its proof is verified.
//!
//! Verification takes a millisecond and happens elsewhere, so a message comes here twice.
//!
//! *Early* is everything cheap, the cheapest first. A share that is already remembered is refused
//! here, because it can change nothing. A **different** share on a remembered line is *not* judged
//! here: it is only bytes until its proof holds, and whoever saw a nullifier on the wire can write
//! them. Taking it for a breach would recover a secret that is none, or frame a member. It goes on
//! to Groth16 like any first message.
//!
//! *Late* is called only for claims whose proof holds. It remembers the share, and looks again in
//! doing so, since other copies may have overtaken this one in the proof pool: the first of two equal
//! shares is accepted and the second is a duplicate; the second of two different ones is a breach,
//! and the line through them is the sender's secret. The nullifier log is written here and nowhere
//! else, so that nothing unproven ever enters it.
//!
//! Once a line is broken, more shares on it are refused early and unproven: genuine or not, they are
//! refused either way, and a breach cannot be used to buy verifications.
//!
//! # Bounds
//! A message is accepted while its time is less than 21 s from ours (20 whole seconds), and its epoch
//! is that of its time. So an epoch is kept while a moment of it is less than 21 s in the past and
//! pruned after that: with a steady clock at most `ceil(42 / epoch length) + 1` epochs, 2 for 600 s and
//! 43 for 1 s, of at most [`ValidatorConfig::nullifier_capacity`] shares each. The log has room for
//! twice as many epochs, for a clock that was set back, and refuses more. Only members fill it, each
//! up to its quota, since nothing unproven enters.
//!
//! Spec: 17/WAKU2-RLN-RELAY "Routing"; order of nwaku's `validateMessage`.

use std::time::Duration;

use weir_core::{ProofField, RateLimitProof, Timestamp, WakuMessage};

use crate::{
    Epoch, EpochLength, Evidence, MerkleRoot, Nullifier, NullifierLog, ProofClaim, Rejection, RlnIdentifier,
    RootWindow, Share, Sighting, epoch::MAX_CLOCK_GAP_SECS, signal_hash,
};

/// What the cluster agreed on, and how much this node remembers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ValidatorConfig {
    /// How long an epoch is.
    pub epoch_length: EpochLength,
    /// Whole seconds by which a message's time may differ from ours; fractions are cut off.
    pub max_clock_skew: Duration,
    /// The application that messages count in.
    pub rln_identifier: RlnIdentifier,
    /// Roots that are accepted.
    pub root_window: usize,
    /// Messages remembered in an epoch; see [`ValidatorConfig::DEFAULT_NULLIFIER_CAPACITY`].
    pub nullifier_capacity: usize,
}

/// Checks messages against the rate limit.
#[derive(Debug)]
pub struct Validator {
    config: ValidatorConfig,
    roots: RootWindow,
    log: NullifierLog,
}

/// A message's share whose proof holds and that was the first on its line. Only
/// [`Validator::check_late`] and [`Validator::register_own`] make one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Verified {
    epoch: Epoch,
    root: MerkleRoot,
    nullifier: Nullifier,
    share: Share,
}

impl ValidatorConfig {
    /// The registry contract sells at most 160 000 messages an epoch to all members together, so a
    /// log of that size is never full. 24 MB if all of them are sent.
    pub const DEFAULT_NULLIFIER_CAPACITY: usize = 160_000;

    /// The values of the Waku network, for epochs of `epoch_length`.
    pub const fn new(epoch_length: EpochLength) -> Self {
        Self {
            epoch_length,
            max_clock_skew: Duration::from_secs(MAX_CLOCK_GAP_SECS),
            rln_identifier: RlnIdentifier::WAKU,
            root_window: RootWindow::DEFAULT_CAPACITY,
            nullifier_capacity: Self::DEFAULT_NULLIFIER_CAPACITY,
        }
    }

    /// The distance from now that no accepted message reaches: the skew is compared in whole seconds.
    fn reach(&self) -> Duration {
        Duration::from_secs(self.max_clock_skew.as_secs().saturating_add(1))
    }

    /// Epochs of all messages that are accepted at one moment: an open interval of twice the reach
    /// touches at most this many.
    fn epochs_in_reach(&self) -> usize {
        let epochs = self.reach().as_secs().saturating_mul(2).div_ceil(self.epoch_length.as_secs());
        usize::try_from(epochs.saturating_add(1)).unwrap_or(usize::MAX)
    }
}

impl Validator {
    /// A validator that knows no root, so accepts nothing yet.
    pub fn new(config: ValidatorConfig) -> Self {
        // Twice what a steady clock needs, for a clock that was set back: its future epochs stay
        // until time has caught up with them.
        let max_epochs = config.epochs_in_reach().saturating_mul(2);
        Self {
            config,
            roots: RootWindow::new(config.root_window),
            log: NullifierLog::new(max_epochs, config.nullifier_capacity),
        }
    }

    /// How long an epoch is.
    pub const fn epoch_length(&self) -> EpochLength {
        self.config.epoch_length
    }

    /// The rules that need no Groth16, the cheapest first. What is returned is to be verified and
    /// then given to [`Validator::check_late`].
    pub fn check_early(&mut self, message: &WakuMessage, now: Timestamp) -> Result<ProofClaim, Rejection> {
        self.prune(now);
        let proof = present(&message.proof)?;
        self.check_time(message.timestamp, now)?;
        if proof.rln_identifier != self.config.rln_identifier.to_bytes() {
            return Err(Rejection::ForeignIdentifier);
        }
        let claim = ProofClaim::parse(proof)?;
        self.check_epoch(&claim, message.timestamp)?;
        if !self.roots.contains(&claim.root()) {
            return Err(Rejection::UnknownRoot(claim.root()));
        }
        self.check_unseen(&claim)?;
        if claim.share().x != signal_hash(&message.payload, &message.content_topic, message.timestamp) {
            return Err(Rejection::SignalMismatch);
        }
        Ok(claim)
    }

    /// Accepts a claim **whose proof holds**, if no other share is remembered on its line by now.
    pub fn check_late(&mut self, claim: ProofClaim) -> Result<Verified, Rejection> {
        let (epoch, nullifier, second) = (claim.epoch(), claim.nullifier(), claim.share());
        match self.log.observe(epoch, nullifier, second) {
            Sighting::New => Ok(Verified { epoch, root: claim.root(), nullifier, share: second }),
            Sighting::Duplicate => Err(Rejection::DuplicateSignal),
            Sighting::DoubleSignal { again: true, .. } => Err(Rejection::BreachedNullifier),
            Sighting::DoubleSignal { first, again: false } => {
                let evidence = Evidence::new(epoch, claim.root(), nullifier, first, second)
                    .map_err(Rejection::InconsistentShares)?;
                Err(Rejection::DoubleSignal(Box::new(evidence)))
            }
            Sighting::Full => Err(Rejection::LogFull(epoch)),
            Sighting::Forgotten => Err(Rejection::EpochForgotten(epoch)),
        }
    }

    /// Accepts a claim this node has just proven itself, so that copies that come back are
    /// duplicates. The last barrier before a message leaves: a second signal under one message id is
    /// refused and yields no evidence.
    pub fn register_own(&mut self, claim: ProofClaim) -> Result<Verified, Rejection> {
        match self.log.lookup(claim.epoch(), claim.nullifier()) {
            Some(known) if known != claim.share() => Err(Rejection::OwnMessageIdReused(claim.epoch())),
            _ => self.check_late(claim),
        }
    }

    /// Makes `root` the newest accepted root.
    pub fn push_root(&mut self, root: MerkleRoot) {
        self.roots.push(root);
    }

    /// The newest accepted root.
    pub fn current_root(&self) -> Option<MerkleRoot> {
        self.roots.current()
    }

    /// Whether the nullifiers of `epoch` were forgotten, so that nothing of it is accepted any more. For
    /// an epoch of now that means that the clock was ahead and was set back.
    pub fn is_forgotten(&self, epoch: Epoch) -> bool {
        self.log.is_forgotten(epoch)
    }

    /// Forgets epochs of which no message can be accepted any more. Returns how many nullifiers that
    /// were. [`Validator::check_early`] does it as well; a quiet node calls it on a timer.
    pub fn prune(&mut self, now: Timestamp) -> usize {
        self.log.prune_before(self.oldest_acceptable_epoch(now))
    }

    /// The oldest epoch a message of which could still be accepted; older records need not be kept.
    pub fn oldest_acceptable_epoch(&self, now: Timestamp) -> Epoch {
        self.config.epoch_length.of(now.saturating_sub(self.config.reach()))
    }

    /// Remembers what an earlier run had verified. Returns how many were new. To be done before the
    /// first message.
    pub fn restore_nullifiers(
        &mut self,
        shares: impl IntoIterator<Item = (Epoch, Nullifier, Share)>,
    ) -> usize {
        self.log.restore(shares)
    }

    /// Nullifiers remembered now.
    pub fn nullifiers_remembered(&self) -> usize {
        self.log.len()
    }

    fn check_time(&self, timestamp: Timestamp, now: Timestamp) -> Result<(), Rejection> {
        let skew = now.distance(timestamp);
        if skew.as_secs() > self.config.max_clock_skew.as_secs() {
            return Err(Rejection::TimestampOutOfWindow { skew });
        }
        Ok(())
    }

    fn check_epoch(&self, claim: &ProofClaim, timestamp: Timestamp) -> Result<(), Rejection> {
        let (claimed, expected) = (claim.epoch(), self.config.epoch_length.of(timestamp));
        if claimed != expected {
            return Err(Rejection::EpochMismatch { claimed, expected });
        }
        if self.log.is_forgotten(claimed) {
            return Err(Rejection::EpochForgotten(claimed));
        }
        Ok(())
    }

    fn check_unseen(&self, claim: &ProofClaim) -> Result<(), Rejection> {
        if self.log.lookup(claim.epoch(), claim.nullifier()) == Some(claim.share()) {
            return Err(Rejection::DuplicateSignal);
        }
        if self.log.is_breached(claim.epoch(), claim.nullifier()) {
            return Err(Rejection::BreachedNullifier);
        }
        Ok(())
    }
}

impl Verified {
    /// The epoch the message counts in.
    pub const fn epoch(&self) -> Epoch {
        self.epoch
    }

    /// The root its sender proved membership against.
    pub const fn root(&self) -> MerkleRoot {
        self.root
    }

    /// The line its share is on.
    pub const fn nullifier(&self) -> Nullifier {
        self.nullifier
    }

    /// The share it gave away.
    pub const fn share(&self) -> Share {
        self.share
    }
}

fn present(field: &ProofField) -> Result<&RateLimitProof, Rejection> {
    match field {
        ProofField::Present(proof) => Ok(proof),
        ProofField::Absent => Err(Rejection::NoProof),
        ProofField::Malformed(_) => Err(Rejection::MalformedProof),
    }
}
