//! The certificate of secure WebSockets at the start: opened, or made for development.

use std::{
    fs::{self, OpenOptions},
    io::{self, Write},
    os::unix::fs::{OpenOptionsExt, PermissionsExt},
    path::{Path, PathBuf},
};

use weir_net::certificate::{self, Authorities, Certificate, Files, SelfSigned};

use crate::config::{CertificateSource, WebSocketConfig};

/// Why secure WebSockets cannot be served or dialled.
#[derive(Debug, thiserror::Error)]
pub enum CertificateError {
    /// The operator's files.
    #[error("{0}; check --websocket-secure-cert-path and --websocket-secure-key-path")]
    Given(#[source] certificate::CertificateError),
    /// The files the node made.
    #[error(
        "--websocket-secure-self-signed: {0}; remove websocket-cert.pem and websocket-key.pem for new ones"
    )]
    SelfSigned(#[source] certificate::CertificateError),
    /// A certificate cannot be for one of the names.
    #[error("--websocket-secure-self-signed: no certificate can be made for {}", .0.join(", "))]
    Names(Vec<String>),
    /// A file cannot be written.
    #[error("--websocket-secure-self-signed: {} cannot be written: {source}", path.display())]
    Unwritable {
        /// The file.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// The certificates to trust.
    #[error("--websocket-secure-trust-path: {0}")]
    Trusted(#[source] certificate::CertificateError),
}

/// What the network needs for secure WebSockets.
pub(super) struct Opened {
    pub(super) certificate: Option<Certificate>,
    pub(super) authorities: Authorities,
}

pub(super) fn open(config: &WebSocketConfig) -> Result<Opened, CertificateError> {
    let certificate = match config.secure.as_ref().map(|secure| &secure.certificate) {
        None => None,
        Some(CertificateSource::Files(files)) => {
            warn_if_all_may_read(&files.key);
            Some(Certificate::open(files.clone()).map_err(CertificateError::Given)?)
        }
        Some(CertificateSource::SelfSigned { files, names }) => {
            make_if_missing(files, names)?;
            Some(Certificate::open(files.clone()).map_err(CertificateError::SelfSigned)?)
        }
    };
    let authorities = match &config.trusted {
        Some(path) => Authorities::open(path).map_err(CertificateError::Trusted)?,
        None => Authorities::default(),
    };
    Ok(Opened { certificate, authorities })
}

/// Kept from start to start, so that a browser has to be told only once.
fn make_if_missing(files: &Files, names: &[String]) -> Result<(), CertificateError> {
    if files.certificate.exists() || files.key.exists() {
        return Ok(());
    }
    let made = SelfSigned::make(names).ok_or_else(|| CertificateError::Names(names.to_vec()))?;
    let unwritable = |path: &Path, source| CertificateError::Unwritable { path: path.to_owned(), source };
    write_secret(&files.key, made.key.as_bytes()).map_err(|source| unwritable(&files.key, source))?;
    fs::write(&files.certificate, made.certificate)
        .map_err(|source| unwritable(&files.certificate, source))?;
    tracing::info!(file = %files.certificate.display(), ?names, "made a certificate for development");
    Ok(())
}

/// Said and no more: how the files of an operator are kept is the operator's affair.
fn warn_if_all_may_read(key: &Path) {
    const OTHERS_READ: u32 = 0o004;
    if fs::metadata(key).is_ok_and(|meta| meta.permissions().mode() & OTHERS_READ != 0) {
        tracing::warn!(
            file = %key.display(),
            "every user of this machine can read the private key of secure WebSockets; chmod o-r it"
        );
    }
}

fn write_secret(path: &Path, bytes: &[u8]) -> io::Result<()> {
    OpenOptions::new().write(true).create_new(true).mode(0o600).open(path)?.write_all(bytes)
}
