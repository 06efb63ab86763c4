//! `weir circuits inspect`: what a file is, how large its circuit is, and whether it is a published one.

use std::fmt;

use serde::Serialize;
use weir_circuits::{CircuitKey, sha256_hex};

use super::{
    CircuitsError,
    file::{self, CircuitFile},
};
use crate::{cli::InspectArgs, output};

/// Shows what the file is.
pub(super) fn inspect(arguments: &InspectArgs) -> Result<(), CircuitsError> {
    let (file, bytes) = file::read(&arguments.file)?;
    output::print_as(arguments.format, &Inspection::of(&file, &bytes))?;
    Ok(())
}

/// The answer. What a kind of file does not hold is absent.
#[derive(Serialize)]
struct Inspection {
    kind: &'static str,
    sha256: String,
    /// The circuit whose published file this very file is.
    published_file_of: Option<&'static str>,
    /// The circuit whose published set-up the verifying key belongs to.
    published_set_up_of: Option<&'static str>,
    /// The circuit that has these constraints, whatever the set-up.
    constraints_of: Option<&'static str>,
    verifying_key_sha256: Option<String>,
    constraints: Option<usize>,
    wires: Option<usize>,
    public_inputs: usize,
    domain: Option<usize>,
    /// Terms in left factors, right factors and, in an .r1cs, products.
    non_zeros: Option<Vec<usize>>,
}

impl Inspection {
    fn of(file: &CircuitFile, bytes: &[u8]) -> Self {
        let sha256 = sha256_hex(bytes);
        let verifying_key_sha256 = file.verifying_key().map(|key| sha256_hex(&key.to_bytes()));
        let published = |hash: &str| CircuitKey::find(hash).ok().map(|(key, _)| key.name);
        let mut inspection = Self {
            kind: file.kind(),
            published_file_of: published(&sha256),
            published_set_up_of: verifying_key_sha256.as_deref().and_then(published),
            constraints_of: file
                .matrices()
                .and_then(|digest| CircuitKey::find_matrices(&digest).ok().map(|key| key.name)),
            sha256,
            verifying_key_sha256,
            constraints: None,
            wires: None,
            public_inputs: 0,
            domain: None,
            non_zeros: None,
        };
        inspection.add_shape(file);
        inspection
    }

    fn add_shape(&mut self, file: &CircuitFile) {
        match file {
            CircuitFile::R1cs(circuit) => {
                let shape = circuit.shape();
                self.constraints = Some(shape.constraints);
                self.wires = Some(shape.wires);
                self.public_inputs = shape.public;
                self.domain = Some(shape.domain());
                self.non_zeros = Some(shape.non_zeros.to_vec());
            }
            CircuitFile::Arkzkey(key) | CircuitFile::Zkey(key) => {
                self.constraints = Some(key.constraint_count());
                self.wires = Some(key.wire_count());
                self.public_inputs = key.public_wire_count() - 1;
                self.domain = Some(key.domain_size());
                let left = key.left_sides().map(Iterator::count).sum();
                let right = key.right_sides().map(Iterator::count).sum();
                self.non_zeros = Some(vec![left, right]);
            }
            // One of its points is the constant wire's.
            CircuitFile::VerifyingKey(key) => {
                self.public_inputs = key.gamma_abc_g1.len().saturating_sub(1);
            }
        }
    }
}

impl fmt::Display for Inspection {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let known = |name: Option<&'static str>| name.unwrap_or("none that weir knows");
        writeln!(f, "kind            {}", self.kind)?;
        writeln!(f, "sha256          {}", self.sha256)?;
        writeln!(f, "published as    {}", known(self.published_file_of))?;
        if let Some(hash) = &self.verifying_key_sha256 {
            writeln!(f, "verifying key   {hash}")?;
            writeln!(f, "set-up of       {}", known(self.published_set_up_of))?;
        }
        if let (Some(constraints), Some(wires), Some(domain)) = (self.constraints, self.wires, self.domain) {
            writeln!(f, "circuit         {}", known(self.constraints_of))?;
            writeln!(f, "constraints     {constraints}, over a domain of {domain}")?;
            writeln!(f, "wires           {wires}")?;
        }
        if let Some(terms) = &self.non_zeros {
            let terms: Vec<String> = terms.iter().map(usize::to_string).collect();
            writeln!(f, "non-zeros       {}", terms.join(" / "))?;
        }
        write!(f, "public inputs   {}", self.public_inputs)
    }
}
