//! The shell around the server: what reaches the archive and the network.

use std::time::Duration;

use bytes::Bytes;
use prometheus_client::registry::Registry;
use weir_core::{MessageHash, store::Row};
use weir_wire::encode_store_request;

use super::*;
use crate::{
    metrics::ServiceMetrics,
    probe::{Inbox, clock, nobody, peer, probe, probe_of, until, within},
    supervision::{Handle, Vacancy},
};

struct Rig {
    actor: Handle<StoreActor>,
    archive: Inbox<RunQuery>,
    answers: Inbox<AnswerPeer>,
    next: u64,
}

impl Rig {
    async fn new() -> Self {
        let (queries, archive) = probe();
        Self::with_archive(queries, archive).await
    }

    async fn with_archive(queries: Port<RunQuery>, archive: Inbox<RunQuery>) -> Self {
        let (answers_port, answers) = probe();
        let place = Vacancy::new("store");
        let actor = place.handle();
        let ports = Ports { archive: queries, answers: answers_port, ended: actor.port() };
        let (clock, metrics) = (clock(), store_metrics());
        let config = ServerConfig { limit: None, slots: 4 };
        let factory =
            move |lease| Ok(StoreActor::new(config, ports.clone(), clock.clone(), metrics.clone(), lease));
        let (faults, _) = tokio::sync::mpsc::channel(32);
        place.supervise(&actix_rt::Arbiter::current(), faults, factory).await.expect("starts");
        Self { actor, archive, answers, next: 0 }
    }

    fn tell<M>(&self, message: M)
    where
        StoreActor: Handler<M>,
        M: Message<Result = ()> + Send + 'static,
        Context<StoreActor>: actix::dev::ToEnvelope<StoreActor, M>,
    {
        assert!(self.actor.tell(message).is_ok(), "the actor is there");
    }

    fn ask(&mut self, query: &Query) -> NetRequestId {
        let id = NetRequestId(self.next);
        self.next += 1;
        self.requested(id, encode_store_request(&format!("request {}", id.0), query));
        id
    }

    fn query(&mut self) -> NetRequestId {
        self.ask(&Query::default())
    }

    fn requested(&self, id: NetRequestId, body: Bytes) {
        let (service, body) = (Service::Store, Body::Whole(body));
        self.tell(RequestSeen::Requested { id, service, peer: peer(1), body });
    }

    async fn answered(&mut self, id: NetRequestId, status: u32, text: &str, page: Page) {
        let AnswerPeer { id: answered, frame } = self.answers.next().await;
        let (request_id, description) = (format!("request {}", id.0), text.to_owned());
        let expected = frame_of(&StoreResponse { request_id, status, description, page });
        assert_eq!((answered, frame), (id, Some(expected)), "{status} {text}");
    }
}

fn store_metrics() -> StoreMetrics {
    let mut registry = Registry::default();
    let service = ServiceMetrics::register(&mut registry);
    StoreMetrics::register(&mut registry, service)
}

fn page() -> Page {
    Page { rows: vec![Row { hash: MessageHash::from_bytes([7; 32]), data: None }], cursor: None }
}

#[actix::test]
async fn a_page_is_sent_under_the_name_the_peer_has_for_it() {
    let mut rig = Rig::new().await;
    let id = rig.query();
    let RunQuery { query, not_after, reply } = rig.archive.next().await;
    assert_eq!(query, Query::default());
    assert!(not_after > clock().now());
    reply.give(Ok(page()));
    rig.answered(id, 200, "OK", page()).await;
    rig.tell(RequestSeen::Sent { id, service: Service::Store });
}

