use weir_core::{ClusterId, Meta, ProofField, ShardId, store::Row};

use super::*;

fn at(secs: i64) -> Timestamp {
    Timestamp::from_secs(1_700_000_000 + secs)
}

fn peer(n: u8) -> PeerId {
    PeerId::from_bytes(&[n]).expect("a byte")
}

fn shard() -> PubsubTopic {
    PubsubTopic::new(ClusterId(1), ShardId(0)).expect("shard")
}

fn content(n: usize) -> ContentTopic {
    ContentTopic::new(&format!("/app/1/{n}/proto")).expect("content topic")
}

fn message(n: i64) -> WakuMessage {
    WakuMessage {
        payload: n.to_be_bytes().to_vec().into(),
        content_topic: content(1),
        version: 0,
        timestamp: at(n),
        meta: Meta::default(),
        ephemeral: false,
        proof: ProofField::Absent,
    }
}

fn hash(n: i64) -> MessageHash {
    message(n).hash(shard())
}

fn page(rows: impl IntoIterator<Item = i64>, include_data: bool) -> Result<Page, RequestFailure> {
    let row = |n| StoredMessage::new(shard(), message(n)).into_row(include_data);
    Ok(Page { rows: rows.into_iter().map(row).collect(), cursor: None })
}

/// A receiver with its effects, split into queries and received messages.
struct World {
    receiver: Receiver,
    queries: VecDeque<(QueryId, PeerId, Query)>,
    received: Vec<MessageHash>,
}

impl World {
    /// One content topic, three stores, subscribed at 0, online.
    fn online() -> Self {
        let mut world = Self::offline();
        world.act(|receiver, effects| receiver.set_online(true, at(0), effects));
        world
    }

    fn offline() -> Self {
        let mut receiver = Receiver::new(ReceiverConfig::default());
        receiver.subscribe(shard(), [content(1)], at(0));
        for n in 1..=3 {
            receiver.store_peers().add(peer(n), None);
        }
        Self { receiver, queries: VecDeque::new(), received: Vec::new() }
    }

    fn act(&mut self, act: impl FnOnce(&mut Receiver, &mut Vec<ReceiverEffect>)) {
        let mut effects = Vec::new();
        act(&mut self.receiver, &mut effects);
        for effect in effects {
            match effect {
                ReceiverEffect::Query { id, peer, query } => self.queries.push_back((id, peer, *query)),
                ReceiverEffect::Event(Event::Received { hash, .. }) => self.received.push(hash),
                ReceiverEffect::Event(other) => panic!("{other:?}"),
            }
        }
    }

    fn push(&mut self, n: i64, now: i64) {
        self.act(|receiver, effects| receiver.pushed(shard(), message(n), at(now), effects));
    }

    /// The query under way.
    fn query(&self) -> &Query {
        &self.queries.front().expect("a query").2
    }

    fn answer(&mut self, result: Result<Page, RequestFailure>, now: i64) {
        let (id, ..) = self.queries.pop_front().expect("a query");
        self.act(|receiver, effects| receiver.answered(id, result, at(now), effects));
    }

    fn tick(&mut self, now: i64) {
        self.act(|receiver, effects| receiver.tick(at(now), effects));
    }
}

#[test]
fn a_message_is_received_once_and_only_on_wanted_topics() {
    let mut world = World::offline();
    world.push(1, 1);
    world.push(1, 2);
    world.push(1, 419);
    world.act(|receiver, effects| {
        let other = WakuMessage { content_topic: content(2), ..message(2) };
        receiver.pushed(shard(), other, at(3), effects);
        receiver.unsubscribe(shard(), &[content(1)]);
        receiver.pushed(shard(), message(3), at(4), effects);
    });
    assert_eq!(world.received, [hash(1)]);
}

#[test]
fn coming_online_lists_what_there_was_and_fetches_what_is_missing() {
    let mut world = World::online();
    world.answer(page([], false), 0);
    world.push(5, 5);
    world.act(|receiver, effects| receiver.set_online(false, at(10), effects));
    assert_eq!(world.receiver.next_deadline(), None, "no store is asked while offline");
    world.act(|receiver, effects| receiver.set_online(true, at(3600), effects));
    let list = world.query();
    assert_eq!((list.start, list.end), (Some(at(-30)), Some(at(3600))));
    let list = list.clone();
    world.push(3600, 3600);
    assert_eq!((list.include_data, list.content_topics), (false, vec![content(1)]));
    world.answer(page([5, 100, 200], false), 3600);
    let mut missing = vec![hash(100), hash(200)];
    missing.sort();
    assert_eq!((world.query().hashes.clone(), world.query().include_data), (missing, true));
    world.answer(page([100, 200], true), 3601);
    assert_eq!(
        world.received,
        [hash(5), hash(3600), hash(100), hash(200)],
        "the one from before is not received again"
    );
    assert_eq!(world.receiver.covered_until(), Some(at(3600)));
    assert_eq!(world.receiver.next_deadline(), Some(at(3660)));
}

