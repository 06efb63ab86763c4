//! Puts the endpoints together: which groups exist, and what an unknown path is answered.

use std::sync::Arc;

use axum::{
    extract::{Request, State},
    http::Uri,
    middleware::{Next, from_fn_with_state},
    response::{IntoResponse, Response},
    routing::MethodRouter,
};
use bytes::Bytes;
use prometheus_client::registry::Registry;
use utoipa::openapi::{InfoBuilder, OpenApiBuilder};

use crate::{
    answer::Refusal,
    backend::Backend,
    config::Config,
    cors::{AllowedOrigins, check_origin},
    endpoints,
    metrics::{Metrics, observe},
    pages,
    request::Bodies,
    routes::Routes,
    server::App,
};

/// What every handler can reach.
pub(crate) struct Shared<B> {
    pub(crate) backend: B,
    pub(crate) config: Config,
    pub(crate) bodies: Bodies,
    /// The OpenAPI document.
    pub(crate) document: Bytes,
}

/// The state handlers take.
pub(crate) type Node<B> = State<Arc<Shared<B>>>;

/// The REST API over `backend`; its metrics go to `registry`.
pub fn app<B: Backend>(backend: B, config: Config, registry: &mut Registry) -> App {
    let metrics = Metrics::new(registry);
    let (routes, document) = install(&config, metrics.clone()).finish();
    let document = document.to_json().expect("the document is plain data with text keys").into();
    let allowed_origins = AllowedOrigins::new(&config.allow_origin);
    let bodies = Bodies::new(config.max_message_size);
    let chat_page = config.chat_page.as_deref().map(pages::chat);
    let shared = Arc::new(Shared { backend, config, bodies, document });

    let unknown = MethodRouter::new().fallback(no_such_endpoint::<B>);
    let unknown = unknown.layer(from_fn_with_state(metrics.route("unknown"), observe));
    let mut router = routes
        .fallback_service(unknown.with_state(Arc::clone(&shared)))
        .method_not_allowed_fallback(no_such_endpoint::<B>)
        .layer(from_fn_with_state(Arc::clone(&shared), wait_for_start::<B>))
        .with_state(shared)
        .merge(chat_page.unwrap_or_default());
    if let Some(allowed) = allowed_origins {
        router = router.layer(from_fn_with_state(Arc::new(allowed), check_origin));
    }
    App(router)
}

fn install<B: Backend>(config: &Config, metrics: Metrics) -> Routes<B> {
    let info = InfoBuilder::new()
        .title("weir REST API")
        .description(Some("nwaku's REST API, and what weir adds under /weir"))
        .version(config.version.clone())
        .build();
    let mut routes = Routes::new(OpenApiBuilder::new().info(info).build(), metrics);
    routes = endpoints::weir::install(endpoints::node::install(routes));
    routes = endpoints::lightpush::install(endpoints::store::install(routes));
    if config.relay {
        routes = endpoints::auto::install(endpoints::relay::install(routes));
    }
    if config.filter {
        routes = endpoints::filter::install(routes);
    }
    if config.messaging {
        routes = endpoints::messaging::install(routes);
    }
    if config.admin {
        routes = endpoints::admin::install(endpoints::peers::install(routes));
    }
    routes
}

/// Middleware that answers nothing but health while the node starts.
async fn wait_for_start<B: Backend>(State(shared): Node<B>, request: Request, next: Next) -> Response {
    let path = request.uri().path();
    if path != endpoints::node::HEALTH && shared.backend.is_initializing() {
        let group = group_of(path);
        let text = format!("/{group} endpoints are not available while initializing.");
        return Refusal::not_found(text).into_response();
    }
    next.run(request).await
}

/// The answer to a path or method that is not there.
async fn no_such_endpoint<B: Backend>(State(shared): Node<B>, uri: Uri) -> Refusal {
    match group_of(uri.path()) {
        "admin" if !shared.config.admin => Refusal::not_found(
            "/admin endpoints are not available. Please check your configuration: --rest-admin=true",
        ),
        "relay" if !shared.config.relay => {
            Refusal::not_found("/relay endpoints are not available. Please check your configuration: --relay")
        }
        "debug" if shared.config.chat_page.is_none() && uri.path().starts_with(pages::CHAT) => {
            Refusal::not_found(
                "There is no chat page. Build it with examples/chat/build and start the node with \
                 --rest-chat-page=examples/chat/dist",
            )
        }
        "filter" if !shared.config.filter => Refusal::not_found(
            "/filter endpoints are not available. Please check your configuration: --filternode",
        ),
        "messaging" if !shared.config.messaging => Refusal::not_found(
            "/messaging endpoints are not available. Please check your configuration: --mode=edge",
        ),
        _ => Refusal::bad_request("Bad request initiated. Invalid path or method used."),
    }
}

/// The first element of a path.
fn group_of(path: &str) -> &str {
    path.split('/').nth(1).unwrap_or_default()
}
