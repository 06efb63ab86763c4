//! Which circuit and which trusted setup the relation stands for.

/// The identity of a compiled circuit and its keys: SHA-256 of the files, in hex.
///
/// Two nodes accept each other's proofs when their verifying keys are the same, so the key is named
/// by what it is and not by who ships it. A future circuit (58/RLN-V2 leaves the hash open) is a
/// second constant beside the first.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct CircuitKey {
    /// Proving key and constraint matrices, arkworks uncompressed (`rln_final.arkzkey`).
    pub arkzkey: &'static str,
    /// Witness calculation graph (`graph.bin`).
    pub graph: &'static str,
    /// Verifying key alone, arkworks compressed, 424 bytes.
    pub verifying_key: &'static str,
}

/// RLN-v2, one message id a proof, tree depth 20, limits of 16 bits, Groth16 over BN254: the keys of
/// zerokit 0.4.3 to 3.0.0 (the graph since 2.0), which nwaku and The Waku Network use.
pub const RLN_V2_DEPTH_20: CircuitKey = CircuitKey {
    arkzkey: "4736d28be856af6a739e1d5e9bebb69fd17f476a57cf4ad86375ed6cfda9827a",
    graph: "eaf1868e27b22c7deb6da8a253300c99effcfa417f807ef7105d3fb8628d1c54",
    verifying_key: "6668da9ce14bd110958ac1fec4b5e83645d5e3ea1e70145f9165c34e4f0f799e",
};
