//! What `weir run` shows once the node is up.

use std::{
    fmt,
    net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr},
};

use weir_core::{ContentTopic, PeerId, PubsubTopic};

use crate::config::{Config, Preset};

/// The first lines of a running node: what it is, where it listens, and what to try.
#[derive(Debug)]
pub struct Banner<'a> {
    /// What it was started with.
    pub config: &'a Config,
    /// Who it is.
    pub peer_id: &'a PeerId,
    /// Where peers reach it: multiaddrs ending in `/p2p/<id>`.
    pub announced_addresses: &'a [String],
    /// Where it listens, for a neighbour on this machine; in the same form.
    pub listen_addresses: &'a [String],
    /// Where REST listens, the port known.
    pub rest: Option<SocketAddr>,
    /// Where metrics listen, the port known.
    pub metrics: Option<SocketAddr>,
    /// Its membership; `None` when it has none and only relays.
    pub membership: Option<MembershipLine>,
}

/// The node's own membership.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct MembershipLine {
    /// Leaf in the membership tree.
    pub index: u32,
    /// Messages an epoch.
    pub limit: u32,
    /// Messages left in this epoch.
    pub left: u32,
}

impl fmt::Display for Banner<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let relay = &self.config.relay;
        writeln!(f, "weir {}, a Waku relay node", env!("CARGO_PKG_VERSION"))?;
        writeln!(
            f,
            "  network     {}, cluster {}, {} shard{} subscribed",
            self.config.preset,
            relay.cluster,
            relay.shards.len(),
            if relay.shards.len() == 1 { "" } else { "s" }
        )?;
        writeln!(f, "  peer id     {}", self.peer_id)?;
        for address in self.announced_addresses {
            writeln!(f, "  relay       {address}")?;
        }
        if let Some(store) = &self.config.store {
            writeln!(f, "  archive     {}, kept by {}", store.location, store.retention)?;
        }
        if let Some(rest) = self.rest {
            writeln!(f, "  REST        http://{}", reachable(rest))?;
        }
        if let Some(metrics) = self.metrics {
            writeln!(f, "  metrics     http://{}/metrics", reachable(metrics))?;
        }
        self.write_membership(f)?;
        self.write_suggestions(f)
    }
}

impl Banner<'_> {
    fn write_membership(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Some(rln) = &self.config.rln else {
            return writeln!(f, "  rate limit  off, messages carry no proof");
        };
        match self.membership {
            Some(membership) => writeln!(
                f,
                "  membership  index {}, {} of {} messages left in this epoch of {} s",
                membership.index,
                membership.left,
                membership.limit,
                rln.epoch_length.as_secs()
            ),
            None => writeln!(f, "  membership  none, the node relays and cannot publish"),
        }
    }

    fn write_suggestions(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let example = self.rest.zip(self.example_topics());
        if let Some((rest, (topic, content_topic))) = example {
            let rest = reachable(rest);
            let topic = topic.to_string().replace('/', "%2F");
            writeln!(f, "\nTry next, in another terminal:")?;
            writeln!(f, "  curl -s http://{rest}/health")?;
            writeln!(
                f,
                "  curl -s -H 'content-type: application/json' -d '{{\"payload\":\"aGVsbG8=\",\
                 \"contentTopic\":\"{content_topic}\"}}' http://{rest}/relay/v1/messages/{topic}"
            )?;
            writeln!(f, "  curl -s http://{rest}/relay/v1/messages/{topic}")?;
        }
        self.write_second_node(f)
    }

    /// How to start a neighbour, where everything it needs is on this machine.
    fn write_second_node(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let local = self.listen_addresses.iter().find(|address| address.contains("/127.0.0.1/"));
        let (Some(address), Some(rln)) = (local.or(self.listen_addresses.first()), &self.config.rln) else {
            return Ok(());
        };
        if self.config.preset != Preset::Local {
            return Ok(());
        }
        let registry = quoted(&rln.registry_path.display().to_string());
        let data = quoted(&format!("{}-2", self.config.data_dir.display()));
        writeln!(f, "\nAnd a second node beside this one:")?;
        writeln!(
            f,
            "  weir run --ports-shift=1 --data-dir={data} --rln-relay-registry-path={registry} \
             --staticnode={address}"
        )
    }

    /// A subscribed topic, and a content topic that belongs there.
    fn example_topics(&self) -> Option<(PubsubTopic, ContentTopic)> {
        let topics = self.config.relay.topics().ok()?;
        let example = |version: u32| ContentTopic::new(&format!("/weir/{version}/hello/proto")).ok();
        let Some(rule) = self.config.relay.autosharding() else {
            return Some((*topics.first()?, example(1)?));
        };
        // Each version falls on a shard as if by chance; of 1024 shards one in ten thousand tries
        // misses with a probability below one in ten thousand.
        (1..=10_000).find_map(|version| {
            let content_topic = example(version)?;
            let topic = rule.pubsub_topic_of(&content_topic).ok()?;
            topics.contains(&topic).then_some((topic, content_topic))
        })
    }
}

