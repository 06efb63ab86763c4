//! Shamir shares: each message gives away one point of a line whose height at zero is the secret.
//!
//! The line of a member, epoch and message id is `y = secret + slope * x`. One point says nothing;
//! two points with different x are the line.

use ark_ff::{Field, Zero};
use weir_circuits::{Fr, hash_to_field, poseidon};
use weir_core::{ContentTopic, Timestamp};
use zeroize::Zeroizing;

use crate::{IdentitySecret, field::field_value};

field_value! {
    /// x of a share: the hash of the signal.
    ShareX
}
field_value! {
    /// y of a share.
    ShareY
}
field_value! {
    /// Poseidon(slope): names the line of a message without saying whose it is.
    Nullifier
}

/// A point of a member's line.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Share {
    /// Which point: the hash of the signal.
    pub x: ShareX,
    /// The line's height there.
    pub y: ShareY,
}

/// Why two shares do not give a secret.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum RecoverError {
    /// Both shares are points at the same x, through which many lines go.
    #[error("the shares have the same x, so they are of one signal and reveal nothing")]
    SameSignal,
}

/// The x of a message's share: H(payload ‖ content topic ‖ timestamp in 8 bytes little-endian).
///
/// Version, meta, ephemeral flag and pubsub topic are not part of the signal, so changing them does
/// not make another message of it (nwaku; 17/WAKU2-RLN-RELAY leaves out the timestamp).
pub fn signal_hash(payload: &[u8], content_topic: &ContentTopic, timestamp: Timestamp) -> ShareX {
    let timestamp = timestamp.as_nanos().to_le_bytes();
    ShareX(hash_to_field(&[payload, content_topic.as_str().as_bytes(), &timestamp].concat()))
}

/// The secret of the line through two points. Whether the points are of one line is not asked; see
/// [`crate::Evidence::new`].
pub fn recover_secret(a: Share, b: Share) -> Result<IdentitySecret, RecoverError> {
    line_through(a, b).map(|line| line.secret)
}

/// A member's line for one epoch and message id.
pub(crate) struct Line {
    pub(crate) secret: IdentitySecret,
    slope: Zeroizing<Fr>,
}

impl Line {
    /// The nullifier that messages of this line carry.
    pub(crate) fn nullifier(&self) -> Nullifier {
        Nullifier(poseidon(&[*self.slope]))
    }
}

/// The line through two points.
pub(crate) fn line_through(a: Share, b: Share) -> Result<Line, RecoverError> {
    let run = a.x.0 - b.x.0;
    if run.is_zero() {
        return Err(RecoverError::SameSignal);
    }
    let inverse = run.inverse().expect("only zero has no inverse");
    let slope = Zeroizing::new((a.y.0 - b.y.0) * inverse);
    let secret = IdentitySecret(a.y.0 - *slope * a.x.0);
    Ok(Line { secret, slope })
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn point(secret: Fr, slope: Fr, x: u64) -> Share {
        Share { x: ShareX(Fr::from(x)), y: ShareY(secret + slope * Fr::from(x)) }
    }

    proptest! {
        #[test]
        fn any_two_points_of_a_line_give_its_secret(secret: u64, slope: u64, a: u64, b: u64) {
            prop_assume!(a != b);
            let (secret, slope) = (Fr::from(secret), Fr::from(slope));
            let line = line_through(point(secret, slope, a), point(secret, slope, b)).expect("two points");
            prop_assert_eq!(line.secret.0, secret);
            prop_assert_eq!(line.nullifier().0, poseidon(&[slope]));
        }
    }

    #[test]
    fn one_signal_gives_nothing_even_with_two_heights() {
        let a = point(Fr::from(1), Fr::from(2), 7);
        let b = Share { x: a.x, y: ShareY(Fr::from(99)) };
        assert_eq!(recover_secret(a, a), Err(RecoverError::SameSignal));
        assert_eq!(recover_secret(a, b), Err(RecoverError::SameSignal));
    }

    #[test]
    fn the_signal_is_payload_topic_and_little_endian_timestamp() {
        let topic = ContentTopic::new("/a/1/b/proto").expect("topic");
        let expected = hash_to_field(b"hello/a/1/b/proto\x02\x01\0\0\0\0\0\0");
        assert_eq!(signal_hash(b"hello", &topic, Timestamp::from_nanos(0x0102)).0, expected);
    }
}
