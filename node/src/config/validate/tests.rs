//! Each rule once, by its variant, and what holds when nothing is written.

use std::{
    ffi::OsString,
    num::{NonZeroU16, NonZeroU32},
    path::Path,
};

use clap::Parser;
use weir_core::{ClusterId, ShardId};
use weir_net::{Autonat, Colocation, Nat};
use weir_storage::archive::{Location, LocationError, Retention, RetentionError};

use crate::{
    cli::{Cli, Command},
    config::{Announced, CertificateSource, Config, ConfigError, LogLevel, Notice, Preset, Sharding},
};

fn load_with(flags: &[&str], environment: &[(&str, &str)]) -> Result<Config, ConfigError> {
    let line = ["weir", "run"].iter().chain(flags);
    let Command::Run(settings) = Cli::try_parse_from(line).expect("clap takes the flags").into_command()
    else {
        panic!("expected run");
    };
    let environment = environment.iter().map(|(name, value)| (OsString::from(name), OsString::from(value)));
    crate::config::load(*settings, environment)
}

fn load(flags: &[&str]) -> Result<Config, ConfigError> {
    load_with(flags, &[])
}

fn refused(flags: &[&str]) -> ConfigError {
    load(flags).expect_err(&format!("{flags:?} must be refused"))
}

#[test]
fn without_settings_it_is_a_local_network_with_rln() {
    let config = load(&[]).expect("defaults are valid");
    assert_eq!(config.preset, Preset::Local);
    assert_eq!(config.relay.cluster, ClusterId(66));
    assert_eq!(config.relay.autosharding().map(|rule| rule.shard_count()), Some(8));
    assert_eq!(config.relay.shards.len(), 8);
    assert_eq!(config.relay.max_message_size, 153_600);
    assert_eq!(config.relay.topics().map(|topics| topics.len()), Ok(8));
    assert_eq!(config.network.tcp_port, 60000);
    assert!(config.network.static_nodes.is_empty() && config.network.announced.listeners);
    assert_eq!(config.rest.expect("on").listen, "127.0.0.1:8645".parse().expect("address"));
    assert_eq!(config.metrics.expect("on").listen, "127.0.0.1:8008".parse().expect("address"));
    let rln = config.rln.expect("on");
    assert_eq!(rln.epoch_length.as_secs(), 600);
    assert_eq!(rln.user_message_limit.get(), 100);
    assert_eq!(rln.registry_path, Path::new("data/registry"));
    assert_eq!(rln.credential.path, Path::new("data/keystore.json"));
    assert!(rln.credential.auto_create && rln.credential.password.is_none());
    assert_eq!(config.log.level, LogLevel::Info);
    assert_eq!(config.notices, []);
}

#[test]
fn the_developers_network_has_six_nodes_and_no_rln() {
    for name in ["logos.dev", "logosdev"] {
        let config = load(&[&format!("--preset={name}")]).expect("valid");
        assert_eq!(config.relay.cluster, ClusterId(3));
        assert_eq!(config.network.static_nodes.len(), 6);
        assert!(config.rln.is_none() && config.rest.is_none() && config.metrics.is_none());
        assert_eq!(config.relay.shards.len(), 8);
    }
}

#[test]
fn the_waku_network_says_why_it_cannot_run_yet() {
    let error = refused(&["--preset=twn"]);
    assert!(error.to_string().contains("memberships on a contract are not there yet"), "{error}");
    assert!(matches!(
        refused(&["--preset=twn", "--rln-relay=false"]),
        ConfigError::PresetDemandsRln { preset: Preset::Twn, .. }
    ));
    assert!(matches!(refused(&["--cluster-id=1"]), ConfigError::ClusterOnContract { .. }));
}

#[test]
fn flags_win_over_the_environment_and_the_environment_over_the_preset() {
    let environment = [("WEIR_TCP_PORT", "1000"), ("WEIR_REST_PORT", "2000"), ("WEIR_CLUSTER_ID", "7")];
    let config = load_with(&["--tcp-port=3000"], &environment).expect("valid");
    assert_eq!(config.network.tcp_port, 3000);
    assert_eq!(config.rest.map(|rest| rest.listen.port()), Some(2000));
    assert_eq!(config.relay.cluster, ClusterId(7));
}

