//! A peer made of bare libp2p that can say what a node never would.

use std::{io, time::Duration};

use futures::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt, StreamExt};
use libp2p::{
    Multiaddr, StreamProtocol, Swarm, Transport as _,
    core::{muxing::StreamMuxerBox, transport::Boxed, upgrade::Version},
    gossipsub::{
        self, AllowAllSubscriptionFilter, IdentTopic, IdentityTransform, MessageAuthenticity, ValidationMode,
    },
    identity::Keypair,
    noise,
    request_response::{self, ProtocolSupport},
    swarm::{self, NetworkBehaviour, SwarmEvent, dial_opts::DialOpts},
    tcp, yamux,
};
use weir_core::PeerAddress;
use weir_wire::protocol_id;

/// Its gossip frames may be this long, far beyond the network's limit.
pub(crate) const MAX_FRAME: usize = 1024 * 1024;

type Gossipsub = gossipsub::Behaviour<IdentityTransform, AllowAllSubscriptionFilter>;

#[derive(NetworkBehaviour)]
struct Behaviour {
    raw: request_response::Behaviour<Raw>,
    gossipsub: Gossipsub,
}

pub(crate) struct Outsider(Swarm<Behaviour>);

impl Outsider {
    /// One that opens streams of `protocol` and speaks Yamux.
    pub(crate) fn new(protocol: &'static str) -> Self {
        Self::patient(protocol, Duration::from_secs(60))
    }

    /// One that waits for answers no longer than `patience`.
    pub(crate) fn patient(protocol: &'static str, patience: Duration) -> Self {
        let key = Keypair::generate_secp256k1();
        let transport = tcp::tokio::Transport::default()
            .upgrade(Version::V1)
            .authenticate(noise::Config::new(&key).expect("a key"))
            .multiplex(yamux::Config::default())
            .boxed();
        Self::with_transport(protocol, &key, transport, patience)
    }

    /// One that multiplexes with mplex only, as js-waku does.
    pub(crate) fn with_mplex(protocol: &'static str) -> Self {
        let key = Keypair::generate_secp256k1();
        let transport = tcp::tokio::Transport::default()
            .upgrade(Version::V1)
            .authenticate(noise::Config::new(&key).expect("a key"))
            .multiplex(libp2p_mplex::Config::new())
            .boxed();
        Self::with_transport(protocol, &key, transport, Duration::from_secs(60))
    }

    /// One to which streams of `protocol` may be opened; [`Outsider::received`] gives back the first `bytes` bytes
    /// of one.
    pub(crate) fn receiving(protocol: &'static str, bytes: usize) -> Self {
        let key = Keypair::generate_secp256k1();
        let transport = tcp::tokio::Transport::default()
            .upgrade(Version::V1)
            .authenticate(noise::Config::new(&key).expect("a key"))
            .multiplex(yamux::Config::default())
            .boxed();
        Self::with_codec(Raw { bytes: Some(bytes) }, protocol, &key, transport, Duration::from_secs(60))
    }

    fn with_transport(
        protocol: &'static str,
        key: &Keypair,
        transport: Boxed<(libp2p::PeerId, StreamMuxerBox)>,
        patience: Duration,
    ) -> Self {
        Self::with_codec(Raw { bytes: None }, protocol, key, transport, patience)
    }

    fn with_codec(
        codec: Raw,
        protocol: &'static str,
        key: &Keypair,
        transport: Boxed<(libp2p::PeerId, StreamMuxerBox)>,
        patience: Duration,
    ) -> Self {
        let support = if codec.bytes.is_some() { ProtocolSupport::Full } else { ProtocolSupport::Outbound };
        let raw = request_response::Behaviour::with_codec(
            codec,
            [(StreamProtocol::new(protocol), support)],
            request_response::Config::default().with_request_timeout(patience),
        );
        let config = gossipsub::ConfigBuilder::default()
            .protocol_id(protocol_id::RELAY, gossipsub::Version::V1_1)
            .validation_mode(ValidationMode::Anonymous)
            .max_transmit_size(MAX_FRAME)
            .build()
            .expect("parameters");
        let gossipsub = Gossipsub::new(MessageAuthenticity::Anonymous, config).expect("parameters");
        let config = swarm::Config::with_tokio_executor();
        Self(Swarm::new(transport, Behaviour { raw, gossipsub }, key.public().to_peer_id(), config))
    }

