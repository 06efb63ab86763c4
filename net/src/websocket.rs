//! WebSocket (RFC 6455), plain or over TLS, as a transport: what browsers can dial.
//!
//! ```text
//!  /ip4/…/tcp/…        /ws, /wss, /tls/ws                       Noise and the rest
//!  TCP, names ──▶ TLS, if secure ──▶ WebSocket handshake ──▶ stream: bytes in binary messages
//! ```
//!
//! libp2p's own transport is not used for two reasons: its certificate cannot be replaced, and what
//! a peer it has dialled sends in one message is bounded by 256 MiB only.
//!
//! # Security
//! TLS makes a page's browser content and hides who talks; who the peer is Noise tells, inside.
//! Until then nobody is known, so every size is bounded here: a handshake by 64 KiB (tungstenite),
//! messages by [`stream::MAX_MESSAGE`]; times and numbers by `transport` and `behaviour`.

use std::{
    collections::HashMap,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll, ready},
};

use futures::{FutureExt, future::BoxFuture};
use libp2p::{
    Multiaddr, Transport,
    core::transport::{DialOpts, ListenerId, TransportError, TransportEvent},
    multiaddr::Protocol,
    tcp,
};
use tokio_rustls::{
    TlsAcceptor, TlsConnector,
    rustls::{ClientConfig, ServerConfig, crypto::ring, pki_types::ServerName},
};
use tokio_tungstenite::{accept_async_with_config, client_async_with_config, tungstenite};

mod stream;

use stream::{Socket, WebSocketStream};

use crate::{
    address::{Carrier, Parts, take_apart},
    certificate::{Authorities, Certificate},
    transport::Tcp,
};

/// Dials and accepts WebSockets.
pub(crate) struct WebSocket {
    tcp: Tcp,
    tls: Tls,
    /// How each listener is used; as many as the node was told to listen on.
    listeners: HashMap<ListenerId, Carrier>,
}

/// Both ends of TLS.
#[derive(Clone)]
pub(crate) struct Tls {
    connector: TlsConnector,
    /// None where the node has no certificate.
    acceptor: Option<TlsAcceptor>,
}

/// Why there is no connection.
#[derive(Debug, thiserror::Error)]
pub(crate) enum WebSocketError {
    #[error("{0}")]
    Tcp(#[source] <Tcp as Transport>::Error),
    #[error("the TLS handshake failed: {0}")]
    Tls(std::io::Error),
    #[error("`{0}` is not a name a certificate can be for")]
    ServerName(String),
    #[error("the WebSocket handshake failed: {0}")]
    Handshake(Box<tungstenite::Error>),
}

impl Tls {
    pub(crate) fn new(certificate: Option<Certificate>, authorities: &Authorities) -> Self {
        const VERSIONS: &str = "ring has the ciphers of TLS 1.2 and 1.3";
        let provider = Arc::new(ring::default_provider());
        let client = ClientConfig::builder_with_provider(Arc::clone(&provider))
            .with_safe_default_protocol_versions()
            .expect(VERSIONS)
            .with_root_certificates(authorities.roots())
            .with_no_client_auth();
        let acceptor = certificate.map(|certificate| {
            let server = ServerConfig::builder_with_provider(provider)
                .with_safe_default_protocol_versions()
                .expect(VERSIONS)
                .with_no_client_auth()
                .with_cert_resolver(Arc::new(certificate));
            TlsAcceptor::from(Arc::new(server))
        });
        Self { connector: TlsConnector::from(Arc::new(client)), acceptor }
    }
}

impl WebSocket {
    pub(crate) fn new(tcp: Tcp, tls: Tls) -> Self {
        Self { tcp, tls, listeners: HashMap::new() }
    }

    /// The acceptor to use for a listener: the inner `None` is for one without TLS.
    fn acceptor_for(&self, carrier: Carrier) -> Option<Option<TlsAcceptor>> {
        match carrier {
            Carrier::Tcp | Carrier::Quic => None,
            Carrier::WebSocket => Some(None),
            Carrier::SecureWebSocket => self.tls.acceptor.clone().map(Some),
        }
    }

    /// What is listened on, of an address of the TCP socket.
    fn address(&self, listener: ListenerId, tcp: Multiaddr) -> Multiaddr {
        match self.listeners.get(&listener) {
            Some(Carrier::WebSocket) => tcp.with(Protocol::Ws("/".into())),
            Some(Carrier::SecureWebSocket) => tcp.with(Protocol::Wss("/".into())),
            Some(Carrier::Tcp | Carrier::Quic) | None => tcp,
        }
    }
}

impl Transport for WebSocket {
    type Output = WebSocketStream;
    type Error = WebSocketError;
    type ListenerUpgrade = BoxFuture<'static, Result<WebSocketStream, WebSocketError>>;
    type Dial = BoxFuture<'static, Result<WebSocketStream, WebSocketError>>;

