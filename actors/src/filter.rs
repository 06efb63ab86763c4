//! Filter actor: knows what filter clients want, and pushes it to them.
//!
//! Owns      the [`Server`], the clients' request quota, and what becomes of pushes.
//! Receives  [`RequestSeen`] and [`NetworkStarted`] from the network, [`Deliver`] from the relay.
//! Sends     [`AnswerPeer`] to the network; pushes go to the connections of the clients ([`PushStreams`]).
//! Bounds    mailbox [`MAILBOX`]; accepted messages that wait here: [`MAX_WAITING`], [`MAX_WAITING_BYTES`]. What
//!           waits for clients is bounded by the server.
//! On fault  subscriptions are lost: a client learns it from its next ping and subscribes again.
//! Stops     with the node.
//!
//! A message is encoded once, whoever wants it, and nobody waits for a client.

use std::{
    pin::Pin,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    task::{Context as TaskContext, Poll},
};

use actix::{Actor, AsyncContext, Context, Handler, Message, fut::ActorFuture};
use tokio::time::Instant;
use weir_core::{
    PeerId,
    filter::{Answer, Status},
};
use weir_net::{Body, Frame, PushEvent, PushFrame, PushStreams, Service};
use weir_protocols::{
    filter::{Reset, Server, ServerConfig},
    rate_limit::{self, PeerQuota, RateLimit},
    relay::Accepted,
};
use weir_wire::{FilterRequest, FilterResponse, NO_REQUEST_ID, encoded_len};

use crate::{
    Clock,
    deadline::DeadlineTimer,
    metrics::FilterMetrics,
    network::NetworkStarted,
    port::{Port, Refusal, Refused},
    service::{AnswerPeer, RequestSeen},
    supervision::{ASKS_IN_FLIGHT, Bounded, Handle, Lease},
};

#[cfg(test)]
mod tests;

/// Accepted messages that wait for this actor. A message for a thousand clients takes about a millisecond, so this
/// is what comes in a few seconds of the worst load, and no more than a hiccup of the machine.
pub(crate) const MAX_WAITING: usize = 4096;

/// Bytes of messages that wait for this actor: the number above at 4 KiB each, which is more than they have on
/// average.
const MAX_WAITING_BYTES: usize = 16 * 1024 * 1024;

/// A place for every message that may wait, and for four requests of each of a thousand clients; who comes while
/// so many wait is refused by the network actor.
const MAILBOX: usize = ASKS_IN_FLIGHT + MAX_WAITING + 4096;

/// How filter is served.
#[derive(Debug, Clone, Copy)]
pub struct FilterServiceSettings {
    /// The limits of clients and subscriptions.
    pub server: ServerConfig,
    /// How often a client may ask; none for no limit.
    pub limit: Option<RateLimit>,
}

/// Tells of an accepted message.
#[derive(Debug, Message)]
#[rtype(result = "()")]
pub(crate) struct Deliver {
    accepted: Box<Accepted>,
    _place: Place,
}

/// What the actor needs from the rest of the node.
#[derive(Clone)]
pub(crate) struct Ports {
    pub(crate) answers: Port<AnswerPeer>,
    pub(crate) streams: PushStreams,
}

pub(crate) struct FilterActor {
    server: Server,
    /// None for no limit.
    quota: Option<PeerQuota>,
    timer: DeadlineTimer,
    ports: Ports,
    clock: Clock,
    metrics: FilterMetrics,
    _lease: Lease,
}

/// The room of accepted messages on their way here.
#[derive(Debug, Default)]
struct Room {
    messages: AtomicUsize,
    bytes: AtomicUsize,
}

/// The place of one message, until it is handled or dropped.
#[derive(Debug)]
struct Place {
    room: Arc<Room>,
    bytes: usize,
}

/// The way of accepted messages to the actor. What finds no room is lost to the clients and counted; the relay does
/// not wait.
pub(crate) fn intake(actor: Handle<FilterActor>, metrics: FilterMetrics) -> Port<Box<Accepted>> {
    let room = Arc::new(Room::default());
    Port::from_fn(move |accepted: Box<Accepted>| {
        let Some(place) = Place::take(&room, encoded_len(accepted.message())) else {
            metrics.missed();
            return Err(Refused { message: accepted, why: Refusal::Busy });
        };
        actor.tell(Deliver { accepted, _place: place }).map_err(|refused| {
            metrics.missed();
            Refused { message: refused.message.accepted, why: refused.why }
        })
    })
}

impl Place {
    fn take(room: &Arc<Room>, bytes: usize) -> Option<Self> {
        // Made at once, so that its drop takes back what does not fit.
        let messages = room.messages.fetch_add(1, Ordering::Relaxed);
        let held = room.bytes.fetch_add(bytes, Ordering::Relaxed);
        let place = Self { room: Arc::clone(room), bytes };
        (messages < MAX_WAITING && held.saturating_add(bytes) <= MAX_WAITING_BYTES).then_some(place)
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        self.room.messages.fetch_sub(1, Ordering::Relaxed);
        self.room.bytes.fetch_sub(self.bytes, Ordering::Relaxed);
    }
}

impl FilterActor {
    pub(crate) fn new(
        settings: FilterServiceSettings,
        ports: Ports,
        clock: Clock,
        metrics: FilterMetrics,
        lease: Lease,
    ) -> Self {
        // Room for those that come beside those that are there.
        let max_peers = settings.server.max_clients.saturating_add(rate_limit::MAX_PEERS);
        Self {
            server: Server::new(settings.server),
            quota: settings.limit.map(|limit| PeerQuota::new(limit, max_peers)),
            timer: DeadlineTimer::default(),
            ports,
            clock,
            metrics,
            _lease: lease,
        }
    }

