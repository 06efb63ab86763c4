//! nwaku's options for what weir does not serve yet.
//!
//! They are known, so that a configuration written for nwaku is understood, and a value that would
//! turn the feature on is refused, so that nothing is silently ignored. When weir learns a feature,
//! its rows leave this table and become settings in [`super::raw`].

use clap::{Arg, ArgAction, ArgMatches, Args, Command, FromArgMatches};

/// An option that is known and not served.
#[derive(Debug, Clone, Copy)]
pub(super) struct Unserved {
    /// Its name without dashes.
    pub(super) option: &'static str,
    /// What it would turn on or tune, as in "weir does not serve {feature} yet".
    pub(super) feature: &'static str,
    /// The values (lower case) that ask for nothing weir lacks; the first is the one to recommend.
    pub(super) accepted: &'static [&'static str],
}

/// The unserved options one layer holds, each with its values in the order given.
#[derive(Debug, Clone, Default)]
pub struct UnservedOptions(Vec<(&'static str, Vec<String>)>);

impl UnservedOptions {
    /// The values given for `option`, if it was given.
    pub(super) fn values_of(&self, option: &str) -> Option<Vec<String>> {
        self.0.iter().find(|(name, _)| *name == option).map(|(_, values)| values.clone())
    }
}

impl Unserved {
    /// Whether every value asks for nothing.
    pub(super) fn accepts(&self, values: &[String]) -> bool {
        values.iter().all(|value| self.accepted.contains(&value.to_ascii_lowercase().as_str()))
    }
}

const OFF: &[&str] = &["false", "no", "off", "0"];
/// For what weir always does.
const ON: &[&str] = &["true", "yes", "on", "1"];
const NOTHING: &[&str] = &[];

const fn row(option: &'static str, feature: &'static str, accepted: &'static [&'static str]) -> Unserved {
    Unserved { option, feature, accepted }
}

/// Every option that is known and not served (waku-wire 13).
pub(super) const UNSERVED: &[Unserved] = &[
    row("entry-layer", "the messaging and channels layers", &["kernel"]),
    row("keep-alive", "running without keep-alive", ON),
    row("dns-addrs-name-server", "a choice of name servers", NOTHING),
    row("relay-service-ratio", "a split of connections by service", NOTHING),
    row("peer-store-capacity", "a choice of the peer store's size", NOTHING),
    row("peer-persistence", "forgetting peers at a restart", ON),
    row("relay-peer-exchange", "peer exchange in gossipsub", OFF),
    row("relay-shard-manager", "the shard manager", OFF),
    row("protected-shard", "protected shards", NOTHING),
    row("rln-relay-dynamic", "memberships on a contract", OFF),
    row("rln-relay-membership-index", "a choice among several credentials", NOTHING),
    row("rln-relay-eth-client-address", "memberships on a contract", NOTHING),
    row("rln-relay-eth-contract-address", "memberships on a contract", NOTHING),
    row("rln-relay-eth-private-key", "memberships on a contract", NOTHING),
    row("rln-relay-chain-id", "memberships on a contract", &["0"]),
    row("store-message-db-vacuum", "compacting the archive at a start", OFF),
    row("store-sync", "store sync", OFF),
    row("store-sync-interval", "store sync", NOTHING),
    row("store-sync-range", "store sync", NOTHING),
    row("store-sync-relay-jitter", "store sync", NOTHING),
    row("discv5-discovery", "discv5", OFF),
    row("discv5-udp-port", "discv5", NOTHING),
    row("discv5-bootstrap-node", "discv5", NOTHING),
    row("discv5-enr-auto-update", "discv5", OFF),
    row("discv5-table-ip-limit", "discv5", NOTHING),
    row("discv5-bucket-ip-limit", "discv5", NOTHING),
    row("discv5-bits-per-hop", "discv5", NOTHING),
    row("dns-discovery", "DNS discovery", OFF),
    row("dns-discovery-url", "DNS discovery", NOTHING),
    row("rendezvous", "rendezvous", OFF),
    row("enable-kad-discovery", "Kademlia discovery", OFF),
    row("kad-bootstrap-node", "Kademlia discovery", NOTHING),
    row("kad-random-lookup-interval", "Kademlia discovery", NOTHING),
    row("kad-service-lookup-interval", "Kademlia discovery", NOTHING),
    row("mix", "mix", OFF),
    row("mixkey", "mix", NOTHING),
    row("mixnode", "mix", NOTHING),
    row("metrics-logging", "metrics in the log", OFF),
];

impl FromArgMatches for UnservedOptions {
    fn from_arg_matches(matches: &ArgMatches) -> Result<Self, clap::Error> {
        let mut options = Self::default();
        options.update_from_arg_matches(matches)?;
        Ok(options)
    }

    fn update_from_arg_matches(&mut self, matches: &ArgMatches) -> Result<(), clap::Error> {
        let given = UNSERVED.iter().filter_map(|row| {
            let values = matches.get_many::<String>(row.option)?;
            Some((row.option, values.cloned().collect()))
        });
        self.0.extend(given);
        Ok(())
    }
}

impl Args for UnservedOptions {
    /// The options stay out of the list, which they would double; [`summary`] names them.
    fn augment_args(command: Command) -> Command {
        let options = UNSERVED.iter().map(|row| {
            Arg::new(row.option)
                .long(row.option)
                .num_args(0..=1)
                .default_missing_value("true")
                .action(ArgAction::Append)
                .hide(true)
        });
        command.args(options).after_long_help(summary())
    }

    fn augment_args_for_update(command: Command) -> Command {
        Self::augment_args(command)
    }
}

/// What weir lacks and by which options it is known, as the end of the help.
fn summary() -> String {
    let mut text =
        "Known from nwaku and not served yet. Only values that ask for what weir does are taken, such \
                    as --mix=false:"
            .to_owned();
    for rows in UNSERVED.chunk_by(|a, b| a.feature == b.feature) {
        let options: Vec<String> = rows.iter().map(|row| format!("--{}", row.option)).collect();
        text.push_str(&format!("\n  {}: {}", rows[0].feature, options.join(", ")));
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_values_that_ask_for_nothing_are_accepted() {
        let find = |name| UNSERVED.iter().find(|row| row.option == name).expect("in the table");
        let values = |text: &str| vec![text.to_owned()];
        assert!(find("mix").accepts(&values("FALSE")));
        assert!(!find("mix").accepts(&values("true")));
        assert!(!find("mix").accepts(&values("")));
        assert!(!find("mixnode").accepts(&values("x")));
        assert!(find("entry-layer").accepts(&values("Kernel")));
    }
}
