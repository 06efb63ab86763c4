//! `weir circuits verify-key`: whether a key is a published one.

use std::fmt;

use serde::Serialize;
use weir_circuits::{CircuitKey, sha256_hex};

use super::{CircuitsError, file};
use crate::{cli::VerifyKeyArgs, output};

/// Checks the key and says whose it is. Reading has checked that every point is in its group.
pub(super) fn verify_key(arguments: &VerifyKeyArgs) -> Result<(), CircuitsError> {
    let (file, bytes) = file::read(&arguments.file)?;
    let Some(verifying_key) = file.verifying_key() else {
        return Err(CircuitsError::NotAKey { path: arguments.file.clone(), kind: file.kind() });
    };
    let matrices = file.matrices();
    if let Some(path) = &arguments.r1cs {
        let matrices = matrices.as_ref().ok_or(CircuitsError::NoConstraints)?;
        if *matrices != file::read_r1cs(path)?.matrices_digest() {
            return Err(CircuitsError::NotOfThisCircuit { path: path.clone() });
        }
    }
    let verifying_key = sha256_hex(&verifying_key.to_bytes());
    let (circuit, _) = CircuitKey::find(&verifying_key).map_err(CircuitsError::NotPublished)?;
    if matrices.is_some_and(|matrices| matrices != circuit.matrices) {
        return Err(CircuitsError::OtherConstraints { circuit: circuit.name });
    }
    let sha256 = sha256_hex(&bytes);
    let is_published_file = CircuitKey::find(&sha256).is_ok();
    let answer =
        Verified { circuit: circuit.name, kind: file.kind(), sha256, verifying_key, is_published_file };
    output::print_as(arguments.format, &answer)?;
    Ok(())
}

#[derive(Serialize)]
struct Verified {
    circuit: &'static str,
    kind: &'static str,
    sha256: String,
    verifying_key: String,
    is_published_file: bool,
}

impl fmt::Display for Verified {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "{}: {} of the published set-up", self.circuit, self.kind)?;
        writeln!(f, "sha256          {}", self.sha256)?;
        writeln!(f, "verifying key   {}", self.verifying_key)?;
        f.write_str(if self.is_published_file {
            "The file is the published one, byte by byte."
        } else {
            "The file is not one of the published ones; its points are valid, and no more is known of them."
        })
    }
}
