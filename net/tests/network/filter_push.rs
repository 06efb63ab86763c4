//! Pushes to filter clients over real connections, to clients that take them and to others.

use std::task::Poll;

use futures::{StreamExt, future::poll_fn};
use weir_core::{PeerAddress, PeerId};
use weir_net::{Event, Network, PushEvent, PushFrame, PushStreams};
use weir_wire::{FILTER_PUSH_MAX_FRAME, encode_filter_push, framing::encode_frame, protocol_id};

use crate::{
    nodes::{LIMIT, address_of, config, message, start, topic, until},
    outsider::Outsider,
};

/// A node with filter clients, and what its owner sees.
struct Service {
    network: Network,
    streams: PushStreams,
    seen: Vec<PushEvent>,
}

impl Service {
    async fn start() -> Self {
        let streams = PushStreams::default();
        let mut config = config(0);
        config.filter_clients = Some(streams.clone());
        Self { network: listening(config).await, streams, seen: Vec::new() }
    }

    /// Polls the node, the clients and what became of pushes until `condition` holds.
    async fn until(
        &mut self,
        clients: &mut [&mut Client],
        mut condition: impl FnMut(&mut Self, &mut [&mut Client]) -> bool,
    ) {
        let holds = poll_fn(|cx| {
            loop {
                let mut idle = true;
                while let Poll::Ready(Some(_)) = self.network.poll_next_unpin(cx) {
                    idle = false;
                }
                for client in clients.iter_mut() {
                    idle &= !client.poll(cx);
                }
                if let Poll::Ready(events) = self.streams.poll_events(cx) {
                    idle = false;
                    self.seen.extend(events);
                }
                if condition(self, clients) {
                    return Poll::Ready(());
                }
                if idle {
                    return Poll::Pending;
                }
            }
        });
        tokio::time::timeout(LIMIT, holds).await.expect("what the test waits for does not become true");
    }

    async fn meet(&mut self, client: &mut Client) {
        client.network.dial(&address_of(&self.network));
        let peer = client.network.local_peer();
        let told = PushEvent::Connected(peer);
        self.until(&mut [client], |service, _| service.seen.contains(&told)).await;
    }

    fn written_to(&self, client: &PeerId) -> usize {
        let count = |event: &PushEvent| match event {
            PushEvent::Written { peer, count } if peer == client => *count,
            _ => 0,
        };
        self.seen.iter().map(count).sum()
    }

    fn push(&self, to: &PeerId, seed: u32, length: usize) -> bool {
        self.streams.push(to, &PushFrame::new(topic(), &message(seed, length)))
    }
}

/// A filter client, and the messages that were pushed to it.
struct Client {
    network: Network,
    pushed: Vec<weir_core::WakuMessage>,
    protocols: Option<Vec<String>>,
}

impl Client {
    async fn start(index: u8) -> Self {
        let mut config = config(index);
        config.is_filter_client = true;
        Self { network: listening(config).await, pushed: Vec::new(), protocols: None }
    }

    fn peer(&self) -> PeerId {
        self.network.local_peer()
    }

    fn poll(&mut self, cx: &mut std::task::Context<'_>) -> bool {
        let mut moved = false;
        while let Poll::Ready(Some(event)) = self.network.poll_next_unpin(cx) {
            moved = true;
            match event {
                Event::FilterPushed { topic: on, message, .. } => {
                    assert_eq!(on, topic());
                    self.pushed.push(message);
                }
                Event::Identified { identity, .. } => self.protocols = Some(identity.protocols),
                _ => {}
            }
        }
        moved
    }
}

async fn listening(config: weir_net::Config) -> Network {
    let mut nodes = [start(config).expect("starts")];
    until(&mut nodes, |nodes| !nodes[0].listen_addresses().is_empty()).await;
    let [node] = nodes;
    node
}

#[tokio::test]
async fn messages_arrive_in_order_and_each_is_reported_once() {
    let (mut service, mut client) = (Service::start().await, Client::start(1).await);
    service.meet(&mut client).await;
    let (peer, mut next) = (client.peer(), 0);
    service
        .until(&mut [&mut client], |service, clients| {
            while next < 500 && service.push(&peer, next, 1000) {
                next += 1;
            }
            clients[0].pushed.len() == 500 && service.written_to(&peer) == 500
        })
        .await;
    assert!(client.pushed.iter().enumerate().all(|(n, pushed)| *pushed == message(n as u32, 1000)));
    assert!(!service.seen.contains(&PushEvent::StreamLost(peer)));
}

#[tokio::test]
async fn all_messages_to_a_client_go_over_one_stream() {
    let mut service = Service::start().await;
    let expected: Vec<u8> =
        (0..100).flat_map(|n| encode_frame(&encode_filter_push(topic(), &message(n, 100)))).collect();
    let mut outsider = Outsider::receiving(protocol_id::FILTER_PUSH, expected.len());
    let (peer, address) = (outsider.peer(), address_of(&service.network));
    let received = async {
        outsider.connect(&address).await;
        outsider.received().await
    };
    futures::pin_mut!(received);
    let mut next = 0;
    let all = poll_fn(|cx| {
        while service.network.poll_next_unpin(cx).is_ready() {}
        while next < 100 && service.push(&peer, next, 100) {
            next += 1;
        }
        while service.streams.poll_events(cx).is_ready() {}
        received.as_mut().poll(cx)
    });
    assert_eq!(tokio::time::timeout(LIMIT, all).await.expect("all of it comes"), expected);
}

