//! Tests of the relay: the shell around the logic, between probes and under paused time.

use prometheus_client::registry::Registry;
use tokio::{sync::mpsc, task::JoinHandle};
use weir_core::{Autosharding, ProofField, RateLimitProof, WakuMessage};
use weir_net::InboundGossip;
use weir_protocols::relay::Config;
use weir_rln::{
    EpochLength, MessageId, ValidatorConfig,
    test_utils::{self, Member},
};
use weir_storage::{StateStore, faulty_disk::FaultyDisk};

use super::*;
use crate::{
    metrics::Metrics,
    probe::{CLUSTER, Crash, Inbox, NOON, clock, nobody, peer, probe, probe_of, supervised, topic, within},
    supervision::{AskError, Fault, Handle},
};

impl Handler<Crash> for RelayActor {
    type Result = ();

    fn handle(&mut self, _: Crash, _: &mut Self::Context) {
        panic!("a bug, on purpose");
    }
}

/// A relay between inboxes, under paused time, subscribed to `topic(3)`.
struct Rig {
    relay: Handle<RelayActor>,
    store: StateStore,
    verdicts: Inbox<GiveVerdict>,
    broadcasts: Inbox<Broadcast>,
    subscriptions: Inbox<Subscribe>,
    started: Inbox<RelayStarted>,
    nullifiers: Inbox<RecordNullifier>,
    evidence: Inbox<RecordEvidence>,
    checks: Inbox<CheckProof>,
    proofs: Inbox<Prove>,
    polls: Inbox<Poll>,
    announces: Inbox<AnnounceRoots>,
    /// An archive with room for one message.
    archived: Inbox<Persist>,
    metrics: RelayMetrics,
    faults: mpsc::Receiver<Fault>,
    sent: u8,
}

/// What differs between the tests.
struct Setup {
    rln: bool,
    /// Places in the queue of the proof pool.
    pool: usize,
    /// Whether there is a network.
    network: bool,
}

const PLAIN: Setup = Setup { rln: false, pool: 0, network: true };
const RLN: Setup = Setup { rln: true, pool: 64, network: true };

impl Rig {
    async fn new(setup: Setup) -> Self {
        tokio::time::pause();
        let disk = FaultyDisk::new();
        let store = StateStore::open_with_backend(move || disk.backend()).expect("opens");
        let ((verdict, verdicts), (broadcast, broadcasts)) = (probe(), probe());
        let ((subscribe, subscriptions), (start, started)) = (probe(), probe());
        let ((nullifier, nullifiers), (record, evidence)) = (probe(), probe());
        let ((check, checks), (prove, proofs)) = (probe_of(setup.pool.max(1)), probe());
        let ((poll, polls), (announce, announces)) = (probe(), probe());
        let (archive, archived) = probe_of(1);
        let rln = RlnPorts { check, prove: Some(prove), poll_ledger: poll, announce_roots: announce };
        let ports = Ports {
            verdicts: verdict,
            broadcasts: if setup.network { broadcast } else { nobody() },
            subscriptions: subscribe,
            started: start,
            journal_nullifiers: nullifier,
            journal_evidence: record,
            topics: watch::channel(Topics::default()).0,
            archive: Some(archive),
            filter: None,
            rln: setup.rln.then_some(rln),
        };
        let config = Config {
            autosharding: Some(Autosharding::new(CLUSTER, 8).expect("8 shards")),
            rln: setup.rln.then(|| ValidatorConfig::new(epoch_length())),
            has_membership: setup.rln,
            ..Config::new(CLUSTER)
        };
        let metrics = Metrics::register(&mut Registry::default()).relay;
        let seed = Seed::new(Parts {
            config,
            topics: vec![topic(3)],
            content_topics: vec![],
            cache_capacity: 10,
            store: store.clone(),
            ports,
            clock: clock(),
            metrics: metrics.clone(),
        });
        let (relay, faults) = supervised(move |lease| seed.grow(lease)).await;
        let rig = Self {
            relay,
            store,
            verdicts,
            broadcasts,
            subscriptions,
            started,
            nullifiers,
            evidence,
            checks,
            proofs,
            polls,
            announces,
            archived,
            metrics,
            faults,
            sent: 0,
        };
        if setup.rln {
            rig.relay.tell(RootsChanged(vec![member().root])).expect("taken");
        }
        rig
    }

