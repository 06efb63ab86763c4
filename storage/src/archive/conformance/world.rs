//! Few messages and many questions about them.

use proptest::{option, prelude::*, sample::select};
use weir_core::{
    ClusterId, ContentTopic, MessageHash, Meta, ProofField, PubsubTopic, RateLimitProof, ShardId, Timestamp,
    WakuMessage,
    store::{Direction, PageSize, Query, StoredMessage},
};

use super::super::{MAX_CONTENT_TOPICS, MAX_HASHES};

/// Moments that messages and ranges share, so that ranges begin and end at messages.
const MOMENTS: [i64; 12] = [
    i64::MIN,
    -7_200_000_000_000,
    -1,
    0,
    1,
    1_700_000_000_000_000_000,
    1_700_000_000_000_000_001,
    1_700_003_599_999_999_999,
    1_700_003_600_000_000_000,
    1_700_007_200_000_000_000,
    1_800_000_000_000_000_000,
    i64::MAX,
];

/// Content topics of messages; questions also ask for others.
const CONTENT_TOPICS: u8 = 6;
const PUBSUB_TOPICS: u8 = 3;

/// A message of this world. Equal seeds are the same message.
#[derive(Debug, Clone, Copy)]
pub struct Seed {
    /// Nanoseconds.
    moment: i64,
    content: u8,
    /// Tells messages of one moment from each other; also their proof, meta and length.
    kind: u8,
}

pub(super) fn seed() -> impl Strategy<Value = Seed> {
    (moment(), 0..CONTENT_TOPICS, 0_u8..4).prop_map(|(moment, content, kind)| Seed { moment, content, kind })
}

pub(super) fn moment() -> impl Strategy<Value = i64> {
    prop_oneof![4 => select(&MOMENTS[..]), 1 => (0_i64..10_000).prop_map(|offset| MOMENTS[5] + offset)]
}

pub(super) const fn at(moment: i64) -> Timestamp {
    Timestamp::from_nanos(moment)
}

pub(super) fn messages(seeds: &[Seed]) -> Vec<StoredMessage> {
    seeds.iter().copied().map(message).collect()
}

/// Messages at `first`, `first + stride` and so on.
pub(super) fn fill(first: i64, stride: i64, count: u16) -> Vec<StoredMessage> {
    let seed = |number: u16| Seed {
        moment: first.saturating_add(stride.saturating_mul(number.into())),
        content: number.to_le_bytes()[0] % CONTENT_TOPICS,
        kind: (number % 251) as u8,
    };
    (0..count).map(|number| message(seed(number))).collect()
}

fn message(seed: Seed) -> StoredMessage {
    let Seed { moment, content, kind } = seed;
    let meta = if kind & 2 == 0 { vec![] } else { vec![kind; 8] };
    let proof = match kind % 3 {
        0 => ProofField::Absent,
        1 => ProofField::Malformed(vec![kind; 5].into()),
        _ => ProofField::Present(Box::new(proof(kind))),
    };
    StoredMessage::new(
        // Each content topic on two pubsub topics.
        pubsub_topic((content + kind % 2) % PUBSUB_TOPICS),
        WakuMessage {
            payload: vec![kind; usize::from(kind) * 7].into(),
            content_topic: content_topic(content),
            version: (kind & 1).into(),
            timestamp: at(moment),
            meta: Meta::new(meta.into()).expect("shorter than the limit"),
            ephemeral: false,
            proof,
        },
    )
}

fn proof(kind: u8) -> RateLimitProof {
    RateLimitProof {
        proof: [kind; 128],
        merkle_root: [kind; 32],
        epoch: [1; 32],
        share_x: [kind; 32],
        share_y: [2; 32],
        nullifier: [kind; 32],
        rln_identifier: [3; 32],
    }
}

fn pubsub_topic(number: u8) -> PubsubTopic {
    PubsubTopic::new(ClusterId(1), ShardId(number.into())).expect("few shards")
}

fn content_topic(number: u8) -> ContentTopic {
    ContentTopic::new(&format!("/weir/1/topic-{number}/proto")).expect("short")
}

pub(super) fn query() -> impl Strategy<Value = Query> {
    prop_oneof![40 => answered(), 1 => refused()]
}

fn answered() -> impl Strategy<Value = Query> {
    let hashes = option::weighted(0.25, proptest::collection::vec(hash(), 1..30));
    let filters = (option::of(topic()), content_topics(), option::of(moment()), option::of(moment()));
    let place = (option::weighted(0.3, hash()), direction(), page_size());
    (any::<bool>(), hashes, filters, place).prop_map(|(include_data, hashes, filters, place)| {
        let (pubsub_topic, content_topics, start, end) = filters;
        let (cursor, direction, page_size) = place;
        Query {
            include_data,
            pubsub_topic,
            content_topics,
            start: start.map(at),
            end: end.map(at),
            hashes: hashes.unwrap_or_default(),
            cursor,
            direction,
            page_size,
        }
    })
}

/// More than any archive answers.
fn refused() -> impl Strategy<Value = Query> {
    any::<bool>().prop_map(|topics| {
        let (content_topics, hashes) = if topics { (MAX_CONTENT_TOPICS + 1, 0) } else { (0, MAX_HASHES + 1) };
        Query {
            content_topics: vec![content_topic(0); content_topics],
            hashes: vec![MessageHash::from_bytes([0; 32]); hashes],
            ..Query::default()
        }
    })
}

fn topic() -> impl Strategy<Value = PubsubTopic> {
    (0..=PUBSUB_TOPICS).prop_map(pubsub_topic)
}

fn content_topics() -> impl Strategy<Value = Vec<ContentTopic>> {
    let topic = || (0..CONTENT_TOPICS + 2).prop_map(content_topic);
    prop_oneof![
        2 => Just(vec![]),
        3 => proptest::collection::vec(topic(), 1..5),
        1 => proptest::collection::vec(topic(), MAX_CONTENT_TOPICS),
    ]
}

/// Mostly the hash of a message that may be there.
fn hash() -> impl Strategy<Value = MessageHash> {
    prop_oneof![
        9 => seed().prop_map(|seed| message(seed).hash),
        1 => any::<[u8; 32]>().prop_map(MessageHash::from_bytes),
    ]
}

fn direction() -> impl Strategy<Value = Direction> {
    select(&[Direction::Forward, Direction::Backward][..])
}

fn page_size() -> impl Strategy<Value = PageSize> {
    prop_oneof![3 => 1_u64..12, 1 => 0_u64..200].prop_map(|size| PageSize::requested(Some(size)))
}
