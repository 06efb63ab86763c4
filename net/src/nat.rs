//! Nodes that cannot be dialled: relaying for them, being one of them, and finding out.
//!
//! ```text
//!  relay    (circuit relay v2, server)   keeps places for others and joins two connections, for a while
//!  client   (circuit relay v2, client)   takes a place at a relay it has dialled; dials others at theirs
//!  punch    (DCUtR)                      turns a connection through a relay into a direct one
//!  reach    (AutoNAT v1)                 asks peers to dial back, and does the same for them
//! ```
//!
//! All of it is off unless [`Nat`] says so. A relay sees nothing but what Noise has encrypted.

use std::{num::NonZeroU16, time::Duration};

use libp2p::{
    Multiaddr, PeerId, autonat, dcutr, relay,
    swarm::{FromSwarm, NetworkBehaviour, NewExternalAddrCandidate, behaviour::toggle::Toggle},
};

/// What the node does about NAT; nothing by default.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Nat {
    /// How many peers can be reached through this node at a time; `None` when it relays for nobody.
    pub relay_slots: Option<NonZeroU16>,
    /// Whether to be reachable through peers that relay, and to reach others that are.
    pub relay_client: bool,
    /// Whether to find out if others can dial this node, and to help others find out.
    pub autonat: Option<Autonat>,
}

/// How a node finds out whether it can be dialled.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Autonat {
    /// How long after its start it asks first: once it has peers and knows its addresses.
    pub first_after: Duration,
    /// Whether addresses of private networks are left out, on both sides. With them a node could be
    /// made to dial machines of its operator.
    pub public_only: bool,
}

impl Default for Autonat {
    fn default() -> Self {
        Self { first_after: Duration::from_secs(15), public_only: true }
    }
}

/// Connections through this node that one peer may have, either way. It needs one, and one more when
/// that breaks.
const CIRCUITS_PER_PEER: usize = 2;

/// How long a connection through this node lasts, and what it carries: the suggestion of the
/// specification, which is enough to agree on a direct one and no more.
const CIRCUIT_LIFE: Duration = Duration::from_secs(120);
const CIRCUIT_BYTES: u64 = 128 * 1024;

/// Dials for others in [`HELP_PERIOD`], all together and for one of them; each tries a few addresses.
const HELPED: usize = 30;
const HELPED_EACH: usize = 3;
const HELP_ADDRESSES: usize = 4;
const HELP_PERIOD: Duration = Duration::from_secs(60);

/// How long dialling back may take, as any dial.
const HELP_TIMEOUT: Duration = Duration::from_secs(15);

/// Relays to be reachable through. One may go; more would cost others places.
pub(crate) const RELAYS: usize = 2;

#[derive(NetworkBehaviour)]
pub(crate) struct Behaviour {
    relay: Toggle<relay::Behaviour>,
    client: Toggle<relay::client::Behaviour>,
    punch: Toggle<dcutr::Behaviour>,
    reach: Toggle<autonat::v1::Behaviour>,
}

impl Behaviour {
    /// `client` comes with the transport through relays, if that is there.
    pub(crate) fn new(local: PeerId, nat: Nat, client: Option<relay::client::Behaviour>) -> Self {
        Self {
            relay: nat.relay_slots.map(|slots| relay(local, slots)).into(),
            punch: client.as_ref().map(|_| dcutr::Behaviour::new(local)).into(),
            client: client.into(),
            reach: nat.autonat.map(|autonat| reach(local, autonat)).into(),
        }
    }

    /// Others are told of this address. Who wants a direct connection dials it too: libp2p's identify
    /// suggests only those that nobody has confirmed.
    pub(crate) fn told(&mut self, addr: &Multiaddr) {
        if let Some(punch) = self.punch.as_mut() {
            punch.on_swarm_event(FromSwarm::NewExternalAddrCandidate(NewExternalAddrCandidate { addr }));
        }
    }
}

fn relay(local: PeerId, slots: NonZeroU16) -> relay::Behaviour {
    let slots = usize::from(slots.get());
    let mut relay = relay::Behaviour::new(
        local,
        relay::Config {
            max_reservations: slots,
            max_reservations_per_peer: 1,
            max_circuits: slots,
            max_circuits_per_peer: CIRCUITS_PER_PEER,
            max_circuit_duration: CIRCUIT_LIFE,
            max_circuit_bytes: CIRCUIT_BYTES,
            // An hour for a place, and 30 requests of a peer in two minutes.
            ..relay::Config::default()
        },
    );
    // Otherwise it waits until the node is known to be reachable; an operator who asks for it knows.
    relay.set_status(Some(relay::Status::Enable));
    relay
}

fn reach(local: PeerId, Autonat { first_after, public_only }: Autonat) -> autonat::v1::Behaviour {
    autonat::v1::Behaviour::new(
        local,
        autonat::v1::Config {
            boot_delay: first_after,
            only_global_ips: public_only,
            timeout: HELP_TIMEOUT,
            max_peer_addresses: HELP_ADDRESSES,
            throttle_clients_global_max: HELPED,
            throttle_clients_peer_max: HELPED_EACH,
            throttle_clients_period: HELP_PERIOD,
            ..autonat::v1::Config::default()
        },
    )
}
