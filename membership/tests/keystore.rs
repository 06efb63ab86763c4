//! Keystores as files: nwaku's format, damage, passwords and permissions.

use std::{fs, path::PathBuf};

use rand::SeedableRng;
use rand_chacha::ChaCha20Rng;
use tempfile::TempDir;
use weir_membership::{
    Contract,
    keystore::{
        Credential, CredentialError, Kdf, KeyfileError, Keystore, KeystoreError, create_password_file,
        credential_key, read_password_file,
    },
};
use weir_rln::{Identity, MembershipIndex, UserMessageLimit};

const PASSWORD: &str = "correct horse";

struct World {
    directory: TempDir,
    rng: ChaCha20Rng,
}

impl World {
    fn new() -> Self {
        let directory = tempfile::tempdir().expect("a temporary directory");
        Self { directory, rng: ChaCha20Rng::seed_from_u64(7) }
    }

    fn path(&self) -> PathBuf {
        self.directory.path().join("keystore.json")
    }

    fn credential(&mut self, at: u32) -> Credential {
        Credential {
            identity: Identity::generate(&mut self.rng),
            index: index(at),
            limit: UserMessageLimit::new(100).expect("within 16 bits"),
            contract: contract(),
        }
    }

    fn create(&mut self, credential: &Credential) -> Keystore {
        Keystore::create(&self.path(), credential, PASSWORD, Kdf::RandomPassword, &mut self.rng)
            .expect("a new file")
    }

    fn put(&self, text: &str) {
        fs::write(self.path(), text).expect("the directory is writable");
    }

    fn text(&self) -> String {
        fs::read_to_string(self.path()).expect("the keystore is there")
    }

    fn files(&self) -> Vec<String> {
        let entries = fs::read_dir(self.directory.path()).expect("the directory is there");
        entries.map(|entry| entry.expect("an entry").file_name().to_string_lossy().into_owned()).collect()
    }
}

fn contract() -> Contract {
    Contract {
        chain_id: "59141".to_owned(),
        address: "0xB9cd878C90E49F797B4431fBF4fb333108CB90e6".to_owned(),
    }
}

fn index(number: u32) -> MembershipIndex {
    MembershipIndex::new(number).expect("within the tree")
}

/// All that a credential holds, comparable.
fn parts(credential: &Credential) -> (Vec<u8>, u32, u32, Contract) {
    let Credential { identity, index, limit, contract } = credential;
    let secrets = [identity.trapdoor().to_vec(), identity.nullifier().to_vec()].concat();
    (secrets, index.get(), limit.get(), contract.clone())
}

#[test]
fn keys_are_the_hash_of_chain_address_and_index() {
    let cases = [
        (
            "5",
            "0x0123456789012345678901234567890123456789",
            1,
            "74B6340DAEB78A97FD648A6B697AE964501CE8D57F621FA4D2B5CFA2788070C2",
        ),
        // The key nwaku and js-waku give to the membership in their tests.
        (
            "0xAA36A7",
            "0x8e1F3742B987d8BA376c0CBbD7357fE1F003ED71",
            8,
            "9DB2B4718A97485B9F70F68D1CC19F4E10F0B4CE943418838E94956CB8E57548",
        ),
    ];
    for (chain_id, address, at, expected) in cases {
        let contract = Contract { chain_id: chain_id.to_owned(), address: address.to_owned() };
        assert_eq!(credential_key(&contract, index(at)), expected);
    }
}

/// Made by another implementation of the format (Python's hashlib and OpenSSL's AES) with nwaku's
/// parameters, field order and empty `id`; the identity is the Poseidon vector of nwaku's tests.
#[test]
fn a_keystore_in_nwakus_form_is_read() {
    let world = World::new();
    world.put(include_str!("vectors/nwaku_keystore.json"));
    let keystore = Keystore::open(&world.path()).unwrap();
    let credential = keystore.credential("%m0um0ucoW%", None).unwrap();
    let mut secret = *credential.identity.secret().to_bytes();
    secret.reverse();
    assert_eq!(hex::encode(secret), "180543bc9afb81d9c2282df9c9946f87b4596cf6d3fec2cc32b6637427685353");
    assert_eq!((credential.index.get(), credential.limit.get()), (5, 20));
    assert_eq!(credential.contract, contract());
    assert!(world.text().contains(&credential.key()));
    let wrong = keystore.credential("%m0um0ucoW", None).unwrap_err();
    assert!(matches!(wrong, KeystoreError::WrongPassword { .. }), "{wrong:?}");
}

