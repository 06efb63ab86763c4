//! Names under which the protocols are negotiated.

/// Relay: the gossipsub stream itself carries this id (11/WAKU2-RELAY).
pub const RELAY: &str = "/vac/waku/relay/2.0.0";
/// Metadata, which every node has to answer (66/WAKU2-METADATA).
pub const METADATA: &str = "/vac/waku/metadata/1.0.0";
/// Store version 3 (13/WAKU2-STORE).
pub const STORE_QUERY: &str = "/vac/waku/store-query/3.0.0";
/// Filter, the side that serves subscriptions (12/WAKU2-FILTER).
pub const FILTER_SUBSCRIBE: &str = "/vac/waku/filter-subscribe/2.0.0-beta1";
/// Filter, the side that is pushed to; a subscriber has to list it in identify (12/WAKU2-FILTER).
pub const FILTER_PUSH: &str = "/vac/waku/filter-push/2.0.0-beta1";
/// Light push version 3 (19/WAKU2-LIGHTPUSH).
pub const LIGHTPUSH: &str = "/vac/waku/lightpush/3.0.0";
/// Light push version 2, which nwaku still mounts beside version 3.
pub const LIGHTPUSH_LEGACY: &str = "/vac/waku/lightpush/2.0.0-beta1";
/// Peer exchange (34/WAKU2-PEER-EXCHANGE).
pub const PEER_EXCHANGE: &str = "/vac/waku/peer-exchange/2.0.0-alpha1";
/// Rendezvous, libp2p's messages with Waku's peer record.
pub const RENDEZVOUS: &str = "/vac/waku/rendezvous/1.0.0";
/// Store sync: reconciliation of message ranges.
pub const RECONCILIATION: &str = "/vac/waku/reconciliation/1.0.0";
/// Store sync: transfer of the messages found missing.
pub const TRANSFER: &str = "/vac/waku/transfer/1.0.0";
