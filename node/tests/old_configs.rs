//! Configuration files of released versions, kept so that they stay readable.
//!
//! `tests/configs/v<version>-*.toml` are never edited once the version is out; a new version adds
//! files of its own.

use std::path::PathBuf;

use clap::Parser;
use weir_core::{ClusterId, ShardId};
use weir_node::{
    cli::{Cli, Command},
    config::{self, Config, LogFormat, LogLevel},
};

fn path_of(name: &str) -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/configs").join(name)
}

fn load(name: &str) -> Config {
    let flag = format!("--config-file={}", path_of(name).display());
    let Command::Run(settings) = Cli::try_parse_from(["weir", &flag]).expect("valid").into_command() else {
        panic!("expected run");
    };
    config::load(*settings, []).unwrap_or_else(|error| panic!("{name}: {error}"))
}

#[test]
fn every_kept_file_is_still_valid() {
    let folder = path_of("");
    let names: Vec<String> = folder
        .read_dir()
        .expect("the folder exists")
        .map(|entry| entry.expect("readable").file_name().into_string().expect("UTF-8"))
        .collect();
    assert!(names.len() >= 3, "{names:?}");
    for name in names {
        load(&name);
    }
}

#[test]
fn the_full_file_says_what_it_said() {
    let config = load("v0.1-full.toml");
    assert_eq!(config.data_dir, PathBuf::from("/var/lib/weir"));
    assert_eq!((config.log.level, config.log.format), (LogLevel::Debug, LogFormat::Json));
    assert_eq!(config.network.tcp_port, 61002);
    assert_eq!(
        config.network.announced.addresses,
        ["/ip4/192.0.2.1/tcp/61002", "/dns4/node.example.org/tcp/61002"]
    );
    assert_eq!(config.network.static_nodes.len(), 1);
    assert_eq!((config.network.max_connections, config.network.agent.as_str()), (50, "my-node"));
    assert_eq!(config.network.node_key.map(|key| **key.as_bytes()), Some([1; 32]));
    assert_eq!(config.relay.cluster, ClusterId(77));
    assert_eq!(config.relay.autosharding().map(|rule| rule.shard_count()), Some(4));
    assert_eq!(config.relay.shards, [ShardId(0), ShardId(3)]);
    assert_eq!(config.relay.content_topics.len(), 1);
    assert_eq!(config.relay.max_message_size, 102_400);
    let rln = config.rln.expect("on");
    assert_eq!((rln.epoch_length.as_secs(), rln.user_message_limit.get()), (60, 20));
    assert_eq!(rln.registry_path, PathBuf::from("/var/lib/shared/registry"));
    assert_eq!(rln.credential.path, PathBuf::from("/var/lib/weir/keys.json"));
    let rest = config.rest.expect("on");
    assert_eq!(rest.listen, "0.0.0.0:9002".parse().expect("address"));
    assert!(rest.admin);
    assert_eq!(
        (rest.relay_cache_capacity, rest.allow_origins),
        (100, vec!["https://*.example.org".to_owned()])
    );
    assert_eq!(config.metrics.map(|metrics| metrics.listen), "0.0.0.0:9003".parse().ok());
}
