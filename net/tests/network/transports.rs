//! The same network over WebSockets, plain and secure, and QUIC, and what is told about where a node is.

use std::{fs, io, net::SocketAddr, path::Path, sync::Arc};

use tempfile::TempDir;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
};
use tokio_rustls::{
    TlsConnector,
    rustls::{ClientConfig, RootCertStore, crypto::ring, pki_types::CertificateDer},
};
use weir_core::PeerAddress;
use weir_net::{
    Config, DialFailure, Event, Network, StartError,
    certificate::{Authorities, Certificate, CertificateError, Files, SelfSigned},
};

use crate::{
    hostile::during,
    nodes::{config, drive, encoded, parse, start, topic, until},
};

/// A certificate for localhost in files.
struct Pem {
    folder: TempDir,
}

impl Pem {
    fn new() -> Self {
        let pem = Self { folder: tempfile::tempdir().expect("a folder") };
        pem.renew();
        pem
    }

    fn files(&self) -> Files {
        let file = |name| self.folder.path().join(name);
        Files { certificate: file("cert.pem"), key: file("key.pem") }
    }

    fn renew(&self) {
        let made = SelfSigned::make(&["localhost".to_owned(), "127.0.0.1".to_owned()]).expect("valid names");
        fs::write(self.files().certificate, made.certificate).expect("written");
        fs::write(self.files().key, made.key.as_bytes()).expect("written");
    }

    fn certificate(&self) -> Certificate {
        Certificate::open(self.files()).expect("a certificate")
    }

    fn authorities(&self) -> Authorities {
        Authorities::open(&self.files().certificate).expect("a certificate")
    }
}

fn listening_on(index: u8, transports: &[&str]) -> Config {
    let listen = transports.iter().map(|transport| format!("/ip4/127.0.0.1/tcp/0{transport}")).collect();
    Config { listen, ..config(index) }
}

async fn started(configs: Vec<Config>) -> Vec<Network> {
    let listeners: Vec<_> = configs.iter().map(|config| config.listen.len()).collect();
    let mut nodes: Vec<_> = configs.into_iter().map(|config| start(config).expect("starts")).collect();
    for node in &mut nodes {
        node.subscribe(topic()).expect("a topic of the cluster");
    }
    until(&mut nodes, |nodes| {
        nodes.iter().zip(&listeners).all(|(node, &count)| node.listen_addresses().len() == count)
    })
    .await;
    nodes
}

async fn relays_both_ways(mut nodes: Vec<Network>, address: &PeerAddress) {
    nodes[1].dial(address);
    until(&mut nodes, |nodes| nodes.iter().all(|node| node.mesh_peers(topic()).len() == 1)).await;
    for (from, length) in [(0, 10), (1, 140_000)] {
        let message = encoded(from, length);
        nodes[from as usize].publish(topic(), message).expect("published");
        let received = drive(&mut nodes, |_, _, event| match event {
            Event::Gossip(gossip) => Some(gossip.message.expect("a message").payload.len()),
            _ => None,
        })
        .await;
        assert_eq!(received, length);
    }
    nodes[0].begin_close();
    drive(&mut nodes, |_, index, event| (index == 0 && matches!(event, Event::Closed)).then_some(())).await;
}

#[tokio::test]
async fn messages_go_both_ways_over_a_websocket() {
    let nodes = started(vec![listening_on(0, &["/ws"]), config(1)]).await;
    let address = nodes[0].listen_addresses()[0].clone();
    assert!(address.contains("/ws/p2p/"), "{address}");
    relays_both_ways(nodes, &parse(&address)).await;
}

#[tokio::test]
async fn messages_go_both_ways_over_a_secure_websocket() {
    let pem = Pem::new();
    let server = Config { certificate: Some(pem.certificate()), ..listening_on(0, &["/wss"]) };
    let client = Config { authorities: pem.authorities(), ..config(1) };
    let nodes = started(vec![server, client]).await;
    let address = nodes[0].listen_addresses()[0].clone();
    assert!(address.contains("/wss/p2p/"), "{address}");
    // Both ways to write it, and the name in place of the address.
    let same = address.replace("/ip4/127.0.0.1/", "/dns4/localhost/").replace("/wss/", "/tls/ws/");
    relays_both_ways(nodes, &parse(&same)).await;
}

