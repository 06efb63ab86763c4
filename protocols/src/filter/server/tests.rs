use std::collections::{BTreeMap, BTreeSet};

use proptest::prelude::*;
use weir_core::{ClusterId, ContentTopic, Meta, ProofField, PubsubTopic, ShardId, WakuMessage};

use super::*;
use crate::relay::accepted_in_tests;

fn at(secs: i64) -> Timestamp {
    Timestamp::from_secs(1_700_000_000 + secs)
}

fn peer(n: u16) -> PeerId {
    PeerId::from_bytes(&n.to_be_bytes()).expect("two bytes")
}

fn shard(n: u16) -> PubsubTopic {
    PubsubTopic::new(ClusterId(1), ShardId(n)).expect("shard")
}

fn content(n: usize) -> ContentTopic {
    ContentTopic::new(&format!("/app/1/{n}/proto")).expect("content topic")
}

fn criteria(on: u16, about: impl IntoIterator<Item = usize>) -> Criteria {
    Criteria::new(shard(on), about.into_iter().map(content).collect()).expect("1 to 100")
}

fn message(on: u16, about: usize, nanos: i64) -> Accepted {
    let message = WakuMessage {
        payload: b"payload".to_vec().into(),
        content_topic: content(about),
        version: 0,
        timestamp: Timestamp::from_nanos(nanos),
        meta: Meta::default(),
        ephemeral: false,
        proof: ProofField::Absent,
    };
    accepted_in_tests(shard(on), message)
}

fn server() -> Server {
    Server::new(ServerConfig::default())
}

fn small() -> Server {
    Server::new(ServerConfig { max_clients: 2, max_criteria: 3, ..ServerConfig::default() })
}

fn subscribe(server: &mut Server, n: u16, criteria: Criteria, now: Timestamp) -> Answer {
    server.handle(&peer(n), Ok(Request::Subscribe(criteria)), now)
}

fn unsubscribe(server: &mut Server, n: u16, criteria: Criteria) -> Answer {
    server.handle(&peer(n), Ok(Request::Unsubscribe(criteria)), at(0))
}

fn ping(server: &mut Server, n: u16, now: Timestamp) -> u32 {
    server.handle(&peer(n), Ok(Request::Ping), now).status.code()
}

fn refused(code: u32, text: &str) -> Answer {
    Answer { status: Status::from_code(code), description: text.into() }
}

fn reachable(_: &PeerId) -> bool {
    true
}

#[test]
fn requests_are_answered_as_live_nodes_answer_them() {
    let not_found = refused(404, "NOT_FOUND: peer has no subscriptions");
    let mut server = server();
    for asked in [Request::Ping, Request::Unsubscribe(criteria(0, [1])), Request::UnsubscribeAll] {
        assert_eq!(server.handle(&peer(1), Ok(asked), at(0)), not_found);
    }
    let bad = server.handle(&peer(1), Err(BadRequest::NoCriteria), at(0));
    assert_eq!(bad, refused(400, "BAD_REQUEST: pubsubTopic and contentTopics must be specified"));
    let bad = server.handle(&peer(1), Err(BadRequest::TooManyContentTopics), at(0));
    assert_eq!(bad, refused(400, "BAD_REQUEST: exceeds maximum content topics: 100"));

    assert_eq!(subscribe(&mut server, 1, criteria(0, 0..100), at(0)), Answer::ok());
    assert_eq!(subscribe(&mut server, 1, criteria(0, 0..100), at(0)), Answer::ok(), "changes nothing");
    assert_eq!(server.criteria(), 100);
    assert_eq!(ping(&mut server, 1, at(0)), 200);
    assert_eq!(server.handle(&peer(1), Ok(Request::UnsubscribeAll), at(0)), Answer::ok());
    assert_eq!(ping(&mut server, 1, at(0)), 404);
    assert_eq!((server.clients(), server.criteria()), (0, 0));
}

#[test]
fn unsubscribing_what_nobody_holds_is_not_found_and_what_others_hold_has_no_effect() {
    let mut server = server();
    subscribe(&mut server, 1, criteria(0, [1, 2]), at(0));
    subscribe(&mut server, 2, criteria(0, [3]), at(0));
    assert_eq!(unsubscribe(&mut server, 1, criteria(0, [3])), Answer::ok());
    assert_eq!(unsubscribe(&mut server, 1, criteria(1, [1])).status, Status::NotFound, "another shard");
    assert_eq!(unsubscribe(&mut server, 1, criteria(0, [1, 9, 2])).status, Status::NotFound);
    assert_eq!(
        server.push(&message(0, 1, 1), 1, at(0)),
        [],
        "what came before the unknown one stays removed"
    );
    assert_eq!(server.push(&message(0, 2, 2), 1, at(0)), [peer(1)]);
    assert_eq!(unsubscribe(&mut server, 1, criteria(0, [2])), Answer::ok());
    assert_eq!(ping(&mut server, 1, at(0)), 404, "without criteria a client is none");
    assert_eq!(server.push(&message(0, 3, 3), 1, at(0)), [peer(2)]);
}

