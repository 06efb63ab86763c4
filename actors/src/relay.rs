//! Relay actor: judges every message and knows which topics are served.
//!
//! Owns      the relay's state machine (quota of peers, validation, nullifier log, publishes under
//!           way) and the cache that REST reads.
//! Receives  [`GossipReceived`], [`ProofChecked`], [`Proved`], [`Broadcasted`], [`RootsChanged`],
//!           [`Publish`], [`ChangeTopics`], [`ChangeContentTopics`], [`TakeMessages`],
//!           [`NetworkStarted`], [`DrainRelay`].
//! Sends     verdicts and publishes to the network, proofs to the pool and the prover, records to the
//!           journal, accepted messages to the archive and to filter clients.
//! Bounds    mailbox: a place for everything that may be in flight towards it, so that nothing that was
//!           taken elsewhere is refused here.
//! On fault  rebuilt from its [`Seed`]: configuration, topics, nullifiers; publishes under way are
//!           answered "restarting" and the network takes back the messages it handed over.
//! Stops     on [`DrainRelay`]: publishes under way are finished, then it replies.
//!
//! The shell decides nothing: it turns messages into [`Input`]s and performs [`Effect`]s.

use std::{
    collections::{HashMap, VecDeque},
    sync::Arc,
    time::Duration,
};

use actix::{Actor, AsyncContext, Context, Handler};
use tokio::sync::watch;
use weir_core::{ContentTopic, MessageHash, PubsubTopic, Timestamp, WakuMessage};
use weir_net::{Acceptance, GossipId as NetworkGossipId};
use weir_protocols::relay::{
    self, Accepted, BroadcastError, Content, Effect, Gossip, GossipId, Input, MessageCache, PROOF_TIMEOUT,
    PUBLISH_TIMEOUT, ProofOutcome, ProofRefusal, PublishError, Published, Relay, SubscribeError, Ticket,
    Verdict,
};
use weir_rln::Evidence;
use weir_storage::{EvidenceRecord, NullifierRecord};
use weir_wire::DecodeError;

use crate::{
    Clock,
    archive::Persist,
    deadline::DeadlineTimer,
    journal::{RecordEvidence, RecordNullifier},
    lightpush::{self, Topics},
    membership::{AnnounceRoots, Poll, RootsChanged},
    metrics::RelayMetrics,
    network::{
        Broadcast, Broadcasted, GOSSIP_WINDOW, GiveVerdict, GossipReceived, NetworkStarted, RelayStarted,
        Subscribe,
    },
    port::{Port, Reply},
    proof_pool::{self, CheckProof, ProofChecked},
    prover::{self, Prove, Proved},
    supervision::{ASKS_IN_FLIGHT, Bounded, Lease},
};

mod messages;
mod seed;
#[cfg(test)]
mod tests;

pub(crate) use messages::{CacheKey, ChangeContentTopics, ChangeTopics, DrainRelay, Publish, TakeMessages};
pub(crate) use seed::{Life, Memory, Parts, Seed};

/// What the relay needs from the rest of the node.
#[derive(Clone)]
pub(crate) struct Ports {
    pub(crate) verdicts: Port<GiveVerdict>,
    pub(crate) broadcasts: Port<Broadcast>,
    pub(crate) subscriptions: Port<Subscribe>,
    pub(crate) started: Port<RelayStarted>,
    pub(crate) journal_nullifiers: Port<RecordNullifier>,
    pub(crate) journal_evidence: Port<RecordEvidence>,
    /// The topics that it takes part in, for those who ask before they send.
    pub(crate) topics: watch::Sender<Topics>,
    /// Where accepted messages are kept, in a node that does.
    pub(crate) archive: Option<Port<Persist>>,
    /// Where accepted messages are pushed to filter clients, in a node that has some.
    pub(crate) filter: Option<Port<Box<Accepted>>>,
    /// What only a rate-limited relay needs.
    pub(crate) rln: Option<RlnPorts>,
}

/// The ports of a rate-limited relay.
#[derive(Clone)]
pub(crate) struct RlnPorts {
    pub(crate) check: Port<CheckProof>,
    pub(crate) prove: Option<Port<Prove>>,
    pub(crate) poll_ledger: Port<Poll>,
    pub(crate) announce_roots: Port<AnnounceRoots>,
}

