//! The command line. Its doc comments are the help text.

#![allow(rustdoc::invalid_html_tags, reason = "the help text writes placeholders in angle brackets")]

use std::path::PathBuf;

use clap::{Args, Parser, Subcommand, ValueEnum};
use weir_core::{ContentTopic, PubsubTopic};

use crate::{
    config::{RawConfig, Secret},
    moment::Moment,
};

/// A Waku node whose relay is rate limited by RLN proofs.
///
/// Without a command, weir runs the node. Every option of `run` can also be set as WEIR_<OPTION> in
/// the environment, or in the file that --config-file names; flags win over the environment, the
/// environment over the file, the file over the preset.
#[derive(Debug, Parser)]
#[command(name = "weir", version, args_conflicts_with_subcommands = true, max_term_width = 110)]
pub struct Cli {
    #[command(subcommand)]
    command: Option<Command>,
    #[command(flatten)]
    settings: RawConfig,
}

/// What weir is asked to do.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Run the node (what weir does without a command)
    Run(Box<RawConfig>),
    /// Manage RLN identities and memberships
    Rln {
        /// What to do.
        #[command(subcommand)]
        command: RlnCommand,
    },
    /// Look at circuits and their keys, and make keys for development
    Circuits {
        /// What to do.
        #[command(subcommand)]
        command: CircuitsCommand,
    },
    /// Look at the archive of messages, take it along, or take over nwaku's
    ///
    /// The archive is the folder `archive` in --data-dir unless --store-message-db-url names a PostgreSQL database.
    /// One in a folder belongs to one process at a time: stop its node first.
    Store {
        /// What to do.
        #[command(subcommand)]
        command: StoreCommand,
    },
    /// Measure this machine
    Bench {
        /// What to measure.
        #[command(subcommand)]
        command: BenchCommand,
    },
}

/// A command of `weir rln`.
#[derive(Debug, Subcommand)]
pub enum RlnCommand {
    /// Make a new identity and store it in a new keystore
    ///
    /// An existing keystore is never overwritten, as its identity could not be had back: move it
    /// away first.
    Keygen(KeystoreArgs),
    /// Register the keystore's identity in the registry and note the membership in the keystore
    Register(RegisterArgs),
    /// List the memberships of the registry
    List(ListArgs),
    /// Show who broke the rate limit, or recover a secret from two proofs
    ///
    /// Without PROOFs: the evidence a node gathered in its data folder. With two: the identity
    /// secret they reveal. A PROOF is the base64 text in the `proof` field of a REST message, or
    /// JSON {"x": …, "y": …} with the share's two field elements as 64 hex digits, little-endian.
    Recover(RecoverArgs),
}

/// A command of `weir circuits`.
#[derive(Debug, Subcommand)]
pub enum CircuitsCommand {
    /// Show what a circuit's file is: an .r1cs, a proving key (.arkzkey or .zkey) or a verifying key
    Inspect(InspectArgs),
    /// Make a proving and a verifying key for development. Never for production
    ///
    /// Whoever makes a key like this can prove false statements with it. Keys for production come out
    /// of a ceremony with many participants.
    Setup(SetupArgs),
    /// Check that a key is the published one of a circuit that weir knows, point by point
    VerifyKey(VerifyKeyArgs),
}

/// A command of `weir store`.
#[derive(Debug, Subcommand)]
pub enum StoreCommand {
    /// Count messages
    Count(CountArgs),
    /// Show how much there is, of which shards and from when
    Stats(StatsArgs),
    /// Write messages to a file or a pipe
    ///
    /// The form is a row of length-delimited protobuf messages: a varint with the length, then a WakuMessageKeyValue
    /// of the published schema of store v3, with the hash, the message and the pubsub topic. The oldest is first. A
    /// file gets its name when it is complete.
    Export(ExportArgs),
    /// Store the messages of an export
    ///
    /// None is stored twice, so an import that was broken off is run again. A record whose message has another hash
    /// than the record says, or is ephemeral, is counted and left out, and the command fails at its end with exit
    /// code 1. What is no record ends the command at its place; what was read before it is stored.
    Import(ImportArgs),
    /// Read the whole archive and check hashes and indexes; exit code 1 when something is wrong
    Verify(StatsArgs),
    /// Store the messages of an archive of nwaku
    ///
    /// Nothing is written there, and nwaku may be running: what it stores meanwhile is found by running the command
    /// again, with --start to be quick. None is stored twice. The hash of every message is computed; rows with
    /// another one are counted and left out, and make the command fail at its end with exit code 1. Rows of pubsub
    /// topics other than /waku/2/rs/<cluster>/<shard> are counted and left out as well, without failure. nwaku's
    /// archives keep no RLN proofs, so the messages from there have none. Read are version 10 of its schema in SQLite
    /// and versions 6 to 8 in PostgreSQL.
    Migrate(MigrateArgs),
}

