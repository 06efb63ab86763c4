//! Light push between whole nodes: over libp2p, over REST, with and without proofs.

use base64::{Engine, engine::general_purpose::STANDARD};
use reqwest::StatusCode;
use serde_json::{Value, json};
use weir_core::{
    ContentTopic, Meta, ProofField, PubsubTopic, Timestamp, WakuMessage,
    lightpush::{Answer, Status},
};
use weir_net::Service;
use weir_testkit::CONTENT_TOPIC;
use weir_wire::{LightPushResponse, encode_legacy_lightpush_request, encode_lightpush_request};

use crate::{
    asker::Asker,
    node::{Node, Setup},
    rest::Reply,
    wait::{SOON, until, until_true},
    world::{World, meshed, topic},
};

const V3: &str = "/lightpush/v3/message";
const V1: &str = "/lightpush/v1/message";

fn plain(world: &World, name: &str) -> Setup {
    world.plain_node(name).option("rln-relay", false)
}

/// A node that serves light push without a limit on how often.
fn service(setup: Setup) -> Setup {
    setup.option("lightpush", true).option("rate-limit", "lightpush:0/1s")
}

fn message(payload: &[u8]) -> WakuMessage {
    WakuMessage {
        payload: payload.to_vec().into(),
        content_topic: ContentTopic::new(CONTENT_TOPIC).expect("a content topic"),
        version: 0,
        timestamp: Timestamp::ZERO,
        meta: Meta::default(),
        ephemeral: false,
        proof: ProofField::Absent,
    }
}

async fn push(asker: &Asker, node: &Node, topic: PubsubTopic, payload: &[u8]) -> Answer {
    let request = encode_lightpush_request("mine", Some(topic), &message(payload));
    let body = asker.ask(node, Service::LightPush, &request).await.expect("an answer");
    LightPushResponse::decode(&body).expect("a response").answer
}

async fn push_by_rest(node: &Node, path: &str, payload: &[u8]) -> Reply {
    let message = json!({"payload": STANDARD.encode(payload), "contentTopic": CONTENT_TOPIC});
    let body = json!({"pubsubTopic": topic(0).to_string(), "message": message});
    node.rest().post(path, &body).await
}