    fn listen_on(
        &mut self,
        id: ListenerId,
        address: Multiaddr,
    ) -> Result<(), TransportError<WebSocketError>> {
        match take_apart(&address) {
            Some(parts) if self.acceptor_for(parts.carrier).is_some() => {
                self.tcp.listen_on(id, parts.socket).map_err(|error| error.map(WebSocketError::Tcp))?;
                self.listeners.insert(id, parts.carrier);
                Ok(())
            }
            _ => Err(TransportError::MultiaddrNotSupported(address)),
        }
    }

    fn remove_listener(&mut self, id: ListenerId) -> bool {
        self.tcp.remove_listener(id)
    }

    fn dial(
        &mut self,
        address: Multiaddr,
        options: DialOpts,
    ) -> Result<Self::Dial, TransportError<WebSocketError>> {
        let parts = take_apart(&address).filter(|parts| {
            // Who dials to get through NAT is the server of what follows; a WebSocket has no such thing.
            options.role.is_dialer() && matches!(parts.carrier, Carrier::WebSocket | Carrier::SecureWebSocket)
        });
        let Some(parts) = parts else { return Err(TransportError::MultiaddrNotSupported(address)) };
        let tls = match parts.carrier {
            Carrier::SecureWebSocket => Some((self.tls.connector.clone(), server_name(&parts)?)),
            Carrier::WebSocket | Carrier::Tcp | Carrier::Quic => None,
        };
        let tcp = self.tcp.dial(parts.socket, options).map_err(|error| error.map(WebSocketError::Tcp))?;
        // The URL goes into the request's head, where proxies look at the host.
        let url = format!("{}://{}:{}/", if tls.is_some() { "wss" } else { "ws" }, parts.host, parts.port);
        Ok(async move {
            let socket = tcp.await.map_err(WebSocketError::Tcp)?.0;
            let socket: Socket = match tls {
                None => Box::new(socket),
                Some((connector, name)) => {
                    Box::new(connector.connect(name, socket).await.map_err(WebSocketError::Tls)?)
                }
            };
            let handshake = client_async_with_config(url, socket, Some(stream::limits())).await;
            let (socket, _) = handshake.map_err(|error| WebSocketError::Handshake(Box::new(error)))?;
            Ok(WebSocketStream::new(socket))
        }
        .boxed())
    }

    fn poll(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<TransportEvent<Self::ListenerUpgrade, WebSocketError>> {
        let event = match ready!(Pin::new(&mut self.tcp).poll(cx)) {
            TransportEvent::NewAddress { listener_id, listen_addr } => TransportEvent::NewAddress {
                listener_id,
                listen_addr: self.address(listener_id, listen_addr),
            },
            TransportEvent::AddressExpired { listener_id, listen_addr } => TransportEvent::AddressExpired {
                listener_id,
                listen_addr: self.address(listener_id, listen_addr),
            },
            TransportEvent::Incoming { listener_id, upgrade, local_addr, send_back_addr } => {
                let carrier = self.listeners.get(&listener_id).copied();
                let acceptor = carrier.and_then(|carrier| self.acceptor_for(carrier)).flatten();
                TransportEvent::Incoming {
                    listener_id,
                    upgrade: accept(upgrade, acceptor).boxed(),
                    local_addr: self.address(listener_id, local_addr),
                    send_back_addr: self.address(listener_id, send_back_addr),
                }
            }
            TransportEvent::ListenerClosed { listener_id, reason } => {
                self.listeners.remove(&listener_id);
                TransportEvent::ListenerClosed { listener_id, reason: reason.map_err(WebSocketError::Tcp) }
            }
            TransportEvent::ListenerError { listener_id, error } => {
                TransportEvent::ListenerError { listener_id, error: WebSocketError::Tcp(error) }
            }
        };
        Poll::Ready(event)
    }
}

/// Upgrades a connection that came in; with TLS if there is an acceptor for it.
async fn accept(
    upgrade: <Tcp as Transport>::ListenerUpgrade,
    acceptor: Option<TlsAcceptor>,
) -> Result<WebSocketStream, WebSocketError> {
    let tcp::tokio::TcpStream(socket) = upgrade.await.map_err(WebSocketError::Tcp)?;
    let socket: Socket = match acceptor {
        None => Box::new(socket),
        Some(acceptor) => Box::new(acceptor.accept(socket).await.map_err(WebSocketError::Tls)?),
    };
    let handshake = accept_async_with_config(socket, Some(stream::limits())).await;
    handshake.map(WebSocketStream::new).map_err(|error| WebSocketError::Handshake(Box::new(error)))
}

/// The name the certificate of a peer has to be for.
fn server_name(parts: &Parts) -> Result<ServerName<'static>, TransportError<WebSocketError>> {
    let name = parts.server_name.as_deref().unwrap_or(&parts.host);
    // A URL has IPv6 addresses in brackets.
    let name = name.trim_start_matches('[').trim_end_matches(']').to_owned();
    ServerName::try_from(name.clone()).map_err(|_| TransportError::Other(WebSocketError::ServerName(name)))
}
