use rand::SeedableRng;
use rand_chacha::ChaCha20Rng;
use serde_json::json;

use super::*;

/// The two vectors of the Web3 secret storage definition; the scrypt one has nwaku's parameters.
const WEB3_PASSWORD: &str = "testpassword";
const WEB3_SECRET: &str = "7a28b5ba57c53603b0b07b56bba752f7784bf506fa95edc395f5cf6c7514fe9d";

fn web3_pbkdf2() -> Value {
    json!({"crypto": {
        "cipher": "aes-128-ctr",
        "cipherparams": {"iv": "6087dab2f9fdbbfaddc31a909735c1e6"},
        "ciphertext": "5318b4d5bcd28de64ee5559e671353e16f075ecae9f99c7a79a38af5f869aa46",
        "kdf": "pbkdf2",
        "kdfparams": {
            "c": 262_144,
            "dklen": 32,
            "prf": "hmac-sha256",
            "salt": "ae3cd4e7013836a3df6bd7241b12db061dbe2c6785853cce422d148a624ce0bd",
        },
        "mac": "517ead924a9d0dc3124507e3393d175ce3ff7c1e96529c6c555ce9e51205e9b2",
    }, "id": "3198bc9c-6672-5ab3-d995-4942343ae5b6", "version": 3})
}

fn web3_scrypt() -> Value {
    json!({"crypto": {
        "cipher": "aes-128-ctr",
        "cipherparams": {"iv": "83dbcc02d8ccb40e466191a123791e0e"},
        "ciphertext": "d172bf743a674da9cdad04534d56926ef8358534d458fffccd4e6ad2fbde479c",
        "kdf": "scrypt",
        "kdfparams": {
            "dklen": 32,
            "n": 262_144,
            "r": 1,
            "p": 8,
            "salt": "ab0c7876052600dd703518d6fc3fe8984592145b591fc8fb5c6d43190334ba19",
        },
        "mac": "2103ac29920d71da29f15d75b4a16dbe95cfd7ff8faea1056c33131d846e3097",
    }})
}

/// `entry` with another value at a JSON pointer.
fn with(mut entry: Value, pointer: &str, value: Value) -> Value {
    *entry.pointer_mut(pointer).expect("the pointer leads to a field") = value;
    entry
}

fn open(entry: &Value, password: &str) -> Result<String, KeyfileError> {
    Keyfile::from_json(entry)?.decrypt(password).map(|plaintext| hex::encode(&*plaintext))
}

#[test]
fn web3_entries_of_both_key_derivations_are_read() {
    for entry in [web3_pbkdf2(), web3_scrypt()] {
        assert_eq!(open(&entry, WEB3_PASSWORD).as_deref(), Ok(WEB3_SECRET));
    }
}

#[test]
fn a_wrong_password_is_told_from_a_damaged_entry() {
    let rng = &mut ChaCha20Rng::seed_from_u64(1);
    let entry = Keyfile::encrypt(b"plaintext", "right", Kdf::RandomPassword, rng).to_json();
    assert_eq!(open(&entry, "right"), Ok(hex::encode(b"plaintext")));
    assert_eq!(open(&entry, "wrong"), Err(KeyfileError::WrongPassword));
    for pointer in ["/crypto/ciphertext", "/crypto/mac", "/crypto/cipherparams/iv", "/crypto/kdfparams/salt"]
    {
        let hex_text = entry.pointer(pointer).and_then(Value::as_str).expect("a text").to_owned();
        let first = if hex_text.starts_with('0') { "1" } else { "0" };
        let damaged = with(entry.clone(), pointer, format!("{first}{}", &hex_text[1..]).into());
        assert_eq!(open(&damaged, "right"), Err(KeyfileError::Damaged), "{pointer}");
    }
    let damaged = with(entry, "/crypto/kdfparams/c", 4097.into());
    assert_eq!(open(&damaged, "right"), Err(KeyfileError::Damaged));
}