/// Which archive.
#[derive(Debug, Args)]
pub struct ArchiveArgs {
    /// Folder of the node's files
    #[arg(
        long,
        visible_alias = "local-storage-path",
        env = "WEIR_DATA_DIR",
        default_value = "data",
        value_name = "DIR"
    )]
    pub data_dir: PathBuf,
    /// PostgreSQL database with the archive; better given in WEIR_STORE_MESSAGE_DB_URL, which ps does not show
    /// [default: none, the archive is in the data folder]
    #[arg(long, env = "WEIR_STORE_MESSAGE_DB_URL", hide_env_values = true, value_name = "URL")]
    pub store_message_db_url: Option<Secret>,
}

/// Which of its messages.
#[derive(Debug, Args)]
pub struct SelectionArgs {
    /// Not before this time: 2026-11-25T09:30:00Z, or nanoseconds since 1970
    #[arg(long, allow_negative_numbers = true, value_name = "TIME")]
    pub start: Option<Moment>,
    /// Not after this time
    #[arg(long, allow_negative_numbers = true, value_name = "TIME")]
    pub end: Option<Moment>,
    /// On this pubsub topic
    #[arg(long, value_name = "TOPIC")]
    pub pubsub_topic: Option<PubsubTopic>,
    /// With this content topic (repeatable)
    #[arg(long, value_parser = ContentTopic::new, value_name = "TOPIC")]
    pub content_topic: Vec<ContentTopic>,
}

/// Arguments of `weir store count`.
#[derive(Debug, Args)]
pub struct CountArgs {
    /// Where.
    #[command(flatten)]
    pub archive: ArchiveArgs,
    /// What.
    #[command(flatten)]
    pub selection: SelectionArgs,
    /// Form of the answer
    #[arg(long, value_enum, default_value_t, value_name = "FORMAT")]
    pub format: Format,
}

/// Arguments of `weir store stats` and `weir store verify`.
#[derive(Debug, Args)]
pub struct StatsArgs {
    /// Where.
    #[command(flatten)]
    pub archive: ArchiveArgs,
    /// Form of the answer
    #[arg(long, value_enum, default_value_t, value_name = "FORMAT")]
    pub format: Format,
}

/// Arguments of `weir store export`.
#[derive(Debug, Args)]
pub struct ExportArgs {
    /// Where.
    #[command(flatten)]
    pub archive: ArchiveArgs,
    /// What.
    #[command(flatten)]
    pub selection: SelectionArgs,
    /// Where to; - is standard output
    #[arg(long, short, default_value = "-", value_name = "FILE")]
    pub output: PathBuf,
}

/// Arguments of `weir store import`.
#[derive(Debug, Args)]
pub struct ImportArgs {
    /// Where to.
    #[command(flatten)]
    pub archive: ArchiveArgs,
    /// The export; - is standard input
    #[arg(long, short, default_value = "-", value_name = "FILE")]
    pub input: PathBuf,
    /// Form of the answer
    #[arg(long, value_enum, default_value_t, value_name = "FORMAT")]
    pub format: Format,
}

