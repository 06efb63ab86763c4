//! What a segment certainly does not have.
//!
//! A segment that is written to keeps the keys of all its entries. One that is sealed keeps two binary fuse
//! filters, one of message hashes and one of content topics: 2.25 bytes an entry, and one in 65,536 of the others
//! passes. They lie in a file beside the segment and are read when they are first asked, so that opening an
//! archive does not wait for them. 250 GB have 160 million messages, whose filters take 360 MB of memory.
//!
//! ```text
//!  0  8  magic "weir-flt"             then, of hashes and then of content topics:
//!  8  4  CRC-32 of all that follows    0 20  xorf's descriptor
//!                                     20  4  number of fingerprints
//! all numbers little-endian           24  2 each
//! ```

use std::collections::HashSet;

use sha2::{Digest, Sha256};
use weir_core::MessageHash;
use xorf::{BinaryFuse16, Descriptor, DmaSerializable, Filter as _};

const MAGIC: &[u8; 8] = b"weir-flt";
const DESCRIPTOR: usize = BinaryFuse16::DESCRIPTOR_LEN;

/// The filters of one sealed segment.
#[derive(Debug)]
pub(super) struct Filter {
    hashes: BinaryFuse16,
    contents: BinaryFuse16,
}

/// What the filters of a segment are made of: 9 bytes an entry at least and 18 at most, 0.9 MB for the 45,000
/// messages of a common segment.
#[derive(Debug, Default)]
pub(super) struct FilterKeys {
    hashes: HashSet<u64>,
    contents: HashSet<u64>,
}

/// What a segment is asked for. Made once for a query, however many segments are asked.
#[derive(Debug, Clone, Copy)]
pub(super) enum Asked {
    Hash(u64),
    Content(u64),
}

impl Asked {
    /// A message's hash is a SHA-256 already.
    pub(super) fn hash(hash: &MessageHash) -> Self {
        Self::Hash(first_eight(hash.as_bytes()))
    }

    pub(super) fn content(content: &str) -> Self {
        Self::Content(first_eight(&Sha256::digest(content).into()))
    }
}

impl FilterKeys {
    pub(super) fn add(&mut self, asked: Asked) {
        match asked {
            Asked::Hash(key) => self.hashes.insert(key),
            Asked::Content(key) => self.contents.insert(key),
        };
    }

    pub(super) fn may_have(&self, asked: Asked) -> bool {
        match asked {
            Asked::Hash(key) => self.hashes.contains(&key),
            Asked::Content(key) => self.contents.contains(&key),
        }
    }

    /// `None` when no filter can be made of them, which is next to impossible for distinct keys.
    pub(super) fn filter(&self) -> Option<Filter> {
        Some(Filter { hashes: fuse(&self.hashes)?, contents: fuse(&self.contents)? })
    }
}

impl Filter {
    pub(super) fn may_have(&self, asked: Asked) -> bool {
        match asked {
            Asked::Hash(key) => self.hashes.contains(&key),
            Asked::Content(key) => self.contents.contains(&key),
        }
    }

    pub(super) fn encode(&self) -> Vec<u8> {
        let mut body = Vec::new();
        for filter in [&self.hashes, &self.contents] {
            let mut descriptor = [0; DESCRIPTOR];
            filter.dma_copy_descriptor_to(&mut descriptor);
            body.extend_from_slice(&descriptor);
            body.extend_from_slice(&(filter.fingerprints.len() as u32).to_le_bytes());
            for fingerprint in &filter.fingerprints {
                body.extend_from_slice(&fingerprint.to_le_bytes());
            }
        }
        [MAGIC.as_slice(), &crc32fast::hash(&body).to_le_bytes(), &body].concat()
    }

    /// `None` when `bytes` are not what [`Filter::encode`] gave.
    pub(super) fn decode(bytes: &[u8]) -> Option<Self> {
        let (magic, rest) = bytes.split_first_chunk::<8>()?;
        let (crc, mut body) = rest.split_first_chunk::<4>()?;
        if magic != MAGIC || u32::from_le_bytes(*crc) != crc32fast::hash(body) {
            return None;
        }
        let filter = Self { hashes: decode_fuse(&mut body)?, contents: decode_fuse(&mut body)? };
        body.is_empty().then_some(filter)
    }
}

fn fuse(keys: &HashSet<u64>) -> Option<BinaryFuse16> {
    BinaryFuse16::try_from_iterator(keys.iter().copied().collect::<Vec<_>>().into_iter()).ok()
}

fn decode_fuse(body: &mut &[u8]) -> Option<BinaryFuse16> {
    let (seed, rest) = body.split_first_chunk()?;
    let mut numbers = [0; 4];
    let mut rest = rest;
    for number in &mut numbers {
        let (bytes, after) = rest.split_first_chunk()?;
        *number = u32::from_le_bytes(*bytes);
        rest = after;
    }
    let [segment_length, segment_length_mask, segment_count_length, count] = numbers;
    let (fingerprints, rest) = rest.split_at_checked(count as usize * 2)?;
    *body = rest;
    Some(BinaryFuse16 {
        descriptor: Descriptor {
            seed: u64::from_le_bytes(*seed),
            segment_length,
            segment_length_mask,
            segment_count_length,
        },
        fingerprints: fingerprints
            .chunks_exact(2)
            .map(|pair| u16::from_le_bytes([pair[0], pair[1]]))
            .collect(),
    })
}

fn first_eight(bytes: &[u8; 32]) -> u64 {
    let mut first = [0; 8];
    first.copy_from_slice(&bytes[..8]);
    u64::from_le_bytes(first)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_added_passes_after_a_round_trip_and_hardly_anything_else() {
        for count in [0_u64, 1, 2, 3, 10, 1_000, 45_000] {
            let hash = |number: u64| {
                Asked::hash(&MessageHash::from_bytes(Sha256::digest(number.to_le_bytes()).into()))
            };
            let topic = |number: u64| Asked::content(&format!("/a/1/{number}/b"));
            let mut keys = FilterKeys::default();
            for number in 0..count {
                keys.add(hash(number));
                keys.add(topic(number % 100));
            }
            assert!((0..count).all(|number| keys.may_have(hash(number))), "{count}");
            assert!(!keys.may_have(hash(count)) && !keys.may_have(topic(count)), "{count}");
            let bytes = keys.filter().unwrap().encode();
            let filter = Filter::decode(&bytes).unwrap();
            assert!((0..count).all(|number| filter.may_have(hash(number))), "{count}");
            assert!((0..count.min(100)).all(|number| filter.may_have(topic(number))), "{count}");
            let passed = (count..count + 100_000).filter(|number| filter.may_have(hash(*number))).count();
            assert!(passed < 20, "{passed} of 100,000 with {count}");
        }
    }

    #[test]
    fn a_damaged_filter_is_none() {
        let mut keys = FilterKeys::default();
        keys.add(Asked::content("/a/1/b/c"));
        let bytes = keys.filter().unwrap().encode();
        for length in 0..bytes.len() {
            assert!(Filter::decode(&bytes[..length]).is_none());
        }
        for at in 0..bytes.len() {
            let mut damaged = bytes.clone();
            damaged[at] ^= 1;
            assert!(Filter::decode(&damaged).is_none());
        }
    }
}
