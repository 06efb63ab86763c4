//! Starting nodes, driving them, making messages.

use std::{future::poll_fn, task::Poll, time::Duration};

use bytes::Bytes;
use futures::StreamExt;
use prometheus_client::registry::Registry;
use weir_core::{
    ClusterId, ContentTopic, Meta, PeerAddress, ProofField, PubsubTopic, ShardId, Timestamp, WakuMessage,
};
use weir_net::{Acceptance, Config, Event, Network, StartError, address};

/// Far beyond what any test takes on a busy machine.
pub(crate) const LIMIT: Duration = Duration::from_secs(60);

pub(crate) const CLUSTER: ClusterId = ClusterId(66);

pub(crate) fn topic() -> PubsubTopic {
    PubsubTopic::new(CLUSTER, ShardId(3)).expect("a shard")
}

/// The settings of node `index`, which listens on a free loopback port.
pub(crate) fn config(index: u8) -> Config {
    let mut config = Config::new([index + 1; 32].into(), CLUSTER);
    config.listen = vec!["/ip4/127.0.0.1/tcp/0".to_owned()];
    config
}

pub(crate) fn start(config: Config) -> Result<Network, StartError> {
    Network::new(config, &mut Registry::default())
}

/// `count` nodes that listen and are subscribed to [`topic`].
pub(crate) async fn nodes(count: u8) -> Vec<Network> {
    let mut nodes: Vec<_> = (0..count).map(|index| start(config(index)).expect("starts")).collect();
    for node in &mut nodes {
        assert_eq!(node.subscribe(topic()), Ok(true));
    }
    until(&mut nodes, |nodes| nodes.iter().all(|node| !node.listen_addresses().is_empty())).await;
    nodes
}

/// Nodes in a line, each in the mesh of its neighbours.
pub(crate) async fn line(count: u8) -> Vec<Network> {
    let mut nodes = nodes(count).await;
    for index in 1..nodes.len() {
        let address = address_of(&nodes[index]);
        nodes[index - 1].dial(&address);
    }
    until(&mut nodes, |nodes| {
        let last = nodes.len() - 1;
        nodes.iter().enumerate().all(|(index, node)| {
            let neighbours = usize::from(index > 0) + usize::from(index < last);
            node.mesh_peers(topic()).len() == neighbours && node.topic_peers(topic()).len() == neighbours
        })
    })
    .await;
    nodes
}

pub(crate) fn address_of(node: &Network) -> PeerAddress {
    parse(&node.listen_addresses()[0])
}

pub(crate) fn parse(text: &str) -> PeerAddress {
    address::parse(text).expect("an own address parses")
}

/// Polls all nodes and shows `on` each event, until it answers.
pub(crate) async fn drive<T>(
    nodes: &mut [Network],
    mut on: impl FnMut(&mut [Network], usize, Event) -> Option<T>,
) -> T {
    let answer = poll_fn(|cx| {
        loop {
            let mut idle = true;
            for index in 0..nodes.len() {
                while let Poll::Ready(Some(event)) = nodes[index].poll_next_unpin(cx) {
                    idle = false;
                    if let Some(answer) = on(nodes, index, event) {
                        return Poll::Ready(answer);
                    }
                }
            }
            if idle {
                return Poll::Pending;
            }
        }
    });
    tokio::time::timeout(LIMIT, answer).await.expect("what the test waits for does not happen")
}

/// Polls all nodes, accepting every message, until `condition` holds.
pub(crate) async fn until(nodes: &mut [Network], condition: impl Fn(&[Network]) -> bool) {
    let holds = poll_fn(|cx| {
        loop {
            let mut idle = true;
            for node in nodes.iter_mut() {
                while let Poll::Ready(Some(event)) = node.poll_next_unpin(cx) {
                    idle = false;
                    accept(node, &event);
                }
            }
            if condition(nodes) {
                return Poll::Ready(());
            }
            if idle {
                return Poll::Pending;
            }
        }
    });
    tokio::time::timeout(LIMIT, holds).await.expect("what the test waits for does not become true");
}

/// Accepts the event's message, if it is one.
pub(crate) fn accept(node: &mut Network, event: &Event) {
    if let Event::Gossip(gossip) = event {
        node.report(gossip.id, Acceptance::Accept);
    }
}

/// A message with a payload of `length` bytes that depend on `seed`.
pub(crate) fn message(seed: u32, length: usize) -> WakuMessage {
    let payload: Vec<u8> = seed.to_le_bytes().into_iter().cycle().take(length).collect();
    WakuMessage {
        payload: payload.into(),
        content_topic: ContentTopic::new("/weir/1/test/proto").expect("a content topic"),
        version: 0,
        timestamp: Timestamp::from_nanos(1_700_000_000_000_000_000 + i64::from(seed)),
        meta: Meta::default(),
        ephemeral: false,
        proof: ProofField::Absent,
    }
}

pub(crate) fn encoded(seed: u32, length: usize) -> Bytes {
    weir_wire::encode_message(&message(seed, length))
}