    /// The answer to a request; none when it is no request.
    fn answer(&mut self, from: &PeerId, body: &Body) -> Option<FilterResponse> {
        let now = self.clock.now();
        if self.quota.as_mut().is_some_and(|quota| quota.take(from, now).is_err()) {
            let request_id = NO_REQUEST_ID.to_owned();
            return Some(FilterResponse { request_id, answer: Answer::rate_limited() });
        }
        let Body::Whole(body) = body else { return None };
        match FilterRequest::decode(body) {
            Ok(FilterRequest { request_id, asked }) => {
                let since = Instant::now();
                let kind = self.metrics.requested(&asked);
                let answer = self.server.handle(from, asked, now);
                self.metrics.request_took(kind, since.elapsed());
                Some(FilterResponse { request_id, answer })
            }
            Err(error) => {
                tracing::debug!(peer = %from, %error, "a filter request cannot be decoded");
                self.metrics.undecodable();
                None
            }
        }
    }

    fn push(&mut self, accepted: &Accepted) {
        let since = Instant::now();
        let message = accepted.message();
        let now = self.clock.now();
        let peers = self.server.push(accepted, encoded_len(message), now);
        self.reset_streams();
        if peers.is_empty() {
            return;
        }
        let frame = PushFrame::new(accepted.topic(), message);
        for peer in &peers {
            // Its connection is going; that is told, too.
            if !self.ports.streams.push(peer, &frame) {
                self.server.push_failed(peer, now);
            }
        }
        self.metrics.fan_out_took(since.elapsed());
    }

    fn on_push_event(&mut self, event: PushEvent) {
        let now = self.clock.now();
        match event {
            PushEvent::Connected(peer) => self.server.connected(&peer),
            PushEvent::Written { peer, count } => (0..count).for_each(|_| self.server.pushed(&peer, now)),
            PushEvent::StreamLost(peer) => self.server.push_failed(&peer, now),
            PushEvent::Disconnected(peer) => self.server.disconnected(&peer),
        }
    }

    fn reset_streams(&mut self) {
        for Reset { peer, dropped } in self.server.take_resets() {
            tracing::debug!(%peer, dropped, "a filter client does not read and gets another stream");
            self.ports.streams.reset(&peer);
        }
    }

    fn settle(&mut self, ctx: &mut Context<Self>) {
        self.metrics.show(&self.server);
        self.timer.arm(self.server.next_deadline(), self.clock.now(), ctx, Self::deadline_came);
    }

    fn deadline_came(&mut self, ctx: &mut Context<Self>) {
        self.timer.fired();
        let streams = &self.ports.streams;
        self.server.tick(self.clock.now(), |peer| !streams.is_refused_by(peer));
        self.reset_streams();
        self.settle(ctx);
    }
}

/// The answer to what the actor cannot take.
pub(crate) fn busy(_: Service, _: Body) -> Option<Frame> {
    let answer = Answer::refused(Status::ServiceUnavailable, "the node is overloaded; try again");
    Some(frame_of(&FilterResponse { request_id: NO_REQUEST_ID.to_owned(), answer }))
}

fn frame_of(response: &FilterResponse) -> Frame {
    Frame::new(&response.encode())
}

impl Bounded for FilterActor {
    const MAILBOX: usize = MAILBOX;
}

impl Actor for FilterActor {
    type Context = Context<Self>;

    fn started(&mut self, ctx: &mut Self::Context) {
        // What the actor before had pushed is not in the books of this one.
        self.ports.streams.reset_all();
        ctx.spawn(Pump);
        self.metrics.show(&self.server);
    }
}

/// Follows what becomes of pushes.
struct Pump;

impl ActorFuture<FilterActor> for Pump {
    type Output = ();

    fn poll(
        self: Pin<&mut Self>,
        actor: &mut FilterActor,
        ctx: &mut Context<FilterActor>,
        task: &mut TaskContext<'_>,
    ) -> Poll<()> {
        if let Poll::Ready(events) = actor.ports.streams.poll_events(task) {
            for event in events {
                actor.on_push_event(event);
            }
            actor.settle(ctx);
            // The mailbox has its turn before the next events.
            task.waker().wake_by_ref();
        }
        Poll::Pending
    }
}

impl Handler<RequestSeen> for FilterActor {
    type Result = ();

    fn handle(&mut self, seen: RequestSeen, ctx: &mut Self::Context) {
        // An answer is written or not; nothing here waits for that.
        let RequestSeen::Requested { id, peer, body, .. } = seen else { return };
        self.metrics.received(body.size());
        let response = self.answer(&peer, &body);
        let frame = response.as_ref().map(frame_of);
        self.metrics.answered(response.as_ref().map(|response| &response.answer), frame.as_ref());
        // A network that is being rebuilt has lost the request with its connections.
        drop(self.ports.answers.tell(AnswerPeer { id, frame }));
        self.settle(ctx);
    }
}

impl Handler<Deliver> for FilterActor {
    type Result = ();

    fn handle(&mut self, Deliver { accepted, .. }: Deliver, ctx: &mut Self::Context) {
        self.push(&accepted);
        self.settle(ctx);
    }
}

impl Handler<NetworkStarted> for FilterActor {
    type Result = ();

    /// The connections of the network before tell themselves that they are gone.
    fn handle(&mut self, _: NetworkStarted, _: &mut Self::Context) {}
}
