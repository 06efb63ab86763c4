//! One connection per peer, also when two nodes dial each other at the same moment.
//!
//! Each then sees its own connection first; if each refused the second one, both would be lost,
//! and again at the next attempt. So the two agree: the connection the peer with the smaller id
//! has dialled stays.
//!
//! ```text
//!                         smaller id                         larger id
//!  inbound arrives        refuse while own dial is young     take; own dial fails later, or the
//!                                                            own connection, if the peer has not
//!                                                            answered on it yet, is closed
//! ```
//!
//! A connection through a relay gives way to a direct one, whoever made it. And where peers dial back to
//! tell whether they can (AutoNAT), a second connection is made, and closed as soon as it is there.
//!
//! That the own connection may be replaced only before the peer has answered on it matters to
//! gossipsub, which tells its subscriptions once per peer: until then they are still in its queue.

use std::{
    collections::{HashMap, HashSet, VecDeque},
    convert::Infallible,
    task::{Context, Poll},
    time::Duration,
};

use libp2p::{
    Multiaddr, PeerId,
    core::{ConnectedPoint, Endpoint, transport::PortUse},
    swarm::{
        CloseConnection, ConnectionDenied, ConnectionId, FromSwarm, NetworkBehaviour, THandler,
        THandlerInEvent, THandlerOutEvent, ToSwarm, dummy,
    },
};
use tokio::time::Instant;

use crate::address::is_relayed;

/// A dial that takes longer has probably failed, and the peer's own is the better chance.
const YOUNG: Duration = Duration::from_secs(3);

/// Refuses a second connection, or closes the first for it.
pub(crate) struct SingleConnection {
    local: PeerId,
    /// Whether a second connection is made before it is closed.
    dials_back: bool,
    /// Those to be closed as soon as they are there; bounded as dials and handshakes are.
    brief: HashSet<ConnectionId>,
    /// Dials under way; bounded by the limit for pending connections.
    dials: HashMap<ConnectionId, Dial>,
    /// Connections there are, in the order in which they came; at most three per peer.
    established: HashMap<PeerId, Vec<Established>>,
    surplus: VecDeque<(PeerId, ConnectionId)>,
}

struct Dial {
    peer: PeerId,
    since: Instant,
}

struct Established {
    id: ConnectionId,
    origin: Origin,
}

/// How a connection that is there came to be.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Origin {
    Inbound,
    /// Through a relay, either way.
    Relayed,
    /// Dialled, and the peer has answered on it.
    Answered,
    /// Dialled, and nothing was heard yet.
    Unanswered,
}

/// What to do with a connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Decision {
    Take,
    TakeInstead,
    Refuse,
}

/// Why a second connection was refused.
#[derive(Debug, thiserror::Error)]
#[error("there is a connection to this peer already")]
pub(crate) struct Refused;

impl SingleConnection {
    /// `dials_back`: whether peers may dial each other a second time to tell that they can.
    pub(crate) fn new(local: PeerId, dials_back: bool) -> Self {
        Self {
            local,
            dials_back,
            brief: HashSet::new(),
            dials: HashMap::new(),
            established: HashMap::new(),
            surplus: VecDeque::new(),
        }
    }

    /// The peer has answered on a connection.
    pub(crate) fn answered(&mut self, peer: &PeerId, connection: ConnectionId) {
        let found = self.established.get_mut(peer).into_iter().flatten().find(|known| known.id == connection);
        if let Some(known) = found.filter(|known| known.origin == Origin::Unanswered) {
            known.origin = Origin::Answered;
        }
    }

    fn decide_on_inbound(&self, peer: PeerId, relayed: bool, now: Instant) -> Decision {
        let young = |dial: &Dial| dial.peer == peer && now.duration_since(dial.since) < YOUNG;
        match self.existing(peer) {
            Some(Origin::Relayed) if !relayed => Decision::TakeInstead,
            existing => decide(self.local < peer, self.dials.values().any(young), existing),
        }
    }

    fn decide_on_outbound(&self, peer: PeerId, relayed: bool) -> Decision {
        match self.existing(peer) {
            None => Decision::Take,
            Some(Origin::Relayed) if !relayed => Decision::TakeInstead,
            Some(_) => Decision::Refuse,
        }
    }

    fn existing(&self, peer: PeerId) -> Option<Origin> {
        self.established.get(&peer).and_then(|all| all.first()).map(|first| first.origin)
    }

    /// Does what was decided, as far as it is done before the connection is there.
    fn admit(
        &mut self,
        id: ConnectionId,
        peer: PeerId,
        decision: Decision,
    ) -> Result<dummy::ConnectionHandler, ConnectionDenied> {
        match decision {
            Decision::Take | Decision::TakeInstead => {}
            Decision::Refuse if self.dials_back && self.established.contains_key(&peer) => {
                self.brief.insert(id);
            }
            Decision::Refuse => return Err(ConnectionDenied::new(Refused)),
        }
        Ok(dummy::ConnectionHandler)
    }

    fn forget(&mut self, peer: &PeerId, connection: ConnectionId) {
        if let Some(all) = self.established.get_mut(peer) {
            all.retain(|known| known.id != connection);
            if all.is_empty() {
                self.established.remove(peer);
            }
        }
    }
}

fn decide(smaller: bool, dialling: bool, existing: Option<Origin>) -> Decision {
    match existing {
        None if smaller && dialling => Decision::Refuse,
        None => Decision::Take,
        Some(Origin::Unanswered) if !smaller => Decision::TakeInstead,
        Some(_) => Decision::Refuse,
    }
}

