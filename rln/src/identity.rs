//! Who a member is: the secret, and the commitment that stands for it in public.

use std::fmt;

use ark_ff::UniformRand;
use rand::{CryptoRng, RngCore};
use weir_circuits::{Fr, poseidon};
use zeroize::{Zeroize, ZeroizeOnDrop, Zeroizing};

use crate::{
    NotCanonical,
    field::{field_from_bytes, field_to_bytes, field_value},
};

field_value! {
    /// Poseidon(identity secret): names a member in the registry.
    IdentityCommitment
}

/// The identity secret. Whoever knows it can send in the member's name and use up its quota, and
/// two shares of one nullifier reveal it.
///
/// Erased from memory when dropped; never printed.
#[derive(Clone, PartialEq, Eq, Zeroize, ZeroizeOnDrop)]
pub struct IdentitySecret(pub(crate) Fr);

/// A member's whole identity, as a keystore holds it.
///
/// # Invariants
/// `secret = Poseidon(trapdoor, nullifier)` and `commitment = Poseidon(secret)`.
#[derive(Clone)]
pub struct Identity {
    trapdoor: IdentitySecret,
    nullifier: IdentitySecret,
    secret: IdentitySecret,
    commitment: IdentityCommitment,
}

impl IdentitySecret {
    /// From 32 little-endian bytes, refused when not canonical.
    pub fn from_bytes(bytes: &[u8; 32]) -> Result<Self, NotCanonical> {
        field_from_bytes(bytes).map(Self)
    }

    /// 32 little-endian bytes, erased when dropped.
    pub fn to_bytes(&self) -> Zeroizing<[u8; 32]> {
        Zeroizing::new(field_to_bytes(&self.0))
    }

    /// The commitment others know this secret by.
    pub fn commitment(&self) -> IdentityCommitment {
        IdentityCommitment(poseidon(&[self.0]))
    }
}

impl Identity {
    /// A new identity from 512 bits of `rng`.
    pub fn generate(rng: &mut (impl RngCore + CryptoRng)) -> Self {
        Self::derive(IdentitySecret(Fr::rand(rng)), IdentitySecret(Fr::rand(rng)))
    }

    /// The identity of a stored trapdoor and nullifier, 32 little-endian bytes each.
    pub fn from_parts(trapdoor: &[u8; 32], nullifier: &[u8; 32]) -> Result<Self, NotCanonical> {
        Ok(Self::derive(IdentitySecret::from_bytes(trapdoor)?, IdentitySecret::from_bytes(nullifier)?))
    }

    fn derive(trapdoor: IdentitySecret, nullifier: IdentitySecret) -> Self {
        let secret = IdentitySecret(poseidon(&[trapdoor.0, nullifier.0]));
        let commitment = secret.commitment();
        Self { trapdoor, nullifier, secret, commitment }
    }

    /// The first half of the secret, 32 little-endian bytes.
    pub fn trapdoor(&self) -> Zeroizing<[u8; 32]> {
        self.trapdoor.to_bytes()
    }

    /// The second half of the secret, 32 little-endian bytes. Not a message's nullifier.
    pub fn nullifier(&self) -> Zeroizing<[u8; 32]> {
        self.nullifier.to_bytes()
    }

    /// The secret that proofs are made with.
    pub const fn secret(&self) -> &IdentitySecret {
        &self.secret
    }

    /// The commitment that is registered.
    pub const fn commitment(&self) -> IdentityCommitment {
        self.commitment
    }
}

impl fmt::Debug for IdentitySecret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("IdentitySecret([REDACTED])")
    }
}

impl fmt::Debug for Identity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Identity").field("commitment", &self.commitment).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use rand::SeedableRng;
    use rand_chacha::ChaCha20Rng;

    use super::*;

    #[test]
    fn an_identity_comes_back_from_its_parts() {
        let identity = Identity::generate(&mut ChaCha20Rng::seed_from_u64(1));
        let again = Identity::from_parts(&identity.trapdoor(), &identity.nullifier()).expect("canonical");
        assert_eq!(again.secret(), identity.secret());
        assert_eq!(again.commitment(), identity.commitment());
        assert_eq!(identity.secret().commitment(), identity.commitment());
        assert_eq!(IdentitySecret::from_bytes(&identity.secret().to_bytes()).as_ref(), Ok(identity.secret()));
    }

    /// Zerokit hashes the same parts to the same identity.
    #[test]
    fn an_identity_is_the_one_zerokit_derives() {
        use zerokit_rln::prelude::{ExtendedIdentityKeys, PoseidonHash};
        let seed = b"weir";
        let theirs = ExtendedIdentityKeys::generate_seeded::<PoseidonHash, ChaCha20Rng>(seed);
        let ours = Identity::from_parts(
            &field_to_bytes(&theirs.identity_trapdoor()),
            &field_to_bytes(&theirs.identity_nullifier()),
        )
        .expect("canonical");
        assert_eq!(ours.secret().0, *theirs.identity_secret());
        assert_eq!(ours.commitment().0, theirs.id_commitment());
    }

    #[test]
    fn no_debug_output_holds_a_secret() {
        let identity = Identity::generate(&mut ChaCha20Rng::seed_from_u64(2));
        let text = format!("{identity:?} {:?}", identity.secret());
        for part in [identity.trapdoor(), identity.nullifier(), identity.secret().to_bytes()] {
            assert!(!text.contains(&hex::encode(*part)));
        }
        assert!(text.contains("[REDACTED]"));
        assert!(text.contains(&identity.commitment().to_string()));
    }
}
