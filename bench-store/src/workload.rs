//! The messages of a day, made anew from their numbers.
//!
//! Nothing is remembered: message number 7 of a seed is the same whenever it is made, so that ten million of
//! them need no room, and an answer can be checked against what was put in.

use std::time::Duration;

use rand::{Rng, RngCore, SeedableRng};
use rand_chacha::ChaCha8Rng;
use weir_core::{
    Autosharding, ClusterId, ContentTopic, Meta, ProofField, PubsubTopic, RateLimitProof, Timestamp,
    WakuMessage, store::StoredMessage,
};

/// What the messages are spread over.
pub(crate) const SPAN: Duration = Duration::from_secs(24 * 3600);

/// Content topics.
pub(crate) const CONTENT_TOPICS: usize = 100;

/// Shards of the network, as live ones have it.
const SHARDS: u16 = 8;

/// The cluster of private networks.
pub(crate) const CLUSTER: ClusterId = ClusterId(66);

/// Lengths of payloads. Each tenfold has as many messages as the next: short ones are more frequent than
/// long ones, the mean is 782 bytes.
const PAYLOAD: std::ops::Range<f64> = 200.0..2000.0;

/// A message comes this much after its timestamp, at most: clocks differ and gossip takes its time.
const JITTER: Duration = Duration::from_secs(2);

/// The messages of a day.
#[derive(Debug, Clone)]
pub(crate) struct Workload {
    seed: u64,
    messages: u64,
    start: Timestamp,
    /// Each content topic and the shard that carries it.
    topics: Vec<(ContentTopic, PubsubTopic)>,
    /// The share of all messages that the content topics up to each have together.
    shares: Vec<f64>,
}

impl Workload {
    /// `messages` over the 24 hours before `end`.
    pub(crate) fn new(seed: u64, messages: u64, end: Timestamp) -> Self {
        let sharding = sharding();
        let topics = (0..CONTENT_TOPICS).map(|number| {
            let topic =
                ContentTopic::new(&format!("/weir-bench-{number}/1/chat/proto")).expect("well formed");
            let shard = sharding.pubsub_topic_of(&topic).expect("well formed");
            (topic, shard)
        });
        Self { seed, messages, start: end.saturating_sub(SPAN), topics: topics.collect(), shares: shares() }
    }

    /// How many there are.
    pub(crate) const fn len(&self) -> u64 {
        self.messages
    }

    /// The begin of the day.
    pub(crate) const fn start(&self) -> Timestamp {
        self.start
    }

    /// Content topic `number` below [`CONTENT_TOPICS`], the more frequent ones first.
    pub(crate) fn content_topic(&self, number: usize) -> &ContentTopic {
        &self.topics[number].0
    }

    /// The shards that carry any content topic, each once.
    pub(crate) fn pubsub_topics(&self) -> Vec<PubsubTopic> {
        let mut topics: Vec<PubsubTopic> = self.topics.iter().map(|(_, topic)| *topic).collect();
        topics.sort_unstable();
        topics.dedup();
        topics
    }

    /// Message `number` of the day, in the order of arrival.
    pub(crate) fn message(&self, number: u64) -> StoredMessage {
        let since = SPAN.as_nanos() * u128::from(number) / u128::from(self.messages.max(1));
        let since = Duration::from_nanos(u64::try_from(since).expect("a day has fewer nanoseconds"));
        self.message_arriving(number, self.start.saturating_add(since))
    }

