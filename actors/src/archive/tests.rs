//! Tests of the archive's actor and threads, with an archive that fails on purpose.
//!
//! Timers run on paused time. The threads do not know of it, so what they do is waited for in real time, in
//! which tokio's clock stands still (see [`until`]).

use std::sync::{
    Condvar, Mutex, PoisonError,
    atomic::{AtomicUsize, Ordering},
};

use weir_core::{
    MessageHash, PeerId, ProofField, RateLimitProof, WakuMessage,
    store::{Page, Query, StoredMessage},
};
use weir_protocols::relay::{Config, Content, Effect, Gossip, GossipId, Input, Relay};
use weir_rln::test_utils;
use weir_storage::archive::{
    Inserted, Place as MessagePlace, Summary, Trim, Trimmed, Verified, oracle::Oracle,
};

use super::*;
use crate::{
    handles::{KeepError, Kept, QueryError},
    probe::{CLUSTER, Crash, NOON, clock, topic, within},
    supervision::AskError,
};

impl Handler<Crash> for ArchiveActor {
    type Result = ();

    fn handle(&mut self, _: Crash, _: &mut Self::Context) {
        panic!("a bug, on purpose");
    }
}

/// An archive in memory that fails, waits or panics as it is told.
#[derive(Debug, Default)]
struct Fake {
    oracle: Oracle,
    mood: Mutex<Mood>,
    changed: Condvar,
    /// Messages of each insert that was begun.
    inserts: Mutex<Vec<usize>>,
    /// Queries that were begun.
    queries: AtomicUsize,
}

#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
enum Mood {
    #[default]
    Well,
    Full,
    Unavailable,
    Damaged,
    Panicking,
    /// Does nothing until the mood changes.
    Holding,
}

impl Fake {
    fn is(&self, mood: Mood) {
        *self.mood.lock().unwrap_or_else(PoisonError::into_inner) = mood;
        self.changed.notify_all();
    }

    /// Holds as long as it has to, and fails if it has to.
    fn act(&self, wanted: &(dyn Fn() -> bool + Sync)) -> Result<(), ArchiveError> {
        let mut mood = self.mood.lock().unwrap_or_else(PoisonError::into_inner);
        while *mood == Mood::Holding {
            if !wanted() {
                return Err(ArchiveError::Cancelled);
            }
            let step = self.changed.wait_timeout(mood, Duration::from_millis(1));
            mood = step.unwrap_or_else(PoisonError::into_inner).0;
        }
        match *mood {
            Mood::Well | Mood::Holding => Ok(()),
            Mood::Full => Err(ArchiveError::Full("no space left".to_owned())),
            Mood::Unavailable => Err(ArchiveError::Unavailable("connection refused".to_owned())),
            Mood::Damaged => Err(ArchiveError::Damaged("a bad block".to_owned())),
            Mood::Panicking => {
                drop(mood);
                panic!("a bug, on purpose");
            }
        }
    }

    fn sizes(&self) -> Vec<usize> {
        self.inserts.lock().expect("not poisoned").clone()
    }
}

impl Archive for Fake {
    fn insert(&self, messages: &[StoredMessage]) -> Result<Inserted, ArchiveError> {
        self.inserts.lock().expect("not poisoned").push(messages.len());
        self.act(&|| true)?;
        self.oracle.insert(messages)
    }

    fn query(&self, query: &Query, wanted: &(dyn Fn() -> bool + Sync)) -> Result<Page, ArchiveError> {
        self.queries.fetch_add(1, Ordering::SeqCst);
        self.act(wanted)?;
        self.oracle.query(query, wanted)
    }

    fn summary(&self) -> Result<Summary, ArchiveError> {
        self.oracle.summary()
    }

    fn trim(&self, trim: Trim) -> Result<Trimmed, ArchiveError> {
        self.oracle.trim(trim)
    }

    fn read_on(&self, after: Option<MessagePlace>) -> Result<Vec<StoredMessage>, ArchiveError> {
        self.oracle.read_on(after)
    }

    fn verify(&self, progress: &mut dyn FnMut(u64)) -> Result<Verified, ArchiveError> {
        self.oracle.verify(progress)
    }
}

/// An archive service under paused time.
struct Rig {
    fake: Arc<Fake>,
    service: Service,
    faults: mpsc::Receiver<Fault>,
    registry: Registry,
    relay: Relay,
    sent: u64,
}

impl Rig {
    async fn new() -> Self {
        Self::with("none", 1).await
    }