/// What nwaku's reader looks at, one by one: it strips blanks and line breaks, parses the file as
/// one object, and takes these fields.
#[test]
fn what_is_written_has_every_field_nwaku_reads() {
    let mut world = World::new();
    let credential = world.credential(3);
    world.create(&credential);
    let text = world.text();
    assert_eq!(text.find('\n'), Some(text.len() - 1), "one line");
    assert!(!text.contains(' '));
    let json: serde_json::Value = serde_json::from_str(&text).unwrap();
    assert_eq!(json["application"], "waku-rln-relay");
    assert_eq!(json["appIdentifier"], "01234567890abcdef");
    assert_eq!(json["version"], "0.2");
    let crypto = &json["credentials"][credential.key()]["crypto"];
    assert_eq!(crypto["cipher"], "aes-128-ctr");
    assert_eq!(crypto["kdf"], "pbkdf2");
    assert_eq!(crypto["kdfparams"]["prf"], "hmac-sha256");
    assert_eq!(crypto["kdfparams"]["dklen"], 32);
    assert_eq!(crypto["kdfparams"]["c"], 4096);
    for (hex_text, bytes) in
        [(&crypto["cipherparams"]["iv"], 16), (&crypto["kdfparams"]["salt"], 16), (&crypto["mac"], 32)]
    {
        let hex_text = hex_text.as_str().unwrap();
        assert_eq!(hex_text.len(), 2 * bytes);
        assert_eq!(hex_text, hex_text.to_lowercase());
    }
}

#[test]
fn an_interactive_password_costs_what_nwaku_makes_it_cost() {
    let mut world = World::new();
    let credential = world.credential(0);
    let path = world.path();
    Keystore::create(&path, &credential, PASSWORD, Kdf::Interactive, &mut world.rng).unwrap();
    assert!(world.text().contains("\"c\":1000000"));
    let read = Keystore::open(&path).unwrap().credential(PASSWORD, None).unwrap();
    assert_eq!(parts(&read), parts(&credential));
}

#[test]
fn a_wrong_password_is_named_as_such() {
    let mut world = World::new();
    let credential = world.credential(0);
    let keystore = world.create(&credential);
    for wrong in ["", "correct hors", "Correct horse", "correct horse "] {
        let error = keystore.credential(wrong, None).unwrap_err();
        assert!(matches!(error, KeystoreError::WrongPassword { .. }), "{error:?}");
    }
}

/// A wrong byte either is an error that does not blame the password, or changes nothing that counts.
#[test]
fn a_wrong_byte_anywhere_is_never_taken_for_a_wrong_password_or_for_another_credential() {
    let mut world = World::new();
    let credential = world.credential(0);
    world.create(&credential);
    let sound = fs::read(world.path()).unwrap();
    for at in 0..sound.len() {
        let mut damaged = sound.clone();
        damaged[at] ^= 1;
        fs::write(world.path(), &damaged).unwrap();
        match Keystore::open(&world.path()).and_then(|keystore| keystore.credential(PASSWORD, None)) {
            Ok(read) => assert_eq!(parts(&read), parts(&credential), "byte {at}"),
            Err(
                KeystoreError::NotKeystore { .. }
                | KeystoreError::Foreign { .. }
                | KeystoreError::Entry { .. },
            ) => {}
            Err(other) => panic!("byte {at}: {other:?}"),
        }
        assert_eq!(fs::read(world.path()).unwrap(), damaged, "byte {at}");
    }
}

#[test]
fn a_keystore_cut_short_anywhere_is_damaged_and_left_alone() {
    let mut world = World::new();
    let credential = world.credential(0);
    world.create(&credential);
    let sound = world.text();
    for length in 0..sound.len() - 1 {
        world.put(&sound[..length]);
        let error = Keystore::open(&world.path()).unwrap_err();
        assert!(matches!(error, KeystoreError::NotKeystore { .. }), "{length} bytes: {error:?}");
        assert_eq!(world.text(), sound[..length]);
    }
}

#[test]
fn several_credentials_have_to_be_told_apart() {
    let mut world = World::new();
    let (first, second) = (world.credential(0), world.credential(1));
    let mut keystore = world.create(&first);
    let elsewhere = (&contract(), index(9));
    let only = keystore.credential(PASSWORD, Some(elsewhere)).unwrap();
    assert_eq!(parts(&only), parts(&first), "a single credential is given whatever is wanted");

    keystore.add(&second, "another", Kdf::RandomPassword, &mut world.rng).unwrap();
    for keystore in [keystore, Keystore::open(&world.path()).unwrap()] {
        assert_eq!(keystore.len(), 2);
        let read = keystore.credential(PASSWORD, Some((&contract(), index(0)))).unwrap();
        assert_eq!(parts(&read), parts(&first));
        let read = keystore.credential("another", Some((&contract(), index(1)))).unwrap();
        assert_eq!(parts(&read), parts(&second));
        let error = keystore.credential(PASSWORD, Some((&contract(), index(1)))).unwrap_err();
        assert!(
            matches!(error, KeystoreError::WrongPassword { .. }),
            "passwords are per credential: {error:?}"
        );
        let error = keystore.credential(PASSWORD, None).unwrap_err();
        assert!(matches!(error, KeystoreError::Several { count: 2, .. }), "{error:?}");
        let error = keystore.credential(PASSWORD, Some(elsewhere)).unwrap_err();
        assert!(matches!(error, KeystoreError::NotAmong { count: 2, .. }), "{error:?}");
    }
}