    pub(crate) fn subscribe(&mut self, topic: &str) {
        self.0.behaviour_mut().gossipsub.subscribe(&IdentTopic::new(topic)).expect("subscribed");
    }

    pub(crate) fn peer(&self) -> weir_core::PeerId {
        weir_core::PeerId::from_bytes(&self.0.local_peer_id().to_bytes()).expect("a peer id")
    }

    /// Connects, publishes as soon as it knows the other is subscribed, and goes on for ever.
    pub(crate) async fn publish(&mut self, address: &PeerAddress, topic: &str, data: Vec<u8>) {
        self.connect(address).await;
        let topic = IdentTopic::new(topic);
        while self.0.behaviour_mut().gossipsub.publish(topic.clone(), data.clone()).is_err() {
            self.0.select_next_some().await;
        }
        self.run().await;
    }

    pub(crate) async fn connect(&mut self, address: &PeerAddress) {
        let address: Multiaddr = address.as_str().parse().expect("an address");
        self.0.dial(DialOpts::from(address)).expect("dials");
        loop {
            match self.0.select_next_some().await {
                SwarmEvent::ConnectionEstablished { .. } => return,
                SwarmEvent::OutgoingConnectionError { error, .. } => panic!("{error}"),
                _ => {}
            }
        }
    }

    /// Opens a stream, says `bytes`, and gives back all that is answered until the stream ends.
    pub(crate) async fn say(&mut self, bytes: Vec<u8>) -> io::Result<Vec<u8>> {
        let peer = *self.0.connected_peers().next().expect("connected");
        self.0.behaviour_mut().raw.send_request(&peer, bytes);
        loop {
            match self.0.select_next_some().await {
                SwarmEvent::Behaviour(BehaviourEvent::Raw(request_response::Event::Message {
                    message: request_response::Message::Response { response, .. },
                    ..
                })) => return Ok(response),
                SwarmEvent::Behaviour(BehaviourEvent::Raw(request_response::Event::OutboundFailure {
                    error,
                    ..
                })) => return Err(io::Error::other(error)),
                _ => {}
            }
        }
    }

    /// The first bytes of a stream that was opened to it, as many as it was made for.
    pub(crate) async fn received(&mut self) -> Vec<u8> {
        loop {
            if let SwarmEvent::Behaviour(BehaviourEvent::Raw(request_response::Event::Message {
                message: request_response::Message::Request { request, .. },
                ..
            })) = self.0.select_next_some().await
            {
                return request;
            }
        }
    }

    /// Goes on for ever.
    pub(crate) async fn run(&mut self) {
        loop {
            self.0.select_next_some().await;
        }
    }
}

/// Writes the request as it is and reads whatever comes back.
#[derive(Debug, Clone, Copy)]
struct Raw {
    /// Bytes of a request that comes in; everything, if none.
    bytes: Option<usize>,
}

impl request_response::Codec for Raw {
    type Protocol = StreamProtocol;
    type Request = Vec<u8>;
    type Response = Vec<u8>;

    async fn read_request<T: AsyncRead + Unpin + Send>(
        &mut self,
        _: &StreamProtocol,
        io: &mut T,
    ) -> io::Result<Vec<u8>> {
        let Some(bytes) = self.bytes else { return read_all(io).await };
        let mut request = vec![0; bytes];
        io.read_exact(&mut request).await?;
        Ok(request)
    }

    async fn read_response<T: AsyncRead + Unpin + Send>(
        &mut self,
        _: &StreamProtocol,
        io: &mut T,
    ) -> io::Result<Vec<u8>> {
        read_all(io).await
    }

    async fn write_request<T: AsyncWrite + Unpin + Send>(
        &mut self,
        _: &StreamProtocol,
        io: &mut T,
        bytes: Vec<u8>,
    ) -> io::Result<()> {
        io.write_all(&bytes).await
    }

    async fn write_response<T: AsyncWrite + Unpin + Send>(
        &mut self,
        _: &StreamProtocol,
        io: &mut T,
        bytes: Vec<u8>,
    ) -> io::Result<()> {
        io.write_all(&bytes).await
    }
}

async fn read_all<T: AsyncRead + Unpin + Send>(io: &mut T) -> io::Result<Vec<u8>> {
    let mut answer = Vec::new();
    io.read_to_end(&mut answer).await?;
    Ok(answer)
}
