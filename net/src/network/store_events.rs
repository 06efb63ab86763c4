//! Store requests in both directions.
//!
//! ```text
//!  peer ── request ──▶ StoreRequested ──▶ owner ──▶ answer_store ──▶ StoreAnswerSent
//!                           └───────── the peer goes, or time is over ─▶ StoreAbandoned
//!  owner ─▶ query_store ─▶ (dial) ─▶ request ─▶ response ─▶ StoreAnswered
//! ```
//!
//! Every `StoreRequested` is followed by one `StoreAnswerSent` or `StoreAbandoned`, and every `query_store` by
//! one `StoreAnswered`.

use libp2p::request_response::{
    Event as Exchange, InboundRequestId, Message, OutboundFailure, ResponseChannel,
};
use weir_core::store::Query;
use weir_wire::{StoreRequest, StoreResponse};

use super::*;
use crate::{
    StoreFrame, StoreQueryError, StoreQueryId, StoreRequestId,
    store::{Frame, request_frame, response_frame},
};

/// Requests under way, both ways.
#[derive(Debug, Default)]
pub(super) struct StoreRequests {
    /// Requests of peers whose answer is not written to the end; bounded by the streams of all connections.
    inbound: HashMap<InboundRequestId, StoreRequestId>,
    /// The way back to those without an answer yet.
    channels: HashMap<StoreRequestId, ResponseChannel<Frame<StoreResponse>>>,
    next_inbound: u64,
    /// Own requests; as many as the owner makes.
    asked: HashMap<OutboundRequestId, StoreQueryId>,
    next_query: u64,
}

impl Network {
    /// Answers a peer's request. An answer for one that was abandoned is dropped.
    pub fn answer_store(&mut self, request: StoreRequestId, frame: StoreFrame) {
        let Some(channel) = self.store.channels.remove(&request) else { return };
        // Fails when the stream has ended; the event that says so is under way.
        let _ = self.swarm.behaviour_mut().store.send_response(channel, response_frame(frame));
    }

    /// Asks a peer's archive, and connects to the peer first if need be. `request_id` names the request on
    /// the wire.
    pub fn query_store(&mut self, peer: &PeerAddress, request_id: &str, query: &Query) -> StoreQueryId {
        let id = StoreQueryId(self.store.next_query);
        self.store.next_query += 1;
        match self.reach(peer) {
            Ok(peer) => {
                let frame = request_frame(request_id, query);
                let outbound = self.swarm.behaviour_mut().store.send_request(&peer, frame);
                self.store.asked.insert(outbound, id);
            }
            Err(failure) => self.on_store_answered(id, Err(StoreQueryError::NotReached(failure))),
        }
        id
    }

    /// A peer that is connected or being dialled.
    fn reach(&mut self, address: &PeerAddress) -> Result<Libp2pPeerId, DialFailure> {
        let peer = libp2p_peer_id(address.peer()).ok_or(DialFailure::Address)?;
        if !self.connections.contains_key(&peer) {
            match self.try_dial(address) {
                // Another dial is under way; what is asked waits for that.
                Ok(()) | Err(DialFailure::AlreadyConnected) => {}
                Err(failure) => return Err(failure),
            }
        }
        Ok(peer)
    }

    pub(super) fn on_store_event(&mut self, event: Exchange<Frame<StoreRequest>, Frame<StoreResponse>>) {
        match event {
            Exchange::Message {
                peer, message: Message::Request { request_id, request, channel }, ..
            } => {
                if let Frame::Read { size, content } = request {
                    let (id, peer) = (StoreRequestId(self.store.next_inbound), peer_id(&peer));
                    self.store.next_inbound += 1;
                    self.store.inbound.insert(request_id, id);
                    self.store.channels.insert(id, channel);
                    self.events.push_back(Event::StoreRequested { id, peer, size, request: content });
                }
            }
            Exchange::Message { message: Message::Response { request_id, response }, .. } => {
                let Some(id) = self.store.asked.remove(&request_id) else { return };
                if let Frame::Read { size, content } = response {
                    let result = content
                        .map(|response| (response, size))
                        .map_err(|error| StoreQueryError::Unreadable(error.to_string()));
                    self.on_store_answered(id, result);
                }
            }
            Exchange::OutboundFailure { request_id, error, .. } => {
                let Some(id) = self.store.asked.remove(&request_id) else { return };
                self.on_store_answered(id, Err(query_error(error)));
            }
            Exchange::ResponseSent { request_id, .. } => {
                self.metrics.store(Direction::Inbound, true);
                self.on_store_request_ended(request_id, Event::StoreAnswerSent);
            }
            Exchange::InboundFailure { request_id, error, .. } => {
                tracing::debug!(%error, "a store request was not answered");
                self.metrics.store(Direction::Inbound, false);
                self.on_store_request_ended(request_id, Event::StoreAbandoned);
            }
        }
    }

    /// Of a request that was never read to its end there is nothing to tell.
    fn on_store_request_ended(&mut self, request: InboundRequestId, told: fn(StoreRequestId) -> Event) {
        if let Some(id) = self.store.inbound.remove(&request) {
            self.store.channels.remove(&id);
            self.events.push_back(told(id));
        }
    }

    fn on_store_answered(
        &mut self,
        id: StoreQueryId,
        result: Result<(StoreResponse, usize), StoreQueryError>,
    ) {
        self.metrics.store(Direction::Outbound, result.is_ok());
        self.events.push_back(Event::StoreAnswered { id, result });
    }
}

fn query_error(error: OutboundFailure) -> StoreQueryError {
    match error {
        OutboundFailure::DialFailure => {
            StoreQueryError::NotReached(DialFailure::Unreachable("no connection came about".to_owned()))
        }
        OutboundFailure::ConnectionClosed => StoreQueryError::ConnectionClosed,
        OutboundFailure::Timeout => StoreQueryError::Timeout,
        OutboundFailure::UnsupportedProtocols => StoreQueryError::Unsupported,
        OutboundFailure::Io(error) => StoreQueryError::Unreadable(error.to_string()),
    }
}
