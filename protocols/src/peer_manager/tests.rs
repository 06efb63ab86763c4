//! Tests of the peer manager: one scene a rule, and a random walk through all inputs.

use proptest::prelude::*;

use super::*;
use crate::metadata::Mismatch;

const CLUSTER: ClusterId = ClusterId(66);
const START: Timestamp = Timestamp::from_secs(1_700_000_000);

struct Rig {
    manager: PeerManager,
    now: Timestamp,
}

impl Rig {
    fn new() -> Self {
        Self::with(Config {
            local_peer: peer(0),
            cluster: CLUSTER,
            target_outbound: 2,
            max_inbound: 2,
            capacity: 8,
        })
    }

    fn with(config: Config) -> Self {
        Self { manager: PeerManager::new(config), now: START }
    }

    fn give(&mut self, input: Input) -> Vec<Effect> {
        let mut effects = Vec::new();
        self.manager.handle(input, self.now, &mut effects);
        if let Some(deadline) = self.manager.next_deadline() {
            assert!(deadline > self.now, "a deadline that has come was not dealt with");
        }
        effects
    }

    fn pass(&mut self, secs: u64) -> Vec<Effect> {
        let deadline = self.manager.next_deadline();
        self.now = self.now.saturating_add(Duration::from_secs(secs));
        let effects = self.give(Input::Tick);
        assert!(effects.is_empty() || deadline.is_some_and(|due| due <= self.now), "nobody would have come");
        effects
    }

    fn add(&mut self, n: u8, origin: Origin) -> Vec<Effect> {
        self.give(Input::Add { address: address(n), origin })
    }

    fn connect(&mut self, n: u8, direction: Direction) -> Vec<Effect> {
        self.give(Input::Connected { address: address(n), direction })
    }

    fn metadata(&mut self, n: u8, cluster: Option<ClusterId>) -> Vec<Effect> {
        self.give(Input::MetadataReceived { peer: peer(n), cluster, shards: vec![ShardId(3), ShardId(1)] })
    }

    fn connectedness(&self, n: u8) -> Option<Connectedness> {
        self.manager.peer(&peer(n)).map(|info| info.connectedness)
    }
}

fn peer(n: u8) -> PeerId {
    PeerId::from_bytes(&[n + 1]).expect("one byte")
}

fn address(n: u8) -> PeerAddress {
    PeerAddress::new(peer(n), &format!("/ip4/10.0.0.{n}/tcp/60000/p2p/{}", peer(n)))
}

fn identify(n: u8, addresses: Vec<PeerAddress>) -> Input {
    let protocols = vec!["/vac/waku/relay/2.0.0".to_owned()];
    Input::Identified { peer: peer(n), agent: "weir".to_owned(), protocols, addresses }
}

fn disconnect(n: u8, reason: DisconnectReason) -> Effect {
    Effect::Disconnect { peer: peer(n), reason }
}

#[test]
fn a_static_peer_is_dialled_at_once_and_again_for_ever() {
    let mut rig = Rig::new();
    assert_eq!(rig.add(1, Origin::Static), [Effect::Dial(address(1))]);
    for delay in [1, 2, 4, 8, 16, 32, 60, 60] {
        assert!(rig.give(Input::DialFailed(peer(1))).is_empty());
        assert_eq!(rig.connectedness(1), Some(Connectedness::CannotConnect));
        assert!(rig.pass(delay - 1).is_empty());
        assert_eq!(rig.pass(1), [Effect::Dial(address(1))]);
    }
}

#[test]
fn a_static_peer_that_drops_us_at_once_is_dialled_ever_more_rarely() {
    let mut rig = Rig::new();
    rig.add(1, Origin::Static);
    for delay in [1, 2, 4] {
        rig.connect(1, Direction::Outbound);
        rig.give(Input::Disconnected(peer(1)));
        assert!(rig.pass(delay - 1).is_empty());
        assert_eq!(rig.pass(1), [Effect::Dial(address(1))]);
    }
    rig.connect(1, Direction::Outbound);
    rig.metadata(1, Some(CLUSTER));
    rig.pass(60);
    rig.give(Input::Disconnected(peer(1)));
    assert_eq!(rig.connectedness(1), Some(Connectedness::CanConnect));
    assert_eq!(rig.pass(1), [Effect::Dial(address(1))], "a connection that held clears the failures");
}

#[test]
fn two_nodes_that_dial_each_other_do_not_dial_in_step() {
    let mut rig = Rig::with(Config { local_peer: peer(9), ..Rig::new().manager.config });
    rig.add(1, Origin::Static);
    for millis in [1500, 3000, 6000] {
        rig.give(Input::DialFailed(peer(1)));
        let due = rig.now.saturating_add(Duration::from_millis(millis));
        assert_eq!(rig.manager.next_deadline(), Some(due));
        rig.now = due;
        assert_eq!(rig.give(Input::Tick), [Effect::Dial(address(1))]);
    }
}

