//! One encrypted entry of a keystore: the Web3 secret storage format with any plaintext.
//!
//! AES-128-CTR under the first half of a derived key; Keccak-256 of the second half and the
//! ciphertext as the authentication code. nwaku leaves the entry's `id` empty and does not read
//! it; weir puts a checksum there, so that a damaged entry is not taken for a wrong password.

use aes::{
    Aes128,
    cipher::{KeyIvInit, StreamCipher},
};
use ctr::Ctr128BE;
use rand::{CryptoRng, RngCore};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use sha2::{Digest, Sha256};
use sha3::Keccak256;
use subtle::ConstantTimeEq;
use zeroize::Zeroizing;

use super::kdf::{Kdf, KdfParams};

/// The only cipher of the format.
const CIPHER: &str = "aes-128-ctr";

/// Begins the `id` of an entry that carries a checksum.
const CHECKSUM_PREFIX: &str = "sha256-";

/// Why an entry does not give its plaintext.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum KeyfileError {
    /// A field is missing or not of its form.
    #[error("its field `{field}` is missing or malformed")]
    Malformed {
        /// The field.
        field: &'static str,
    },
    /// Fields are missing or have other types.
    #[error("it is not a keystore entry: {0}")]
    Structure(String),
    /// Encrypted in a way this format does not have.
    #[error("its cipher `{0}` is unknown; only {CIPHER} is read")]
    UnsupportedCipher(String),
    /// A key derivation other than PBKDF2 and scrypt.
    #[error("its key derivation `{0}` is unknown; pbkdf2 and scrypt are read")]
    UnsupportedKdf(String),
    /// PBKDF2 over something else than HMAC-SHA256.
    #[error("its pseudo-random function `{0}` is unknown; only hmac-sha256 is read")]
    UnsupportedPrf(String),
    /// A parameter that makes no sense, or that would cost too much memory or time.
    #[error("its key derivation parameter {parameter} = {value} is outside what is safe to compute")]
    KdfOutOfBounds {
        /// The parameter, or a product of some.
        parameter: &'static str,
        /// Its value.
        value: u64,
    },
    /// The entry was altered since weir wrote it.
    #[error("it is damaged: its checksum does not match")]
    Damaged,
    /// The password is not the one it was encrypted with. An entry without checksum, as nwaku
    /// writes it, gives this for damaged ciphertext too.
    #[error("the password is wrong")]
    WrongPassword,
}

/// A parsed entry, still encrypted.
#[derive(Debug)]
pub(super) struct Keyfile {
    iv: [u8; 16],
    ciphertext: Vec<u8>,
    kdf: KdfParams,
    mac: [u8; 32],
    /// The `id` field.
    id: String,
}

/// An entry as the file has it; hex without prefix.
#[derive(Serialize, Deserialize)]
struct EntryJson {
    crypto: CryptoJson,
    #[serde(default)]
    id: Value,
    #[serde(default)]
    version: Value,
}

#[derive(Serialize, Deserialize)]
struct CryptoJson {
    cipher: String,
    cipherparams: CipherParamsJson,
    ciphertext: String,
    kdf: String,
    kdfparams: Value,
    mac: String,
}

#[derive(Serialize, Deserialize)]
struct CipherParamsJson {
    iv: String,
}

impl KeyfileError {
    /// `kdfparams` without the fields of its kind.
    pub(super) fn parameters(error: serde_json::Error) -> Self {
        Self::Structure(format!("kdfparams: {error}"))
    }
}

impl Keyfile {
    /// Encrypts `plaintext` under a password and fresh salt and iv.
    pub(super) fn encrypt(
        plaintext: &[u8],
        password: &str,
        kdf: Kdf,
        rng: &mut (impl RngCore + CryptoRng),
    ) -> Self {
        let (mut salt, mut iv) = ([0; 16], [0; 16]);
        rng.fill_bytes(&mut salt);
        rng.fill_bytes(&mut iv);
        let kdf = KdfParams::new(kdf, salt);
        let key = kdf.derive_key(password);
        let mut ciphertext = plaintext.to_vec();
        apply_cipher(&key, &iv, &mut ciphertext);
        let mac = authentication_code(&key, &ciphertext);
        let mut keyfile = Self { iv, ciphertext, kdf, mac, id: String::new() };
        keyfile.id = keyfile.checksum();
        keyfile
    }

