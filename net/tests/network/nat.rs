//! Nodes that cannot be dialled, reached through one that relays.

use std::{num::NonZeroU16, time::Duration};

use prometheus_client::{encoding::text::encode, registry::Registry};
use weir_core::PeerAddress;
use weir_net::{Autonat, Config, DialFailure, Event, Nat, Network};

use crate::nodes::{address_of, config, drive, encoded, parse, topic, until};

/// A node and what it counts.
fn counting(config: Config) -> (Network, Registry) {
    let mut registry = Registry::default();
    let mut node = Network::new(config, &mut registry).expect("starts");
    node.subscribe(topic()).expect("a topic of the cluster");
    (node, registry)
}

fn counts(registry: &Registry, line: &str) -> bool {
    let mut text = String::new();
    encode(&mut text, registry).expect("text");
    text.lines().any(|known| known == line)
}

fn relay(index: u8, slots: u16) -> Config {
    let nat = Nat { relay_slots: NonZeroU16::new(slots), ..Nat::default() };
    Config { nat, ..config(index) }
}

fn client(index: u8) -> Config {
    Config { nat: Nat { relay_client: true, ..Nat::default() }, ..config(index) }
}

/// Where a node tells that it can be reached through a relay.
fn place_at_relay(node: &Network) -> Option<PeerAddress> {
    node.announced_addresses().iter().find(|text| text.contains("/p2p-circuit/")).map(|text| parse(text))
}

#[tokio::test]
async fn a_node_is_reached_through_a_relay_and_then_directly() {
    let (relay, relay_counts) = counting(relay(0, 1));
    let (hidden, _) = counting(client(1));
    let (caller, caller_counts) = counting(client(2));
    let mut nodes = [relay, hidden, caller];
    until(&mut nodes, |nodes| nodes.iter().all(|node| !node.listen_addresses().is_empty())).await;
    let at_relay = address_of(&nodes[0]);
    nodes[1].dial(&at_relay);
    until(&mut nodes, |nodes| place_at_relay(&nodes[1]).is_some()).await;
    let place = place_at_relay(&nodes[1]).expect("told");
    assert!(place.as_str().starts_with(at_relay.as_str()), "{place}");
    assert!(nodes[1].listen_addresses().iter().all(|address| !address.contains("p2p-circuit")));
    assert!(counts(&relay_counts, r#"weir_net_relayed_total{kind="reservation",outcome="done"} 1"#));

    nodes[2].dial(&place);
    let connected = drive(&mut nodes, |_, index, event| match event {
        Event::Connected { address, .. } if index == 2 && address.peer() == place.peer() => Some(address),
        _ => None,
    })
    .await;
    assert_eq!(connected, place);
    assert!(counts(&relay_counts, r#"weir_net_relayed_total{kind="circuit",outcome="done"} 1"#));
    let direct = r#"weir_net_relayed_total{kind="direct",outcome="done"} 1"#;
    until(&mut nodes, |_| counts(&caller_counts, direct)).await;

    // Without the relay they are still connected.
    let relay_id = nodes[0].local_peer();
    for node in &mut nodes[1..] {
        node.disconnect(&relay_id);
    }
    let (_, pair) = nodes.split_first_mut().expect("three");
    until(pair, |pair| pair.iter().all(|node| node.mesh_peers(topic()).len() == 1)).await;
    pair[0].publish(topic(), encoded(1, 10)).expect("published");
    drive(pair, |_, index, event| (index == 1 && matches!(event, Event::Gossip(_))).then_some(())).await;
}

#[tokio::test]
async fn a_relay_gives_as_many_places_as_it_has() {
    let (relay, relay_counts) = counting(relay(0, 1));
    let mut nodes = vec![relay, counting(client(1)).0, counting(client(2)).0];
    until(&mut nodes, |nodes| nodes.iter().all(|node| !node.listen_addresses().is_empty())).await;
    let at_relay = address_of(&nodes[0]);
    nodes[1].dial(&at_relay);
    until(&mut nodes, |nodes| place_at_relay(&nodes[1]).is_some()).await;
    nodes[2].dial(&at_relay);
    let refused = r#"weir_net_relayed_total{kind="reservation",outcome="refused"} 1"#;
    until(&mut nodes, |_| counts(&relay_counts, refused)).await;
    assert_eq!(place_at_relay(&nodes[2]), None);
}

#[tokio::test]
async fn who_is_no_client_of_relays_neither_dials_through_one_nor_takes_a_place() {
    let mut nodes = vec![counting(relay(0, 1)).0, counting(client(1)).0, counting(config(2)).0];
    until(&mut nodes, |nodes| nodes.iter().all(|node| !node.listen_addresses().is_empty())).await;
    let at_relay = address_of(&nodes[0]);
    nodes[1].dial(&at_relay);
    until(&mut nodes, |nodes| place_at_relay(&nodes[1]).is_some()).await;
    let place = place_at_relay(&nodes[1]).expect("told");
    nodes[2].dial(&place);
    let failure = drive(&mut nodes, |_, index, event| match event {
        Event::DialFailed { failure, .. } if index == 2 => Some(failure),
        _ => None,
    })
    .await;
    assert!(matches!(failure, DialFailure::Unreachable(_)), "{failure}");
    nodes[2].dial(&at_relay);
    drive(&mut nodes, |_, index, event| {
        (index == 2 && matches!(event, Event::Identified { .. })).then_some(())
    })
    .await;
    assert_eq!(place_at_relay(&nodes[2]), None);
}

#[tokio::test]
async fn peers_tell_a_node_whether_they_can_dial_it() {
    let asking = |index| {
        let autonat = Autonat { first_after: Duration::from_millis(100), public_only: false };
        Config { nat: Nat { autonat: Some(autonat), ..Nat::default() }, ..config(index) }
    };
    let (first, counted) = counting(asking(0));
    let mut nodes = [first, counting(asking(1)).0];
    until(&mut nodes, |nodes| nodes.iter().all(|node| !node.listen_addresses().is_empty())).await;
    let target = address_of(&nodes[1]);
    nodes[0].dial(&target);
    until(&mut nodes, |_| counts(&counted, "weir_net_reachable 1")).await;
    // The connection they had is still there.
    until(&mut nodes, |nodes| nodes.iter().all(|node| node.mesh_peers(topic()).len() == 1)).await;
    nodes[1].publish(topic(), encoded(1, 10)).expect("published");
    drive(&mut nodes, |_, index, event| (index == 0 && matches!(event, Event::Gossip(_))).then_some(()))
        .await;
}
