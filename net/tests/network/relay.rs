//! Messages from node to node.

use sha2::{Digest, Sha256};
use weir_core::{ClusterId, PubsubTopic, ShardId, limits::DEFAULT_MAX_MESSAGE_SIZE};
use weir_net::{Acceptance, Event, GossipId, PublishError, Published, SubscribeError};

use crate::nodes::{CLUSTER, accept, drive, encoded, line, message, nodes, topic};

#[tokio::test]
async fn messages_of_all_sizes_cross_two_hops_unchanged() {
    let mut nodes = line(3).await;
    for (seed, length) in [(1, 0), (2, 1), (3, 1024), (4, 150_000)] {
        let data = encoded(seed, length);
        assert_eq!(nodes[0].publish(topic(), data.clone()), Ok(Published { peers: 1, full: 0 }));
        let arrived = drive(&mut nodes, |nodes, index, event| {
            accept(&mut nodes[index], &event);
            match event {
                Event::Gossip(gossip) if index == 2 => Some((nodes[1].local_peer(), gossip)),
                _ => None,
            }
        });
        let (middle, gossip) = arrived.await;
        // The id is the hash of the bytes, so equal ids are equal bytes.
        assert_eq!(gossip.id, GossipId::from_bytes(Sha256::digest(&data).into()), "{length}");
        assert_eq!((gossip.from, gossip.topic, gossip.size), (middle, topic(), data.len()));
        assert_eq!(gossip.message, Ok(message(seed, length)));
    }
}

#[tokio::test]
async fn messages_that_are_ignored_rejected_or_not_judged_are_not_forwarded() {
    let mut nodes = line(3).await;
    let verdicts = [Some(Acceptance::Ignore), Some(Acceptance::Reject), None, Some(Acceptance::Accept)];
    for seed in 0..4 {
        nodes[0].publish(topic(), encoded(seed, 100)).expect("published");
    }
    let mut judged = 0;
    // Streams keep the order, so what was forwarded wrongly would arrive before the last one.
    let first = drive(&mut nodes, |nodes, index, event| match event {
        Event::Gossip(gossip) if index == 1 => {
            assert_eq!(gossip.message, Ok(message(judged, 100)));
            if let Some(verdict) = verdicts[judged as usize] {
                assert!(nodes[1].report(gossip.id, verdict));
            }
            judged += 1;
            None
        }
        Event::Gossip(gossip) if index == 2 => Some(gossip),
        _ => None,
    })
    .await;
    assert_eq!(first.message, Ok(message(3, 100)));
    assert_eq!(nodes[1].unjudged_messages(), 1);
}

#[tokio::test]
async fn a_second_verdict_has_no_effect() {
    let mut nodes = line(2).await;
    nodes[0].publish(topic(), encoded(1, 1)).expect("published");
    let id = drive(&mut nodes, |_, _, event| match event {
        Event::Gossip(gossip) => Some(gossip.id),
        _ => None,
    })
    .await;
    assert!(nodes[1].report(id, Acceptance::Accept));
    assert!(!nodes[1].report(id, Acceptance::Reject));
}

#[tokio::test]
async fn bytes_that_are_no_message_are_handed_out_as_such() {
    let mut nodes = line(2).await;
    nodes[0].publish(topic(), (&[0xff; 40][..]).into()).expect("published");
    let gossip = drive(&mut nodes, |_, _, event| match event {
        Event::Gossip(gossip) => Some(gossip),
        _ => None,
    })
    .await;
    assert!(gossip.message.is_err());
    assert_eq!(gossip.size, 40);
}

#[tokio::test]
async fn publishing_tells_why_it_fails() {
    let mut nodes = line(2).await;
    let node = &mut nodes[0];
    let other = PubsubTopic::new(CLUSTER, ShardId(4)).expect("a shard");
    assert_eq!(node.publish(other, encoded(1, 1)), Err(PublishError::NoPeers(other)));
    assert!(node.publish(topic(), encoded(1, 1)).is_ok());
    assert_eq!(node.publish(topic(), encoded(1, 1)), Err(PublishError::Duplicate));
    let foreign = PubsubTopic::new(ClusterId(1), ShardId(3)).expect("a shard");
    assert_eq!(node.publish(foreign, encoded(2, 1)), Err(PublishError::ForeignTopic(foreign)));
}

#[tokio::test]
async fn the_largest_frame_passes_and_one_byte_more_is_refused() {
    let mut nodes = line(2).await;
    let max = DEFAULT_MAX_MESSAGE_SIZE;
    // Rpc and Message: tag and 3 bytes of length each; data: the same; topic: tag, length, name.
    let overhead = 4 + 4 + 2 + topic().to_string().len();
    let data = vec![0; max - overhead + 1];
    let refused = PublishError::TooLarge { frame: max + 1, max };
    assert_eq!(nodes[0].publish(topic(), data.clone().into()), Err(refused));
    nodes[0].publish(topic(), data[1..].to_vec().into()).expect("published");
    let size = drive(&mut nodes, |_, _, event| match event {
        Event::Gossip(gossip) => Some(gossip.size),
        _ => None,
    });
    assert_eq!(size.await, max - overhead);
}

#[tokio::test]
async fn topics_of_another_cluster_cannot_be_subscribed() {
    let mut nodes = nodes(1).await;
    let foreign = PubsubTopic::new(ClusterId(1), ShardId(0)).expect("a shard");
    assert_eq!(nodes[0].subscribe(foreign), Err(SubscribeError(foreign)));
    assert!(!nodes[0].unsubscribe(foreign));
    assert_eq!(nodes[0].subscribe(topic()), Ok(false));
    assert!(nodes[0].unsubscribe(topic()));
}

#[tokio::test]
async fn peers_see_each_other_subscribe_and_leave() {
    let mut nodes = line(2).await;
    let other = PubsubTopic::new(CLUSTER, ShardId(1023)).expect("a shard");
    let peer = nodes[1].local_peer();
    nodes[1].subscribe(other).expect("own cluster");
    let seen = drive(&mut nodes, |_, index, event| match event {
        Event::Subscribed { peer, topic } if index == 0 => Some((peer, topic)),
        _ => None,
    });
    assert_eq!(seen.await, (peer.clone(), other));
    assert_eq!(nodes[0].topic_peers(other), std::slice::from_ref(&peer));
    nodes[1].unsubscribe(other);
    let seen = drive(&mut nodes, |_, index, event| match event {
        Event::Unsubscribed { peer, topic } if index == 0 => Some((peer, topic)),
        _ => None,
    });
    assert_eq!(seen.await, (peer, other));
    assert!(nodes[0].topic_peers(other).is_empty());
}
