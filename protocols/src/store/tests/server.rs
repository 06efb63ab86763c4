use std::{
    collections::{BTreeMap, BTreeSet},
    time::Duration,
};

use proptest::prelude::*;
use weir_core::store::Query;

use super::*;
use crate::{
    rate_limit::{Exceeded, RateLimit},
    store::{
        ANSWER_ROOM, ANSWER_WITHIN, Effect, Failure, Input, MAX_WAITING, MAX_WAITING_OF_A_PEER, Question,
        Refused, RequestId, Server, ServerConfig,
    },
};

const SLOTS: usize = 4;

struct Rig {
    server: Server,
    now: i64,
    next: u64,
}

impl Rig {
    fn new() -> Self {
        Self::limited(None)
    }

    fn limited(limit: Option<RateLimit>) -> Self {
        Self { server: Server::new(ServerConfig { limit, slots: SLOTS }, at(0)), now: 0, next: 0 }
    }

    fn give(&mut self, input: Input) -> Vec<Effect> {
        let mut effects = Vec::new();
        self.server.handle(input, at(self.now), &mut effects);
        effects
    }

    fn ask(&mut self, n: u8, question: Question) -> (RequestId, Vec<Effect>) {
        let id = RequestId(self.next);
        self.next += 1;
        (id, self.give(Input::Asked { id, peer: peer(n), question }))
    }

    fn query(&mut self, n: u8) -> (RequestId, Vec<Effect>) {
        self.ask(n, Question::Query(Box::default()))
    }

    /// Asks until nothing more of the peer runs or waits.
    fn fill(&mut self, n: u8) -> usize {
        (0..)
            .take_while(|_| self.query(n).1.iter().all(|effect| matches!(effect, Effect::Run { .. })))
            .count()
    }

    fn found(&mut self, id: RequestId, bytes: usize) -> Vec<Effect> {
        self.give(Input::Found { id, bytes })
    }
}

fn run(id: RequestId, since: i64) -> Effect {
    Effect::Run { id, query: Box::default(), until: at(since).saturating_add(ANSWER_WITHIN) }
}

fn refuse(id: RequestId, refused: Refused) -> Effect {
    Effect::Refuse { id, refused }
}

#[test]
fn a_query_runs_and_its_page_is_sent_and_then_forgotten() {
    let mut rig = Rig::new();
    let (id, effects) = rig.query(1);
    assert_eq!(effects, [run(id, 0)]);
    assert_eq!(rig.found(id, 100), [Effect::SendPage(id)]);
    assert_eq!(rig.found(id, 100), [], "one answer is enough");
    assert_eq!(rig.server.next_deadline(), Some(at(60_000)), "it is sent by then or never");
    assert_eq!(rig.give(Input::Ended(id)), []);
    assert_eq!(rig.server.next_deadline(), None);
}

#[test]
fn what_cannot_be_asked_is_refused_without_the_archive() {
    let mut rig = Rig::new();
    let many = |hashes: usize| Query { hashes: vec![stored(1).hash; hashes], ..Query::default() };
    let topics = vec![ContentTopic::new("t").expect("a topic"); 101];
    let cases = [
        (
            Question::Undecodable("why".into()),
            Refused::Undecodable("why".into()),
            400,
            "decoding rpc failed: why",
        ),
        (Question::Malformed("why".into()), Refused::Malformed("why".into()), 400, "BAD_REQUEST: why"),
        (
            Question::Query(Box::new(many(1000))),
            Refused::TooManyHashes(1000),
            400,
            "BAD_REQUEST: too many message hashes: 1000; at most 100 can be asked for",
        ),
        (
            Question::Query(Box::new(Query { content_topics: topics, ..Query::default() })),
            Refused::TooManyContentTopics(101),
            400,
            "BAD_REQUEST: too many content topics: 101; at most 100 can be asked for",
        ),
    ];
    for (question, refused, status, text) in cases {
        assert_eq!((refused.status(), refused.to_string().as_str()), (status, text));
        let (id, effects) = rig.ask(1, question);
        assert_eq!(effects, [refuse(id, refused)]);
    }
    let (id, effects) = rig.ask(1, Question::Nothing);
    assert_eq!(effects, [Effect::SendNothing(id)]);
    let (id, effects) = rig.ask(1, Question::Query(Box::new(many(100))));
    assert!(matches!(effects.as_slice(), [Effect::Run { id: run, .. }] if *run == id));
}

#[test]
fn each_failure_of_the_archive_has_its_status() {
    let archive = |why: &str| Failure::Archive(why.to_owned());
    for (failure, status, text) in [
        (archive("cursor not found"), 300, "BAD_RESPONSE: archive error: cursor not found"),
        (Failure::Unavailable("no server".into()), 503, "SERVICE_UNAVAILABLE: no server"),
        (Failure::Busy, 429, "TOO_MANY_REQUESTS: too many requests wait"),
        (Failure::TimedOut, 503, "SERVICE_UNAVAILABLE: no answer within 10 s"),
        (Failure::Closed, 503, "SERVICE_UNAVAILABLE: the node is stopping"),
    ] {
        let mut rig = Rig::new();
        let (id, _) = rig.query(1);
        let effects = rig.give(Input::Failed { id, failure });
        let [Effect::Refuse { refused, .. }] = effects.as_slice() else { panic!("{effects:?}") };
        assert_eq!((refused.status(), refused.to_string().as_str()), (status, text));
    }
}

