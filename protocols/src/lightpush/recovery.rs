//! What an answer means for the message and for the peer that gave it.
//!
//! One table for every code, used wherever this node is a client (chat-reliability 3.1).

use weir_core::lightpush::{Answer, Status};

use crate::service_peers::RequestFailure;

/// What to do after a failure.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, strum::IntoStaticStr)]
#[strum(serialize_all = "snake_case")]
pub enum Class {
    /// Try again, rather with another peer.
    Retry,
    /// Try again, and only with another peer: this one is of no use for the message.
    DiscardPeer,
    /// Do not try again: every peer would refuse the message.
    Irrecoverable,
}

/// What came of a push.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Judgement {
    /// The message is out.
    Propagated,
    /// It is not.
    Failed {
        /// What to do.
        class: Class,
        /// Whether another try needs a new proof.
        renew_proof: bool,
    },
}

const CLASSES: [(Status, Class); 9] = [
    (Status::BadRequest, Class::Irrecoverable),
    (Status::PayloadTooLarge, Class::Irrecoverable),
    (Status::InvalidMessage, Class::Irrecoverable),
    (Status::UnsupportedPubsubTopic, Class::DiscardPeer),
    (Status::TooManyRequests, Class::Retry),
    (Status::InternalError, Class::Retry),
    (Status::ServiceNotAvailable, Class::Retry),
    (Status::OutOfRlnProof, Class::Retry),
    (Status::NoPeersToRelay, Class::Retry),
];

/// What live nodes say when gossipsub has the message already; then it is out.
const ALREADY_SEEN: &str = "already-seen message";

/// What live nodes say when the proof, not the message, is at fault.
const PROOF_REFUSED: &str = "RLN validation failed";

/// The class of a status; of a success too, for one that reached nobody. An unknown code makes the peer useless.
pub fn class_of(status: Status) -> Class {
    match status {
        Status::Success => class_of(Status::NoPeersToRelay),
        Status::Other(_) => Class::DiscardPeer,
        known => CLASSES.iter().find(|row| row.0 == known).map_or(Class::DiscardPeer, |row| row.1),
    }
}

/// Judges the answer to a push, or that there is none.
pub fn judge(result: &Result<Answer, RequestFailure>) -> Judgement {
    let answer = match result {
        Ok(answer) => answer,
        Err(RequestFailure::Unreachable | RequestFailure::TimedOut | RequestFailure::Refused) => {
            return failed(Class::Retry);
        }
        Err(RequestFailure::Nonsense) => return failed(Class::DiscardPeer),
    };
    let says = |text: &str| answer.description.as_deref().is_some_and(|said| said.contains(text));
    match answer.status {
        // A success that reached nobody is none.
        Status::Success if answer.relay_peers.unwrap_or_default() > 0 => Judgement::Propagated,
        _ if says(ALREADY_SEEN) => Judgement::Propagated,
        Status::InvalidMessage if says(PROOF_REFUSED) => {
            Judgement::Failed { class: Class::Retry, renew_proof: true }
        }
        Status::OutOfRlnProof => Judgement::Failed { class: class_of(answer.status), renew_proof: true },
        status => failed(class_of(status)),
    }
}

const fn failed(class: Class) -> Judgement {
    Judgement::Failed { class, renew_proof: false }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn says(status: Status, text: &str) -> Judgement {
        judge(&Ok(Answer { status, description: Some(text.into()), relay_peers: None }))
    }

    #[test]
    fn every_code_has_its_class() {
        let classes: Vec<(u32, Class)> =
            Status::all().map(|status| (status.code(), class_of(status))).collect();
        use Class::{DiscardPeer, Irrecoverable, Retry};
        let expected = [
            (200, Retry),
            (400, Irrecoverable),
            (413, Irrecoverable),
            (420, Irrecoverable),
            (421, DiscardPeer),
            (429, Retry),
            (500, Retry),
            (503, Retry),
            (504, Retry),
            (505, Retry),
        ];
        assert_eq!(classes, expected);
        assert_eq!(CLASSES.len() + 1, classes.len(), "only a success has no row");
        assert_eq!(class_of(Status::Other(299)), DiscardPeer);
    }

    #[test]
    fn a_success_counts_when_it_reached_a_peer() {
        let success =
            |relay_peers| judge(&Ok(Answer { status: Status::Success, description: None, relay_peers }));
        assert_eq!(success(Some(1)), Judgement::Propagated);
        assert_eq!((success(Some(0)), success(None)), (failed(Class::Retry), failed(Class::Retry)));
    }

    #[test]
    fn texts_tell_a_bad_proof_and_a_duplicate_from_a_bad_message() {
        let renew = Judgement::Failed { class: Class::Retry, renew_proof: true };
        assert_eq!(says(Status::InvalidMessage, "RLN validation failed"), renew);
        assert_eq!(says(Status::OutOfRlnProof, "could not generate rln proof"), renew);
        assert_eq!(
            says(Status::InvalidMessage, "Message size exceeded maximum of 153600 bytes"),
            failed(Class::Irrecoverable)
        );
        assert_eq!(says(Status::InvalidMessage, "Dropping already-seen message"), Judgement::Propagated);
    }

    #[test]
    fn no_answer_is_worth_another_try_and_nonsense_another_peer() {
        assert_eq!(judge(&Err(RequestFailure::Unreachable)), failed(Class::Retry));
        assert_eq!(judge(&Err(RequestFailure::TimedOut)), failed(Class::Retry));
        assert_eq!(judge(&Err(RequestFailure::Nonsense)), failed(Class::DiscardPeer));
    }
}
