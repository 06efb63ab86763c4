//! Requests to services in both directions.
//!
//! ```text
//!  peer ── request ──▶ Requested ──▶ owner ──▶ answer ──▶ AnswerSent
//!                          │           └─────▶ refuse ──▶ Abandoned
//!                          └── the peer goes, or time is over ─▲
//!  owner ─▶ ask ─▶ (dial) ─▶ request ─▶ response ─▶ Answered
//! ```
//!
//! Every `Requested` is followed by one `AnswerSent` or `Abandoned`, and every `ask` by one `Answered`.

use libp2p::request_response::{
    Event as Exchange, InboundRequestId, Message, OutboundFailure, ResponseChannel,
};

use super::*;
use crate::{
    Body, Frame, QuestionId, RequestError, RequestId, Service,
    behaviour::ServicesEvent,
    service::{Behaviour as ServiceBehaviour, Content},
};

/// Requests under way, both ways.
#[derive(Debug, Default)]
pub(super) struct Requests {
    /// Requests of peers whose answer is not written to the end; bounded by the streams of all connections.
    inbound: HashMap<(Service, InboundRequestId), RequestId>,
    /// The way back to those without an answer yet.
    channels: HashMap<RequestId, (Service, ResponseChannel<Content>)>,
    next_inbound: u64,
    /// Own requests; as many as the owner makes.
    asked: HashMap<(Service, OutboundRequestId), QuestionId>,
    next_question: u64,
}

impl Network {
    /// Answers a peer's request. An answer for one that was abandoned is dropped.
    pub fn answer(&mut self, request: RequestId, frame: Frame) {
        let Some((service, channel)) = self.requests.channels.remove(&request) else { return };
        // Fails when the stream has ended; the event that says so is under way.
        let _ = self.service_mut(service).send_response(channel, Content::Written(frame));
    }

    /// Ends the stream of a peer's request without an answer.
    pub fn refuse(&mut self, request: RequestId) {
        drop(self.requests.channels.remove(&request));
    }

    /// Asks a peer for a service, and connects to the peer first if need be.
    pub fn ask(&mut self, peer: &PeerAddress, service: Service, question: Frame) -> QuestionId {
        let id = QuestionId(self.requests.next_question);
        self.requests.next_question += 1;
        match self.reach(peer) {
            Ok(peer) => {
                let outbound = self.service_mut(service).send_request(&peer, Content::Written(question));
                self.requests.asked.insert((service, outbound), id);
            }
            Err(failure) => self.on_answered(service, id, Err(RequestError::NotReached(failure))),
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

    fn service_mut(&mut self, service: Service) -> &mut ServiceBehaviour {
        let services = &mut self.swarm.behaviour_mut().services;
        match service {
            Service::Store => &mut services.store,
            Service::Filter => &mut services.filter,
            Service::LightPush => &mut services.lightpush,
            Service::LegacyLightPush => &mut services.legacy_lightpush,
            Service::PeerExchange => &mut services.peer_exchange,
        }
    }

    pub(super) fn on_services_event(&mut self, event: ServicesEvent) {
        match event {
            ServicesEvent::Store(event) => self.on_exchange(Service::Store, event),
            ServicesEvent::Filter(event) => self.on_exchange(Service::Filter, event),
            ServicesEvent::Lightpush(event) => self.on_exchange(Service::LightPush, event),
            ServicesEvent::LegacyLightpush(event) => self.on_exchange(Service::LegacyLightPush, event),
            ServicesEvent::PeerExchange(event) => self.on_exchange(Service::PeerExchange, event),
        }
    }

    fn on_exchange(&mut self, service: Service, event: Exchange<Content, Content>) {
        match event {
            Exchange::Message {
                peer, message: Message::Request { request_id, request, channel }, ..
            } => {
                if let Content::Read(body) = request {
                    let (id, peer) = (RequestId(self.requests.next_inbound), peer_id(&peer));
                    self.requests.next_inbound += 1;
                    self.requests.inbound.insert((service, request_id), id);
                    self.requests.channels.insert(id, (service, channel));
                    self.events.push_back(Event::Requested { id, service, peer, body });
                }
            }
            Exchange::Message { message: Message::Response { request_id, response }, .. } => {
                if let Content::Read(Body::Whole(body)) = response {
                    self.on_outcome(service, request_id, Ok(body));
                }
            }
            Exchange::OutboundFailure { request_id, error, .. } => {
                self.on_outcome(service, request_id, Err(request_error(error)));
            }
            Exchange::ResponseSent { request_id, .. } => {
                self.metrics.exchanged(service, Direction::Inbound, true);
                self.on_request_ended(service, request_id, Event::AnswerSent);
            }
            Exchange::InboundFailure { request_id, error, .. } => {
                tracing::debug!(?service, %error, "a request was not answered");
                self.metrics.exchanged(service, Direction::Inbound, false);
                self.on_request_ended(service, request_id, Event::Abandoned);
            }
        }
    }

    /// Of a request that was never read to its end there is nothing to tell.
    fn on_request_ended(
        &mut self,
        service: Service,
        request: InboundRequestId,
        told: fn(Service, RequestId) -> Event,
    ) {
        if let Some(id) = self.requests.inbound.remove(&(service, request)) {
            self.requests.channels.remove(&id);
            self.events.push_back(told(service, id));
        }
    }

    fn on_outcome(
        &mut self,
        service: Service,
        request: OutboundRequestId,
        result: Result<Bytes, RequestError>,
    ) {
        if let Some(id) = self.requests.asked.remove(&(service, request)) {
            self.on_answered(service, id, result);
        }
    }

    fn on_answered(&mut self, service: Service, id: QuestionId, result: Result<Bytes, RequestError>) {
        self.metrics.exchanged(service, Direction::Outbound, result.is_ok());
        self.events.push_back(Event::Answered { id, result });
    }
}

fn request_error(error: OutboundFailure) -> RequestError {
    match error {
        OutboundFailure::DialFailure => {
            RequestError::NotReached(DialFailure::Unreachable("no connection came about".to_owned()))
        }
        OutboundFailure::ConnectionClosed => RequestError::ConnectionClosed,
        OutboundFailure::Timeout => RequestError::Timeout,
        OutboundFailure::UnsupportedProtocols => RequestError::Unsupported,
        OutboundFailure::Io(error) => RequestError::Unreadable(error.to_string()),
    }
}