#[test]
fn one_peer_gets_half_of_the_slots_and_a_short_line() {
    let mut rig = Rig::new();
    assert_eq!(rig.fill(1), 2 + MAX_WAITING_OF_A_PEER);
    let (id, effects) = rig.query(1);
    assert_eq!(effects, [refuse(id, Refused::PeerQueueFull)]);
    let (id, effects) = rig.query(2);
    assert_eq!(effects, [run(id, 0)], "another peer finds a slot at once");
    let (id, effects) = rig.query(3);
    assert_eq!(effects, [run(id, 0)]);
}

#[test]
fn peers_take_turns_when_slots_are_scarce() {
    let mut rig = Rig::new();
    let running: Vec<_> = [1, 1, 2, 3].map(|n| rig.query(n).0).to_vec();
    let waiting: Vec<_> = [1, 1, 1, 4, 5].map(|n| rig.query(n).0).to_vec();
    assert_eq!(rig.found(running[0], 1), [Effect::SendPage(running[0]), run(waiting[3], 0)]);
    assert_eq!(rig.found(running[1], 1), [Effect::SendPage(running[1]), run(waiting[4], 0)]);
    assert_eq!(rig.found(running[2], 1), [Effect::SendPage(running[2]), run(waiting[0], 0)]);
}

#[test]
fn slots_that_become_free_together_are_filled_together() {
    let mut rig = Rig::new();
    (2..6).for_each(|n| drop(rig.query(n)));
    rig.now = 5_000;
    let waiting = [rig.query(1).0, rig.query(1).0, rig.query(1).0];
    rig.now = 10_000;
    let effects = rig.give(Input::Tick);
    let runs: Vec<_> = effects.into_iter().filter(|effect| matches!(effect, Effect::Run { .. })).collect();
    assert_eq!(runs, [run(waiting[0], 5_000), run(waiting[1], 5_000)]);
}

#[test]
fn all_lines_together_are_bounded() {
    let mut rig = Rig::new();
    let taken: usize = (0..60).map(|n| rig.fill(n)).sum();
    assert_eq!(taken, SLOTS + MAX_WAITING);
    let (id, effects) = rig.query(77);
    assert_eq!(effects, [refuse(id, Refused::QueueFull)]);
}

#[test]
fn a_flood_is_refused_by_its_own_bucket() {
    let mut rig = Rig::limited(RateLimit::new(4, Duration::from_secs(1)));
    for _ in 0..30 {
        let (id, _) = rig.query(1);
        rig.found(id, 1);
    }
    let (id, effects) = rig.query(1);
    assert_eq!(effects, [refuse(id, Refused::RateLimited(Exceeded::ByPeer))]);
    let (id, effects) = rig.query(2);
    assert_eq!(effects, [run(id, rig.now)]);
}

#[test]
fn an_abandoned_query_is_cancelled_and_one_that_waits_leaves_the_line() {
    let mut rig = Rig::new();
    let ids: Vec<_> = (0..4).map(|_| rig.query(1).0).collect();
    assert_eq!(rig.give(Input::Ended(ids[2])), []);
    assert_eq!(rig.give(Input::Ended(ids[0])), [Effect::Cancel(ids[0]), run(ids[3], 0)]);
    assert_eq!(rig.found(ids[0], 1), []);
}

#[test]
fn what_takes_too_long_is_refused_whether_it_runs_or_waits() {
    let mut rig = Rig::new();
    let ids: Vec<_> = (0..3).map(|_| rig.query(1).0).collect();
    assert_eq!(rig.server.next_deadline(), Some(at(10_000)));
    rig.now = 9_999;
    assert_eq!(rig.give(Input::Tick), []);
    rig.now = 10_000;
    let late = |id| refuse(id, Refused::TimedOut);
    let expected = [Effect::Cancel(ids[0]), late(ids[0]), Effect::Cancel(ids[1]), late(ids[1]), late(ids[2])];
    assert_eq!(rig.give(Input::Tick), expected);
    assert_eq!(rig.server.next_deadline(), None);
}

#[test]
fn answers_that_nobody_reads_take_a_bounded_room_and_never_all_of_it() {
    let mut rig = Rig::new();
    let page = ANSWER_ROOM / 4;
    let send = |rig: &mut Rig, n: u8| {
        let (id, _) = rig.query(n);
        (id, rig.found(id, page))
    };
    let (first, effects) = send(&mut rig, 1);
    assert_eq!(effects, [Effect::SendPage(first)]);
    let (second, effects) = send(&mut rig, 1);
    assert_eq!(effects, [Effect::SendPage(second)]);
    let (third, effects) = send(&mut rig, 1);
    assert_eq!(effects, [refuse(third, Refused::NoRoom)]);
    let (other, effects) = send(&mut rig, 2);
    assert_eq!(effects, [Effect::SendPage(other)]);
    rig.give(Input::Ended(first));
    rig.now = 60_000;
    assert_eq!(rig.give(Input::Tick), [], "what was not read until now is given up");
    let (again, effects) = send(&mut rig, 3);
    assert_eq!(effects, [Effect::SendPage(again)]);
}