#[test]
fn contradictions_are_refused_by_the_rule_they_break() {
    type Rule = fn(&ConfigError) -> bool;
    let cases: &[(&[&str], Rule)] = &[
        (&["--relay=false"], |e| matches!(e, ConfigError::RelayOff { .. })),
        (&["--mode=edge", "--relay=true"], |e| matches!(e, ConfigError::AtTheEdge { .. })),
        (&["--mode=edge", "--rln-relay=true"], |e| matches!(e, ConfigError::AtTheEdge { .. })),
        (&["--mode=edge", "--store"], |e| matches!(e, ConfigError::AtTheEdge { .. })),
        (&["--mode=edge", "--lightpush"], |e| matches!(e, ConfigError::AtTheEdge { .. })),
        (&["--mode=edge", "--filter"], |e| matches!(e, ConfigError::AtTheEdge { .. })),
        (&["--mode=edge", "--peer-exchange"], |e| matches!(e, ConfigError::AtTheEdge { .. })),
        (&["--preset=logos.dev", "--cluster-id=5"], |e| {
            matches!(e, ConfigError::PresetHasOtherCluster { .. })
        }),
        (&["--num-shards-in-network=1025"], |e| matches!(e, ConfigError::ShardCount { .. })),
        (&["--shard=8"], |e| {
            matches!(e, ConfigError::ShardOutsideNetwork { shard: ShardId(8), count: 8, .. })
        }),
        (&["--num-shards-in-network=0", "--shard=1024"], |e| {
            matches!(e, ConfigError::ShardOutsideNetwork { count: 1024, .. })
        }),
        (&["--shard=/waku/2/rs/66/1"], |e| matches!(e, ConfigError::NotAShard { .. })),
        (&["--content-topic=a/1/b/c"], |e| matches!(e, ConfigError::ContentTopic { .. })),
        (&["--content-topic="], |e| matches!(e, ConfigError::ContentTopic { .. })),
        (&["--num-shards-in-network=0", "--content-topic=/a/1/b/c"], |e| {
            matches!(e, ConfigError::ContentTopicWithoutAutosharding { .. })
        }),
        (&["--max-msg-size=100B"], |e| matches!(e, ConfigError::MessageSize { size: 100, .. })),
        (&["--max-msg-size=99999999KiB"], |e| matches!(e, ConfigError::MessageSize { .. })),
        (&["--staticnode=/ip4/127.0.0.1/tcp/1"], |e| matches!(e, ConfigError::PeerAddress { .. })),
        (&["--entry-node=enrtree://KEY@nodes.example.org"], |e| matches!(e, ConfigError::NotServed { .. })),
        (&["--ext-multiaddr=example.org"], |e| matches!(e, ConfigError::ExternalMultiaddr { .. })),
        (&["--ext-multiaddr=/example/org"], |e| matches!(e, ConfigError::ExternalMultiaddr { .. })),
        (&["--tcp-port=0", "--nat=extip:192.0.2.1"], |e| matches!(e, ConfigError::AnnouncedPort { .. })),
        (&["--tcp-port=0", "--dns4-domain-name=a.example"], |e| {
            matches!(e, ConfigError::AnnouncedPort { .. })
        }),
        (&["--websocket-support", "--websocket-port=0", "--dns4-domain-name=a.example"], |e| {
            matches!(e, ConfigError::AnnouncedPort { .. })
        }),
        (&["--ext-multiaddr-only"], |e| matches!(e, ConfigError::NothingAnnounced { .. })),
        (&["--quic-port=1"], |e| matches!(e, ConfigError::QuicOff { .. })),
        (&["--websocket-port=1"], |e| matches!(e, ConfigError::WebSocketOff { .. })),
        (&["--websocket-secure-port=1"], |e| matches!(e, ConfigError::SecureWebSocketOff { .. })),
        (&["--websocket-secure-self-signed"], |e| matches!(e, ConfigError::SecureWebSocketOff { .. })),
        (&["--websocket-support", "--websocket-secure-key-path=x"], |e| {
            matches!(e, ConfigError::SecureWebSocketOff { .. })
        }),
        (&["--websocket-secure-support"], |e| matches!(e, ConfigError::CertificateMissing { .. })),
        (&["--websocket-secure-support", "--websocket-secure-cert-path=x"], |e| {
            matches!(e, ConfigError::CertificateMissing { missing: "--websocket-secure-key-path", .. })
        }),
        (
            &[
                "--websocket-secure-support",
                "--websocket-secure-cert-path=x",
                "--websocket-secure-self-signed",
            ],
            |e| matches!(e, ConfigError::TwoCertificates { .. }),
        ),
        (&["--websocket-support", "--websocket-port=60000"], |e| {
            matches!(e, ConfigError::PortClash { port: 60000, .. })
        }),
        (&["--websocket-support", "--websocket-port=65000", "--ports-shift=1000"], |e| {
            matches!(e, ConfigError::PortTooHigh { port: 65000, .. })
        }),
        (&["--dns4-domain-name=not a name"], |e| matches!(e, ConfigError::DnsName { .. })),
        (&["--nat=upnp"], |e| matches!(e, ConfigError::NotServed { .. })),
        (&["--nodekey=abcd"], |e| matches!(e, ConfigError::NodeKey { .. })),
        (&["--max-connections=0"], |e| matches!(e, ConfigError::NoConnections { .. })),
        (&["--agent-string=tab\tbed"], |e| matches!(e, ConfigError::Agent { .. })),
        (&["--tcp-port=65000", "--ports-shift=1000"], |e| {
            matches!(e, ConfigError::PortTooHigh { port: 65000, shift: 1000, .. })
        }),
        (&["--tcp-port=8645"], |e| matches!(e, ConfigError::PortClash { port: 8645, .. })),
        (&["--rest-port=8008"], |e| matches!(e, ConfigError::PortClash { port: 8008, .. })),
        (&["--rln-relay=false", "--rln-relay-epoch-sec=1"], |e| matches!(e, ConfigError::RlnOff { .. })),
        (&["--preset=logos.dev", "--rln-relay-cred-path=x"], |e| matches!(e, ConfigError::RlnOff { .. })),
        (&["--rest=false", "--rest-admin"], |e| matches!(e, ConfigError::RestOff { .. })),
        (&["--rest=false", "--rest-port=1"], |e| matches!(e, ConfigError::RestOff { .. })),
        (&["--metrics-server=false", "--metrics-server-port=1"], |e| {
            matches!(e, ConfigError::MetricsOff { .. })
        }),
        (&["--store-message-db-url=postgres://h/d"], |e| matches!(e, ConfigError::StoreOff { .. })),
        (&["--store=false", "--store-message-retention-policy=time:5"], |e| {
            matches!(e, ConfigError::StoreOff { .. })
        }),
        (&["--store-max-num-db-connections=5"], |e| matches!(e, ConfigError::StoreOff { .. })),
        (&["--store-resume"], |e| matches!(e, ConfigError::StoreOff { .. })),
        (&["--rate-limit=store:5/1s"], |e| matches!(e, ConfigError::NothingServed { .. })),
        (&["--lightpush-rln-service=1/2"], |e| matches!(e, ConfigError::LightPushOff { .. })),
        (&["--lightpush", "--rln-relay=false", "--lightpush-rln-service=1/2"], |e| {
            matches!(e, ConfigError::RlnOff { .. })
        }),
        (&["--lightpush", "--lightpush-rln-service=10"], |e| matches!(e, ConfigError::ProofShare { .. })),
        (&["--lightpush", "--lightpush-rln-service=0/2"], |e| matches!(e, ConfigError::ProofShare { .. })),
        (&["--lightpush", "--lightpush-rln-service=3/2"], |e| matches!(e, ConfigError::ProofShare { .. })),
        (&["--lightpushnode=/ip4/127.0.0.1/tcp/1"], |e| matches!(e, ConfigError::PeerAddress { .. })),
        (&["--store", "--rate-limit=store:often"], |e| matches!(e, ConfigError::RateLimit { .. })),
        (&["--filter-max-criteria=5"], |e| matches!(e, ConfigError::FilterOff { .. })),
        (&["--filter", "--filter-max-peers-to-serve=0"], |e| matches!(e, ConfigError::FilterRange { .. })),
        (&["--filter", "--filter-max-criteria=100001"], |e| matches!(e, ConfigError::FilterRange { .. })),
        (&["--filter", "--filter-subscription-timeout=59"], |e| matches!(e, ConfigError::FilterRange { .. })),
        (&["--filternode=/ip4/127.0.0.1/tcp/1"], |e| matches!(e, ConfigError::PeerAddress { .. })),
        (&["--storenode=/ip4/127.0.0.1/tcp/1"], |e| matches!(e, ConfigError::PeerAddress { .. })),
        (
            &["--store", "--store-message-db-url=sqlite:///store.sqlite3"],
            |e| matches!(e, ConfigError::ArchiveUrl { source: LocationError::Scheme(scheme), .. } if scheme == "sqlite"),
        ),
        (&["--store", "--store-message-db-url=store.sqlite3"], |e| {
            matches!(e, ConfigError::ArchiveUrl { source: LocationError::NoUrl, .. })
        }),
        (&["--store", "--store-message-retention-policy=forever"], |e| {
            matches!(e, ConfigError::Retention { source: RetentionError::Unknown(_), .. })
        }),
        (&["--store", "--store-max-num-db-connections=1"], |e| {
            matches!(e, ConfigError::ArchiveConnections { connections: 1, .. })
        }),
        (&["--store", "--store-message-db-migration=false"], |e| matches!(e, ConfigError::NotServed { .. })),
        (&["--store", "--store-message-db-vacuum"], |e| matches!(e, ConfigError::NotServed { .. })),
        (&["--rln-relay-epoch-sec=0"], |e| matches!(e, ConfigError::EpochLength { .. })),
        (&["--rln-relay-user-message-limit=65536"], |e| matches!(e, ConfigError::UserMessageLimit { .. })),
        (&["--rln-relay-cred-path=keys.json"], |e| matches!(e, ConfigError::PasswordMissing { .. })),
        (&["--rln-relay-cred-password="], |e| matches!(e, ConfigError::PasswordEmpty { .. })),
        (&["--rest-relay-cache-capacity=0"], |e| matches!(e, ConfigError::CacheCapacity { .. })),
        (&["--rest-allow-origin= "], |e| matches!(e, ConfigError::OriginPattern { .. })),
        (&["--config-file=/does/not/exist.toml"], |e| matches!(e, ConfigError::FileUnreadable { .. })),
    ];
    for (flags, is_the_rule) in cases {
        let error = refused(flags);
        assert!(is_the_rule(&error), "{flags:?}: {error:?}");
        let option = flags.last().and_then(|flag| flag.split('=').next()).expect("a flag");
        assert!(error.to_string().contains(option.trim_start_matches('-')), "{error}");
    }
}

