//! Listening, dialling, limits.

use std::{net::TcpListener, num::NonZeroU32};

use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpSocket, TcpStream},
};
use weir_core::{PeerAddress, PeerId};
use weir_net::{Colocation, DialFailure, Direction, Event, Network, StartError, address};

use crate::{
    hostile::during,
    nodes::{address_of, config, drive, encoded, line, nodes, start, topic, until},
};

async fn dial_failure(nodes: &mut [Network]) -> DialFailure {
    drive(nodes, |_, index, event| match event {
        Event::DialFailed { failure, .. } if index == 0 => Some(failure),
        _ => None,
    })
    .await
}

fn with_peer(address: &PeerAddress, peer: &PeerId) -> PeerAddress {
    let (host, _) = address.as_str().split_once("/p2p/").expect("has a peer id");
    address::parse(&format!("{host}/p2p/{peer}")).expect("an address")
}

#[tokio::test]
async fn both_ends_learn_of_a_connection_and_who_made_it() {
    let mut nodes = nodes(2).await;
    let (peers, target) = ([nodes[0].local_peer(), nodes[1].local_peer()], address_of(&nodes[1]));
    nodes[0].dial(&target);
    let mut seen = [None, None];
    drive(&mut nodes, |_, index, event| {
        if let Event::Connected { peer, address, direction, count } = event {
            assert_eq!((&peer, address.peer(), count), (&peers[1 - index], &peers[1 - index], 1));
            seen[index] = Some(direction);
        }
        (seen == [Some(Direction::Outbound), Some(Direction::Inbound)]).then_some(())
    })
    .await;
    nodes[0].disconnect(&peers[1]);
    let mut left = [false, false];
    drive(&mut nodes, |_, index, event| {
        if let Event::Disconnected { count, .. } = event {
            assert_eq!(count, 0);
            left[index] = true;
        }
        (left == [true, true]).then_some(())
    })
    .await;
}

#[tokio::test]
async fn an_unspecified_address_is_resolved_to_concrete_ones() {
    let mut config = config(0);
    config.listen = vec!["/ip4/0.0.0.0/tcp/0".to_owned()];
    let mut nodes = [start(config).expect("starts")];
    let listening = drive(&mut nodes, |_, _, event| match event {
        Event::Listening(address) => Some(address),
        _ => None,
    })
    .await;
    let own = nodes[0].local_peer();
    assert!(!listening.contains("0.0.0.0") && !listening.contains("/tcp/0/"), "{listening}");
    assert_eq!(address::parse(&listening).map(|parsed| parsed.peer().clone()), Ok(own));
    assert!(nodes[0].listen_addresses().contains(&listening));
}

#[tokio::test]
async fn a_port_that_is_in_use_is_named_with_the_mend() {
    let foreign = TcpListener::bind("127.0.0.1:0").expect("a free port");
    let port = foreign.local_addr().expect("bound").port();
    let mut taken = config(1);
    taken.listen = vec![format!("/ip4/127.0.0.1/tcp/{port}")];
    let error = start(taken).expect_err("in use");
    assert!(matches!(&error, StartError::PortInUse { .. }), "{error}");
    let text = error.to_string();
    assert!(text.contains(&port.to_string()) && text.contains("--tcp-port"), "{text}");
}

#[tokio::test]
async fn two_nodes_do_not_share_a_port() {
    let nodes = nodes(1).await;
    let own = address_of(&nodes[0]);
    let (address, _) = own.as_str().split_once("/p2p/").expect("has a peer id");
    let mut second = config(1);
    second.listen = vec![address.to_owned()];
    assert!(matches!(start(second), Err(StartError::PortInUse { address: taken, .. }) if taken == address));
}

#[tokio::test]
async fn a_node_does_not_start_with_a_bad_key_or_address() {
    let mut zero = config(0);
    zero.key = [0; 32].into();
    assert!(matches!(start(zero), Err(StartError::Key)));
    let mut named = config(0);
    named.listen = vec!["/dns4/example.org/tcp/0".to_owned()];
    assert!(matches!(start(named), Err(StartError::Address(_))));
    let mut announced = config(0);
    announced.announce = vec!["example.org:60000".to_owned()];
    assert!(matches!(start(announced), Err(StartError::Address(_))));
}

#[tokio::test]
async fn dialling_tells_why_it_fails() {
    let mut nodes = line(2).await;
    let (own, other) = (address_of(&nodes[0]), address_of(&nodes[1]));

    nodes[0].dial(&other);
    assert_eq!(dial_failure(&mut nodes).await, DialFailure::AlreadyConnected);

    let stranger: PeerId = "16Uiu2HAmNaeL4p3WEYzC9mgXBmBWSgWjPHRvatZTXnp8Jgv3iKsb".parse().expect("an id");
    nodes[0].dial(&with_peer(&other, &stranger));
    assert_eq!(dial_failure(&mut nodes).await, DialFailure::WrongPeer(nodes[1].local_peer()));

    let closed = TcpListener::bind("127.0.0.1:0").expect("a free port").local_addr().expect("bound");
    let nobody = format!("/ip4/127.0.0.1/tcp/{}/p2p/{stranger}", closed.port());
    nodes[0].dial(&address::parse(&nobody).expect("an address"));
    assert!(matches!(dial_failure(&mut nodes).await, DialFailure::Unreachable(_)));

    nodes[0].dial(&own);
    assert_eq!(dial_failure(&mut nodes).await, DialFailure::OwnAddress);

    let garbage = PeerId::from_bytes(b"not a multihash").expect("short");
    nodes[0].dial(&PeerAddress::new(garbage, "/ip4/127.0.0.1/tcp/1"));
    assert_eq!(dial_failure(&mut nodes).await, DialFailure::Address);
}