#[tokio::test]
async fn messages_go_both_ways_over_quic() {
    let with_quic = |index, listen: Vec<String>| Config { quic: true, listen, ..config(index) };
    let server = with_quic(0, vec!["/ip4/127.0.0.1/udp/0/quic-v1".to_owned()]);
    let nodes = started(vec![server, with_quic(1, config(1).listen)]).await;
    let address = nodes[0].listen_addresses()[0].clone();
    assert!(address.contains("/quic-v1/p2p/"), "{address}");
    // By a name too.
    relays_both_ways(nodes, &parse(&address.replace("/ip4/127.0.0.1/", "/dns4/localhost/"))).await;
}

#[tokio::test]
async fn quic_is_neither_dialled_nor_heard_of_where_it_is_off() {
    let listen = vec!["/ip4/127.0.0.1/udp/0/quic-v1".to_owned(), "/ip4/127.0.0.1/tcp/0".to_owned()];
    let server = Config { quic: true, listen, ..config(0) };
    let mut nodes = started(vec![server, config(1)]).await;
    let told = nodes[0].announced_addresses();
    assert!(!told[0].contains("quic") && told[1].contains("/quic-v1/"), "{told:?}");
    nodes[1].dial(&parse(&told[1]));
    drive(&mut nodes, |_, index, event| match event {
        Event::DialFailed { failure: DialFailure::Unreachable(_), .. } if index == 1 => Some(()),
        _ => None,
    })
    .await;
    nodes[1].dial(&parse(&told[0]));
    assert_eq!(identified(&mut nodes).await, told[..1]);
}

#[tokio::test]
async fn a_peer_whose_certificate_nobody_vouches_for_is_not_connected() {
    let pem = Pem::new();
    let server = Config { certificate: Some(pem.certificate()), ..listening_on(0, &["/wss"]) };
    let mut nodes = started(vec![server, config(1)]).await;
    let address = parse(&nodes[0].listen_addresses()[0]);
    nodes[1].dial(&address);
    let failure = drive(&mut nodes, |_, index, event| match event {
        Event::DialFailed { failure, .. } if index == 1 => Some(failure),
        _ => None,
    })
    .await;
    assert!(
        matches!(&failure, DialFailure::Unreachable(cause) if cause.contains("certificate")),
        "{failure}"
    );
}

#[tokio::test]
async fn a_secure_websocket_needs_a_certificate() {
    let error = start(listening_on(0, &["/wss"])).expect_err("there is none");
    assert!(matches!(&error, StartError::NoCertificate { .. }), "{error}");
}

#[tokio::test]
async fn another_port_in_use_is_named_by_its_own_setting() {
    let occupant = std::net::TcpListener::bind("127.0.0.1:0").expect("a free port");
    let port = occupant.local_addr().expect("bound").port();
    let listen = vec![format!("/ip4/127.0.0.1/tcp/{port}/ws")];
    let error = start(Config { listen, ..config(0) }).expect_err("in use");
    assert!(error.to_string().contains("--websocket-port"), "{error}");

    let occupant = std::net::UdpSocket::bind("127.0.0.1:0").expect("a free port");
    let port = occupant.local_addr().expect("bound").port();
    let listen = vec![format!("/ip4/127.0.0.1/udp/{port}/quic-v1")];
    let error = start(Config { quic: true, listen, ..config(0) }).expect_err("in use");
    assert!(matches!(&error, StartError::PortInUse { .. }), "{error}");
    assert!(error.to_string().contains("--quic-port"), "{error}");
}

#[tokio::test]
async fn a_peer_is_told_of_every_listener_and_dials_plain_tcp_first() {
    let mut nodes = started(vec![listening_on(0, &["/ws", ""]), config(1)]).await;
    let told = nodes[0].announced_addresses();
    assert_eq!(told, nodes[0].listen_addresses());
    assert!(!told[0].contains("/ws") && told[1].contains("/ws/"), "{told:?}");
    let address = parse(&told[1]);
    nodes[1].dial(&address);
    assert_eq!(identified(&mut nodes).await, told);
}