#[test]
fn an_archive_is_files_in_the_data_folder_unless_a_database_is_named() {
    let store = |flags: &[&str]| load(flags).expect("valid").store;
    assert!(store(&[]).is_none());
    assert!(
        store(&["--store-message-db-migration=false", "--store-message-retention-policy=none"]).is_none()
    );
    for flags in [&["--store"][..], &["--store", "--store-message-db-url="]] {
        let config = store(flags).expect("on");
        assert!(matches!(&config.location, Location::Folder(folder) if folder.ends_with("archive")));
        assert_eq!((config.retention, config.connections), (Retention::DEFAULT, 50));
    }
    let url = "--store-message-db-url=postgres://waku:pass-word@host:5433/waku";
    let config = store(&["--store=true", url, "--store-message-db-migration=true"]).expect("on");
    let shown = format!("{config:?}");
    assert!(shown.contains("postgres://waku@host:5433/waku") && !shown.contains("pass-word"), "{shown}");
    let error = refused(&["--store", "--store-message-db-url=mysql://waku:pass-word@host/waku"]).to_string();
    assert!(error.contains("weir store migrate") && !error.contains("pass-word"), "{error}");
}

#[test]
fn what_does_not_contradict_is_accepted() {
    for flags in [
        &["--rest=false", "--rest-admin=false"][..],
        &["--tcp-port=0", "--rest-port=0", "--metrics-server-port=0", "--ports-shift=9"],
        &["--listen-address=127.0.0.1", "--tcp-port=8645", "--rest-address=127.0.0.2"],
        &["--preset=logos.dev", "--cluster-id=3"],
        &["--num-shards-in-network=0"],
        &["--nodekey=0x0101010101010101010101010101010101010101010101010101010101010101"],
        &["--tcp-port=0", "--ext-multiaddr=/dns4/a.example/tcp/443"],
        &["--keep-alive", "--store=false", "--mix=off", "--mode=Core", "--rln-relay-chain-id=0"],
    ] {
        load(flags).unwrap_or_else(|error| panic!("{flags:?}: {error}"));
    }
}

