//! `weir rln keygen` and `weir rln register`.
//!
//! A keystore entry names a ledger and an index, which an identity has only once it is registered.
//! So `keygen` writes [`unregistered_credential`] in their place, and `register` writes the entry anew. The
//! identity is on disk before the registry hears of it, and registering twice is harmless: the
//! second time the membership is found and noted.

use std::{
    borrow::Cow,
    ffi::OsString,
    fs::{self, File},
    io,
    path::{Path, PathBuf},
};

use rand::rngs::OsRng;
use weir_membership::{
    Contract, Ledger, Membership, MembershipState, RegistryFile,
    keystore::{Credential, Kdf, Keystore, KeystoreError},
};
use weir_rln::{Identity, MembershipIndex, UserMessageLimit};
use weir_storage::QuotaStore;

use super::RlnError;
use crate::{
    cli::{KeystoreArgs, RegisterArgs},
    config::Secret,
    folders::{self, folder_of},
    output,
};

/// The keystore entry of an identity that no ledger knows yet: chain 0, the zero address, index 0.
pub(crate) fn unregistered_credential(identity: Identity) -> Credential {
    Credential {
        identity,
        index: MembershipIndex::new(0).expect("the tree has a first leaf"),
        limit: UserMessageLimit::new(1).expect("1 is the smallest limit"),
        contract: Contract { chain_id: "0".to_owned(), address: format!("0x{}", "0".repeat(40)) },
    }
}

/// Where the quota of a keystore's identity is kept: beside it, whichever node uses it. A symbolic link
/// is followed, or each link to a keystore would count its message ids anew.
pub(crate) fn quota_path(keystore: &Path) -> PathBuf {
    with_suffix(&followed(keystore), ".quota")
}

/// The keystore itself, where `path` is a link to it.
fn followed(path: &Path) -> Cow<'_, Path> {
    match path.canonicalize() {
        Ok(real) if path.is_symlink() => Cow::Owned(real),
        _ => Cow::Borrowed(path),
    }
}

/// Makes an identity and a keystore for it.
pub(super) fn keygen(arguments: &KeystoreArgs) -> Result<(), RlnError> {
    let password = password(&arguments.rln_relay_cred_password)?;
    let path = arguments.path();
    make_folder_of(&path)?;
    let credential = unregistered_credential(Identity::generate(&mut OsRng));
    Keystore::create(&path, &credential, password, Kdf::Interactive, &mut OsRng)?;
    // A node waits an epoch when the quota file does not know the identity, as message ids may have been
    // used elsewhere; of a new identity none have.
    QuotaStore::open(quota_path(&path))?.refuse_below(&credential.identity.commitment().to_bytes(), 0)?;
    output::print(format_args!(
        "identity commitment  {}\nkeystore             {}\n\nRegister it with weir rln register.",
        credential.identity.commitment(),
        path.display()
    ))?;
    Ok(())
}

/// Registers the keystore's identity, unless it is, and notes the membership in the keystore.
pub(super) fn register(arguments: &RegisterArgs) -> Result<(), RlnError> {
    let limit = UserMessageLimit::new(arguments.rln_relay_user_message_limit)?;
    let password = password(&arguments.keystore.rln_relay_cred_password)?;
    let path = arguments.keystore.path();
    let credential = Keystore::open(&path)?.credential(password, None)?;
    let mut registry = RegistryFile::open(&arguments.registry())?;
    let (membership, is_new) = membership_of(&mut registry, &credential, limit)?;
    let registered = Credential {
        index: membership.index,
        limit: membership.limit,
        contract: registry.contract(),
        identity: credential.identity.clone(),
    };
    if !is_noted(&credential, &registered) {
        rewrite(&path, &registered, password)?;
    }
    output::print(format_args!(
        "{}\nidentity commitment  {}\nindex                {}\nmessages an epoch    {}\nkeystore             {}",
        if is_new { "registered" } else { "registered before; the membership stays as it is" },
        membership.commitment,
        membership.index,
        membership.limit,
        path.display()
    ))?;
    Ok(())
}

fn membership_of(
    registry: &mut RegistryFile,
    credential: &Credential,
    limit: UserMessageLimit,
) -> Result<(Membership, bool), RlnError> {
    let commitment = credential.identity.commitment();
    match registry.membership(&commitment)? {
        Some(membership) if membership.state == MembershipState::Erased => Err(RlnError::Erased),
        Some(membership) => Ok((membership, false)),
        None => Ok((registry.register(commitment, limit)?, true)),
    }
}

fn is_noted(credential: &Credential, registered: &Credential) -> bool {
    credential.index == registered.index
        && credential.limit == registered.limit
        && credential.contract == registered.contract
}

/// Replaces the keystore by one with this entry. Both hold the same identity, and the old one is in
/// place until the new one is on disk.
fn rewrite(path: &Path, credential: &Credential, password: &str) -> Result<(), RlnError> {
    let unrecorded = |source| RlnError::Unrecorded { path: path.to_owned(), source };
    let path = &*followed(path);
    let next = with_suffix(path, ".new");
    // What an interrupted register left is a copy of what follows.
    match fs::remove_file(&next) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(unrecorded(error)),
        _ => {}
    }
    match Keystore::create(&next, credential, password, Kdf::Interactive, &mut OsRng) {
        Ok(_) => {}
        Err(KeystoreError::Io { source, .. }) => return Err(unrecorded(source)),
        Err(error) => return Err(error.into()),
    }
    fs::rename(&next, path).and_then(|()| File::open(folder_of(path))?.sync_all()).map_err(unrecorded)
}

fn password(secret: &Secret) -> Result<&str, RlnError> {
    match secret.expose() {
        "" => Err(RlnError::EmptyPassword),
        password => Ok(password),
    }
}

fn with_suffix(path: &Path, suffix: &str) -> PathBuf {
    let mut name: OsString = path.into();
    name.push(suffix);
    name.into()
}

fn make_folder_of(path: &Path) -> Result<(), RlnError> {
    folders::make_folder_of(path)
        .map_err(|source| RlnError::Folder { path: folder_of(path).to_owned(), source })
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::symlink;

    use super::*;

    #[test]
    fn a_keystore_reached_through_a_link_has_the_quota_file_of_the_keystore() {
        let temp = tempfile::tempdir().expect("temp dir");
        let real = temp.path().canonicalize().expect("there").join("keystore.json");
        let link = temp.path().join("link.json");
        assert_eq!(quota_path(&real), real.with_file_name("keystore.json.quota"), "before it is made, too");
        fs::write(&real, "{}").expect("written");
        symlink(&real, &link).expect("linked");
        assert_eq!(quota_path(&link), quota_path(&real));
    }
}
