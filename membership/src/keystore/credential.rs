//! What an entry of the keystore holds once it is decrypted.

use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use weir_rln::{Identity, MembershipIndex, UserMessageLimit};
use zeroize::{Zeroize, ZeroizeOnDrop, Zeroizing};

use crate::Contract;

/// A member's identity and its place on a ledger.
#[derive(Debug, Clone)]
pub struct Credential {
    /// The identity, secret included.
    pub identity: Identity,
    /// Its leaf in the membership tree.
    pub index: MembershipIndex,
    /// Its messages per epoch.
    pub limit: UserMessageLimit,
    /// The ledger it is registered on.
    pub contract: Contract,
}

/// Why a decrypted plaintext is not a credential.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum CredentialError {
    /// Not the JSON it should be. The text names a place, never a value.
    #[error("its plaintext is not a credential (line {line}, column {column})")]
    NotCredential {
        /// Line of the plaintext.
        line: usize,
        /// Column in it.
        column: usize,
    },
    /// Written before RLN-v2 memberships had a quota.
    #[error("it has no user message limit; it belongs to RLN version 1")]
    NoLimit,
    /// A quota no membership can have.
    #[error("its user message limit {0} is not between 1 and 65535")]
    Limit(u64),
    /// A leaf the tree does not have.
    #[error("its tree index {0} is beyond the membership tree")]
    Index(u64),
    /// Trapdoor and nullifier are not field elements, or do not give the secret and the
    /// commitment beside them.
    #[error("its identity does not fit together: secret or commitment do not follow from the rest")]
    Identity,
}

/// The plaintext in nwaku's words. Byte arrays are little-endian field elements.
#[derive(Serialize, Deserialize, Zeroize, ZeroizeOnDrop)]
#[serde(rename_all = "camelCase")]
struct Plaintext {
    membership_contract: MembershipContract,
    tree_index: u64,
    identity_credential: IdentityCredential,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    user_message_limit: Option<u64>,
}

#[derive(Serialize, Deserialize, Zeroize)]
#[serde(rename_all = "camelCase")]
struct MembershipContract {
    chain_id: String,
    address: String,
}

#[derive(Serialize, Deserialize, Zeroize)]
#[serde(rename_all = "camelCase")]
struct IdentityCredential {
    id_trapdoor: [u8; 32],
    id_nullifier: [u8; 32],
    id_secret_hash: [u8; 32],
    id_commitment: [u8; 32],
}

/// Four arrays of 32 numbers with a comma each, the field names, two numbers and some slack;
/// the contract's strings come on top.
const PLAINTEXT_LENGTH: usize = 4 * 32 * 4 + 512;

impl Credential {
    /// The key of this credential's entry.
    pub fn key(&self) -> String {
        credential_key(&self.contract, self.index)
    }

    /// The plaintext of this credential's entry.
    pub(super) fn to_plaintext(&self) -> Zeroizing<Vec<u8>> {
        let Contract { chain_id, address } = self.contract.clone();
        // Enough room from the start: a growing vector would leave copies of secrets behind.
        let length = PLAINTEXT_LENGTH + 2 * (chain_id.len() + address.len());
        let plaintext = Plaintext {
            membership_contract: MembershipContract { chain_id, address },
            tree_index: self.index.get().into(),
            identity_credential: IdentityCredential {
                id_trapdoor: *self.identity.trapdoor(),
                id_nullifier: *self.identity.nullifier(),
                id_secret_hash: *self.identity.secret().to_bytes(),
                id_commitment: self.identity.commitment().to_bytes(),
            },
            user_message_limit: Some(self.limit.get().into()),
        };
        let mut bytes = Zeroizing::new(Vec::with_capacity(length));
        serde_json::to_writer(&mut *bytes, &plaintext)
            .expect("numbers and strings have a JSON form and a vector takes all bytes");
        bytes
    }

    /// Reads the plaintext of an entry and checks that the identity fits together.
    pub(super) fn from_plaintext(bytes: &[u8]) -> Result<Self, CredentialError> {
        let plaintext: Plaintext = serde_json::from_slice(bytes)
            .map_err(|error| CredentialError::NotCredential { line: error.line(), column: error.column() })?;
        let limit = plaintext.user_message_limit.ok_or(CredentialError::NoLimit)?;
        let limit = narrow(limit)
            .and_then(|limit| UserMessageLimit::new(limit).ok())
            .ok_or(CredentialError::Limit(limit))?;
        let index = narrow(plaintext.tree_index)
            .and_then(|index| MembershipIndex::new(index).ok())
            .ok_or(CredentialError::Index(plaintext.tree_index))?;
        let identity = read_identity(&plaintext.identity_credential)?;
        let MembershipContract { chain_id, address } = &plaintext.membership_contract;
        let contract = Contract { chain_id: chain_id.clone(), address: address.clone() };
        Ok(Self { identity, index, limit, contract })
    }
}

/// The key under which a credential stands: upper-case hex SHA-256 of chain id, address and index,
/// each as text, nothing between them.
pub fn credential_key(contract: &Contract, index: MembershipIndex) -> String {
    let text = format!("{}{}{index}", contract.chain_id, contract.address);
    hex::encode_upper(Sha256::digest(text))
}

fn read_identity(parts: &IdentityCredential) -> Result<Identity, CredentialError> {
    let identity = Identity::from_parts(&parts.id_trapdoor, &parts.id_nullifier)
        .map_err(|_| CredentialError::Identity)?;
    let fits = *identity.secret().to_bytes() == parts.id_secret_hash
        && identity.commitment().to_bytes() == parts.id_commitment;
    if fits { Ok(identity) } else { Err(CredentialError::Identity) }
}

fn narrow(number: u64) -> Option<u32> {
    u32::try_from(number).ok()
}
