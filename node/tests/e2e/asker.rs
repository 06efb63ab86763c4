//! A peer in the test's process that asks nodes for services.

use bytes::Bytes;
use futures::StreamExt;
use prometheus_client::registry::Registry;
use tokio::sync::{mpsc, oneshot};
use weir_core::{PeerAddress, store::Query};
use weir_net::{Config, Event, Frame, Network, RequestError, Service, address};
use weir_wire::{Metadata, StoreResponse, encode_store_request};
use zeroize::Zeroizing;

use crate::{node::Node, world::topic};

type Answer = Result<Bytes, RequestError>;
type Question = (PeerAddress, Service, Frame, oneshot::Sender<Answer>);

/// Gone when dropped.
pub(crate) struct Asker(mpsc::Sender<Question>);

impl Asker {
    /// One whose peer id comes from `key`.
    pub(crate) fn new(key: u8) -> Self {
        let config = Config::new(Zeroizing::new([key; 32]), topic(0).cluster());
        let mut network = Network::new(config, &mut Registry::default()).expect("a network that only dials");
        network.set_metadata(Metadata { cluster: Some(topic(0).cluster()), shards: vec![topic(0).shard()] });
        let (asker, mut questions) = mpsc::channel::<Question>(1024);
        tokio::spawn(async move {
            let mut waiting = Vec::new();
            loop {
                tokio::select! {
                    Some(event) = network.next() => if let Event::Answered { id, result } = event {
                        let place = waiting.iter().position(|(known, _)| *known == id).expect("was asked");
                        let (_, reply): (_, oneshot::Sender<Answer>) = waiting.swap_remove(place);
                        drop(reply.send(result));
                    },
                    question = questions.recv() => match question {
                        Some((peer, service, frame, reply)) => {
                            waiting.push((network.ask(&peer, service, frame), reply));
                        }
                        None => return,
                    },
                }
            }
        });
        Self(asker)
    }

    /// Asks a node's archive.
    pub(crate) async fn query(&self, node: &Node, query: &Query) -> StoreResponse {
        let body = self.ask(node, Service::Store, &encode_store_request("id", query)).await;
        StoreResponse::decode(&body.expect("an answer")).expect("a store response")
    }

    /// Asks a node for a service; both bodies as they cross the stream.
    pub(crate) async fn ask(&self, node: &Node, service: Service, body: &[u8]) -> Answer {
        let peer = address::parse(node.address()).expect("a node tells an address to dial");
        let (reply, answer) = oneshot::channel();
        self.0.send((peer, service, Frame::new(body), reply)).await.expect("the network's task runs");
        answer.await.expect("the network's task answers")
    }
}
