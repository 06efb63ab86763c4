//! Peers that do not speak the protocols. The node has to end their streams and go on.

use std::{future::Future, pin::pin, task::Poll, time::Duration};

use futures::{FutureExt, StreamExt, future::poll_fn};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
};
use weir_net::{Event, Network};
use weir_wire::{Metadata, framing::encode_frame, protocol_id};

use crate::{
    nodes::{CLUSTER, LIMIT, accept, address_of, drive, encoded, line, message, nodes, topic},
    outsider::Outsider,
};

/// Drives the nodes, accepting every message, until `outside` is done.
pub(crate) async fn during<T>(nodes: &mut [Network], outside: impl Future<Output = T>) -> T {
    let mut outside = pin!(outside);
    let both = poll_fn(|cx| {
        for node in nodes.iter_mut() {
            while let Poll::Ready(Some(event)) = node.poll_next_unpin(cx) {
                accept(node, &event);
            }
        }
        outside.as_mut().poll(cx)
    });
    tokio::time::timeout(LIMIT, both).await.expect("what the test waits for does not happen")
}

/// Drives the nodes and `outside`, and asks `on` after each event and each poll, until it answers.
async fn beside<T>(
    nodes: &mut [Network],
    outside: impl Future<Output = ()>,
    mut on: impl FnMut(&[Network], usize, Option<Event>) -> Option<T>,
) -> T {
    let mut outside = pin!(outside.fuse());
    let answer = poll_fn(|cx| {
        let _ = outside.as_mut().poll(cx);
        for index in 0..nodes.len() {
            while let Poll::Ready(event) = nodes[index].poll_next_unpin(cx) {
                if let Some(answer) = on(nodes, index, event) {
                    return Poll::Ready(answer);
                }
            }
            if let Some(answer) = on(nodes, index, None) {
                return Poll::Ready(answer);
            }
        }
        Poll::Pending
    });
    tokio::time::timeout(LIMIT, answer).await.expect("what the test waits for does not happen")
}

/// The nodes of a line still get messages from end to end.
async fn still_relays(nodes: &mut [Network]) {
    let last = nodes.len() - 1;
    nodes[0].publish(topic(), encoded(7777, 1000)).expect("published");
    drive(nodes, |nodes, index, event| {
        accept(&mut nodes[index], &event);
        match event {
            Event::Gossip(gossip) if index == last && gossip.message == Ok(message(7777, 1000)) => Some(()),
            _ => None,
        }
    })
    .await;
}

#[tokio::test]
async fn garbage_on_the_tcp_port_ends_that_connection_only() {
    let mut nodes = line(3).await;
    let text = address_of(&nodes[1]).to_string();
    let port: u16 = text.split('/').nth(4).expect("a port").parse().expect("a number");
    for garbage in [vec![0xff; 4096], vec![0; 4096], b"GET / HTTP/1.1\r\n\r\n".repeat(40)] {
        let ended = async {
            let mut socket = TcpStream::connect(("127.0.0.1", port)).await.expect("connects");
            // The node may close before it has read everything.
            let _ = socket.write_all(&garbage).await;
            let mut answer = Vec::new();
            let _ = socket.read_to_end(&mut answer).await;
        };
        during(&mut nodes, ended).await;
    }
    still_relays(&mut nodes).await;
}

#[tokio::test]
async fn frames_that_are_too_long_or_nonsense_end_the_metadata_stream_without_an_answer() {
    let mut nodes = line(3).await;
    let target = address_of(&nodes[1]);
    let mut outsider = Outsider::new(protocol_id::METADATA);
    during(&mut nodes, outsider.connect(&target)).await;
    let announcing = |prefix: &[u8]| [prefix, &[0; 64]].concat();
    for bytes in [
        announcing(&[0x81, 0x08]),                   // 1,025 bytes
        announcing(&[0x81, 0xb0, 0x09]),             // 153,601 bytes
        announcing(&[0x80, 0x80, 0x80, 0x80, 0x04]), // 1 GiB
        announcing(&[0xff; 10]),                     // no end
        vec![0x05, 0x08],                            // less than announced
        encode_frame(&[0xff; 100]).to_vec(),         // no protobuf
        vec![],
    ] {
        let answer = during(&mut nodes, outsider.say(bytes.clone())).await;
        assert!(!matches!(&answer, Ok(answer) if !answer.is_empty()), "{bytes:x?}: {answer:x?}");
    }
    // The same peer on the same connection may still ask properly.
    let own = Metadata { cluster: Some(CLUSTER), shards: vec![] };
    let frame = encode_frame(&own.encode().expect("fits")).to_vec();
    assert_eq!(during(&mut nodes, outsider.say(frame.clone())).await.expect("an answer"), frame);
    still_relays(&mut nodes).await;
}

