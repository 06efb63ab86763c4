//! Tests of whole nodes in one process, on loopback and in real time.

use std::path::Path;

use futures::StreamExt;
use tempfile::TempDir;
use weir_core::WakuMessage;
use weir_membership::RegistryFile;
use weir_protocols::relay::PublishError;
use weir_rln::{UserMessageLimit, ValidatorConfig, test_utils};
use weir_storage::NullifierRecord;
use zeroize::Zeroizing;

use super::*;
use crate::{
    journal::RecordNullifier,
    probe::{CLUSTER, Crash, topic, until, within},
    system,
};

const PATIENCE: Duration = Duration::from_secs(4);

/// An epoch that ends at 2027-01-15 08:00 UTC and every 1157 days after, so that no test sees its quota
/// come back.
const ENDLESS_EPOCH_SECS: u64 = 100_000_000;

fn unlimited(folder: &Path, key: u8, static_nodes: Vec<PeerAddress>) -> Settings {
    Settings {
        network: weir_net::Config {
            listen: vec!["/ip4/127.0.0.1/tcp/0".to_owned()],
            ..weir_net::Config::new(Zeroizing::new([key; 32]), CLUSTER)
        },
        relay: relay::Config::new(CLUSTER),
        topics: vec![topic(3)],
        content_topics: vec![],
        cache_capacity: 50,
        static_nodes,
        store: StateStore::open(folder.join(format!("state-{key}"))).expect("opens"),
        rln: None,
        archive: None,
        store_service: StoreServiceSettings::default(),
        lightpush: LightPushSettings::default(),
        peer_exchange: PeerExchangeSettings::default(),
        filter: FilterSettings::default(),
        edge: None,
        clock: Clock::system(),
    }
}

/// With a membership of two messages an epoch in the registry that the nodes share.
fn rate_limited(folder: &Path, key: u8, static_nodes: Vec<PeerAddress>) -> Settings {
    let limit = UserMessageLimit::new(2).expect("in range");
    let identity = test_utils::Member::new(key.into(), limit.get()).identity;
    let registry = folder.join("registry");
    let mut ledger = RegistryFile::open(&registry).expect("opens");
    ledger.register(identity.commitment(), limit).expect("registers");
    let quota = QuotaStore::open(folder.join(format!("quota-{key}"))).expect("opens");
    let mut settings = unlimited(folder, key, static_nodes);
    settings.relay.rln = Some(ValidatorConfig::new(EpochLength::new(ENDLESS_EPOCH_SECS).expect("not zero")));
    settings.relay.has_membership = true;
    settings.rln = Some(RlnSettings {
        open_ledger: Arc::new(move || Ok(Box::new(RegistryFile::open(&registry)?) as Box<dyn Ledger>)),
        tree_file: Some(folder.join(format!("tree-{key}"))),
        verifier_threads: 1,
        longest_batch: weir_protocols::relay::MAX_BATCH,
        engine: EngineSettings::default(),
        member: Some(MemberSettings { identity, quota }),
    });
    settings
}

async fn start(arbiters: &Arbiters, settings: Settings) -> Node {
    Node::start(arbiters, settings, &mut Registry::default()).await.expect("starts")
}

fn lines(registry: &Registry) -> Vec<String> {
    let mut text = String::new();
    prometheus_client::encoding::text::encode(&mut text, registry).expect("text");
    text.lines().map(str::to_owned).collect()
}

/// Two nodes that know of each other's subscription; the second dials the first.
async fn pair(
    arbiters: &Arbiters,
    folder: &Path,
    settings: fn(&Path, u8, Vec<PeerAddress>) -> Settings,
) -> [Node; 2] {
    let first = start(arbiters, settings(folder, 1, vec![])).await;
    let second = start(arbiters, settings(folder, 2, vec![address_of(&first).await])).await;
    until_subscribed(&first).await;
    until_subscribed(&second).await;
    [first, second]
}

async fn address_of(node: &Node) -> PeerAddress {
    let meshes = node.handles().peers.meshes().await.expect("answers");
    weir_net::address::parse(&meshes.listen_addresses[0]).expect("an address")
}

async fn until_subscribed(node: &Node) {
    until(async || {
        let meshes = node.handles().peers.meshes().await.ok()?;
        meshes.topics.iter().any(|topic| !topic.subscribed.is_empty()).then_some(())
    })
    .await;
}

fn message(payload: &str) -> WakuMessage {
    test_utils::message(payload, Clock::system().now())
}

async fn relays(from: &Node, to: &Node, payload: &str) {
    let sent = message(payload);
    let published = from.handles().relay.publish(topic(3), sent.clone()).await.expect("published");
    assert_eq!(published.peers, 1);
    // A node keeps its own messages for its clients too, so other ones may come first.
    until(async || {
        let messages = to.handles().relay.messages(topic(3)).await.ok()??;
        messages.iter().any(|message| message.payload == sent.payload).then_some(())
    })
    .await;
}

fn run<T>(test: impl AsyncFnOnce(Arbiters, &Path) -> T) -> T {
    let folder = TempDir::new().expect("a folder");
    system::run(2, async |arbiters| test(arbiters, folder.path()).await).expect("runs")
}