    async fn with(retention: &str, readers: usize) -> Self {
        tokio::time::pause();
        let fake = Arc::new(Fake::default());
        let (notices, faults) = mpsc::channel(32);
        let mut registry = Registry::default();
        let archive: Arc<dyn Archive> = Arc::<Fake>::clone(&fake);
        let retention = retention.parse().expect("a policy");
        let settings = ArchiveSettings { archive, retention, readers };
        let arbiter = actix_rt::Arbiter::current();
        let place = Vacancy::new("archive");
        let service = Service::start(settings, place, (&arbiter, &notices), &clock(), &mut registry).await;
        let max_message_size = 100 << 20;
        let mut relay = Relay::new(Config { max_message_size, ..Config::new(CLUSTER) });
        relay.subscribe(topic(3)).expect("joins");
        Self { fake, service: service.expect("starts"), faults, registry, relay, sent: 0 }
    }

    /// What the relay makes of a message of some peer.
    fn accepted(&mut self, message: WakuMessage) -> Accepted {
        self.sent += 1;
        let gossip = Gossip {
            id: GossipId(self.sent),
            // Others each time, so that no peer's share of the relay is used up.
            from: PeerId::from_bytes(&self.sent.to_be_bytes()).expect("short"),
            topic: topic(3),
            size: 0,
            content: Content::Message(message),
        };
        let now = NOON.saturating_add(Duration::from_secs(self.sent));
        let mut effects = Vec::new();
        self.relay.handle(Input::Gossip(gossip), now, &mut effects);
        let accepted = effects.into_iter().find_map(|effect| match effect {
            Effect::Deliver(accepted) => Some(accepted),
            _ => None,
        });
        accepted.expect("accepted")
    }

    /// Sends so many small messages; tells how many were taken.
    fn send(&mut self, messages: usize) -> usize {
        let taken = (0..messages).filter(|_| {
            let message = test_utils::message(&format!("message {}", self.sent), NOON);
            let accepted = self.accepted(message);
            self.service.persist.tell(Persist(accepted)).is_ok()
        });
        taken.count()
    }

    fn send_bytes(&mut self, bytes: usize) -> bool {
        let mut message = test_utils::message("", NOON);
        let mut payload = vec![0; bytes];
        payload[..8].copy_from_slice(&self.sent.to_be_bytes());
        message.payload = payload.into();
        let accepted = self.accepted(message);
        self.service.persist.tell(Persist(accepted)).is_ok()
    }

    /// Lets the actor handle what was sent, and time pass.
    async fn pass(&self, time: Duration) {
        tokio::time::sleep(time).await;
    }

    fn stored(&self) -> u64 {
        self.fake.oracle.summary().expect("a list").messages
    }

    async fn until_stored(&self, messages: u64) {
        until(|| self.stored() == messages).await;
    }

    async fn drain(&self) -> Result<bool, AskError> {
        in_no_time(self.service.actor.ask(Duration::from_secs(60), DrainArchive)).await
    }

    async fn query(&self, query: Query) -> Result<Page, QueryError> {
        in_no_time(self.service.handle.query(query)).await
    }

    fn metric(&self, line: &str) -> Option<u64> {
        let mut text = String::new();
        prometheus_client::encoding::text::encode(&mut text, &self.registry).expect("text");
        let value = text.lines().find_map(|known| known.strip_prefix(line)?.strip_prefix(' '))?;
        value.parse().ok()
    }
}

/// Waits for what a thread does. Tokio's clock stands still while a blocking task runs.
async fn until(mut done: impl FnMut() -> bool) {
    for _ in 0..30_000 {
        if done() {
            return;
        }
        real_millisecond().await;
    }
    panic!("what the test waits for does not happen");
}

/// A blocking task, during which paused time stands still.
async fn real_millisecond() {
    let sleeping = tokio::task::spawn_blocking(|| std::thread::sleep(Duration::from_millis(1)));
    sleeping.await.expect("sleeps");
}

