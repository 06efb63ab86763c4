//! Asking the archives of other nodes.
//!
//! No actor: the network actor correlates questions and answers, and the rest is waiting. Answers are checked
//! ([`check_page`]) before anybody sees them.

use std::time::Duration;

use weir_core::{
    PeerAddress,
    store::{Page, Query},
};
use weir_net::Service;
use weir_protocols::store::{STATUS_OK, TOO_MANY_REQUESTS, check_page};
use weir_wire::{StoreResponse, encode_store_request};

use crate::service_client::{AskFailure, ServiceClient, WhenBusy, request_id};

/// A local client waits this long for one peer (nwaku: 5 s).
pub(crate) const PATIENCE: Duration = Duration::from_secs(5);

/// Peers asked for one query, until one answers (as nwaku).
const MAX_PEERS: usize = 5;

/// Queries under way at one time: an answer has up to 16 MiB.
pub(crate) const MAX_QUERIES: usize = 8;

/// The archives of other nodes.
#[derive(Debug, Clone)]
pub struct StoreHandle(ServiceClient);

/// A page and how it was asked for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StoreAnswer {
    /// The name of the request on the wire.
    pub request_id: String,
    /// What the peer found.
    pub page: Page,
}

/// Why there is no page.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum StoreQueryError {
    /// No peer was named and none is known.
    #[error("no store peer is known; name one with --storenode")]
    NoPeer,
    /// No answer in time.
    #[error("no answer in time")]
    Timeout,
    /// The peer has had enough, or this node asks too much at a time.
    #[error("too many requests")]
    RateLimited,
    /// The peer refused what was asked.
    #[error("{0}")]
    Refused(String),
    /// The peer cannot be reached, or what it answered is no answer.
    #[error("{0}")]
    Failed(String),
}

impl StoreQueryError {
    /// Whether another peer may do better.
    const fn is_of_the_peer(&self) -> bool {
        match self {
            Self::Timeout | Self::RateLimited | Self::Failed(_) => true,
            Self::NoPeer | Self::Refused(_) => false,
        }
    }
}

impl StoreHandle {
    pub(crate) const fn new(client: ServiceClient) -> Self {
        Self(client)
    }

    /// Asks `peer`, or one of the known store peers after the other until one answers.
    pub async fn query(
        &self,
        peer: Option<PeerAddress>,
        query: Query,
    ) -> Result<StoreAnswer, StoreQueryError> {
        let peers = match peer {
            Some(peer) => vec![peer],
            None => self.store_peers().await,
        };
        let mut outcome = Err(StoreQueryError::NoPeer);
        for peer in peers.into_iter().take(MAX_PEERS) {
            outcome = self.ask(peer, query.clone(), PATIENCE).await;
            if !outcome.as_ref().is_err_and(StoreQueryError::is_of_the_peer) {
                break;
            }
        }
        outcome
    }

    /// The store peers: those the operator names, then those that are connected and say so.
    pub async fn store_peers(&self) -> Vec<PeerAddress> {
        let others = self.0.others(Service::Store).await;
        self.0.named().iter().cloned().chain(others).collect()
    }

    /// Asks one peer.
    pub(crate) async fn ask(
        &self,
        peer: PeerAddress,
        query: Query,
        patience: Duration,
    ) -> Result<StoreAnswer, StoreQueryError> {
        let request_id = request_id();
        let question = encode_store_request(&request_id, &query);
        let body = self.0.ask(peer, Service::Store, &question, WhenBusy::Refuse, patience).await?;
        let response = StoreResponse::decode(&body)
            .map_err(|error| StoreQueryError::Failed(format!("the peer's answer cannot be read: {error}")))?;
        page_of(&query, response).map(|page| StoreAnswer { request_id, page })
    }
}

impl From<AskFailure> for StoreQueryError {
    fn from(failure: AskFailure) -> Self {
        match failure {
            AskFailure::Busy => Self::RateLimited,
            AskFailure::Timeout => Self::Timeout,
            AskFailure::Failed(why) => Self::Failed(why),
        }
    }
}

fn page_of(query: &Query, response: StoreResponse) -> Result<Page, StoreQueryError> {
    let StoreResponse { status, description, page, .. } = response;
    match status {
        STATUS_OK => {
            let failed = |fault| StoreQueryError::Failed(format!("the peer's answer is none: {fault}"));
            check_page(query, &page).map_err(failed)?;
            Ok(page)
        }
        TOO_MANY_REQUESTS => Err(StoreQueryError::RateLimited),
        // What cannot be asked cannot be asked of others either; an archive out of order is its peer's.
        300 | 400 => Err(StoreQueryError::Refused(description)),
        _ => Err(StoreQueryError::Failed(format!("status {status}: {description}"))),
    }
}

#[cfg(test)]
mod tests {
    use weir_core::{MessageHash, store::Row};

    use super::*;

    fn response(status: u32, page: Page) -> StoreResponse {
        StoreResponse { request_id: "id".to_owned(), status, description: "why".to_owned(), page }
    }

    #[test]
    fn each_status_has_its_outcome() {
        let query = Query::default();
        let none = Page::default();
        assert_eq!(page_of(&query, response(200, none.clone())), Ok(none.clone()));
        for (status, expected) in [
            (429, StoreQueryError::RateLimited),
            (300, StoreQueryError::Refused("why".to_owned())),
            (400, StoreQueryError::Refused("why".to_owned())),
            (503, StoreQueryError::Failed("status 503: why".to_owned())),
            (0, StoreQueryError::Failed("status 0: why".to_owned())),
        ] {
            assert_eq!(page_of(&query, response(status, none.clone())), Err(expected));
        }
    }

    #[test]
    fn a_page_that_is_no_answer_is_nobodys() {
        let row = Row { hash: MessageHash::from_bytes([7; 32]), data: None };
        let page = Page { rows: vec![row.clone(), row], cursor: None };
        let failed = page_of(&Query::default(), response(200, page));
        assert!(matches!(failed, Err(StoreQueryError::Failed(why)) if why.contains("out of order")));
    }
}