#[test]
fn what_is_not_served_is_named_and_can_be_turned_off_by_a_stronger_layer() {
    let error = refused(&["--mix=true"]);
    assert_eq!(
        error.to_string(),
        "--mix: weir does not serve mix yet; remove the setting or set it to false"
    );
    assert!(matches!(refused(&["--discv5-discovery"]), ConfigError::NotServed { feature: "discv5", .. }));
    let key = refused(&["--rln-relay-eth-private-key=5526a8990317c9b7"]);
    assert!(!key.to_string().contains("5526a899"), "{key}");
    assert!(load_with(&["--mix=false"], &[("WEIR_MIX", "true")]).is_ok());
}

#[test]
fn the_shift_moves_every_port_but_zero() {
    let config = load(&["--ports-shift=5", "--metrics-server-port=0"]).expect("valid");
    assert_eq!(config.network.tcp_port, 60005);
    assert_eq!(config.rest.map(|rest| rest.listen.port()), Some(8650));
    assert_eq!(config.metrics.map(|metrics| metrics.listen.port()), Some(0));
}

#[test]
fn zero_shards_are_static_sharding_here_and_the_presets_number_elsewhere() {
    let config = load(&["--num-shards-in-network=0", "--shard=[1023, 3]", "--shard=3"]).expect("valid");
    assert_eq!(config.relay.sharding, Sharding::Static);
    assert_eq!(config.relay.shards, [ShardId(1023), ShardId(3)]);
    assert_eq!(load(&["--num-shards-in-network=0"]).expect("valid").relay.shards, []);
    let preset = load(&["--preset=logos.dev", "--num-shards-in-network=0"]).expect("valid");
    assert_eq!(preset.relay.autosharding().map(|rule| rule.shard_count()), Some(8));
}

