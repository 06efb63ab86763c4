use weir_core::{
    ClusterId, ContentTopic, Meta, ProofField, RateLimitProof, ShardId, WakuMessage, lightpush::Status,
};

use super::*;

mod chaos;

fn at(secs: i64) -> Timestamp {
    Timestamp::from_secs(1_700_000_000 + secs)
}

fn peer(n: u8) -> PeerId {
    PeerId::from_bytes(&[n]).expect("a byte")
}

fn shard() -> PubsubTopic {
    PubsubTopic::new(ClusterId(1), ShardId(0)).expect("shard")
}

fn message(secs: i64) -> WakuMessage {
    WakuMessage {
        payload: b"payload".to_vec().into(),
        content_topic: ContentTopic::new("/app/1/chat/proto").expect("content topic"),
        version: 0,
        timestamp: at(secs),
        meta: Meta::default(),
        ephemeral: false,
        proof: ProofField::Absent,
    }
}

fn with_proof(secs: i64) -> WakuMessage {
    let proof = RateLimitProof {
        proof: [1; 128],
        merkle_root: [2; 32],
        epoch: [3; 32],
        share_x: [4; 32],
        share_y: [5; 32],
        nullifier: [6; 32],
        rln_identifier: [7; 32],
    };
    WakuMessage { proof: ProofField::Present(Box::new(proof)), ..message(secs) }
}

fn hash(secs: i64) -> MessageHash {
    message(secs).hash(shard())
}

fn refused(status: Status) -> Result<Answer, RequestFailure> {
    Ok(Answer::refused(status, "why"))
}

fn took() -> Result<Answer, RequestFailure> {
    Ok(Answer::published(3))
}

const SEND: SendId = SendId(1);

fn propagated(secs: i64) -> Event {
    Event::Propagated { send: SEND, hash: hash(secs) }
}

fn sent(secs: i64) -> Event {
    Event::Sent { send: SEND, hash: hash(secs) }
}

/// A sender with its effects, sorted.
struct World {
    sender: Sender,
    pushes: Vec<(PushId, PeerId, WakuMessage)>,
    queries: Vec<(QueryId, PeerId, Vec<MessageHash>)>,
    renewals: usize,
    events: Vec<Event>,
}

impl World {
    /// With so many light push peers, from 1 on, and so many stores, from 11 on.
    fn new(light_push: u8, stores: u8) -> Self {
        let mut sender = Sender::new(SenderConfig::default());
        (1..=light_push).for_each(|n| assert!(sender.light_push_peers().add(peer(n), None)));
        (11..11 + stores).for_each(|n| assert!(sender.store_peers().add(peer(n), None)));
        Self { sender, pushes: Vec::new(), queries: Vec::new(), renewals: 0, events: Vec::new() }
    }

    /// With one message on its way since 0.
    fn sending(light_push: u8, stores: u8, message: WakuMessage) -> Self {
        let mut world = Self::new(light_push, stores);
        world.act(|sender, effects| sender.send(SEND, Outgoing { topic: shard(), message }, at(0), effects));
        world
    }

    fn act(&mut self, act: impl FnOnce(&mut Sender, &mut Vec<SenderEffect>)) {
        let mut effects = Vec::new();
        act(&mut self.sender, &mut effects);
        for effect in effects {
            match effect {
                SenderEffect::Push { id, peer, outgoing } => self.pushes.push((id, peer, outgoing.message)),
                SenderEffect::Query { id, peer, hashes } => self.queries.push((id, peer, hashes)),
                SenderEffect::Renew(_) => self.renewals += 1,
                SenderEffect::Event(event) => self.events.push(event),
            }
        }
    }

    /// Gives the first push an outcome, and returns to whom it was.
    fn answer(&mut self, result: Result<Answer, RequestFailure>, now: i64) -> PeerId {
        let (id, peer, _) = self.pushes.remove(0);
        self.act(|sender, effects| sender.pushed(id, result, at(now), effects));
        peer
    }

    /// Gives the first query an outcome, and returns to whom it was.
    fn confirm(&mut self, result: Result<Vec<MessageHash>, RequestFailure>, now: i64) -> PeerId {
        let (id, peer, _) = self.queries.remove(0);
        self.act(|sender, effects| sender.confirmed(id, result, at(now), effects));
        peer
    }

    fn tick(&mut self, now: i64) {
        self.act(|sender, effects| sender.tick(at(now), effects));
    }

    fn pushed_to(&self) -> Vec<PeerId> {
        self.pushes.iter().map(|(_, peer, _)| peer.clone()).collect()
    }

    fn assert_over(&self, events: &[Event]) {
        assert_eq!(self.events, events);
        assert_eq!((self.sender.under_way(), self.sender.next_deadline()), (0, None));
    }
}