#[test]
fn a_client_holds_at_most_its_criteria_and_can_refresh_them_at_the_limit() {
    let full = refused(503, "SERVICE_UNAVAILABLE: peer has reached maximum number of filter criteria");
    let mut server = small();
    assert_eq!(subscribe(&mut server, 1, criteria(0, 0..4), at(0)), full);
    assert_eq!(server.clients(), 0, "a refused newcomer is not kept");
    assert_eq!(subscribe(&mut server, 1, criteria(0, [1, 2]), at(0)), Answer::ok());
    assert_eq!(subscribe(&mut server, 1, criteria(0, [2, 3, 4]), at(0)), full);
    assert_eq!(subscribe(&mut server, 1, criteria(0, [1, 2, 3, 3]), at(0)), Answer::ok());
    assert_eq!(subscribe(&mut server, 1, criteria(0, [1, 2, 3]), at(0)), Answer::ok());
    assert_eq!(subscribe(&mut server, 1, criteria(1, [1]), at(0)), full);
}

#[test]
fn clients_beyond_the_limit_are_refused_until_one_leaves() {
    let mut server = small();
    for n in [1, 2] {
        assert_eq!(subscribe(&mut server, n, criteria(0, [1]), at(0)), Answer::ok());
    }
    let full = refused(503, "SERVICE_UNAVAILABLE: node has reached maximum number of subscriptions: 2");
    assert_eq!(subscribe(&mut server, 3, criteria(0, [1]), at(0)), full);
    assert_eq!(subscribe(&mut server, 2, criteria(0, [2]), at(0)), Answer::ok());
    server.handle(&peer(1), Ok(Request::UnsubscribeAll), at(0));
    assert_eq!(subscribe(&mut server, 3, criteria(0, [1]), at(0)), Answer::ok());
}

#[test]
fn subscriptions_lapse_300_seconds_after_the_last_request() {
    let mut server = server();
    for n in [1, 2] {
        subscribe(&mut server, n, criteria(0, [1]), at(0));
    }
    assert_eq!(ping(&mut server, 1, at(200)), 200);
    server.tick(at(299), reachable);
    assert_eq!(server.clients(), 2);
    server.tick(at(300), reachable);
    assert_eq!((ping(&mut server, 1, at(300)), ping(&mut server, 2, at(300))), (200, 404));
    assert_eq!(server.counters().removed_lapsed, 1);
    unsubscribe(&mut server, 1, criteria(0, [1]));
    assert_eq!(server.next_deadline(), None, "nothing is due for nobody");
}

#[test]
fn clients_that_cannot_be_pushed_to_are_removed_each_minute() {
    let mut server = server();
    for n in [1, 2] {
        subscribe(&mut server, n, criteria(0, [1]), at(0));
    }
    assert_eq!(server.next_deadline(), Some(at(60)));
    server.tick(at(59), |p| *p == peer(1));
    assert_eq!(server.clients(), 2);
    server.tick(at(60), |p| *p == peer(1));
    assert_eq!((ping(&mut server, 1, at(60)), ping(&mut server, 2, at(60))), (200, 404));
    assert_eq!(server.counters().removed_unreachable, 1);
    assert_eq!(server.next_deadline(), Some(at(120)));
}

#[test]
fn a_message_goes_once_to_those_who_want_its_topics() {
    let mut server = server();
    subscribe(&mut server, 1, criteria(0, [1, 2]), at(0));
    subscribe(&mut server, 2, criteria(0, [2]), at(0));
    subscribe(&mut server, 3, criteria(1, [2]), at(0));
    let both = message(0, 2, 7);
    assert_eq!(server.push(&both, 10, at(0)), [peer(1), peer(2)]);
    assert_eq!(server.push(&both, 10, at(119)), []);
    assert_eq!(server.push(&both, 10, at(120)), [peer(1), peer(2)]);
    assert_eq!(server.push(&message(0, 9, 8), 10, at(120)), []);
    assert_eq!((server.counters().pushes, server.counters().duplicates), (4, 1));
}

