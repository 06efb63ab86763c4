use weir_core::{ClusterId, ShardId};

use super::*;

fn at(secs: i64) -> Timestamp {
    Timestamp::from_secs(1_700_000_000 + secs)
}

fn peer(n: u8) -> PeerId {
    PeerId::from_bytes(&[n]).expect("a byte")
}

fn shard(n: u16) -> PubsubTopic {
    PubsubTopic::new(ClusterId(1), ShardId(n)).expect("shard")
}

fn content(n: usize) -> ContentTopic {
    ContentTopic::new(&format!("/app/1/{n:03}/proto")).expect("content topic")
}

fn criteria(on: u16, about: impl IntoIterator<Item = usize>) -> Criteria {
    Criteria::new(shard(on), about.into_iter().map(content).collect()).expect("1 to 100")
}

fn refused(status: Status) -> Result<Answer, Failure> {
    Ok(Answer::refused(status, "why"))
}

/// A client and the requests that it made and that have no outcome.
struct World {
    client: Client,
    asked: Vec<(RequestId, PeerId, Request)>,
}

impl World {
    fn new(peers: impl IntoIterator<Item = u8>) -> Self {
        let mut world = Self { client: Client::new(ClientConfig::default()), asked: Vec::new() };
        for n in peers {
            world.available(n, None, 0);
        }
        world
    }

    /// With a topic that is confirmed at peers 1 and, if there is one, 2.
    fn subscribed(peers: impl IntoIterator<Item = u8>) -> Self {
        let mut world = Self::new(peers);
        world.subscribe(0, [1], 0);
        while !world.asked.is_empty() {
            world.answer(Ok(Answer::ok()), 0);
        }
        world
    }

    fn act(&mut self, act: impl FnOnce(&mut Client, &mut Vec<ClientEffect>)) {
        let mut effects = Vec::new();
        act(&mut self.client, &mut effects);
        for ClientEffect::Ask { id, peer, request } in effects {
            self.asked.push((id, peer, request));
        }
    }

    fn available(&mut self, n: u8, topics: Option<BTreeSet<PubsubTopic>>, now: i64) {
        self.act(|client, effects| client.peer_available(peer(n), topics, at(now), effects));
    }

    fn subscribe(&mut self, on: u16, about: impl IntoIterator<Item = usize>, now: i64) {
        let topics = about.into_iter().map(content);
        self.act(|client, effects| client.subscribe(shard(on), topics, at(now), effects));
    }

    fn tick(&mut self, now: i64) {
        self.act(|client, effects| client.tick(at(now), effects));
    }

    /// Gives the first request an outcome, and returns what it was.
    fn answer(&mut self, result: Result<Answer, Failure>, now: i64) -> (PeerId, Request) {
        let (id, peer, request) = self.asked.remove(0);
        self.act(|client, effects| client.answered(id, result, at(now), effects));
        (peer, request)
    }

    fn confirmed(&self, about: usize) -> usize {
        self.client.confirmed(shard(0), &content(about))
    }

    /// What was asked of whom, in order.
    fn take_asked(&mut self) -> Vec<(PeerId, Request)> {
        self.asked.drain(..).map(|(_, peer, request)| (peer, request)).collect()
    }
}

#[test]
fn a_topic_is_subscribed_at_two_peers_of_three() {
    let mut world = World::new([1, 2, 3]);
    assert!(world.asked.is_empty(), "nothing is wanted");
    world.subscribe(0, [1], 0);
    assert_eq!(world.confirmed(1), 0);
    for n in [1, 2] {
        assert_eq!(world.answer(Ok(Answer::ok()), 0), (peer(n), Request::Subscribe(criteria(0, [1]))));
    }
    assert!(world.asked.is_empty());
    assert_eq!((world.confirmed(1), world.client.confirmed_peers()), (2, 2));
    assert!(world.client.wants(shard(0), &content(1)) && !world.client.wants(shard(1), &content(1)));
}

#[test]
fn what_is_wanted_during_a_request_goes_into_the_next_a_hundred_at_a_time() {
    let mut world = World::new([1]);
    world.subscribe(0, [0], 0);
    world.subscribe(0, 1..250, 0);
    let mut sizes = Vec::new();
    while !world.asked.is_empty() {
        match world.answer(Ok(Answer::ok()), 0).1 {
            Request::Subscribe(criteria) => sizes.push(criteria.content_topics().len()),
            other => panic!("{other:?}"),
        }
    }
    assert_eq!(sizes, [1, 100, 100, 49]);
}

