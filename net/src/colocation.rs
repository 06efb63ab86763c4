//! How many connections one IP address may have, decided before a handshake costs anything.
//!
//! Handshakes count while they are under way, so that one address cannot fill the places for all of
//! them either. Connections this node has dialled count too, but no dial is refused: whom to dial is
//! the node's own choice.

use std::{
    collections::HashMap,
    convert::Infallible,
    net::{IpAddr, Ipv6Addr},
    num::NonZeroU32,
    task::{Context, Poll},
};

use libp2p::{
    Multiaddr, PeerId,
    core::{Endpoint, transport::PortUse},
    multiaddr::Protocol,
    swarm::{
        ConnectionDenied, ConnectionId, FromSwarm, NetworkBehaviour, THandler, THandlerInEvent,
        THandlerOutEvent, ToSwarm, dummy,
    },
};

use crate::address::is_relayed;

/// How many connections one IP address may have.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Colocation {
    /// The most; an IPv6 address counts as its /64, which is what one customer gets at least.
    pub limit: NonZeroU32,
    /// Whether this machine's own addresses are counted too. A proxy in front of the node dials from
    /// one of these for everybody.
    pub loopback: bool,
}

/// Refuses connections from an address that has enough of them.
pub(crate) struct ColocationLimit {
    rule: Option<Colocation>,
    /// Where each connection comes from, handshakes included. As many as `behaviour` allows of both.
    places: HashMap<ConnectionId, IpAddr>,
    /// The same, counted; no entry is 0.
    counts: HashMap<IpAddr, u32>,
}

/// Why a connection was refused.
#[derive(Debug, thiserror::Error)]
#[error("there are {limit} connections with this IP address already")]
pub(crate) struct Refused {
    limit: NonZeroU32,
}

impl ColocationLimit {
    pub(crate) fn new(rule: Option<Colocation>) -> Self {
        Self { rule, places: HashMap::new(), counts: HashMap::new() }
    }

    fn enter(&mut self, id: ConnectionId, remote: &Multiaddr) {
        let Some(place) = self.rule.and_then(|rule| rule.place_of(remote)) else { return };
        if self.places.insert(id, place).is_none() {
            *self.counts.entry(place).or_default() += 1;
        }
    }

    fn leave(&mut self, id: ConnectionId) {
        let Some(place) = self.places.remove(&id) else { return };
        if let Some(count) = self.counts.get_mut(&place) {
            *count -= 1;
            if *count == 0 {
                self.counts.remove(&place);
            }
        }
    }
}

impl Colocation {
    /// The address a connection counts for, if it counts.
    fn place_of(self, remote: &Multiaddr) -> Option<IpAddr> {
        // The address of a peer behind a circuit relay is the relay's.
        if is_relayed(remote) {
            return None;
        }
        let ip = match remote.iter().next()? {
            Protocol::Ip4(ip) => IpAddr::V4(ip),
            Protocol::Ip6(ip) => IpAddr::V6(ip).to_canonical(),
            _ => return None,
        };
        if ip.is_loopback() && !self.loopback {
            return None;
        }
        Some(match ip {
            IpAddr::V4(_) => ip,
            IpAddr::V6(ip) => Ipv6Addr::from_bits(ip.to_bits() >> 64 << 64).into(),
        })
    }
}

impl NetworkBehaviour for ColocationLimit {
    type ConnectionHandler = dummy::ConnectionHandler;
    type ToSwarm = Infallible;

    fn handle_pending_inbound_connection(
        &mut self,
        id: ConnectionId,
        _: &Multiaddr,
        remote: &Multiaddr,
    ) -> Result<(), ConnectionDenied> {
        let Some(Colocation { limit, .. }) = self.rule else { return Ok(()) };
        let place = self.rule.and_then(|rule| rule.place_of(remote));
        let count = place.and_then(|place| self.counts.get(&place)).copied().unwrap_or(0);
        if count >= limit.get() {
            return Err(ConnectionDenied::new(Refused { limit }));
        }
        self.enter(id, remote);
        Ok(())
    }

