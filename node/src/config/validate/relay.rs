//! Rules of relay, sharding and message size.

use weir_core::{Autosharding, AutoshardingError, ClusterId, ContentTopic, ShardId, limits::MAX_SHARD_INDEX};

use super::{items, pick, take};
use crate::config::{
    ConfigError, Preset, RelayConfig, Sharding,
    layers::{Given, Layers},
    presets::TWN_CLUSTER,
    raw::Mode,
};

/// Room for an RLN proof (about 350 bytes), the longest content topic and meta, and a short payload.
const LEAST_MESSAGE_SIZE: usize = 2 * 1024;
/// Gossipsub keeps some heartbeats' messages in memory; a hundred of these are a small server's.
const MOST_MESSAGE_SIZE: usize = 16 * 1024 * 1024;

pub(super) fn validate(layers: &Layers) -> Result<RelayConfig, ConfigError> {
    let (relay, mode) = (take!(layers, relay.relay), take!(layers, relay.mode));
    let at_the_edge = mode.value == Mode::Edge;
    if !relay.value && !at_the_edge {
        return Err(ConfigError::RelayOff { setting: relay.setting });
    }
    let cluster = cluster(layers)?;
    let sharding = sharding(layers, cluster)?;
    if at_the_edge && sharding == Sharding::Static {
        return Err(ConfigError::EdgeWithoutShards { setting: mode.setting });
    }
    Ok(RelayConfig {
        cluster,
        at_the_edge,
        sharding,
        shards: if at_the_edge { Vec::new() } else { shards(layers, sharding)? },
        content_topics: content_topics(layers, sharding)?,
        max_message_size: max_message_size(layers)?,
    })
}

fn cluster(layers: &Layers) -> Result<ClusterId, ConfigError> {
    let cluster = take!(layers, relay.cluster_id);
    let preset = layers.preset();
    if preset != Preset::Local && preset.settings().relay.cluster_id != Some(cluster.value) {
        return Err(ConfigError::PresetHasOtherCluster { setting: cluster.setting, preset });
    }
    if cluster.value == TWN_CLUSTER {
        return Err(ConfigError::ClusterOnContract { setting: cluster.setting });
    }
    Ok(ClusterId(cluster.value))
}

fn sharding(layers: &Layers, cluster: ClusterId) -> Result<Sharding, ConfigError> {
    let mut count = take!(layers, relay.num_shards_in_network);
    if count.value == 0 && layers.preset() != Preset::Local {
        count.value = layers.preset().settings().relay.num_shards_in_network.unwrap_or_default();
    }
    if count.value == 0 {
        return Ok(Sharding::Static);
    }
    Autosharding::new(cluster, count.value)
        .map(Sharding::Auto)
        .map_err(|source| ConfigError::ShardCount { setting: count.setting, source })
}

fn shards(layers: &Layers, sharding: Sharding) -> Result<Vec<ShardId>, ConfigError> {
    let count = match sharding {
        Sharding::Static => MAX_SHARD_INDEX + 1,
        Sharding::Auto(rule) => rule.shard_count(),
    };
    let given: Option<Given<_>> = pick!(layers, relay.shard);
    if given.is_none() && matches!(sharding, Sharding::Auto(_)) {
        return Ok((0..count).map(ShardId).collect());
    }
    let mut shards = Vec::new();
    for (text, setting) in items(given.as_ref()) {
        let shard = text
            .parse()
            .map(ShardId)
            .map_err(|_| ConfigError::NotAShard { setting: setting.clone(), text: text.to_owned() })?;
        if shard.0 >= count {
            return Err(ConfigError::ShardOutsideNetwork { setting: setting.clone(), shard, count });
        }
        if !shards.contains(&shard) {
            shards.push(shard);
        }
    }
    Ok(shards)
}

fn content_topics(layers: &Layers, sharding: Sharding) -> Result<Vec<ContentTopic>, ConfigError> {
    let given = pick!(layers, relay.content_topic);
    let mut topics = Vec::new();
    for (text, setting) in items(given.as_ref()) {
        let Sharding::Auto(rule) = sharding else {
            return Err(ConfigError::ContentTopicWithoutAutosharding { setting: setting.clone() });
        };
        let refused =
            |source| ConfigError::ContentTopic { setting: setting.clone(), topic: text.to_owned(), source };
        let topic = ContentTopic::new(text).map_err(refused)?;
        match rule.shard_of(&topic) {
            Ok(_) => {}
            Err(AutoshardingError::ContentTopic(source)) => return Err(refused(source)),
            Err(source) => return Err(ConfigError::ShardCount { setting: setting.clone(), source }),
        }
        if !topics.contains(&topic) {
            topics.push(topic);
        }
    }
    Ok(topics)
}

fn max_message_size(layers: &Layers) -> Result<usize, ConfigError> {
    let given = take!(layers, relay.max_msg_size);
    let size = given.value.0;
    if (LEAST_MESSAGE_SIZE..=MOST_MESSAGE_SIZE).contains(&size) {
        return Ok(size);
    }
    Err(ConfigError::MessageSize {
        setting: given.setting,
        size,
        least: LEAST_MESSAGE_SIZE,
        most: MOST_MESSAGE_SIZE,
    })
}
