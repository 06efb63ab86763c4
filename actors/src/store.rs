//! Store actor: answers the store queries of peers from the node's archive.
//!
//! Owns      the [`Server`] and the tasks that wait for the archive.
//! Receives  [`RequestSeen`] and [`NetworkStarted`] from the network, [`QueryEnded`] from its own tasks,
//!           [`StopStore`].
//! Sends     [`RunQuery`] to the archive's readers, [`AnswerPeer`] to the network.
//! Bounds    mailbox [`MAILBOX`]; requests, queries and answers under way as the server has them.
//! On fault  the requests under way stay without an answer until the network gives them up.
//! Stops     on [`StopStore`]: who waits is told so. It goes on refusing until the node ends.
//!
//! A page is encoded by the task that waited for it, on the common pool, so that one of megabytes does not
//! hold up the requests behind it.

use std::collections::HashMap;

use actix::{Actor, Context, Handler, Message};
use tokio::{sync::oneshot::error::RecvError, task::AbortHandle, time::Instant};
use weir_core::store::{Direction, Page, Query};
use weir_net::{Body, Frame, RequestId as NetRequestId, Service};
use weir_protocols::store::{
    Effect, Failure, Input, Question, Refused, RequestId, STATUS_OK, Server, ServerConfig,
};
use weir_storage::archive::ArchiveError;
use weir_wire::{
    Asked, DecodeError, STORE_REQUEST_MAX_FRAME, STORE_RESPONSE_MAX_FRAME, StoreRequest, StoreResponse,
};

use crate::{
    Clock,
    archive::RunQuery,
    deadline::DeadlineTimer,
    handles::QueryError,
    metrics::StoreMetrics,
    network::NetworkStarted,
    port::{Port, Refusal, Reply},
    service::{AnswerPeer, RequestSeen},
    supervision::{ASKS_IN_FLIGHT, Bounded, Lease},
};

#[cfg(test)]
mod tests;

/// Requests of 150 peers, 32 streams each, would be 4,800 at once; who comes while so many wait is refused by
/// the network actor. Ends of requests and of queries find a place as long as the actor gets its turns.
const MAILBOX: usize = ASKS_IN_FLIGHT + 4096;

/// Tells what came of a query.
#[derive(Debug, Message)]
#[rtype(result = "()")]
pub(crate) struct QueryEnded {
    id: RequestId,
    outcome: Result<Frame, Failure>,
}

/// Asks to tell all who wait that the node stops.
#[derive(Debug, Message)]
#[rtype(result = "()")]
pub(crate) struct StopStore(pub(crate) Reply<()>);

/// What the actor needs from the rest of the node.
#[derive(Clone)]
pub(crate) struct Ports {
    pub(crate) archive: Port<RunQuery>,
    pub(crate) answers: Port<AnswerPeer>,
    /// Its own.
    pub(crate) ended: Port<QueryEnded>,
}

pub(crate) struct StoreActor {
    config: ServerConfig,
    server: Server,
    /// Requests without an end; as many as the network has open.
    requests: HashMap<RequestId, Request>,
    effects: Vec<Effect>,
    timer: DeadlineTimer,
    ports: Ports,
    clock: Clock,
    metrics: StoreMetrics,
    _lease: Lease,
}

/// What is kept of a request beside the server.
struct Request {
    /// How the peer names it.
    request_id: String,
    since: Instant,
    stage: Stage,
}

enum Stage {
    Asked,
    /// The task that waits for the page, and since when. Aborting it cancels the query.
    Running(AbortHandle, Instant),
    Found(Frame),
    Sending(Instant),
}

impl Drop for Request {
    fn drop(&mut self) {
        if let Stage::Running(task, _) = &self.stage {
            task.abort();
        }
    }
}

impl StoreActor {
    pub(crate) fn new(
        config: ServerConfig,
        ports: Ports,
        clock: Clock,
        metrics: StoreMetrics,
        lease: Lease,
    ) -> Self {
        Self {
            config,
            server: Server::new(config, clock.now()),
            requests: HashMap::new(),
            effects: Vec::new(),
            timer: DeadlineTimer::default(),
            ports,
            clock,
            metrics,
            _lease: lease,
        }
    }

