//! What weir adds to nwaku's API: the quota and the evidence of rate limiting, the state of the archive, and
//! the network.

use std::collections::BTreeMap;

use axum::{extract::State, http::StatusCode};
use serde::Serialize;
use utoipa::ToSchema;

use crate::{
    answer::{Answer, Refusal, json},
    app::Node,
    backend::{Backend, Breach, StoreReport},
    routes::Routes,
};

/// Breaches that are listed; who wants all reads the node's state (`weir rln recover`).
const MOST_LISTED: usize = 100;

pub(crate) fn install<B: Backend>(routes: Routes<B>) -> Routes<B> {
    routes
        .endpoint(__path_quota, quota::<B>)
        .endpoint(__path_evidence, evidence::<B>)
        .endpoint(__path_store, store::<B>)
        .endpoint(__path_network, network::<B>)
}

/// What is left of this epoch's messages.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
struct Quota {
    /// Messages per epoch.
    limit: u32,
    /// Messages of this epoch that are spent.
    used: u32,
    /// The epoch's number.
    epoch: u64,
    /// When the next epoch starts, in nanoseconds since the Unix epoch.
    resets_at: i64,
}

/// Breaches of the rate limit that were seen.
#[derive(Serialize, ToSchema)]
struct Evidence {
    /// How many of them the node can prove; one a member.
    count: u64,
    /// The newest 100, the latest first.
    records: Vec<EvidenceOf>,
}

/// A breach of the rate limit.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
struct EvidenceOf {
    /// The member's identity commitment, 64 hex digits, little-endian.
    commitment: String,
    /// The epoch's number.
    epoch: u64,
    /// When its second message came, in nanoseconds since the Unix epoch.
    seen_at: i64,
}

/// How the node's archive is.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
struct Store {
    /// Messages in the archive.
    messages: u64,
    /// Messages of each shard.
    by_shard: BTreeMap<u16, u64>,
    /// Timestamp of the oldest message, in nanoseconds since the Unix epoch; left out without one.
    #[serde(skip_serializing_if = "Option::is_none")]
    oldest: Option<i64>,
    /// Timestamp of the newest message.
    #[serde(skip_serializing_if = "Option::is_none")]
    newest: Option<i64>,
    /// Bytes the archive takes, indexes and all.
    bytes: u64,
    /// Messages that wait to be written.
    waiting_messages: u64,
    /// Bytes that wait to be written.
    waiting_bytes: u64,
    /// Messages stored since the start.
    stored: u64,
    /// Messages that were lost to the archive since the start.
    dropped: u64,
    /// Why the archive cannot be written or read now; left out when it can.
    #[serde(skip_serializing_if = "Option::is_none")]
    unavailable: Option<String>,
}

/// The network that the node is of: what a client has to be told to find a topic's shard.
#[derive(Serialize, ToSchema)]
struct Network {
    /// The cluster.
    cluster: u16,
    /// Shards among which content topics are spread; left out when they are not.
    #[serde(skip_serializing_if = "Option::is_none")]
    shards: Option<u16>,
}

/// What is left of this epoch's messages
#[utoipa::path(get, path = "/weir/v1/quota", tag = "weir", responses(
    (status = 200, body = Quota),
    (status = 404, body = String, content_type = "text/plain", description = "The node has no membership"),
))]
async fn quota<B: Backend>(State(node): Node<B>) -> Answer {
    let quota = node.backend.quota().await?;
    let quota =
        quota.ok_or_else(|| Refusal::not_found("The node has no RLN membership, so it has no quota"))?;
    json(&Quota {
        limit: quota.limit,
        used: quota.used,
        epoch: quota.epoch,
        resets_at: quota.resets_at.as_nanos(),
    })
}

/// The breaches of the rate limit the node can prove
#[utoipa::path(get, path = "/weir/v1/evidence", tag = "weir", responses(
    (status = 200, body = Evidence),
    (status = 404, body = String, content_type = "text/plain", description = "The node does not rate limit"),
    (status = 500, body = String, content_type = "text/plain", description = "The node's state cannot be read"),
))]
async fn evidence<B: Backend>(State(node): Node<B>) -> Answer {
    let evidence = node.backend.evidence(MOST_LISTED).await.map_err(|reason| {
        let text = format!("The evidence cannot be read: {reason}");
        Refusal::new(StatusCode::INTERNAL_SERVER_ERROR, text)
    })?;
    let evidence = evidence
        .ok_or_else(|| Refusal::not_found("The node does not check RLN proofs, so it has no evidence"))?;
    json(&Evidence {
        count: evidence.count,
        records: evidence.newest.into_iter().map(EvidenceOf::from).collect(),
    })
}

/// How the node's archive is
///
/// What it holds is counted every few seconds.
#[utoipa::path(get, path = "/weir/v1/store", tag = "weir", responses(
    (status = 200, body = Store),
    (status = 404, body = String, content_type = "text/plain", description = "The node has no archive"),
))]
async fn store<B: Backend>(State(node): Node<B>) -> Answer {
    let report = node.backend.store_report()?;
    let report = report.ok_or_else(|| {
        Refusal::not_found("The node keeps no messages. Please check your configuration: --store=true")
    })?;
    json(&Store::from(report))
}

/// The network that the node is of
#[utoipa::path(get, path = "/weir/v1/network", tag = "weir", responses((status = 200, body = Network)))]
async fn network<B: Backend>(State(node): Node<B>) -> Answer {
    json(&Network { cluster: node.config.cluster.0, shards: node.config.shards })
}

impl From<StoreReport> for Store {
    fn from(report: StoreReport) -> Self {
        Self {
            messages: report.messages,
            by_shard: report.by_shard.into_iter().map(|(shard, messages)| (shard.0, messages)).collect(),
            oldest: report.oldest.map(|oldest| oldest.as_nanos()),
            newest: report.newest.map(|newest| newest.as_nanos()),
            bytes: report.bytes,
            waiting_messages: report.waiting_messages,
            waiting_bytes: report.waiting_bytes,
            stored: report.stored,
            dropped: report.dropped,
            unavailable: report.unavailable,
        }
    }
}

impl From<Breach> for EvidenceOf {
    fn from(Breach { commitment, epoch, seen_at }: Breach) -> Self {
        Self { commitment, epoch, seen_at: seen_at.as_nanos() }
    }
}
