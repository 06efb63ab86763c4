//! Bytes of a registry file: one header, then records, all little-endian.
//!
//! ```text
//! header, 64 bytes                        record, 64 bytes
//!  0  8  magic "weir-reg"                  0  1  kind: 1 registered, 2 erased
//!  8  2  version, 1                        1  3  zero
//! 10  2  zero                              4  4  index
//! 12  4  capacity, memberships             8  4  limit, messages per epoch
//! 16  4  smallest limit                   12  4  zero
//! 20  4  largest limit                    16 32  commitment
//! 24 20  random id of this registry       48 12  zero
//! 44 16  zero                             60  4  CRC-32 of the checksum before and bytes 0..60
//! 60  4  CRC-32 of bytes 0..60
//! ```
//!
//! Each record's checksum covers the checksum before it, so a record cannot be lost, doubled or
//! moved unseen, and one that follows on another file's records does not fit. Header and records
//! are 64 bytes because that divides every sector and page: after a power cut a record is there,
//! not there, cut short or all zero, but never half old and half zero within its length.

use crc32fast::Hasher;
use weir_rln::{IdentityCommitment, UserMessageLimit};

use crate::{
    ledger::{Change, MembershipTable, Rules},
    registry_file::CorruptReason,
};

/// Bytes of the header and of each record.
pub(super) const RECORD: usize = 64;

/// First bytes of every registry file.
const MAGIC: &[u8; 8] = b"weir-reg";

/// The only version there is.
const VERSION: u16 = 1;

/// Where the checksum stands in header and record.
const CHECKSUM: usize = 60;

const REGISTERED: u8 = 1;
const ERASED: u8 = 2;

pub(super) type Block = [u8; RECORD];

/// What the header says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Header {
    /// Names the registry in keystores; survives copying the file.
    pub(super) id: [u8; 20],
    pub(super) rules: Rules,
}

/// Why 64 bytes are not the header of a registry this version can use.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum HeaderError {
    Foreign,
    Version(u16),
    Corrupt(CorruptReason),
}

impl Header {
    pub(super) fn to_bytes(self) -> Block {
        let mut block = [0; RECORD];
        block[..8].copy_from_slice(MAGIC);
        block[8..10].copy_from_slice(&VERSION.to_le_bytes());
        put_u32(&mut block, 12, self.rules.capacity());
        put_u32(&mut block, 16, self.rules.min_limit());
        put_u32(&mut block, 20, self.rules.max_limit());
        block[24..44].copy_from_slice(&self.id);
        let checksum = crc32fast::hash(&block[..CHECKSUM]);
        put_u32(&mut block, CHECKSUM, checksum);
        block
    }

    /// Reads a header. The version is looked at before the checksum, whose place a later version
    /// may change.
    pub(super) fn from_bytes(block: &Block) -> Result<Self, HeaderError> {
        if &block[..8] != MAGIC {
            return Err(HeaderError::Foreign);
        }
        let version = u16::from_le_bytes([block[8], block[9]]);
        if version != VERSION {
            return Err(HeaderError::Version(version));
        }
        if u32_at(block, CHECKSUM) != crc32fast::hash(&block[..CHECKSUM]) {
            return Err(HeaderError::Corrupt(CorruptReason::Checksum));
        }
        if !all_zero(&block[10..12]) || !all_zero(&block[44..CHECKSUM]) {
            return Err(HeaderError::Corrupt(CorruptReason::ReservedBytes));
        }
        let mut id = [0; 20];
        id.copy_from_slice(&block[24..44]);
        let rules = Rules::new(u32_at(block, 16), u32_at(block, 20), u32_at(block, 12))
            .map_err(|_| HeaderError::Corrupt(CorruptReason::Rules))?;
        Ok(Self { id, rules })
    }
}

/// Whether a file too short for a header began as one.
pub(super) fn begins_like_a_registry(bytes: &[u8]) -> bool {
    bytes.starts_with(MAGIC)
}

/// The checksum of a header or record, which the next record continues.
pub(super) fn checksum_of(block: &Block) -> u32 {
    u32_at(block, CHECKSUM)
}

/// The record of `change`, to follow on the block with checksum `previous`.
pub(super) fn encode(change: Change, previous: u32) -> Block {
    let mut block = [0; RECORD];
    let membership = change.membership();
    block[0] = match change {
        Change::Registered(_) => REGISTERED,
        Change::Erased(_) => ERASED,
    };
    put_u32(&mut block, 4, membership.index.get());
    put_u32(&mut block, 8, membership.limit.get());
    block[16..48].copy_from_slice(&membership.commitment.to_bytes());
    let checksum = chained_checksum(&block, previous);
    put_u32(&mut block, CHECKSUM, checksum);
    block
}

/// Reads the record that follows on checksum `previous`, and checks that it is a lawful next step
/// for `table`: a record only a faulty writer can have made is corruption like any other.
pub(super) fn decode(block: &Block, previous: u32, table: &MembershipTable) -> Result<Change, CorruptReason> {
    if checksum_of(block) != chained_checksum(block, previous) {
        return Err(CorruptReason::Checksum);
    }
    if !all_zero(&block[1..4]) || !all_zero(&block[12..16]) || !all_zero(&block[48..CHECKSUM]) {
        return Err(CorruptReason::ReservedBytes);
    }
    let mut commitment = [0; 32];
    commitment.copy_from_slice(&block[16..48]);
    let commitment =
        IdentityCommitment::from_bytes(&commitment).map_err(|_| CorruptReason::CommitmentNotCanonical)?;
    let limit = UserMessageLimit::new(u32_at(block, 8)).map_err(|_| CorruptReason::AgainstRules)?;
    let expected = match block[0] {
        REGISTERED => table.admit(commitment, limit),
        ERASED => table.dismiss(&commitment),
        kind => return Err(CorruptReason::UnknownKind(kind)),
    };
    let change = expected.map_err(|_| CorruptReason::AgainstRules)?;
    let membership = change.membership();
    if (u32_at(block, 4), limit) != (membership.index.get(), membership.limit) {
        return Err(CorruptReason::AgainstRules);
    }
    Ok(change)
}

/// Whether the block is what a power cut leaves of a record whose length was stored and whose
/// content was not. A whole record has a non-zero kind, so one wrong byte cannot make this true.
pub(super) fn is_blank(block: &Block) -> bool {
    all_zero(block)
}

fn chained_checksum(block: &Block, previous: u32) -> u32 {
    let mut hasher = Hasher::new();
    hasher.update(&previous.to_le_bytes());
    hasher.update(&block[..CHECKSUM]);
    hasher.finalize()
}

fn all_zero(bytes: &[u8]) -> bool {
    bytes.iter().all(|byte| *byte == 0)
}

fn u32_at(block: &Block, at: usize) -> u32 {
    u32::from_le_bytes([block[at], block[at + 1], block[at + 2], block[at + 3]])
}

fn put_u32(block: &mut Block, at: usize, value: u32) {
    block[at..at + 4].copy_from_slice(&value.to_le_bytes());
}