#[test]
fn an_ordinary_peer_is_given_up_after_five_failures() {
    let mut rig = Rig::new();
    assert_eq!(rig.add(1, Origin::Discv5), [Effect::Dial(address(1))]);
    for delay in [120, 480, 1920, 7680] {
        rig.give(Input::DialFailed(peer(1)));
        assert!(rig.pass(delay - 1).is_empty());
        assert_eq!(rig.pass(1), [Effect::Dial(address(1))]);
    }
    rig.give(Input::DialFailed(peer(1)));
    assert!(rig.pass(1_000_000).is_empty());
    assert_eq!(rig.manager.next_deadline(), None);
}

#[test]
fn a_dial_without_an_outcome_counts_as_failed() {
    let mut rig = Rig::new();
    rig.add(1, Origin::Static);
    assert!(rig.pass(14).is_empty());
    assert!(rig.pass(1).is_empty());
    assert_eq!(rig.connectedness(1), Some(Connectedness::CannotConnect));
    assert_eq!(rig.pass(1), [Effect::Dial(address(1))]);
}

#[test]
fn ordinary_peers_are_dialled_up_to_the_target_and_static_ones_beyond_it() {
    let mut rig = Rig::new();
    let dialled: Vec<_> = (1..=4).flat_map(|n| rig.add(n, Origin::Discv5)).collect();
    assert_eq!(dialled, [Effect::Dial(address(1)), Effect::Dial(address(2))]);
    assert_eq!(rig.add(5, Origin::Static), [Effect::Dial(address(5))]);
    rig.connect(5, Direction::Outbound);
    assert!(rig.give(Input::DialFailed(peer(1))).is_empty(), "two others are enough");
    assert_eq!(rig.give(Input::DialFailed(peer(2))), [Effect::Dial(address(3))]);
}

#[test]
fn at_most_ten_dials_are_under_way() {
    let mut rig = Rig::with(Config { capacity: 100, ..Rig::new().manager.config });
    let dialled = (1..=20).flat_map(|n| rig.add(n, Origin::Static)).count();
    assert_eq!(dialled, MAX_PARALLEL_DIALS);
    assert_eq!(rig.connect(1, Direction::Outbound).len(), 2, "the metadata request and the next dial");
}

#[test]
fn this_node_is_never_dialled() {
    let mut rig = Rig::new();
    assert!(rig.add(0, Origin::Static).is_empty());
    assert!(rig.manager.snapshot().is_empty());
}

#[test]
fn a_remembered_peer_is_left_alone_while_its_prune_back_off_lasts() {
    let mut rig = Rig::new();
    assert!(rig.add(1, Origin::Cache).is_empty());
    assert_eq!(rig.connectedness(1), Some(Connectedness::NotConnected));
    assert!(rig.pass(61).is_empty());
    assert_eq!(rig.pass(1), [Effect::Dial(address(1))]);
}

#[test]
fn the_operators_word_makes_a_known_peer_static_and_due() {
    let mut rig = Rig::new();
    rig.add(1, Origin::Cache);
    assert_eq!(rig.add(1, Origin::Static), [Effect::Dial(address(1))]);
    assert_eq!(rig.manager.peer(&peer(1)).map(|info| info.origin), Some(Origin::Static));
}

#[test]
fn a_peer_is_asked_for_metadata_and_kept_when_it_is_of_our_cluster() {
    let mut rig = Rig::new();
    rig.add(1, Origin::Static);
    assert_eq!(rig.connect(1, Direction::Outbound), [Effect::RequestMetadata(peer(1))]);
    assert!(rig.metadata(1, Some(CLUSTER)).is_empty(), "not identified yet");
    let protocols = vec!["/vac/waku/relay/2.0.0".to_owned()];
    let remember = Effect::Remember { address: address(1), protocols: protocols.clone() };
    assert_eq!(rig.give(identify(1, vec![])), [remember]);
    assert!(rig.give(identify(1, vec![])).is_empty(), "remembered already");
    let info = rig.manager.peer(&peer(1)).expect("known");
    assert_eq!(
        info,
        PeerInfo {
            address: address(1),
            protocols,
            shards: vec![ShardId(1), ShardId(3)],
            connectedness: Connectedness::Connected,
            agent: "weir".to_owned(),
            origin: Origin::Static,
            direction: Direction::Outbound,
            score: None,
        }
    );
    let by_shard = BTreeMap::from([(ShardId(1), 1), (ShardId(3), 1)]);
    assert_eq!(rig.manager.counts(), Counts { known: 1, inbound: 0, outbound: 1, by_shard });
}

