//! What can be wrong with a proof.

/// Which point of a proof.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, strum::Display)]
#[strum(serialize_all = "UPPERCASE")]
pub enum ProofPoint {
    /// The first, in G1.
    A,
    /// The second, in G2.
    B,
    /// The third, in G1.
    C,
}

/// Why a proof was not accepted.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, thiserror::Error)]
pub enum Rejection {
    /// The caller's mistake: the circuit has another number of public inputs.
    #[error("the circuit has {expected} public inputs, {given} were given")]
    InputCount {
        /// What the verifying key is for.
        expected: usize,
        /// What came with the proof.
        given: usize,
    },
    /// A coordinate that is not below the modulus, or flags that contradict each other.
    #[error("{0} is not encoded as points are")]
    Encoding(ProofPoint),
    /// No point of the curve has this x coordinate.
    #[error("{0} is not on the curve")]
    NotOnCurve(ProofPoint),
    /// B is on the curve, but not in its subgroup of prime order. (All of the curve of A and C is.)
    #[error("B is not in the subgroup of prime order")]
    NotInSubgroup,
    /// A well-formed proof of something else.
    #[error("the proof does not prove these public inputs")]
    Equation,
}