#[test]
fn checks_go_on_while_online_and_begin_where_the_last_complete_one_ended() {
    let mut world = World::online();
    world.answer(page([], false), 0);
    world.tick(59);
    assert!(world.queries.is_empty());
    world.tick(60);
    assert_eq!(world.query().start, Some(at(-30)));
    for now in [61, 62, 63] {
        world.answer(Err(RequestFailure::Refused), now);
    }
    assert!(world.queries.is_empty(), "three tries");
    assert_eq!(world.receiver.covered_until(), Some(at(0)));
    world.tick(120);
    assert_eq!(world.query().start, Some(at(-30)));
    world.answer(page([], false), 120);
    world.tick(180);
    assert_eq!(world.query().start, Some(at(90)));
}

#[test]
fn a_query_that_fails_goes_to_another_store() {
    let mut world = World::online();
    let mut asked = vec![world.queries[0].1.clone()];
    world.answer(Err(RequestFailure::Unreachable), 1);
    asked.push(world.queries[0].1.clone());
    assert_eq!(world.receiver.next_deadline(), Some(at(11)));
    world.tick(11);
    asked.push(world.queries[1].1.clone());
    assert_eq!(asked, [1, 2, 3].map(peer));
    world.answer(page([7], false), 12);
    assert!(world.queries.len() == 1 && world.received.is_empty(), "an answer that is late is none");
}

#[test]
fn pages_are_followed_and_bounded() {
    let mut world = World::online();
    for n in 0..MAX_PAGES {
        let n = i64::try_from(n).expect("small");
        assert_eq!(world.query().cursor, (n > 0).then(|| hash(n - 1)));
        let mut page = page([n], false).expect("a page");
        page.cursor = Some(hash(n));
        world.answer(Ok(page), 1);
    }
    let mut fetched = 0;
    while !world.queries.is_empty() {
        let hashes = world.query().hashes.clone();
        assert!(hashes.len() <= MAX_HASHES);
        fetched += hashes.len();
        let named = (0..100).filter(|n| hashes.contains(&hash(*n)));
        world.answer(page(named, true), 2);
    }
    assert_eq!((fetched, world.received.len()), (100, 100));
    assert_eq!(world.receiver.covered_until(), Some(at(0)), "there was more");
}

#[test]
fn hashes_beyond_the_bound_are_left_for_the_next_check() {
    let mut world = World::online();
    let rows = (0..=MAX_MISSING).map(|n| {
        let mut bytes = [0; 32];
        bytes[..8].copy_from_slice(&n.to_be_bytes());
        Row { hash: MessageHash::from_bytes(bytes), data: None }
    });
    world.answer(Ok(Page { rows: rows.collect(), cursor: None }), 1);
    let check = world.receiver.check.as_ref().expect("under way");
    assert_eq!((check.missing.len() + MAX_HASHES, check.complete), (MAX_MISSING, false));
}

#[test]
fn hashes_that_a_store_made_up_cost_three_queries() {
    let mut world = World::online();
    let made_up = Row { hash: MessageHash::from_bytes([9; 32]), data: None };
    world.answer(Ok(Page { rows: vec![made_up], cursor: None }), 1);
    for _ in 0..3 {
        assert_eq!(world.query().hashes.len(), 1);
        world.answer(page([], true), 2);
    }
    assert!(world.queries.is_empty() && world.received.is_empty());
}

#[test]
fn a_message_comes_under_the_hash_that_it_has() {
    let mut world = World::online();
    let lie = MessageHash::from_bytes([9; 32]);
    world.answer(Ok(Page { rows: vec![Row { hash: lie, data: None }], cursor: None }), 1);
    let data = Some((shard(), message(3)));
    world.answer(Ok(Page { rows: vec![Row { hash: lie, data }], cursor: None }), 1);
    assert_eq!(world.received, [hash(3)]);
}

#[test]
fn content_topics_are_asked_for_ten_at_a_time_and_no_further_back_than_the_gap() {
    let mut world = World::offline();
    world.receiver.subscribe(shard(), (0..25).map(content), at(0));
    world.receiver.resume(at(-1_000_000));
    world.act(|receiver, effects| receiver.set_online(true, at(0), effects));
    let mut sizes = Vec::new();
    while !world.queries.is_empty() {
        assert_eq!(world.query().start, Some(at(-86_400)));
        sizes.push(world.query().content_topics.len());
        world.answer(page([], false), 0);
    }
    assert_eq!(sizes, [10, 10, 5]);
}

#[test]
fn a_check_waits_for_a_store() {
    let mut world = World::offline();
    for n in 1..=3 {
        world.receiver.store_peers().remove(&peer(n));
    }
    world.act(|receiver, effects| receiver.set_online(true, at(0), effects));
    assert!(world.queries.is_empty() && world.receiver.next_deadline().is_none());
    world.receiver.store_peers().add(peer(4), None);
    world.tick(30);
    assert_eq!(world.queries[0].1, peer(4));
}