#[test]
fn a_credential_is_added_once_and_to_what_is_on_disk() {
    let mut world = World::new();
    let (first, second, third) = (world.credential(0), world.credential(1), world.credential(2));
    let mut stale = world.create(&first);
    let mut other = Keystore::open(&world.path()).unwrap();
    other.add(&second, PASSWORD, Kdf::RandomPassword, &mut world.rng).unwrap();
    stale.add(&third, PASSWORD, Kdf::RandomPassword, &mut world.rng).unwrap();
    assert_eq!(Keystore::open(&world.path()).unwrap().len(), 3);
    let before = world.text();
    let error = stale.add(&second, PASSWORD, Kdf::RandomPassword, &mut world.rng).unwrap_err();
    assert!(matches!(error, KeystoreError::AlreadyPresent { .. }), "{error:?}");
    assert_eq!(world.text(), before);
}

#[test]
fn a_new_keystore_never_replaces_a_file() {
    let mut world = World::new();
    world.put("precious");
    let credential = world.credential(0);
    let path = world.path();
    let error =
        Keystore::create(&path, &credential, PASSWORD, Kdf::RandomPassword, &mut world.rng).unwrap_err();
    assert!(matches!(error, KeystoreError::AlreadyExists { .. }), "{error:?}");
    assert_eq!(world.text(), "precious");
    assert_eq!(world.files(), ["keystore.json"]);
}

#[test]
fn writing_leaves_neither_backup_nor_temporary_file() {
    let mut world = World::new();
    let (first, second) = (world.credential(0), world.credential(1));
    fs::write(world.directory.path().join("keystore.json.bkp"), "left by an interrupted write").unwrap();
    let mut keystore = world.create(&first);
    keystore.add(&second, PASSWORD, Kdf::RandomPassword, &mut world.rng).unwrap();
    assert_eq!(world.files(), ["keystore.json"]);
}

#[test]
fn a_missing_keystore_is_named_and_so_is_the_copy_that_an_interrupted_write_left() {
    let world = World::new();
    let error = Keystore::open(&world.path()).unwrap_err();
    assert!(matches!(error, KeystoreError::Missing { backup: None, .. }), "{error:?}");
    let backup = world.directory.path().join("keystore.json.bkp");
    fs::write(&backup, "{}").unwrap();
    let error = Keystore::open(&world.path()).unwrap_err();
    assert!(
        matches!(&error, KeystoreError::Missing { backup: Some(found), .. } if *found == backup),
        "{error:?}"
    );
    assert!(error.to_string().contains("keystore.json.bkp"));
}

#[cfg(unix)]
#[test]
fn only_the_owner_may_read_what_was_written() {
    use std::os::unix::fs::PermissionsExt;
    let mode = |path: &PathBuf| fs::metadata(path).unwrap().permissions().mode() & 0o777;
    let mut world = World::new();
    let (first, second) = (world.credential(0), world.credential(1));
    let mut keystore = world.create(&first);
    assert_eq!(mode(&world.path()), 0o600);
    fs::set_permissions(world.path(), fs::Permissions::from_mode(0o644)).unwrap();
    keystore.add(&second, PASSWORD, Kdf::RandomPassword, &mut world.rng).unwrap();
    assert_eq!(mode(&world.path()), 0o600, "also when the file before was open to all");
    let password_file = world.directory.path().join("keystore.password");
    create_password_file(&password_file, &mut world.rng).unwrap();
    assert_eq!(mode(&password_file), 0o600);
}

#[test]
fn keystores_of_other_applications_are_refused_with_the_field_that_differs() {
    let mut world = World::new();
    let credential = world.credential(0);
    world.create(&credential);
    let sound = world.text();
    let cases = [
        ("application", "waku-rln-relay", "go-waku-rln-relay"),
        ("appIdentifier", "01234567890abcdef", "f"),
        ("version", "0.2", "0.1"),
    ];
    for (name, ours, theirs) in cases {
        world.put(&sound.replace(&format!("\"{name}\":\"{ours}\""), &format!("\"{name}\":\"{theirs}\"")));
        let error = Keystore::open(&world.path()).unwrap_err();
        assert!(matches!(error, KeystoreError::Foreign { field, .. } if field == name), "{error:?}");
    }
}

