//! The ledger port: where memberships are registered and what happened to them, in order.
//!
//! An adapter may answer from memory, a file or a chain. Calls block and may take as long as the
//! backend does (a transaction, an fsync), so the caller runs them off its event loop. Whoever
//! follows a ledger needs nothing but [`Ledger::poll`]; see [`crate::Group`].
//!
//! Spec: RLN-CONTRACT; event and state names are the contract's own.

use weir_core::Timestamp;
use weir_rln::{IdentityCommitment, MembershipIndex, MerkleRoot, UserMessageLimit};

use crate::registry_file::RegistryError;

mod in_memory;
mod rules;
mod table;

pub use in_memory::InMemoryLedger;
pub use rules::{Rules, RulesError};
pub(crate) use table::{Change, MembershipTable};

/// A place where memberships are registered.
///
/// Registration order is index order: the first registration gets index 0, each further one the
/// next free index, and an index is never given to another commitment.
pub trait Ledger: Send {
    /// Names this ledger in a keystore entry.
    fn contract(&self) -> Contract;

    /// The bounds this ledger puts on registrations.
    fn rules(&self) -> Rules;

    /// Registers `commitment` with a quota of `limit` messages per epoch, at the next free index.
    ///
    /// Returns once the registration is final on this ledger (for a file: on disk).
    fn register(
        &mut self,
        commitment: IdentityCommitment,
        limit: UserMessageLimit,
    ) -> Result<Membership, LedgerError>;

    /// The membership of `commitment`, whatever its state; `None` if it was never registered.
    fn membership(&mut self, commitment: &IdentityCommitment) -> Result<Option<Membership>, LedgerError>;

    /// All memberships ever registered, in index order, erased ones included.
    fn memberships(&mut self) -> Result<Vec<Membership>, LedgerError>;

    /// Ends a membership for good. Its index stays taken and its commitment cannot register again,
    /// so a member whose secret became public cannot return under it.
    fn erase(&mut self, commitment: &IdentityCommitment) -> Result<Membership, LedgerError>;

    /// The events since the last poll, in ledger order; the first poll gives all there are.
    ///
    /// Cheap when nothing happened, so it may be called every second.
    fn poll(&mut self) -> Result<Vec<LedgerEvent>, LedgerError>;
}

/// A commitment's place in the group.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Membership {
    /// Leaf of the membership tree.
    pub index: MembershipIndex,
    /// Public half of the member's identity.
    pub commitment: IdentityCommitment,
    /// Messages the member may publish per epoch.
    pub limit: UserMessageLimit,
    /// Whether it may still publish.
    pub state: MembershipState,
}

/// The phases of a membership (RLN-CONTRACT). A local ledger knows only `Active` and `Erased`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum MembershipState {
    /// May publish.
    Active,
    /// May publish; expires unless its holder extends it.
    GracePeriod,
    /// May be erased by anyone; still in the tree until then.
    Expired,
    /// Gone from the tree.
    Erased,
}

/// Something that happened on a ledger.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LedgerEvent {
    /// A commitment entered the group.
    MembershipRegistered {
        /// The new member.
        commitment: IdentityCommitment,
        /// Its messages per epoch.
        limit: UserMessageLimit,
        /// Its leaf.
        index: MembershipIndex,
    },
    /// A holder prolonged a membership in its grace period.
    MembershipExtended {
        /// The member.
        commitment: IdentityCommitment,
        /// Its messages per epoch.
        limit: UserMessageLimit,
        /// Its leaf.
        index: MembershipIndex,
        /// When the next grace period begins.
        grace_period_start: Timestamp,
    },
    /// A membership was seen to be past its grace period; its leaf stays for now.
    MembershipExpired {
        /// The member.
        commitment: IdentityCommitment,
        /// Its messages per epoch.
        limit: UserMessageLimit,
        /// Its leaf.
        index: MembershipIndex,
    },
    /// A membership ended and its leaf was cleared.
    MembershipErased {
        /// The former member.
        commitment: IdentityCommitment,
        /// The messages per epoch it had.
        limit: UserMessageLimit,
        /// The leaf that was cleared.
        index: MembershipIndex,
    },
    /// The ledger states the root its tree has now. Local ledgers do not; they keep no tree.
    RootStored(MerkleRoot),
}

/// The two strings by which a keystore entry names the ledger its membership is on.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Contract {
    /// Chain id as nwaku writes it, `59141` for Linea Sepolia; `0` for a ledger that is no chain.
    pub chain_id: String,
    /// Contract address, `0x` and 40 hex digits; for a registry file its random id in that form.
    pub address: String,
}

impl Contract {
    /// The name of a ledger that is no chain: chain id 0 and its 20-byte id in the place of an
    /// address, so that every reader of nwaku's format takes it.
    pub(crate) fn local(id: &[u8; 20]) -> Self {
        Self { chain_id: "0".to_owned(), address: format!("0x{}", hex::encode(id)) }
    }
}

/// Why a ledger refused or failed.
///
/// Each variant but the last is one rule of registration.
#[derive(Debug, thiserror::Error)]
pub enum LedgerError {
    /// The commitment is in the group already, or was erased from it.
    #[error("commitment {commitment} has been registered before, at index {index}")]
    DuplicateCommitment {
        /// The refused commitment.
        commitment: IdentityCommitment,
        /// Where it is or was.
        index: MembershipIndex,
    },
    /// The zero commitment, whose secret nobody can know.
    #[error("the zero commitment cannot be registered")]
    ZeroCommitment,
    /// This ledger does not sell such a quota.
    #[error("a limit of {limit} messages per epoch is outside this ledger's {min} to {max}")]
    LimitOutOfBounds {
        /// The limit asked for.
        limit: u32,
        /// The smallest it accepts.
        min: u32,
        /// The largest it accepts.
        max: u32,
    },
    /// Every index was given out.
    #[error("the group is full: all {capacity} memberships were given out")]
    Full {
        /// Memberships the ledger can hold.
        capacity: u32,
    },
    /// There is no such member to erase.
    #[error("commitment {commitment} is not registered")]
    UnknownCommitment {
        /// The commitment asked for.
        commitment: IdentityCommitment,
    },
    /// The membership has ended before.
    #[error("the membership of {commitment} at index {index} is erased already")]
    AlreadyErased {
        /// The commitment asked for.
        commitment: IdentityCommitment,
        /// Where it was.
        index: MembershipIndex,
    },
    /// The registry file could not be used.
    #[error(transparent)]
    Registry(#[from] RegistryError),
}
