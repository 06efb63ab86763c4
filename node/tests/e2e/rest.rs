//! A node's REST interface, as a client sees it.

use std::{
    collections::HashMap,
    time::{Duration, Instant},
};

use base64::{Engine, engine::general_purpose::STANDARD};
use reqwest::{Client, StatusCode};
use serde::Deserialize;
use serde_json::{Value, json};
use weir_core::PubsubTopic;
use weir_rln::{Epoch, Nullifier};
use weir_testkit::CONTENT_TOPIC;
use weir_wire::decode_rate_limit_proof;

use crate::{metrics::Scrape, wait::SOON};

/// Longer than every deadline of the node, so that it is the node that answers.
const TIMEOUT: Duration = Duration::from_secs(20);

/// Talks to one node.
#[derive(Debug, Clone)]
pub(crate) struct Rest {
    client: Client,
    base: String,
    metrics: String,
}

/// A status and the text that came with it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Reply {
    pub(crate) status: StatusCode,
    pub(crate) text: String,
    /// Seconds of `Retry-After`.
    pub(crate) retry_after: Option<u64>,
}

/// A message that a node relayed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Received {
    pub(crate) payload: Vec<u8>,
    pub(crate) content_topic: String,
    /// Its encoded proof, empty without one.
    pub(crate) proof: Vec<u8>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct ReceivedJson {
    payload: String,
    content_topic: String,
    proof: String,
}

impl Reply {
    pub(crate) fn is_ok(&self) -> bool {
        self.status == StatusCode::OK
    }
}

impl Received {
    /// What identifies the message id it was sent under.
    ///
    /// # Panics
    /// When it carries no proof.
    pub(crate) fn line(&self) -> (Epoch, Nullifier) {
        let proof = decode_rate_limit_proof(&self.proof).expect("a received message carries a proof");
        let epoch = Epoch::from_bytes(&proof.epoch).expect("the node checked the epoch");
        (epoch, Nullifier::from_bytes(&proof.nullifier).expect("the node checked the nullifier"))
    }
}

impl Rest {
    pub(crate) fn new(rest_port: u16, metrics_port: u16) -> Self {
        let client = Client::builder().timeout(TIMEOUT).no_proxy().build().expect("a plain HTTP client");
        Self {
            client,
            base: format!("http://127.0.0.1:{rest_port}"),
            metrics: format!("http://127.0.0.1:{metrics_port}/metrics"),
        }
    }

    /// The reply to a GET, `None` when nobody answers.
    pub(crate) async fn try_get(&self, path: &str) -> Option<Reply> {
        reply(self.client.get(format!("{}{path}", self.base)).send().await.ok()?).await
    }

    /// The JSON at `path`.
    pub(crate) async fn get(&self, path: &str) -> Value {
        let reply = self.try_get(path).await.unwrap_or_else(|| panic!("no answer to GET {path}"));
        assert!(reply.is_ok(), "GET {path}: {reply:?}");
        serde_json::from_str(&reply.text)
            .unwrap_or_else(|error| panic!("GET {path}: {error}: {}", reply.text))
    }

    /// The reply to a POST of JSON.
    pub(crate) async fn post(&self, path: &str, body: &Value) -> Reply {
        let request = self.client.post(format!("{}{path}", self.base)).json(body);
        reply(request.send().await.expect("the node answers")).await.expect("text")
    }

    /// Publishes `payload`; `None` when the connection fails before there is an answer.
    pub(crate) async fn try_publish(&self, topic: PubsubTopic, payload: &[u8]) -> Option<Reply> {
        let message = json!({"payload": STANDARD.encode(payload), "contentTopic": CONTENT_TOPIC});
        self.try_publish_json(topic, &message).await
    }

    /// Publishes a message as it is given; `None` when the connection fails before there is an answer.
    pub(crate) async fn try_publish_json(&self, topic: PubsubTopic, message: &Value) -> Option<Reply> {
        let request = self.client.post(format!("{}{}", self.base, messages_path(topic))).json(message);
        reply(request.send().await.ok()?).await
    }

    /// Publishes `payload`.
    pub(crate) async fn publish(&self, topic: PubsubTopic, payload: &[u8]) -> Reply {
        self.try_publish(topic, payload).await.expect("the node answers a publish")
    }

    /// Publishes `payload`, again if the node says that it has too much to do.
    pub(crate) async fn publish_patiently(&self, topic: PubsubTopic, payload: &[u8]) {
        let deadline = Instant::now() + SOON;
        loop {
            let reply = self.publish(topic, payload).await;
            if reply.is_ok() {
                return;
            }
            assert_eq!(reply.status, StatusCode::SERVICE_UNAVAILABLE, "{reply:?}");
            assert!(Instant::now() < deadline, "the node stays overloaded: {reply:?}");
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    }

    /// Takes the messages that came since the last call.
    pub(crate) async fn take_messages(&self, topic: PubsubTopic) -> Vec<Received> {
        let messages: Vec<ReceivedJson> =
            serde_json::from_value(self.get(&messages_path(topic)).await).expect("an array of messages");
        let decode = |text: String| STANDARD.decode(text).expect("base64");
        messages
            .into_iter()
            .map(|message| Received {
                payload: decode(message.payload),
                content_topic: message.content_topic,
                proof: decode(message.proof),
            })
            .collect()
    }

    /// Peer ids in the mesh of `topic`.
    pub(crate) async fn mesh(&self, topic: PubsubTopic) -> Vec<String> {
        let shard = self.get(&format!("/admin/v1/peers/mesh/on/{}", topic.shard())).await;
        peer_ids(&shard["peers"])
    }

    /// Peer ids of those who are connected.
    pub(crate) async fn connected(&self) -> Vec<String> {
        peer_ids(&self.get("/admin/v1/peers/connected").await)
    }

    /// The node's metrics now.
    pub(crate) async fn metrics(&self) -> Scrape {
        let response = self.client.get(&self.metrics).send().await.expect("the metrics server answers");
        Scrape::parse(&response.text().await.expect("text"))
    }

    /// Messages from peers that got `verdict` for `reason`.
    pub(crate) async fn verdicts(&self, verdict: &str, reason: &str) -> f64 {
        let labels = [("verdict", verdict), ("reason", reason)];
        self.metrics().await.sum("weir_relay_verdicts_total", &labels)
    }
}

fn messages_path(topic: PubsubTopic) -> String {
    format!("/relay/v1/messages/{}", topic.to_string().replace('/', "%2F"))
}

fn peer_ids(peers: &Value) -> Vec<String> {
    let id = |peer: &Value| {
        let address = peer["multiaddr"].as_str().expect("a peer has an address");
        address.rsplit('/').next().expect("split gives at least one part").to_owned()
    };
    peers.as_array().expect("an array of peers").iter().map(id).collect()
}

async fn reply(response: reqwest::Response) -> Option<Reply> {
    let headers: HashMap<String, String> = response
        .headers()
        .iter()
        .filter_map(|(name, value)| Some((name.to_string(), value.to_str().ok()?.to_owned())))
        .collect();
    let retry_after = headers.get("retry-after").and_then(|value| value.parse().ok());
    let status = response.status();
    Some(Reply { status, text: response.text().await.ok()?, retry_after })
}
