//! Health, identity, version, and the OpenAPI document.

use axum::{extract::State, response::Response};
use serde::{Serialize, Serializer, ser::SerializeMap};
use utoipa::ToSchema;
use weir_protocols::health::{self, ProtocolHealth};

use crate::{
    answer::{Answer, json, json_bytes, text},
    app::Node,
    backend::Backend,
    routes::Routes,
};

/// The one path that is answered while the node starts.
pub(crate) const HEALTH: &str = "/health";

pub(crate) fn install<B: Backend>(routes: Routes<B>) -> Routes<B> {
    routes
        .endpoint(__path_health, health::<B>)
        .endpoint(__path_info, info::<B>)
        .endpoint(__path_debug_info, debug_info::<B>)
        .endpoint(__path_version, version::<B>)
        .endpoint(__path_debug_version, debug_version::<B>)
        .endpoint(__path_openapi, openapi::<B>)
}

/// How the node is.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
struct Health {
    /// `INITIALIZING`, `SYNCHRONIZING`, `READY`, `NOT_READY`, `NOT_MOUNTED`, `SHUTTING_DOWN` or
    /// `EVENT_LOOP_LAGGING`.
    node_health: &'static str,
    /// `Connected`, `PartiallyConnected` or `Disconnected`.
    connection_status: &'static str,
    /// An object a protocol: its name and state, and `desc` when there is something to say.
    #[schema(value_type = Vec<std::collections::HashMap<String, String>>)]
    protocols_health: Vec<Protocol>,
}

/// Who and where the node is.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
struct Info {
    /// Multiaddrs, each ending in `/p2p/<id>`.
    listen_addresses: Vec<String>,
    /// The node's ENR, empty while it has none.
    enr_uri: String,
}

struct Protocol(ProtocolHealth);

/// How the node is
#[utoipa::path(get, path = "/health", tag = "node", responses(
    (status = 200, body = Health),
    (status = 500, body = String, content_type = "text/plain", description = "Health check timed out"),
    (status = 503, body = String, content_type = "text/plain", description = "Health check failed"),
))]
async fn health<B: Backend>(State(node): Node<B>) -> Answer {
    json(&Health::from(node.backend.health().await?))
}

/// Who and where the node is
#[utoipa::path(get, path = "/info", tag = "node", responses((status = 200, body = Info)))]
async fn info<B: Backend>(State(node): Node<B>) -> Answer {
    let info = node.backend.info().await?;
    json(&Info { listen_addresses: info.listen_addresses, enr_uri: info.enr_uri })
}

/// As `/info`
#[utoipa::path(get, path = "/debug/v1/info", tag = "node", responses((status = 200, body = Info)))]
async fn debug_info<B: Backend>(node: Node<B>) -> Answer {
    info(node).await
}

/// The node's version
#[utoipa::path(get, path = "/version", tag = "node", responses(
    (status = 200, body = String, content_type = "text/plain"),
))]
async fn version<B: Backend>(State(node): Node<B>) -> Response {
    text(node.config.version.clone())
}

/// As `/version`
#[utoipa::path(get, path = "/debug/v1/version", tag = "node", responses(
    (status = 200, body = String, content_type = "text/plain"),
))]
async fn debug_version<B: Backend>(node: Node<B>) -> Response {
    version(node).await
}

/// This document
#[utoipa::path(get, path = "/openapi.json", tag = "node", responses(
    (status = 200, content_type = "application/json", description = "OpenAPI 3.1"),
))]
async fn openapi<B: Backend>(State(node): Node<B>) -> Response {
    json_bytes(node.document.clone())
}

impl From<health::Report> for Health {
    fn from(report: health::Report) -> Self {
        Self {
            node_health: report.node.into(),
            connection_status: report.connection.into(),
            protocols_health: report.protocols.into_iter().map(Protocol).collect(),
        }
    }
}

impl Serialize for Protocol {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let Self(ProtocolHealth { name, word, description }) = self;
        let mut map = serializer.serialize_map(None)?;
        map.serialize_entry(name, <&str>::from(word))?;
        if let Some(description) = description {
            map.serialize_entry("desc", description)?;
        }
        map.end()
    }
}
