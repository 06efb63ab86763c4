//! Rate limit proofs: identities, the membership tree, proving, verifying, and the memory of
//! nullifiers that turns a broken quota into evidence.
//!
//! Everything is pure: time is an argument, randomness is passed in, nothing is read or written. A
//! message passes three stages, the middle one elsewhere because it takes a millisecond:
//!
//! ```text
//! WakuMessage ── Validator::check_early ──> ProofClaim      cheap: window, epoch, root, duplicate
//! ProofClaim  ── Verifier::verify ────────> bool            Groth16, in the proof pool
//! ProofClaim  ── Validator::check_late ───> Verified        remembers the share and looks again
//! ```
//!
//! On the way out, [`quota::QuotaLedger`] hands out message ids that are never used twice and
//! [`Prover`] makes the proof.
//!
//! Field elements are 32 bytes little-endian everywhere, and bytes that are not the canonical
//! encoding of an element are refused ([`NotCanonical`]).
//!
//! Spec: 17/WAKU2-RLN-RELAY, 32/RLN-V1, 58/RLN-V2. Deviations from nwaku are noted on
//! [`Rejection`].

mod claim;
mod engine;
mod epoch;
mod evidence;
mod external_nullifier;
mod field;
mod identity;
mod membership;
mod merkle_tree;
mod nullifier_log;
mod pair_hasher;
mod prover;
pub mod quota;
mod rejection;
mod root_window;
mod share;
mod slot_planner;
#[cfg(any(test, feature = "test-utils"))]
pub mod test_utils;
mod validator;
mod verifier;

pub use claim::{ClaimError, ProofClaim, ProofField};
pub use engine::{BackendKind, EngineHealth, EngineSettings, FastPath, TableOrigin, Threads};
pub use epoch::{Epoch, EpochLength, NotAnEpoch, ZeroEpochLength};
pub use evidence::{Evidence, EvidenceError};
pub use external_nullifier::{ExternalNullifier, RlnIdentifier};
pub use field::{FieldTextError, NotCanonical};
pub use identity::{Identity, IdentityCommitment, IdentitySecret};
pub use membership::{
    IndexOutOfRange, LimitOutOfRange, MembershipIndex, MessageId, RateCommitment, UserMessageLimit,
};
pub use merkle_tree::{MerklePath, MerkleRoot, MerkleTree, NodesError};
pub use nullifier_log::{NullifierLog, Sighting};
pub use pair_hasher::PairHasher;
pub use prover::{MemberProver, ProveError, ProveRequest, Prover, Slot};
pub use rejection::Rejection;
pub use root_window::RootWindow;
pub use share::{Nullifier, RecoverError, Share, ShareX, ShareY, recover_secret, signal_hash};
pub use slot_planner::SlotPlanner;
pub use validator::{Validator, ValidatorConfig, Verified};
pub use verifier::{Verifier, VerifyingKeyError};
/// Levels between a leaf of the membership tree and its root.
pub use weir_circuits::TREE_DEPTH;
