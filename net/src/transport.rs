//! TCP with DNS, encrypted by Noise, multiplexed by Yamux or mplex.

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

use crate::stall::{Stalls, watch};

/// How long connecting and the handshakes may take together; nwaku's dial timeout.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);

/// Streams per connection, as nwaku's muxers allow.
const YAMUX_STREAMS: usize = 256;
const MPLEX_STREAMS: usize = 200;

/// A transport to peers that prove to own the key of their id.
///
/// Yamux is offered first; js-waku speaks mplex only.
pub(crate) fn build(key: &Keypair, stalls: Stalls) -> Result<Boxed<(PeerId, StreamMuxerBox)>, noise::Error> {
    let mut yamux = yamux::Config::default();
    yamux.set_max_num_streams(YAMUX_STREAMS);
    let mut mplex = MplexConfig::new();
    // mplex has no flow control: a stream that is read slowly holds up its connection instead of
    // being reset, which would lose gossip.
    mplex.set_max_num_streams(MPLEX_STREAMS).set_max_buffer_behaviour(MaxBufferBehaviour::Block);

    Ok(resolving(tcp::Config::default().nodelay(true))
        .upgrade(Version::V1Lazy)
        .authenticate(noise::Config::new(key)?)
        .multiplex(SelectUpgrade::new(yamux, mplex))
        .timeout(CONNECT_TIMEOUT)
        .boxed()
        .map(move |(peer, muxer), _| (peer, watch(muxer, stalls.of(peer))))
        .boxed())
}

/// TCP that resolves names as the host is set up to, or with the resolver's defaults when the
/// host has no setting; a node that dials addresses only must not fail for want of one.
fn resolving(config: tcp::Config) -> dns::tokio::Transport<tcp::tokio::Transport> {
    let tcp = || tcp::tokio::Transport::new(config.clone());
    dns::tokio::Transport::system(tcp()).unwrap_or_else(|error| {
        tracing::warn!(%error, "cannot read the host's name resolution settings, using defaults");
        dns::tokio::Transport::custom(tcp(), dns::ResolverConfig::default(), dns::ResolverOpts::default())
    })
}