#[test]
fn without_the_checksum_damage_looks_like_a_wrong_password() {
    let damaged = with(web3_pbkdf2(), "/crypto/mac", "00".repeat(32).into());
    assert_eq!(open(&damaged, WEB3_PASSWORD), Err(KeyfileError::WrongPassword));
}

#[test]
fn two_encryptions_of_one_plaintext_share_neither_salt_nor_iv_nor_ciphertext() {
    let rng = &mut ChaCha20Rng::seed_from_u64(2);
    let [a, b] = [(); 2].map(|()| Keyfile::encrypt(b"same", "same", Kdf::RandomPassword, rng));
    assert_ne!(a.iv, b.iv);
    assert_ne!(a.kdf, b.kdf);
    assert_ne!(a.ciphertext, b.ciphertext);
}

#[test]
fn hostile_key_derivations_are_refused_before_any_work() {
    let max = u64::from(u32::MAX);
    let out_of_bounds = [
        (web3_pbkdf2(), "c", 0),
        (web3_pbkdf2(), "c", 10_000_001),
        (web3_pbkdf2(), "c", max),
        (web3_pbkdf2(), "dklen", 31),
        (web3_pbkdf2(), "dklen", 129),
        (web3_scrypt(), "n", 0),
        (web3_scrypt(), "n", 1),
        (web3_scrypt(), "n", 262_143),
        (web3_scrypt(), "r", 0),
        (web3_scrypt(), "r", 33),
        (web3_scrypt(), "p", 0),
        (web3_scrypt(), "p", max),
    ];
    for (entry, name, value) in out_of_bounds {
        let entry = with(entry, &format!("/crypto/kdfparams/{name}"), value.into());
        let error = open(&entry, WEB3_PASSWORD).expect_err(name);
        assert!(
            matches!(&error, KeyfileError::KdfOutOfBounds { parameter, value: found } if *parameter == name && *found == value),
            "{error:?}"
        );
    }
    let too_large = with(web3_scrypt(), "/crypto/kdfparams/n", (1u64 << 22).into());
    let expected = KeyfileError::KdfOutOfBounds { parameter: "n * r", value: 1 << 22 };
    assert_eq!(open(&too_large, ""), Err(expected));
    let too_slow =
        with(with(web3_scrypt(), "/crypto/kdfparams/r", 8.into()), "/crypto/kdfparams/p", 5.into());
    let expected = KeyfileError::KdfOutOfBounds { parameter: "n * r * p", value: 5 << 21 };
    assert_eq!(open(&too_slow, ""), Err(expected));
    let beyond_32_bits = with(web3_pbkdf2(), "/crypto/kdfparams/c", (max + 1).into());
    assert!(matches!(open(&beyond_32_bits, ""), Err(KeyfileError::Structure(_))));
}

#[test]
fn every_field_that_is_not_of_its_form_is_named() {
    let cases = [
        ("/crypto/mac", "mac", "00"),
        ("/crypto/mac", "mac", "zz"),
        ("/crypto/cipherparams/iv", "iv", "00"),
        ("/crypto/ciphertext", "ciphertext", "0"),
        ("/crypto/kdfparams/salt", "salt", ""),
        ("/crypto/kdfparams/salt", "salt", "0x00"),
    ];
    for (pointer, field, value) in cases {
        let entry = with(web3_pbkdf2(), pointer, value.into());
        assert_eq!(open(&entry, ""), Err(KeyfileError::Malformed { field }), "{pointer} {value}");
    }
}

#[test]
fn algorithms_the_format_does_not_have_are_named() {
    let unknown = || "blowfish".to_owned();
    let cases = [
        ("/crypto/cipher", KeyfileError::UnsupportedCipher(unknown())),
        ("/crypto/kdf", KeyfileError::UnsupportedKdf(unknown())),
        ("/crypto/kdfparams/prf", KeyfileError::UnsupportedPrf(unknown())),
    ];
    for (pointer, expected) in cases {
        assert_eq!(open(&with(web3_pbkdf2(), pointer, unknown().into()), ""), Err(expected));
    }
    assert!(matches!(open(&json!({"crypto": {}}), ""), Err(KeyfileError::Structure(_))));
}
