//! The side that publishes for others.
//!
//! ```text
//! request ──> admit ──> ToPublish ──> the relay publishes ──> answer ──> Answer
//!               └────────────────────── Answer ──────────────────────────▲
//! ```
//!
//! What can be told without the relay is refused first, the cheapest check first, and a proof is taken from the
//! quota last. Codes are nwaku's (waku-wire 10.2), where it has them; a message that is too long gets 413 and a topic
//! that is not served 421, as the specification has it, where nwaku says 420 and 505.
//!
//! # Security
//! Rate limits come before this. Publishes are bounded by the relay. The memory of what was published is
//! bounded by [`PUBLISHED_CAPACITY`].

use std::{num::NonZeroUsize, time::Duration};

use weir_core::{
    Autosharding, AutoshardingError, MessageHash, PeerId, ProofField, PubsubTopic, Timestamp, WakuMessage,
    lightpush::{Answer, Malformed, Request, Status},
};

use super::proof_quota::{ProofQuota, ProofQuotaConfig};
use crate::{
    recent::Recent,
    relay::{PublishError, Published},
};

#[cfg(test)]
mod tests;

/// How long it is remembered that a message was published: gossipsub's time to remember a message, in which it would
/// not go out again. js-waku sends a message up to three times, though the first try succeeded.
const PUBLISHED_WINDOW: Duration = Duration::from_secs(120);

/// Messages remembered for that: the window at 80 publishes/s. 1 MiB.
const PUBLISHED_CAPACITY: NonZeroUsize = NonZeroUsize::new(10_000).expect("not zero");

/// What the server is told once.
#[derive(Debug, Clone, Copy)]
pub struct ServerConfig {
    /// Which shard a content topic is on, if the cluster has a rule.
    pub autosharding: Option<Autosharding>,
    /// Longest encoded message, in bytes.
    pub max_message_size: usize,
    /// Who makes proofs.
    pub proofs: Proofs,
}

/// Who makes the proofs of messages that clients send.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Proofs {
    /// Nobody: the cluster has no rate limit.
    NotNeeded,
    /// The client.
    Brought,
    /// This node, for clients that bring none, out of a part of its quota.
    Attached(ProofQuotaConfig),
}

/// Who asks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Requester<'a> {
    /// A peer.
    Peer(&'a PeerId),
    /// A local client of the node. The relay gives its messages proofs of the node's own quota, as it does
    /// those that are published without light push.
    Local,
}

/// A request that the relay is to publish.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ToPublish {
    /// Where to.
    pub topic: PubsubTopic,
    /// What; the timestamp is set, unless there is a proof for one that is not.
    pub message: WakuMessage,
    /// Length of the message as this node encodes it.
    pub encoded_size: usize,
}

/// The service.
#[derive(Debug)]
pub struct Server {
    autosharding: Option<Autosharding>,
    max_message_size: usize,
    proofs: Proofs,
    quota: Option<ProofQuota>,
    /// Messages that were sent, with the number of peers.
    published: Recent<u32>,
}

impl Server {
    /// A service that has published nothing yet.
    pub fn new(config: ServerConfig) -> Self {
        let quota = match config.proofs {
            Proofs::Attached(quota) => Some(ProofQuota::new(quota)),
            Proofs::NotNeeded | Proofs::Brought => None,
        };
        Self {
            autosharding: config.autosharding,
            max_message_size: config.max_message_size,
            proofs: config.proofs,
            quota,
            published: Recent::new(PUBLISHED_CAPACITY),
        }
    }

    /// What the relay is to publish, or the answer. `serves` tells whether the relay takes part in a topic.
    pub fn admit(
        &mut self,
        from: Requester<'_>,
        asked: Result<Request, Malformed>,
        serves: impl Fn(PubsubTopic) -> bool,
        now: Timestamp,
    ) -> Result<ToPublish, Answer> {
        let Request { topic, mut message, encoded_size } = asked.map_err(malformed)?;
        let topic = match topic {
            Some(topic) => topic,
            None => self.derive_topic(&message)?,
        };
        if !serves(topic) {
            return Err(unsupported(topic));
        }
        if encoded_size > self.max_message_size {
            return Err(too_large(self.max_message_size));
        }
        if message.proof == ProofField::Absent {
            if !message.timestamp.is_set() {
                message.timestamp = now;
            }
            self.published.forget_until(now.saturating_sub(PUBLISHED_WINDOW));
            if let Some(relay_peers) = self.published.get(&message.hash(topic)) {
                // No second proof for what is out.
                return Err(Answer::published(*relay_peers));
            }
            self.take_proof(from, now)?;
        }
        Ok(ToPublish { topic, message, encoded_size })
    }