#[tokio::test]
async fn a_websocket_address_the_operator_gives_takes_the_place_of_the_listeners() {
    let announce = vec!["/dns4/node.example.org/tcp/443/wss".to_owned()];
    let server = Config { announce, ..listening_on(0, &["", "/ws"]) };
    let mut nodes = started(vec![server, config(1)]).await;
    let tcp = nodes[0].listen_addresses()[0].clone();
    let expected =
        vec![tcp.clone(), format!("/dns4/node.example.org/tcp/443/wss/p2p/{}", nodes[0].local_peer())];
    assert_eq!(nodes[0].announced_addresses(), expected);
    nodes[1].dial(&parse(&tcp));
    assert_eq!(identified(&mut nodes).await, expected);
}

#[tokio::test]
async fn handshakes_that_are_begun_and_left_are_few_and_end() {
    // As many as `behaviour::PENDING_INBOUND` lets be under way.
    const PENDING: usize = 64;
    let pem = Pem::new();
    let server = Config { certificate: Some(pem.certificate()), ..listening_on(0, &["/ws", "/wss"]) };
    let mut nodes = started(vec![server, config(1)]).await;
    let addresses = nodes[0].listen_addresses();
    let sockets: Vec<_> = addresses.iter().map(|address| socket_address(&parse(address))).collect();
    let begin = async |at: usize| {
        let mut socket = TcpStream::connect(sockets[at % 2]).await.expect("connects");
        // Half of a request's head to plain ones, half of a record to secure ones, and nothing to some.
        let half: [&[u8]; 4] = [b"GET / HTTP/1.1\r\nHost: a", &[22, 3, 1, 2, 0, 1], b"", b""];
        socket.write_all(half[at % 4]).await.expect("written");
        socket
    };
    let ended = async |mut socket: TcpStream| {
        let mut answer = Vec::new();
        // Closed or reset, after an answer that says so or none.
        let _ = socket.read_to_end(&mut answer).await;
    };
    during(&mut nodes, async {
        let mut begun = Vec::new();
        for at in 0..PENDING {
            begun.push(begin(at).await);
        }
        let first = begun.swap_remove(0);
        let mut first = std::pin::pin!(ended(first));
        tokio::select! {
            biased;
            () = &mut first => panic!("one too many takes the place of the first"),
            () = async { ended(begin(PENDING).await).await } => {}
        }
        first.await;
        for socket in begun {
            ended(socket).await;
        }
    })
    .await;
    nodes[1].dial(&parse(&addresses[0]));
    until(&mut nodes, |nodes| nodes.iter().all(|node| node.mesh_peers(topic()).len() == 1)).await;
}

/// What the second node is told by the first.
async fn identified(nodes: &mut [Network]) -> Vec<String> {
    drive(nodes, |_, index, event| match event {
        Event::Identified { identity, .. } if index == 1 => {
            Some(identity.addresses.iter().map(|address| address.as_str().to_owned()).collect())
        }
        _ => None,
    })
    .await
}

