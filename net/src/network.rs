//! The network: a stream of events and the commands that cause them.
//!
//! ```text
//!   commands ──▶ gossipsub · swarm ──▶ swarm events ──▶ on_swarm_event ──▶ Event
//!                    ▲                                        │
//!                    └───────── heartbeat: scores, queues ◀───┘
//! ```
//!
//! A command takes effect at the next poll, so the owner polls after commanding.

use std::{
    collections::{BTreeMap, BTreeSet, HashMap, VecDeque},
    pin::Pin,
    task::{Context, Poll},
    time::Duration,
};

use bytes::Bytes;
use futures::{Stream, StreamExt, stream::FusedStream};
use libp2p::{
    PeerId as Libp2pPeerId, Swarm,
    core::transport::ListenerId,
    gossipsub,
    request_response::OutboundRequestId,
    swarm::dial_opts::{DialOpts, PeerCondition},
};
use tokio::time::{Instant, Interval};
use weir_core::{ClusterId, PeerAddress, PeerId, PubsubTopic};
use weir_wire::Metadata;

use crate::{
    Acceptance, DialFailure, Direction, DisconnectReason, Event, GossipId, MetadataError, PublishError,
    SubscribeError,
    address::{by_carrier, is_relayed, libp2p_peer_id, peer_id},
    behaviour::Behaviour,
    deny_list::DenyList,
    gossip::{Gossipsub, backlog::Backlog, frame_length, gossip_topic, scoring},
    metadata,
    metrics::Metrics,
};

mod closing;
mod connections;
mod gossip_events;
mod nat_events;
mod requests;
mod start;

use closing::Phase;
use connections::Connection;
use gossip_events::Pending;
use requests::Requests;

/// The node's place in the network.
pub struct Network {
    swarm: Swarm<Behaviour>,
    cluster: ClusterId,
    max_frame: usize,
    listeners: Vec<ListenerId>,
    told: Told,
    reach: Reach,
    /// Places at relays, and whose; at most [`crate::nat::RELAYS`].
    reservations: HashMap<ListenerId, Libp2pPeerId>,
    connections: HashMap<Libp2pPeerId, Connection>,
    /// Who is subscribed to what, of the topics of this cluster: at most 1024 per peer.
    subscribers: BTreeMap<PubsubTopic, BTreeSet<Libp2pPeerId>>,
    /// Messages that wait for a verdict.
    pending: HashMap<GossipId, Pending>,
    backlog: Backlog,
    deny_list: DenyList,
    /// What peers are told that ask.
    metadata: Metadata,
    /// Requests for metadata the owner waits for; at most a few per connection.
    asked: HashMap<OutboundRequestId, Libp2pPeerId>,
    requests: Requests,
    heartbeat: Interval,
    phase: Phase,
    /// Events to hand out before the swarm is polled again: a few per event of the swarm.
    events: VecDeque<Event>,
    metrics: Metrics,
}

/// Which of the addresses listened on are told to others.
#[derive(Debug, Clone, Copy)]
struct Told {
    listeners: bool,
    /// Those of WebSockets too.
    websockets: bool,
    /// Those of QUIC too.
    quic: bool,
}

/// What can be dialled besides TCP and WebSockets.
#[derive(Debug, Clone, Copy)]
struct Reach {
    quic: bool,
    circuits: bool,
}

/// Where a message went.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Published {
    /// Peers it was queued for.
    pub peers: usize,
    /// Further peers whose queue is full. Whether they get it is not certain.
    pub full: usize,
}

impl Network {
    /// The id this node is known by.
    pub fn local_peer(&self) -> PeerId {
        peer_id(self.swarm.local_peer_id())
    }

    /// Where the node listens, each ending in `/p2p/<own id>`; those with port 0 or an unspecified
    /// address resolved to the concrete ones. Plain TCP comes first. Complete once
    /// [`Event::Listening`] was seen for them.
    pub fn listen_addresses(&self) -> Vec<String> {
        // Where relays listen for this node is no address of its own.
        self.own_addresses(self.swarm.listeners().filter(|address| !is_relayed(address)))
    }

    /// Where others are told to find the node, in the same form and order.
    pub fn announced_addresses(&self) -> Vec<String> {
        self.own_addresses(self.swarm.external_addresses())
    }

