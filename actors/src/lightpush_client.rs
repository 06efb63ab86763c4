//! Having messages published: by other nodes' light push services, or by the node's own.
//!
//! Every answer is judged by one table ([`judge`]): what was refused for good is not tried again, and for
//! anything else the next peer is asked.

use std::time::Duration;

use weir_core::{
    PeerAddress, PubsubTopic, WakuMessage,
    lightpush::{Answer, Status},
};
use weir_net::Service;
use weir_protocols::{
    lightpush::{Class, Judgement, judge},
    service_peers::RequestFailure,
};
use weir_wire::{
    LightPushResponse, NO_REQUEST_ID, encode_legacy_lightpush_request, encode_lightpush_request,
};

use crate::{
    lightpush::{LightPushActor, PushLocally},
    metrics::LightPushMetrics,
    service_client::{AskFailure, ServiceClient, WhenBusy, request_id},
    supervision::{AskError, Handle},
};

/// A local client waits this long for one peer (nwaku), of which a service may take all for its proof.
const PATIENCE: Duration = Duration::from_secs(5);

/// The node's own service answers within 6 s.
const OWN_PATIENCE: Duration = Duration::from_secs(7);

/// Peers asked for one message, until one has published it or refuses it for good. With the patience above
/// this keeps a local client waiting for 10 s at most.
const MAX_PEERS: usize = 2;

/// Pushes under way at one time. A connection carries 32 streams of a service both ways together.
pub(crate) const PUSHES_AT_ONCE: usize = 24;

/// The version of the protocol.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LightPushVersion {
    /// Version 2, whose answer is yes or no and a text.
    V2,
    /// Version 3.
    V3,
}

/// Has messages published.
#[derive(Debug, Clone)]
pub struct LightPushHandle {
    client: ServiceClient,
    /// The node's own service, which is used when the operator names no other.
    own: Option<Handle<LightPushActor>>,
    metrics: LightPushMetrics,
}

/// Why there is no answer.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum PushError {
    /// No peer is known that serves light push.
    #[error("no light push peer is known; name one with --lightpushnode")]
    NoPeer,
    /// No answer in time.
    #[error("no answer in time")]
    Timeout,
    /// As many pushes are under way as may.
    #[error("the node is overloaded; try again")]
    Busy,
    /// The peer cannot be reached, or what it answered is no answer.
    #[error("{0}")]
    Failed(String),
}

impl LightPushVersion {
    const fn service(self) -> Service {
        match self {
            Self::V2 => Service::LegacyLightPush,
            Self::V3 => Service::LightPush,
        }
    }
}

impl LightPushHandle {
    pub(crate) const fn new(
        client: ServiceClient,
        own: Option<Handle<LightPushActor>>,
        metrics: LightPushMetrics,
    ) -> Self {
        Self { client, own, metrics }
    }

    /// Whether the node publishes for peers.
    pub const fn serves(&self) -> bool {
        self.own.is_some()
    }

    /// Has `message` published on `topic`, or on the topic of its content topic, by the peers that the operator
    /// names, else by the node's own service, else by a connected peer that offers the service.
    pub async fn push(
        &self,
        version: LightPushVersion,
        topic: Option<PubsubTopic>,
        message: WakuMessage,
    ) -> Result<Answer, PushError> {
        let named = self.client.named();
        let mut outcome = Err(PushError::NoPeer);
        for peer in named.iter().take(MAX_PEERS).cloned() {
            outcome = match self.push_to(peer, version, topic, &message).await {
                (result, true) => return result,
                (result, false) => result,
            };
        }
        if named.is_empty()
            && let Some(own) = &self.own
        {
            return own
                .ask(OWN_PATIENCE, |reply| PushLocally { topic, message: Box::new(message), reply })
                .await
                .map_err(|error| match error {
                    AskError::Timeout => PushError::Timeout,
                    AskError::Busy | AskError::Down => PushError::Busy,
                });
        }
        let left = MAX_PEERS.saturating_sub(named.len());
        if left > 0 {
            for peer in self.client.others(version.service()).await.into_iter().take(left) {
                outcome = match self.push_to(peer, version, topic, &message).await {
                    (result, true) => return result,
                    (result, false) => result,
                };
            }
        }
        outcome
    }

    /// Asks one peer once, as whoever judges the answer itself does.
    pub(crate) async fn push_once(
        &self,
        peer: PeerAddress,
        topic: PubsubTopic,
        message: &WakuMessage,
        patience: Duration,
    ) -> Result<Answer, RequestFailure> {
        let id = request_id();
        let question = encode_lightpush_request(&id, Some(topic), message);
        let asked = self.client.ask(peer, Service::LightPush, &question, WhenBusy::Wait, patience).await;
        let result = match asked {
            Ok(body) => read(LightPushVersion::V3, &id, &body).map_err(|error| error.class()),
            Err(failure) => Err(PushError::from(failure).class()),
        };
        self.metrics.pushed(judge(&result));
        result
    }