/// A relay that gets no messages forgets the nullifiers of past epochs this often.
const FORGET_INTERVAL: Duration = Duration::from_secs(60);

/// A message whose verdict is outstanding.
struct UnderWay {
    id: NetworkGossipId,
    /// Known only while the log is at DEBUG.
    hash: Option<MessageHash>,
}

pub(crate) struct RelayActor {
    relay: Relay,
    cache: MessageCache,
    /// What the next relay is made from, should this one die.
    memory: Memory,
    /// The network's own names of the messages under way.
    gossip_ids: HashMap<GossipId, UnderWay>,
    next_gossip_id: u64,
    /// Tells the jobs of this relay from those of the ones before, whose answers may still come.
    life: Life,
    next_ticket: u64,
    waiting: HashMap<Ticket, Reply<Result<Published, PublishError>>>,
    /// What is known at once of an effect that was refused; empty between two steps.
    refused: VecDeque<Input>,
    effects: Vec<Effect>,
    timer: DeadlineTimer,
    draining: Vec<Reply<()>>,
    ports: Ports,
    clock: Clock,
    metrics: RelayMetrics,
    _lease: Lease,
}

impl RelayActor {
    /// A relay and its cache, grown from the [`Seed`] that also gives `memory`.
    fn new(
        (relay, cache, memory): (Relay, MessageCache, Memory),
        ports: Ports,
        clock: Clock,
        metrics: RelayMetrics,
        lease: Lease,
    ) -> Self {
        let life = memory.begin_life();
        Self {
            relay,
            cache,
            memory,
            gossip_ids: HashMap::new(),
            next_gossip_id: 0,
            life,
            next_ticket: life.first_ticket(),
            waiting: HashMap::new(),
            refused: VecDeque::new(),
            effects: Vec::new(),
            timer: DeadlineTimer::default(),
            draining: Vec::new(),
            ports,
            clock,
            metrics,
            _lease: lease,
        }
    }

    fn step(&mut self, input: Input, ctx: &mut Context<Self>) {
        let now = self.clock.now();
        let mut effects = std::mem::take(&mut self.effects);
        let mut next = Some(input);
        while let Some(input) = next {
            self.relay.handle(input, now, &mut effects);
            for effect in effects.drain(..) {
                self.perform(effect, now);
            }
            next = self.refused.pop_front();
        }
        self.effects = effects;
        self.timer.arm(self.relay.next_deadline(), now, ctx, Self::deadline_came);
        self.metrics.under_way.set(i64::try_from(self.gossip_ids.len()).unwrap_or(i64::MAX));
        if !self.draining.is_empty() && self.relay.is_idle() {
            for reply in self.draining.drain(..) {
                reply.give(());
            }
        }
    }

