//! What operators see.

use prometheus_client::{encoding::text::encode, registry::Registry};
use weir_net::{Metrics, Network};
use weir_wire::protocol_id;

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

    let told = format!("waku_connected_peers{{direction=\"Out\",protocol=\"{}\"}} 1", protocol_id::RELAY);
    until(&mut nodes, |_| lines(&registry).contains(&told)).await;
    let lines = lines(&registry);
    for line in [
        "libp2p_peers 1".to_owned(),
        "weir_net_dials_total 1".to_owned(),
        "weir_net_connections{direction=\"out\"} 1".to_owned(),
        "weir_net_published_total{outcome=\"sent\"} 1".to_owned(),
        format!("weir_net_topic_bytes_total{{shard=\"3\",direction=\"out\"}} {length}"),
        format!("libp2p_gossipsub_topic_msg_published_total{{hash=\"{}\"}} 1", topic()),
    ] {
        assert!(lines.contains(&line), "{line} is not in\n{lines:#?}");
    }
}

#[tokio::test]
async fn a_network_that_takes_the_place_of_another_goes_on_with_its_counters() {
    let mut registry = Registry::default();
    let metrics = Metrics::register(&mut registry);
    let mut others = nodes(1).await;
    for attempt in 1..=2 {
        let network = Network::with_metrics(config(1), metrics.clone(), &mut Registry::default());
        others.push(network.expect("starts"));
        // The one before is gone, and with it its connection.
        assert!(lines(&registry).contains(&"libp2p_peers 0".to_owned()), "{attempt}");
        let first = address_of(&others[0]);
        others[1].dial(&first);
        until(&mut others, |_| lines(&registry).contains(&"libp2p_peers 1".to_owned())).await;
        let dials = format!("weir_net_dials_total {attempt}");
        assert!(lines(&registry).contains(&dials), "{:#?}", lines(&registry));
        drop(others.pop());
    }
}

fn lines(registry: &Registry) -> Vec<String> {
    let mut text = String::new();
    encode(&mut text, registry).expect("text");
    text.lines().map(str::to_owned).collect()
}