/// Arguments of `weir store migrate`.
#[derive(Debug, Args)]
pub struct MigrateArgs {
    /// Where to.
    #[command(flatten)]
    pub archive: ArchiveArgs,
    /// nwaku's archive: sqlite://<path to store.sqlite3> or postgres://user:password@host:port/database. Better given
    /// in WEIR_STORE_MIGRATE_FROM, which ps does not show
    #[arg(long, env = "WEIR_STORE_MIGRATE_FROM", hide_env_values = true, value_name = "URL")]
    pub from: Secret,
    /// Leave out what is older: 2026-11-25T09:30:00Z, or nanoseconds since 1970
    #[arg(long, allow_negative_numbers = true, value_name = "TIME")]
    pub start: Option<Moment>,
    /// Form of the answer
    #[arg(long, value_enum, default_value_t, value_name = "FORMAT")]
    pub format: Format,
}

/// Arguments of `weir circuits inspect`.
#[derive(Debug, Args)]
pub struct InspectArgs {
    /// The file
    #[arg(value_name = "FILE")]
    pub file: PathBuf,
    /// Form of the answer
    #[arg(long, value_enum, default_value_t, value_name = "FORMAT")]
    pub format: Format,
}

/// Arguments of `weir circuits setup`.
#[derive(Debug, Args)]
pub struct SetupArgs {
    /// The compiled circuit
    #[arg(long, value_name = "FILE")]
    pub r1cs: PathBuf,
    /// Folder for <circuit>.arkzkey and <circuit>.vk, which must not exist yet
    #[arg(long, value_name = "DIR")]
    pub out: PathBuf,
    /// Form of the answer
    #[arg(long, value_enum, default_value_t, value_name = "FORMAT")]
    pub format: Format,
}

/// Arguments of `weir circuits verify-key`.
#[derive(Debug, Args)]
pub struct VerifyKeyArgs {
    /// The key
    #[arg(value_name = "FILE")]
    pub file: PathBuf,
    /// Also compare a proving key's constraints with those of this compiled circuit
    #[arg(long, value_name = "FILE")]
    pub r1cs: Option<PathBuf>,
    /// Form of the answer
    #[arg(long, value_enum, default_value_t, value_name = "FORMAT")]
    pub format: Format,
}

/// A command of `weir bench`.
#[derive(Debug, Subcommand)]
pub enum BenchCommand {
    /// Compare weir's RLN engine with zerokit's, in one process and by processor time
    ///
    /// Every operation is done by both in turns, so that what else the machine does slows both.
    Rln(BenchRlnArgs),
    /// Measure how fast the archive takes messages and answers queries
    ///
    /// Fills an archive with a day of messages (payloads of 200 B to 2 KB on 100 content topics), then
    /// asks through the node's store service, first with nothing else to do and then while messages come
    /// in. What was made for it is removed afterwards.
    Store(BenchStoreArgs),
}

/// Which keystore, and its password.
#[derive(Debug, Args)]
pub struct KeystoreArgs {
    /// Folder for the node's files
    #[arg(
        long,
        visible_alias = "local-storage-path",
        env = "WEIR_DATA_DIR",
        default_value = "data",
        value_name = "DIR"
    )]
    pub data_dir: PathBuf,
    /// The keystore [default: <data>/keystore.json]
    #[arg(long, env = "WEIR_RLN_RELAY_CRED_PATH", value_name = "FILE")]
    rln_relay_cred_path: Option<PathBuf>,
    /// Its password; better given in WEIR_RLN_RELAY_CRED_PASSWORD, which ps does not show
    #[arg(long, env = "WEIR_RLN_RELAY_CRED_PASSWORD", hide_env_values = true, value_name = "PASSWORD")]
    pub rln_relay_cred_password: Secret,
}

/// Arguments of `weir rln register`.
#[derive(Debug, Args)]
pub struct RegisterArgs {
    /// Whose identity.
    #[command(flatten)]
    pub keystore: KeystoreArgs,
    /// The registry file [default: <data>/registry]
    #[arg(long, env = "WEIR_RLN_RELAY_REGISTRY_PATH", value_name = "FILE")]
    rln_relay_registry_path: Option<PathBuf>,
    /// Messages an epoch to register for
    #[arg(long, env = "WEIR_RLN_RELAY_USER_MESSAGE_LIMIT", default_value_t = 100, value_name = "NUMBER")]
    pub rln_relay_user_message_limit: u32,
}