    fn perform(&mut self, effect: Effect, now: Timestamp) {
        match effect {
            Effect::Verdict { id, verdict } => self.give_verdict(id, verdict),
            Effect::VerifyProof { id, from, claim } => {
                let not_after = now.saturating_add(PROOF_TIMEOUT);
                let claim = Box::new(claim);
                self.check_proof(CheckProof { life: self.life, id, from, claim, not_after });
            }
            Effect::Prove { ticket, epoch, signal, .. } => {
                let not_after = now.saturating_add(PUBLISH_TIMEOUT);
                self.prove(Prove { ticket, epoch, signal, not_after });
            }
            Effect::Broadcast { ticket, topic, message } => {
                let data = weir_wire::encode_message(&message);
                // The network's mailbox has a place for every publish in flight, so it is being
                // rebuilt. Nothing was sent, and the client may try again.
                if self.ports.broadcasts.tell(Broadcast { ticket, topic, data }).is_err() {
                    self.metrics.network_refused.inc();
                    let result = Err(BroadcastError::QueuesFull);
                    self.refused.push_back(Input::Broadcasted { ticket, result });
                }
            }
            Effect::Deliver(accepted) => {
                self.metrics.delivered(&accepted);
                let (hash, topic) = (accepted.hash(), accepted.topic());
                tracing::debug!(%hash, %topic, "message delivered");
                self.cache.add(&accepted);
                if let Some(filter) = &self.ports.filter {
                    // What clients miss is counted there.
                    drop(filter.tell(Box::new(accepted.clone())));
                }
                if let Some(archive) = &self.ports.archive {
                    // An archive that has no room counts what it loses; relaying goes on.
                    drop(archive.tell(Persist(accepted)));
                }
            }
            Effect::RecordNullifier { epoch, nullifier, share } => {
                let record = NullifierRecord {
                    epoch: epoch.number(),
                    nullifier: nullifier.to_bytes(),
                    share_x: share.x.to_bytes(),
                    share_y: share.y.to_bytes(),
                };
                self.memory.accepted(record);
                if self.ports.journal_nullifiers.tell(RecordNullifier(record)).is_err() {
                    self.metrics.journal_refused.inc();
                }
            }
            Effect::RecordEvidence(evidence) => self.record_evidence(&evidence),
            Effect::RefreshRoots => {
                if let Some(rln) = &self.ports.rln {
                    drop(rln.poll_ledger.tell(Poll));
                }
            }
            Effect::Answer { ticket, result } => {
                self.metrics.published(&result);
                match &result {
                    Ok(Published { hash, peers }) => {
                        tracing::debug!(%hash, ticket = ticket.0, peers, "publish sent");
                    }
                    Err(error) => tracing::debug!(ticket = ticket.0, %error, "publish refused"),
                }
                if let Some(reply) = self.waiting.remove(&ticket) {
                    reply.give(result);
                }
            }
        }
    }
}

impl RelayActor {
    fn check_proof(&mut self, job: CheckProof) {
        let (Some(rln), id) = (&self.ports.rln, job.id) else { return };
        if rln.check.tell(job).is_err() {
            self.metrics.proofs_refused.inc();
            self.refused.push_back(Input::ProofChecked { id, outcome: ProofOutcome::Shed });
        }
    }

    fn prove(&mut self, job: Prove) {
        let prover = self.ports.rln.as_ref().and_then(|rln| rln.prove.as_ref());
        let ticket = job.ticket;
        let refusal = match prover.map(|prover| prover.tell(job)) {
            Some(Ok(())) => return,
            Some(Err(_)) => ProofRefusal::Overloaded,
            None => ProofRefusal::NoMembership,
        };
        self.refused.push_back(Input::Proved { ticket, result: Err(refusal) });
    }

    fn record_evidence(&self, evidence: &Evidence) {
        tracing::warn!(
            commitment = %evidence.commitment,
            epoch = evidence.epoch.number(),
            "a member broke its quota; its secret was recovered"
        );
        let record = EvidenceRecord {
            epoch: evidence.epoch.number(),
            root: evidence.root.to_bytes(),
            nullifier: evidence.nullifier.to_bytes(),
            share_x_1: evidence.first.x.to_bytes(),
            share_y_1: evidence.first.y.to_bytes(),
            share_x_2: evidence.second.x.to_bytes(),
            share_y_2: evidence.second.y.to_bytes(),
            commitment: evidence.commitment.to_bytes(),
            secret: evidence.secret.to_bytes(),
            seen_at: self.clock.now(),
        };
        if self.ports.journal_evidence.tell(RecordEvidence(Box::new(record))).is_err() {
            self.metrics.journal_refused.inc();
        }
    }

    /// Joins topics up to the first that cannot be joined; tells which are new.
    fn join(&mut self, topics: &[PubsubTopic]) -> (Vec<PubsubTopic>, Result<(), SubscribeError>) {
        let mut joined = Vec::new();
        for &topic in topics {
            match self.relay.subscribe(topic) {
                Ok(true) => joined.push(topic),
                Ok(false) => {}
                Err(error) => return (joined, Err(error)),
            }
            self.memory.joined(topic);
            self.cache.subscribe(topic);
        }
        (joined, Ok(()))
    }

    fn join_content(&mut self, topics: &[ContentTopic]) -> (Vec<PubsubTopic>, Result<(), SubscribeError>) {
        let mut joined = Vec::new();
        for topic in topics {
            match self.relay.subscribe_content(topic) {
                Ok(new) => joined.extend(new),
                Err(error) => return (joined, Err(error)),
            }
            self.memory.joined_content(topic);
            self.cache.subscribe_content(topic.clone());
        }
        (joined, Ok(()))
    }

