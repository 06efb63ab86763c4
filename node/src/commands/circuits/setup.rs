//! `weir circuits setup`: keys for development.

use std::{
    fmt,
    fs::{self, File},
    io::Write,
    path::{Path, PathBuf},
};

use rand::rngs::OsRng;
use serde::Serialize;
use weir_circuits::sha256_hex;

use super::{CircuitsError, file};
use crate::{cli::SetupArgs, output};

const WARNING: &str = "made by one person: for development, never for production";

/// Makes both keys and writes them.
pub(super) fn set_up(arguments: &SetupArgs) -> Result<(), CircuitsError> {
    let circuit = file::read_r1cs(&arguments.r1cs)?;
    let key = weir_circuits_setup::set_up(&circuit, &mut OsRng)?;
    let folder = &arguments.out;
    fs::create_dir_all(folder).map_err(|source| CircuitsError::Write { path: folder.clone(), source })?;
    let name = arguments.r1cs.with_extension("");
    let name = name.file_name().unwrap_or_default();
    let written = |extension: &str, bytes: &[u8]| -> Result<Written, CircuitsError> {
        let path = folder.join(name).with_extension(extension);
        write_new(&path, bytes).map_err(|source| CircuitsError::Write { path: path.clone(), source })?;
        Ok(Written { path, sha256: sha256_hex(bytes) })
    };
    let answer = SetUp {
        warning: WARNING,
        proving_key: written("arkzkey", &key.to_arkzkey())?,
        verifying_key: written("vk", &key.to_verifying_key())?,
    };
    output::print_as(arguments.format, &answer)?;
    Ok(())
}

/// A key that is in use somewhere must not vanish under another one.
fn write_new(path: &Path, bytes: &[u8]) -> std::io::Result<()> {
    let mut file = File::create_new(path)?;
    file.write_all(bytes)?;
    file.sync_all()
}

#[derive(Serialize)]
struct SetUp {
    warning: &'static str,
    proving_key: Written,
    verifying_key: Written,
}

#[derive(Serialize)]
struct Written {
    path: PathBuf,
    sha256: String,
}

impl fmt::Display for SetUp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for Written { path, sha256 } in [&self.proving_key, &self.verifying_key] {
            writeln!(f, "{sha256}  {}", path.display())?;
        }
        write!(f, "warning: {}", self.warning)
    }
}