#[tokio::test]
async fn a_client_that_does_not_read_holds_up_nobody_and_its_outbox_is_bounded() {
    let (mut service, mut other) = (Service::start().await, Client::start(2).await);
    // It reads the first byte of a stream and no more.
    let mut stuck = Outsider::receiving(protocol_id::FILTER_PUSH, 1);
    let (stuck_peer, address) = (stuck.peer(), address_of(&service.network));
    let (opened, mut streams_opened) = tokio::sync::mpsc::channel(8);
    tokio::spawn(async move {
        stuck.connect(&address).await;
        loop {
            opened.send(stuck.received().await).await.expect("the test waits");
        }
    });
    service.meet(&mut other).await;
    let connected = PushEvent::Connected(stuck_peer.clone());
    service.until(&mut [], |service, _| service.seen.contains(&connected)).await;

    let other_peer = other.peer();
    let (mut next, mut taken) = (0, 0);
    service
        .until(&mut [&mut other], |service, clients| {
            while next < 200 && service.push(&other_peer, next, 20 * 1024) {
                taken += usize::from(service.push(&stuck_peer, next, 20 * 1024));
                next += 1;
            }
            clients[0].pushed.len() == 200
        })
        .await;
    // Yamux lets it have 256 KiB, which are twelve of these; the thirteenth is being written.
    let written = service.written_to(&stuck_peer);
    assert_eq!((written, taken - written), (12, 64), "what is not written waits, up to the bound");

    // A reset gives up what waits, and the next push has a stream of its own.
    let mut opened = || streams_opened.try_recv().is_ok();
    service.until(&mut [], |_, _| opened()).await;
    service.streams.reset(&stuck_peer);
    assert!(service.push(&stuck_peer, 1000, 10));
    service.until(&mut [], |_, _| opened()).await;
    assert!(!service.seen.contains(&PushEvent::StreamLost(stuck_peer)));
}

#[tokio::test]
async fn a_client_that_is_not_connected_is_not_pushed_to_and_not_dialled() {
    let (mut service, mut client) = (Service::start().await, Client::start(1).await);
    let peer = client.peer();
    assert!(!service.push(&peer, 0, 10));
    service.meet(&mut client).await;
    assert!(service.push(&peer, 0, 10));
    let own = service.network.local_peer();
    service.until(&mut [&mut client], |service, _| service.written_to(&peer) == 1).await;
    client.network.disconnect(&own);
    let gone = PushEvent::Disconnected(peer.clone());
    service.until(&mut [&mut client], |service, _| service.seen.contains(&gone)).await;
    assert!(!service.push(&peer, 1, 10));
    assert!(!format!("{:?}", service.network).contains("connections: 1"), "{:?}", service.network);
}

#[tokio::test]
async fn a_peer_that_is_no_client_loses_what_is_pushed_and_is_known_not_to_take_it() {
    let mut service = Service::start().await;
    let mut client = Client { network: listening(config(1)).await, pushed: Vec::new(), protocols: None };
    service.meet(&mut client).await;
    let peer = client.peer();
    assert!(service.push(&peer, 0, 10));
    let lost = PushEvent::StreamLost(peer.clone());
    service
        .until(&mut [&mut client], |service, _| {
            service.seen.contains(&lost) && service.streams.is_refused_by(&peer)
        })
        .await;
    assert_eq!(service.written_to(&peer), 0);
}

#[tokio::test]
async fn only_a_client_tells_that_it_takes_pushes() {
    let (mut service, mut client) = (Service::start().await, Client::start(1).await);
    service.meet(&mut client).await;
    let peer = client.peer();
    service.until(&mut [&mut client], |_, clients| clients[0].protocols.is_some()).await;
    let told = |protocols: &[String]| protocols.iter().any(|id| id == protocol_id::FILTER_PUSH);
    assert!(!told(&client.protocols.take().expect("told")), "the service takes none");
    assert!(!service.streams.is_refused_by(&peer));
}

#[tokio::test]
async fn bytes_that_are_no_push_end_their_stream_and_others_still_come() {
    let mut client = Client::start(1).await;
    let address = address_of(&client.network);
    let mut outsider = Outsider::new(protocol_id::FILTER_PUSH);
    let good = encode_frame(&encode_filter_push(topic(), &message(7, 10))).to_vec();
    let too_long = {
        let mut prefix = encode_frame(&vec![0; FILTER_PUSH_MAX_FRAME + 1]).to_vec();
        prefix.truncate(4);
        prefix
    };
    // Each stream begins with a push, so the node is seen to read it.
    let said =
        say_all(&mut outsider, &address, [vec![3, 1, 2, 3], too_long, vec![0xff; 12], Vec::new()], &good);
    futures::pin_mut!(said);
    let all = poll_fn(|cx| {
        client.poll(cx);
        said.as_mut().poll(cx)
    });
    tokio::time::timeout(LIMIT, all).await.expect("every stream ends");
    assert_eq!(client.pushed, vec![message(7, 10); 4]);
}

/// Opens a stream for each of `endings`, says a push and that, and waits until it has ended.
async fn say_all(outsider: &mut Outsider, to: &PeerAddress, endings: [Vec<u8>; 4], good: &[u8]) {
    outsider.connect(to).await;
    for ending in endings {
        let answer = outsider.say([good, &ending].concat()).await;
        assert!(answer.is_err() || answer.is_ok_and(|bytes| bytes.is_empty()), "nothing is answered");
    }
}
