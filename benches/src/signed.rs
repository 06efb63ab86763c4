//! Messages with proofs made before they are sent, and messages whose proofs do not hold.
//!
//! A proof takes longer to make than to check, so a generator that proved as it sends would measure
//! itself. All messages of a run are made first, for a moment in the near future: a message is
//! accepted up to 20 s before and after its timestamp. One member of the nodes' registry signs all of
//! them, each under a message id of its own, in an epoch that does not end.

use std::{
    path::Path,
    thread,
    time::{Duration, Instant, SystemTime, UNIX_EPOCH},
};

use bytes::Bytes;
use rand::{RngCore, SeedableRng};
use rand_chacha::ChaCha20Rng;
use weir_core::{ContentTopic, Meta, ProofField, RateLimitProof, Timestamp, WakuMessage};
use weir_membership::{Group, Ledger, RegistryFile};
use weir_rln::{
    EngineSettings, EpochLength, Identity, MemberProver, MessageId, Prover, RlnIdentifier, UserMessageLimit,
    signal_hash,
};
use weir_wire::encode_message;

/// An epoch that does not end during a run, except on 2027-01-15 08:00 UTC and every 1157 days after.
pub(crate) const EPOCH_SECS: u64 = 100_000_000;
/// How far from its timestamp a message may be sent. A node accepts 20 s; the rest is for clocks that
/// were read a moment before.
const WINDOW: Duration = Duration::from_secs(18);
/// Before every payload's number: the messages of this process and no others.
const HEADER: usize = 16;

/// Why there are no messages.
#[derive(Debug, thiserror::Error)]
pub enum SignError {
    /// The registry could not be read or written.
    #[error("the registry: {0}")]
    Registry(String),
    /// A proof could not be made.
    #[error("a proof could not be made: {0}")]
    Prove(String),
    /// The proofs were not ready when they should have been sent.
    #[error("making {count} proofs took {took:?}, longer than the first ones let expect; ask for fewer")]
    TooSlow {
        /// Proofs.
        count: usize,
        /// How long they took.
        took: Duration,
    },
    /// A payload that cannot hold a number, or more messages than one member may send.
    #[error("{0}")]
    Setting(&'static str),
}

/// A member of the nodes' registry.
pub(crate) struct Signer {
    prover: Prover,
    identity: Identity,
    limit: UserMessageLimit,
    group: Group,
    run: [u8; 8],
    next_id: u32,
}

/// Encoded messages, numbered from 0, and when they may be sent.
pub(crate) struct Batch {
    pub(crate) messages: Vec<Bytes>,
    /// The number of the first one.
    pub(crate) first: u64,
    /// What all of them claim as their time.
    timestamp: Timestamp,
    /// How long one took to make, on one thread.
    pub(crate) made_in: Duration,
}

impl Signer {
    /// Registers a member in the registry of the nodes, which must have theirs already: another member
    /// after this one would change the root.
    pub(crate) fn register(registry: &Path) -> Result<Self, SignError> {
        let seed = unix_time().as_nanos() as u64;
        let registry_error = |error: &dyn std::error::Error| SignError::Registry(error.to_string());
        let identity = Identity::generate(&mut ChaCha20Rng::seed_from_u64(seed));
        let limit = UserMessageLimit::new(u32::from(u16::MAX)).expect("65535 is the largest limit");
        let mut ledger = RegistryFile::open(registry).map_err(|error| registry_error(&error))?;
        ledger.register(identity.commitment(), limit).map_err(|error| registry_error(&error))?;
        let mut group = Group::new();
        let events = ledger.poll().map_err(|error| registry_error(&error))?;
        group.apply_all(&events).map_err(|error| registry_error(&error))?;
        let prover =
            Prover::load(&EngineSettings::default()).map_err(|error| SignError::Prove(error.to_string()))?;
        prover.prepare_tables();
        Ok(Self { prover, identity, limit, group, run: seed.to_be_bytes(), next_id: 0 })
    }