    fn announce_change(
        &self,
        (join, result): (Vec<PubsubTopic>, Result<(), SubscribeError>),
        leave: Vec<PubsubTopic>,
    ) -> Result<(), SubscribeError> {
        if !join.is_empty() || !leave.is_empty() {
            // A network that is being rebuilt asks for all topics when it is there.
            drop(self.ports.subscriptions.tell(Subscribe { join, leave }));
            self.publish_topics();
        }
        result
    }

    fn announce_topics(&self) {
        let join = self.relay.topics().collect();
        drop(self.ports.subscriptions.tell(Subscribe { join, leave: Vec::new() }));
        self.publish_topics();
    }

    fn publish_topics(&self) {
        self.ports.topics.send_replace(Arc::new(self.relay.topics().collect()));
    }

    fn deadline_came(&mut self, ctx: &mut Context<Self>) {
        self.timer.fired();
        self.step(Input::Tick, ctx);
    }

    fn give_verdict(&mut self, id: GossipId, verdict: Verdict) {
        self.metrics.judged(verdict);
        if self.ports.rln.is_some() {
            self.metrics.rate_limited(verdict);
        }
        let Some(UnderWay { id, hash }) = self.gossip_ids.remove(&id) else { return };
        if let Some(hash) = hash {
            let outcome: &str = verdict.acceptance().into();
            tracing::debug!(%hash, outcome, reason = verdict.label(), "message judged");
        }
        let acceptance = match verdict.acceptance() {
            relay::Acceptance::Accept => Acceptance::Accept,
            relay::Acceptance::Reject => Acceptance::Reject,
            relay::Acceptance::Ignore => Acceptance::Ignore,
        };
        // The network's mailbox has a place for every verdict; one that is being rebuilt has
        // forgotten the message.
        if self.ports.verdicts.tell(GiveVerdict { id, acceptance }).is_err() {
            self.metrics.network_refused.inc();
        }
    }
}

/// The hash a message is followed by in the log, when the log is that fine.
fn traced_hash(message: &WakuMessage, topic: PubsubTopic) -> Option<MessageHash> {
    tracing::enabled!(tracing::Level::DEBUG).then(|| message.hash(topic))
}

impl Bounded for RelayActor {
    /// A place for every gossip message under way, every answer of the pool and the prover, every
    /// question, light push and the answer to every publish among them, and the rare rest.
    const MAILBOX: usize = GOSSIP_WINDOW
        + proof_pool::ANSWERS
        + prover::QUEUE
        + 2 * (ASKS_IN_FLIGHT + lightpush::MAX_UNDER_WAY)
        + 64;
}

impl Actor for RelayActor {
    type Context = Context<Self>;

    fn started(&mut self, ctx: &mut Self::Context) {
        ctx.run_interval(FORGET_INTERVAL, |actor, ctx| actor.step(Input::Tick, ctx));
        self.announce_topics();
        if let Some(rln) = &self.ports.rln {
            drop(rln.announce_roots.tell(AnnounceRoots));
        }
    }
}

impl Handler<GossipReceived> for RelayActor {
    type Result = ();

    fn handle(&mut self, GossipReceived(gossip): GossipReceived, ctx: &mut Self::Context) {
        let id = GossipId(self.next_gossip_id);
        self.next_gossip_id += 1;
        let hash = gossip.message.as_ref().ok().and_then(|message| traced_hash(message, gossip.topic));
        if let Some(hash) = hash {
            let (from, topic) = (&gossip.from, gossip.topic);
            tracing::debug!(%hash, %from, %topic, bytes = gossip.size, "message received");
        }
        self.gossip_ids.insert(id, UnderWay { id: gossip.id, hash });
        let content = match gossip.message {
            Ok(message) => Content::Message(message),
            Err(error) => {
                tracing::debug!(from = %gossip.from, %error, "message cannot be decoded");
                undecoded(&error)
            }
        };
        let input = Gossip { id, from: gossip.from, topic: gossip.topic, size: gossip.size, content };
        self.step(Input::Gossip(input), ctx);
    }
}

