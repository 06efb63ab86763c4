//! Asking other nodes for services: who can be asked, and one question to one of them.
//!
//! No actor: the network actor correlates questions and answers, and the rest is waiting.

use std::{sync::Arc, time::Duration};

use bytes::Bytes;
use rand::{RngCore, rngs::OsRng};
use tokio::{sync::Semaphore, time::timeout};
use weir_core::PeerAddress;
use weir_net::{Frame, RequestError, Service};
use weir_protocols::peer_manager::{Connectedness, PeerInfo};

use crate::{
    handles::PeersHandle,
    network::NetworkActor,
    service::AskPeer,
    supervision::{AskError, Handle},
};

/// Asks for one service.
#[derive(Debug, Clone)]
pub(crate) struct ServiceClient {
    network: Handle<NetworkActor>,
    peers: PeersHandle,
    /// Those the operator names, asked first.
    named: Arc<[PeerAddress]>,
    turns: Arc<Semaphore>,
}

/// Why a question has no answer.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(crate) enum AskFailure {
    /// As many questions are under way as may.
    #[error("too many requests")]
    Busy,
    /// No answer in time.
    #[error("no answer in time")]
    Timeout,
    /// The peer cannot be reached, or does not serve.
    #[error("{0}")]
    Failed(String),
}

/// What to do while as many questions are under way as may.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum WhenBusy {
    Refuse,
    Wait,
}

impl ServiceClient {
    /// At most `at_once` questions are under way.
    pub(crate) fn new(
        network: Handle<NetworkActor>,
        peers: PeersHandle,
        named: Vec<PeerAddress>,
        at_once: usize,
    ) -> Self {
        Self { network, peers, named: named.into(), turns: Arc::new(Semaphore::new(at_once)) }
    }

    /// The peers that the operator names.
    pub(crate) fn named(&self) -> &[PeerAddress] {
        &self.named
    }

    /// Peers that are connected and say that they serve `service`, without those that the operator names; not
    /// always the same one first.
    pub(crate) async fn others(&self, service: Service) -> Vec<PeerAddress> {
        let known = self.peers.all().await.unwrap_or_default();
        let serves = |info: &PeerInfo| {
            info.connectedness == Connectedness::Connected
                && info.protocols.iter().any(|protocol| protocol == service.protocol())
        };
        let mut others: Vec<PeerAddress> = known
            .into_iter()
            .filter(|info| serves(info))
            .map(|info| info.address)
            .filter(|address| !self.named.iter().any(|named| named.peer() == address.peer()))
            .collect();
        if !others.is_empty() {
            let first = OsRng.next_u32() as usize % others.len();
            others.rotate_left(first);
        }
        others
    }

    /// Asks one peer. The body of the answer comes as it is, to be decoded by the caller and not in the
    /// network's task.
    pub(crate) async fn ask(
        &self,
        peer: PeerAddress,
        service: Service,
        question: &[u8],
        when_busy: WhenBusy,
        patience: Duration,
    ) -> Result<Bytes, AskFailure> {
        let _turn = match when_busy {
            WhenBusy::Refuse => self.turns.try_acquire().map_err(|_| AskFailure::Busy)?,
            WhenBusy::Wait => match timeout(patience, self.turns.acquire()).await {
                Ok(turn) => turn.map_err(|_| AskFailure::Busy)?,
                Err(_) => return Err(AskFailure::Busy),
            },
        };
        let question = Frame::new(question);
        let asked = self.network.ask(patience, |reply| AskPeer { peer, service, question, reply }).await;
        match asked {
            Ok(Ok(body)) => Ok(body),
            Ok(Err(RequestError::Timeout)) | Err(AskError::Timeout) => Err(AskFailure::Timeout),
            Ok(Err(error)) => Err(AskFailure::Failed(error.to_string())),
            Err(AskError::Busy) => Err(AskFailure::Busy),
            Err(error @ AskError::Down) => Err(AskFailure::Failed(error.to_string())),
        }
    }
}

/// As live nodes name their requests: 10 random bytes in hex.
pub(crate) fn request_id() -> String {
    let mut bytes = [0; 10];
    OsRng.fill_bytes(&mut bytes);
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn request_ids_are_ten_bytes_in_hex_and_never_the_same() {
        assert_eq!(request_id().len(), 20);
        assert_ne!(request_id(), request_id());
    }
}
