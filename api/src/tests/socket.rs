//! Real sockets: what is not a request, what never ends, and how serving ends.

use std::{net::SocketAddr, time::Duration};

use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, TcpStream},
    sync::oneshot,
    task::JoinHandle,
};

use super::*;
use crate::{ServerConfig, serve};

struct Server {
    address: SocketAddr,
    stop: oneshot::Sender<()>,
    ended: JoinHandle<()>,
}

impl Server {
    async fn start(fake: &Fake, config: ServerConfig) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
        let address = listener.local_addr().expect("bound");
        let (stop, stopped) = oneshot::channel::<()>();
        let ended = tokio::spawn(serve(listener, full_app(fake), config, async {
            let _ = stopped.await;
        }));
        Self { address, stop, ended }
    }

    async fn connect(&self) -> TcpStream {
        TcpStream::connect(self.address).await.expect("the server listens")
    }

    /// Sends bytes and reads until the server closes the connection.
    async fn talk(&self, bytes: &[u8]) -> String {
        let mut stream = self.connect().await;
        // The server may close before it has read all of it.
        let _ = stream.write_all(bytes).await;
        read_to_end(&mut stream).await
    }

    /// The server still answers on a new connection.
    async fn goes_on(&self) {
        let reply = self.talk(b"GET /health HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n").await;
        assert!(reply.starts_with("HTTP/1.1 200 OK\r\n"), "{reply}");
    }
}

async fn read_to_end(stream: &mut TcpStream) -> String {
    let mut reply = Vec::new();
    // A reset after the answer is an end too.
    let _ = stream.read_to_end(&mut reply).await;
    String::from_utf8_lossy(&reply).into_owned()
}

fn publish_request() -> String {
    let body = r#"{"payload":"AA==","contentTopic":"/a/1/b/c"}"#;
    format!(
        "POST /relay/v1/messages/{TOPIC_IN_PATH} HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\n\
         Content-Length: {}\r\n\r\n{body}",
        body.len()
    )
}

#[tokio::test]
async fn a_connection_is_kept_for_the_next_request() {
    let server = Server::start(&Fake::new(), ServerConfig::default()).await;
    let two = "GET /version HTTP/1.1\r\nHost: x\r\n\r\n".to_owned()
        + "GET /version HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n";
    let reply = server.talk(two.as_bytes()).await;
    assert_eq!(reply.matches("HTTP/1.1 200 OK").count(), 2, "{reply}");
}

#[tokio::test]
async fn what_is_not_http_ends_that_connection_alone() {
    let server = Server::start(&Fake::new(), ServerConfig::default()).await;
    let garbage: [&[u8]; 6] = [
        b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03hello, TLS",
        b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
        b"\x00\x00\x00\x00",
        b"SSH-2.0-OpenSSH_9.6\r\n\r\n",
        b"GET /health HTTP/1.1\r\nno colon here\r\n\r\n",
        b"POST /relay/v1/subscriptions HTTP/1.1\r\nHost: x\r\nContent-Length: -5\r\n\r\n",
    ];
    for bytes in garbage {
        let reply = server.talk(bytes).await;
        assert!(reply.is_empty() || reply.starts_with("HTTP/1.1 400"), "{bytes:?}: {reply}");
        server.goes_on().await;
    }
}

#[tokio::test]
async fn a_head_that_is_too_long_is_refused() {
    let server = Server::start(&Fake::new(), ServerConfig::default()).await;
    for head in [
        format!("GET /health HTTP/1.1\r\nHost: x\r\nBig: {}\r\n\r\n", "x".repeat(70_000)),
        format!("GET /health HTTP/1.1\r\nHost: x\r\n{}\r\n", "A: b\r\n".repeat(200)),
    ] {
        let reply = server.talk(head.as_bytes()).await;
        assert!(reply.starts_with("HTTP/1.1 431"), "{reply}");
        server.goes_on().await;
    }
}

#[tokio::test]
async fn a_path_that_is_too_long_is_refused() {
    let server = Server::start(&Fake::new(), ServerConfig::default()).await;
    let head = format!("GET /{} HTTP/1.1\r\nHost: x\r\n\r\n", "x".repeat(80_000));
    let reply = server.talk(head.as_bytes()).await;
    assert!(reply.starts_with("HTTP/1.1 414") || reply.starts_with("HTTP/1.1 431"), "{reply}");
    server.goes_on().await;
}

#[tokio::test]
async fn a_client_that_never_ends_its_head_is_dropped() {
    let config = ServerConfig { head_timeout: Duration::from_millis(50), ..ServerConfig::default() };
    let server = Server::start(&Fake::new(), config).await;
    for beginning in ["", "GET /hea"] {
        assert_eq!(server.talk(beginning.as_bytes()).await, "");
        server.goes_on().await;
    }
}

