//! How a message of a local client gets its proof, goes out and is answered.

use std::{mem, time::Duration};

use weir_core::{ProofField, PubsubTopic, RateLimitProof, Timestamp, WakuMessage};
use weir_rln::{Rejection, ValidatorConfig, Verified, signal_hash};

use super::{
    Accepted, BroadcastError, Effect, Limits, ProofRefusal, PublishError, Published, Relay, Ticket,
    stage::{Claimant, Clearance, Pending, WellFormed},
    verify::OnUnknownRoot,
};
use crate::deadlines::Deadlines;

/// A publish is answered within this time (waku-wire 14.2).
pub const PUBLISH_TIMEOUT: Duration = Duration::from_secs(5);

/// What a proof adds to the encoded message: the proof field (131) and six of 32 bytes (34 each)
/// make 335, whose length takes one byte more than the 0 of the empty field it replaces.
const PROOF_ENCODED_SIZE: usize = 336;

/// Publishes under way.
#[derive(Debug)]
pub(super) struct Tickets {
    open: Deadlines<Ticket, Stage>,
    capacity: usize,
}

/// What a publish waits for.
#[derive(Debug)]
enum Stage {
    /// The verdict on the proof it came with; the message is among the jobs or parked.
    Checking,
    /// A proof.
    Proving(WellFormed),
    /// The network.
    Broadcasting(Accepted),
}

impl Tickets {
    pub(super) const fn new(capacity: usize) -> Self {
        Self { open: Deadlines::new(), capacity }
    }

    pub(super) fn is_open(&self, ticket: Ticket) -> bool {
        self.open.contains(ticket)
    }

    pub(super) fn len(&self) -> usize {
        self.open.len()
    }

    /// The clock was set back by `step`.
    pub(super) fn set_back(&mut self, step: Duration) {
        self.open.set_back(step);
    }

    pub(super) fn next_deadline(&self) -> Option<Timestamp> {
        self.open.next()
    }

    fn open(&mut self, ticket: Ticket, stage: Stage, now: Timestamp) {
        self.open.insert(ticket, now.saturating_add(PUBLISH_TIMEOUT), stage);
    }

    /// The publishes that wait for a proof.
    fn proving(&mut self) -> Vec<Ticket> {
        let tickets = self.open.keys_in(..);
        let proving = |ticket: &Ticket| matches!(self.open.get_mut(*ticket), Some(Stage::Proving(_)));
        tickets.into_iter().filter(proving).collect()
    }

    /// The message that waits for a proof. The ticket stays open.
    fn take_proving(&mut self, ticket: Ticket) -> Option<WellFormed> {
        let stage = self.open.get_mut(ticket)?;
        match mem::replace(stage, Stage::Checking) {
            Stage::Proving(message) => Some(message),
            other @ (Stage::Checking | Stage::Broadcasting(_)) => {
                *stage = other;
                None
            }
        }
    }

    /// The message that waits for the network. The ticket is closed.
    fn close_broadcasting(&mut self, ticket: Ticket) -> Option<Accepted> {
        let Stage::Broadcasting(_) = self.open.get_mut(ticket)? else { return None };
        match self.open.remove(ticket)? {
            Stage::Broadcasting(accepted) => Some(accepted),
            Stage::Checking | Stage::Proving(_) => None,
        }
    }
}

impl Relay {
    pub(super) fn publish(
        &mut self,
        ticket: Ticket,
        topic: PubsubTopic,
        message: WakuMessage,
        encoded_size: usize,
        now: Timestamp,
        effects: &mut Vec<Effect>,
    ) {
        let needs_proof = matches!(self.limits, Limits::Rln(_)) && message.proof == ProofField::Absent;
        let size = encoded_size.saturating_add(if needs_proof { PROOF_ENCODED_SIZE } else { 0 });
        match self.admit_publish(topic, message, size) {
            Err(error) => effects.push(Effect::Answer { ticket, result: Err(error) }),
            Ok(message) if needs_proof => self.request_proof(ticket, message, now, effects),
            Ok(message) => {
                self.tickets.open(ticket, Stage::Checking, now);
                let pending = Pending { claimant: Claimant::Publish(ticket), message };
                self.screen(pending, OnUnknownRoot::Wait, now, effects);
            }
        }
    }

    /// A proof was made, or not. Once the ticket is answered it is too late: the message id is lost.
    pub(super) fn proved(
        &mut self,
        ticket: Ticket,
        result: Result<RateLimitProof, ProofRefusal>,
        now: Timestamp,
        effects: &mut Vec<Effect>,
    ) {
        let Some(message) = self.tickets.take_proving(ticket) else { return };
        let registered = result.map_err(PublishError::from).and_then(|proof| {
            let message = message.with_proof(proof);
            self.register_own(&message, now).map(|verified| (message, verified))
        });
        match registered {
            Ok((message, verified)) => {
                let claimant = Claimant::Publish(ticket);
                self.accept(Pending { claimant, message }, Clearance::Verified(verified), effects);
            }
            Err(error) => self.answer_error(ticket, error, effects),
        }
    }

