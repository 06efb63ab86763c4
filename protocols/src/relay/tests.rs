//! Tests of the relay's state machine. The Groth16 outcome is an input here, so messages carry
//! proofs with true public values and nothing behind them.

mod gossip;
mod model;
mod overload;
mod publish;
mod publish_model;
mod roots;

use weir_core::{ClusterId, PeerId, ProofField, PubsubTopic, ShardId, Timestamp, WakuMessage};
use weir_rln::{
    EpochLength, MerkleRoot, MessageId, ProofClaim, ValidatorConfig,
    test_utils::{self, Member},
};

use super::*;

const CLUSTER: ClusterId = ClusterId(66);
const EPOCH_SECS: u64 = 600;

/// The middle of an epoch, so that no test crosses its end by accident.
const NOON: Timestamp = Timestamp::from_secs(1_700_000_100);

/// A relay with a clock, subscribed to one topic, and what came out of it.
struct Rig {
    relay: Relay,
    now: Timestamp,
    next_id: u64,
}

impl Rig {
    fn new(config: Config) -> Self {
        let mut relay = Relay::new(config);
        assert_eq!(relay.subscribe(topic()), Ok(true));
        Self { relay, now: NOON, next_id: 0 }
    }

    /// A rate-limited relay of a node with a membership that knows the tree of [`member`].
    fn rate_limited() -> Self {
        let mut rig = Self::new(rln_config());
        rig.give(Input::Roots(vec![member().root]));
        rig
    }

    fn unlimited() -> Self {
        Self::new(Config::new(CLUSTER))
    }

    fn give(&mut self, input: Input) -> Vec<Effect> {
        let mut effects = Vec::new();
        self.relay.handle(input, self.now, &mut effects);
        if let Some(deadline) = self.relay.next_deadline() {
            assert!(deadline > self.now, "a deadline that has come was not dealt with");
        }
        effects
    }

    fn drain(&mut self) -> Vec<Effect> {
        let mut effects = Vec::new();
        self.relay.drain(&mut effects);
        effects
    }

    fn pass(&mut self, millis: u64) -> Vec<Effect> {
        let deadline = self.relay.next_deadline();
        self.now = self.now.saturating_add(std::time::Duration::from_millis(millis));
        let effects = self.give(Input::Tick);
        assert!(
            effects.is_empty() || deadline.is_some_and(|due| due <= self.now),
            "nobody would have come for {effects:?}"
        );
        effects
    }

    /// A message from peer 1.
    fn gossip(&mut self, message: WakuMessage) -> Vec<Effect> {
        self.gossip_from(1, message)
    }

    fn gossip_from(&mut self, peer: u8, message: WakuMessage) -> Vec<Effect> {
        self.gossip_of_size(peer, message, 300)
    }

    fn gossip_of_size(&mut self, from: u8, message: WakuMessage, size: usize) -> Vec<Effect> {
        self.raw_gossip(peer(from), topic(), size, Content::Message(message))
    }

    fn raw_gossip(&mut self, from: PeerId, topic: PubsubTopic, size: usize, content: Content) -> Vec<Effect> {
        let id = GossipId(self.next_id);
        self.next_id += 1;
        self.give(Input::Gossip(Gossip { id, from, topic, size, content }))
    }

    fn checked(&mut self, id: JobId, outcome: ProofOutcome) -> Vec<Effect> {
        self.give(Input::ProofChecked { id, outcome })
    }

    /// A message whose proof the pool finds to hold.
    fn gossip_valid(&mut self, message: WakuMessage) -> Vec<Effect> {
        let (id, _) = job(&self.gossip(message));
        self.checked(id, ProofOutcome::Valid)
    }

    fn publish(&mut self, message: WakuMessage) -> (Ticket, Vec<Effect>) {
        self.publish_of_size(message, 300)
    }

    fn publish_of_size(&mut self, message: WakuMessage, encoded_size: usize) -> (Ticket, Vec<Effect>) {
        let ticket = Ticket(self.next_id);
        self.next_id += 1;
        (ticket, self.give(Input::Publish { ticket, topic: topic(), message, encoded_size }))
    }

    fn proved(&mut self, ticket: Ticket, message: &WakuMessage) -> Vec<Effect> {
        let proof = message.proof.as_proof().expect("a proven message").clone();
        self.give(Input::Proved { ticket, result: Ok(proof) })
    }

    fn broadcasted(&mut self, ticket: Ticket, result: Result<usize, BroadcastError>) -> Vec<Effect> {
        self.give(Input::Broadcasted { ticket, result })
    }
}

fn rln_config() -> Config {
    Config { rln: Some(ValidatorConfig::new(epoch_length())), has_membership: true, ..Config::new(CLUSTER) }
}

fn epoch_length() -> EpochLength {
    EpochLength::new(EPOCH_SECS).expect("not zero")
}

fn topic() -> PubsubTopic {
    PubsubTopic::new(CLUSTER, ShardId(3)).expect("shard")
}

fn peer(n: u8) -> PeerId {
    PeerId::from_bytes(&[n]).expect("one byte")
}

fn member() -> Member {
    Member::new(1, 10)
}

fn plain(payload: &str) -> WakuMessage {
    test_utils::message(payload, NOON)
}

/// A message of [`member`] under message id `id`.
fn proven(payload: &str, id: u32) -> WakuMessage {
    member().unproven(plain(payload), epoch_length(), MessageId(id))
}

fn with_proof(mut message: WakuMessage, change: impl FnOnce(&mut weir_core::RateLimitProof)) -> WakuMessage {
    let ProofField::Present(proof) = &mut message.proof else { panic!("the message has a proof") };
    change(proof);
    message
}

fn claim_of(message: &WakuMessage) -> ProofClaim {
    ProofClaim::parse(message.proof.as_proof().expect("a proof")).expect("canonical")
}

/// The only verification asked for.
fn job(effects: &[Effect]) -> (JobId, Origin) {
    let jobs: Vec<_> = effects
        .iter()
        .filter_map(|effect| match effect {
            Effect::VerifyProof { id, from, .. } => Some((*id, from.clone())),
            _ => None,
        })
        .collect();
    assert_eq!(jobs.len(), 1, "{effects:?}");
    jobs[0].clone()
}

fn verdicts(effects: &[Effect]) -> Vec<(GossipId, Verdict)> {
    effects
        .iter()
        .filter_map(|effect| match effect {
            Effect::Verdict { id, verdict } => Some((*id, *verdict)),
            _ => None,
        })
        .collect()
}

/// The only verdict.
fn verdict(effects: &[Effect]) -> Verdict {
    let verdicts = verdicts(effects);
    assert_eq!(verdicts.len(), 1, "{effects:?}");
    verdicts[0].1
}

fn answers(effects: &[Effect]) -> Vec<(Ticket, Result<Published, PublishError>)> {
    effects
        .iter()
        .filter_map(|effect| match effect {
            Effect::Answer { ticket, result } => Some((*ticket, result.clone())),
            _ => None,
        })
        .collect()
}

/// The only answer.
fn answer(effects: &[Effect]) -> Result<Published, PublishError> {
    let answers = answers(effects);
    assert_eq!(answers.len(), 1, "{effects:?}");
    answers[0].1.clone()
}

fn delivered(effects: &[Effect]) -> Vec<&Accepted> {
    effects
        .iter()
        .filter_map(|effect| match effect {
            Effect::Deliver(accepted) => Some(accepted),
            _ => None,
        })
        .collect()
}

fn other_root(seed: u64) -> MerkleRoot {
    Member::new(seed, 10).root
}