#[tokio::test]
async fn a_client_that_reads_nothing_is_dropped() {
    let config = ServerConfig {
        max_connections: 1,
        write_timeout: Duration::from_millis(50),
        ..ServerConfig::default()
    };
    let server = Server::start(&Fake::new(), config).await;
    let mut stream = server.connect().await;
    // Asks for more than any socket buffer takes, and reads none of it, until the server gives up.
    let requests = "GET /openapi.json HTTP/1.1\r\nHost: x\r\n\r\n".repeat(100);
    while stream.write_all(requests.as_bytes()).await.is_ok() {}
    server.goes_on().await;
}

#[tokio::test]
async fn a_client_that_closes_its_side_still_gets_the_answer() {
    let fake = Fake::new();
    fake.script().gated = true;
    let server = Server::start(&fake, ServerConfig::default()).await;
    let mut stream = server.connect().await;
    stream.write_all(publish_request().as_bytes()).await.expect("sent");
    stream.shutdown().await.expect("half closed");
    fake.publishing.notified().await;
    fake.go_on.notify_one();
    let reply = read_to_end(&mut stream).await;
    assert!(reply.starts_with("HTTP/1.1 200 OK\r\n"), "{reply}");
    assert_eq!(fake.script().published.len(), 1);
}

#[tokio::test]
async fn a_body_that_breaks_off_does_no_harm() {
    let fake = Fake::new();
    let server = Server::start(&fake, ServerConfig::default()).await;
    let request = publish_request();
    let mut stream = server.connect().await;
    stream.write_all(&request.as_bytes()[..request.len() - 5]).await.expect("sent");
    stream.shutdown().await.expect("half closed");
    let reply = read_to_end(&mut stream).await;
    assert!(reply.is_empty() || reply.starts_with("HTTP/1.1 400"), "{reply}");
    assert!(fake.script().published.is_empty());
    server.goes_on().await;
}

#[tokio::test]
async fn a_body_that_is_too_long_is_answered_once_it_was_sent() {
    let server = Server::start(&Fake::new(), ServerConfig::default()).await;
    let length = 4 * 1024 * 1024;
    let head = format!(
        "POST /relay/v1/messages/{TOPIC_IN_PATH} HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\n\
         Content-Length: {length}\r\nConnection: close\r\n\r\n"
    );
    let reply = server.talk(&[head.into_bytes(), vec![b' '; length]].concat()).await;
    assert!(reply.starts_with("HTTP/1.1 413 Payload Too Large\r\n"), "{reply}");
    assert!(reply.contains("Request body exceeds 425984 bytes"), "{reply}");
    server.goes_on().await;
}

#[tokio::test]
async fn a_connection_over_the_limit_is_served_when_another_ends() {
    let config = ServerConfig { max_connections: 1, ..ServerConfig::default() };
    let server = Server::start(&Fake::new(), config).await;
    let mut first = server.connect().await;
    first.write_all(b"GET /version HTTP/1.1\r\nHost: x\r\n\r\n").await.expect("sent");
    first.read_u8().await.expect("an answer");
    let mut second = server.connect().await;
    let request = b"GET /version HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n";
    second.write_all(request).await.expect("sent");
    drop(first);
    let reply = read_to_end(&mut second).await;
    assert!(reply.starts_with("HTTP/1.1 200 OK\r\n"), "{reply}");
}

#[tokio::test]
async fn a_request_that_is_being_answered_at_shutdown_is_finished() {
    let fake = Fake::new();
    fake.script().gated = true;
    let server = Server::start(&fake, ServerConfig::default()).await;
    let mut idle = server.connect().await;
    let mut stream = server.connect().await;
    stream.write_all(publish_request().as_bytes()).await.expect("sent");
    fake.publishing.notified().await;
    server.stop.send(()).expect("the server runs");
    assert_eq!(read_to_end(&mut idle).await, "", "idle connections are closed");
    assert!(TcpStream::connect(server.address).await.is_err(), "nothing new is taken");
    fake.go_on.notify_one();
    let reply = read_to_end(&mut stream).await;
    assert!(reply.starts_with("HTTP/1.1 200 OK\r\n"), "{reply}");
    server.ended.await.expect("serving ends by itself");
}

#[tokio::test]
async fn a_request_that_does_not_end_at_shutdown_is_cut_off() {
    let fake = Fake::new();
    fake.script().gated = true;
    let config = ServerConfig { shutdown_timeout: Duration::from_millis(50), ..ServerConfig::default() };
    let server = Server::start(&fake, config).await;
    let mut stream = server.connect().await;
    stream.write_all(publish_request().as_bytes()).await.expect("sent");
    fake.publishing.notified().await;
    server.stop.send(()).expect("the server runs");
    server.ended.await.expect("serving ends by itself");
    assert_eq!(read_to_end(&mut stream).await, "");
    assert!(fake.script().published.is_empty());
}