#[test]
fn content_topics_add_their_shards_to_those_that_are_named() {
    let config = load(&["--shard=0", "--content-topic=/toychat/2/huilong/proto"]).expect("valid");
    let topics: Vec<String> = config.relay.topics().expect("valid").iter().map(ToString::to_string).collect();
    assert_eq!(topics, ["/waku/2/rs/66/0", "/waku/2/rs/66/3"]);
}

#[test]
fn all_that_is_done_about_nat_is_off_unless_it_is_asked_for() {
    let nat = |flags: &[&str]| load(flags).expect("valid").network.nat;
    assert_eq!(nat(&[]), Nat::default());
    let all = nat(&["--relay-client", "--circuit-relay-slots=3", "--autonat"]);
    assert_eq!((all.relay_slots, all.relay_client), (NonZeroU16::new(3), true));
    assert_eq!(all.autonat, Some(Autonat::default()));
}

#[test]
fn this_machine_counts_against_the_limit_of_an_ip_address_only_where_one_is_set() {
    let colocation = |flags: &[&str]| load(flags).expect("valid").network.colocation;
    let limit = |most| NonZeroU32::new(most).expect("not zero");
    assert_eq!(colocation(&[]), Some(Colocation { limit: limit(5), loopback: false }));
    assert_eq!(
        colocation(&["--ip-colocation-limit=2"]),
        Some(Colocation { limit: limit(2), loopback: true })
    );
    assert_eq!(colocation(&["--ip-colocation-limit=0"]), None);
}

#[test]
fn external_addresses_follow_the_port_or_are_taken_as_they_are() {
    let config =
        load(&["--nat=extip:192.0.2.1", "--ext-multiaddr=/dns4/a.example/tcp/443/wss"]).expect("valid");
    let addresses = ["/ip4/192.0.2.1/tcp/60000", "/dns4/a.example/tcp/443/wss"];
    assert_eq!(config.network.announced, announced(&addresses, false));
    let named = load(&["--nat=extip:192.0.2.1", "--dns4-domain-name=a.example"]).expect("valid");
    assert_eq!(named.network.announced, announced(&["/dns4/a.example/tcp/60000"], false));
}

#[test]
fn external_addresses_are_told_beside_the_listeners_unless_only_they_are_to_be() {
    let given = "--ext-multiaddr=/dns4/a.example/tcp/443";
    let beside = load(&[given]).expect("valid");
    assert_eq!(beside.network.announced, announced(&["/dns4/a.example/tcp/443"], true));
    let only = load(&[given, "--nat=extip:192.0.2.1", "--ext-multiaddr-only"]).expect("valid");
    assert_eq!(only.network.announced, announced(&["/dns4/a.example/tcp/443"], false));
}