    /// Makes `count` messages of `size` bytes on as many threads as there are processors, to be sent as
    /// soon as they are ready.
    pub(crate) fn make(&mut self, count: usize, size: usize) -> Result<Batch, SignError> {
        if size < HEADER {
            return Err(SignError::Setting("a payload has at least 16 bytes"));
        }
        if self.next_id as usize + count + 1 > self.limit.get() as usize {
            return Err(SignError::Setting("one member sends at most 65535 messages"));
        }
        let started = Instant::now();
        let member = self.member();
        // The first one tells how long the others will take. It is not sent.
        self.sign(&member, self.next_id, size, now())?;
        let one = started.elapsed();
        self.next_id += 1;
        let threads = thread::available_parallelism().map_or(1, usize::from);
        // Half as much again, as the others share the processors.
        let expected = one * u32::try_from(count.div_ceil(threads)).unwrap_or(u32::MAX) * 3 / 2;
        let timestamp = now().saturating_add(expected);
        let first = self.next_id;
        let ids: Vec<u32> = (first..).take(count).collect();
        self.next_id += u32::try_from(count).unwrap_or(u32::MAX);
        let signer = &*self;
        let parts = thread::scope(|scope| {
            let part = |ids: &[u32]| {
                let ids = ids.to_vec();
                scope.spawn(move || {
                    let member = signer.member();
                    ids.into_iter().map(|id| signer.sign(&member, id, size, timestamp)).collect()
                })
            };
            let workers: Vec<_> = ids.chunks(count.div_ceil(threads).max(1)).map(part).collect();
            let join = |worker: thread::ScopedJoinHandle<'_, Result<Vec<Bytes>, SignError>>| {
                worker.join().unwrap_or_else(|_| Err(SignError::Prove("a thread panicked".to_owned())))
            };
            workers.into_iter().map(join).collect::<Result<Vec<_>, _>>()
        })?;
        if now() > timestamp.saturating_add(WINDOW / 2) {
            return Err(SignError::TooSlow { count, took: started.elapsed() });
        }
        let messages = parts.concat();
        Ok(Batch { messages, first: u64::from(first), timestamp, made_in: one })
    }

    /// A message that passes every check but that of its proof: the time, the root and the signal are
    /// right, the nullifier is new, and the proof is one that holds for another message.
    pub(crate) fn forge(&self, genuine: &RateLimitProof, size: usize, number: u64) -> Bytes {
        let mut random = ChaCha20Rng::seed_from_u64(number ^ u64::from_be_bytes(self.run));
        let mut message = self.unsigned(u64::MAX - number, size, now());
        let mut proof = genuine.clone();
        for field in [&mut proof.nullifier, &mut proof.share_y] {
            random.fill_bytes(field);
            // The highest byte of a canonical element is below 0x30.
            field[31] = 0;
        }
        proof.share_x = signal_hash(&message.payload, &message.content_topic, message.timestamp).to_bytes();
        message.proof = ProofField::Present(Box::new(proof));
        encode_message(&message)
    }

    /// The number of a message of this signer, `None` for those of others and forged ones.
    pub(crate) fn number(&self, message: &WakuMessage) -> Option<u64> {
        let number = message.payload.strip_prefix(&self.run)?.first_chunk()?;
        Some(u64::from_be_bytes(*number)).filter(|number| *number < u64::from(self.next_id))
    }

    fn member(&self) -> MemberProver {
        let (_, path) = self.group.path_of(&self.identity.commitment()).expect("it was just registered");
        self.prover.member(self.identity.secret(), self.limit, &path)
    }

    fn sign(
        &self,
        member: &MemberProver,
        id: u32,
        size: usize,
        timestamp: Timestamp,
    ) -> Result<Bytes, SignError> {
        let mut message = self.unsigned(u64::from(id), size, timestamp);
        let epoch = EpochLength::new(EPOCH_SECS).expect("not zero").of(timestamp);
        let signal = signal_hash(&message.payload, &message.content_topic, timestamp);
        let proof = member
            .prove(epoch, RlnIdentifier::WAKU, MessageId(id), signal)
            .map_err(|error| SignError::Prove(error.to_string()))?;
        message.proof = ProofField::Present(Box::new(proof));
        Ok(encode_message(&message))
    }

