//! The certificate of secure WebSockets: read from PEM files, read again when they change.
//!
//! ```text
//!  files ──▶ Certificate ──▶ the acceptor asks it at every handshake
//!    └──── watch: every 10 s ──▶ another pair of bytes? ──▶ good: swapped; bad: said, the old one stays
//! ```
//!
//! Connections that are there keep the keys they agreed on; only new ones see the new certificate.

use std::{
    fmt, fs,
    io::{self, Read},
    path::{Path, PathBuf},
    sync::{Arc, Mutex, PoisonError, RwLock},
    time::{Duration, SystemTime},
};

use rcgen::{CertificateParams, DistinguishedName, DnType, KeyPair};
use tokio::time::MissedTickBehavior;
use tokio_rustls::rustls::{
    self, RootCertStore,
    crypto::ring,
    pki_types::{
        CertificateDer, PrivateKeyDer,
        pem::{self, PemObject},
    },
    server::{ClientHello, ResolvesServerCert},
    sign::CertifiedKey,
};
use zeroize::Zeroizing;

/// How often the files are looked at. Who renews certificates has weeks left; who tests waits.
const LOOK_EVERY: Duration = Duration::from_secs(10);

/// How long a self-signed certificate is good for. Apple's systems take none that is good for more
/// than 825 days.
const SELF_SIGNED_FOR: Duration = Duration::from_secs(800 * 24 * 60 * 60);

/// Longest PEM file that is read. A chain has a few certificates of 2 KB.
const MAX_FILE: u64 = 1024 * 1024;

/// Why a certificate cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum CertificateError {
    /// A file cannot be read.
    #[error("{} cannot be read: {source}", path.display())]
    Unreadable {
        /// The file.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// A file is too long to be what it should be.
    #[error("{} has more than {MAX_FILE} bytes, which is no PEM file with certificates", path.display())]
    TooLong {
        /// The file.
        path: PathBuf,
    },
    /// A file is not PEM.
    #[error("{} is not PEM: {problem}", path.display())]
    NotPem {
        /// The file.
        path: PathBuf,
        /// Why.
        problem: String,
    },
    /// No certificate in the file.
    #[error("{} has no certificate (no -----BEGIN CERTIFICATE-----)", path.display())]
    NoCertificate {
        /// The file.
        path: PathBuf,
    },
    /// A certificate that cannot be read.
    #[error("the certificate in {} cannot be used: {problem}", path.display())]
    BadCertificate {
        /// The file.
        path: PathBuf,
        /// Why.
        problem: String,
    },
    /// No private key in the file.
    #[error(
        "{} has no private key (no -----BEGIN PRIVATE KEY-----); a key with a password cannot be used",
        path.display()
    )]
    NoKey {
        /// The file.
        path: PathBuf,
    },
    /// A private key of a kind that is not known, or a damaged one.
    #[error("the private key in {} cannot be used: {problem}", path.display())]
    BadKey {
        /// The file.
        path: PathBuf,
        /// Why.
        problem: String,
    },
    /// The key is not that of the certificate.
    #[error("the private key in {} is not that of the certificate in {}", key.display(), certificate.display())]
    Mismatch {
        /// The file of the certificate.
        certificate: PathBuf,
        /// The file of the key.
        key: PathBuf,
    },
}

/// A certificate with its key, which can be swapped while it is used. Clones share it.
#[derive(Clone)]
pub struct Certificate(Arc<Shared>);

struct Shared {
    files: Files,
    current: RwLock<Arc<CertifiedKey>>,
    /// What the last look found, good or not, so that nothing is said twice; `None` when a file
    /// could not be read.
    seen: Mutex<Option<Contents>>,
}

/// Where a certificate and its key are kept.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Files {
    /// The certificate, then those that lead to an authority.
    pub certificate: PathBuf,
    /// The private key.
    pub key: PathBuf,
}

/// What is in the two files.
#[derive(PartialEq, Eq)]
struct Contents {
    certificate: Vec<u8>,
    key: Zeroizing<Vec<u8>>,
}

impl Certificate {
    /// Reads both files.
    pub fn open(files: Files) -> Result<Self, CertificateError> {
        let contents = Contents::read(&files)?;
        let current = RwLock::new(Arc::new(contents.parse(&files)?));
        Ok(Self(Arc::new(Shared { files, current, seen: Mutex::new(Some(contents)) })))
    }

    /// Reads the files again. `true` when there was another certificate, which is used from now on;
    /// `false` when there is nothing new since the last look. When this fails the certificate stays
    /// as it was.
    pub fn reload(&self) -> Result<bool, CertificateError> {
        let contents = Contents::read(&self.0.files);
        // Bytes and nothing: both are whole at any time, so a panic elsewhere does not spoil them.
        let mut seen = self.0.seen.lock().unwrap_or_else(PoisonError::into_inner);
        let contents = match contents {
            Ok(contents) => contents,
            Err(_) if seen.is_none() => return Ok(false),
            Err(error) => {
                *seen = None;
                return Err(error);
            }
        };
        if seen.as_ref() == Some(&contents) {
            return Ok(false);
        }
        let parsed = contents.parse(&self.0.files);
        *seen = Some(contents);
        *self.0.current.write().unwrap_or_else(PoisonError::into_inner) = Arc::new(parsed?);
        Ok(true)
    }