#[test]
fn a_message_nobody_wanted_is_pushed_when_somebody_does() {
    let mut server = server();
    assert_eq!(server.push(&message(0, 1, 1), 10, at(0)), []);
    subscribe(&mut server, 1, criteria(0, [1]), at(1));
    assert_eq!(server.push(&message(0, 1, 1), 10, at(1)), [peer(1)]);
}

#[test]
fn a_stuck_client_fills_its_own_outbox_and_delays_nobody() {
    let mut server = server();
    for n in [1, 2] {
        subscribe(&mut server, n, criteria(0, [1]), at(0));
    }
    for nanos in 0..100 {
        let peers = server.push(&message(0, 1, nanos), 10, at(0));
        assert!(peers.contains(&peer(2)));
        server.pushed(&peer(2), at(0));
    }
    assert_eq!(server.counters().dropped_full, 36);
    assert_eq!(server.next_deadline(), Some(at(20)));
    server.tick(at(19), reachable);
    assert_eq!(server.take_resets(), []);
    server.tick(at(20), reachable);
    assert_eq!(server.take_resets(), [Reset { peer: peer(1), dropped: 100 }]);
    assert_eq!((server.counters().timeouts, server.counters().lost), (1, 64));
    assert_eq!(server.push(&message(0, 1, 100), 10, at(20)), [peer(1), peer(2)], "a new stream, a new try");
}

#[test]
fn clients_that_do_not_read_hold_together_no_more_than_all_may_and_others_are_pushed_to() {
    const LARGEST: usize = 150 * 1024;
    let mut server = server();
    // Each wants other messages, so that nothing is shared; the last one reads.
    for n in 0..200 {
        subscribe(&mut server, n, criteria(0, [usize::from(n)]), at(0));
    }
    let mut reset = Vec::new();
    for nanos in 0..600 {
        let about = usize::try_from(nanos % 200).expect("small");
        let now = at(nanos / 100);
        let pushed = server.push(&message(0, about, nanos), LARGEST, now);
        reset.extend(server.take_resets());
        assert!(pushed.len() == 1 && server.held_bytes() <= MAX_HELD_BYTES, "{nanos}");
        if about == 199 {
            server.pushed(&peer(199), now);
        }
    }
    // An outbox holds three, and is given up as a whole.
    let outboxes = (199 * 3 - MAX_HELD_BYTES / LARGEST).div_ceil(3);
    let counters = server.counters();
    assert_eq!((counters.evictions, counters.lost), (outboxes as u64, 3 * outboxes as u64));
    assert_eq!(reset.len(), outboxes);
    assert!(reset.iter().all(|reset| reset.peer != peer(199)));
    assert_eq!(reset[0], Reset { peer: peer(0), dropped: 3 }, "who took nothing for the longest");
    server.tick(at(1000), reachable);
    assert_eq!((server.clients(), server.held_bytes()), (0, 0));
}

#[test]
fn a_client_whose_pushes_only_fail_is_removed_after_a_life_time_even_if_it_pings() {
    let mut server = server();
    subscribe(&mut server, 1, criteria(0, [1]), at(0));
    for minute in 1..=6 {
        let now = at(minute * 60);
        server.push(&message(0, 1, minute), 10, now);
        server.push_failed(&peer(1), now);
        assert_eq!(ping(&mut server, 1, now), 200);
        server.tick(now, reachable);
    }
    assert_eq!(ping(&mut server, 1, at(360)), 404);
    assert_eq!(server.counters().removed_failing, 1);
}

#[test]
fn one_success_forgives_the_failures_before() {
    let mut server = server();
    subscribe(&mut server, 1, criteria(0, [1]), at(0));
    for minute in 1..=10 {
        let now = at(minute * 60);
        server.push(&message(0, 1, minute), 10, now);
        if minute % 4 == 0 {
            server.pushed(&peer(1), now)
        } else {
            server.push_failed(&peer(1), now)
        }
        assert_eq!(ping(&mut server, 1, now), 200);
        server.tick(now, reachable);
    }
}

#[test]
fn a_client_that_comes_back_in_time_finds_its_subscriptions() {
    let mut server = server();
    subscribe(&mut server, 1, criteria(0, [1]), at(0));
    server.push(&message(0, 1, 1), 10, at(0));
    server.disconnected(&peer(1));
    assert_eq!(server.push(&message(0, 1, 2), 10, at(1)), []);
    assert_eq!((server.counters().dropped_absent, server.counters().lost), (1, 1));
    server.tick(at(30), reachable);
    assert_eq!(server.take_resets(), [], "nothing waits for who is not there");
    server.connected(&peer(1));
    assert_eq!(server.push(&message(0, 1, 3), 10, at(31)), [peer(1)]);
}

