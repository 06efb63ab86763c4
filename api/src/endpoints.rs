//! The endpoints, a module a group. Each `install` adds its group's routes.

pub(crate) mod admin;
pub(crate) mod auto;
pub(crate) mod filter;
pub(crate) mod lightpush;
pub(crate) mod messaging;
pub(crate) mod node;
pub(crate) mod peers;
pub(crate) mod relay;
pub(crate) mod store;
pub(crate) mod weir;
