//! Sends messages by light push until a store has them.
//!
//! ```text
//!            Push to `redundancy` peers          a peer took it
//! (send) ──> Pushing ────────────────────────────────────────────> Propagated ── Query ──┬─> sent
//!              ▲ │ all failed     ┌─ Renewing <─ proof old or refused      ▲ no answer     │
//!              │ ▼                ▼                                      └─────────────────┤
//!            Waiting 1, 2, 4, 8 s ─── a new round ──> Pushing <──────── the store has none ┘
//! ```
//!
//! A peer that fails is replaced within the round. A message fails for good when two peers refuse it for good (one may
//! talk nonsense), or when nobody has taken it for [`SenderConfig::give_up`]. A message that is out but that no store
//! confirms in that time is given up without an error. An ephemeral one is done when it is out.
//!
//! # Invariants
//! At most [`SenderConfig::max_sends`] sends are under way, each for at most twice [`SenderConfig::give_up`]. A send ends
//! with one [`Event::Sent`] or [`Event::Error`], or, out but not confirmed, with none.

use std::{collections::BTreeSet, time::Duration};

use weir_core::{MessageHash, PeerId, PubsubTopic, Timestamp, WakuMessage, lightpush::Answer};

use super::{Event, QueryId, SendError};
use crate::{
    deadlines::Deadlines,
    lightpush::{Class, Judgement, judge},
    service_peers::{RequestFailure, ServicePeers},
};

mod send;
#[cfg(test)]
mod tests;

use send::{Send, Stage};

/// Hashes in one query (chat-reliability 3.2, go-waku).
const MAX_HASHES: usize = 50;

/// Peers that have to refuse a message before it is given up.
const REFUSALS: usize = 2;

/// What the sender is told once. Times are those of chat-reliability 3.2.
#[derive(Debug, Clone, Copy)]
pub struct SenderConfig {
    /// Peers to which a message is pushed.
    pub redundancy: usize,
    /// Peers that are tried in one round.
    pub tries: usize,
    /// How long the answer to a push may take.
    pub push_timeout: Duration,
    /// How long after a message went out, or after a check, a store is asked for it.
    pub confirm_after: Duration,
    /// How long the answer of a store may take.
    pub query_timeout: Duration,
    /// How long a message that nobody takes is tried, and one that is out is checked.
    pub give_up: Duration,
    /// Sends under way at one time.
    pub max_sends: usize,
    /// Age at which a proof is too old to be sent (20 s in the Waku network).
    pub proof_life: Duration,
}

impl Default for SenderConfig {
    fn default() -> Self {
        Self {
            redundancy: 2,
            tries: 4,
            push_timeout: Duration::from_secs(10),
            confirm_after: Duration::from_secs(3),
            query_timeout: Duration::from_secs(5),
            give_up: Duration::from_secs(60),
            max_sends: 1024,
            proof_life: Duration::from_secs(20),
        }
    }
}

/// Names a send. Given by whoever sends, never twice.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct SendId(pub u64);

/// Names a push. Given in ascending order, never twice.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct PushId(pub u64);

/// A message on its way.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Outgoing {
    /// Where to.
    pub topic: PubsubTopic,
    /// What; the timestamp is set.
    pub message: WakuMessage,
}

/// Something to do.
#[derive(Debug, PartialEq, Eq)]
pub enum SenderEffect {
    /// Push a message; answer with [`Sender::pushed`].
    Push {
        /// For the answer.
        id: PushId,
        /// To whom.
        peer: PeerId,
        /// What.
        outgoing: Box<Outgoing>,
    },
    /// Ask a store which of these it has; answer with [`Sender::confirmed`].
    Query {
        /// For the answer.
        id: QueryId,
        /// Whom.
        peer: PeerId,
        /// At most 50.
        hashes: Vec<MessageHash>,
    },
    /// Give the message of a send a new timestamp and proof; answer with [`Sender::renewed`].
    Renew(SendId),
    /// Tell the application.
    Event(Event),
}

/// What is being sent.
#[derive(Debug)]
pub struct Sender {
    config: SenderConfig,
    light_push: ServicePeers,
    stores: ServicePeers,
    /// Each until something is due for it.
    sends: Deadlines<SendId, Send>,
    pushes: Deadlines<PushId, Push>,
    queries: Deadlines<QueryId, (PeerId, Vec<SendId>)>,
    next_id: u64,
    unconfirmed: u64,
    latest: Option<Timestamp>,
}

/// A push without an outcome.
#[derive(Debug)]
struct Push {
    send: SendId,
    /// Of the send.
    round: u32,
    peer: PeerId,
}