#[test]
fn reports_of_peers_that_are_no_clients_change_nothing() {
    let mut server = server();
    server.pushed(&peer(1), at(0));
    server.push_failed(&peer(1), at(0));
    server.connected(&peer(1));
    server.disconnected(&peer(1));
    assert_eq!((server.clients(), server.counters(), server.next_deadline()), (0, Counters::default(), None));
}

/// What a client does, and the seconds before it.
#[derive(Debug, Clone)]
enum Step {
    Subscribe(u16, u16, Vec<usize>),
    Unsubscribe(u16, u16, Vec<usize>),
    UnsubscribeAll(u16),
    Ping(u16),
    Push(u16, usize),
}

fn any_step() -> impl Strategy<Value = (i64, Step)> {
    let topics = || prop::collection::vec(0..4_usize, 1..4);
    let step = prop_oneof![
        (0..4_u16, 0..2_u16, topics()).prop_map(|(n, on, about)| Step::Subscribe(n, on, about)),
        (0..4_u16, 0..2_u16, topics()).prop_map(|(n, on, about)| Step::Unsubscribe(n, on, about)),
        (0..4_u16).prop_map(Step::UnsubscribeAll),
        (0..4_u16).prop_map(Step::Ping),
        (0..2_u16, 0..4_usize).prop_map(|(on, about)| Step::Push(on, about)),
    ];
    (0..60_i64, step)
}

/// The server as a table of what each client holds and until when.
#[derive(Debug, Default)]
struct Model(BTreeMap<u16, (BTreeSet<(u16, usize)>, i64)>);

impl Model {
    fn is_held(&self, criterion: (u16, usize)) -> bool {
        self.0.values().any(|(held, _)| held.contains(&criterion))
    }

    /// The status code that follows.
    fn step(&mut self, step: &Step, secs: i64) -> u32 {
        self.0.retain(|_, (_, until)| *until > secs);
        let until = secs + 300;
        match step {
            Step::Subscribe(n, on, about) => {
                let wanted = about.iter().map(|topic| (*on, *topic));
                let mut held = self.0.get(n).map(|client| client.0.clone()).unwrap_or_default();
                held.extend(wanted);
                if (self.0.len() >= 2 && !self.0.contains_key(n)) || held.len() > 3 {
                    return 503;
                }
                self.0.insert(*n, (held, until));
                200
            }
            Step::Unsubscribe(n, on, about) => {
                let Some(client) = self.0.get_mut(n) else { return 404 };
                client.1 = until;
                for topic in about {
                    if !self.is_held((*on, *topic)) {
                        self.0.retain(|_, (held, _)| !held.is_empty());
                        return 404;
                    }
                    self.0.get_mut(n).expect("looked up above").0.remove(&(*on, *topic));
                }
                self.0.retain(|_, (held, _)| !held.is_empty());
                200
            }
            Step::UnsubscribeAll(n) => self.0.remove(n).map_or(404, |_| 200),
            Step::Ping(n) => self.0.get_mut(n).map_or(404, |client| {
                client.1 = until;
                200
            }),
            Step::Push(..) => 0,
        }
    }
}

proptest! {
    #[test]
    fn the_server_does_as_its_model(steps in prop::collection::vec(any_step(), 0..80)) {
        let (mut server, mut model) = (small(), Model::default());
        let (mut secs, mut nanos) = (0, 0);
        for (wait, step) in steps {
            secs += wait;
            server.tick(at(secs), reachable);
            let expected = model.step(&step, secs);
            let (n, asked) = match step {
                Step::Subscribe(n, on, about) => (n, Request::Subscribe(criteria(on, about))),
                Step::Unsubscribe(n, on, about) => (n, Request::Unsubscribe(criteria(on, about))),
                Step::UnsubscribeAll(n) => (n, Request::UnsubscribeAll),
                Step::Ping(n) => (n, Request::Ping),
                Step::Push(on, about) => {
                    nanos += 1;
                    let pushed: BTreeSet<PeerId> = server.push(&message(on, about, nanos), 1, at(secs)).into_iter().collect();
                    let holders = model.0.iter().filter(|(_, (held, _))| held.contains(&(on, about)));
                    prop_assert_eq!(&pushed, &holders.map(|(n, _)| peer(*n)).collect::<BTreeSet<_>>());
                    pushed.iter().for_each(|peer| server.pushed(peer, at(secs)));
                    continue;
                }
            };
            prop_assert_eq!(server.handle(&peer(n), Ok(asked), at(secs)).status.code(), expected);
            prop_assert_eq!(server.clients(), model.0.len());
        }
    }
}