#[test]
fn files_that_are_no_keystores_are_refused() {
    let world = World::new();
    for text in ["", "{", "[]", "null", "{}", "{\"application\":\"waku-rln-relay\"}"] {
        world.put(text);
        let error = Keystore::open(&world.path()).unwrap_err();
        assert!(matches!(error, KeystoreError::NotKeystore { .. }), "{text}: {error:?}");
    }
    world.put(&"[".repeat(100_000));
    assert!(matches!(Keystore::open(&world.path()), Err(KeystoreError::NotKeystore { .. })));
    world.put(&" ".repeat((1 << 20) + 1));
    assert!(matches!(Keystore::open(&world.path()), Err(KeystoreError::TooLarge { .. })));
}

#[test]
fn an_empty_keystore_has_no_credential_to_give() {
    let world = World::new();
    world.put(
        "{\"application\":\"waku-rln-relay\",\"appIdentifier\":\"01234567890abcdef\",\"version\":\"0.2\",\"credentials\":{}}",
    );
    let error = Keystore::open(&world.path()).unwrap().credential(PASSWORD, None).unwrap_err();
    assert!(matches!(error, KeystoreError::Empty { .. }), "{error:?}");
}

#[test]
fn blanks_and_line_breaks_do_not_matter() {
    let mut world = World::new();
    let credential = world.credential(0);
    world.create(&credential);
    let json: serde_json::Value = serde_json::from_str(&world.text()).unwrap();
    world.put(&serde_json::to_string_pretty(&json).unwrap());
    let read = Keystore::open(&world.path()).unwrap().credential(PASSWORD, None).unwrap();
    assert_eq!(parts(&read), parts(&credential));
}

/// Encrypted by the generator of `nwaku_keystore.json`, each with one thing wrong inside.
#[test]
fn a_plaintext_that_is_no_credential_is_named_after_decryption() {
    let world = World::new();
    world.put(include_str!("vectors/unusable_credentials.json"));
    let keystore = Keystore::open(&world.path()).unwrap();
    let cases = [
        (0, CredentialError::NoLimit),
        (1, CredentialError::Limit(0)),
        (2, CredentialError::Limit(65_536)),
        (3, CredentialError::Index(1 << 20)),
        (4, CredentialError::Identity),
        (5, CredentialError::Identity),
        (6, CredentialError::NotCredential { line: 1, column: 1 }),
    ];
    for (at, expected) in cases {
        let error = keystore.credential("", Some((&contract(), index(at)))).unwrap_err();
        let KeystoreError::Credential { source, .. } = error else { panic!("{at}: {error:?}") };
        assert_eq!(source, expected, "entry {at}");
    }
}

#[test]
fn a_damaged_entry_is_named_with_its_key() {
    let mut world = World::new();
    let credential = world.credential(0);
    world.create(&credential);
    world.put(&world.text().replace("\"c\":4096", "\"c\":4294967295"));
    let error = Keystore::open(&world.path()).unwrap().credential(PASSWORD, None).unwrap_err();
    let KeystoreError::Entry { key, source, .. } = error else { panic!("{error:?}") };
    assert_eq!(key, credential.key());
    assert_eq!(source, KeyfileError::KdfOutOfBounds { parameter: "c", value: 4_294_967_295 });
}

#[test]
fn nothing_printed_holds_a_secret() {
    let mut world = World::new();
    let credential = world.credential(0);
    let keystore = world.create(&credential);
    let printed = format!("{credential:?} {keystore:?}");
    let identity = &credential.identity;
    for secret in [identity.trapdoor(), identity.nullifier(), identity.secret().to_bytes()] {
        assert!(!printed.contains(&hex::encode(*secret)));
        assert!(!printed.contains(&format!("{:?}", *secret)));
    }
}

#[test]
fn a_password_file_is_made_once_and_read_without_its_line_break() {
    let mut world = World::new();
    let path = world.directory.path().join("keystore.password");
    assert!(read_password_file(&path).unwrap_err().is_missing());
    let password = create_password_file(&path, &mut world.rng).unwrap();
    assert_eq!(password.len(), 64);
    assert_eq!(read_password_file(&path).unwrap(), password);
    let again = create_password_file(&path, &mut world.rng).unwrap_err();
    assert!(!again.is_missing());
    assert_eq!(read_password_file(&path).unwrap(), password, "the first one stays");
    for (text, expected) in [("two words \r\n", Some("two words ")), ("\n", None), ("", None), ("a\nb", None)]
    {
        fs::write(&path, text).unwrap();
        assert_eq!(read_password_file(&path).ok().as_deref().map(String::as_str), expected, "{text:?}");
    }
    fs::write(&path, "x".repeat(4097)).unwrap();
    assert!(read_password_file(&path).is_err());
}
