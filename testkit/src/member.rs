//! A member that picks its message ids itself.
//!
//! The node's own allocator never gives one id to two messages. What honest nodes do about a member
//! that does can only be tested with one, so this member has no allocator: it proves whatever it is
//! told to, within what the circuit allows.

use rand::SeedableRng;
use rand_chacha::ChaCha20Rng;
use weir_core::{ProofField, RateLimitProof, WakuMessage};
use weir_membership::{Group, Ledger, Membership};
use weir_rln::{
    EngineSettings, Epoch, EpochLength, Identity, MessageId, ProveRequest, Prover, RlnIdentifier,
    UserMessageLimit, signal_hash,
};

/// A registered identity that can prove.
#[derive(Debug)]
pub struct Member {
    identity: Identity,
    membership: Membership,
    prover: Prover,
}

impl Member {
    /// Registers the identity of `seed` for `limit` messages an epoch.
    ///
    /// # Panics
    /// When the ledger refuses, as for a seed that is registered already.
    pub fn register(ledger: &mut dyn Ledger, seed: u64, limit: u32) -> Self {
        let identity = Identity::generate(&mut ChaCha20Rng::seed_from_u64(seed));
        let limit = UserMessageLimit::new(limit).expect("a limit the circuit can compare");
        let membership =
            ledger.register(identity.commitment(), limit).expect("the ledger registers the member");
        let prover = Prover::load(&EngineSettings::default()).expect("the built-in proving key is readable");
        Self { identity, membership, prover }
    }

    /// Who it is.
    pub const fn identity(&self) -> &Identity {
        &self.identity
    }

    /// The proof that `message` is number `message_id` of this member in `epoch`, which need not be
    /// the epoch of the message.
    ///
    /// # Panics
    /// When `message_id` is not below the member's limit, or the member is not in `group`.
    pub fn prove(
        &self,
        group: &Group,
        message: &WakuMessage,
        epoch: Epoch,
        message_id: u32,
    ) -> RateLimitProof {
        let (_, path) = group.path_of(&self.identity.commitment()).expect("the member is in the group");
        let request = ProveRequest {
            identity: self.identity.secret(),
            limit: self.membership.limit,
            message_id: MessageId(message_id),
            path: &path,
            epoch,
            rln_identifier: RlnIdentifier::WAKU,
            signal: signal_hash(&message.payload, &message.content_topic, message.timestamp),
        };
        self.prover.prove(&request).expect("the request satisfies the circuit")
    }

    /// `message` with its proof as number `message_id` of the epoch of its timestamp.
    ///
    /// # Panics
    /// As [`Member::prove`].
    pub fn sign(
        &self,
        group: &Group,
        message: WakuMessage,
        epoch_length: EpochLength,
        message_id: u32,
    ) -> WakuMessage {
        let epoch = epoch_length.of(message.timestamp);
        let proof = self.prove(group, &message, epoch, message_id);
        WakuMessage { proof: ProofField::Present(Box::new(proof)), ..message }
    }
}

#[cfg(test)]
mod tests {
    use weir_core::Timestamp;
    use weir_membership::InMemoryLedger;
    use weir_rln::{Rejection, Validator, ValidatorConfig, Verifier};

    use super::*;
    use crate::message;

    #[test]
    fn two_messages_under_one_id_hold_and_give_the_member_away() {
        let mut ledger = InMemoryLedger::default();
        let member = Member::register(&mut ledger, 1, 1);
        let mut group = Group::new();
        group.apply_all(&ledger.poll().expect("memory does not fail")).expect("one member");
        let epoch_length = EpochLength::new(600).expect("not zero");
        let mut validator = Validator::new(ValidatorConfig::new(epoch_length));
        validator.push_root(group.root());
        let verifier = Verifier::load().expect("the built-in key");
        let now = Timestamp::from_secs(1_700_000_000);

        let mut outcomes = ["first", "second"].map(|text| {
            let signed = member.sign(&group, message(text, now), epoch_length, 0);
            let claim = validator.check_early(&signed, now).expect("passes the early checks");
            assert!(verifier.verify(&claim), "{text}");
            validator.check_late(claim)
        });
        assert!(outcomes[0].is_ok());
        let Err(Rejection::DoubleSignal(evidence)) = &mut outcomes[1] else {
            panic!("expected a double signal, not {:?}", outcomes[1]);
        };
        assert_eq!(&evidence.secret, member.identity().secret());
    }
}
