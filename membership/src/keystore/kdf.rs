//! From a password to the key of a keystore entry.
//!
//! # Security
//! The parameters come from a file that may be hostile. They are bounded before any is used, so
//! that the worst file costs 256 MiB and some ten seconds: [`KdfParams::from_json`].

use pbkdf2::pbkdf2_hmac;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use sha2::Sha256;
use zeroize::Zeroizing;

use super::{keyfile::KeyfileError, scrypt::scrypt};

/// How much work guessing a password of a new entry costs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kdf {
    /// For a password a person chose: nwaku's 1 000 000 rounds.
    Interactive,
    /// For 256 random bits, which nobody guesses however fast: 4096 rounds, so that a node starts
    /// without delay.
    RandomPassword,
}

/// Rounds of PBKDF2 a file may ask for: ten times nwaku's, some seconds.
const MAX_ROUNDS: u32 = 10_000_000;

/// `n * r` a file may ask for: 256 MiB, what Ethereum wallets use (n = 262144, r = 8).
const MAX_SCRYPT_MEMORY: u64 = 1 << 21;

/// `n * r * p` a file may ask for: four times the work of nwaku (n = 262144, r = 1, p = 8).
const MAX_SCRYPT_WORK: u64 = 1 << 23;

/// `r` and `p` a file may ask for: known writers use 1 and 8; keeps the lanes below 128 KiB.
const MAX_SCRYPT_SHAPE: u32 = 32;

/// Bytes of salt: known writers use 16 or 32.
const SALT_LENGTH: std::ops::RangeInclusive<usize> = 1..=128;

/// Key lengths other writers state. 32 bytes are derived in any case, as nwaku does: a longer key
/// begins with the same bytes and no more of it is used.
const STATED_KEY_LENGTH: std::ops::RangeInclusive<u32> = 32..=128;

/// Checked parameters of a key derivation.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct KdfParams {
    kind: Kind,
    salt: Vec<u8>,
    /// Stated key length, kept because it is part of what was written.
    dklen: u32,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    Pbkdf2 { rounds: u32 },
    Scrypt { n: u32, r: u32, p: u32 },
}

/// `kdfparams` of PBKDF2 as the file has them.
#[derive(Serialize, Deserialize)]
struct Pbkdf2Json {
    dklen: u32,
    c: u32,
    prf: String,
    salt: String,
}

/// `kdfparams` of scrypt as the file has them.
#[derive(Serialize, Deserialize)]
struct ScryptJson {
    dklen: u32,
    n: u32,
    r: u32,
    p: u32,
    salt: String,
}

impl KdfParams {
    /// What a new entry gets: PBKDF2 with HMAC-SHA256 and the given salt.
    pub(super) fn new(kdf: Kdf, salt: [u8; 16]) -> Self {
        let rounds = match kdf {
            Kdf::Interactive => 1_000_000,
            Kdf::RandomPassword => 4096,
        };
        Self { kind: Kind::Pbkdf2 { rounds }, salt: salt.to_vec(), dklen: 32 }
    }

    /// Reads `kdf` and `kdfparams` and checks every bound.
    pub(super) fn from_json(kdf: &str, params: &Value) -> Result<Self, KeyfileError> {
        let (kind, salt, dklen) = match kdf {
            "pbkdf2" => {
                let json = Pbkdf2Json::deserialize(params).map_err(KeyfileError::parameters)?;
                if !json.prf.eq_ignore_ascii_case("hmac-sha256") {
                    return Err(KeyfileError::UnsupportedPrf(json.prf));
                }
                bounded("c", json.c, 1..=MAX_ROUNDS)?;
                (Kind::Pbkdf2 { rounds: json.c }, json.salt, json.dklen)
            }
            "scrypt" => {
                let json = ScryptJson::deserialize(params).map_err(KeyfileError::parameters)?;
                let ScryptJson { n, r, p, .. } = json;
                check_scrypt(n, r, p)?;
                (Kind::Scrypt { n, r, p }, json.salt, json.dklen)
            }
            other => return Err(KeyfileError::UnsupportedKdf(other.to_owned())),
        };
        bounded("dklen", dklen, STATED_KEY_LENGTH)?;
        let salt = hex::decode(salt).map_err(|_| KeyfileError::Malformed { field: "salt" })?;
        if !SALT_LENGTH.contains(&salt.len()) {
            return Err(KeyfileError::Malformed { field: "salt" });
        }
        Ok(Self { kind, salt, dklen })
    }

    /// The `kdf` and `kdfparams` fields, in nwaku's order.
    pub(super) fn to_json(&self) -> (&'static str, Value) {
        let (dklen, salt) = (self.dklen, hex::encode(&self.salt));
        match self.kind {
            Kind::Pbkdf2 { rounds: c } => {
                ("pbkdf2", serde_json::json!(Pbkdf2Json { dklen, c, prf: "hmac-sha256".to_owned(), salt }))
            }
            Kind::Scrypt { n, r, p } => ("scrypt", serde_json::json!(ScryptJson { dklen, n, r, p, salt })),
        }
    }

    /// All parameters in one line, to be covered by an entry's checksum.
    pub(super) fn describe(&self) -> String {
        format!("{:?} {} {}", self.kind, self.dklen, hex::encode(&self.salt))
    }

    /// The key: 16 bytes to encrypt with, 16 to authenticate with. Takes as long as the
    /// parameters ask for.
    pub(super) fn derive_key(&self, password: &str) -> Zeroizing<[u8; 32]> {
        let mut key = Zeroizing::new([0; 32]);
        match self.kind {
            Kind::Pbkdf2 { rounds } => {
                pbkdf2_hmac::<Sha256>(password.as_bytes(), &self.salt, rounds, key.as_mut());
            }
            Kind::Scrypt { n, r, p } => {
                scrypt(password.as_bytes(), &self.salt, n as usize, r as usize, p as usize, &mut key);
            }
        }
        key
    }
}

fn check_scrypt(n: u32, r: u32, p: u32) -> Result<(), KeyfileError> {
    bounded("r", r, 1..=MAX_SCRYPT_SHAPE)?;
    bounded("p", p, 1..=MAX_SCRYPT_SHAPE)?;
    if n < 2 || !n.is_power_of_two() {
        return Err(KeyfileError::KdfOutOfBounds { parameter: "n", value: n.into() });
    }
    let memory = u64::from(n) * u64::from(r);
    if memory > MAX_SCRYPT_MEMORY {
        return Err(KeyfileError::KdfOutOfBounds { parameter: "n * r", value: memory });
    }
    let work = memory * u64::from(p);
    if work > MAX_SCRYPT_WORK {
        return Err(KeyfileError::KdfOutOfBounds { parameter: "n * r * p", value: work });
    }
    Ok(())
}

fn bounded(
    parameter: &'static str,
    value: u32,
    range: std::ops::RangeInclusive<u32>,
) -> Result<(), KeyfileError> {
    if range.contains(&value) {
        Ok(())
    } else {
        Err(KeyfileError::KdfOutOfBounds { parameter, value: value.into() })
    }
}