#[tokio::test]
async fn garbage_on_other_protocols_does_no_harm() {
    let mut nodes = line(3).await;
    let target = address_of(&nodes[1]);
    for protocol in [protocol_id::RELAY, "/ipfs/id/1.0.0", "/ipfs/id/push/1.0.0", "/ipfs/ping/1.0.0"] {
        for garbage in [
            vec![0xff; 10_000],
            vec![0; 10_000],
            [&[0x80, 0x80, 0x80, 0x80, 0x04][..], &[0x12; 64]].concat(),
            [&[0x81, 0xb0, 0x1d][..], &[0x12; 64]].concat(),
        ] {
            // Ping keeps a stream open for the next ping, so the outsider is the one to end it.
            let mut outsider = Outsider::patient(protocol, Duration::from_secs(1));
            during(&mut nodes, outsider.connect(&target)).await;
            let _ = during(&mut nodes, outsider.say(garbage)).await;
        }
    }
    still_relays(&mut nodes).await;
}

#[tokio::test]
async fn a_gossip_frame_above_the_limit_counts_against_its_sender_and_is_not_handed_out() {
    let mut nodes = line(2).await;
    let target = address_of(&nodes[0]);
    let mut outsider = Outsider::new(protocol_id::METADATA);
    let from = outsider.peer();
    let name = topic().to_string();
    outsider.subscribe(&name);
    // Within what is read, outside what is allowed.
    let outside = outsider.publish(&target, &name, vec![1; 160_000]);
    let judged = beside(&mut nodes, outside, |nodes, _, event| {
        assert!(!matches!(event, Some(Event::Gossip(_))), "{event:?}");
        nodes[0].peer_score(&from).is_some_and(|score| score < -90.0).then_some(())
    });
    judged.await;
    still_relays(&mut nodes).await;
}

#[tokio::test]
async fn a_gossip_frame_beyond_what_is_read_ends_the_stream() {
    let mut nodes = line(3).await;
    let target = address_of(&nodes[1]);
    let mut outsider = Outsider::new(protocol_id::RELAY);
    during(&mut nodes, outsider.connect(&target)).await;
    // Rpc { publish: [Message { data, topic }] } with 300,000 bytes of data.
    let name = topic().to_string().into_bytes();
    let data = [&[0x12, 0xe0, 0xa7, 0x12][..], &[1; 300_000], &[0x22, name.len() as u8], &name].concat();
    let rpc = [&[0x12][..], &encode_frame(&data)].concat();
    let _ = during(&mut nodes, outsider.say(encode_frame(&rpc).to_vec())).await;
    still_relays(&mut nodes).await;
}

#[tokio::test]
async fn subscriptions_to_topics_of_other_clusters_are_not_kept() {
    let mut nodes = nodes(1).await;
    let target = address_of(&nodes[0]);
    let mut outsider = Outsider::new(protocol_id::METADATA);
    for name in ["/waku/2/rs/1/0", "/waku/2/default-waku/proto", "", "/waku/2/rs/66/1024"] {
        outsider.subscribe(name);
    }
    outsider.subscribe(&topic().to_string());
    let outside = async {
        outsider.connect(&target).await;
        outsider.run().await;
    };
    let seen = beside(&mut nodes, outside, |_, _, event| match event {
        Some(Event::Subscribed { topic, .. }) => Some(topic),
        _ => None,
    });
    assert_eq!(seen.await, topic());
}

#[tokio::test]
async fn a_peer_that_speaks_mplex_only_is_served() {
    let mut nodes = nodes(1).await;
    let target = address_of(&nodes[0]);
    let mut outsider = Outsider::with_mplex(protocol_id::METADATA);
    during(&mut nodes, outsider.connect(&target)).await;
    let own = Metadata { cluster: Some(CLUSTER), shards: vec![] };
    let frame = encode_frame(&own.encode().expect("fits")).to_vec();
    assert_eq!(during(&mut nodes, outsider.say(frame.clone())).await.expect("an answer"), frame);
}
