//! Who may publish, and at which rate: the membership side of RLN.
//!
//! A [`Ledger`] is where memberships are registered. This crate has two: [`InMemoryLedger`] and
//! [`RegistryFile`], a local file that several nodes may share; the RLN contract will be a third.
//! A [`Group`] turns a ledger's events into the Merkle tree that proofs are made against. The
//! [`keystore`] keeps one member's identity on disk, in the format nwaku reads and writes.
//!
//! ```text
//! Ledger ── register / erase ──▶ Membership ──▶ keystore
//!   └────── poll ──▶ LedgerEvent ──▶ Group ──▶ MerkleRoot, MerklePath
//! ```
//!
//! Specs: 17/WAKU2-RLN-RELAY, RLN-CONTRACT, 72/WAKU-RLN-KEYSTORE as nwaku implements it.

mod durable;
mod group;
pub mod keystore;
mod ledger;
mod registry_file;

pub use group::{Group, GroupError, ROOT_HISTORY, SavedGroup, UnfitTree};
pub use ledger::{
    Contract, InMemoryLedger, Ledger, LedgerError, LedgerEvent, Membership, MembershipState, Rules,
    RulesError,
};
pub use registry_file::{CorruptReason, RegistryError, RegistryFile};
