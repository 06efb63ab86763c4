//! How the network actor and the actors of services speak: bodies of requests one way, frames of answers the
//! other, whatever the service.

use actix::Message;
use bytes::Bytes;
use weir_core::{PeerAddress, PeerId};
use weir_net::{Body, Frame, RequestError, RequestId, Service};

use crate::{
    network::NetworkStarted,
    port::{Port, Reply},
};

/// Tells a service what the network saw of peers' requests.
#[derive(Debug, Message)]
#[rtype(result = "()")]
pub(crate) enum RequestSeen {
    /// A peer asks.
    Requested { id: RequestId, service: Service, peer: PeerId, body: Body },
    /// The answer was written to its end.
    Sent { id: RequestId, service: Service },
    /// Nobody waits for an answer any more.
    Abandoned(RequestId),
}

/// Asks the network to answer a peer; without a frame the stream ends.
#[derive(Debug, Message)]
#[rtype(result = "()")]
pub(crate) struct AnswerPeer {
    pub(crate) id: RequestId,
    pub(crate) frame: Option<Frame>,
}

/// Asks a peer.
#[derive(Debug, Message)]
#[rtype(result = "()")]
pub(crate) struct AskPeer {
    pub(crate) peer: PeerAddress,
    pub(crate) service: Service,
    pub(crate) question: Frame,
    pub(crate) reply: Reply<Result<Bytes, RequestError>>,
}

/// The way to the actor of a service.
#[derive(Debug, Clone)]
pub(crate) struct ServicePorts {
    pub(crate) seen: Port<RequestSeen>,
    pub(crate) started: Port<NetworkStarted>,
    /// The answer to what the actor cannot take.
    pub(crate) busy: fn(Service, Body) -> Option<Frame>,
}
