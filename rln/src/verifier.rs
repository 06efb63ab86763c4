//! Verifying proofs with the verifying key alone.

use std::{
    fmt,
    sync::{
        OnceLock,
        atomic::{AtomicBool, Ordering},
    },
};

use ark_bn254::Bn254;
use ark_groth16::{Groth16, PreparedVerifyingKey, Proof, VerifyingKey, prepare_verifying_key};
use ark_serialize::{CanonicalDeserialize, SerializationError};
use rand::thread_rng;
use weir_groth16::{lanes::BackendKind, verifier as groth16};

use crate::{EngineHealth, FastPath, ProofClaim, prover::inputs};

/// The verifying key of [`weir_circuits::RLN_V2_DEPTH_20`]. A node that only verifies does not touch
/// the proving key, which is four thousand times as large.
const VERIFYING_KEY: &[u8; 424] = include_bytes!("../keys/rln_v2_depth_20.vk");

/// Checks Groth16 proofs, in about a millisecond each and in a batch for a fraction of it. `Send` and
/// `Sync`; share one.
///
/// `weir-groth16` checks. When it panics, or when it was caught rejecting what holds, arkworks does.
pub struct Verifier {
    fast: Box<dyn Fast>,
    /// The fast path was caught; it is not used any more.
    is_distrusted: AtomicBool,
    ark: Ark,
    health: EngineHealth,
}

/// The built-in verifying key could not be read.
#[derive(Debug, thiserror::Error)]
#[error("the built-in verifying key is damaged, reinstall weir: {0}")]
pub struct VerifyingKeyError(#[from] SerializationError);

/// The fast path; a test has one that is wrong.
trait Fast: Send + Sync {
    fn verify(&self, claim: &ProofClaim) -> bool;
    fn verify_batch(&self, claims: &[&ProofClaim]) -> Vec<bool>;
}

/// The slow path. Most processes never need it, so it is prepared when it is first used.
struct Ark {
    key: VerifyingKey<Bn254>,
    prepared: OnceLock<PreparedVerifyingKey<Bn254>>,
}

impl Verifier {
    /// Reads the key and computes what all verifications share. About 3 ms.
    pub fn load() -> Result<Self, VerifyingKeyError> {
        let key = verifying_key()?;
        let fast = groth16::Verifier::new(&groth16_key(&key), BackendKind::detect());
        Ok(Self::with(Box::new(fast), key))
    }

    fn with(fast: Box<dyn Fast>, key: VerifyingKey<Bn254>) -> Self {
        let ark = Ark { key, prepared: OnceLock::new() };
        Self { fast, is_distrusted: AtomicBool::new(false), ark, health: EngineHealth::default() }
    }

    /// Whether the proof of `claim` holds. Bytes that are no points of the curve, or not of its
    /// right subgroup, are a proof that does not hold.
    pub fn verify(&self, claim: &ProofClaim) -> bool {
        let fast = || Ok::<_, Unusable>(self.fast()?.verify(claim));
        self.health.attempt(FastPath::VerifyOne, fast).unwrap_or_else(|| self.ark.verify(claim))
    }

    /// Whether the proof of each claim holds, in their order. The more there are, the less each costs,
    /// as long as all or nearly all hold.
    pub fn verify_batch(&self, claims: &[&ProofClaim]) -> Vec<bool> {
        let fast = || {
            let answers = self.fast()?.verify_batch(claims);
            if answers.len() == claims.len() { Ok(answers) } else { Err(Unusable) }
        };
        let slow = || claims.iter().map(|claim| self.ark.verify(claim)).collect();
        self.health.attempt(FastPath::VerifyBatch, fast).unwrap_or_else(slow)
    }

    /// Whether arkworks, too, says that the proof of `claim` does not hold. To be asked before somebody
    /// pays for a rejection. If it says otherwise, the fast path is wrong and not used again.
    pub fn confirms_rejection(&self, claim: &ProofClaim) -> bool {
        let holds = self.ark.verify(claim);
        if holds {
            self.is_distrusted.store(true, Ordering::SeqCst);
        }
        !holds
    }

    /// How often the fast path was given up.
    pub const fn health(&self) -> &EngineHealth {
        &self.health
    }

    fn fast(&self) -> Result<&dyn Fast, Unusable> {
        if self.is_distrusted.load(Ordering::SeqCst) { Err(Unusable) } else { Ok(&*self.fast) }
    }
}

/// The fast path was caught being wrong, now or before.
struct Unusable;

impl Fast for groth16::Verifier {
    fn verify(&self, claim: &ProofClaim) -> bool {
        self.verify_one(claim.proof(), inputs(&claim.statement()).as_slice()).is_ok()
    }

    fn verify_batch(&self, claims: &[&ProofClaim]) -> Vec<bool> {
        let proofs: Vec<_> =
            claims.iter().map(|claim| (*claim.proof(), *inputs(&claim.statement()))).collect();
        let verdicts = Self::verify_batch(self, &proofs, &mut thread_rng());
        verdicts.iter().map(Result::is_ok).collect()
    }
}

impl Ark {
    fn verify(&self, claim: &ProofClaim) -> bool {
        let Ok(proof) = Proof::<Bn254>::deserialize_compressed(claim.proof().as_slice()) else {
            return false;
        };
        let key = self.prepared.get_or_init(|| prepare_verifying_key(&self.key));
        // An error is a wrong number of inputs or a degenerate pairing: no proof of anything.
        Groth16::<Bn254>::verify_proof(key, &proof, inputs(&claim.statement()).as_slice()).unwrap_or(false)
    }
}

impl fmt::Debug for Verifier {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Verifier").field("is_distrusted", &self.is_distrusted).finish_non_exhaustive()
    }
}

