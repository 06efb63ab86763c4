//! gossipsub as Waku speaks it: parameters, frame sizes, topics.
//!
//! Messages are anonymous and their id is the SHA-256 of their bytes, so a message is forwarded as
//! the bytes that came in. Each waits in gossipsub's cache for a verdict.
//!
//! Spec: 11/WAKU2-RELAY, numbers of nwaku. Deviations: no IDONTWANT is sent.

use std::time::Duration;

use libp2p::gossipsub::{
    self, ConfigBuilder, IdentTopic, IdentityTransform, Message, MessageAuthenticity, MessageId,
    MetricsConfig, TopicHash, ValidationMode, Version,
};
use prometheus_client::registry::Registry;
use sha2::{Digest, Sha256};
use weir_core::{ClusterId, PubsubTopic};
use weir_wire::protocol_id;

pub(crate) mod backlog;
mod filter;
pub(crate) mod scoring;
pub(crate) mod tracked;

use filter::ClusterFilter;

/// gossipsub with the topic filter of one cluster.
pub(crate) type Gossipsub = gossipsub::Behaviour<IdentityTransform, ClusterFilter>;

/// Time between gossipsub's heartbeats.
pub(crate) const HEARTBEAT: Duration = Duration::from_secs(1);

/// Heartbeats a message stays in the cache; a verdict that comes later has no effect.
pub(crate) const HISTORY_LENGTH: u32 = 6;

/// How far beyond the network's limit frames are read. libp2p compares the limit with what is in
/// its read buffer, which may hold the beginning of the next frame too (8 KiB at a time).
const READ_HEADROOM: usize = 64 * 1024;

/// Bytes an IHAVE or IWANT takes beside its ids, generously: the layers around them and the topic.
const CONTROL_OVERHEAD: usize = 128;

/// Bytes a message id takes in an IHAVE: 32, tag and length.
const ID_IN_CONTROL: usize = 34;

/// nwaku's bound for ids in an IHAVE.
const MAX_IHAVE_IDS: usize = 5000;

/// Why gossipsub could not be set up; only a fault of this crate can cause it.
#[derive(Debug, thiserror::Error)]
#[error("gossipsub refuses its parameters: {0}")]
pub(crate) struct GossipSetup(String);

/// gossipsub for topics of `cluster` in a network with frames of at most `max_frame` bytes.
pub(crate) fn build(
    cluster: ClusterId,
    max_frame: usize,
    registry: &mut Registry,
) -> Result<Gossipsub, GossipSetup> {
    let config = config(max_frame)?;
    let filter = ClusterFilter::new(cluster);
    let refused = |error: &str| GossipSetup(error.to_owned());
    let mut gossipsub =
        Gossipsub::new_with_subscription_filter(MessageAuthenticity::Anonymous, config, filter)
            .map_err(refused)?
            .with_metrics(registry.sub_registry_with_prefix("libp2p_gossipsub"), metrics_config());
    gossipsub
        .with_peer_score(scoring::peer_params(), scoring::thresholds())
        .map_err(|error| refused(&error))?;
    Ok(gossipsub)
}

fn config(max_frame: usize) -> Result<gossipsub::Config, GossipSetup> {
    // nwaku closes the stream on a frame above the limit, whatever is in it.
    let ids_per_ihave = (max_frame.saturating_sub(CONTROL_OVERHEAD) / ID_IN_CONTROL).clamp(1, MAX_IHAVE_IDS);
    ConfigBuilder::default()
        .protocol_id(protocol_id::RELAY, Version::V1_1)
        .validation_mode(ValidationMode::Anonymous)
        .message_id_fn(|message: &Message| MessageId::new(&Sha256::digest(&message.data)))
        .validate_messages()
        .max_transmit_size(max_frame + READ_HEADROOM)
        // nwaku sends 5000 ids in one IHAVE; the frame's own limit is the bound.
        .max_control_message_size(max_frame)
        .max_control_messages_sent(ids_per_ihave)
        .mesh_n(6)
        .mesh_n_low(4)
        .mesh_n_high(8)
        .mesh_outbound_min(3)
        .retain_scores(6)
        .gossip_lazy(6)
        .gossip_factor(0.25)
        .flood_publish(true)
        .heartbeat_interval(HEARTBEAT)
        .heartbeat_initial_delay(HEARTBEAT)
        .history_length(HISTORY_LENGTH as usize)
        .history_gossip(3)
        .fanout_ttl(Duration::from_secs(60))
        .duplicate_cache_time(Duration::from_secs(120))
        .prune_backoff(Duration::from_secs(60))
        .unsubscribe_backoff(Duration::from_secs(5))
        .max_ihave_messages_heartbeat(10)
        .connection_handler_queue_len(backlog::QUEUE_LENGTH)
        .publish_queue_duration(backlog::PATIENCE)
        .forward_queue_duration(backlog::PATIENCE)
        .build()
        .map_err(|error| GossipSetup(error.to_string()))
}