impl Sender {
    /// A sender with nothing to send.
    pub fn new(config: SenderConfig) -> Self {
        Self {
            config,
            light_push: ServicePeers::default(),
            stores: ServicePeers::default(),
            sends: Deadlines::new(),
            pushes: Deadlines::new(),
            queries: Deadlines::new(),
            next_id: 0,
            unconfirmed: 0,
            latest: None,
        }
    }

    /// The peers to push to; whoever changes them calls [`Sender::tick`] then.
    pub const fn light_push_peers(&mut self) -> &mut ServicePeers {
        &mut self.light_push
    }

    /// The peers to ask for what was sent.
    pub const fn store_peers(&mut self) -> &mut ServicePeers {
        &mut self.stores
    }

    /// Sends under way.
    pub fn under_way(&self) -> usize {
        self.sends.len()
    }

    /// Messages that went out and were given up without a confirmation.
    pub const fn unconfirmed(&self) -> u64 {
        self.unconfirmed
    }

    /// Sends a message.
    pub fn send(&mut self, id: SendId, outgoing: Outgoing, now: Timestamp, effects: &mut Vec<SenderEffect>) {
        self.follow_clock(now);
        if self.sends.len() >= self.config.max_sends {
            let error = SendError::Overloaded(self.config.max_sends);
            effects.push(SenderEffect::Event(Event::Error { send: id, error }));
            return;
        }
        self.sends.insert(id, now, Send::new(outgoing, now.saturating_add(self.config.give_up)));
        self.tick(now, effects);
    }

    /// A push has an outcome.
    pub fn pushed(
        &mut self,
        id: PushId,
        result: Result<Answer, RequestFailure>,
        now: Timestamp,
        effects: &mut Vec<SenderEffect>,
    ) {
        self.follow_clock(now);
        if let Some(push) = self.pushes.remove(id) {
            self.settle_push(&push, &result, now, effects);
        }
        self.tick(now, effects);
    }

    /// A store told which of the hashes that it was asked for it has.
    pub fn confirmed(
        &mut self,
        id: QueryId,
        result: Result<Vec<MessageHash>, RequestFailure>,
        now: Timestamp,
        effects: &mut Vec<SenderEffect>,
    ) {
        self.follow_clock(now);
        if let Some((peer, sends)) = self.queries.remove(id) {
            self.settle_query(&peer, sends, result, now, effects);
        }
        self.tick(now, effects);
    }

    /// A message has a new timestamp and proof, or cannot have them.
    pub fn renewed(
        &mut self,
        id: SendId,
        result: Result<WakuMessage, String>,
        now: Timestamp,
        effects: &mut Vec<SenderEffect>,
    ) {
        self.follow_clock(now);
        match (self.sends.get_mut(id), result) {
            (Some(send), Ok(message)) if send.stage == Stage::Renewing => {
                send.renew(message);
                self.push_round(id, now, effects);
            }
            (Some(send), Err(why)) if send.stage == Stage::Renewing => {
                self.fail(id, SendError::Proof(why), effects);
            }
            _ => {}
        }
        self.tick(now, effects);
    }

    /// Does what is due.
    pub fn tick(&mut self, now: Timestamp, effects: &mut Vec<SenderEffect>) {
        self.follow_clock(now);
        while let Some((_, push)) = self.pushes.pop_due(now) {
            self.settle_push(&push, &Err(RequestFailure::TimedOut), now, effects);
        }
        while let Some((_, (peer, sends))) = self.queries.pop_due(now) {
            self.settle_query(&peer, sends, Err(RequestFailure::TimedOut), now, effects);
        }
        let mut to_confirm = Vec::new();
        // Ends, because whatever is done for a send gives it a later deadline or ends it.
        while let Some((id, send)) = self.sends.pop_due(now) {
            let (until, stage) = (send.give_up_at, send.stage);
            let last_reason = send.last_reason.clone();
            self.sends.insert(id, until, send);
            match stage {
                _ if until <= now => self.fail(id, SendError::TimedOut(last_reason), effects),
                Stage::Waiting => self.begin_round(id, now, effects),
                Stage::Propagated => to_confirm.push(id),
                Stage::Pushing | Stage::Renewing | Stage::Querying => {}
            }
        }
        self.ask_stores(to_confirm, now, effects);
    }

    /// When [`Sender::tick`] is due at the latest.
    pub fn next_deadline(&self) -> Option<Timestamp> {
        [self.sends.next(), self.pushes.next(), self.queries.next()].into_iter().flatten().min()
    }