#[tokio::test]
async fn a_new_certificate_is_used_and_a_broken_one_is_not() {
    let pem = Pem::new();
    let certificate = pem.certificate();
    let first = der_of(&pem);
    let server = Config { certificate: Some(certificate.clone()), ..listening_on(0, &["/wss"]) };
    let client = Config { authorities: pem.authorities(), ..config(1) };
    let mut nodes = started(vec![server, client]).await;
    let address = parse(&nodes[0].listen_addresses()[0]);
    nodes[1].dial(&address);
    until(&mut nodes, |nodes| nodes.iter().all(|node| node.mesh_peers(topic()).len() == 1)).await;
    assert!(shows(&mut nodes, &address, &first).await);
    assert!(!certificate.reload().expect("nothing new"));

    pem.renew();
    let second = der_of(&pem);
    assert!(!shows(&mut nodes, &address, &second).await);
    assert!(certificate.reload().expect("a good pair"));
    assert!(shows(&mut nodes, &address, &second).await);

    fs::write(pem.files().key, SelfSigned::make(&["localhost".to_owned()]).expect("made").key.as_bytes())
        .expect("written");
    assert!(matches!(certificate.reload(), Err(CertificateError::Mismatch { .. })));
    assert!(!certificate.reload().expect("said once"));
    fs::remove_file(pem.files().certificate).expect("removed");
    assert!(matches!(certificate.reload(), Err(CertificateError::Unreadable { .. })));
    assert!(!certificate.reload().expect("said once"));
    assert!(shows(&mut nodes, &address, &second).await);

    pem.renew();
    assert!(certificate.reload().expect("a good pair"));
    assert!(shows(&mut nodes, &address, &der_of(&pem)).await);
    // Who was connected has noticed nothing.
    nodes[0].publish(topic(), encoded(1, 10)).expect("published");
    drive(&mut nodes, |_, _, event| matches!(event, Event::Gossip(_)).then_some(())).await;
}

#[test]
fn files_that_are_no_certificate_are_refused_by_what_is_wrong() {
    let pem = Pem::new();
    let files = pem.files();
    let [certificate, key] = [&files.certificate, &files.key].map(|path| fs::read(path).expect("readable"));
    let open = || Certificate::open(pem.files()).expect_err("must be refused");
    let write = |path: &Path, bytes: &[u8]| fs::write(path, bytes).expect("written");

    write(&files.certificate, b"hello");
    assert!(matches!(open(), CertificateError::NoCertificate { .. }));
    write(&files.certificate, &certificate[..certificate.len() / 2]);
    assert!(matches!(open(), CertificateError::NotPem { .. } | CertificateError::NoCertificate { .. }));
    write(&files.certificate, b"-----BEGIN CERTIFICATE-----\naGVsbG8=\n-----END CERTIFICATE-----\n");
    assert!(matches!(open(), CertificateError::BadCertificate { .. }));
    write(&files.certificate, &certificate);
    write(&files.key, &certificate);
    assert!(matches!(open(), CertificateError::NoKey { .. }));
    write(&files.key, b"-----BEGIN PRIVATE KEY-----\naGVsbG8=\n-----END PRIVATE KEY-----\n");
    assert!(matches!(open(), CertificateError::BadKey { .. }));
    write(&files.key, &vec![b' '; 1024 * 1024 + 1]);
    assert!(matches!(open(), CertificateError::TooLong { .. }));
    write(&files.key, &key);
    assert!(Certificate::open(pem.files()).is_ok());
}

fn der_of(pem: &Pem) -> CertificateDer<'static> {
    use tokio_rustls::rustls::pki_types::pem::PemObject;
    CertificateDer::from_pem_file(pem.files().certificate).expect("a certificate")
}

/// Whether a new connection sees this certificate: the only one it trusts.
async fn shows(nodes: &mut [Network], address: &PeerAddress, certificate: &CertificateDer<'static>) -> bool {
    during(nodes, handshake(socket_address(address), certificate.clone())).await.is_ok()
}

async fn handshake(address: SocketAddr, trusted: CertificateDer<'static>) -> io::Result<()> {
    let mut roots = RootCertStore::empty();
    roots.add(trusted).expect("a certificate");
    let client = ClientConfig::builder_with_provider(Arc::new(ring::default_provider()))
        .with_safe_default_protocol_versions()
        .expect("versions")
        .with_root_certificates(roots)
        .with_no_client_auth();
    let socket = TcpStream::connect(address).await?;
    let name = "localhost".try_into().expect("a name");
    TlsConnector::from(Arc::new(client)).connect(name, socket).await.map(drop)
}

fn socket_address(address: &PeerAddress) -> SocketAddr {
    let parts: Vec<_> = address.as_str().split('/').collect();
    format!("{}:{}", parts[2], parts[4]).parse().expect("an IP address and a port")
}