#[test]
fn an_external_host_is_told_at_the_port_of_each_transport() {
    let certificate = ["--websocket-secure-support", "--websocket-secure-self-signed"];
    let name = "--dns4-domain-name=a.example";
    let both = ["--websocket-support", "--websocket-secure-port=443", "--ports-shift=1", name];
    let config = load(&[&certificate[..], &both].concat()).expect("valid");
    let addresses =
        ["/dns4/a.example/tcp/60001", "/dns4/a.example/tcp/8001/ws", "/dns4/a.example/tcp/444/wss"];
    assert_eq!(config.network.announced, announced(&addresses, false));
    let quic = load(&["--quic-support", "--ports-shift=1", name]).expect("valid");
    let addresses = ["/dns4/a.example/tcp/60001", "/dns4/a.example/udp/60001/quic-v1"];
    assert_eq!(quic.network.announced, announced(&addresses, false));
    // Who gives an address for browsers has a proxy in front of the port.
    let proxied = load(&["--websocket-support", name, "--ext-multiaddr=/dns4/b.example/tcp/443/wss"]);
    let addresses = ["/dns4/a.example/tcp/60000", "/dns4/b.example/tcp/443/wss"];
    assert_eq!(proxied.expect("valid").network.announced, announced(&addresses, false));
}

fn announced(addresses: &[&str], listeners: bool) -> Announced {
    Announced { addresses: addresses.iter().map(|&address| address.to_owned()).collect(), listeners }
}

#[test]
fn one_port_is_for_plain_or_secure_websockets_and_two_for_both() {
    let secure = ["--websocket-secure-support", "--websocket-secure-self-signed"];
    let ports = |flags: &[&str]| {
        let websocket = load(flags).expect("valid").network.websocket;
        (websocket.plain_port, websocket.secure.map(|secure| secure.port))
    };
    assert_eq!(ports(&[]), (None, None));
    assert_eq!(ports(&["--websocket-support", "--websocket-port=0"]), (Some(0), None));
    assert_eq!(ports(&secure), (None, Some(8000)));
    assert_eq!(ports(&[secure[0], secure[1], "--websocket-support", "--websocket-port=1"]), (None, Some(1)));
    let both = [secure[0], secure[1], "--websocket-support", "--websocket-secure-port=443"];
    assert_eq!(ports(&both), (Some(8000), Some(443)));
    assert_eq!(ports(&[secure[0], secure[1], "--websocket-secure-port=443"]), (None, Some(443)));
}

#[test]
fn a_development_certificate_is_kept_in_the_data_folder_and_for_the_nodes_names() {
    let flags = [
        "--websocket-secure-support",
        "--websocket-secure-self-signed",
        "--data-dir=d",
        "--nat=extip:192.0.2.1",
    ];
    let secure = load(&flags).expect("valid").network.websocket.secure.expect("on");
    let CertificateSource::SelfSigned { files, names } = secure.certificate else { panic!("{secure:?}") };
    assert_eq!(names, ["localhost", "127.0.0.1", "::1", "192.0.2.1"]);
    assert_eq!(files.certificate, Path::new("d/websocket-cert.pem"));
}

#[test]
fn nat_any_says_what_happens_only_when_it_is_asked_for() {
    assert_eq!(load(&["--nat=any"]).expect("valid").notices, [Notice::NoPortMapping]);
    assert_eq!(load(&["--nat=none"]).expect("valid").notices, []);
}

#[test]
fn a_named_keystore_is_never_made_and_its_password_may_come_from_the_environment() {
    let config =
        load_with(&["--rln-relay-cred-path=keys.json"], &[("WEIR_RLN_RELAY_CRED_PASSWORD", "correct horse")])
            .expect("valid");
    let credential = config.rln.expect("on").credential;
    assert!(!credential.auto_create);
    assert_eq!(credential.password.expect("given").expose(), "correct horse");
}

#[test]
fn secrets_show_neither_in_the_configuration_nor_in_errors() {
    let key = "ab".repeat(32);
    let flags = [format!("--nodekey={key}"), "--rln-relay-cred-password=correct horse".to_owned()];
    let flags: Vec<&str> = flags.iter().map(String::as_str).collect();
    let shown = format!("{:?}", load(&flags).expect("valid"));
    assert!(!shown.contains("horse") && !shown.contains("abab") && !shown.contains("171"), "{shown}");
    let error = refused(&["--nodekey=c0ffee"]);
    assert!(!format!("{error} {error:?}").contains("c0ffee"), "{error:?}");
}

#[test]
fn an_unknown_variable_is_noticed_and_does_not_stop_the_node() {
    let config = load_with(&[], &[("WEIR_SERVICE_HOST", "10.0.0.1")]).expect("valid");
    assert_eq!(config.notices, [Notice::UnknownEnvironment("WEIR_SERVICE_HOST".into())]);
}
