//! TCP and WebSocket with DNS, encrypted by Noise, multiplexed by Yamux or mplex.

use std::time::Duration;

use libp2p::{
    PeerId, Transport as _,
    core::{
        muxing::StreamMuxerBox,
        transport::Boxed,
        upgrade::{SelectUpgrade, Version},
    },
    dns,
    identity::Keypair,
    noise, tcp, yamux,
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

/// TCP that resolves names.
pub(crate) type Tcp = dns::tokio::Transport<tcp::tokio::Transport>;

/// A transport to peers that prove to own the key of their id.
///
/// Yamux is offered first; js-waku speaks mplex only.
pub(crate) fn build(
    key: &Keypair,
    tls: Tls,
    stalls: Stalls,
) -> Result<Boxed<(PeerId, StreamMuxerBox)>, noise::Error> {
    let mut yamux = yamux::Config::default();
    yamux.set_max_num_streams(YAMUX_STREAMS);

    // WebSocket first, as TCP would resolve the name of an address before it finds the rest strange.
    Ok(WebSocket::new(resolving(), tls)
        .or_transport(resolving())
        .upgrade(Version::V1Lazy)
        .authenticate(noise::Config::new(key)?)
        .multiplex(SelectUpgrade::new(yamux, mplex()))
        .timeout(CONNECT_TIMEOUT)
        .boxed()
        .map(move |(peer, muxer), _| (peer, watch(muxer, stalls.of(peer))))
        .boxed())
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

/// TCP that resolves names as the host is set up to, or with the resolver's defaults when the
/// host has no setting; a node that dials addresses only must not fail for want of one.
fn resolving() -> Tcp {
    let tcp = || tcp::tokio::Transport::new(tcp::Config::default().nodelay(true));
    dns::tokio::Transport::system(tcp()).unwrap_or_else(|error| {
        tracing::warn!(%error, "cannot read the host's name resolution settings, using defaults");
        dns::tokio::Transport::custom(tcp(), dns::ResolverConfig::default(), dns::ResolverOpts::default())
    })
}