    /// Looks at the files from time to time, for ever.
    pub async fn watch(self) {
        let mut looks = tokio::time::interval(LOOK_EVERY);
        looks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            looks.tick().await;
            let certificate = self.clone();
            let look = tokio::task::spawn_blocking(move || certificate.reload());
            match look.await {
                Ok(Ok(true)) => {
                    let file = self.0.files.certificate.display();
                    tracing::info!(%file, "a new certificate is used for secure WebSockets");
                }
                Ok(Err(error)) => {
                    tracing::warn!(%error, "the new certificate is not used, the one before stays");
                }
                // Nothing new, or the runtime stops.
                Ok(Ok(false)) | Err(_) => {}
            }
        }
    }
}

impl ResolvesServerCert for Certificate {
    fn resolve(&self, _: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        Some(Arc::clone(&self.0.current.read().unwrap_or_else(PoisonError::into_inner)))
    }
}

impl fmt::Debug for Certificate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Certificate").field(&self.0.files).finish()
    }
}

impl Contents {
    fn read(files: &Files) -> Result<Self, CertificateError> {
        Ok(Self { certificate: read(&files.certificate)?, key: read(&files.key)?.into() })
    }

    fn parse(&self, files: &Files) -> Result<CertifiedKey, CertificateError> {
        let chain = certificates(&files.certificate, &self.certificate)?;
        let bad_key = |problem: String| CertificateError::BadKey { path: files.key.clone(), problem };
        let key = PrivateKeyDer::from_pem_slice(&self.key).map_err(|error| match error {
            pem::Error::NoItemsFound => CertificateError::NoKey { path: files.key.clone() },
            other => bad_key(problem(&other)),
        })?;
        CertifiedKey::from_der(chain, key, &ring::default_provider()).map_err(|error| match error {
            rustls::Error::InconsistentKeys(_) => {
                CertificateError::Mismatch { certificate: files.certificate.clone(), key: files.key.clone() }
            }
            rustls::Error::InvalidCertificate(problem) => CertificateError::BadCertificate {
                path: files.certificate.clone(),
                problem: format!("{problem:?}"),
            },
            other => bad_key(other.to_string()),
        })
    }
}

/// Who may vouch for the peers that are dialled: the public authorities, as browsers have them, and
/// those an operator adds.
#[derive(Clone, Default)]
pub struct Authorities(Vec<CertificateDer<'static>>);

impl Authorities {
    /// Those of a PEM file besides the public ones.
    pub fn open(path: &Path) -> Result<Self, CertificateError> {
        let certificates = certificates(path, &read(path)?)?;
        let mut roots = RootCertStore::empty();
        for certificate in &certificates {
            roots.add(certificate.clone()).map_err(|error| CertificateError::BadCertificate {
                path: path.to_owned(),
                problem: error.to_string(),
            })?;
        }
        Ok(Self(certificates))
    }

    pub(crate) fn roots(&self) -> RootCertStore {
        let mut roots = RootCertStore { roots: webpki_roots::TLS_SERVER_ROOTS.to_vec() };
        roots.add_parsable_certificates(self.0.iter().cloned());
        roots
    }
}

impl fmt::Debug for Authorities {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Authorities(public and {} more)", self.0.len())
    }
}

/// A certificate nobody vouches for, with its key, both as PEM.
pub struct SelfSigned {
    /// The certificate.
    pub certificate: String,
    /// The private key.
    pub key: Zeroizing<String>,
}

impl SelfSigned {
    /// Makes one for these DNS names and IP addresses. `None` when one of them is neither.
    pub fn make(names: &[String]) -> Option<Self> {
        let mut params = CertificateParams::new(names).ok()?;
        params.distinguished_name = DistinguishedName::new();
        params.distinguished_name.push(DnType::CommonName, "weir development certificate");
        let now = SystemTime::now();
        // Clocks differ.
        params.not_before = (now - Duration::from_secs(24 * 60 * 60)).into();
        params.not_after = (now + SELF_SIGNED_FOR).into();
        let key = KeyPair::generate().ok()?;
        let certificate = params.self_signed(&key).ok()?;
        Some(Self { certificate: certificate.pem(), key: key.serialize_pem().into() })
    }
}

impl fmt::Debug for SelfSigned {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SelfSigned").field("certificate", &self.certificate).finish_non_exhaustive()
    }
}

fn read(path: &Path) -> Result<Vec<u8>, CertificateError> {
    let unreadable = |source| CertificateError::Unreadable { path: path.to_owned(), source };
    let mut bytes = Vec::new();
    // Not by the length the system tells, which devices and files that grow do not keep to.
    let file = fs::File::open(path).map_err(unreadable)?;
    file.take(MAX_FILE + 1).read_to_end(&mut bytes).map_err(unreadable)?;
    match u64::try_from(bytes.len()) {
        Ok(length) if length <= MAX_FILE => Ok(bytes),
        _ => Err(CertificateError::TooLong { path: path.to_owned() }),
    }
}

fn certificates(path: &Path, pem: &[u8]) -> Result<Vec<CertificateDer<'static>>, CertificateError> {
    let chain: Vec<_> = CertificateDer::pem_slice_iter(pem)
        .collect::<Result<_, _>>()
        .map_err(|error| CertificateError::NotPem { path: path.to_owned(), problem: problem(&error) })?;
    if chain.is_empty() {
        return Err(CertificateError::NoCertificate { path: path.to_owned() });
    }
    Ok(chain)
}

/// What is wrong with a PEM file. The error itself shows a marker as a list of numbers.
fn problem(error: &pem::Error) -> String {
    match error {
        pem::Error::MissingSectionEnd { end_marker } => {
            format!("-----END {}----- is missing", String::from_utf8_lossy(end_marker))
        }
        other => other.to_string(),
    }
}