    fn unsigned(&self, number: u64, size: usize, timestamp: Timestamp) -> WakuMessage {
        let mut payload = vec![0xa5; size.max(HEADER)];
        payload[..8].copy_from_slice(&self.run);
        payload[8..HEADER].copy_from_slice(&number.to_be_bytes());
        WakuMessage {
            payload: payload.into(),
            content_topic: ContentTopic::new("/relay-rln/1/bench/proto").expect("well formed"),
            version: 0,
            timestamp,
            meta: Meta::default(),
            ephemeral: false,
            proof: ProofField::Absent,
        }
    }
}

impl Batch {
    /// Empty messages, numbered from `first`.
    #[cfg(test)]
    pub(crate) fn of_nothing(count: usize, first: u64) -> Self {
        Self {
            messages: vec![Bytes::new(); count],
            first,
            timestamp: Timestamp::ZERO,
            made_in: Duration::ZERO,
        }
    }

    /// How long to wait until nodes accept the messages.
    pub(crate) fn due_in(&self) -> Duration {
        let early = self.timestamp.saturating_sub(WINDOW);
        if now() < early { early.distance(now()) } else { Duration::ZERO }
    }
}

fn now() -> Timestamp {
    Timestamp::ZERO.saturating_add(unix_time())
}

fn unix_time() -> Duration {
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    // Helpers of tests are tests too, which clippy.toml cannot see here.
    #![allow(clippy::unwrap_used)]

    use weir_rln::{Validator, ValidatorConfig, Verifier};
    use weir_wire::decode_message;

    use super::*;

    fn validator(signer: &Signer) -> Validator {
        let mut validator = Validator::new(ValidatorConfig::new(EpochLength::new(EPOCH_SECS).unwrap()));
        validator.push_root(signer.group.root());
        validator
    }

    fn proof_of(message: &WakuMessage) -> RateLimitProof {
        let ProofField::Present(proof) = &message.proof else { panic!("no proof") };
        (**proof).clone()
    }

    #[test]
    fn prepared_messages_are_accepted_and_forged_ones_fail_at_the_proof_alone() {
        let folder = tempfile::tempdir().unwrap();
        let mut signer = Signer::register(&folder.path().join("registry")).unwrap();
        let batch = signer.make(2, 100).unwrap();
        let (mut validator, verifier) = (validator(&signer), Verifier::load().unwrap());
        let messages = batch.messages.iter().map(|bytes| decode_message(bytes).unwrap());
        let messages: Vec<WakuMessage> = messages.collect();
        for (place, message) in messages.iter().enumerate() {
            let claim = validator.check_early(message, batch.timestamp).unwrap();
            assert!(verifier.verify(&claim));
            validator.check_late(claim).unwrap();
            assert_eq!(signer.number(message), Some(batch.first + place as u64));
            assert_eq!(message.payload.len(), 100);
        }
        for number in [0, 1, 1 << 32] {
            let forged = signer.forge(&proof_of(&messages[0]), 100, number);
            let forged = decode_message(&forged).unwrap();
            let claim = validator.check_early(&forged, now()).unwrap();
            assert!(!verifier.verify(&claim));
            assert_eq!(signer.number(&forged), None);
        }
    }

    #[test]
    fn messages_wait_until_nodes_accept_their_time() {
        let batch = |timestamp| Batch { messages: Vec::new(), first: 0, timestamp, made_in: Duration::ZERO };
        assert_eq!(batch(now()).due_in(), Duration::ZERO);
        let wait = batch(now().saturating_add(Duration::from_secs(60))).due_in();
        assert!(wait > Duration::from_secs(41) && wait <= Duration::from_secs(42), "{wait:?}");
    }

    #[test]
    fn more_than_a_member_may_send_is_refused_before_any_proof() {
        let folder = tempfile::tempdir().unwrap();
        let mut signer = Signer::register(&folder.path().join("registry")).unwrap();
        assert!(matches!(signer.make(65_535, 100), Err(SignError::Setting(_))));
        assert!(matches!(signer.make(1, 15), Err(SignError::Setting(_))));
    }
}
