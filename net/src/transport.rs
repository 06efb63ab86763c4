//! TCP, WebSocket and connections through relays, encrypted by Noise, multiplexed by Yamux or mplex;
//! QUIC, which brings both; names by DNS.

use std::time::Duration;

use futures::{AsyncRead, AsyncWrite};
use libp2p::{
    PeerId, Transport,
    core::{
        muxing::StreamMuxerBox,
        transport::{Boxed, OptionalTransport},
        upgrade::{SelectUpgrade, Version},
    },
    dns,
    identity::Keypair,
    noise, quic, relay, tcp, yamux,
};
use libp2p_mplex::{Config as MplexConfig, MaxBufferBehaviour};

use crate::{
    stall::{Stalls, watch},
    websocket::{Tls, WebSocket},
};

/// How long connecting and all handshakes may take together; nwaku's dial timeout. Of an inbound
/// connection it covers those of TLS and WebSocket too, and it counts as pending until then.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);

/// Streams per connection, as nwaku's muxers allow.
const YAMUX_STREAMS: usize = 256;
const MPLEX_STREAMS: usize = 200;
const QUIC_STREAMS: u32 = 256;

/// What a peer may send on a QUIC stream, and on all of a connection together, before it is read. One
/// gossip frame fits; 150 connections hold 300 MiB at most.
const QUIC_STREAM_WINDOW: u32 = 1024 * 1024;
const QUIC_WINDOW: u32 = 2 * 1024 * 1024;

/// TCP that resolves names.
pub(crate) type Tcp = dns::tokio::Transport<tcp::tokio::Transport>;

type Connections = Boxed<(PeerId, StreamMuxerBox)>;

/// What a network is reached over, besides TCP.
pub(crate) struct Ways {
    pub(crate) tls: Tls,
    pub(crate) quic: bool,
    /// Connections through relays.
    pub(crate) circuits: Option<relay::client::Transport>,
}

/// A transport to peers that prove to own the key of their id.
pub(crate) fn build(key: &Keypair, ways: Ways, stalls: Stalls) -> Result<Connections, noise::Error> {
    let noise = noise::Config::new(key)?;
    // Those that tell by an address whether it is theirs come first; what resolves names takes any.
    let circuits =
        upgraded(ways.circuits.map_or_else(OptionalTransport::none, OptionalTransport::some), &noise);
    let websocket = upgraded(WebSocket::new(resolving(plain_tcp), ways.tls), &noise);
    let named = resolving(|| {
        let quic = ways.quic.then(|| quic::tokio::Transport::new(quic_config(key)));
        quic.map_or_else(OptionalTransport::none, OptionalTransport::some)
            .map(|(peer, connection), _| (peer, StreamMuxerBox::new(connection)))
            .or_transport(upgraded(plain_tcp(), &noise))
            .map(|way, _| way.into_inner())
            .boxed()
    });
    Ok(circuits
        .or_transport(websocket)
        .map(|way, _| way.into_inner())
        .or_transport(named)
        .map(move |way, _| {
            let (peer, muxer) = way.into_inner();
            (peer, watch(muxer, stalls.of(peer)))
        })
        .boxed())
}

/// Noise and a muxer on a stream of bytes. Yamux is offered first; js-waku speaks mplex only.
fn upgraded<T>(streams: T, noise: &noise::Config) -> Connections
where
    T: Transport<
            Output: AsyncRead + AsyncWrite + Send + Unpin + 'static,
            Error: Send + Sync + 'static,
            Dial: Send + 'static,
            ListenerUpgrade: Send + 'static,
        > + Send
        + Unpin
        + 'static,
{
    let mut yamux = yamux::Config::default();
    yamux.set_max_num_streams(YAMUX_STREAMS);
    streams
        .upgrade(Version::V1Lazy)
        .authenticate(noise.clone())
        .multiplex(SelectUpgrade::new(yamux, mplex()))
        .timeout(CONNECT_TIMEOUT)
        .boxed()
}

fn quic_config(key: &Keypair) -> quic::Config {
    let mut config = quic::Config::new(key);
    config.handshake_timeout = CONNECT_TIMEOUT;
    config.max_concurrent_stream_limit = QUIC_STREAMS;
    config.max_stream_data = QUIC_STREAM_WINDOW;
    config.max_connection_data = QUIC_WINDOW;
    config
}

/// mplex has no flow control, so a stream that is not read fills its buffer, and then either it is
/// reset or the connection waits.
///
/// It waits: a reset would lose gossip, and a response in the middle. That is safe as long as every
/// stream of this node is read or dropped in bounded time, whatever else it waits for. Pings are what
/// suffers first, and js-libp2p drops a connection whose ping takes 5 s. A buffer holds 32 frames of
/// up to 1 MiB that one peer sent, and that peer alone pays for it.
fn mplex() -> MplexConfig {
    let mut mplex = MplexConfig::new();
    mplex.set_max_num_streams(MPLEX_STREAMS).set_max_buffer_behaviour(MaxBufferBehaviour::Block);
    mplex
}

fn plain_tcp() -> tcp::tokio::Transport {
    tcp::tokio::Transport::new(tcp::Config::default().nodelay(true))
}

/// A transport that resolves names as the host is set up to, or with the resolver's defaults when the
/// host has no setting; a node that dials addresses only must not fail for want of one.
fn resolving<T>(make: impl Fn() -> T) -> dns::tokio::Transport<T> {
    dns::tokio::Transport::system(make()).unwrap_or_else(|error| {
        tracing::warn!(%error, "cannot read the host's name resolution settings, using defaults");
        dns::tokio::Transport::custom(make(), dns::ResolverConfig::default(), dns::ResolverOpts::default())
    })
}