/// The same for what also needs timers: time goes on as on a clock.
async fn in_time(mut done: impl FnMut() -> bool) {
    for _ in 0..30_000 {
        if done() {
            return;
        }
        real_millisecond().await;
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
    panic!("what the test waits for does not happen");
}

/// Waits for an answer of a thread, which comes before any patience is over.
async fn in_no_time<T>(answer: impl Future<Output = T>) -> T {
    tokio::select! {
        answer = answer => answer,
        () = until(|| false) => unreachable!("ends by a panic"),
    }
}

/// After this the first message of a batch has waited long enough.
const DELAY: Duration = Duration::from_millis(21);

/// A proof as it is carried; nobody checks it here.
const PROOF: RateLimitProof = RateLimitProof {
    proof: [1; 128],
    merkle_root: [2; 32],
    epoch: [3; 32],
    share_x: [4; 32],
    share_y: [5; 32],
    nullifier: [6; 32],
    rln_identifier: [7; 32],
};

fn hash_query(hash: MessageHash) -> Query {
    Query { hashes: vec![hash], include_data: true, ..Query::default() }
}

#[actix::test]
async fn a_relayed_message_is_kept_with_its_proof_unless_a_rule_forbids_it() {
    let mut rig = Rig::new().await;
    let mut good = test_utils::message("good", NOON);
    good.proof = ProofField::Present(Box::new(PROOF));
    let ephemeral = WakuMessage { ephemeral: true, ..test_utils::message("ephemeral", NOON) };
    let old = test_utils::message("old", NOON.saturating_sub(Duration::from_secs(30)));
    let early = test_utils::message("early", NOON.saturating_add(Duration::from_secs(30)));
    for message in [good.clone(), ephemeral, old, early] {
        let accepted = rig.accepted(message);
        rig.service.persist.tell(Persist(accepted)).expect("taken");
    }
    rig.pass(DELAY).await;
    rig.until_stored(1).await;
    let page = rig.query(hash_query(good.hash(topic(3)))).await.expect("answered");
    assert_eq!(page.rows[0].data, Some((topic(3), good)));
    let errors = |kind: &str| rig.metric(&format!("waku_archive_errors_total{{type=\"{kind}\"}}"));
    assert_eq!(errors("invalid_message_too_old"), Some(1));
    assert_eq!(errors("invalid_message_future_timestamp"), Some(1));
    assert_eq!(errors("insert_failure"), None);
}

#[actix::test]
async fn a_full_batch_is_written_at_once_and_the_rest_after_the_delay() {
    let mut rig = Rig::new().await;
    assert_eq!(rig.send(MAX_BATCH + 3), MAX_BATCH + 3);
    rig.until_stored(512).await;
    rig.pass(DELAY).await;
    rig.until_stored(515).await;
    assert_eq!(rig.fake.sizes(), [512, 3]);
    assert_eq!(rig.service.handle.report().stored, 515);
    until(|| rig.service.handle.report().waiting_messages == 0).await;
}

#[actix::test]
async fn while_a_batch_is_written_the_next_one_gathers() {
    let mut rig = Rig::new().await;
    rig.fake.is(Mood::Holding);
    rig.send(1);
    rig.pass(DELAY).await;
    until(|| rig.fake.sizes() == [1]).await;
    assert_eq!(rig.send(300), 300);
    rig.pass(DELAY * 10).await;
    assert_eq!(rig.service.handle.report().waiting_messages, 301);
    rig.fake.is(Mood::Well);
    rig.until_stored(301).await;
    assert_eq!(rig.fake.sizes(), [1, 300]);
}

/// The archive fails as `mood` has it, which is told with `text` and counted as `word`, and comes back.
async fn waits_until_the_archive_is_back(mood: Mood, text: &str, word: &str) {
    let mut rig = Rig::new().await;
    rig.fake.is(mood);
    rig.send(5);
    rig.pass(DELAY).await;
    until(|| rig.fake.sizes() == [5]).await;
    until(|| rig.service.handle.report().unavailable.is_some()).await;
    rig.send(7);
    let why = rig.service.handle.report().unavailable;
    assert!(why.is_some_and(|why| why.contains(text)));
    in_time(|| rig.fake.sizes() == [5, 5, 5]).await;
    assert_eq!(rig.service.handle.report().waiting_messages, 12);
    rig.fake.is(Mood::Well);
    in_time(|| rig.stored() == 12).await;
    until(|| rig.service.handle.report().waiting_messages == 0).await;
    let report = rig.service.handle.report();
    assert_eq!((report.unavailable, report.dropped), (None, 0));
    let failures = format!("weir_archive_write_failures_total{{reason=\"{word}\"}}");
    assert!(rig.metric(&failures) >= Some(3));
}

#[actix::test]
async fn what_does_not_fit_on_a_full_disk_waits_and_is_written_when_there_is_room() {
    waits_until_the_archive_is_back(Mood::Full, "no space left", "full").await;
}

#[actix::test]
async fn what_a_database_that_is_away_does_not_take_waits_and_is_written_when_it_is_back() {
    waits_until_the_archive_is_back(Mood::Unavailable, "connection refused", "unavailable").await;
}

#[actix::test]
async fn more_than_there_is_room_for_is_refused_and_counted_until_the_archive_is_back() {
    const LARGE: usize = 5 << 20;
    let mut rig = Rig::new().await;
    rig.fake.is(Mood::Unavailable);
    let taken = (0..20).filter(|_| rig.send_bytes(LARGE)).count();
    assert_eq!(taken, room::MAX_WAITING_BYTES / LARGE, "as many as fit into 64 MiB");
    rig.pass(DELAY).await;
    until(|| rig.service.handle.report().unavailable.is_some()).await;
    assert!(!rig.send_bytes(LARGE), "a batch that failed keeps its room");
    assert_eq!(rig.service.handle.report().dropped, 9);
    rig.fake.is(Mood::Well);
    in_time(|| rig.service.handle.report().waiting_bytes == 0).await;
    assert_eq!(rig.stored(), 12);
    assert!(rig.send_bytes(LARGE));
    rig.until_stored(13).await;
    assert_eq!(rig.metric("weir_archive_messages_dropped_total{reason=\"buffer_full\"}"), Some(9));
    assert_eq!(rig.metric("waku_archive_errors_total{type=\"insert_failure\"}"), Some(9));
}

#[actix::test]
async fn a_batch_that_no_attempt_can_mend_does_not_hold_up_the_others() {
    let mut rig = Rig::new().await;
    rig.fake.is(Mood::Damaged);
    rig.send(3);
    rig.pass(DELAY).await;
    until(|| rig.service.handle.report().dropped == 3).await;
    rig.fake.is(Mood::Well);
    rig.send(4);
    in_time(|| rig.stored() == 4).await;
    assert_eq!(rig.metric("weir_archive_messages_dropped_total{reason=\"refused\"}"), Some(3));
}

#[actix::test]
async fn a_backend_that_panics_loses_its_batch_which_is_counted_and_nothing_else() {
    let mut rig = Rig::new().await;
    rig.fake.is(Mood::Panicking);
    rig.send(3);
    rig.pass(DELAY).await;
    until(|| rig.service.handle.report().dropped == 3).await;
    let answer = rig.query(Query::default()).await;
    assert!(matches!(answer, Err(QueryError::Down)), "{answer:?}");
    rig.fake.is(Mood::Well);
    rig.send(4);
    in_time(|| rig.stored() == 4).await;
    assert_eq!(rig.metric("weir_archive_messages_dropped_total{reason=\"fault\"}"), Some(3));
    assert!(rig.query(Query::default()).await.is_ok());
}

#[actix::test]
async fn an_actor_that_panics_counts_what_waited_and_the_batch_under_way_is_still_written() {
    let mut rig = Rig::new().await;
    rig.fake.is(Mood::Holding);
    rig.send(MAX_BATCH);
    until(|| rig.fake.sizes() == [512]).await;
    rig.send(7);
    rig.service.actor.tell(Crash).expect("taken");
    assert_eq!(within(rig.faults.recv()).await.map(|fault| fault.count), Some(1));
    assert_eq!(rig.service.handle.report().dropped, 7);
    rig.fake.is(Mood::Well);
    rig.until_stored(512).await;
    rig.pass(Duration::from_secs(1)).await;
    rig.send(3);
    rig.pass(DELAY).await;
    rig.until_stored(515).await;
    until(|| rig.service.handle.report().waiting_messages == 0).await;
    assert_eq!(rig.service.handle.report().dropped, 7);
}

#[actix::test]
async fn a_stop_writes_everything_replies_and_closes_the_archive() {
    let mut rig = Rig::new().await;
    rig.fake.is(Mood::Holding);
    rig.send(MAX_BATCH + 9);
    until(|| rig.fake.sizes() == [512]).await;
    rig.fake.is(Mood::Well);
    assert_eq!(rig.drain().await, Ok(true));
    assert_eq!(rig.stored(), 521);
    within(rig.service.actor.stopped()).await;
    let (handle, fake) = (rig.service.handle.clone(), Arc::clone(&rig.fake));
    rig.service.close().await;
    drop(rig.fake);
    until(|| Arc::strong_count(&fake) == 1).await;
    assert!(matches!(in_no_time(handle.query(Query::default())).await, Err(QueryError::Down)));
    assert!(matches!(handle.keep(vec![]).await, Err(KeepError::Down)));
    assert!(rig.faults.recv().await.is_none(), "the guardian has gone without a fault");
    assert_eq!(handle.report().dropped, 0);
}

#[actix::test]
async fn a_stop_while_the_archive_cannot_be_written_says_so_and_counts_what_is_lost() {
    let mut rig = Rig::new().await;
    rig.fake.is(Mood::Unavailable);
    rig.send(MAX_BATCH + 9);
    until(|| rig.service.handle.report().unavailable.is_some()).await;
    assert_eq!(rig.drain().await, Ok(false));
    within(rig.service.actor.stopped()).await;
    until(|| rig.service.handle.report().dropped == 521).await;
    assert_eq!(rig.metric("weir_archive_messages_dropped_total{reason=\"stopped\"}"), Some(521));
}

#[actix::test]
async fn messages_from_another_archive_may_be_old_but_not_ephemeral_and_no_more_than_a_batch() {
    let rig = Rig::new().await;
    let stored = |payload: &str, ephemeral| {
        let message = test_utils::message(payload, weir_core::Timestamp::from_secs(1));
        StoredMessage::new(topic(3), WakuMessage { ephemeral, ..message })
    };
    let brought = vec![stored("one", false), stored("two", true), stored("one", false)];
    let kept = rig.service.handle.keep(brought).await.expect("kept");
    assert_eq!(kept, Kept { new: 1, known: 1, ephemeral: 1 });
    let many = vec![stored("many", false); MAX_BATCH + 1];
    let refused = rig.service.handle.keep(many).await;
    assert!(matches!(refused, Err(KeepError::TooMany(513))), "{refused:?}");
    rig.fake.is(Mood::Full);
    let refused = rig.service.handle.keep(vec![stored("three", false)]).await;
    assert!(matches!(refused, Err(KeepError::Archive(ArchiveError::Full(_)))), "{refused:?}");
}

#[actix::test]
async fn a_query_that_nobody_waits_for_any_more_is_cancelled_and_others_go_on() {
    let rig = Rig::with("none", 2).await;
    rig.fake.is(Mood::Holding);
    let slow = tokio::spawn({
        let handle = rig.service.handle.clone();
        async move { handle.query(Query::default()).await }
    });
    until(|| rig.fake.queries.load(Ordering::SeqCst) == 1).await;
    slow.abort();
    let cancelled = "weir_archive_queries_total{outcome=\"cancelled\"}";
    until(|| rig.metric(cancelled) == Some(1)).await;
    rig.fake.is(Mood::Well);
    assert!(rig.query(Query::default()).await.is_ok());
}

#[actix::test]
async fn no_more_queries_wait_than_may_and_those_that_waited_too_long_are_not_begun() {
    let rig = Rig::new().await;
    rig.fake.is(Mood::Holding);
    let ask = |not_after| {
        let (reply, answer) = Reply::channel();
        let job = RunQuery { query: Query::default(), not_after, reply };
        (rig.service.queries.tell(job).map_err(|refused| refused.why), answer)
    };
    let (taken, running) = ask(NOON.saturating_add(Duration::from_secs(60)));
    assert_eq!(taken, Ok(()));
    until(|| rig.fake.queries.load(Ordering::SeqCst) == 1).await;
    let mut waiting = Vec::new();
    for _ in 0..readers::WAITING {
        let (taken, answer) = ask(NOON.saturating_sub(Duration::from_secs(1)));
        assert_eq!(taken, Ok(()));
        waiting.push(answer);
    }
    assert_eq!(ask(NOON).0, Err(Refusal::Busy));
    assert!(matches!(rig.query(Query::default()).await, Err(QueryError::Busy)));
    assert_eq!(rig.metric("weir_archive_queries_total{outcome=\"busy\"}"), Some(2));
    rig.fake.is(Mood::Well);
    assert!(running.await.expect("answered").is_ok());
    for answer in waiting {
        assert!(matches!(answer.await.expect("answered"), Err(QueryError::Timeout)));
    }
    assert_eq!(rig.fake.queries.load(Ordering::SeqCst), 1);
}

#[actix::test]
async fn what_an_archive_refuses_is_told_and_does_not_make_it_unavailable() {
    let rig = Rig::new().await;
    let cursor = Some(MessageHash::from_bytes([9; 32]));
    let answer = rig.query(Query { cursor, ..Query::default() }).await;
    assert!(matches!(answer, Err(QueryError::Archive(ArchiveError::CursorNotFound))), "{answer:?}");
    assert_eq!(rig.service.handle.report().unavailable, None);
    rig.fake.is(Mood::Unavailable);
    assert!(rig.query(Query::default()).await.is_err());
    assert!(rig.service.handle.report().unavailable.is_some());
    rig.fake.is(Mood::Well);
    assert!(rig.query(Query::default()).await.is_ok());
    assert_eq!(rig.service.handle.report().unavailable, None);
}