#[test]
fn a_message_goes_to_two_peers_and_is_sent_when_a_store_has_it() {
    let mut world = World::sending(3, 1, message(0));
    assert_eq!(world.pushed_to(), [1, 2].map(peer));
    world.answer(took(), 0);
    assert_eq!(world.events, [propagated(0)]);
    world.answer(took(), 0);
    world.tick(2);
    assert!(world.queries.is_empty());
    world.tick(3);
    assert_eq!(world.queries[0].2, [hash(0)]);
    world.confirm(Ok(vec![hash(0)]), 4);
    world.assert_over(&[propagated(0), sent(0)]);
}

#[test]
fn a_peer_that_fails_is_replaced_in_the_round() {
    for failure in [
        Err(RequestFailure::Unreachable),
        Err(RequestFailure::TimedOut),
        Err(RequestFailure::Nonsense),
        refused(Status::UnsupportedPubsubTopic),
        refused(Status::TooManyRequests),
        refused(Status::InternalError),
        refused(Status::ServiceNotAvailable),
        refused(Status::OutOfRlnProof),
        refused(Status::NoPeersToRelay),
        refused(Status::Other(999)),
        Ok(Answer::published(0)),
    ] {
        let mut world = World::sending(3, 0, message(0));
        assert_eq!(world.answer(failure, 0), peer(1));
        assert_eq!(world.pushed_to(), [2, 3].map(peer));
        assert!(world.events.is_empty());
    }
}

#[test]
fn a_round_tries_four_peers_and_the_next_begins_after_1_2_4_and_8_seconds() {
    let mut world = World::sending(9, 0, message(0));
    let mut now = 0;
    for delay in [1, 2, 4, 8, 8] {
        let mut tried = BTreeSet::new();
        while !world.pushes.is_empty() {
            tried.insert(world.answer(refused(Status::InternalError), now));
        }
        assert_eq!(tried.len(), 4);
        assert_eq!(world.sender.next_deadline(), Some(at(now + delay)));
        now += delay;
        world.tick(now);
        assert_eq!(world.pushes.len(), 2);
    }
}

#[test]
fn a_message_fails_when_two_peers_refuse_it_for_good_and_not_when_one_does() {
    for status in [Status::BadRequest, Status::PayloadTooLarge, Status::InvalidMessage] {
        let mut world = World::sending(3, 0, message(0));
        world.answer(refused(status), 0);
        assert_eq!(world.pushed_to(), [2, 3].map(peer));
        world.answer(refused(Status::NoPeersToRelay), 0);
        world.answer(refused(Status::NoPeersToRelay), 0);
        assert!(world.events.is_empty(), "the first may talk nonsense");
        world.tick(1);
        assert!(!world.pushed_to().contains(&peer(1)));
        world.answer(refused(status), 1);
        world.answer(refused(Status::NoPeersToRelay), 1);
        let [Event::Error { error: SendError::Refused(_), .. }] = world.events[..] else {
            panic!("{:?}", world.events)
        };
        assert_eq!(world.sender.under_way(), 0);
    }
}

#[test]
fn the_word_of_the_only_peer_counts_and_is_passed_on() {
    let mut world = World::sending(1, 0, message(0));
    world.answer(refused(Status::PayloadTooLarge), 0);
    let text = "413 PAYLOAD_TOO_LARGE: why; send a smaller message or split it".to_owned();
    world.assert_over(&[Event::Error { send: SEND, error: SendError::Refused(text) }]);
}

#[test]
fn a_message_that_nobody_takes_fails_after_a_minute() {
    let mut world = World::sending(0, 0, message(0));
    world.tick(59);
    assert!(world.events.is_empty());
    world.tick(60);
    let error = SendError::TimedOut("there is no service peer".into());
    world.assert_over(&[Event::Error { send: SEND, error }]);
}

#[test]
fn a_message_waits_for_its_first_peer() {
    let mut world = World::sending(0, 0, message(0));
    world.sender.light_push_peers().add(peer(1), None);
    world.tick(1);
    assert_eq!(world.pushed_to(), [peer(1)]);
}

#[test]
fn a_silent_peer_is_given_up_after_ten_seconds() {
    let mut world = World::sending(3, 0, message(0));
    world.tick(9);
    assert_eq!(world.pushes.len(), 2);
    world.tick(10);
    assert_eq!(world.pushed_to()[2..], [peer(3)]);
    world.answer(took(), 11);
    assert!(world.events.is_empty(), "its time was over");
}

#[test]
fn the_silence_of_an_earlier_round_changes_nothing_in_this_one() {
    let mut world = World::sending(3, 1, message(0));
    world.answer(took(), 0);
    world.tick(3);
    world.confirm(Ok(vec![]), 4);
    assert_eq!(world.pushed_to(), [2, 3, 1].map(peer), "the first is of the round before");
    world.tick(10);
    assert_eq!(world.pushes.len(), 3);
}

#[test]
fn a_message_that_no_store_has_is_pushed_again_until_one_has() {
    let mut world = World::sending(2, 1, message(0));
    for round in 0..3 {
        world.answer(took(), round * 4);
        world.answer(took(), round * 4);
        world.tick(round * 4 + 3);
        world.confirm(Ok(vec![]), round * 4 + 4);
        assert_eq!(world.pushes.len(), 2);
    }
    world.answer(took(), 12);
    world.answer(took(), 12);
    world.tick(15);
    world.confirm(Ok(vec![hash(0)]), 15);
    world.assert_over(&[propagated(0), sent(0)]);
}