    /// Joins a topic. `false` when it was joined before.
    pub fn subscribe(&mut self, topic: PubsubTopic) -> Result<bool, SubscribeError> {
        let name = gossip_topic(topic);
        let gossipsub = self.gossipsub_mut();
        let new = gossipsub.subscribe(&name).map_err(|_| SubscribeError(topic))?;
        if new {
            gossipsub
                .set_topic_params(name, scoring::topic_params())
                .expect("scores are switched on when gossipsub is built");
        }
        Ok(new)
    }

    /// Leaves a topic. `false` when it was not joined.
    pub fn unsubscribe(&mut self, topic: PubsubTopic) -> bool {
        self.gossipsub_mut().unsubscribe(&gossip_topic(topic))
    }

    /// Sends an encoded message to all peers subscribed to `topic`.
    ///
    /// When this fails nothing was sent and the message may be published again. When it succeeds
    /// with [`Published::full`] above zero, some peers are behind; a caller that must not lose
    /// messages waits for [`Event::QueueRoom`] before it publishes more.
    pub fn publish(&mut self, topic: PubsubTopic, data: Bytes) -> Result<Published, PublishError> {
        let result = self.try_publish(topic, data);
        self.metrics.published(&result);
        result
    }

    /// Connects to a peer; the outcome is [`Event::Connected`] or [`Event::DialFailed`].
    pub fn dial(&mut self, address: &PeerAddress) {
        if let Err(failure) = self.try_dial(address) {
            self.events.push_back(Event::DialFailed { peer: address.peer().clone(), failure });
        }
    }

    /// Closes the connection to a peer, if there is one, after what is queued in its muxer.
    pub fn disconnect(&mut self, peer: &PeerId) {
        if let Some(peer) = libp2p_peer_id(peer) {
            self.drop_peer(peer, DisconnectReason::Closed);
        }
    }

    /// Asks a peer for its metadata; the outcome is [`Event::Metadata`].
    pub fn request_metadata(&mut self, peer: &PeerId) {
        let connected = libp2p_peer_id(peer).filter(|peer| self.connections.contains_key(peer));
        if let Some(peer) = connected {
            let request = self.send_metadata_request(peer);
            self.asked.insert(request, peer);
        } else {
            let (peer, result) = (peer.clone(), Err(MetadataError::NotConnected));
            self.events.push_back(Event::Metadata { peer, result });
        }
    }

    /// What peers are told from now on. More than 200 shards may not fit; the first are told then.
    pub fn set_metadata(&mut self, metadata: Metadata) {
        self.metadata = metadata::fitting(metadata);
    }

    /// Peers this node exchanges messages of `topic` with directly.
    pub fn mesh_peers(&self, topic: PubsubTopic) -> Vec<PeerId> {
        self.gossipsub().mesh_peers(&gossip_topic(topic).hash()).map(peer_id).collect()
    }

    /// Connected peers that are subscribed to `topic`.
    pub fn topic_peers(&self, topic: PubsubTopic) -> Vec<PeerId> {
        self.subscribers.get(&topic).into_iter().flatten().map(peer_id).collect()
    }

    /// gossipsub's score of a peer it knows.
    pub fn peer_score(&self, peer: &PeerId) -> Option<f64> {
        self.gossipsub().peer_score(&libp2p_peer_id(peer)?)
    }

    /// Messages that may not have left yet, of all peers together; an upper bound.
    pub fn queued_messages(&self) -> u64 {
        self.backlog.depth()
    }

    /// Messages that wait for a verdict.
    pub fn unjudged_messages(&self) -> usize {
        self.pending.len()
    }

    fn try_publish(&mut self, topic: PubsubTopic, data: Bytes) -> Result<Published, PublishError> {
        if self.phase != Phase::Open {
            return Err(PublishError::Closing);
        }
        if topic.cluster() != self.cluster {
            return Err(PublishError::ForeignTopic(topic));
        }
        let name = gossip_topic(topic);
        let (bytes, frame) = (data.len(), frame_length(data.len(), name.hash().as_str().len()));
        if frame > self.max_frame {
            return Err(PublishError::TooLarge { frame, max: self.max_frame });
        }
        let receivers = self.receivers(topic);
        let full = receivers.iter().filter(|peer| self.backlog.is_full(peer)).count();
        // gossipsub would mark the message as published before it finds the queues full.
        if !receivers.is_empty() && full == receivers.len() {
            return Err(PublishError::QueuesFull(full));
        }
        self.gossipsub_mut().publish(name, Vec::from(data)).map_err(|error| match error {
            gossipsub::PublishError::Duplicate => PublishError::Duplicate,
            gossipsub::PublishError::MessageTooLarge => PublishError::TooLarge { frame, max: self.max_frame },
            gossipsub::PublishError::AllQueuesFull(count) => PublishError::QueuesFull(count),
            gossipsub::PublishError::NoPeersSubscribedToTopic
            | gossipsub::PublishError::SigningError(_)
            | gossipsub::PublishError::TransformFailed(_) => PublishError::NoPeers(topic),
        })?;
        for peer in &receivers {
            self.count_queued(peer, topic, bytes, frame);
        }
        Ok(Published { peers: receivers.len() - full, full })
    }

