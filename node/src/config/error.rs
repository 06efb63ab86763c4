//! Why a configuration is refused.

use std::{io, path::PathBuf};

use weir_core::{AutoshardingError, ContentTopicError, ShardId, limits::MAX_SHARD_INDEX};
use weir_net::address::AddressError;
use weir_storage::archive::{LocationError, RetentionError};

use super::{Preset, Setting};

/// Why a configuration is refused. Each variant is one rule; its text names the setting, where its
/// value came from, what is wrong and the mend. Values of secrets are never shown.
#[derive(Debug, thiserror::Error)]
pub enum ConfigError {
    /// The file cannot be read.
    #[error("the configuration file {path} cannot be read: {source}; check --config-file", path = path.display())]
    FileUnreadable {
        /// The file.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// The file is not TOML. The line itself is not shown, as it may hold a secret.
    #[error("the configuration file {path} is not TOML, line {line}: {problem}", path = path.display())]
    FileNotToml {
        /// The file.
        path: PathBuf,
        /// Where, counted from 1.
        line: usize,
        /// Why.
        problem: String,
    },
    /// A file names another file.
    #[error("{setting}: a configuration file cannot name another; remove the line")]
    FileInFile {
        /// The setting.
        setting: Setting,
    },
    /// A key that is no setting.
    #[error("{setting}: there is no such setting{}; see weir run --help", hint(similar.as_deref()))]
    UnknownSetting {
        /// The key.
        setting: Setting,
        /// A setting with a similar name.
        similar: Option<String>,
    },
    /// A table, a date or a list of lists.
    #[error("{setting}: expected a text, a number, true, false or a list of these")]
    NotAValue {
        /// The setting.
        setting: Setting,
    },
    /// A value of the wrong syntax.
    #[error("{setting}: {problem}")]
    Value {
        /// The setting.
        setting: Setting,
        /// What is wrong, in the words of the command line's parser.
        problem: String,
    },
    /// A value that asks for what weir does not have.
    #[error("{setting}: weir does not serve {feature} yet; remove the setting{}", or_off(accepted))]
    NotServed {
        /// The setting.
        setting: Setting,
        /// What it would turn on.
        feature: &'static str,
        /// Values that ask for nothing weir lacks.
        accepted: &'static [&'static str],
    },
    /// Relay is off in a mode that relays.
    #[error("{setting}: a node without relay uses the services of others; say --mode=edge as well")]
    RelayOff {
        /// The setting.
        setting: Setting,
    },
    /// A service of a node without relay.
    #[error("{setting}: a node without relay has nothing to do that with; remove it, or {mode}")]
    AtTheEdge {
        /// The setting.
        setting: Setting,
        /// What makes the node one without relay.
        mode: Setting,
    },
    /// A node without relay in a network whose content topics have no shards.
    #[error(
        "{setting}: a node without relay finds the shard of a topic by autosharding; give --num-shards-in-network"
    )]
    EdgeWithoutShards {
        /// The setting.
        setting: Setting,
    },
    /// The network keeps its memberships on a contract.
    #[error(
        "preset {preset}: memberships on a contract are not there yet, so weir cannot join this network; \
         use --preset=local, or --preset=logos.dev, which has no RLN"
    )]
    PresetOnContract {
        /// The network.
        preset: Preset,
    },
    /// RLN is off in a network that demands it.
    #[error("{setting}: RLN cannot be off with preset {preset}, whose nodes refuse messages without proof")]
    PresetDemandsRln {
        /// The setting.
        setting: Setting,
        /// The network.
        preset: Preset,
    },
    /// The cluster is not that of the preset.
    #[error("{setting}: preset {preset} is another cluster; remove one of the two")]
    PresetHasOtherCluster {
        /// The setting.
        setting: Setting,
        /// The network.
        preset: Preset,
    },
    /// The Waku Network's cluster without its preset.
    #[error(
        "{setting}: cluster 1 is The Waku Network, whose memberships on a contract are not there yet; \
         choose another cluster"
    )]
    ClusterOnContract {
        /// The setting.
        setting: Setting,
    },
    /// A shard count a cluster cannot have.
    #[error("{setting}: {source}")]
    ShardCount {
        /// The setting.
        setting: Setting,
        /// The rule.
        source: AutoshardingError,
    },
    /// A text that is no shard index.
    #[error("{setting}: `{text}` is not a shard; expected an index from 0 to {MAX_SHARD_INDEX}")]
    NotAShard {
        /// The setting.
        setting: Setting,
        /// The text.
        text: String,
    },
    /// A shard the network does not have.
    #[error("{setting}: the network has {count} shards, so {shard} is not one of 0 to {}; choose one of these \
             or raise --num-shards-in-network", count - 1)]
    ShardOutsideNetwork {
        /// The setting.
        setting: Setting,
        /// The shard.
        shard: ShardId,
        /// The network's shard count, at least 1.
        count: u16,
    },
    /// A content topic that is not one, or that has no shard.
    #[error("{setting}: `{topic}`: {source}")]
    ContentTopic {
        /// The setting.
        setting: Setting,
        /// The text.
        topic: String,
        /// The rule.
        source: ContentTopicError,
    },
    /// Content topics with static sharding.
    #[error(
        "{setting}: with static sharding a content topic has no shard; set --num-shards-in-network, or \
             name shards with --shard"
    )]
    ContentTopicWithoutAutosharding {
        /// The setting.
        setting: Setting,
    },
    /// A largest message nobody can use.
    #[error("{setting}: the largest message must have from {least} to {most} bytes, not {size}")]
    MessageSize {
        /// The setting.
        setting: Setting,
        /// What was asked for.
        size: usize,
        /// The least.
        least: usize,
        /// The most.
        most: usize,
    },
    /// A peer's address that cannot be dialled.
    #[error("{setting}: {source}")]
    PeerAddress {
        /// The setting.
        setting: Setting,
        /// The rule.
        source: AddressError,
    },
    /// An address to announce that is no multiaddr.
    #[error("{setting}: `{address}` is not a multiaddr without /p2p, as in /dns4/node.example.org/tcp/60000")]
    ExternalMultiaddr {
        /// The setting.
        setting: Setting,
        /// The text.
        address: String,
    },
    /// An address to announce at a port that is not known yet.
    #[error(
        "{setting}: the port to announce is not known, as the system chooses it; give {port} another value"
    )]
    AnnouncedPort {
        /// The setting that says the host.
        setting: Setting,
        /// The setting of the port.
        port: Setting,
    },
    /// Nothing but external addresses, and none of these.
    #[error("{setting}: there is nothing to announce; add --ext-multiaddr or remove it")]
    NothingAnnounced {
        /// The setting.
        setting: Setting,
    },
    /// The port of QUIC while it is off.
    #[error("{setting} has no effect, as QUIC is off ({switch}); set --quic-support=true or remove it")]
    QuicOff {
        /// The setting.
        setting: Setting,
        /// What turned it off.
        switch: Setting,
    },
    /// A setting of WebSockets while they are off.
    #[error(
        "{setting} has no effect, as WebSockets are off ({switch}); set --websocket-support=true or remove it"
    )]
    WebSocketOff {
        /// The setting.
        setting: Setting,
        /// What turned them off.
        switch: Setting,
    },
    /// A setting of secure WebSockets while they are off.
    #[error(
        "{setting} has no effect, as secure WebSockets are off ({switch}); set \
         --websocket-secure-support=true or remove it"
    )]
    SecureWebSocketOff {
        /// The setting.
        setting: Setting,
        /// What turned them off.
        switch: Setting,
    },
    /// Secure WebSockets with a certificate that has no key, the other way round, or neither.
    #[error(
        "{setting}: secure WebSockets need --websocket-secure-cert-path and --websocket-secure-key-path, or \
         --websocket-secure-self-signed for development; set {missing}"
    )]
    CertificateMissing {
        /// What asks for it.
        setting: Setting,
        /// The option that is missing.
        missing: &'static str,
    },
    /// A certificate of the operator and one the node makes.
    #[error("{setting}: a certificate is made only where none is given ({given}); remove one of the two")]
    TwoCertificates {
        /// The setting that asks for one.
        setting: Setting,
        /// The one given.
        given: Setting,
    },
    /// A text that is no DNS name.
    #[error("{setting}: `{name}` is not a DNS name")]
    DnsName {
        /// The setting.
        setting: Setting,
        /// The text.
        name: String,
    },
    /// A node key of the wrong form.
    #[error("{setting}: a node key has 64 hex digits; the value (not shown) has not")]
    NodeKey {
        /// The setting.
        setting: Setting,
    },
    /// No connection is allowed.
    #[error("{setting}: at least one connection must be allowed")]
    NoConnections {
        /// The setting.
        setting: Setting,
    },
    /// An agent string others cannot read.
    #[error("{setting}: the agent string must have 1 to {most} printable ASCII characters")]
    Agent {
        /// The setting.
        setting: Setting,
        /// The most.
        most: usize,
    },
    /// A port above 65535 after the shift.
    #[error("{setting}: {port} and a shift of {shift} make a port above 65535; lower --ports-shift")]
    PortTooHigh {
        /// The setting of the port.
        setting: Setting,
        /// The port before the shift.
        port: u16,
        /// The shift.
        shift: u16,
    },
    /// Two services on one port.
    #[error("{first} and {second} are both port {port} of the same address; change one")]
    PortClash {
        /// The setting of the one.
        first: Setting,
        /// The setting of the other.
        second: Setting,
        /// The port.
        port: u16,
    },
    /// A setting of RLN while RLN is off.
    #[error("{setting} has no effect, as RLN is off ({switch}); set --rln-relay=true or remove it")]
    RlnOff {
        /// The setting.
        setting: Setting,
        /// What turned RLN off.
        switch: Setting,
    },
    /// A setting of the REST server while it is off.
    #[error("{setting} has no effect, as the REST server is off ({switch}); set --rest=true or remove it")]
    RestOff {
        /// The setting.
        setting: Setting,
        /// What turned it off.
        switch: Setting,
    },
    /// A setting of the archive while it is off.
    #[error("{setting} has no effect, as the archive is off ({switch}); set --store=true or remove it")]
    StoreOff {
        /// The setting.
        setting: Setting,
        /// What turned it off.
        switch: Setting,
    },
    /// A setting of the filter service while it is off.
    #[error("{setting} has no effect, as filter is not served ({switch}); set --filter=true or remove it")]
    FilterOff {
        /// The setting.
        setting: Setting,
        /// What turned it off.
        switch: Setting,
    },
    /// A number of the filter service that is too small to be of use, or more than a machine carries.
    #[error("{setting}: {value} is not within {least} to {most}")]
    FilterRange {
        /// The setting.
        setting: Setting,
        /// What was asked for.
        value: u64,
        /// The least.
        least: u64,
        /// The most.
        most: u64,
    },
    /// A place where no archive can be. The URL itself is not shown, as it may hold a password.
    #[error(
        "{setting}: {source}; leave it empty for files in the data folder. Archives of nwaku in SQLite are \
         brought over by weir store migrate"
    )]
    ArchiveUrl {
        /// The setting.
        setting: Setting,
        /// The rule.
        source: LocationError,
    },
    /// A text that does not say how long messages are kept.
    #[error("{setting}: {source}")]
    Retention {
        /// The setting.
        setting: Setting,
        /// The rule.
        source: RetentionError,
    },
    /// Fewer connections than an archive needs, or more than PostgreSQL gives.
    #[error("{setting}: an archive takes {least} to {most} connections, not {connections}")]
    ArchiveConnections {
        /// The setting.
        setting: Setting,
        /// What was asked for.
        connections: u32,
        /// The least.
        least: u32,
        /// The most.
        most: u32,
    },
    /// A text that does not say how often peers may ask.
    #[error("{setting}: {source}")]
    RateLimit {
        /// The setting.
        setting: Setting,
        /// The rule.
        source: weir_protocols::rate_limit::SettingError,
    },
    /// A limit for services while none is on.
    #[error(
        "{setting} has no effect, as nothing is served; set --store, --lightpush or --filter, or remove it"
    )]
    NothingServed {
        /// The setting.
        setting: Setting,
    },
    /// A setting of the light push service while it is off.
    #[error("{setting} has no effect, as light push is not served ({switch}); set --lightpush or remove it")]
    LightPushOff {
        /// The setting.
        setting: Setting,
        /// What turned it off.
        switch: Setting,
    },
    /// A text that does not say how many proofs clients get.
    #[error(
        "{setting}: `{text}` is not <messages for one client>/<messages for all> with the first at least 1 and at \
         most the second, as in 10/50"
    )]
    ProofShare {
        /// The setting.
        setting: Setting,
        /// The text.
        text: String,
    },
    /// A setting of the metrics server while it is off.
    #[error(
        "{setting} has no effect, as the metrics server is off ({switch}); set --metrics-server=true or remove it"
    )]
    MetricsOff {
        /// The setting.
        setting: Setting,
        /// What turned it off.
        switch: Setting,
    },
    /// An epoch of no length, or longer than a message may be late.
    #[error("{setting}: {problem}")]
    EpochLength {
        /// The setting.
        setting: Setting,
        /// The rule.
        problem: String,
    },
    /// A quota no membership can have.
    #[error("{setting}: {problem}")]
    UserMessageLimit {
        /// The setting.
        setting: Setting,
        /// The rule.
        problem: String,
    },
    /// A keystore without its password.
    #[error("{setting}: this keystore needs its password; set WEIR_RLN_RELAY_CRED_PASSWORD")]
    PasswordMissing {
        /// The setting that names the keystore.
        setting: Setting,
    },
    /// A password of no characters.
    #[error("{setting}: the password is empty")]
    PasswordEmpty {
        /// The setting.
        setting: Setting,
    },
    /// A cache for nothing.
    #[error("{setting}: the cache must hold at least one message")]
    CacheCapacity {
        /// The setting.
        setting: Setting,
    },
    /// An origin pattern of no characters.
    #[error("{setting}: an origin pattern is empty; use * to let every page in")]
    OriginPattern {
        /// The setting.
        setting: Setting,
    },
}

fn hint(similar: Option<&str>) -> String {
    similar.map_or_else(String::new, |name| format!(" (did you mean {name}?)"))
}

fn or_off(accepted: &[&str]) -> String {
    accepted.first().map_or_else(String::new, |value| format!(" or set it to {value}"))
}