#[actix::test]
async fn what_the_archive_does_not_answer_has_a_status() {
    let mut rig = Rig::new().await;
    for (error, status, text) in [
        (
            QueryError::Archive(ArchiveError::CursorNotFound),
            300,
            "BAD_RESPONSE: archive error: cursor not found",
        ),
        (
            QueryError::Archive(ArchiveError::Unavailable("no server".to_owned())),
            503,
            "SERVICE_UNAVAILABLE: the archive is unavailable: no server",
        ),
        (QueryError::Busy, 429, "TOO_MANY_REQUESTS: too many requests wait"),
        (QueryError::Timeout, 503, "SERVICE_UNAVAILABLE: no answer within 10 s"),
        (QueryError::Down, 503, "SERVICE_UNAVAILABLE: the node is stopping"),
    ] {
        let id = rig.query();
        rig.archive.next().await.reply.give(Err(error));
        rig.answered(id, status, text, Page::default()).await;
    }
    let id = rig.query();
    drop(rig.archive.next().await.reply);
    rig.answered(id, 300, "BAD_RESPONSE: archive error: the query failed", Page::default()).await;
}

#[actix::test]
async fn what_needs_no_archive_does_not_reach_it() {
    let mut rig = Rig::new().await;
    // Field 10 is the pubsub topic and 51 the cursor.
    for (field, status, text) in [
        (&b"\x52\x01x"[..], 200, "OK"),
        (b"\x9a\x03\x01x", 400, "BAD_REQUEST: invalid cursor hash length: 1"),
    ] {
        let id = NetRequestId(7);
        rig.requested(id, [&encode_store_request("request 7", &Query::default())[..], field].concat().into());
        rig.answered(id, status, text, Page::default()).await;
    }
    rig.requested(NetRequestId(77), b"\x0a".to_vec().into());
    let text = "decoding rpc failed: the input ends inside a field";
    let refused = StoreResponse {
        request_id: String::new(),
        status: 400,
        description: text.to_owned(),
        page: Page::default(),
    };
    assert_eq!(rig.answers.next().await.frame, Some(frame_of(&refused)));
    assert!(rig.archive.drain().is_empty());
}

#[actix::test]
async fn a_peer_that_goes_cancels_its_query() {
    let mut rig = Rig::new().await;
    let id = rig.query();
    let reply = rig.archive.next().await.reply;
    assert!(reply.is_awaited());
    rig.tell(RequestSeen::Abandoned(id));
    until(async || (!reply.is_awaited()).then_some(())).await;
    assert!(rig.answers.drain().is_empty());
}

#[actix::test]
async fn a_network_made_anew_has_lost_all_requests() {
    let mut rig = Rig::new().await;
    rig.query();
    let reply = rig.archive.next().await.reply;
    rig.tell(NetworkStarted);
    until(async || (!reply.is_awaited()).then_some(())).await;
    rig.next = 0;
    let id = rig.query();
    rig.archive.next().await.reply.give(Ok(page()));
    rig.answered(id, 200, "OK", page()).await;
}

#[actix::test]
async fn an_archive_that_takes_no_query_is_told_to_the_peer() {
    let (_, inbox) = probe();
    let mut rig = Rig::with_archive(nobody(), inbox).await;
    let id = rig.query();
    rig.answered(id, 503, "SERVICE_UNAVAILABLE: the node is stopping", Page::default()).await;

    let (queries, inbox) = probe_of(1);
    let mut rig = Rig::with_archive(queries, inbox).await;
    let (_, second) = (rig.query(), rig.query());
    rig.answered(second, 429, "TOO_MANY_REQUESTS: too many requests wait", Page::default()).await;
}

#[actix::test]
async fn a_node_that_stops_tells_those_who_wait() {
    let mut rig = Rig::new().await;
    let id = rig.query();
    let reply = rig.archive.next().await.reply;
    let stopped = rig.actor.ask(Duration::from_secs(5), StopStore);
    within(stopped).await.expect("answers");
    rig.answered(id, 503, "SERVICE_UNAVAILABLE: the node is stopping", Page::default()).await;
    until(async || (!reply.is_awaited()).then_some(())).await;
}