/// The address to call from this machine: a wildcard is no destination.
fn reachable(address: SocketAddr) -> SocketAddr {
    let ip = match address.ip() {
        IpAddr::V4(ip) if ip.is_unspecified() => Ipv4Addr::LOCALHOST.into(),
        IpAddr::V6(ip) if ip.is_unspecified() => Ipv6Addr::LOCALHOST.into(),
        ip => ip,
    };
    SocketAddr::new(ip, address.port())
}

/// A text as a shell takes it for one word.
fn quoted(text: &str) -> String {
    let plain = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'/' | b'.' | b'-' | b'_');
    if !text.is_empty() && text.bytes().all(plain) {
        text.to_owned()
    } else {
        format!("'{}'", text.replace('\'', r"'\''"))
    }
}

#[cfg(test)]
mod tests {
    use clap::Parser;

    use super::*;
    use crate::cli::{Cli, Command};

    fn config(flags: &[&str]) -> Config {
        let line = ["weir", "run"].iter().chain(flags);
        let Command::Run(settings) = Cli::try_parse_from(line).expect("valid flags").into_command() else {
            panic!("expected run");
        };
        crate::config::load(*settings, []).expect("valid configuration")
    }

    fn text_of(config: &Config, rest: Option<&str>) -> String {
        let peer_id = "16Uiu2HAmNaeL4p3WEYzC9mgXBmBWSgWjPHRvatZTXnp8Jgv3iKsb".parse().expect("peer id");
        Banner {
            config,
            peer_id: &peer_id,
            announced_addresses: &["/dns4/node.example.org/tcp/443/p2p/X".to_owned()],
            listen_addresses: &["/ip4/127.0.0.1/tcp/60000/p2p/X".to_owned()],
            rest: rest.map(|address| address.parse().expect("address")),
            metrics: None,
            membership: Some(MembershipLine { index: 3, limit: 100, left: 99 }),
        }
        .to_string()
    }

    #[test]
    fn a_local_node_shows_three_curl_commands_and_a_neighbour() {
        let text = text_of(&config(&["--data-dir=my data"]), Some("0.0.0.0:8645"));
        assert_eq!(text.matches("curl -s").count(), 3, "{text}");
        assert!(text.contains("curl -s http://127.0.0.1:8645/health"), "{text}");
        assert!(text.contains("/relay/v1/messages/%2Fwaku%2F2%2Frs%2F66%2F"), "{text}");
        assert!(text.contains("  relay       /dns4/node.example.org/tcp/443/p2p/X\n"), "{text}");
        assert!(text.contains("--staticnode=/ip4/127.0.0.1/tcp/60000/p2p/X"), "{text}");
        assert!(text.contains("index 3, 99 of 100 messages left in this epoch of 600 s"), "{text}");
        assert!(
            text.contains("--data-dir='my data-2' --rln-relay-registry-path='my data/registry'"),
            "{text}"
        );
    }

    #[test]
    fn the_example_message_belongs_to_a_subscribed_shard() {
        for shard in 0..8 {
            let config = config(&[&format!("--shard={shard}")]);
            let text = text_of(&config, Some("127.0.0.1:1"));
            assert!(
                text.contains(&format!("/relay/v1/messages/%2Fwaku%2F2%2Frs%2F66%2F{shard}\n")),
                "{text}"
            );
        }
    }

    #[test]
    fn a_node_with_an_archive_says_where_it_is_and_how_long_it_keeps_messages() {
        let text = text_of(&config(&["--store", "--data-dir=here"]), None);
        assert!(text.contains("  archive     here/archive, kept by time:172800\n"), "{text}");
        let url = "--store-message-db-url=postgres://me:secret@host/waku";
        let text = text_of(&config(&["--store", url, "--store-message-retention-policy=none"]), None);
        assert!(text.contains("  archive     postgres://me@host/waku, kept by none\n"), "{text}");
        assert!(!text_of(&config(&[]), None).contains("archive"));
    }

    #[test]
    fn nothing_is_suggested_that_is_not_served() {
        let text = text_of(&config(&["--rest=false", "--rln-relay=false"]), None);
        assert!(!text.contains("curl"), "{text}");
        assert!(text.contains("rate limit  off"), "{text}");
        assert!(!text.contains("second node"), "{text}");
    }
}
