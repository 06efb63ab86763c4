//! Peers that misbehave.

use weir_net::{Acceptance, DialFailure, DisconnectReason, Event};

use crate::nodes::topic;
use crate::nodes::{address_of, drive, encoded, line};

#[tokio::test]
async fn a_peer_whose_messages_are_rejected_is_disconnected_and_cannot_come_straight_back() {
    let mut nodes = line(2).await;
    let (sender, addresses) = (nodes[0].local_peer(), [address_of(&nodes[0]), address_of(&nodes[1])]);
    for seed in 0..12 {
        nodes[0].publish(topic(), encoded(seed, 10)).expect("published");
    }
    let mut graylisted = false;
    let reason = drive(&mut nodes, |nodes, index, event| match event {
        Event::Gossip(gossip) => {
            nodes[index].report(gossip.id, Acceptance::Reject);
            None
        }
        Event::GraylistedPeer(peer) => {
            assert_eq!((index, &peer), (1, &sender));
            graylisted = true;
            None
        }
        Event::Disconnected { reason, .. } if index == 1 => Some(reason),
        _ => None,
    })
    .await;
    assert_eq!((graylisted, reason), (true, DisconnectReason::Graylisted));

    nodes[1].dial(&addresses[0]);
    let failure = drive(&mut nodes, |_, index, event| match event {
        Event::DialFailed { failure, .. } if index == 1 => Some(failure),
        _ => None,
    });
    assert!(matches!(failure.await, DialFailure::Refused(_)));

    // The sender's own view of its new connection may begin before it is refused.
    nodes[0].dial(&addresses[1]);
    drive(&mut nodes, |_, index, event| match (index, event) {
        (0, Event::DialFailed { .. } | Event::Disconnected { count: 0, .. }) => Some(()),
        (1, Event::Connected { .. }) => panic!("a denied peer was let in"),
        _ => None,
    })
    .await;
}

#[tokio::test]
async fn a_peer_whose_messages_are_ignored_keeps_its_standing() {
    let mut nodes = line(2).await;
    let sender = nodes[0].local_peer();
    for seed in 0..20 {
        nodes[0].publish(topic(), encoded(seed, 10)).expect("published");
    }
    let mut judged = 0;
    drive(&mut nodes, |nodes, index, event| {
        if let Event::Gossip(gossip) = event {
            nodes[index].report(gossip.id, Acceptance::Ignore);
            judged += 1;
        }
        (judged == 20).then_some(())
    })
    .await;
    assert!(nodes[1].peer_score(&sender).is_some_and(|score| score >= 0.0));
}