    /// A message from peer 1; gives its name in the network.
    fn gossip(&mut self, message: WakuMessage) -> NetworkGossipId {
        self.sent += 1;
        let id = NetworkGossipId::from_bytes([self.sent; 32]);
        let size = weir_wire::encoded_len(&message);
        let gossip = InboundGossip { id, from: peer(1), topic: topic(3), size, message: Ok(message) };
        self.relay.tell(GossipReceived(gossip)).expect("taken");
        id
    }

    /// The next verdict, which has to be about `id`.
    async fn verdict_on(&mut self, id: NetworkGossipId) -> Acceptance {
        let GiveVerdict { id: judged, acceptance } = self.verdicts.next().await;
        assert_eq!(judged, id);
        acceptance
    }

    async fn check_next(&mut self, outcome: ProofOutcome) {
        let CheckProof { life, id, .. } = self.checks.next().await;
        self.relay.tell(ProofChecked { life, id, outcome }).expect("taken");
    }

    async fn cached(&self, key: CacheKey) -> Option<Vec<WakuMessage>> {
        let asked = self.relay.ask(Duration::from_secs(1), |reply| TakeMessages { key, reply });
        asked.await.expect("answers")
    }

    fn publish(&self, message: WakuMessage) -> JoinHandle<Result<Published, PublishError>> {
        let relay = self.relay.clone();
        actix_rt::spawn(async move {
            let question = |reply| Publish { topic: topic(3), message, reply };
            relay.ask(Duration::from_secs(60), question).await.expect("answers")
        })
    }

    fn drain(&self) -> JoinHandle<Result<(), AskError>> {
        let relay = self.relay.clone();
        actix_rt::spawn(async move { relay.ask(Duration::from_secs(60), DrainRelay).await })
    }

    /// Lets everything sent before be handled.
    async fn settle(&self) {
        self.cached(CacheKey::Pubsub(topic(7))).await;
    }