/// What the relay makes of bytes that are no message here. nwaku passes on content topics that are
/// not UTF-8, so they are no fault of the peer that did.
const fn undecoded(error: &DecodeError) -> Content {
    match error {
        DecodeError::ContentTopic(_) | DecodeError::ContentTopicNotUtf8 => Content::ForeignContentTopic,
        _ => Content::Undecodable,
    }
}

impl Handler<ProofChecked> for RelayActor {
    type Result = ();

    fn handle(&mut self, ProofChecked { life, id, outcome }: ProofChecked, ctx: &mut Self::Context) {
        if life != self.life {
            return;
        }
        self.step(Input::ProofChecked { id, outcome }, ctx);
    }
}

impl Handler<Proved> for RelayActor {
    type Result = ();

    fn handle(&mut self, Proved { ticket, result }: Proved, ctx: &mut Self::Context) {
        self.step(Input::Proved { ticket, result }, ctx);
    }
}

impl Handler<Broadcasted> for RelayActor {
    type Result = ();

    fn handle(&mut self, Broadcasted { ticket, result }: Broadcasted, ctx: &mut Self::Context) {
        self.step(Input::Broadcasted { ticket, result }, ctx);
    }
}

impl Handler<RootsChanged> for RelayActor {
    type Result = ();

    fn handle(&mut self, RootsChanged(roots): RootsChanged, ctx: &mut Self::Context) {
        self.step(Input::Roots(roots), ctx);
    }
}

impl Handler<Publish> for RelayActor {
    type Result = ();

    fn handle(&mut self, Publish { topic, message, reply }: Publish, ctx: &mut Self::Context) {
        let ticket = Ticket(self.next_ticket);
        self.next_ticket += 1;
        self.waiting.insert(ticket, reply);
        let encoded_size = weir_wire::encoded_len(&message);
        if let Some(hash) = traced_hash(&message, topic) {
            tracing::debug!(%hash, %topic, ticket = ticket.0, bytes = encoded_size, "publish asked for");
        }
        self.step(Input::Publish { ticket, topic, message, encoded_size }, ctx);
    }
}

impl Handler<ChangeTopics> for RelayActor {
    type Result = ();

    fn handle(&mut self, ChangeTopics { join, leave, reply }: ChangeTopics, _: &mut Self::Context) {
        let result = self.join(&join);
        let left = leave
            .into_iter()
            .filter(|&topic| {
                self.memory.left(topic);
                self.cache.unsubscribe(topic);
                self.relay.unsubscribe(topic)
            })
            .collect();
        reply.give(self.announce_change(result, left));
    }
}

impl Handler<ChangeContentTopics> for RelayActor {
    type Result = ();

    fn handle(&mut self, message: ChangeContentTopics, _: &mut Self::Context) {
        let ChangeContentTopics { join, leave, reply } = message;
        let result = self.join_content(&join);
        let mut left = Vec::new();
        for topic in &leave {
            self.memory.left_content(topic);
            self.cache.unsubscribe_content(topic);
            // A topic without a shard was never joined.
            left.extend(self.relay.unsubscribe_content(topic).ok().flatten());
        }
        reply.give(self.announce_change(result, left));
    }
}

impl Handler<TakeMessages> for RelayActor {
    type Result = ();

    fn handle(&mut self, TakeMessages { key, reply }: TakeMessages, _: &mut Self::Context) {
        reply.give(match key {
            CacheKey::Pubsub(topic) => self.cache.read(topic),
            CacheKey::Content(topic) => self.cache.read_content(&topic),
        });
    }
}

impl Handler<NetworkStarted> for RelayActor {
    type Result = ();

    fn handle(&mut self, _: NetworkStarted, _: &mut Self::Context) {
        self.announce_topics();
    }
}

impl Handler<DrainRelay> for RelayActor {
    type Result = ();

    fn handle(&mut self, DrainRelay(reply): DrainRelay, ctx: &mut Self::Context) {
        let now = self.clock.now();
        let mut effects = std::mem::take(&mut self.effects);
        self.relay.drain(&mut effects);
        for effect in effects.drain(..) {
            self.perform(effect, now);
        }
        self.effects = effects;
        self.draining.push(reply);
        self.step(Input::Tick, ctx);
    }
}
