//! Collects routes: each gets its handler, its metrics and its place in the OpenAPI document at
//! once, so the document cannot miss one.

use std::sync::Arc;

use axum::{Router, handler::Handler, middleware::from_fn_with_state, routing::MethodRouter};
use utoipa::{
    Path,
    openapi::{
        HttpMethod, OpenApi, ResponseBuilder,
        path::{Operation, OperationBuilder, Paths},
    },
};
use utoipa_axum::{PathItemExt, router::OpenApiRouter};

use crate::{
    answer::ok,
    app::Shared,
    metrics::{Metrics, observe},
};

/// Routes over a backend of type `B`.
pub(crate) struct Routes<B> {
    router: OpenApiRouter<Arc<Shared<B>>>,
    metrics: Metrics,
}

impl<B: Send + Sync + 'static> Routes<B> {
    /// No routes yet.
    pub(crate) fn new(openapi: OpenApi, metrics: Metrics) -> Self {
        Self { router: OpenApiRouter::with_openapi(openapi), metrics }
    }

    /// Adds an endpoint under the path and methods its `utoipa::path` attribute gives it.
    // Takes the place of `utoipa_axum::routes!`, which cannot name a generic handler.
    pub(crate) fn endpoint<P, H, T>(mut self, _: P, handler: H) -> Self
    where
        P: Path + utoipa::__dev::SchemaReferences,
        H: Handler<T, Arc<Shared<B>>>,
        T: 'static,
    {
        let mut schemas = Vec::new();
        P::schemas(&mut schemas);
        self.router.get_openapi_mut().components.get_or_insert_default().schemas.extend(schemas);
        let methods = P::methods();
        let filter = methods.iter().map(PathItemExt::to_method_filter).reduce(|a, b| a.or(b));
        let filter = filter.expect("an endpoint has a method");
        self.add(&P::path(), methods, P::operation(), |router| router.on(filter, handler))
    }

    /// Answers OPTIONS on `path` with `OK`.
    pub(crate) fn options(self, path: &str) -> Self {
        let operation = OperationBuilder::new()
            .summary(Some("What a browser asks before it uses the endpoint"))
            .response("200", ResponseBuilder::new().description("OK").build())
            .build();
        self.add(path, vec![HttpMethod::Options], operation, |router| router.options(async || ok()))
    }

    /// The router and the document.
    pub(crate) fn finish(self) -> (Router<Arc<Shared<B>>>, OpenApi) {
        self.router.split_for_parts()
    }

    fn add(
        self,
        path: &str,
        methods: Vec<HttpMethod>,
        operation: Operation,
        handle: impl FnOnce(MethodRouter<Arc<Shared<B>>>) -> MethodRouter<Arc<Shared<B>>>,
    ) -> Self {
        let names: Vec<&str> = methods.iter().map(method_name).collect();
        let metrics = self.metrics.route(&format!("{} {path}", names.join(",")));
        let mut paths = Paths::new();
        paths.add_path_operation(path, methods, operation);
        let method_router = handle(MethodRouter::new()).layer(from_fn_with_state(metrics, observe));
        Self { router: self.router.routes((Vec::new(), paths, method_router)), ..self }
    }
}

const fn method_name(method: &HttpMethod) -> &'static str {
    match method {
        HttpMethod::Get => "GET",
        HttpMethod::Post => "POST",
        HttpMethod::Put => "PUT",
        HttpMethod::Delete => "DELETE",
        HttpMethod::Options => "OPTIONS",
        HttpMethod::Head => "HEAD",
        HttpMethod::Patch => "PATCH",
        HttpMethod::Trace => "TRACE",
    }
}