    /// Asks one peer; also tells whether its answer is final.
    async fn push_to(
        &self,
        peer: PeerAddress,
        version: LightPushVersion,
        topic: Option<PubsubTopic>,
        message: &WakuMessage,
    ) -> (Result<Answer, PushError>, bool) {
        let id = request_id();
        let question = match version {
            LightPushVersion::V2 => encode_legacy_lightpush_request(&id, topic, message),
            LightPushVersion::V3 => encode_lightpush_request(&id, topic, message),
        };
        let asked = self.client.ask(peer, version.service(), &question, WhenBusy::Wait, PATIENCE).await;
        let result = match asked {
            Ok(body) => read(version, &id, &body),
            Err(failure) => Err(failure.into()),
        };
        let judgement = judge(&result.clone().map_err(|error| error.class()));
        self.metrics.pushed(judgement);
        let is_final = match judgement {
            Judgement::Propagated => true,
            Judgement::Failed { class, .. } => class == Class::Irrecoverable,
        };
        (result.map(honest), is_final)
    }
}

impl PushError {
    const fn class(&self) -> RequestFailure {
        match self {
            Self::Timeout => RequestFailure::TimedOut,
            Self::NoPeer | Self::Busy => RequestFailure::Unreachable,
            Self::Failed(_) => RequestFailure::Nonsense,
        }
    }
}

impl From<AskFailure> for PushError {
    fn from(failure: AskFailure) -> Self {
        match failure {
            AskFailure::Busy => Self::Busy,
            AskFailure::Timeout => Self::Timeout,
            AskFailure::Failed(why) => Self::Failed(why),
        }
    }
}

/// The answer in a body, if it is one to the request `id`. A refusal may come before the id was read.
fn read(version: LightPushVersion, id: &str, body: &[u8]) -> Result<Answer, PushError> {
    let decoded = match version {
        LightPushVersion::V2 => LightPushResponse::decode_legacy(body),
        LightPushVersion::V3 => LightPushResponse::decode(body),
    };
    let LightPushResponse { request_id, answer } =
        decoded.map_err(|error| PushError::Failed(format!("the peer's answer cannot be read: {error}")))?;
    let is_ours = request_id == id || (answer.status != Status::Success && request_id == NO_REQUEST_ID);
    if is_ours { Ok(answer) } else { Err(PushError::Failed("request_id_mismatch".to_owned())) }
}

/// A success that reached nobody is none.
fn honest(answer: Answer) -> Answer {
    if answer.status == Status::Success && answer.relay_peers.unwrap_or_default() == 0 {
        return Answer::refused(Status::NoPeersToRelay, "the service sent the message to no peer");
    }
    answer
}

#[cfg(test)]
mod tests {
    use super::*;

    fn response(request_id: &str, answer: Answer) -> LightPushResponse {
        LightPushResponse { request_id: request_id.to_owned(), answer }
    }

    #[test]
    fn an_answer_is_one_to_the_request_or_a_refusal_before_it_was_read() {
        let published = response("id", Answer::published(3));
        assert_eq!(read(LightPushVersion::V3, "id", &published.encode()), Ok(Answer::published(3)));
        assert_eq!(read(LightPushVersion::V2, "id", &published.encode_legacy()), Ok(Answer::published(1)));
        let limited = response(NO_REQUEST_ID, Answer::rate_limited());
        assert_eq!(read(LightPushVersion::V3, "id", &limited.encode()), Ok(Answer::rate_limited()));
        for wrong in
            [response("other", Answer::rate_limited()), response(NO_REQUEST_ID, Answer::published(1))]
        {
            let mismatch = Err(PushError::Failed("request_id_mismatch".to_owned()));
            assert_eq!(read(LightPushVersion::V3, "id", &wrong.encode()), mismatch);
        }
        assert!(matches!(read(LightPushVersion::V3, "id", b"\x0a"), Err(PushError::Failed(_))));
    }

    #[test]
    fn a_success_that_reached_nobody_is_told_as_what_it_is() {
        assert_eq!(honest(Answer::published(1)).status, Status::Success);
        assert_eq!(honest(Answer::published(0)).status, Status::NoPeersToRelay);
        let none = Answer { relay_peers: None, ..Answer::published(1) };
        assert_eq!(honest(none).status, Status::NoPeersToRelay);
    }
}
