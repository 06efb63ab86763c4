//! What a message counts against: an epoch of an application.

use weir_circuits::{hash_to_field, poseidon};

use crate::{Epoch, field::field_value};

field_value! {
    /// Poseidon(H(epoch), H(RLN identifier)): the scope in which a message id may be used once.
    ///
    /// It is a public input of the proof but not part of the message; every node computes it.
    ExternalNullifier
}

/// Names the RLN application, so that one identity can have a quota in several: text, zero padded.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct RlnIdentifier([u8; 32]);

impl RlnIdentifier {
    /// `rln/waku-rln-relay/v2.0.0`, which the Waku network uses.
    pub const WAKU: Self = {
        let name = b"rln/waku-rln-relay/v2.0.0";
        let mut bytes = [0; 32];
        let mut i = 0;
        while i < name.len() {
            bytes[i] = name[i];
            i += 1;
        }
        Self(bytes)
    };

    /// From its 32 bytes.
    pub const fn from_bytes(bytes: [u8; 32]) -> Self {
        Self(bytes)
    }

    /// Its 32 bytes.
    pub const fn to_bytes(self) -> [u8; 32] {
        self.0
    }
}

impl ExternalNullifier {
    /// The scope of `epoch` in the application `identifier`.
    ///
    /// Both are hashed as their bare 32 bytes; nwaku before 0.38 put a length in front.
    pub fn new(epoch: Epoch, identifier: &RlnIdentifier) -> Self {
        Self(poseidon(&[hash_to_field(&epoch.to_bytes()), hash_to_field(&identifier.0)]))
    }
}