/// Arguments of `weir rln list`.
#[derive(Debug, Args)]
pub struct ListArgs {
    /// Folder of the node's files
    #[arg(
        long,
        visible_alias = "local-storage-path",
        env = "WEIR_DATA_DIR",
        default_value = "data",
        value_name = "DIR"
    )]
    data_dir: PathBuf,
    /// The registry file [default: <data>/registry]
    #[arg(long, env = "WEIR_RLN_RELAY_REGISTRY_PATH", value_name = "FILE")]
    rln_relay_registry_path: Option<PathBuf>,
    /// Form of the answer
    #[arg(long, value_enum, default_value_t, value_name = "FORMAT")]
    pub format: Format,
}

/// Arguments of `weir rln recover`.
#[derive(Debug, Args)]
pub struct RecoverArgs {
    /// Two proofs with one nullifier
    #[arg(num_args = 2, value_name = "PROOF", conflicts_with = "show_secrets")]
    pub proofs: Vec<String>,
    /// Folder of the files of a node that is not running
    #[arg(
        long,
        visible_alias = "local-storage-path",
        env = "WEIR_DATA_DIR",
        default_value = "data",
        value_name = "DIR"
    )]
    pub data_dir: PathBuf,
    /// Show the recovered secrets of the evidence too
    #[arg(long)]
    pub show_secrets: bool,
    /// Form of the answer
    #[arg(long, value_enum, default_value_t, value_name = "FORMAT")]
    pub format: Format,
}

/// Arguments of `weir bench rln`.
#[derive(Debug, Args)]
pub struct BenchRlnArgs {
    /// Times each operation is measured
    #[arg(long, default_value_t = 20, value_parser = clap::value_parser!(u32).range(1..=100_000), value_name = "NUMBER")]
    pub iterations: u32,
    /// Threads that an engine may use; one of weir's proofs takes two at most
    #[arg(long, default_value_t = 1, value_parser = clap::value_parser!(u16).range(1..=1024), value_name = "NUMBER")]
    pub threads: u16,
    /// Sizes of the batches that are verified
    #[arg(long, default_values_t = [8, 32, 128], value_delimiter = ',', value_parser = clap::value_parser!(u32).range(1..=4096), value_name = "SIZES")]
    pub batches: Vec<u32>,
    /// Form of the answer
    #[arg(long, value_enum, default_value_t, value_name = "FORMAT")]
    pub format: BenchFormat,
    /// Draw the ratios into an SVG file as well
    #[arg(long, value_name = "FILE")]
    pub plot: Option<PathBuf>,
    /// Measure one engine's start and memory in this process; the command starts itself with it
    #[arg(long, hide = true, value_name = "ENGINE")]
    pub footprint_of: Option<String>,
    /// Where that engine keeps its tables
    #[arg(long, hide = true, requires = "footprint_of", value_name = "FILE")]
    pub table_cache: Option<PathBuf>,
}

/// Arguments of `weir bench store`.
#[derive(Debug, Args)]
pub struct BenchStoreArgs {
    /// What keeps the messages
    #[arg(long, value_enum, default_value_t, value_name = "BACKEND")]
    pub backend: BenchBackend,
    /// Messages to fill the archive with
    #[arg(long, default_value_t = 1_000_000, value_parser = clap::value_parser!(u64).range(100..=1_000_000_000), value_name = "NUMBER")]
    pub messages: u64,
    /// Times each kind of query is asked, in each of the two phases
    #[arg(long, default_value_t = 2_000, value_parser = clap::value_parser!(u64).range(1..=1_000_000), value_name = "NUMBER")]
    pub queries: u64,
    /// Messages a second that come in during the second phase
    #[arg(long, default_value_t = 1_000, value_parser = clap::value_parser!(u32).range(1..=5_000), value_name = "NUMBER")]
    pub ingest_rate: u32,
    /// Another seed makes other messages and other queries
    #[arg(long, default_value_t = 1, value_name = "NUMBER")]
    pub seed: u64,
    /// The database, for --backend=postgres: postgres://user:password@host:port/database. It must hold
    /// no messages
    #[arg(long, env = "WEIR_BENCH_DB_URL", hide_env_values = true, value_name = "URL")]
    pub db_url: Option<Secret>,
    /// Where to make the archive's folder, for --backend=redb [default: the folder for temporary files]
    #[arg(long, value_name = "DIR")]
    pub dir: Option<PathBuf>,
    /// Leave the archive behind instead of removing it
    #[arg(long)]
    pub keep: bool,
    /// Form of the answer
    #[arg(long, value_enum, default_value_t, value_name = "FORMAT")]
    pub format: BenchFormat,
}

