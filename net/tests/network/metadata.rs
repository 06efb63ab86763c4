//! What nodes tell each other about themselves.

use weir_core::ShardId;
use weir_net::{Event, MetadataError, Network};
use weir_wire::{Metadata, protocol_id};

use crate::nodes::{CLUSTER, address_of, drive, line, nodes};

async fn answer_of(nodes: &mut [Network], asker: usize) -> Result<Metadata, MetadataError> {
    drive(nodes, |_, index, event| match event {
        Event::Metadata { result, .. } if index == asker => Some(result),
        _ => None,
    })
    .await
}

#[tokio::test]
async fn a_node_answers_with_what_it_was_last_given() {
    let mut nodes = line(2).await;
    let peers = [nodes[0].local_peer(), nodes[1].local_peer()];
    nodes[0].request_metadata(&peers[1]);
    let untold = Metadata { cluster: Some(CLUSTER), shards: vec![] };
    assert_eq!(answer_of(&mut nodes, 0).await, Ok(untold));

    let told = Metadata { cluster: Some(CLUSTER), shards: vec![ShardId(3), ShardId(1023)] };
    nodes[0].set_metadata(told.clone());
    nodes[1].request_metadata(&peers[0]);
    assert_eq!(answer_of(&mut nodes, 1).await, Ok(told));
}

#[tokio::test]
async fn a_node_with_all_shards_tells_as_many_as_fit() {
    let mut nodes = line(2).await;
    let peer = nodes[1].local_peer();
    let all = Metadata { cluster: Some(CLUSTER), shards: (0..1024).map(ShardId).collect() };
    nodes[1].set_metadata(all);
    nodes[0].request_metadata(&peer);
    let answer = answer_of(&mut nodes, 0).await.expect("an answer");
    assert_eq!(answer.shards, (0..200).map(ShardId).collect::<Vec<_>>());
}

#[tokio::test]
async fn a_peer_that_is_not_connected_is_not_dialled_for_its_metadata() {
    let mut nodes = nodes(2).await;
    let peer = nodes[1].local_peer();
    nodes[0].request_metadata(&peer);
    assert_eq!(answer_of(&mut nodes, 0).await, Err(MetadataError::NotConnected));
}

#[tokio::test]
async fn identify_tells_the_agent_and_the_exact_protocols() {
    let mut nodes = nodes(2).await;
    let target = address_of(&nodes[1]);
    nodes[0].dial(&target);
    let identity = drive(&mut nodes, |_, _, event| match event {
        Event::Identified { identity, .. } => Some(identity),
        _ => None,
    })
    .await;
    assert!(identity.agent.starts_with("weir-"), "{}", identity.agent);
    for protocol in [protocol_id::RELAY, protocol_id::METADATA, "/ipfs/id/1.0.0", "/ipfs/ping/1.0.0"] {
        assert!(identity.protocols.iter().any(|known| known == protocol), "{:?}", identity.protocols);
    }
    assert!(!identity.protocols.iter().any(|known| known.contains("meshsub")), "{:?}", identity.protocols);
    assert_eq!(identity.addresses.len(), 1);
}