#[test]
fn a_message_that_is_out_and_refused_as_known_is_still_looked_for() {
    let mut world = World::sending(2, 1, message(0));
    world.answer(took(), 0);
    world.answer(took(), 0);
    world.tick(3);
    world.confirm(Ok(vec![]), 3);
    world.answer(refused(Status::NoPeersToRelay), 3);
    world.answer(refused(Status::NoPeersToRelay), 3);
    world.tick(6);
    world.confirm(Ok(vec![hash(0)]), 6);
    world.assert_over(&[propagated(0), sent(0)]);
}

#[test]
fn a_duplicate_counts_as_propagated() {
    let mut world = World::sending(1, 0, message(0));
    world.answer(Ok(Answer::refused(Status::InvalidMessage, "Dropping already-seen message")), 0);
    assert_eq!(world.events, [propagated(0)]);
}

#[test]
fn stores_that_did_not_publish_the_message_are_asked_first_and_others_when_they_fail() {
    let mut world = World::sending(2, 0, message(0));
    for n in [1, 2, 3] {
        world.sender.store_peers().add(peer(n), None);
    }
    world.answer(took(), 0);
    world.answer(took(), 0);
    world.tick(3);
    assert_eq!(world.confirm(Err(RequestFailure::Refused), 3), peer(3));
    world.tick(6);
    assert_ne!(world.queries[0].1, peer(3), "it rests");
    world.tick(11);
    assert!(world.pushes.is_empty(), "no answer says nothing of the message");
}

#[test]
fn without_a_store_a_message_that_is_out_is_given_up_in_silence_after_a_minute() {
    let mut world = World::sending(1, 0, message(0));
    world.answer(took(), 5);
    for now in 6..=64 {
        world.tick(now);
        assert_eq!(world.sender.under_way(), 1);
    }
    world.tick(65);
    world.assert_over(&[propagated(0)]);
    assert_eq!(world.sender.unconfirmed(), 1);
}

#[test]
fn an_ephemeral_message_is_done_when_it_is_out() {
    let mut world = World::sending(2, 1, WakuMessage { ephemeral: true, ..message(0) });
    world.answer(took(), 0);
    assert_eq!((world.events.clone(), world.sender.under_way()), (vec![propagated(0)], 0));
    world.answer(took(), 0);
    world.assert_over(&[propagated(0)]);
}

#[test]
fn an_old_proof_is_renewed_and_either_message_counts() {
    let mut world = World::sending(1, 1, with_proof(0));
    world.answer(took(), 18);
    world.tick(21);
    world.confirm(Ok(vec![]), 21);
    assert_eq!((world.renewals, world.pushes.len()), (1, 0));
    world.act(|sender, effects| sender.renewed(SEND, Ok(with_proof(21)), at(22), effects));
    assert_eq!(world.pushes[0].2, with_proof(21));
    world.answer(took(), 22);
    world.tick(25);
    assert_eq!(world.queries[0].2, [hash(0), hash(21)]);
    world.confirm(Ok(vec![hash(0)]), 25);
    world.assert_over(&[propagated(0), sent(0)]);
}

#[test]
fn a_refused_proof_is_renewed_and_a_missing_one_is_the_services_matter() {
    let bad_proof = || Ok(Answer::refused(Status::InvalidMessage, "RLN validation failed"));
    let mut world = World::sending(1, 0, with_proof(0));
    world.answer(bad_proof(), 0);
    world.tick(1);
    assert_eq!((world.renewals, world.pushes.len()), (1, 0));
    world.act(|sender, effects| sender.renewed(SEND, Err("no quota".into()), at(1), effects));
    world.assert_over(&[Event::Error { send: SEND, error: SendError::Proof("no quota".into()) }]);

    let mut world = World::sending(1, 0, message(0));
    world.answer(refused(Status::OutOfRlnProof), 0);
    world.tick(1);
    assert_eq!((world.renewals, world.pushes.len()), (0, 1));
}

#[test]
fn sends_and_hashes_in_a_query_are_bounded() {
    let mut world = World::new(2, 1);
    for n in 0..=1024 {
        let outgoing = Outgoing { topic: shard(), message: message(n) };
        world.act(|sender, effects| sender.send(SendId(n as u64), outgoing, at(0), effects));
    }
    let error = SendError::Overloaded(1024);
    assert_eq!(world.events, [Event::Error { send: SendId(1024), error }]);
    while !world.pushes.is_empty() {
        world.answer(took(), 0);
    }
    world.tick(3);
    assert_eq!(world.queries.len(), 21);
    assert!(world.queries.iter().all(|(_, _, hashes)| hashes.len() <= 50));
}

#[test]
fn a_clock_set_back_delays_nothing() {
    let mut world = World::sending(1, 0, message(0));
    world.answer(refused(Status::InternalError), 0);
    world.tick(-3600);
    world.tick(-3599);
    assert_eq!(world.pushes.len(), 1);
}