    /// The answer that the relay's outcome gives for the message with `hash`, as it was handed to the relay.
    pub fn answer(
        &mut self,
        hash: MessageHash,
        outcome: Result<Published, PublishError>,
        now: Timestamp,
    ) -> Answer {
        self.published.forget_until(now.saturating_sub(PUBLISHED_WINDOW));
        match outcome {
            // Nobody was there, or everybody has it.
            Ok(Published { peers: 0, .. }) => match self.published.get(&hash) {
                Some(relay_peers) => Answer::published(*relay_peers),
                None => no_peers(),
            },
            Ok(Published { peers, .. }) => {
                let relay_peers = u32::try_from(peers).unwrap_or(u32::MAX);
                self.published.insert(hash, relay_peers, now);
                Answer::published(relay_peers)
            }
            Err(error) => refusal(&error),
        }
    }

    fn derive_topic(&self, message: &WakuMessage) -> Result<PubsubTopic, Answer> {
        let Some(rule) = self.autosharding else {
            let why = "Pubsub topic must be specified when static sharding is enabled";
            return Err(Answer::refused(Status::InvalidMessage, why));
        };
        rule.pubsub_topic_of(&message.content_topic).map_err(|error| match error {
            AutoshardingError::ContentTopic(error) => {
                Answer::refused(Status::InvalidMessage, format!("Invalid content-topic:{error}"))
            }
            error => Answer::refused(Status::InternalError, format!("Auto-sharding error: {error}")),
        })
    }

    fn take_proof(&mut self, from: Requester<'_>, now: Timestamp) -> Result<(), Answer> {
        let Requester::Peer(from) = from else { return Ok(()) };
        match (self.proofs, &mut self.quota) {
            (Proofs::NotNeeded, _) => Ok(()),
            (_, Some(quota)) => quota
                .take(from, now)
                .map_err(|used_up| Answer::refused(Status::TooManyRequests, with_own_proof(&used_up))),
            (_, None) => {
                let why =
                    "RLN validation failed: the message has no proof, and this node makes none for clients";
                Err(Answer::refused(Status::InvalidMessage, with_own_proof(&why)))
            }
        }
    }
}

fn malformed(malformed: Malformed) -> Answer {
    let status = match &malformed {
        Malformed::Undecodable(_) | Malformed::NoRequest | Malformed::EmptyTopic => Status::BadRequest,
        Malformed::Topic(_) => Status::UnsupportedPubsubTopic,
    };
    Answer::refused(status, malformed)
}

fn unsupported(topic: PubsubTopic) -> Answer {
    Answer::refused(Status::UnsupportedPubsubTopic, format!("this node does not serve {topic}"))
}

fn too_large(max: usize) -> Answer {
    Answer::refused(Status::PayloadTooLarge, PublishError::TooLarge { max })
}

fn no_peers() -> Answer {
    Answer::refused(Status::NoPeersToRelay, "No peers for topic, skipping publish")
}

fn with_own_proof(why: &impl std::fmt::Display) -> String {
    format!("{why}; attach a proof of your own")
}

/// The answer to a request that the relay cannot publish.
pub fn refusal(error: &PublishError) -> Answer {
    let status = match error {
        PublishError::NotSubscribed(topic) => return unsupported(*topic),
        PublishError::TooLarge { max } => return too_large(*max),
        PublishError::NoPeers => return no_peers(),
        PublishError::Invalid(_) => Status::InvalidMessage,
        PublishError::QuotaExhausted { .. }
        | PublishError::NoMembership
        | PublishError::NotYetRegistered
        | PublishError::Storage(_)
        | PublishError::ProofFailed(_) => Status::OutOfRlnProof,
        PublishError::Synchronizing | PublishError::Overloaded | PublishError::Stopping => {
            Status::ServiceNotAvailable
        }
        PublishError::Timeout => Status::InternalError,
    };
    // js-waku knows the failure by the words of an older nwaku, which named no version.
    Answer::refused(status, error.to_string().replace("rln-v2 proof", "rln proof"))
}