#[test]
fn what_is_not_wanted_any_more_is_unsubscribed_and_the_last_ends_the_session() {
    let mut world = World::new([1]);
    world.subscribe(0, [1, 2], 0);
    world.answer(Ok(Answer::ok()), 0);
    world.act(|client, effects| client.unsubscribe(shard(0), &[content(1)], at(1), effects));
    assert_eq!(world.answer(Ok(Answer::ok()), 1), (peer(1), Request::Unsubscribe(criteria(0, [1]))));
    assert_eq!((world.confirmed(1), world.confirmed(2)), (0, 1));
    world.act(|client, effects| client.unsubscribe(shard(0), &[content(2)], at(1), effects));
    assert_eq!(world.take_asked(), [(peer(1), Request::UnsubscribeAll)]);
    assert_eq!(world.client.next_deadline(at(1)), None);
}

#[test]
fn peers_are_pinged_each_minute_and_a_forgetful_one_is_subscribed_again() {
    let mut world = World::subscribed([1]);
    assert_eq!(world.client.next_deadline(at(0)), Some(at(60)));
    world.tick(59);
    assert!(world.asked.is_empty());
    world.tick(60);
    assert_eq!(world.answer(Ok(Answer::ok()), 60), (peer(1), Request::Ping));
    world.tick(120);
    assert_eq!(world.answer(refused(Status::NotFound), 120), (peer(1), Request::Ping));
    assert_eq!(world.confirmed(1), 0);
    assert_eq!(world.answer(Ok(Answer::ok()), 120), (peer(1), Request::Subscribe(criteria(0, [1]))));
    assert_eq!(world.confirmed(1), 1);
}

#[test]
fn a_peer_that_fails_two_pings_is_replaced() {
    let mut world = World::subscribed([1, 2, 3]);
    world.tick(60);
    world.answer(Err(Failure::Unreachable), 60);
    world.answer(Ok(Answer::ok()), 60);
    assert_eq!(world.confirmed(1), 2, "one failure is none");
    world.tick(70);
    assert_eq!(world.client.next_deadline(at(70)), Some(at(75)));
    world.tick(75);
    let asked = world.take_asked();
    let expected = [
        (peer(1), Request::Ping),
        (peer(1), Request::UnsubscribeAll),
        (peer(3), Request::Subscribe(criteria(0, [1]))),
    ];
    assert_eq!(asked, expected, "the second ping had no answer in time");
}

#[test]
fn a_success_between_forgives_a_failed_ping() {
    let mut world = World::subscribed([1]);
    // A ping that was served postpones the next by a minute, one that failed by ten seconds.
    for now in (60..400).step_by(70) {
        world.tick(now);
        assert_eq!(world.answer(Err(Failure::TimedOut), now), (peer(1), Request::Ping));
        world.tick(now + 10);
        assert_eq!(world.answer(Ok(Answer::ok()), now + 10), (peer(1), Request::Ping));
        assert_eq!(world.confirmed(1), 1);
    }
}

#[test]
fn a_peer_that_refuses_a_subscription_is_replaced_at_once() {
    let outcomes = [refused(Status::ServiceUnavailable), Ok(Answer::rate_limited()), Err(Failure::Nonsense)];
    for outcome in outcomes {
        let mut world = World::new([1, 2, 3]);
        world.subscribe(0, [1], 0);
        world.answer(outcome, 0);
        let asked: Vec<PeerId> = world.take_asked().into_iter().map(|(peer, _)| peer).collect();
        assert_eq!(asked, [2, 3].map(peer));
    }
}

#[test]
fn without_another_peer_one_that_failed_is_tried_again() {
    let mut world = World::new([1]);
    world.subscribe(0, [1], 0);
    world.answer(refused(Status::ServiceUnavailable), 0);
    assert!(world.asked.is_empty());
    assert_eq!(world.client.next_deadline(at(0)), Some(at(10)));
    world.tick(10);
    assert_eq!(world.answer(Ok(Answer::ok()), 10), (peer(1), Request::Subscribe(criteria(0, [1]))));

    world.tick(70);
    world.answer(Err(Failure::TimedOut), 70);
    world.tick(80);
    world.answer(Err(Failure::TimedOut), 80);
    assert_eq!(world.confirmed(1), 0, "not counted on while it does not answer");
    world.tick(90);
    assert_eq!(world.answer(Ok(Answer::ok()), 90), (peer(1), Request::Subscribe(criteria(0, [1]))));
    assert_eq!(world.confirmed(1), 1);
}

#[test]
fn a_peer_that_leaves_is_replaced_and_one_that_comes_fills_a_gap() {
    let mut world = World::subscribed([1, 2, 3]);
    world.act(|client, effects| client.peer_gone(&peer(1), at(1), effects));
    assert_eq!(world.take_asked(), [(peer(3), Request::Subscribe(criteria(0, [1])))]);
    let mut world = World::subscribed([1]);
    world.available(2, None, 1);
    assert_eq!(world.take_asked(), [(peer(2), Request::Subscribe(criteria(0, [1])))]);
}