/// What keeps an archive's messages.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, ValueEnum)]
pub enum BenchBackend {
    /// Files of weir's own.
    #[default]
    Redb,
    /// A PostgreSQL server.
    Postgres,
}

/// How a measurement is written.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, ValueEnum)]
pub enum BenchFormat {
    /// For people at a terminal.
    #[default]
    Table,
    /// For documents.
    Markdown,
    /// For programs: one JSON document whose keys do not change.
    Json,
}

/// How an answer is written.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, ValueEnum)]
pub enum Format {
    /// For people.
    #[default]
    Text,
    /// For programs: one JSON document whose keys do not change.
    Json,
}

impl Cli {
    /// The command, which is `run` when none was named.
    pub fn into_command(self) -> Command {
        self.command.unwrap_or_else(|| Command::Run(Box::new(self.settings)))
    }
}

impl From<BenchFormat> for weir_bench_kit::Format {
    fn from(format: BenchFormat) -> Self {
        match format {
            BenchFormat::Table => Self::Table,
            BenchFormat::Markdown => Self::Markdown,
            BenchFormat::Json => Self::Json,
        }
    }
}

impl KeystoreArgs {
    /// Where the keystore is.
    pub fn path(&self) -> PathBuf {
        self.rln_relay_cred_path.clone().unwrap_or_else(|| self.data_dir.join("keystore.json"))
    }
}

impl RegisterArgs {
    /// Where the registry is.
    pub fn registry(&self) -> PathBuf {
        self.rln_relay_registry_path.clone().unwrap_or_else(|| self.keystore.data_dir.join("registry"))
    }
}

impl ListArgs {
    /// Where the registry is.
    pub fn registry(&self) -> PathBuf {
        self.rln_relay_registry_path.clone().unwrap_or_else(|| self.data_dir.join("registry"))
    }
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory;

    use super::*;

    #[test]
    fn the_command_line_is_consistent() {
        Cli::command().debug_assert();
    }

    #[test]
    fn no_command_is_run_with_the_same_options() {
        for line in [vec!["weir", "--tcp-port=7"], vec!["weir", "run", "--tcp-port=7"]] {
            let Command::Run(settings) = Cli::try_parse_from(line).expect("valid").into_command() else {
                panic!("expected run");
            };
            assert_eq!(settings.network.tcp_port, Some(7));
        }
    }

    #[test]
    fn bare_boolean_flags_are_true_and_options_take_values_either_way() {
        for (line, value) in [
            (vec!["weir", "--rest"], true),
            (vec!["weir", "--rest=true"], true),
            (vec!["weir", "--rest", "false"], false),
            (vec!["weir", "run", "--rest=off"], false),
            (vec!["weir", "--rest", "--tcp-port", "1"], true),
        ] {
            let Command::Run(settings) = Cli::try_parse_from(&line).expect("valid").into_command() else {
                panic!("expected run");
            };
            assert_eq!(settings.rest.rest, Some(value), "{line:?}");
        }
    }

    #[test]
    fn every_option_of_run_is_under_a_heading() {
        let is_shown =
            |arg: &&clap::Arg| !arg.is_hide_set() && !matches!(arg.get_id().as_str(), "help" | "version");
        for arg in Cli::command().get_arguments().filter(is_shown) {
            assert!(arg.get_help_heading().is_some(), "{}", arg.get_id());
            assert!(arg.get_help().is_some(), "{}", arg.get_id());
        }
    }
}