impl NetworkBehaviour for SingleConnection {
    type ConnectionHandler = dummy::ConnectionHandler;
    type ToSwarm = Infallible;

    fn handle_pending_outbound_connection(
        &mut self,
        id: ConnectionId,
        peer: Option<PeerId>,
        _: &[Multiaddr],
        _: Endpoint,
    ) -> Result<Vec<Multiaddr>, ConnectionDenied> {
        if let Some(peer) = peer {
            self.dials.insert(id, Dial { peer, since: Instant::now() });
        }
        Ok(Vec::new())
    }

    fn handle_established_inbound_connection(
        &mut self,
        id: ConnectionId,
        peer: PeerId,
        local: &Multiaddr,
        _: &Multiaddr,
    ) -> Result<THandler<Self>, ConnectionDenied> {
        self.admit(id, peer, self.decide_on_inbound(peer, is_relayed(local), Instant::now()))
    }

    fn handle_established_outbound_connection(
        &mut self,
        id: ConnectionId,
        peer: PeerId,
        address: &Multiaddr,
        _: Endpoint,
        _: PortUse,
    ) -> Result<THandler<Self>, ConnectionDenied> {
        self.admit(id, peer, self.decide_on_outbound(peer, is_relayed(address)))
    }

    fn on_swarm_event(&mut self, event: FromSwarm<'_>) {
        match event {
            FromSwarm::ConnectionEstablished(new) => {
                self.dials.remove(&new.connection_id);
                let origin = match &new.endpoint {
                    _ if new.endpoint.is_relayed() => Origin::Relayed,
                    ConnectedPoint::Dialer { .. } => Origin::Unanswered,
                    ConnectedPoint::Listener { .. } => Origin::Inbound,
                };
                let all = self.established.entry(new.peer_id).or_default();
                if self.brief.remove(&new.connection_id) {
                    self.surplus.push_back((new.peer_id, new.connection_id));
                } else {
                    self.surplus.extend(all.iter().map(|known| (new.peer_id, known.id)));
                }
                all.push(Established { id: new.connection_id, origin });
            }
            FromSwarm::ConnectionClosed(closed) => self.forget(&closed.peer_id, closed.connection_id),
            FromSwarm::DialFailure(failed) => {
                self.dials.remove(&failed.connection_id);
                self.brief.remove(&failed.connection_id);
            }
            FromSwarm::ListenFailure(failed) => {
                self.brief.remove(&failed.connection_id);
            }
            _ => {}
        }
    }

    fn on_connection_handler_event(&mut self, _: PeerId, _: ConnectionId, event: THandlerOutEvent<Self>) {
        match event {}
    }

    fn poll(&mut self, _: &mut Context<'_>) -> Poll<ToSwarm<Infallible, THandlerInEvent<Self>>> {
        self.surplus.pop_front().map_or(Poll::Pending, |(peer_id, id)| {
            Poll::Ready(ToSwarm::CloseConnection { peer_id, connection: CloseConnection::One(id) })
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_two_ends_agree_whichever_connection_each_of_them_sees_first() {
        // The smaller end keeps its own: whether it is under way or there.
        assert_eq!(decide(true, true, None), Decision::Refuse);
        assert_eq!(decide(true, false, Some(Origin::Unanswered)), Decision::Refuse);
        // The larger end takes the other's: whether its own is under way or there.
        assert_eq!(decide(false, true, None), Decision::Take);
        assert_eq!(decide(false, false, Some(Origin::Unanswered)), Decision::TakeInstead);
    }

    #[test]
    fn a_connection_in_use_is_never_replaced() {
        for smaller in [true, false] {
            for existing in [Origin::Inbound, Origin::Answered, Origin::Relayed] {
                assert_eq!(decide(smaller, false, Some(existing)), Decision::Refuse);
            }
        }
    }

    #[test]
    fn a_direct_connection_takes_the_place_of_one_through_a_relay_and_not_the_other_way_round() {
        let peer = PeerId::random();
        for (origin, direct, relayed) in [
            (Origin::Relayed, Decision::TakeInstead, Decision::Refuse),
            (Origin::Inbound, Decision::Refuse, Decision::Refuse),
        ] {
            let mut single = SingleConnection::new(PeerId::random(), false);
            single.established.insert(peer, vec![Established { id: ConnectionId::new_unchecked(1), origin }]);
            assert_eq!(single.decide_on_inbound(peer, false, Instant::now()), direct);
            assert_eq!(single.decide_on_outbound(peer, false), direct);
            assert_eq!(single.decide_on_inbound(peer, true, Instant::now()), relayed);
            assert_eq!(single.decide_on_outbound(peer, true), relayed);
        }
    }

    #[test]
    fn a_dial_that_takes_long_does_not_keep_the_peer_out() {
        let (first, second) = (PeerId::random(), PeerId::random());
        let (local, peer) = (first.min(second), first.max(second));
        let mut single = SingleConnection::new(local, false);
        let id = ConnectionId::new_unchecked(1);
        single.handle_pending_outbound_connection(id, Some(peer), &[], Endpoint::Dialer).expect("allowed");
        let now = single.dials[&id].since;
        assert_eq!(single.decide_on_inbound(peer, false, now), Decision::Refuse);
        assert_eq!(single.decide_on_inbound(peer, false, now + YOUNG), Decision::Take);
    }
}