    fn step(&mut self, input: Input, ctx: &mut Context<Self>) {
        let mut inputs = vec![input];
        let mut effects = std::mem::take(&mut self.effects);
        while let Some(input) = inputs.pop() {
            self.server.handle(input, self.clock.now(), &mut effects);
            for effect in effects.drain(..) {
                inputs.extend(self.perform(effect));
            }
        }
        self.effects = effects;
        let (waiting, running) = self.server.load();
        self.metrics.load(waiting, running);
        self.timer.arm(self.server.next_deadline(), self.clock.now(), ctx, Self::deadline_came);
    }

    fn deadline_came(&mut self, ctx: &mut Context<Self>) {
        self.timer.fired();
        self.step(Input::Tick, ctx);
    }

    /// What follows at once, if anything does.
    fn perform(&mut self, effect: Effect) -> Option<Input> {
        match effect {
            Effect::Run { id, query, until } => {
                return self.run(id, *query, until).err().map(|failure| Input::Failed { id, failure });
            }
            Effect::Cancel(id) => {
                if let Some(request) = self.requests.get_mut(&id) {
                    request.leave(Stage::Asked);
                }
            }
            Effect::SendPage(id) => {
                let request = self.requests.get_mut(&id)?;
                if let Stage::Found(frame) = request.leave(Stage::Sending(Instant::now())) {
                    self.metrics.served();
                    self.answer(id, frame);
                }
            }
            Effect::SendNothing(id) => {
                let frame = self.frame(id, STATUS_OK, "OK".to_owned());
                self.metrics.served();
                self.answer(id, frame);
            }
            Effect::Refuse { id, refused } => {
                self.metrics.refused(&refused);
                let frame = self.frame(id, refused.status(), refused.to_string());
                self.answer(id, frame);
            }
        }
        None
    }

    fn run(&mut self, id: RequestId, query: Query, until: weir_core::Timestamp) -> Result<(), Failure> {
        let Some(request) = self.requests.get_mut(&id) else { return Ok(()) };
        let direction = query.direction;
        let (reply, answer) = Reply::channel();
        let asked = self.ports.archive.tell(RunQuery { query, not_after: until, reply });
        asked.map_err(|refused| match refused.why {
            Refusal::Busy => Failure::Busy,
            Refusal::Down => Failure::Closed,
        })?;
        let (ended, request_id) = (self.ports.ended.clone(), request.request_id.clone());
        let task = tokio::spawn(async move {
            let outcome = outcome(answer.await, request_id, direction);
            // An actor that is not there has forgotten the request; a full one lets its deadline pass.
            drop(ended.tell(QueryEnded { id, outcome }));
        });
        request.leave(Stage::Running(task.abort_handle(), Instant::now()));
        Ok(())
    }

    fn frame(&self, id: RequestId, status: u32, description: String) -> Frame {
        let request_id = self.requests.get(&id).map(|request| request.request_id.clone()).unwrap_or_default();
        frame_of(&StoreResponse { request_id, status, description, page: Page::default() })
    }

    fn answer(&self, RequestId(id): RequestId, frame: Frame) {
        self.metrics.sent(frame.size());
        // A network that is being rebuilt has lost the request with its connections.
        drop(self.ports.answers.tell(AnswerPeer { id: NetRequestId(id), frame: Some(frame) }));
    }

    fn end(&mut self, NetRequestId(id): NetRequestId, sent: bool, ctx: &mut Context<Self>) {
        let id = RequestId(id);
        if let Some(request) = self.requests.remove(&id) {
            self.metrics.ended(sent, request.since.elapsed());
            if let (Stage::Sending(since), true) = (&request.stage, sent) {
                self.metrics.sending_took(since.elapsed());
            }
        }
        self.step(Input::Ended(id), ctx);
    }
}

impl Request {
    /// Goes on to another stage, and cancels a query that is left unanswered.
    fn leave(&mut self, next: Stage) -> Stage {
        let before = std::mem::replace(&mut self.stage, next);
        if let Stage::Running(task, _) = &before {
            task.abort();
        }
        before
    }
}

/// The answer to what the actor cannot take.
pub(crate) fn busy(_: Service, body: Body) -> Option<Frame> {
    let (request_id, _) = question(read(&body));
    let refused = Refused::QueueFull;
    let (status, description) = (refused.status(), refused.to_string());
    Some(frame_of(&StoreResponse { request_id, status, description, page: Page::default() }))
}