    /// The plaintext, if the password is the one it was encrypted with.
    pub(super) fn decrypt(&self, password: &str) -> Result<Zeroizing<Vec<u8>>, KeyfileError> {
        if self.id.starts_with(CHECKSUM_PREFIX) && self.id != self.checksum() {
            return Err(KeyfileError::Damaged);
        }
        let key = self.kdf.derive_key(password);
        let expected = authentication_code(&key, &self.ciphertext);
        if !bool::from(expected.ct_eq(&self.mac)) {
            return Err(KeyfileError::WrongPassword);
        }
        let mut plaintext = Zeroizing::new(self.ciphertext.clone());
        apply_cipher(&key, &self.iv, &mut plaintext);
        Ok(plaintext)
    }

    /// Reads an entry and checks every bound, without deriving anything.
    pub(super) fn from_json(entry: &Value) -> Result<Self, KeyfileError> {
        let entry =
            EntryJson::deserialize(entry).map_err(|error| KeyfileError::Structure(error.to_string()))?;
        let crypto = entry.crypto;
        if !crypto.cipher.eq_ignore_ascii_case(CIPHER) {
            return Err(KeyfileError::UnsupportedCipher(crypto.cipher));
        }
        let kdf = KdfParams::from_json(&crypto.kdf, &crypto.kdfparams)?;
        let malformed = |field| move |_| KeyfileError::Malformed { field };
        let mut iv = [0; 16];
        hex::decode_to_slice(crypto.cipherparams.iv, &mut iv).map_err(malformed("iv"))?;
        let mut mac = [0; 32];
        hex::decode_to_slice(crypto.mac, &mut mac).map_err(malformed("mac"))?;
        let ciphertext = hex::decode(crypto.ciphertext).map_err(malformed("ciphertext"))?;
        let id = entry.id.as_str().unwrap_or_default().to_owned();
        Ok(Self { iv, ciphertext, kdf, mac, id })
    }

    /// The entry as nwaku writes it, but for the `id`.
    pub(super) fn to_json(&self) -> Value {
        let (kdf, kdfparams) = self.kdf.to_json();
        serde_json::json!(EntryJson {
            crypto: CryptoJson {
                cipher: CIPHER.to_owned(),
                cipherparams: CipherParamsJson { iv: hex::encode(self.iv) },
                ciphertext: hex::encode(&self.ciphertext),
                kdf: kdf.to_owned(),
                kdfparams,
                mac: hex::encode(self.mac),
            },
            id: self.id.clone().into(),
            version: "".into(),
        })
    }

    /// Covers every value that decryption uses, not how the file spells it.
    fn checksum(&self) -> String {
        let mut hasher = Sha256::new();
        hasher.update(self.kdf.describe());
        for part in [&self.iv[..], &self.mac, &self.ciphertext] {
            hasher.update(part);
        }
        format!("{CHECKSUM_PREFIX}{}", hex::encode(hasher.finalize()))
    }
}

/// Encrypts or decrypts in place; CTR does not tell the two apart.
fn apply_cipher(key: &[u8; 32], iv: &[u8; 16], data: &mut [u8]) {
    let mut encryption_key = Zeroizing::new([0; 16]);
    encryption_key.copy_from_slice(&key[..16]);
    Ctr128BE::<Aes128>::new((&*encryption_key).into(), iv.into()).apply_keystream(data);
}

fn authentication_code(key: &[u8; 32], ciphertext: &[u8]) -> [u8; 32] {
    Keccak256::new().chain_update(&key[16..]).chain_update(ciphertext).finalize().into()
}

#[cfg(test)]
mod tests;