#[test]
fn each_topic_goes_to_peers_that_serve_it() {
    let mut world = World::new([]);
    world.available(1, Some([shard(0)].into()), 0);
    world.available(2, Some([shard(1)].into()), 0);
    world.subscribe(1, [1], 0);
    world.subscribe(0, [1], 0);
    let expected =
        [(peer(2), Request::Subscribe(criteria(1, [1]))), (peer(1), Request::Subscribe(criteria(0, [1])))];
    assert_eq!(world.take_asked(), expected);
}

#[test]
fn a_late_answer_changes_nothing() {
    let mut world = World::new([1, 2]);
    world.subscribe(0, [1], 0);
    let (late, ..) = world.asked[0].clone();
    world.tick(15);
    assert_eq!(world.confirmed(1), 0);
    world.act(|client, effects| client.answered(late, Ok(Answer::ok()), at(16), effects));
    assert_eq!(world.confirmed(1), 0);
}

impl World {
    /// Asks as a user does who waits; tells whom it asked, and what was not wanted before.
    fn request(&mut self, request: Request, now: i64) -> (Vec<PeerId>, Vec<ContentTopic>) {
        let mut requested = None;
        self.act(|client, effects| requested = Some(client.request(request, at(now), effects)));
        let Requested { ids, new } = requested.expect("made above");
        let of = |id: &RequestId| {
            self.asked.iter().find(|(asked, ..)| asked == id).map(|(_, peer, _)| peer.clone())
        };
        (ids.iter().filter_map(of).collect(), new)
    }
}

#[test]
fn a_user_asks_every_peer_with_a_session_and_the_wish_is_kept() {
    let mut world = World::subscribed([1, 2, 3]);
    let subscribe = Request::Subscribe(criteria(0, [1, 2]));
    let (asked, new) = world.request(subscribe.clone(), 1);
    assert_eq!((asked, new), (vec![peer(1), peer(2)], vec![content(2)]));
    assert_eq!(world.answer(Ok(Answer::ok()), 1), (peer(1), subscribe.clone()));
    assert_eq!(world.answer(refused(Status::ServiceUnavailable), 1), (peer(2), subscribe));
    assert_eq!(world.confirmed(2), 1);
    let next = world.take_asked();
    assert!(next.iter().any(|(asked, _)| *asked == peer(3)), "another peer takes the second place: {next:?}");
}

#[test]
fn a_user_without_a_session_asks_one_peer_and_without_a_peer_nobody() {
    let mut world = World::new([]);
    assert_eq!(world.request(Request::Ping, 0), (vec![], vec![]));
    let mut world = World::new([1, 2]);
    for request in [Request::Ping, Request::Unsubscribe(criteria(0, [1])), Request::UnsubscribeAll] {
        assert_eq!(world.request(request.clone(), 0).0.len(), 1);
        assert_eq!(world.answer(Ok(Answer::ok()), 0).1, request);
    }
    assert_eq!((world.client.confirmed_peers(), world.take_asked()), (0, vec![]));
}

#[test]
fn a_user_is_not_kept_from_asking_a_peer_that_rests() {
    let mut world = World::new([1]);
    world.subscribe(0, [1], 0);
    world.answer(Err(Failure::Unreachable), 0);
    world.act(|client, effects| client.unsubscribe(shard(0), &[content(1)], at(0), effects));
    assert_eq!(world.request(Request::Subscribe(criteria(0, [2])), 1).0, [peer(1)]);
    world.answer(Ok(Answer::ok()), 1);
    assert_eq!(world.confirmed(2), 1);
}

#[test]
fn a_user_ends_everything_at_once_and_nothing_is_asked_after_it() {
    let mut world = World::subscribed([1, 2]);
    assert_eq!(world.request(Request::UnsubscribeAll, 1).0, [peer(1), peer(2)]);
    for n in [1, 2] {
        assert_eq!(world.answer(Ok(Answer::ok()), 1), (peer(n), Request::UnsubscribeAll));
    }
    world.tick(1000);
    assert_eq!((world.client.wanted().count(), world.take_asked()), (0, vec![]));
}

#[test]
fn messages_are_expected_of_peers_that_were_asked_for_them() {
    let world = World::subscribed([1, 2, 3]);
    let expects = |n, about| world.client.expects(&peer(n), shard(0), &content(about));
    assert!(expects(1, 1) && expects(2, 1));
    assert!(!expects(3, 1), "it was not asked");
    assert!(!expects(1, 2), "not wanted");
}
