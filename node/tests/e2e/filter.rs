//! Filter: clients that are pushed to by nodes, over libp2p and over REST.

use base64::{Engine, engine::general_purpose::STANDARD};
use futures::StreamExt;
use prometheus_client::registry::Registry;
use serde_json::{Value, json};
use tokio::sync::{mpsc, oneshot};
use weir_core::{
    ContentTopic, WakuMessage,
    filter::{Criteria, Request, Status},
};
use weir_net::{Config, Event, Frame, Network, Service, address};
use weir_testkit::CONTENT_TOPIC;
use weir_wire::{FilterResponse, Metadata, encode_filter_request};
use zeroize::Zeroizing;

use crate::{
    node::{Node, Setup},
    wait::{SOON, until, until_true},
    world::{World, topic},
};

/// A filter client in the test's process. Gone when dropped.
struct Client {
    questions: mpsc::Sender<(Frame, oneshot::Sender<FilterResponse>)>,
    pushed: mpsc::Receiver<WakuMessage>,
}

impl Client {
    /// One of `node`, whose peer id comes from `key`.
    fn of(node: &Node, key: u8) -> Self {
        let mut config = Config::new(Zeroizing::new([key; 32]), topic(0).cluster());
        config.is_filter_client = true;
        let mut network = Network::new(config, &mut Registry::default()).expect("a network that only dials");
        network.set_metadata(Metadata { cluster: Some(topic(0).cluster()), shards: vec![topic(0).shard()] });
        let service = address::parse(node.address()).expect("a node tells an address to dial");
        let (questions, mut asked) = mpsc::channel::<(Frame, oneshot::Sender<FilterResponse>)>(16);
        let (pushes, pushed) = mpsc::channel(4096);
        tokio::spawn(async move {
            let mut waiting = Vec::new();
            loop {
                tokio::select! {
                    Some(event) = network.next() => match event {
                        Event::FilterPushed { topic: on, message, .. } => {
                            assert_eq!(on, topic(0));
                            drop(pushes.try_send(message));
                        }
                        Event::Answered { id, result } => {
                            let place = waiting.iter().position(|(known, _)| *known == id).expect("was asked");
                            let (_, reply): (_, oneshot::Sender<_>) = waiting.swap_remove(place);
                            let body = result.expect("an answer");
                            drop(reply.send(FilterResponse::decode(&body).expect("a filter response")));
                        }
                        _ => {}
                    },
                    question = asked.recv() => match question {
                        Some((frame, reply)) => {
                            waiting.push((network.ask(&service, Service::Filter, frame), reply));
                        }
                        None => return,
                    },
                }
            }
        });
        Self { questions, pushed }
    }

    async fn ask(&self, request: &Request) -> Status {
        let (reply, answer) = oneshot::channel();
        let frame = Frame::new(&encode_filter_request("id", request));
        self.questions.send((frame, reply)).await.expect("the network's task runs");
        answer.await.expect("the network's task answers").answer.status
    }

    async fn subscribe(&self) {
        assert_eq!(self.ask(&Request::Subscribe(criteria())).await, Status::Ok);
    }

    /// The first bytes of so many messages, in order of arrival.
    async fn receive(&mut self, count: usize) -> Vec<u8> {
        let mut payloads = Vec::new();
        while payloads.len() < count {
            let message = tokio::time::timeout(SOON, self.pushed.recv()).await.expect("messages come");
            payloads.push(message.expect("the network's task runs").payload[0]);
        }
        payloads
    }
}

/// What the messages of [`World`] are about.
fn content_topic() -> ContentTopic {
    ContentTopic::new(CONTENT_TOPIC).expect("a content topic")
}

fn criteria() -> Criteria {
    Criteria::new(topic(0), vec![content_topic()]).expect("one topic")
}

fn service(world: &World) -> Setup {
    world.plain_node("service").option("rln-relay", false).option("filter", true)
}

