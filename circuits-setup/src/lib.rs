//! Keys for development: a Groth16 set-up of any circom circuit over BN254, in about a second.
//!
//! **Not for production.** Whoever runs a set-up has seen numbers (*toxic waste*) with which proofs of
//! false statements can be made, and nobody can tell that they were forgotten. A production key comes
//! out of a ceremony in which one honest participant among many is enough; the keys that weir uses are
//! the published ones, pinned in [`weir_circuits::CircuitKey::KNOWN`].
//!
//! What it is good for: a changed or new circuit can be proven and measured at once, with files of the
//! very form that the published keys have.
//!
//! ```text
//!   .r1cs ──► synthesis ──► ark-groth16's generator ──► arkzkey   proving key and constraints
//!                               ▲                   └─► vk        verifying key
//!                               │ reduction: circom's idea of the
//!                               │ quotient polynomial
//! ```

mod arkzkey;
mod reduction;
mod synthesis;

use ark_bn254::Bn254;
use ark_groth16::{Groth16, ProvingKey};
use ark_relations::r1cs::{ConstraintMatrices, SynthesisError};
use ark_serialize::CanonicalSerialize;
use rand::{CryptoRng, RngCore};
use weir_circuits::{Fr, R1cs};

pub use reduction::CircomReduction;

/// More constraints and public wires than this are refused: the key of a circuit of that size takes
/// some 500 bytes a constraint, 128 MiB, and minutes. RLN's circuits have less than 2^13.
const MAX_DOMAIN: usize = 1 << 18;

/// A proving key that one person made, with the constraints it is for.
#[derive(Debug, Clone)]
pub struct DevelopmentKey {
    /// The proving key; the verifying key is in it.
    pub proving_key: ProvingKey<Bn254>,
    /// The constraints, as provers want them.
    pub matrices: ConstraintMatrices<Fr>,
}

/// Why there is no key.
#[derive(Debug, thiserror::Error)]
pub enum SetupError {
    /// The circuit is too large.
    #[error("the circuit needs a domain of {domain} points; a development set-up takes {MAX_DOMAIN}")]
    TooLarge {
        /// What it needs.
        domain: usize,
    },
    /// ark-groth16 found no key.
    #[error("the generator failed")]
    Generator(#[from] SynthesisError),
}

/// Makes a key for `circuit`. The toxic waste is drawn from `rng` and is not kept.
pub fn set_up<R: RngCore + CryptoRng>(circuit: &R1cs, rng: &mut R) -> Result<DevelopmentKey, SetupError> {
    let domain = circuit.shape().domain();
    if domain > MAX_DOMAIN {
        return Err(SetupError::TooLarge { domain });
    }
    let synthesis = synthesis::Synthesis(circuit);
    let matrices = synthesis.matrices();
    let proving_key =
        Groth16::<Bn254, CircomReduction>::generate_random_parameters_with_reduction(synthesis, rng)?;
    Ok(DevelopmentKey { proving_key, matrices })
}

impl DevelopmentKey {
    /// The bytes of an `.arkzkey` file, as zerokit and weir read them.
    pub fn to_arkzkey(&self) -> Vec<u8> {
        arkzkey::write(&self.proving_key, &self.matrices)
    }

    /// The bytes of a file with the verifying key alone, ark-compressed.
    pub fn to_verifying_key(&self) -> Vec<u8> {
        let mut bytes = Vec::new();
        self.proving_key.vk.serialize_compressed(&mut bytes).expect("writing to memory does not fail");
        bytes
    }
}
