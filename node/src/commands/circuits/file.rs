//! Reads a file and finds out what it is.

use std::{fs, path::Path};

use weir_circuits::{R1cs, matrices_digest};
use weir_groth16::key::{KeyError, ProvingKey, Trust, VerifyingKey};

use super::CircuitsError;

/// The largest file that is read into memory. RLN's largest has 4 MB; a snarkjs key of a circuit with
/// 2^18 constraints some 250 MB.
const MAX_FILE_BYTES: u64 = 512 << 20;

/// A file of a circuit, read and checked.
pub(super) enum CircuitFile {
    R1cs(R1cs),
    Arkzkey(Box<ProvingKey>),
    Zkey(Box<ProvingKey>),
    VerifyingKey(Box<VerifyingKey>),
}

impl CircuitFile {
    pub(super) fn kind(&self) -> &'static str {
        match self {
            Self::R1cs(_) => "compiled circuit (r1cs)",
            Self::Arkzkey(_) => "proving key (arkzkey)",
            Self::Zkey(_) => "proving key (zkey)",
            Self::VerifyingKey(_) => "verifying key",
        }
    }

    /// The verifying key, where the file holds one.
    pub(super) fn verifying_key(&self) -> Option<&VerifyingKey> {
        match self {
            Self::R1cs(_) => None,
            Self::Arkzkey(key) | Self::Zkey(key) => Some(key.verifying_key()),
            Self::VerifyingKey(key) => Some(key),
        }
    }

    /// The digest of the constraints, where the file holds them.
    pub(super) fn matrices(&self) -> Option<String> {
        match self {
            Self::R1cs(circuit) => Some(circuit.matrices_digest()),
            Self::Arkzkey(key) | Self::Zkey(key) => {
                Some(matrices_digest(key.left_sides(), key.right_sides()))
            }
            Self::VerifyingKey(_) => None,
        }
    }
}

/// Reads and checks the file at `path`. Gives its bytes too, for their hash.
pub(super) fn read(path: &Path) -> Result<(CircuitFile, Vec<u8>), CircuitsError> {
    let cannot_read = |source| CircuitsError::Read { path: path.to_owned(), source };
    let bytes = fs::metadata(path).map_err(cannot_read)?.len();
    if bytes > MAX_FILE_BYTES {
        return Err(CircuitsError::TooLarge { path: path.to_owned(), bytes, most: MAX_FILE_BYTES });
    }
    let bytes = fs::read(path).map_err(cannot_read)?;
    Ok((parse(path, &bytes)?, bytes))
}

/// Reads the compiled circuit at `path`.
pub(super) fn read_r1cs(path: &Path) -> Result<R1cs, CircuitsError> {
    match read(path)?.0 {
        CircuitFile::R1cs(circuit) => Ok(circuit),
        other => Err(CircuitsError::NotAnR1cs { path: path.to_owned(), kind: other.kind() }),
    }
}

/// Circom's and snarkjs's files begin with their names, ark's with a point. A verifying key is as long
/// as the count in it says, which an arkzkey is not.
fn parse(path: &Path, bytes: &[u8]) -> Result<CircuitFile, CircuitsError> {
    let not_a_key = |source: KeyError| CircuitsError::Key { path: path.to_owned(), source };
    if bytes.starts_with(b"r1cs") {
        let circuit = R1cs::from_bytes(bytes);
        return circuit
            .map(CircuitFile::R1cs)
            .map_err(|source| CircuitsError::R1cs { path: path.to_owned(), source });
    }
    if bytes.starts_with(b"zkey") {
        let key = ProvingKey::from_zkey(bytes, Trust::Checked).map_err(not_a_key)?;
        return Ok(CircuitFile::Zkey(Box::new(key)));
    }
    if let Ok(key) = VerifyingKey::from_bytes(bytes) {
        return Ok(CircuitFile::VerifyingKey(Box::new(key)));
    }
    let key = ProvingKey::from_arkzkey(bytes, Trust::Checked).map_err(not_a_key)?;
    Ok(CircuitFile::Arkzkey(Box::new(key)))
}
