//! Why there is no proof.

/// Why there is no proof. All are the caller's mistakes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ProveError {
    /// A witness of another circuit.
    #[error("the circuit has {expected} wires, {given} were given")]
    WireCount {
        /// What the key is for.
        expected: usize,
        /// What was given.
        given: usize,
    },
    /// The first wire of every witness is the constant 1.
    #[error("the first wire is not the constant 1")]
    FirstWire,
    /// A wire beyond the last.
    #[error("there is no wire {wire}, the circuit has {wires}")]
    NoSuchWire {
        /// The wire named.
        wire: usize,
        /// How many there are.
        wires: usize,
    },
    /// The constant 1 among the wires that vary.
    #[error("the constant 1 does not vary")]
    ConstantVaries,
    /// The rest of a proof was asked for, but what was proven already has changed.
    #[error("wire {wire} was said not to vary, but it differs from when the partial proof was made")]
    StaticWireChanged {
        /// The first that differs.
        wire: usize,
    },
    /// More wires that follow the signal than constants are kept for.
    #[error("{given} wires follow the signal, {most} at most can")]
    TooManySignalWires {
        /// What was given.
        given: usize,
        /// [`super::MAX_SIGNAL_WIRES`].
        most: usize,
    },
    /// A direction that moves a wire which does not follow the signal.
    #[error("wire {wire} does not follow the signal")]
    NotOfTheSignal {
        /// The wire named.
        wire: usize,
    },
    /// A partial proof, a signal or a slot of another prover's key.
    #[error("it was made with another key")]
    OtherKey,
}