/// Takes as long as copying the messages twice.
fn frame_of(response: &StoreResponse) -> Frame {
    Frame::new(&response.encode())
}

fn read(body: &Body) -> Result<StoreRequest, DecodeError> {
    match body {
        Body::Whole(bytes) => StoreRequest::decode(bytes),
        Body::TooLong(size) => {
            let (max, value) = (STORE_REQUEST_MAX_FRAME as u64, *size as u64);
            Err(DecodeError::Range { field: "store request", max, value })
        }
    }
}

fn question(request: Result<StoreRequest, DecodeError>) -> (String, Question) {
    match request {
        Err(error) => (String::new(), Question::Undecodable(error.to_string())),
        Ok(StoreRequest { request_id, asked }) => {
            let question = match asked {
                Asked::Query(query) => Question::Query(query),
                Asked::Nothing => Question::Nothing,
                Asked::Malformed(malformed) => Question::Malformed(malformed.to_string()),
            };
            (request_id, question)
        }
    }
}

fn outcome(
    answer: Result<Result<Page, QueryError>, RecvError>,
    request_id: String,
    direction: Direction,
) -> Result<Frame, Failure> {
    let page = match answer {
        Ok(Ok(page)) => page,
        Ok(Err(QueryError::Archive(error @ ArchiveError::Unavailable(_)))) => {
            return Err(Failure::Unavailable(error.to_string()));
        }
        Ok(Err(QueryError::Archive(error))) => return Err(Failure::Archive(error.to_string())),
        Ok(Err(QueryError::Busy)) => return Err(Failure::Busy),
        Ok(Err(QueryError::Timeout)) => return Err(Failure::TimedOut),
        Ok(Err(QueryError::Down)) => return Err(Failure::Closed),
        // The reader unwound.
        Err(_) => return Err(Failure::Archive("the query failed".to_owned())),
    };
    let response = StoreResponse { request_id, status: STATUS_OK, description: "OK".to_owned(), page };
    Ok(frame_of(&response.fitting(direction, STORE_RESPONSE_MAX_FRAME)))
}

impl Bounded for StoreActor {
    const MAILBOX: usize = MAILBOX;
}

impl Actor for StoreActor {
    type Context = Context<Self>;
}

impl Handler<RequestSeen> for StoreActor {
    type Result = ();

    fn handle(&mut self, seen: RequestSeen, ctx: &mut Self::Context) {
        match seen {
            RequestSeen::Requested { id: NetRequestId(id), peer, body, .. } => {
                self.metrics.requested(body.size());
                let (request_id, question) = question(read(&body));
                let id = RequestId(id);
                let request = Request { request_id, since: Instant::now(), stage: Stage::Asked };
                self.requests.insert(id, request);
                self.step(Input::Asked { id, peer, question }, ctx);
            }
            RequestSeen::Sent { id, .. } => self.end(id, true, ctx),
            RequestSeen::Abandoned(id) => self.end(id, false, ctx),
        }
    }
}

impl Handler<QueryEnded> for StoreActor {
    type Result = ();

    fn handle(&mut self, QueryEnded { id, outcome }: QueryEnded, ctx: &mut Self::Context) {
        let Some(request) = self.requests.get_mut(&id) else { return };
        if let Stage::Running(_, since) = &request.stage {
            self.metrics.query_took(since.elapsed());
        }
        let input = match outcome {
            Ok(frame) => {
                let bytes = frame.size();
                request.leave(Stage::Found(frame));
                Input::Found { id, bytes }
            }
            Err(failure) => Input::Failed { id, failure },
        };
        self.step(input, ctx);
    }
}

impl Handler<NetworkStarted> for StoreActor {
    type Result = ();

    /// The requests of the network before went with it, and nobody told.
    fn handle(&mut self, _: NetworkStarted, _: &mut Self::Context) {
        self.requests.clear();
        self.server = Server::new(self.config, self.clock.now());
    }
}

impl Handler<StopStore> for StoreActor {
    type Result = ();

    fn handle(&mut self, StopStore(reply): StopStore, ctx: &mut Self::Context) {
        self.step(Input::Stop, ctx);
        reply.give(());
    }
}
