//! The pushes of one connection, both ways.

use std::{
    convert::Infallible,
    future::{Ready, ready},
    option,
    task::{Context, Poll},
};

use libp2p::{
    Stream, StreamProtocol,
    core::upgrade::{InboundUpgrade, ReadyUpgrade, UpgradeInfo},
    swarm::{
        ConnectionHandler, ConnectionHandlerEvent, SubstreamProtocol,
        handler::{ConnectionEvent, FullyNegotiatedInbound, FullyNegotiatedOutbound, ProtocolsChange},
    },
};
use weir_core::{PubsubTopic, WakuMessage};
use weir_wire::protocol_id;

use super::{FromBehaviour, inbound::Inbound, outbox::Connection, writer::Writer};

const PROTOCOL: StreamProtocol = StreamProtocol::new(protocol_id::FILTER_PUSH);

pub(crate) struct Handler {
    /// None when the node has no filter clients.
    connection: Option<Connection>,
    outbound: Outbound,
    receives: bool,
    inbound: Inbound,
}

/// The stream to the client.
enum Outbound {
    None,
    Opening,
    Open(Writer<Stream>),
}

/// Takes push streams, in a node that is a filter client.
pub(crate) struct Offer {
    receives: bool,
}

impl UpgradeInfo for Offer {
    type Info = StreamProtocol;
    type InfoIter = option::IntoIter<StreamProtocol>;

    fn protocol_info(&self) -> Self::InfoIter {
        self.receives.then_some(PROTOCOL).into_iter()
    }
}

impl InboundUpgrade<Stream> for Offer {
    type Output = Stream;
    type Error = Infallible;
    type Future = Ready<Result<Stream, Infallible>>;

    fn upgrade_inbound(self, stream: Stream, _: StreamProtocol) -> Self::Future {
        ready(Ok(stream))
    }
}

impl Handler {
    pub(super) fn new(connection: Option<Connection>, receives: bool) -> Self {
        Self { connection, outbound: Outbound::None, receives, inbound: Inbound::default() }
    }

    /// Whether a stream is to be opened.
    fn poll_outbound(&mut self, cx: &mut Context<'_>) -> bool {
        let Some(connection) = &self.connection else { return false };
        connection.register(cx);
        if connection.take_reset() && matches!(self.outbound, Outbound::Open(_)) {
            self.outbound = Outbound::None;
        }
        if let Outbound::Open(writer) = &mut self.outbound
            && let Poll::Ready(error) = writer.poll(connection, cx)
        {
            tracing::debug!(%error, "a push stream broke");
            connection.lost();
            self.outbound = Outbound::None;
        }
        let opens = matches!(self.outbound, Outbound::None) && connection.has_frames();
        if opens {
            self.outbound = Outbound::Opening;
        }
        opens
    }

    fn on_remote_protocols(&self, change: &ProtocolsChange<'_>) {
        let Some(connection) = &self.connection else { return };
        match change {
            ProtocolsChange::Added(added) if added.clone().any(|protocol| *protocol == PROTOCOL) => {
                connection.told(true);
            }
            // What it tells first is all that it speaks.
            ProtocolsChange::Added(_) if !connection.has_told() => connection.told(false),
            ProtocolsChange::Added(_) => {}
            ProtocolsChange::Removed(removed) => {
                if removed.clone().any(|protocol| *protocol == PROTOCOL) {
                    connection.told(false);
                }
            }
        }
    }
}

impl ConnectionHandler for Handler {
    type FromBehaviour = FromBehaviour;
    /// Boxed, because the event of a connection is as large as the largest of all its protocols.
    type ToBehaviour = Box<(PubsubTopic, WakuMessage)>;
    type InboundProtocol = Offer;
    type OutboundProtocol = ReadyUpgrade<StreamProtocol>;
    type InboundOpenInfo = ();
    type OutboundOpenInfo = ();

    fn listen_protocol(&self) -> SubstreamProtocol<Self::InboundProtocol> {
        SubstreamProtocol::new(Offer { receives: self.receives }, ())
    }

    fn poll(
        &mut self,
        cx: &mut Context<'_>,
    ) -> Poll<ConnectionHandlerEvent<Self::OutboundProtocol, (), Self::ToBehaviour>> {
        if self.poll_outbound(cx) {
            return Poll::Ready(ConnectionHandlerEvent::OutboundSubstreamRequest {
                protocol: SubstreamProtocol::new(ReadyUpgrade::new(PROTOCOL), ()),
            });
        }
        self.inbound.poll(cx).map(|pushed| ConnectionHandlerEvent::NotifyBehaviour(Box::new(pushed)))
    }

    fn on_behaviour_event(&mut self, never: FromBehaviour) {
        match never {}
    }

    fn on_connection_event(
        &mut self,
        event: ConnectionEvent<'_, Self::InboundProtocol, Self::OutboundProtocol>,
    ) {
        match event {
            ConnectionEvent::FullyNegotiatedInbound(FullyNegotiatedInbound { protocol: stream, .. }) => {
                self.inbound.add(stream);
            }
            ConnectionEvent::FullyNegotiatedOutbound(FullyNegotiatedOutbound {
                protocol: stream, ..
            }) => {
                self.outbound = Outbound::Open(Writer::new(stream));
            }
            ConnectionEvent::DialUpgradeError(failed) => {
                tracing::debug!(error = %failed.error, "a push stream could not be opened");
                self.outbound = Outbound::None;
                if let Some(connection) = &self.connection {
                    connection.lost();
                }
            }
            ConnectionEvent::RemoteProtocolsChange(change) => self.on_remote_protocols(&change),
            // The rest has no consequence here.
            _ => {}
        }
    }
}
