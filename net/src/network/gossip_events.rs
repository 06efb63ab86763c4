//! Messages on their way in, and verdicts on their way back.

use libp2p::gossipsub::{MessageAcceptance, MessageId};
use weir_wire::decode_message;

use super::*;
use crate::{
    InboundGossip,
    gossip::{HEARTBEAT, HISTORY_LENGTH, pubsub_topic},
    metrics::Intake,
};

/// Messages that may wait for a verdict. gossipsub keeps them for six seconds; this is twice what
/// 5,000 a second leave there.
const MAX_PENDING: usize = 65_536;

/// A verdict that comes later has no effect, since gossipsub has forgotten the message.
const VERDICT_WITHIN: Duration = HEARTBEAT.saturating_mul(HISTORY_LENGTH + 1);

/// A message that waits for a verdict.
#[derive(Debug)]
pub(super) struct Pending {
    from: Libp2pPeerId,
    topic: PubsubTopic,
    bytes: usize,
    frame: usize,
    since: Instant,
}

impl Network {
    pub(super) fn on_gossip_event(&mut self, event: gossipsub::Event) {
        match event {
            gossipsub::Event::Message { propagation_source, message_id, message } => {
                self.on_message(propagation_source, message_id, message);
            }
            gossipsub::Event::Subscribed { peer_id, topic } => self.on_subscription(peer_id, &topic, true),
            gossipsub::Event::Unsubscribed { peer_id, topic } => self.on_subscription(peer_id, &topic, false),
            gossipsub::Event::SlowPeer { peer_id: peer, failed_messages } => {
                let count = self.metrics.lost(&failed_messages);
                self.events.push_back(Event::MessagesLost { peer: peer_id(&peer), count });
            }
            // Such a peer is of use for other protocols; identify tells which.
            gossipsub::Event::GossipsubNotSupported { .. } => {}
        }
    }

    fn on_message(&mut self, from: Libp2pPeerId, id: MessageId, message: gossipsub::Message) {
        let frame = frame_length(message.data.len(), message.topic.as_str().len());
        let topic = pubsub_topic(&message.topic).filter(|topic| topic.cluster() == self.cluster);
        let refusal = match topic {
            None => Some((Intake::UnknownTopic, MessageAcceptance::Reject)),
            Some(_) if frame > self.max_frame => Some((Intake::TooLarge, MessageAcceptance::Reject)),
            Some(_) if self.phase != Phase::Open || self.pending.len() >= MAX_PENDING => {
                Some((Intake::Shed, MessageAcceptance::Ignore))
            }
            Some(_) => None,
        };
        match (topic, refusal) {
            (_, Some((intake, acceptance))) => {
                self.metrics.received(intake);
                self.gossipsub_mut().report_message_validation_result(&id, &from, acceptance);
            }
            (Some(topic), None) => self.hand_out(from, &id, topic, message.data.into(), frame),
            (None, None) => unreachable!("a message without a topic was refused"),
        }
    }

    fn hand_out(
        &mut self,
        from: Libp2pPeerId,
        id: &MessageId,
        topic: PubsubTopic,
        data: Bytes,
        frame: usize,
    ) {
        let id = GossipId::from_bytes(id.0.as_slice().try_into().expect("a message id is a SHA-256"));
        let size = data.len();
        self.metrics.carried(topic, Direction::Inbound, size);
        self.pending.insert(id, Pending { from, topic, bytes: size, frame, since: Instant::now() });
        let message = decode_message(&data);
        self.metrics.received(if message.is_ok() { Intake::Decoded } else { Intake::Undecodable });
        let from = self.core_id(&from);
        self.events.push_back(Event::Gossip(InboundGossip { id, from, topic, size, message }));
    }

    /// The id of a connected peer without making it again for each message.
    pub(super) fn core_id(&self, peer: &Libp2pPeerId) -> PeerId {
        self.connections.get(peer).map_or_else(|| peer_id(peer), |connection| connection.id.clone())
    }

    /// Gives the verdict on a message. `false` when it came too late to have an effect, which it
    /// does after about five seconds.
    pub fn report(&mut self, id: GossipId, acceptance: Acceptance) -> bool {
        let Some(message) = self.pending.remove(&id) else {
            self.metrics.judged(None);
            return false;
        };
        let verdict = match acceptance {
            Acceptance::Accept => MessageAcceptance::Accept,
            Acceptance::Reject => MessageAcceptance::Reject,
            Acceptance::Ignore => MessageAcceptance::Ignore,
        };
        let known = self.gossipsub_mut().report_message_validation_result(
            &MessageId::new(id.as_bytes()),
            &message.from,
            verdict,
        );
        self.metrics.judged(known.then_some(acceptance));
        match acceptance {
            Acceptance::Accept if known => self.count_forwarded(&message),
            Acceptance::Reject if known => self.check_score(message.from, Instant::now()),
            Acceptance::Accept | Acceptance::Reject | Acceptance::Ignore => {}
        }
        known
    }

    /// Counts a message as queued for all it may have been forwarded to: the mesh without its sender.
    fn count_forwarded(&mut self, message: &Pending) {
        let mesh = gossip_topic(message.topic).hash();
        let receivers: Vec<_> =
            self.gossipsub().mesh_peers(&mesh).filter(|peer| **peer != message.from).copied().collect();
        for peer in receivers {
            self.count_queued(&peer, message.topic, message.bytes, message.frame);
        }
    }

    pub(super) fn forget_unjudged(&mut self, now: Instant) {
        self.pending.retain(|_, message| now.duration_since(message.since) < VERDICT_WITHIN);
    }

    fn on_subscription(&mut self, peer: Libp2pPeerId, topic: &gossipsub::TopicHash, subscribed: bool) {
        let Some(topic) = pubsub_topic(topic) else { return };
        // gossipsub may tell of a peer that has gone in the meantime, and nothing would take it out again.
        let Some(connection) = self.connections.get(&peer) else { return };
        let id = connection.id.clone();
        if subscribed {
            self.subscribers.entry(topic).or_default().insert(peer);
            self.events.push_back(Event::Subscribed { peer: id, topic });
        } else {
            if let Some(peers) = self.subscribers.get_mut(&topic) {
                peers.remove(&peer);
            }
            self.events.push_back(Event::Unsubscribed { peer: id, topic });
        }
    }
}

#[cfg(test)]
mod tests {
    use prometheus_client::registry::Registry;
    use weir_core::ShardId;

    use super::*;
    use crate::Config;

    #[tokio::test]
    async fn a_subscription_that_is_told_after_its_peer_has_gone_counts_for_nothing() {
        let config = Config::new([1; 32].into(), ClusterId(66));
        let mut network = Network::new(config, &mut Registry::default()).expect("starts");
        let topic = PubsubTopic::new(ClusterId(66), ShardId(3)).expect("a shard");
        network.on_subscription(Libp2pPeerId::random(), &gossip_topic(topic).hash(), true);
        assert_eq!(network.topic_peers(topic), []);
        assert!(network.events.is_empty(), "{:?}", network.events);
    }
}
