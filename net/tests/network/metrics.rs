//! What operators see.

use prometheus_client::{encoding::text::encode, registry::Registry};
use weir_net::Network;

use crate::nodes::{address_of, config, encoded, nodes, topic, until};

#[tokio::test]
async fn the_counters_of_gossipsub_and_of_the_node_move_under_their_names() {
    let mut registry = Registry::default();
    let mut nodes = nodes(1).await;
    let mut counted = Network::new(config(1), &mut registry).expect("starts");
    counted.subscribe(topic()).expect("own cluster");
    counted.dial(&address_of(&nodes[0]));
    nodes.push(counted);
    until(&mut nodes, |nodes| nodes.iter().all(|node| node.mesh_peers(topic()).len() == 1)).await;
    nodes[1].publish(topic(), encoded(1, 1000)).expect("published");
    let length = encoded(1, 1000).len();

    let mut text = String::new();
    encode(&mut text, &registry).expect("text");
    for line in [
        "weir_net_dials_total 1".to_owned(),
        "weir_net_connections{direction=\"out\"} 1".to_owned(),
        "weir_net_published_total{outcome=\"sent\"} 1".to_owned(),
        format!("weir_net_topic_bytes_total{{shard=\"3\",direction=\"out\"}} {length}"),
        format!("libp2p_gossipsub_topic_msg_published_total{{hash=\"{}\"}} 1", topic()),
    ] {
        assert!(text.lines().any(|known| known == line), "{line} is not in\n{text}");
    }
}