#[test]
fn a_published_message_reaches_the_other_node_with_its_proof_and_the_quota_holds() {
    run(async |arbiters, folder| {
        let [first, second] = pair(&arbiters, folder, rate_limited).await;
        let sender = first.handles();
        until(async || sender.status.quota()).await;
        for payload in ["one", "two"] {
            relays(&first, &second, payload).await;
        }
        let third = sender.relay.publish(topic(3), message("three")).await;
        assert!(matches!(third, Err(PublishError::QuotaExhausted { limit: 2, .. })), "{third:?}");
        assert_eq!(sender.status.quota().map(|quota| quota.used), Some(2));
        let group = second.handles().status.membership().await.expect("rate limited").expect("answers");
        assert_eq!((group.members, group.ledger_error), (2, None));
        for node in [first, second] {
            assert_eq!(node.drain(PATIENCE).await, Ok(()));
        }
        // Both wrote what they accepted, and their files are closed.
        for key in [1, 2] {
            let store = StateStore::open(folder.join(format!("state-{key}"))).expect("opens again");
            assert_eq!(store.nullifiers_from(0).expect("readable").len(), 2, "node {key}");
        }
    });
}

#[test]
fn a_node_whose_actors_panic_goes_on_relaying() {
    run(async |arbiters, folder| {
        let [mut first, second] = pair(&arbiters, folder, unlimited).await;
        relays(&second, &first, "before").await;
        first.relay.tell(Crash).expect("taken");
        until(async || first.handles().relay.messages(topic(3)).await.ok()).await;
        relays(&second, &first, "after the relay's fault").await;
        relays(&first, &second, "and back").await;

        first.network.tell(Crash).expect("taken");
        // The second dials again, since the first is its static node.
        until(async || {
            let peers = second.handles().peers.meshes().await.ok()?;
            peers.topics[0].subscribed.is_empty().then_some(())
        })
        .await;
        until_subscribed(&second).await;
        until_subscribed(&first).await;
        relays(&second, &first, "after the network's fault").await;

        assert!(tokio::time::timeout(Duration::ZERO, first.given_up()).await.is_err(), "two faults are few");
        for node in [first, second] {
            assert_eq!(node.drain(PATIENCE).await, Ok(()));
        }
    });
}

#[test]
fn a_network_that_was_rebuilt_counts_where_the_one_before_did() {
    run(async |arbiters, folder| {
        let mut registry = Registry::default();
        let settings = unlimited(folder, 1, vec![]);
        let first = Node::start(&arbiters, settings, &mut registry).await.expect("starts");
        let second = start(&arbiters, unlimited(folder, 2, vec![address_of(&first).await])).await;
        let shows = async |line: &str| {
            until(async || lines(&registry).iter().any(|known| known == line).then_some(())).await;
        };
        let answered = "weir_net_metadata_total{direction=\"in\",outcome=\"answered\"}";
        shows(&format!("{answered} 1")).await;
        first.network.tell(Crash).expect("taken");
        shows("libp2p_peers 0").await;
        // The second dials again, since the first is its static node.
        shows("libp2p_peers 1").await;
        shows(&format!("{answered} 2")).await;
        for node in [first, second] {
            assert_eq!(node.drain(PATIENCE).await, Ok(()));
        }
    });
}

#[test]
fn a_peer_that_does_not_read_cannot_keep_the_journal_from_its_last_write() {
    run(async |arbiters, folder| {
        let node = start(&arbiters, unlimited(folder, 1, vec![])).await;
        let config = weir_net::Config::new(Zeroizing::new([2; 32]), CLUSTER);
        let mut peer = Network::new(config, &mut Registry::default()).expect("starts");
        peer.subscribe(topic(3)).expect("joins");
        peer.dial(&address_of(&node).await);
        let reading = async { while peer.next().await.is_some() {} };
        tokio::select! {
            () = until_subscribed(&node) => {}
            () = reading => {}
        }
        // From here on nobody polls the peer.
        for number in 0..200 {
            let mut large = message(&number.to_string());
            large.payload = vec![0; 100_000].into();
            node.handles().relay.publish(topic(3), large).await.expect("published");
        }
        let bytes = [7; 32];
        let record = NullifierRecord { epoch: 7, nullifier: bytes, share_x: bytes, share_y: bytes };
        node.journal.tell(RecordNullifier(record)).expect("taken");
        assert_eq!(within(node.drain(Duration::from_secs(1))).await, Err(DrainError::Network));
        let store = StateStore::open(folder.join("state-1")).expect("opens again");
        assert_eq!(store.nullifiers_from(0).expect("readable"), [record]);
    });
}

#[test]
fn a_node_is_given_up_when_an_actor_fails_again_and_again() {
    run(async |arbiters, folder| {
        let mut node = start(&arbiters, unlimited(folder, 1, vec![])).await;
        let relay = node.relay.clone();
        let crashing = tokio::spawn(async move {
            loop {
                drop(relay.tell(Crash));
                tokio::time::sleep(Duration::from_millis(1)).await;
            }
        });
        let given_up = within(node.given_up()).await;
        crashing.abort();
        assert_eq!(given_up.actor, "relay");
        let drained = node.drain(PATIENCE).await;
        assert_eq!(drained, Err(DrainError::Relay), "what is left is stopped in order all the same");
        let store = StateStore::open(folder.join("state-1"));
        assert!(store.is_ok(), "{store:?}");
    });
}

#[test]
fn a_node_that_cannot_start_leaves_its_files_closed() {
    run(async |arbiters, folder| {
        let taken = std::net::TcpListener::bind("127.0.0.1:0").expect("a free port");
        let port = taken.local_addr().expect("bound").port();
        let mut settings = unlimited(folder, 1, vec![]);
        settings.network.listen = vec![format!("/ip4/127.0.0.1/tcp/{port}")];
        let refused = Node::start(&arbiters, settings, &mut Registry::default()).await;
        assert!(matches!(refused, Err(StartError::Actor(error)) if error.to_string().contains("in use")));
        until(async || StateStore::open(folder.join("state-1")).ok()).await;
    });
}
