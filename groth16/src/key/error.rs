//! Why a key file is not taken.

/// The parts of a key that errors name.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, strum::Display)]
#[strum(serialize_all = "lowercase")]
pub enum KeyPart {
    /// Magic, version and number of sections of a `.zkey`.
    Preamble,
    /// The single points: alpha, beta, gamma, delta.
    #[strum(to_string = "single points")]
    SinglePoints,
    /// One point for the constant 1 and for each public input.
    #[strum(to_string = "public inputs")]
    PublicInputs,
    /// The points of A.
    #[strum(to_string = "A query")]
    AQuery,
    /// The points of B in G1.
    #[strum(to_string = "B query in G1")]
    BG1Query,
    /// The points of B in G2.
    #[strum(to_string = "B query in G2")]
    BG2Query,
    /// The points of the quotient.
    #[strum(to_string = "H query")]
    HQuery,
    /// The points of the private wires.
    #[strum(to_string = "L query")]
    LQuery,
    /// Counts of variables and constraints.
    #[strum(to_string = "circuit header")]
    CircuitHeader,
    /// The left sides of the constraints.
    #[strum(to_string = "rows of A")]
    ARows,
    /// The right sides of the constraints.
    #[strum(to_string = "rows of B")]
    BRows,
    /// The products, which a prover of circom's kind does not need.
    #[strum(to_string = "rows of C")]
    CRows,
    /// The coefficients of a `.zkey`, of A and B together.
    Coefficients,
}

/// Why a key file is not taken.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum KeyError {
    /// The SHA-256 is not the pinned one.
    #[error("this is another file: its sha256 is {}, not {}", Hex(.found), Hex(.expected))]
    OtherFile {
        /// The pinned hash.
        expected: [u8; 32],
        /// The file's hash.
        found: [u8; 32],
    },
    /// A file in which 32 bits would not number everything.
    #[error("a key of {bytes} bytes is larger than {most}")]
    TooLarge {
        /// The file's size.
        bytes: usize,
        /// The largest that is read.
        most: usize,
    },
    /// The file or section ends inside a part.
    #[error("{part}: needs {needed} bytes, {left} are left")]
    Truncated {
        /// Where.
        part: KeyPart,
        /// What the part takes, at least.
        needed: u64,
        /// What there is.
        left: usize,
    },
    /// There are bytes after the last part.
    #[error("{count} bytes too many after {part}")]
    TrailingBytes {
        /// The part that should be last.
        part: KeyPart,
        /// How many bytes follow it.
        count: usize,
    },
    /// A field element that is not below its modulus, or contradicting flags.
    #[error("{part}: element {index} is not canonical")]
    NotCanonical {
        /// Where.
        part: KeyPart,
        /// The how-manieth of the part.
        index: usize,
    },
    /// A point that is not on its curve, or not in the subgroup of prime order.
    #[error("{part}: point {index} is not in its group")]
    NotInGroup {
        /// Where.
        part: KeyPart,
        /// The how-manieth of the part.
        index: usize,
    },
    /// Parts that do not fit each other.
    #[error("{part}: {expected} elements expected, {found} found")]
    Count {
        /// Where.
        part: KeyPart,
        /// What follows from the other parts.
        expected: usize,
        /// What there is.
        found: usize,
    },
    /// More rows than there are roots of unity for.
    #[error("{rows} rows are more than {most}")]
    TooManyRows {
        /// Constraints and public wires.
        rows: usize,
        /// What the field allows.
        most: usize,
    },
    /// A constraint that names a wire which the circuit has not.
    #[error("{part}: names wire {wire} of {wires}")]
    NoSuchWire {
        /// Where.
        part: KeyPart,
        /// The wire named.
        wire: u64,
        /// How many there are.
        wires: usize,
    },
    /// A coefficient for a row beyond the domain.
    #[error("names row {row} of {rows}")]
    NoSuchRow {
        /// The row named.
        row: u32,
        /// The size of the domain.
        rows: usize,
    },
    /// A coefficient for a matrix that is neither A (0) nor B (1).
    #[error("names matrix {0}, which is neither A nor B")]
    NoSuchMatrix(u32),
    /// The last rows do not hand the public wires to A one by one, as circom's do.
    #[error("the last rows are not those of the public wires")]
    NoPublicRows,
    /// Not a snarkjs key file.
    #[error("does not begin as a .zkey")]
    NotAZkey,
    /// A version of the format that is not known.
    #[error("version {0} of the .zkey format is not known")]
    Version(u32),
    /// A key for PLONK or FFLONK.
    #[error("protocol {0} is not Groth16")]
    OtherProtocol(u32),
    /// A key over another curve.
    #[error("the key is not over BN254")]
    OtherCurve,
    /// A section that has to be there is not.
    #[error("section {0} is missing")]
    MissingSection(u32),
    /// A section is there twice.
    #[error("section {0} is there twice")]
    RepeatedSection(u32),
}

struct Hex<'a>(&'a [u8; 32]);

impl std::fmt::Display for Hex<'_> {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        self.0.iter().try_for_each(|byte| write!(formatter, "{byte:02x}"))
    }
}