    /// Sends an accepted local message; the answer follows the network's.
    pub(super) fn broadcast(&mut self, ticket: Ticket, accepted: Accepted, effects: &mut Vec<Effect>) {
        let Some(stage) = self.tickets.open.get_mut(ticket) else { return };
        let (topic, message) = (accepted.topic(), accepted.message().clone());
        *stage = Stage::Broadcasting(accepted);
        effects.push(Effect::Broadcast { ticket, topic, message });
    }

    /// The network's outcome. A message that was sent, if only to nobody, is delivered here too
    /// (nwaku's `triggerSelf`); one that was sent before has been delivered before.
    pub(super) fn broadcasted(
        &mut self,
        ticket: Ticket,
        result: Result<usize, BroadcastError>,
        effects: &mut Vec<Effect>,
    ) {
        let Some(accepted) = self.tickets.close_broadcasting(ticket) else { return };
        let (hash, topic) = (accepted.hash(), accepted.topic());
        let is_new = result != Err(BroadcastError::Duplicate);
        let result = match result {
            Ok(peers) => Ok(Published { hash, peers }),
            Err(BroadcastError::NoPeers | BroadcastError::Duplicate) => Ok(Published { hash, peers: 0 }),
            Err(BroadcastError::TooLarge) => Err(PublishError::TooLarge { max: self.max_message_size }),
            Err(BroadcastError::QueuesFull) => Err(PublishError::Overloaded),
            Err(BroadcastError::NotSubscribed) => Err(PublishError::NotSubscribed(topic)),
        };
        if is_new && result.is_ok() {
            effects.push(Effect::Deliver(accepted));
        }
        effects.push(Effect::Answer { ticket, result });
    }

    /// Answers a publish that failed, unless it was answered before.
    pub(super) fn answer_error(&mut self, ticket: Ticket, error: PublishError, effects: &mut Vec<Effect>) {
        if self.tickets.open.remove(ticket).is_some() {
            effects.push(Effect::Answer { ticket, result: Err(error) });
        }
    }

    /// Answers the publishes that wait for a proof: the node is stopping, and a proof that takes
    /// longer than the stop would be lost with its answer.
    pub(super) fn stop_proving(&mut self, effects: &mut Vec<Effect>) {
        for ticket in self.tickets.proving() {
            self.answer_error(ticket, PublishError::Stopping, effects);
        }
    }

    pub(super) fn expire_publishes(&mut self, now: Timestamp, effects: &mut Vec<Effect>) {
        while let Some((ticket, _)) = self.tickets.open.pop_due(now) {
            effects.push(Effect::Answer { ticket, result: Err(PublishError::Timeout) });
        }
    }

    fn admit_publish(
        &self,
        topic: PubsubTopic,
        message: WakuMessage,
        size: usize,
    ) -> Result<WellFormed, PublishError> {
        if self.draining {
            return Err(PublishError::Stopping);
        }
        if self.tickets.len() >= self.tickets.capacity {
            return Err(PublishError::Overloaded);
        }
        WellFormed::from_publish(topic, message, size, self.form_of(topic))
    }

    /// Asks for a proof, unless the message could not be published with one: a message id is spent
    /// only on a message that can go out.
    fn request_proof(
        &mut self,
        ticket: Ticket,
        message: WellFormed,
        now: Timestamp,
        effects: &mut Vec<Effect>,
    ) {
        let Limits::Rln(rln) = &self.limits else { return };
        let timestamp = message.message().timestamp;
        let refused = if self.has_membership {
            check_time(&rln.config, timestamp, now).err()
        } else {
            Some(PublishError::NoMembership)
        };
        if let Some(error) = refused {
            effects.push(Effect::Answer { ticket, result: Err(error) });
            return;
        }
        let epoch = rln.config.epoch_length.of(timestamp);
        // What was published in it is no longer known, so peers who remember could see a second share.
        if rln.validator.is_forgotten(epoch) {
            let error = PublishError::ProofFailed(Rejection::EpochForgotten(epoch).to_string());
            effects.push(Effect::Answer { ticket, result: Err(error) });
            return;
        }
        let signal = signal_hash(&message.message().payload, &message.message().content_topic, timestamp);
        self.tickets.open(ticket, Stage::Proving(message), now);
        effects.push(Effect::Prove { ticket, epoch, timestamp, signal });
    }

    /// Checks the message as a peer would, short of Groth16, and remembers its share. What breaks a
    /// rule by now, because the proof took too long or a root left the window, is not sent: peers
    /// would hold it against us.
    fn register_own(&mut self, message: &WellFormed, now: Timestamp) -> Result<Verified, PublishError> {
        let Limits::Rln(rln) = &mut self.limits else { return Err(PublishError::NoMembership) };
        let claim = rln.validator.check_early(message.message(), now);
        claim.and_then(|claim| rln.validator.register_own(claim)).map_err(|rejection| match rejection {
            Rejection::TimestampOutOfWindow { .. } => PublishError::Invalid(rejection.to_string()),
            _ => PublishError::ProofFailed(rejection.to_string()),
        })
    }
}

/// The validator's own rule, asked before there is a proof to validate.
fn check_time(config: &ValidatorConfig, timestamp: Timestamp, now: Timestamp) -> Result<(), PublishError> {
    let skew = now.distance(timestamp);
    if skew.as_secs() > config.max_clock_skew.as_secs() {
        return Err(PublishError::Invalid(Rejection::TimestampOutOfWindow { skew }.to_string()));
    }
    Ok(())
}