    async fn rebuilt(&mut self) {
        self.started.drain();
        self.relay.tell(Crash).expect("taken");
        assert!(within(self.faults.recv()).await.is_some_and(|fault| !fault.fatal));
        self.started.next().await;
        while self.relay.tell(NetworkStarted).is_err() {
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
        self.settle().await;
    }
}

fn epoch_length() -> EpochLength {
    EpochLength::new(600).expect("not zero")
}

fn member() -> Member {
    Member::new(1, 10)
}

fn plain(payload: &str) -> WakuMessage {
    test_utils::message(payload, NOON)
}

/// A message of [`member`] under message id `id`, with a proof that says what a true one would.
fn proven(payload: &str, id: u32) -> WakuMessage {
    member().unproven(plain(payload), epoch_length(), MessageId(id))
}

fn proof_of(message: &WakuMessage) -> RateLimitProof {
    message.proof.as_proof().expect("a proof").clone()
}

#[actix::test]
async fn without_rate_limits_a_message_is_accepted_once_and_kept_for_clients() {
    let mut rig = Rig::new(PLAIN).await;
    let id = rig.gossip(plain("hello"));
    assert_eq!(rig.verdict_on(id).await, Acceptance::Accept);
    assert_eq!(rig.cached(CacheKey::Pubsub(topic(3))).await, Some(vec![plain("hello")]));
    assert_eq!(rig.cached(CacheKey::Pubsub(topic(3))).await, Some(vec![]), "taking empties");
    assert!(rig.verdicts.drain().is_empty());
    assert_eq!(rig.cached(CacheKey::Pubsub(topic(4))).await, None);
}

#[actix::test]
async fn what_is_accepted_is_archived_and_an_archive_without_room_changes_nothing() {
    let mut rig = Rig::new(PLAIN).await;
    for payload in ["one", "two", "three"] {
        let id = rig.gossip(plain(payload));
        assert_eq!(rig.verdict_on(id).await, Acceptance::Accept);
    }
    let archived: Vec<_> = rig.archived.drain().into_iter().map(|Persist(it)| it.into_stored()).collect();
    assert_eq!(archived, [weir_core::store::StoredMessage::new(topic(3), plain("one"))]);
    assert_eq!(rig.cached(CacheKey::Pubsub(topic(3))).await.map(|kept| kept.len()), Some(3));
}

#[actix::test]
async fn a_proof_goes_to_the_pool_and_its_outcome_decides() {
    let mut rig = Rig::new(RLN).await;
    let good = rig.gossip(proven("good", 0));
    rig.check_next(ProofOutcome::Valid).await;
    assert_eq!(rig.verdict_on(good).await, Acceptance::Accept);
    let RecordNullifier(record) = rig.nullifiers.next().await;
    assert_eq!(record.nullifier, proof_of(&proven("good", 0)).nullifier);
    assert_eq!(rig.cached(CacheKey::Pubsub(topic(3))).await, Some(vec![proven("good", 0)]));

    let bad = rig.gossip(proven("bad", 1));
    rig.check_next(ProofOutcome::Invalid).await;
    assert_eq!(rig.verdict_on(bad).await, Acceptance::Reject);
    assert!(rig.nullifiers.drain().is_empty());
}

#[actix::test]
async fn a_double_signal_is_rejected_and_its_evidence_names_the_member() {
    let mut rig = Rig::new(RLN).await;
    for (payload, acceptance) in [("first", Acceptance::Accept), ("second", Acceptance::Reject)] {
        let id = rig.gossip(proven(payload, 0));
        // The second is checked too: shares alone could be made up by anybody.
        rig.check_next(ProofOutcome::Valid).await;
        assert_eq!(rig.verdict_on(id).await, acceptance);
    }
    let RecordEvidence(record) = rig.evidence.next().await;
    assert_eq!(record.commitment, member().identity.commitment().to_bytes());
    assert_eq!(record.secret, member().identity.secret().to_bytes());
}

#[actix::test]
async fn a_proof_the_pool_refuses_is_shed_at_once() {
    let mut rig = Rig::new(Setup { pool: 1, ..RLN }).await;
    let waits = rig.gossip(proven("waits", 0));
    let shed = rig.gossip(proven("shed", 1));
    assert_eq!(rig.verdict_on(shed).await, Acceptance::Ignore);
    assert_eq!(rig.metrics.proofs_refused.get(), 1);
    rig.check_next(ProofOutcome::Valid).await;
    assert_eq!(rig.verdict_on(waits).await, Acceptance::Accept);
}

#[actix::test]
async fn a_pool_that_never_answers_costs_an_ignore_and_not_the_message_slot() {
    let mut rig = Rig::new(RLN).await;
    let id = rig.gossip(proven("lost", 0));
    rig.checks.next().await;
    assert_eq!(rig.verdict_on(id).await, Acceptance::Ignore);
    rig.settle().await;
    assert_eq!(rig.metrics.under_way.get(), 0);
}

#[actix::test]
async fn a_publish_gets_its_proof_then_leaves_and_is_answered_with_the_peers() {
    let mut rig = Rig::new(RLN).await;
    let asked = rig.publish(plain("hello"));
    let job = rig.proofs.next().await;
    assert_eq!(job.not_after, NOON.saturating_add(PUBLISH_TIMEOUT));
    let result = Ok(proof_of(&proven("hello", 0)));
    rig.relay.tell(Proved { ticket: job.ticket, result }).expect("taken");
    let Broadcast { ticket, topic: where_to, data } = rig.broadcasts.next().await;
    assert_eq!((where_to, data), (topic(3), weir_wire::encode_message(&proven("hello", 0))));
    rig.relay.tell(Broadcasted { ticket, result: Ok(2) }).expect("taken");
    assert_eq!(within(asked).await.expect("no panic").map(|published| published.peers), Ok(2));
    assert_eq!(rig.cached(CacheKey::Pubsub(topic(3))).await, Some(vec![proven("hello", 0)]));
}

#[actix::test]
async fn a_publish_is_refused_at_once_with_the_reason() {
    let mut rig = Rig::new(RLN).await;
    for (refusal, error) in [
        (ProofRefusal::NoMembership, PublishError::NoMembership),
        (ProofRefusal::Overloaded, PublishError::Overloaded),
    ] {
        let asked = rig.publish(plain("hello"));
        let Prove { ticket, .. } = rig.proofs.next().await;
        rig.relay.tell(Proved { ticket, result: Err(refusal) }).expect("taken");
        assert_eq!(within(asked).await.expect("no panic"), Err(error));
    }
    // Nobody is behind the port any more.
    drop(std::mem::replace(&mut rig.proofs, probe().1));
    let refused = within(rig.publish(plain("hello"))).await.expect("no panic");
    assert_eq!(refused, Err(PublishError::Overloaded));
}

#[actix::test]
async fn a_publish_that_no_network_takes_is_answered_at_once() {
    let rig = Rig::new(Setup { network: false, ..PLAIN }).await;
    let before = tokio::time::Instant::now();
    assert_eq!(within(rig.publish(plain("hello"))).await.expect("no panic"), Err(PublishError::Overloaded));
    assert_eq!((before.elapsed(), rig.metrics.network_refused.get()), (Duration::ZERO, 1));
}

#[actix::test]
async fn a_silent_prover_is_answered_timeout_at_the_deadline() {
    let mut rig = Rig::new(RLN).await;
    let before = tokio::time::Instant::now();
    let asked = rig.publish(plain("hello"));
    let Prove { ticket, .. } = rig.proofs.next().await;
    assert_eq!(within(asked).await.expect("no panic"), Err(PublishError::Timeout));
    let taken = before.elapsed();
    assert!((PUBLISH_TIMEOUT..PUBLISH_TIMEOUT + Duration::from_millis(20)).contains(&taken), "{taken:?}");
    let result = Ok(proof_of(&proven("hello", 0)));
    rig.relay.tell(Proved { ticket, result }).expect("taken");
    rig.settle().await;
    assert!(rig.broadcasts.drain().is_empty(), "what was answered is not sent");
}

#[actix::test]
async fn a_stop_waits_for_publishes_under_way_and_takes_no_more() {
    let mut rig = Rig::new(PLAIN).await;
    let asked = rig.publish(plain("hello"));
    let Broadcast { ticket, .. } = rig.broadcasts.next().await;
    let drained = rig.drain();
    let late = within(rig.publish(plain("late"))).await.expect("no panic");
    assert_eq!(late, Err(PublishError::Stopping));
    let id = rig.gossip(plain("late too"));
    assert_eq!(rig.verdict_on(id).await, Acceptance::Ignore);
    assert!(!drained.is_finished());
    rig.relay.tell(Broadcasted { ticket, result: Ok(1) }).expect("taken");
    assert_eq!(within(drained).await.expect("no panic"), Ok(()));
    assert!(within(asked).await.expect("no panic").is_ok());
}

#[actix::test]
async fn a_content_topic_joins_its_shard_for_the_first_and_leaves_it_after_the_last() {
    let mut rig = Rig::new(PLAIN).await;
    rig.settle().await;
    rig.subscriptions.drain();
    // Both live on shard 1, as the vectors of `weir-core` say.
    let [first, second] = ["/waku/2/content/test.js", "/waku/2/default-content/proto"]
        .map(|text| ContentTopic::new(text).expect("a content topic"));
    let change = |join: &[&ContentTopic], leave: &[&ContentTopic]| {
        let cloned = |topics: &[&ContentTopic]| topics.iter().map(|&topic| topic.clone()).collect();
        let (join, leave) = (cloned(join), cloned(leave));
        let relay = rig.relay.clone();
        async move {
            let question = |reply| ChangeContentTopics { join, leave, reply };
            relay.ask(Duration::from_secs(1), question).await.expect("answers").expect("joins");
        }
    };
    change(&[&first, &second], &[]).await;
    change(&[], &[&first]).await;
    change(&[], &[&second]).await;
    let changes: Vec<_> =
        rig.subscriptions.drain().into_iter().map(|change| (change.join, change.leave)).collect();
    assert_eq!(changes, [(vec![topic(1)], vec![]), (vec![], vec![topic(1)])]);
}

#[actix::test]
async fn a_new_network_is_told_every_topic() {
    let mut rig = Rig::new(PLAIN).await;
    rig.settle().await;
    rig.subscriptions.drain();
    rig.relay.tell(NetworkStarted).expect("taken");
    let Subscribe { join, leave } = rig.subscriptions.next().await;
    assert_eq!((join, leave), (vec![topic(3)], vec![]));
}

#[actix::test]
async fn a_message_with_an_unknown_root_makes_the_ledger_be_read() {
    let mut rig = Rig::new(RLN).await;
    let stranger = Member::new(2, 10);
    let message = stranger.unproven(plain("new here"), epoch_length(), MessageId(0));
    let id = rig.gossip(message);
    rig.polls.next().await;
    rig.relay.tell(RootsChanged(vec![stranger.root])).expect("taken");
    rig.check_next(ProofOutcome::Valid).await;
    assert_eq!(rig.verdict_on(id).await, Acceptance::Accept);
}

#[actix::test]
async fn a_rebuilt_relay_asks_for_roots_and_serves_what_was_subscribed_meanwhile() {
    let mut rig = Rig::new(RLN).await;
    let content = ContentTopic::new("/waku/2/content/test.js").expect("a content topic");
    let (join, joined) = (vec![content.clone()], vec![topic(5)]);
    let asked =
        rig.relay.ask(Duration::from_secs(1), |reply| ChangeContentTopics { join, leave: vec![], reply });
    asked.await.expect("answers").expect("joins");
    let asked = rig.relay.ask(Duration::from_secs(1), |reply| ChangeTopics {
        join: joined,
        leave: vec![topic(3)],
        reply,
    });
    asked.await.expect("answers").expect("joins");
    rig.announces.drain();
    rig.subscriptions.drain();
    rig.rebuilt().await;
    rig.announces.next().await;
    assert_eq!(rig.subscriptions.next().await.join, [topic(1), topic(5)]);
    assert_eq!(rig.cached(CacheKey::Content(content)).await, Some(vec![]));
    assert_eq!(rig.cached(CacheKey::Pubsub(topic(5))).await, Some(vec![]));
    assert_eq!(rig.cached(CacheKey::Pubsub(topic(3))).await, None);
}

#[actix::test]
async fn a_rebuilt_relay_knows_the_nullifiers_on_disk_and_those_not_yet_there() {
    let mut rig = Rig::new(RLN).await;
    for (payload, number) in [("on disk", 0), ("in the journal's queue", 1)] {
        let id = rig.gossip(proven(payload, number));
        rig.check_next(ProofOutcome::Valid).await;
        assert_eq!(rig.verdict_on(id).await, Acceptance::Accept);
        let RecordNullifier(record) = rig.nullifiers.next().await;
        if number == 0 {
            rig.store.record_nullifiers(&[record]).expect("written");
        }
    }
    rig.rebuilt().await;
    rig.relay.tell(RootsChanged(vec![member().root])).expect("taken");
    for (payload, number) in [("on disk", 0), ("in the journal's queue", 1)] {
        let id = rig.gossip(proven(payload, number));
        assert_eq!(rig.verdict_on(id).await, Acceptance::Ignore, "{payload}");
    }
    assert!(rig.checks.drain().is_empty(), "a repetition costs no proof");
}

#[actix::test]
async fn an_answer_meant_for_a_relay_that_died_decides_nothing_in_the_next() {
    let mut rig = Rig::new(RLN).await;
    rig.gossip(proven("good", 0));
    let CheckProof { life, id, .. } = rig.checks.next().await;
    rig.rebuilt().await;
    rig.relay.tell(RootsChanged(vec![member().root])).expect("taken");
    let forged = rig.gossip(proven("forged", 1));
    rig.relay.tell(ProofChecked { life, id, outcome: ProofOutcome::Valid }).expect("taken");
    rig.settle().await;
    assert!(rig.verdicts.drain().is_empty(), "the forged proof was not checked yet");
    rig.check_next(ProofOutcome::Invalid).await;
    assert_eq!(rig.verdict_on(forged).await, Acceptance::Reject);
}

#[actix::test]
async fn a_publish_is_not_answered_with_the_outcome_of_one_before_the_relay_died() {
    let mut rig = Rig::new(PLAIN).await;
    let relay = rig.relay.clone();
    let asked = actix_rt::spawn(async move {
        let question = |reply| Publish { topic: topic(3), message: plain("old"), reply };
        relay.ask(Duration::from_secs(60), question).await
    });
    let Broadcast { ticket: old, .. } = rig.broadcasts.next().await;
    rig.rebuilt().await;
    assert_eq!(within(asked).await.expect("no panic"), Err(AskError::Down));
    let asked = rig.publish(plain("new"));
    let Broadcast { ticket, .. } = rig.broadcasts.next().await;
    rig.relay.tell(Broadcasted { ticket: old, result: Ok(9) }).expect("taken");
    rig.relay.tell(Broadcasted { ticket, result: Err(BroadcastError::QueuesFull) }).expect("taken");
    assert_eq!(within(asked).await.expect("no panic"), Err(PublishError::Overloaded));
}

#[actix::test]
async fn what_was_asked_of_a_relay_that_dies_is_answered_and_not_left_to_time_out() {
    let mut rig = Rig::new(PLAIN).await;
    let relay = rig.relay.clone();
    let asked = actix_rt::spawn(async move {
        let question = |reply| Publish { topic: topic(3), message: plain("hello"), reply };
        relay.ask(Duration::from_secs(60), question).await
    });
    rig.broadcasts.next().await;
    rig.rebuilt().await;
    assert_eq!(within(asked).await.expect("no panic"), Err(AskError::Down));
}

#[actix::test]
async fn a_proof_that_is_none_is_rejected_without_the_pool() {
    let mut rig = Rig::new(RLN).await;
    let mut message = plain("bare");
    message.proof = ProofField::Absent;
    let id = rig.gossip(message);
    assert_eq!(rig.verdict_on(id).await, Acceptance::Reject);
    assert!(rig.checks.drain().is_empty());
}

#[test]
fn a_peer_is_not_blamed_for_a_content_topic_that_nwaku_passes_on() {
    use weir_core::ContentTopic;
    for topic in ["", &"x".repeat(1025)] {
        let error = DecodeError::from(ContentTopic::new(topic).expect_err("not kept"));
        assert!(matches!(undecoded(&error), Content::ForeignContentTopic), "{error}");
    }
    assert!(matches!(undecoded(&DecodeError::ContentTopicNotUtf8), Content::ForeignContentTopic));
    assert!(matches!(undecoded(&DecodeError::Truncated), Content::Undecodable));
}