#[test]
fn a_node_that_stops_says_so_to_all() {
    let mut rig = Rig::new();
    let ids: Vec<_> = (0..3).map(|_| rig.query(1).0).collect();
    let stopping = |id| refuse(id, Refused::Stopping);
    let expected = [
        Effect::Cancel(ids[0]),
        stopping(ids[0]),
        Effect::Cancel(ids[1]),
        stopping(ids[1]),
        stopping(ids[2]),
    ];
    assert_eq!(rig.give(Input::Stop), expected);
    let (id, effects) = rig.query(2);
    assert_eq!(effects, [stopping(id)]);
}

#[derive(Debug, Clone)]
enum Step {
    Ask(u8),
    Find(usize, usize),
    Fail(usize),
    End(usize),
    Wait(i64),
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        5 => (0..6_u8).prop_map(Step::Ask),
        3 => (any::<usize>(), 0..ANSWER_ROOM / 2).prop_map(|(n, bytes)| Step::Find(n, bytes)),
        1 => any::<usize>().prop_map(Step::Fail),
        2 => any::<usize>().prop_map(Step::End),
        1 => (0..4_000_i64).prop_map(Step::Wait),
    ]
}

proptest! {
    #[test]
    fn every_request_is_answered_once_and_the_bounds_hold(steps in prop::collection::vec(step(), 1..300)) {
        let mut rig = Rig::new();
        let mut owner: BTreeMap<RequestId, u8> = BTreeMap::new();
        let (mut open, mut running) = (BTreeSet::new(), BTreeSet::new());
        let mut sending: BTreeMap<RequestId, (usize, i64)> = BTreeMap::new();
        for step in steps {
            let nth = |n: usize, set: &BTreeSet<RequestId>| set.iter().nth(n % set.len().max(1)).copied();
            let mut size = 0;
            let effects = match step {
                Step::Ask(n) => {
                    let (id, effects) = rig.query(n);
                    owner.insert(id, n);
                    open.insert(id);
                    effects
                }
                Step::Find(n, bytes) => {
                    let Some(id) = nth(n, &running) else { continue };
                    size = bytes;
                    running.remove(&id);
                    rig.found(id, bytes)
                }
                Step::Fail(n) => {
                    let Some(id) = nth(n, &running) else { continue };
                    running.remove(&id);
                    rig.give(Input::Failed { id, failure: Failure::Busy })
                }
                Step::End(n) => {
                    let all: BTreeSet<RequestId> = open.iter().chain(sending.keys()).copied().collect();
                    let Some(id) = nth(n, &all) else { continue };
                    open.remove(&id);
                    sending.remove(&id);
                    rig.give(Input::Ended(id))
                }
                Step::Wait(millis) => {
                    rig.now += millis;
                    rig.give(Input::Tick)
                }
            };
            for effect in effects {
                match effect {
                    Effect::Run { id, .. } => prop_assert!(open.contains(&id) && running.insert(id)),
                    Effect::Cancel(id) => prop_assert!(running.remove(&id)),
                    Effect::SendPage(id) => {
                        prop_assert!(open.remove(&id));
                        sending.insert(id, (size, rig.now));
                    }
                    Effect::SendNothing(id) | Effect::Refuse { id, .. } => {
                        prop_assert!(open.remove(&id) && !running.contains(&id));
                    }
                }
            }
            prop_assert!(running.len() <= SLOTS);
            sending.retain(|_, (_, since)| *since + 60_000 > rig.now);
            prop_assert!(sending.values().map(|(size, _)| size).sum::<usize>() <= ANSWER_ROOM);
            prop_assert_eq!(rig.server.load(), (open.len() - running.len(), running.len()));
            for n in 0..6 {
                let own = |set: &BTreeSet<RequestId>| set.iter().filter(|id| owner[id] == n).count();
                prop_assert!(own(&running) <= SLOTS / 2);
                prop_assert!(own(&open) - own(&running) <= MAX_WAITING_OF_A_PEER);
            }
            // No slot is free while somebody may take it.
            let free = SLOTS - running.len();
            for id in open.difference(&running) {
                let held = running.iter().filter(|other| owner[other] == owner[id]).count();
                prop_assert!(held + 1 > free, "{id:?} waits although {free} slots are free");
            }
            let due = rig.server.next_deadline();
            prop_assert_eq!(due.is_some(), !open.is_empty() || !sending.is_empty());
            prop_assert!(due.is_none_or(|due| due > at(rig.now)));
        }
    }
}
