//! Back-pressure and closing without loss.

use futures::{StreamExt, stream::FusedStream};
use weir_net::{DialFailure, Event, Network, PublishError, Published};

use crate::nodes::{accept, address_of, drive, encoded, line, nodes, topic};

/// Publishes until every queue is full; nobody is polled meanwhile. Gives back the count.
fn publish_until_full(node: &mut Network, length: usize) -> u32 {
    for seed in 0.. {
        match node.publish(topic(), encoded(seed, length)) {
            Ok(Published { peers: 1, full: 0 }) => {}
            Err(PublishError::QueuesFull(1)) => return seed,
            other => panic!("{other:?}"),
        }
    }
    unreachable!("the numbers end before memory does")
}

#[tokio::test]
async fn a_publisher_is_told_before_messages_are_lost_and_when_there_is_room() {
    let mut nodes = line(2).await;
    let published = publish_until_full(&mut nodes[0], 100);
    assert_eq!(u64::from(published), nodes[0].queued_messages());

    let (mut arrived, mut room) = (0, false);
    drive(&mut nodes, |nodes, index, event| {
        accept(&mut nodes[index], &event);
        match event {
            Event::Gossip(_) => arrived += 1,
            Event::QueueRoom(peer) => {
                assert_eq!(peer, nodes[1].local_peer());
                room = true;
            }
            Event::MessagesLost { count, .. } => panic!("{count} messages lost"),
            _ => {}
        }
        (arrived == published && room).then_some(())
    })
    .await;
    // What was refused was not marked as published.
    assert!(nodes[0].publish(topic(), encoded(published, 100)).is_ok());
}

#[tokio::test]
async fn what_was_published_before_closing_arrives() {
    let mut nodes = line(2).await;
    let count = 2000;
    for seed in 0..count {
        nodes[0].publish(topic(), encoded(seed, 1024)).expect("published");
    }
    nodes[0].begin_close();
    assert_eq!(nodes[0].publish(topic(), encoded(count, 1)), Err(PublishError::Closing));

    let (mut arrived, mut closed) = (0, false);
    drive(&mut nodes, |nodes, index, event| {
        accept(&mut nodes[index], &event);
        match event {
            Event::Gossip(_) => arrived += 1,
            Event::Closed => closed = true,
            Event::Disconnected { .. } if index == 1 => assert_eq!(arrived, count),
            _ => {}
        }
        (arrived == count && closed).then_some(())
    })
    .await;
    assert!(nodes[0].is_terminated());
    assert!(nodes[0].next().await.is_none());
}

#[tokio::test]
async fn what_was_accepted_before_closing_is_forwarded() {
    let mut nodes = line(3).await;
    let count = 500;
    for seed in 0..count {
        nodes[0].publish(topic(), encoded(seed, 1024)).expect("published");
    }
    let (mut accepted, mut arrived, mut closed) = (0, 0, false);
    drive(&mut nodes, |nodes, index, event| {
        accept(&mut nodes[index], &event);
        match (index, event) {
            (1, Event::Gossip(_)) => {
                accepted += 1;
                if accepted == count {
                    nodes[1].begin_close();
                }
            }
            (2, Event::Gossip(_)) => arrived += 1,
            (1, Event::Closed) => closed = true,
            _ => {}
        }
        (arrived == count && closed).then_some(())
    })
    .await;
}

#[tokio::test]
async fn a_node_without_peers_closes_at_once_and_takes_nobody_in() {
    let mut nodes = nodes(2).await;
    let addresses = [address_of(&nodes[0]), address_of(&nodes[1])];
    nodes[0].begin_close();
    nodes[0].dial(&addresses[1]);
    let mut failure = None;
    drive(&mut nodes[..1], |_, _, event| match event {
        Event::DialFailed { failure: cause, .. } => {
            failure = Some(cause);
            None
        }
        Event::Closed => Some(()),
        _ => None,
    })
    .await;
    assert!(failure.is_none_or(|cause| cause == DialFailure::Closing));
    nodes.remove(0);
    nodes[0].dial(&addresses[0]);
    drive(&mut nodes, |_, _, event| match event {
        Event::DialFailed { failure: DialFailure::Unreachable(_), .. } => Some(()),
        Event::Connected { .. } => panic!("a closed node let somebody in"),
        _ => None,
    })
    .await;
}