#[tokio::test]
async fn connections_beyond_the_limit_are_refused_and_a_free_place_is_taken() {
    let mut limited = config(0);
    limited.max_connections = 2;
    let mut nodes = vec![start(limited).expect("starts")];
    nodes.extend((1..4).map(|index| start(config(index)).expect("starts")));
    until(&mut nodes, |nodes| nodes.iter().all(|node| !node.listen_addresses().is_empty())).await;
    let target = address_of(&nodes[0]);
    for node in &mut nodes[1..3] {
        node.dial(&target);
    }
    drive(&mut nodes, |_, index, event| {
        (index == 0 && matches!(event, Event::Connected { count: 2, .. })).then_some(())
    })
    .await;

    nodes[3].dial(&target);
    drive(&mut nodes, |_, index, event| match (index, event) {
        (0, Event::Connected { .. }) => panic!("a third connection was accepted"),
        (3, Event::DialFailed { .. } | Event::Disconnected { .. }) => Some(()),
        _ => None,
    })
    .await;

    let leaving = nodes[1].local_peer();
    nodes[0].disconnect(&leaving);
    drive(&mut nodes, |_, index, event| {
        (index == 0 && matches!(event, Event::Disconnected { count: 1, .. })).then_some(())
    })
    .await;
    nodes[3].dial(&target);
    drive(&mut nodes, |_, index, event| {
        (index == 0 && matches!(event, Event::Connected { count: 2, .. })).then_some(())
    })
    .await;
}

#[tokio::test]
async fn an_ip_address_with_enough_connections_is_refused_before_any_handshake() {
    let mut limited = config(0);
    limited.colocation = Some(Colocation { limit: NonZeroU32::new(2).expect("not zero"), loopback: true });
    let mut nodes = vec![start(limited).expect("starts"), start(config(1)).expect("starts")];
    until(&mut nodes, |nodes| nodes.iter().all(|node| !node.listen_addresses().is_empty())).await;
    let target = address_of(&nodes[0]);
    let port = target.as_str().split('/').nth(4).expect("a port").parse().expect("a number");

    // One peer and one that begins no handshake.
    nodes[1].dial(&target);
    drive(&mut nodes, |_, index, event| {
        (index == 0 && matches!(event, Event::Connected { .. })).then_some(())
    })
    .await;
    let silent = knock([127, 0, 0, 1], port).await;
    let answers = async |mut socket: TcpStream| {
        const HELLO: &[u8] = b"\x13/multistream/1.0.0\n";
        let mut answer = Vec::new();
        let _ = socket.write_all(HELLO).await;
        let _ = (&mut socket).take(HELLO.len() as u64).read_to_end(&mut answer).await;
        answer == HELLO
    };
    during(&mut nodes, async {
        assert!(!answers(knock([127, 0, 0, 1], port).await).await);
        assert!(answers(knock([127, 0, 0, 2], port).await).await);
        drop(silent);
        // It takes the node a moment to see that one go.
        while !answers(knock([127, 0, 0, 1], port).await).await {}
    })
    .await;
}

/// A connection from this address.
async fn knock(from: [u8; 4], port: u16) -> TcpStream {
    let socket = TcpSocket::new_v4().expect("a socket");
    socket.bind((from, 0).into()).expect("a loopback address");
    socket.connect(([127, 0, 0, 1], port).into()).await.expect("connects")
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nodes_that_dial_each_other_at_once_end_up_connected_and_in_each_others_mesh() {
    let mut nodes = nodes(2).await;
    let addresses = [address_of(&nodes[0]), address_of(&nodes[1])];
    nodes[0].dial(&addresses[1]);
    nodes[1].dial(&addresses[0]);
    // One end may see its own connection closed before the other one is there, but nobody dials again.
    until(&mut nodes, |nodes| nodes.iter().all(|node| node.mesh_peers(topic()).len() == 1)).await;
    nodes[0].publish(topic(), encoded(1, 10)).expect("published");
    drive(&mut nodes, |_, _, event| matches!(event, Event::Gossip(_)).then_some(())).await;
}

#[tokio::test]
async fn others_are_told_the_addresses_to_announce_in_place_of_those_listened_on() {
    let mut behind_nat = config(0);
    behind_nat.announce = vec!["/dns4/node.example.org/tcp/443".to_owned()];
    behind_nat.announce_listeners = false;
    let mut nodes = vec![start(behind_nat).expect("starts"), start(config(1)).expect("starts")];
    until(&mut nodes, |nodes| nodes.iter().all(|node| !node.listen_addresses().is_empty())).await;
    let announced = format!("/dns4/node.example.org/tcp/443/p2p/{}", nodes[0].local_peer());
    assert_eq!(nodes[0].announced_addresses(), [announced]);
    assert_eq!(nodes[1].announced_addresses(), nodes[1].listen_addresses());
}