/// The built-in verifying key.
pub(crate) fn verifying_key() -> Result<VerifyingKey<Bn254>, SerializationError> {
    VerifyingKey::deserialize_compressed(VERIFYING_KEY.as_slice())
}

fn groth16_key(key: &VerifyingKey<Bn254>) -> weir_groth16::key::VerifyingKey {
    weir_groth16::key::VerifyingKey {
        alpha_g1: key.alpha_g1,
        beta_g2: key.beta_g2,
        gamma_g2: key.gamma_g2,
        delta_g2: key.delta_g2,
        gamma_abc_g1: key.gamma_abc_g1.clone(),
    }
}

#[cfg(test)]
mod tests {
    use weir_core::Timestamp;

    use super::*;
    use crate::{
        EngineSettings, EpochLength, MessageId, Prover,
        test_utils::{Member, message},
    };

    /// A fast path with a bug.
    enum Buggy {
        Panics,
        RejectsAll,
        AnswersTooFew,
    }

    impl Fast for Buggy {
        fn verify(&self, _: &ProofClaim) -> bool {
            assert!(!matches!(self, Self::Panics), "a bug, on purpose");
            false
        }

        fn verify_batch(&self, claims: &[&ProofClaim]) -> Vec<bool> {
            assert!(!matches!(self, Self::Panics), "a bug, on purpose");
            vec![false; if matches!(self, Self::AnswersTooFew) { 0 } else { claims.len() }]
        }
    }

    fn verifier(fast: Buggy) -> Verifier {
        Verifier::with(Box::new(fast), verifying_key().expect("built in"))
    }

    /// One that holds, and one that does not.
    fn claims() -> [ProofClaim; 2] {
        let length = EpochLength::new(600).expect("not zero");
        let (member, message) = (Member::new(1, 10), message("hello", Timestamp::from_secs(1_740_000_300)));
        let prover = Prover::load(&EngineSettings::default()).expect("built in");
        let good = prover.prove(&member.request(&message, length, MessageId(0))).expect("within the quota");
        let mut bad = good.clone();
        bad.proof = [0; 128];
        [good, bad].map(|proof| ProofClaim::parse(&proof).expect("canonical"))
    }

    #[test]
    fn when_the_fast_path_is_wrong_arkworks_decides_and_it_is_counted() {
        let [good, bad] = &claims();
        for fast in [Buggy::Panics, Buggy::AnswersTooFew] {
            let verifier = verifier(fast);
            assert_eq!(verifier.verify_batch(&[good, bad]), [true, false]);
        }
        let panics = verifier(Buggy::Panics);
        assert!(panics.verify(good) && !panics.verify(bad));
        assert_eq!(panics.health().fallbacks(FastPath::VerifyOne), 2);

        let liar = verifier(Buggy::RejectsAll);
        assert!(!liar.verify(good) && liar.confirms_rejection(bad), "not caught yet");
        assert!(!liar.confirms_rejection(good), "caught");
        assert!(liar.verify(good) && !liar.verify(bad));
        assert_eq!(liar.verify_batch(&[good, bad]), [true, false]);
        assert_eq!(liar.health().fallbacks(FastPath::VerifyBatch), 1);
    }
}
