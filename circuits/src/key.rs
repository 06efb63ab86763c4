//! Which circuits and which trusted set-ups the relations stand for.

use sha2::{Digest, Sha256};

use crate::Shape;

/// The identity of a compiled circuit and its keys: SHA-256 of the files, in hex.
///
/// Two nodes accept each other's proofs when their verifying keys are the same, so a key is named by
/// what it is and not by who ships it. A future circuit (58/RLN-V2 leaves the hash open) is another
/// constant beside these, and a member of [`CircuitKey::KNOWN`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct CircuitKey {
    /// What people call it.
    pub name: &'static str,
    /// Proving key and constraint matrices, arkworks uncompressed (`rln_final.arkzkey`).
    pub arkzkey: &'static str,
    /// Proving key as snarkjs wrote it (`rln_final.zkey`), where it was published.
    pub zkey: Option<&'static str>,
    /// Witness calculation graph (`graph.bin`).
    pub graph: &'static str,
    /// Verifying key alone, arkworks compressed.
    pub verifying_key: &'static str,
    /// The constraints, as [`matrices_digest`](crate::matrices_digest) has them: what a key from another set-up of the same
    /// circuit has in common with this one.
    pub matrices: &'static str,
    /// The circuit's size.
    pub shape: Shape,
}

/// RLN-v2, one message id a proof, tree depth 20, limits of 16 bits, Groth16 over BN254: the keys of
/// zerokit 0.4.3 to 3.0.0 (the graph since 2.0), which nwaku and The Waku Network use.
pub const RLN_V2_DEPTH_20: CircuitKey = CircuitKey {
    name: "RLN-v2, depth 20, 16-bit limits",
    arkzkey: "4736d28be856af6a739e1d5e9bebb69fd17f476a57cf4ad86375ed6cfda9827a",
    zkey: Some("ae30d3d4b29d9dab8c65ff181644a3eb57c2c0fa9f687ea3baf8c7f711d7946a"),
    graph: "eaf1868e27b22c7deb6da8a253300c99effcfa417f807ef7105d3fb8628d1c54",
    verifying_key: "6668da9ce14bd110958ac1fec4b5e83645d5e3ea1e70145f9165c34e4f0f799e",
    matrices: "256a2e8a29e3afc2b92673687e98723f2a96faf33bcb7c7260e831184c310d4c",
    shape: Shape { constraints: 5820, wires: 5844, public: 5, non_zeros: [9658, 13282, 49869] },
};

/// The same with up to four message ids a proof: zerokit 3.0.0's `multi_message_id/max_out_4`.
pub const RLN_V2_DEPTH_20_MULTI_4: CircuitKey = CircuitKey {
    name: "RLN-v2, depth 20, 16-bit limits, up to 4 message ids",
    arkzkey: "bd9eb10c32ea2106606e96c5e2fd1d391e0f49c67d3697d999fd49eb88c9b15f",
    zkey: None,
    graph: "f8eae3036435ee5e35cacbe265fa9b32f59e917719002c7c35251f3608024fc1",
    verifying_key: "9029eeaea743bb709a65910ccbe90a515a8f63cc0482bcedd54518165efe34be",
    matrices: "f6981b68de644666071cfa018ca508151fb7bd7c7f29d8f43e3a414f650a3af4",
    shape: Shape { constraints: 7390, wires: 7401, public: 15, non_zeros: [12418, 16908, 62048] },
};

/// What a file of a [`CircuitKey`] is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum KeyFile {
    /// See [`CircuitKey::arkzkey`].
    Arkzkey,
    /// See [`CircuitKey::zkey`].
    Zkey,
    /// See [`CircuitKey::graph`].
    Graph,
    /// See [`CircuitKey::verifying_key`].
    VerifyingKey,
}

/// No circuit that is known here has a file with this SHA-256.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("no file of a known circuit has the sha256 {0}")]
pub struct UnknownKey(pub String);

impl CircuitKey {
    /// Every circuit that has a constant here.
    pub const KNOWN: [&'static Self; 2] = [&RLN_V2_DEPTH_20, &RLN_V2_DEPTH_20_MULTI_4];

    /// The circuit that a file belongs to, and what the file is, by the file's SHA-256 in lowercase hex.
    pub fn find(sha256: &str) -> Result<(&'static Self, KeyFile), UnknownKey> {
        for key in Self::KNOWN {
            let files = [
                (Some(key.arkzkey), KeyFile::Arkzkey),
                (key.zkey, KeyFile::Zkey),
                (Some(key.graph), KeyFile::Graph),
                (Some(key.verifying_key), KeyFile::VerifyingKey),
            ];
            if let Some((_, file)) = files.into_iter().find(|(pinned, _)| *pinned == Some(sha256)) {
                return Ok((key, file));
            }
        }
        Err(UnknownKey(sha256.to_owned()))
    }

    /// The circuit with these constraints, by their [`matrices_digest`](crate::matrices_digest).
    pub fn find_matrices(digest: &str) -> Result<&'static Self, UnknownKey> {
        Self::KNOWN
            .into_iter()
            .find(|key| key.matrices == digest)
            .ok_or_else(|| UnknownKey(digest.to_owned()))
    }
}

/// SHA-256 of `bytes` in lowercase hex.
pub fn sha256_hex(bytes: &[u8]) -> String {
    hex::encode(Sha256::digest(bytes))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_is_found_by_its_hash_and_an_unknown_one_is_named() {
        for key in CircuitKey::KNOWN {
            assert_eq!(CircuitKey::find(key.arkzkey), Ok((key, KeyFile::Arkzkey)));
            assert_eq!(CircuitKey::find(key.graph), Ok((key, KeyFile::Graph)));
            assert_eq!(CircuitKey::find(key.verifying_key), Ok((key, KeyFile::VerifyingKey)));
            assert_eq!(CircuitKey::find_matrices(key.matrices), Ok(key));
        }
        let unknown = sha256_hex(b"another key");
        assert_eq!(CircuitKey::find(&unknown), Err(UnknownKey(unknown.clone())));
        assert_eq!(CircuitKey::find_matrices(&unknown), Err(UnknownKey(unknown)));
    }
}