    /// Begins a round, after a new proof if the old one is of no use.
    fn begin_round(&mut self, id: SendId, now: Timestamp, effects: &mut Vec<SenderEffect>) {
        let Some(send) = self.sends.get_mut(id) else { return };
        if !send.needs_proof(now, self.config.proof_life) {
            return self.push_round(id, now, effects);
        }
        send.stage = Stage::Renewing;
        let until = send.give_up_at;
        self.sends.reschedule(id, until);
        effects.push(SenderEffect::Renew(id));
    }

    /// Pushes to the first peers of a round.
    fn push_round(&mut self, id: SendId, now: Timestamp, effects: &mut Vec<SenderEffect>) {
        let Some(send) = self.sends.get_mut(id) else { return };
        send.begin_round();
        let until = send.give_up_at;
        self.sends.reschedule(id, until);
        self.push_more(id, now, effects);
        self.end_round_if_over(id, now, effects);
    }

    /// Pushes to further peers until enough have it or have been tried.
    fn push_more(&mut self, id: SendId, now: Timestamp, effects: &mut Vec<SenderEffect>) {
        let Some(send) = self.sends.get_mut(id) else { return };
        while send.took + send.pushing < self.config.redundancy && send.tried.len() < self.config.tries {
            let topic = Some(send.outgoing.topic);
            let Some(peer) = self.light_push.pick(topic, now, |peer| send.may_push_to(peer)) else { return };
            self.next_id += 1;
            let push = PushId(self.next_id);
            send.pushing += 1;
            send.tried.insert(peer.clone());
            let under_way = Push { send: id, round: send.round, peer: peer.clone() };
            self.pushes.insert(push, now.saturating_add(self.config.push_timeout), under_way);
            effects.push(SenderEffect::Push { id: push, peer, outgoing: Box::new(send.outgoing.clone()) });
        }
    }

    fn settle_push(
        &mut self,
        push: &Push,
        result: &Result<Answer, RequestFailure>,
        now: Timestamp,
        effects: &mut Vec<SenderEffect>,
    ) {
        let (id, peer) = (push.send, &push.peer);
        let judgement = judge(result);
        let is_out = self.sends.get_mut(id).is_none_or(|send| send.is_out());
        match judgement {
            Judgement::Propagated => self.light_push.succeeded(peer),
            Judgement::Failed { class: Class::Irrecoverable, .. }
            | Judgement::Failed { renew_proof: true, .. } => {
                // The message's fault, not the peer's.
            }
            Judgement::Failed { .. } if is_out && result.is_ok() => {
                // It may have refused what it knows from others already.
            }
            Judgement::Failed { .. } => self.light_push.failed(peer, now),
        }
        let Some(send) = self.sends.get_mut(id) else { return };
        let is_of_this_round = send.round == push.round;
        if is_of_this_round {
            send.pushing = send.pushing.saturating_sub(1);
        }
        match judgement {
            Judgement::Propagated => self.propagated(push, now, effects),
            Judgement::Failed { class, renew_proof } => {
                send.failed(peer, class, renew_proof, reason(result));
                if is_of_this_round {
                    self.push_more(id, now, effects);
                    self.end_round_if_over(id, now, effects);
                }
            }
        }
    }

    /// A peer took the message.
    fn propagated(&mut self, push: &Push, now: Timestamp, effects: &mut Vec<SenderEffect>) {
        let id = push.send;
        let Some(send) = self.sends.get_mut(id) else { return };
        send.took += usize::from(send.round == push.round);
        send.served_by.insert(push.peer.clone());
        if !send.is_out() {
            send.propagated_at = Some(now);
            send.give_up_at = now.saturating_add(self.config.give_up);
            effects.push(SenderEffect::Event(Event::Propagated { send: id, hash: send.hash() }));
        }
        if send.outgoing.message.ephemeral {
            self.sends.remove(id);
        } else if matches!(send.stage, Stage::Pushing | Stage::Waiting) {
            send.stage = Stage::Propagated;
            self.sends.reschedule(id, now.saturating_add(self.config.confirm_after));
        }
    }

    /// Nobody is left to answer, and nobody took the message.
    fn end_round_if_over(&mut self, id: SendId, now: Timestamp, effects: &mut Vec<SenderEffect>) {
        let Some(send) = self.sends.get_mut(id) else { return };
        if send.stage != Stage::Pushing || send.pushing > 0 || send.took > 0 {
            return;
        }
        let peers = self.light_push.count(Some(send.outgoing.topic));
        if send.refused_by.len() >= REFUSALS.min(peers.max(1)) && !send.is_out() {
            let why = send.refusal.clone();
            self.fail(id, SendError::Refused(why), effects);
            return;
        }
        let (stage, delay) = match send.is_out() {
            true => (Stage::Propagated, send.next_delay().max(self.config.confirm_after)),
            false => (Stage::Waiting, send.next_delay()),
        };
        send.stage = stage;
        let at = now.saturating_add(delay).min(send.give_up_at);
        self.sends.reschedule(id, at);
    }