#[test]
fn a_peer_of_another_cluster_is_disconnected_and_forgotten() {
    let theirs = ClusterId(1);
    for (told, mismatch) in
        [(None, Mismatch::NoCluster), (Some(theirs), Mismatch::OtherCluster { ours: CLUSTER, theirs })]
    {
        let mut rig = Rig::new();
        rig.connect(1, Direction::Inbound);
        let expected = [disconnect(1, mismatch.into()), Effect::Forget(peer(1))];
        assert_eq!(rig.metadata(1, told), expected);
        assert!(rig.give(Input::Disconnected(peer(1))).is_empty());
        assert!(rig.manager.snapshot().is_empty());
    }
}

#[test]
fn a_peer_without_metadata_is_disconnected_and_forgotten_unless_it_is_static() {
    let mut rig = Rig::new();
    rig.connect(1, Direction::Inbound);
    assert!(rig.pass(14).is_empty());
    let expected = [disconnect(1, DisconnectReason::NoMetadata), Effect::Forget(peer(1))];
    assert_eq!(rig.pass(1), expected);

    rig.add(2, Origin::Static);
    rig.connect(2, Direction::Outbound);
    let effects = rig.give(Input::MetadataFailed(peer(2)));
    assert_eq!(effects, [disconnect(2, DisconnectReason::NoMetadata)]);
    assert!(rig.give(Input::MetadataFailed(peer(2))).is_empty());
    rig.give(Input::Disconnected(peer(2)));
    assert_eq!(rig.pass(1), [Effect::Dial(address(2))]);
}

#[test]
fn incoming_peers_above_the_limit_are_turned_away_but_not_static_ones() {
    let mut rig = Rig::new();
    for n in [1, 2] {
        assert_eq!(rig.connect(n, Direction::Inbound), [Effect::RequestMetadata(peer(n))]);
    }
    assert_eq!(rig.connect(3, Direction::Inbound), [disconnect(3, DisconnectReason::TooManyInbound)]);
    rig.add(4, Origin::Static);
    assert_eq!(rig.connect(4, Direction::Inbound), [Effect::RequestMetadata(peer(4))]);
}

#[test]
fn an_incoming_peer_is_dialled_later_where_it_says_it_listens() {
    let mut rig = Rig::new();
    let ephemeral = PeerAddress::new(peer(1), "/ip4/10.0.0.1/tcp/51234/p2p/x");
    rig.give(Input::Connected { address: ephemeral.clone(), direction: Direction::Inbound });
    rig.metadata(1, Some(CLUSTER));
    assert_eq!(rig.manager.peer(&peer(1)).map(|info| info.address), Some(ephemeral));
    let effects = rig.give(identify(1, vec![address(2), address(1)]));
    assert!(matches!(effects.as_slice(), [Effect::Remember { address: kept, .. }] if *kept == address(1)));
    rig.give(Input::Disconnected(peer(1)));
    assert!(rig.pass(61).is_empty());
    assert_eq!(rig.pass(1), [Effect::Dial(address(1))]);
}

#[test]
fn a_peer_of_unknown_address_is_not_dialled_after_it_left() {
    let mut rig = Rig::new();
    rig.connect(1, Direction::Inbound);
    rig.give(Input::Disconnected(peer(1)));
    assert_eq!(rig.manager.next_deadline(), None);
    assert_eq!(rig.connectedness(1), Some(Connectedness::CanConnect));
}

#[test]
fn a_graylisted_peer_is_disconnected_once_and_rested_like_a_failed_one() {
    let mut rig = Rig::new();
    rig.add(1, Origin::Discv5);
    rig.connect(1, Direction::Outbound);
    rig.metadata(1, Some(CLUSTER));
    assert!(rig.give(Input::Scores(vec![(peer(1), -10_000.0), (peer(9), -1e9)])).is_empty());
    let scores = || Input::Scores(vec![(peer(1), -10_000.5)]);
    assert_eq!(rig.give(scores()), [disconnect(1, DisconnectReason::Graylisted)]);
    assert!(rig.give(scores()).is_empty());
    assert_eq!(rig.manager.peer(&peer(1)).and_then(|info| info.score), Some(-10_000.5));
    rig.give(Input::Disconnected(peer(1)));
    assert!(rig.pass(119).is_empty());
    assert_eq!(rig.pass(1), [Effect::Dial(address(1))]);
}

#[test]
fn a_full_store_loses_the_peer_that_failed_most_and_never_one_that_is_in_use() {
    let mut rig = Rig::with(Config { capacity: 3, target_outbound: 9, ..Rig::new().manager.config });
    rig.add(1, Origin::Static);
    rig.connect(2, Direction::Inbound);
    rig.add(3, Origin::Discv5);
    rig.give(Input::DialFailed(peer(3)));
    assert_eq!(rig.add(4, Origin::Discv5), [Effect::Forget(peer(3)), Effect::Dial(address(4))]);
    assert!(rig.add(5, Origin::Discv5).is_empty(), "all others are in use");
    assert_eq!(rig.connect(6, Direction::Inbound), [disconnect(6, DisconnectReason::StoreFull)]);
}