    /// A message that arrives at `now`; `number` tells it from others.
    pub(crate) fn message_arriving(&self, number: u64, now: Timestamp) -> StoredMessage {
        let mut random = ChaCha8Rng::seed_from_u64(self.seed);
        random.set_stream(number);
        let place = random.gen_range(0.0..1.0);
        let topic = self.shares.partition_point(|share| *share <= place).min(CONTENT_TOPICS - 1);
        let (content_topic, pubsub_topic) = &self.topics[topic];
        let late = Duration::from_nanos(random.gen_range(0..=u64::try_from(JITTER.as_nanos()).unwrap_or(0)));
        let length = random.gen_range(PAYLOAD.start.ln()..PAYLOAD.end.ln()).exp();
        let mut payload = vec![0; length as usize];
        random.fill_bytes(&mut payload);
        let message = WakuMessage {
            payload: payload.into(),
            content_topic: content_topic.clone(),
            version: 0,
            timestamp: now.saturating_sub(late),
            meta: Meta::default(),
            ephemeral: false,
            proof: ProofField::Present(Box::new(proof(&mut random))),
        };
        StoredMessage::new(*pubsub_topic, message)
    }
}

/// Which shard a content topic is on.
pub(crate) fn sharding() -> Autosharding {
    Autosharding::new(CLUSTER, SHARDS).expect("eight shards are a network")
}

/// Content topic n has a share like 1/n, as words and names have: of a hundred the first has 19 %, the last 0.2 %.
fn shares() -> Vec<f64> {
    let weights = (1..=CONTENT_TOPICS).map(|rank| 1.0 / rank as f64);
    let total: f64 = weights.clone().sum();
    let mut together = 0.0;
    weights
        .map(|weight| {
            together += weight / total;
            together
        })
        .collect()
}

/// What takes as much room as a proof. The archive does not check it again.
fn proof(random: &mut ChaCha8Rng) -> RateLimitProof {
    let mut proof = [0; 128];
    random.fill_bytes(&mut proof);
    RateLimitProof {
        proof,
        merkle_root: random.r#gen(),
        epoch: random.r#gen(),
        share_x: random.r#gen(),
        share_y: random.r#gen(),
        nullifier: random.r#gen(),
        rln_identifier: random.r#gen(),
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;

    const END: Timestamp = Timestamp::from_secs(1_700_000_000);

    #[test]
    fn a_message_is_the_same_whenever_it_is_made_and_unlike_all_others() {
        let workload = Workload::new(7, 200, END);
        assert_eq!(workload.message(3), workload.message(3));
        let hashes: HashSet<_> = (0..200).map(|number| workload.message(number).hash).collect();
        assert_eq!(hashes.len(), 200);
        assert_ne!(Workload::new(8, 200, END).message(3).hash, workload.message(3).hash);
    }

    #[test]
    fn messages_fill_a_day_nearly_in_order() {
        let workload = Workload::new(1, 2_000, END);
        let times: Vec<Timestamp> =
            (0..2_000).map(|number| workload.message(number).message.timestamp).collect();
        assert!(times[0] <= workload.start() && times[0].distance(workload.start()) <= JITTER);
        assert!(times[1_999].distance(END) < Duration::from_secs(60));
        // Neighbours are 43 s apart and at most two seconds out of place.
        assert!(times.is_sorted());
        let dense = Workload::new(1, 1_000_000, END);
        let times: Vec<Timestamp> = (0..100).map(|number| dense.message(number).message.timestamp).collect();
        assert!(!times.is_sorted());
    }

    #[test]
    fn sizes_and_topics_are_those_of_a_network() {
        let workload = Workload::new(1, 4_000, END);
        let messages: Vec<StoredMessage> = (0..4_000).map(|number| workload.message(number)).collect();
        let lengths: Vec<usize> = messages.iter().map(|stored| stored.message.payload.len()).collect();
        assert!(lengths.iter().all(|length| (200..2_000).contains(length)));
        let mean = lengths.iter().sum::<usize>() / lengths.len();
        assert!((740..825).contains(&mean), "{mean}");
        let on = |number| {
            let topic = workload.content_topic(number);
            messages.iter().filter(|stored| stored.message.content_topic == *topic).count()
        };
        assert!((690..850).contains(&on(0)), "{}", on(0));
        assert!((1..25).contains(&on(CONTENT_TOPICS - 1)), "{}", on(CONTENT_TOPICS - 1));
        assert_eq!(workload.pubsub_topics().len(), usize::from(SHARDS));
    }
}