    /// Asks stores for the messages of `sends`, in as many queries as they need.
    fn ask_stores(&mut self, sends: Vec<SendId>, now: Timestamp, effects: &mut Vec<SenderEffect>) {
        let (mut batch, mut hashes) = (Vec::new(), 0);
        for id in sends {
            let more = self.sends.get_mut(id).map_or(0, |send| send.hashes.len());
            if hashes + more > MAX_HASHES {
                self.ask_store(std::mem::take(&mut batch), now, effects);
                hashes = 0;
            }
            batch.push(id);
            hashes += more;
        }
        if !batch.is_empty() {
            self.ask_store(batch, now, effects);
        }
    }

    /// Asks one store for the messages of `sends`, rather one that did not publish them.
    fn ask_store(&mut self, sends: Vec<SendId>, now: Timestamp, effects: &mut Vec<SenderEffect>) {
        let mut hashes = Vec::new();
        let mut served_by = BTreeSet::new();
        for id in &sends {
            if let Some(send) = self.sends.get_mut(*id) {
                hashes.extend_from_slice(&send.hashes);
                served_by.extend(send.served_by.iter().cloned());
            }
        }
        let other = self.stores.pick_rested(None, now, |peer| !served_by.contains(peer));
        let peer = other.or_else(|| self.stores.pick(None, now, |_| true));
        let next_check = now.saturating_add(self.config.confirm_after);
        for id in &sends {
            let Some(send) = self.sends.get_mut(*id) else { continue };
            let until = if peer.is_some() {
                send.stage = Stage::Querying;
                send.give_up_at
            } else {
                next_check
            };
            self.sends.reschedule(*id, until);
        }
        let Some(peer) = peer else { return };
        self.next_id += 1;
        let id = QueryId(self.next_id);
        let until = now.saturating_add(self.config.query_timeout);
        self.queries.insert(id, until, (peer.clone(), sends));
        effects.push(SenderEffect::Query { id, peer, hashes });
    }

    fn settle_query(
        &mut self,
        peer: &PeerId,
        sends: Vec<SendId>,
        result: Result<Vec<MessageHash>, RequestFailure>,
        now: Timestamp,
        effects: &mut Vec<SenderEffect>,
    ) {
        match &result {
            Ok(_) => self.stores.succeeded(peer),
            Err(_) => self.stores.failed(peer, now),
        }
        let stored: Option<BTreeSet<MessageHash>> = result.ok().map(|hashes| hashes.into_iter().collect());
        for id in sends {
            let Some(send) = self.sends.get_mut(id) else { continue };
            if send.stage != Stage::Querying {
                continue;
            }
            let found = stored.as_ref().map(|stored| send.hashes.iter().find(|hash| stored.contains(*hash)));
            match found {
                Some(Some(hash)) => {
                    effects.push(SenderEffect::Event(Event::Sent { send: id, hash: *hash }));
                    self.sends.remove(id);
                }
                // Lost on the way, or slow.
                Some(None) => self.begin_round(id, now, effects),
                None => {
                    send.stage = Stage::Propagated;
                    self.sends.reschedule(id, now.saturating_add(self.config.confirm_after));
                }
            }
        }
    }

    fn fail(&mut self, id: SendId, error: SendError, effects: &mut Vec<SenderEffect>) {
        if let Some(send) = self.sends.remove(id) {
            if send.is_out() {
                self.unconfirmed += 1;
            } else {
                effects.push(SenderEffect::Event(Event::Error { send: id, error }));
            }
        }
    }

    /// Keeps what waits from waiting longer when the clock is set back.
    fn follow_clock(&mut self, now: Timestamp) {
        let step = self.latest.replace(now).map_or(Duration::ZERO, |before| before.saturating_since(now));
        if step.is_zero() {
            return;
        }
        self.sends.set_back(step);
        self.pushes.set_back(step);
        self.queries.set_back(step);
        for send in self.sends.values_mut() {
            send.give_up_at = send.give_up_at.saturating_sub(step);
        }
    }
}

fn reason(result: &Result<Answer, RequestFailure>) -> String {
    match result {
        Ok(answer) => match &answer.description {
            Some(text) => format!("{} {}: {text}", answer.status.code(), answer.status.name()),
            None => format!("{} {}", answer.status.code(), answer.status.name()),
        },
        Err(failure) => failure.to_string(),
    }
}