    fn handle_established_inbound_connection(
        &mut self,
        _: ConnectionId,
        _: PeerId,
        _: &Multiaddr,
        _: &Multiaddr,
    ) -> Result<THandler<Self>, ConnectionDenied> {
        Ok(dummy::ConnectionHandler)
    }

    fn handle_established_outbound_connection(
        &mut self,
        _: ConnectionId,
        _: PeerId,
        _: &Multiaddr,
        _: Endpoint,
        _: PortUse,
    ) -> Result<THandler<Self>, ConnectionDenied> {
        Ok(dummy::ConnectionHandler)
    }

    fn on_swarm_event(&mut self, event: FromSwarm<'_>) {
        match event {
            // An inbound one is counted already.
            FromSwarm::ConnectionEstablished(new) if new.endpoint.is_dialer() => {
                self.enter(new.connection_id, new.endpoint.get_remote_address());
            }
            FromSwarm::ConnectionClosed(closed) => self.leave(closed.connection_id),
            FromSwarm::ListenFailure(failed) => self.leave(failed.connection_id),
            _ => {}
        }
    }

    fn on_connection_handler_event(&mut self, _: PeerId, _: ConnectionId, event: THandlerOutEvent<Self>) {
        match event {}
    }

    fn poll(&mut self, _: &mut Context<'_>) -> Poll<ToSwarm<Infallible, THandlerInEvent<Self>>> {
        Poll::Pending
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const TWO: NonZeroU32 = NonZeroU32::new(2).expect("not zero");

    fn address(text: &str) -> Multiaddr {
        text.parse().expect("a multiaddr")
    }

    fn place(text: &str) -> Option<String> {
        let rule = Colocation { limit: TWO, loopback: false };
        rule.place_of(&address(text)).map(|place| place.to_string())
    }

    #[test]
    fn an_address_counts_for_itself_or_its_network() {
        assert_eq!(place("/ip4/192.0.2.1/tcp/1/ws").as_deref(), Some("192.0.2.1"));
        assert_eq!(place("/ip6/2001:db8:1:2:3:4:5:6/tcp/1").as_deref(), Some("2001:db8:1:2::"));
        assert_eq!(place("/ip6/::ffff:192.0.2.1/tcp/1").as_deref(), Some("192.0.2.1"));
    }

    #[test]
    fn relays_names_and_this_machine_do_not_count() {
        let relayed = format!("/ip4/192.0.2.1/tcp/1/p2p/{}/p2p-circuit", PeerId::random());
        for text in [&relayed, "/dns4/a.example/tcp/1", "/ip4/127.0.0.2/tcp/1", "/ip6/::1/tcp/1"] {
            assert_eq!(place(text), None, "{text}");
        }
        let all = Colocation { limit: TWO, loopback: true };
        assert_eq!(all.place_of(&address("/ip4/127.0.0.2/tcp/1")), Some([127, 0, 0, 2].into()));
    }

    #[test]
    fn a_place_is_free_again_when_a_handshake_fails_or_a_connection_ends() {
        let mut limit = ColocationLimit::new(Some(Colocation { limit: TWO, loopback: false }));
        let (here, there) = (address("/ip4/192.0.2.1/tcp/1"), address("/ip4/192.0.2.2/tcp/1"));
        let knock = |limit: &mut ColocationLimit, id, remote| {
            let id = ConnectionId::new_unchecked(id);
            limit.handle_pending_inbound_connection(id, &here, remote).is_ok()
        };
        let origin = address("/ip4/192.0.2.1/tcp/9");
        assert!(knock(&mut limit, 1, &origin) && knock(&mut limit, 2, &origin));
        assert!(!knock(&mut limit, 3, &origin) && knock(&mut limit, 4, &there));
        limit.leave(ConnectionId::new_unchecked(3));
        assert!(!knock(&mut limit, 5, &origin), "one that was refused has taken no place");
        limit.leave(ConnectionId::new_unchecked(1));
        assert!(knock(&mut limit, 6, &origin));
        for id in 1..7 {
            limit.leave(ConnectionId::new_unchecked(id));
        }
        assert!(limit.places.is_empty() && limit.counts.is_empty());
    }
}