#[test]
fn words_are_spelled_as_nwaku_spells_them() {
    assert_eq!(Origin::Unknown.to_string(), "UnknownOrigin");
    assert_eq!(Origin::PeerExchange.to_string(), "PeerExchange");
    assert_eq!(Direction::Unknown.to_string(), "UnknownDirection");
    assert_eq!(Connectedness::CannotConnect.to_string(), "CannotConnect");
    assert_eq!(<&str>::from(&DisconnectReason::WrongCluster(Mismatch::NoCluster)), "wrong_cluster");
}

fn input() -> impl Strategy<Value = Input> {
    let who = 0..12_u8;
    let origin = prop::sample::select(vec![Origin::Static, Origin::Cache, Origin::Discv5]);
    let direction = prop::sample::select(vec![Direction::Inbound, Direction::Outbound]);
    let cluster = prop::sample::select(vec![Some(CLUSTER), Some(CLUSTER), Some(ClusterId(1)), None]);
    prop_oneof![
        (who.clone(), origin).prop_map(|(n, origin)| Input::Add { address: address(n), origin }),
        (who.clone(), direction)
            .prop_map(|(n, direction)| Input::Connected { address: address(n), direction }),
        who.clone().prop_map(|n| Input::Disconnected(peer(n))),
        who.clone().prop_map(|n| Input::DialFailed(peer(n))),
        who.clone().prop_map(|n| identify(n, vec![address(n)])),
        (who.clone(), cluster).prop_map(|(n, cluster)| Input::MetadataReceived {
            peer: peer(n),
            cluster,
            shards: vec![ShardId(u16::from(n))],
        }),
        who.clone().prop_map(|n| Input::MetadataFailed(peer(n))),
        (who, -20_000.0..100.0_f64).prop_map(|(n, score)| Input::Scores(vec![(peer(n), score)])),
        Just(Input::Tick),
    ]
}

proptest! {
    #[test]
    fn bounds_hold_and_nothing_is_asked_twice_whatever_happens(
        steps in prop::collection::vec((input(), 0..100_u64), 1..150),
    ) {
        let mut rig = Rig::new();
        for (input, wait) in steps {
            rig.now = rig.now.saturating_add(Duration::from_secs(wait));
            let before: BTreeMap<PeerId, PeerInfo> =
                rig.manager.snapshot().into_iter().map(|info| (info.address.peer().clone(), info)).collect();
            let own = matches!(&input, Input::Connected { address, .. } if *address.peer() == peer(0));
            if own {
                continue;
            }
            let arrives = match &input {
                Input::Connected { address, .. } => Some(address.peer().clone()),
                _ => None,
            };
            let effects = rig.give(input);
            let dialing = rig.manager.book.iter().filter(|peer| matches!(peer.state, State::Dialing { .. }));
            prop_assert!(dialing.count() <= MAX_PARALLEL_DIALS);
            prop_assert!(rig.manager.counts().known <= 8);
            let connected = |id: &PeerId| {
                before.get(id).is_some_and(|info| info.connectedness == Connectedness::Connected)
            };
            for effect in &effects {
                match effect {
                    Effect::Dial(address) => {
                        prop_assert_ne!(address.peer(), &peer(0));
                        let now = rig.manager.peer(address.peer()).expect("dialled peers are known");
                        prop_assert_ne!(now.connectedness, Connectedness::Connected);
                    }
                    Effect::Disconnect { peer, .. } => {
                        prop_assert!(connected(peer) || arrives.as_ref() == Some(peer));
                    }
                    Effect::RequestMetadata(peer) => prop_assert_eq!(arrives.as_ref(), Some(peer)),
                    Effect::Remember { address, protocols } => {
                        prop_assert!(connected(address.peer()) && !protocols.is_empty());
                    }
                    Effect::Forget(peer) => prop_assert!(before.contains_key(peer)),
                }
            }
            let statics = |infos: &mut dyn Iterator<Item = PeerInfo>| {
                infos.filter(|info| info.origin == Origin::Static).count()
            };
            let mismatch = effects.iter().any(|effect| {
                matches!(effect, Effect::Disconnect { reason: DisconnectReason::WrongCluster(_), .. })
            });
            let (was, is) = (
                statics(&mut before.into_values()),
                statics(&mut rig.manager.snapshot().into_iter()),
            );
            prop_assert!(is >= was || mismatch, "a static peer was lost");
        }
    }
}