    /// Whom gossipsub sends own messages to: all that are subscribed and not below the threshold.
    fn receivers(&self, topic: PubsubTopic) -> Vec<Libp2pPeerId> {
        let muted = |peer: &Libp2pPeerId| self.connections.get(peer).is_some_and(|c| c.muted);
        self.subscribers.get(&topic).into_iter().flatten().filter(|peer| !muted(peer)).copied().collect()
    }

    fn count_queued(&mut self, peer: &Libp2pPeerId, topic: PubsubTopic, bytes: usize, frame: usize) {
        self.metrics.carried(topic, Direction::Outbound, bytes);
        if let Some(mark) = self.backlog.queued(peer, frame, Instant::now()).probe {
            self.swarm.behaviour_mut().gossip.probe(*peer, mark);
        }
    }

    fn try_dial(&mut self, address: &PeerAddress) -> Result<(), DialFailure> {
        if self.phase != Phase::Open {
            return Err(DialFailure::Closing);
        }
        let peer = libp2p_peer_id(address.peer()).ok_or(DialFailure::Address)?;
        if peer == *self.swarm.local_peer_id() {
            return Err(DialFailure::OwnAddress);
        }
        let multiaddr = address.as_str().parse().map_err(|_| DialFailure::Address)?;
        let options = DialOpts::peer_id(peer)
            .addresses(vec![multiaddr])
            .condition(PeerCondition::DisconnectedAndNotDialing);
        let options = if self.reach.circuits {
            // What NAT lets in comes to the port this node has dialled from.
            options.build()
        } else {
            // From the listening port, as libp2p would, two nodes that dial each other at once make
            // one TCP connection with two dialers, and both fail.
            options.allocate_new_port().build()
        };
        self.metrics.dials.inc();
        self.swarm.dial(options).map_err(|error| {
            self.metrics.dials_failed.inc();
            connections::dial_failure(error)
        })
    }

    fn send_metadata_request(&mut self, peer: Libp2pPeerId) -> OutboundRequestId {
        let own = self.metadata.clone();
        self.swarm.behaviour_mut().metadata.send_request(&peer, own)
    }

    fn own_addresses<'a>(&self, addresses: impl Iterator<Item = &'a libp2p::Multiaddr>) -> Vec<String> {
        let mut texts: Vec<_> = addresses.map(|address| self.own_address(address)).collect();
        texts.sort_by_cached_key(|text| (by_carrier(text), text.clone()));
        texts
    }

    fn own_address(&self, address: &libp2p::Multiaddr) -> String {
        crate::address::of_peer(address, self.swarm.local_peer_id()).to_string()
    }

    fn gossipsub(&self) -> &Gossipsub {
        self.swarm.behaviour().gossip.gossipsub()
    }

    fn gossipsub_mut(&mut self) -> &mut Gossipsub {
        self.swarm.behaviour_mut().gossip.gossipsub_mut()
    }
}

impl Stream for Network {
    type Item = Event;

    fn poll_next(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Event>> {
        let network = self.get_mut();
        loop {
            if let Some(event) = network.events.pop_front() {
                return Poll::Ready(Some(event));
            }
            if network.phase == Phase::Closed {
                return Poll::Ready(None);
            }
            if network.heartbeat.poll_tick(cx).is_ready() {
                network.on_heartbeat(Instant::now());
                continue;
            }
            match network.swarm.poll_next_unpin(cx) {
                Poll::Ready(Some(event)) => network.on_swarm_event(event),
                Poll::Ready(None) => unreachable!("a swarm's stream does not end"),
                Poll::Pending => return Poll::Pending,
            }
        }
    }
}

impl FusedStream for Network {
    fn is_terminated(&self) -> bool {
        self.phase == Phase::Closed && self.events.is_empty()
    }
}

impl std::fmt::Debug for Network {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Network")
            .field("local_peer", self.swarm.local_peer_id())
            .field("connections", &self.connections.len())
            .field("phase", &self.phase)
            .finish_non_exhaustive()
    }
}