async fn receives(node: &Node, payload: &[u8]) {
    let got = node.receive(topic(0), 1).await;
    assert_eq!(got[0].payload, payload, "{}", node.name());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_client_that_does_not_relay_reaches_those_who_do_by_either_version() {
    let world = World::new();
    let server = service(plain(&world, "server")).start().await;
    let relay = plain(&world, "relay").peer(&server).start().await;
    let asker = Asker::new(1);
    meshed(&[&server, &relay], topic(0)).await;

    let answer = push(&asker, &server, topic(0), b"three").await;
    assert_eq!((answer.status, answer.relay_peers), (Status::Success, Some(1)), "{answer:?}");
    receives(&relay, b"three").await;
    let request = encode_legacy_lightpush_request("mine", Some(topic(0)), &message(b"two"));
    let body = asker.ask(&server, Service::LegacyLightPush, &request).await.expect("an answer");
    let expected = LightPushResponse { request_id: "mine".to_owned(), answer: Answer::published(1) };
    assert_eq!(LightPushResponse::decode_legacy(&body), Ok(expected));
    receives(&relay, b"two").await;

    let metrics = server.rest().metrics().await;
    let of = |protocol: &'static str| {
        metrics.sum("waku_service_requests_total", &[("service", protocol), ("state", "served")])
    };
    assert_eq!((of(Service::LightPush.protocol()), of(Service::LegacyLightPush.protocol())), (1.0, 1.0));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_cannot_be_published_is_answered_by_status() {
    let world = World::new();
    let server = service(plain(&world, "server")).option("shard", 0).start().await;
    let asker = Asker::new(1);
    // Nobody is there to take it.
    assert_eq!(push(&asker, &server, topic(0), b"alone").await.status, Status::NoPeersToRelay);
    let foreign = push(&asker, &server, topic(5), b"not there").await;
    assert_eq!(foreign.status, Status::UnsupportedPubsubTopic, "{foreign:?}");
    for size in [153_600, 1_000_000] {
        let large = push(&asker, &server, topic(0), &vec![7; size]).await;
        assert_eq!(large.status, Status::PayloadTooLarge, "{large:?}");
    }
    let body = asker.ask(&server, Service::LightPush, b"\x0a").await.expect("an answer");
    let undecodable = LightPushResponse::decode(&body).expect("a response");
    assert_eq!((undecodable.request_id.as_str(), undecodable.answer.status), ("N/A", Status::BadRequest));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_flood_is_answered_429_and_the_connection_goes_on() {
    let world = World::new();
    let server = plain(&world, "server")
        .option("lightpush", true)
        .option("rate-limit", "lightpush:2/1h")
        .start()
        .await;
    let (flooder, other) = (Asker::new(1), Asker::new(2));
    let mut refused = 0;
    for _ in 0..10 {
        let answer = push(&flooder, &server, topic(0), &[7; 100_000]).await;
        refused += usize::from(answer.status == Status::TooManyRequests);
    }
    // Two hours' worth at once, and three quarters of it for one.
    assert_eq!(refused, 7);
    assert_eq!(push(&other, &server, topic(0), b"x").await.status, Status::NoPeersToRelay, "has its own");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn rest_has_a_named_service_publish_and_the_nodes_own_without_one() {
    let world = World::new();
    let server = service(plain(&world, "server")).start().await;
    let relay = plain(&world, "relay").peer(&server).start().await;
    meshed(&[&server, &relay], topic(0)).await;
    // Its own relay is on another shard, so what arrives went through the service.
    let client =
        plain(&world, "client").option("shard", 7).option("lightpushnode", server.address()).start().await;

    for (path, payload) in [(V3, b"three"), (V1, b"twooo")] {
        let reply = push_by_rest(&client, path, payload).await;
        assert_eq!(reply.status, StatusCode::OK, "{reply:?}");
        receives(&relay, payload).await;
    }
    let own = push_by_rest(&server, V3, b"own").await;
    assert_eq!((own.status, own.text.as_str()), (StatusCode::OK, r#"{"relayPeerCount":1}"#));
    receives(&relay, b"own").await;

    let metrics = client.rest().metrics().await;
    assert_eq!(metrics.sum("weir_lightpush_pushes_total", &[("outcome", "propagated")]), 2.0);
    drop(server.stop());
    let reply = push_by_rest(&client, V3, b"nobody").await;
    assert_eq!(reply.status, StatusCode::SERVICE_UNAVAILABLE, "{reply:?}");
    let told: Value = serde_json::from_str(&reply.text).expect("JSON");
    assert!(told["statusDesc"].as_str().is_some_and(|text| !text.is_empty()), "{told}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_connected_peer_that_offers_the_service_is_found() {
    let world = World::new();
    let server = service(plain(&world, "server")).start().await;
    let relay = plain(&world, "relay").peer(&server).start().await;
    let client = plain(&world, "client").option("shard", 7).start().await;
    meshed(&[&server, &relay], topic(0)).await;
    let nobody = push_by_rest(&client, V1, b"x").await;
    assert_eq!(nobody.text, "No suitable service peer & none discovered");
    let connected = client.rest().post("/admin/v1/peers", &json!([server.address()])).await;
    assert!(connected.is_ok(), "{connected:?}");
    until("the service is known by identify", SOON, async || {
        push_by_rest(&client, V1, b"found").await.is_ok().then_some(())
    })
    .await;
    receives(&relay, b"found").await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn clients_without_a_proof_get_one_out_of_their_part_of_the_quota() {
    let world = World::new();
    let server = service(world.node("server"))
        .option("rln-relay-user-message-limit", 10)
        .option("lightpush-rln-service", "2/3")
        .start()
        .await;
    let relay = world.node("relay").peer(&server).start().await;
    meshed(&[&server, &relay], topic(0)).await;
    let (one, other) = (Asker::new(1), Asker::new(2));
    let mut statuses = Vec::new();
    for (asker, payload) in [(&one, b"1"), (&one, b"2"), (&one, b"3"), (&other, b"4"), (&other, b"5")] {
        let answer = push(asker, &server, topic(0), payload).await;
        statuses.push(answer.status.code());
    }
    assert_eq!(statuses, [200, 200, 429, 200, 429]);
    let got = relay.receive(topic(0), 3).await;
    assert!(got.iter().all(|message| !message.proof.is_empty()), "{got:?}");
    // The operator's own clients have the rest.
    let own = push_by_rest(&server, V3, b"own").await;
    assert!(own.is_ok(), "{own:?}");
    until_true("the quota shows four", SOON, async || {
        server.rest().get("/weir/v1/quota").await["used"] == json!(4)
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_node_that_gives_no_proofs_publishes_those_that_have_one() {
    let world = World::new();
    let server = service(world.node("server")).start().await;
    let relay = world.node("relay").peer(&server).start().await;
    meshed(&[&server, &relay], topic(0)).await;
    let asker = Asker::new(1);
    let answer = push(&asker, &server, topic(0), b"none").await;
    assert_eq!(answer.status, Status::InvalidMessage, "{answer:?}");
    assert!(answer.description.is_some_and(|text| text.starts_with("RLN validation failed")));
    // A proof that was used before is one that the network would not accept again.
    assert!(relay.rest().publish(topic(0), b"proved").await.is_ok());
    let mut proved = message(b"changed");
    let got = server.receive(topic(0), 1).await;
    let proof = weir_wire::decode_rate_limit_proof(&got[0].proof).expect("a proof");
    proved.proof = ProofField::Present(Box::new(proof));
    let request = encode_lightpush_request("mine", Some(topic(0)), &proved);
    let body = asker.ask(&server, Service::LightPush, &request).await.expect("an answer");
    let refused = LightPushResponse::decode(&body).expect("a response").answer;
    assert_eq!(refused.status, Status::InvalidMessage, "{refused:?}");
}