async fn publish(node: &Node, numbers: std::ops::Range<u8>) {
    for number in numbers {
        node.rest().publish_patiently(topic(0), &[number]).await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn clients_are_pushed_what_they_subscribe_until_they_end_it() {
    let world = World::new();
    let node = service(&world).start().await;
    let (mut first, mut second) = (Client::of(&node, 1), Client::of(&node, 2));
    assert_eq!(first.ask(&Request::Ping).await, Status::NotFound);
    first.subscribe().await;
    assert_eq!(first.ask(&Request::Ping).await, Status::Ok);
    publish(&node, 0..5).await;
    assert_eq!(first.receive(5).await, [0, 1, 2, 3, 4]);

    second.subscribe().await;
    publish(&node, 5..10).await;
    assert_eq!(first.receive(5).await, [5, 6, 7, 8, 9]);
    assert_eq!(second.receive(5).await, [5, 6, 7, 8, 9], "nothing from before");

    assert_eq!(first.ask(&Request::UnsubscribeAll).await, Status::Ok);
    publish(&node, 10..12).await;
    assert_eq!(second.receive(2).await, [10, 11]);
    assert!(first.pushed.try_recv().is_err());
    let scrape = node.rest().metrics().await;
    assert_eq!(scrape.sum("waku_filter_subscriptions", &[]), 1.0);
    assert_eq!(scrape.sum("weir_filter_pushes_total", &[]), 17.0);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_client_that_asks_too_often_is_told_so_and_another_is_served() {
    let world = World::new();
    let node = service(&world).option("rate-limit", "filter:10/1h").start().await;
    let (flooder, mut other) = (Client::of(&node, 1), Client::of(&node, 2));
    let mut statuses = Vec::new();
    for _ in 0..15 {
        statuses.push(flooder.ask(&Request::Ping).await);
    }
    assert_eq!(statuses.iter().filter(|status| **status == Status::NotFound).count(), 10);
    assert_eq!(statuses.iter().filter(|status| **status == Status::TooManyRequests).count(), 5);
    other.subscribe().await;
    publish(&node, 0..1).await;
    assert_eq!(other.receive(1).await, [0]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_node_is_a_client_over_rest_and_subscribes_again_at_a_service_that_was_restarted() {
    let world = World::new();
    let served = service(&world).start().await;
    let client = world
        .plain_node("client")
        .option("rln-relay", false)
        .option("filternode", served.address())
        .start()
        .await;
    let path = format!("/filter/v2/messages/{}", content_topic().as_str().replace('/', "%2F"));
    let reply = client.rest().try_get(&path).await.expect("an answer");
    assert_eq!(
        (reply.status.as_u16(), reply.text),
        (400, format!("Not subscribed to topic: {}", content_topic()))
    );
    let body = json!({ "requestId": "1", "pubsubTopic": topic(0).to_string(), "contentFilters": [content_topic().as_str()] });
    subscribe(&client, &body).await;
    publish(&served, 0..3).await;
    assert_eq!(pushed(&client, &path, 3).await, [0, 1, 2]);

    let served = served.kill().start().await;
    // The node pings and subscribes again by itself when the connection is there.
    until_true("the service has a client again", SOON, async || {
        served.rest().metrics().await.sum("waku_filter_subscriptions", &[]) == 1.0
    })
    .await;
    publish(&served, 3..5).await;
    assert_eq!(pushed(&client, &path, 2).await, [3, 4]);
}

async fn subscribe(client: &Node, body: &Value) {
    let reply = client.rest().post("/filter/v2/subscriptions", body).await;
    let expected = json!({ "requestId": body["requestId"], "statusDesc": "OK" });
    assert!(reply.is_ok(), "{reply:?}");
    assert_eq!(serde_json::from_str::<Value>(&reply.text).expect("JSON"), expected);
}

/// Takes messages until there are `count`; their first bytes, sorted.
async fn pushed(client: &Node, path: &str, count: usize) -> Vec<u8> {
    let mut numbers = Vec::new();
    until("messages are pushed", SOON, async || {
        let messages = client.rest().get(path).await;
        let payload =
            |message: &Value| STANDARD.decode(message["payload"].as_str().expect("a text")).expect("base64");
        numbers.extend(messages.as_array().expect("a list").iter().map(|message| payload(message)[0]));
        (numbers.len() >= count).then_some(())
    })
    .await;
    numbers.sort_unstable();
    numbers
}