/// One time series per shard of a cluster at most.
fn metrics_config() -> MetricsConfig {
    let mut config = MetricsConfig { max_topics: filter::MAX_TOPICS, ..MetricsConfig::default() };
    config.buckets_using_scoring_thresholds(&scoring::thresholds());
    config
}

/// The topic under its gossipsub name.
pub(crate) fn gossip_topic(topic: PubsubTopic) -> IdentTopic {
    IdentTopic::new(topic.to_string())
}

/// The topic a gossipsub name stands for.
pub(crate) fn pubsub_topic(hash: &TopicHash) -> Option<PubsubTopic> {
    hash.as_str().parse().ok()
}

/// Length in bytes of the RPC frame, without its length prefix, that carries one message of
/// `data` bytes on a topic whose name has `topic` bytes: `Rpc { publish: [Message { data, topic }] }`.
pub(crate) const fn frame_length(data: usize, topic: usize) -> usize {
    let message = delimited(data) + delimited(topic);
    delimited(message)
}

/// Bytes of a protobuf field of `length` bytes: a tag of one byte, the length, the content.
const fn delimited(length: usize) -> usize {
    let length_bytes = match length {
        0..0x80 => 1,
        0x80..0x4000 => 2,
        0x4000..0x20_0000 => 3,
        0x20_0000..0x1000_0000 => 4,
        _ => 5,
    };
    1 + length_bytes + length
}

#[cfg(test)]
mod tests {
    use weir_core::limits::{DEFAULT_MAX_MESSAGE_SIZE, RPC_OVERHEAD};

    use super::*;

    #[test]
    fn every_preset_of_the_network_gives_parameters_gossipsub_takes() {
        for max_frame in [1, 1024, DEFAULT_MAX_MESSAGE_SIZE, 1024 * 1024] {
            let gossipsub = build(ClusterId(1), max_frame, &mut Registry::default());
            assert!(gossipsub.is_ok(), "{max_frame}");
        }
    }

    #[test]
    fn an_ihave_with_all_ids_we_put_into_one_fits_a_frame() {
        let config = config(DEFAULT_MAX_MESSAGE_SIZE).expect("parameters");
        let ids = config.max_control_messages_sent() * ID_IN_CONTROL;
        let topic = delimited("/waku/2/rs/65535/1023".len());
        assert!(delimited(delimited(ids + topic)) <= DEFAULT_MAX_MESSAGE_SIZE);
    }

    #[test]
    fn the_frame_around_a_message_is_what_protobuf_makes_of_it() {
        // Rpc tag and length (2), Message tag and length of data (2), of topic (2).
        assert_eq!(frame_length(1, 14), 2 + 2 + 1 + 2 + 14);
        assert_eq!(frame_length(0, 14), 2 + 2 + 2 + 14);
        assert_eq!(frame_length(127, 14), 3 + 2 + 127 + 2 + 14);
        assert_eq!(frame_length(150_000, 14), 4 + 4 + 150_000 + 2 + 14);
        assert!(frame_length(DEFAULT_MAX_MESSAGE_SIZE, 21) <= DEFAULT_MAX_MESSAGE_SIZE + RPC_OVERHEAD);
    }
}
