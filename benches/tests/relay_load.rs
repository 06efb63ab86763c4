//! The load generator against a node that is nothing but a queue behind HTTP, and loses, repeats and
//! refuses what it is told to.

// Helpers of tests are tests too, which clippy.toml cannot see here.
#![allow(clippy::unwrap_used)]

use std::{
    collections::VecDeque,
    sync::{Arc, Mutex},
};

use clap::Parser;
use tokio::{
    io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufStream},
    net::{TcpListener, TcpStream},
};
use weir_benches::load::{Arguments, LoadError, Report, run};

/// What happens to the nth message the node is given after the first, which shows that it is there.
#[derive(Clone, Copy)]
enum Fate {
    Delivered,
    Lost,
    Doubled,
    Refused,
    RefusedYetDelivered,
}

#[derive(Default)]
struct FakeNode {
    given: usize,
    queue: VecDeque<String>,
}

#[tokio::test]
async fn every_fate_of_a_message_is_counted() {
    let fates = [Fate::Delivered, Fate::Lost, Fate::Doubled, Fate::Refused, Fate::RefusedYetDelivered];
    let url = serve(move |number| fates[number % fates.len()]).await;
    let report =
        measure(&url, &["--mode=throughput", "--messages=50", "--connections=4", "--settle=1"]).await;
    let run = &report.unwrap().runs[0];
    assert_eq!((run.sent, run.accepted, run.failed), (50, 30, 0));
    assert_eq!(run.refused, [(429, 20)].into());
    let receiver = &run.receivers[0];
    assert_eq!(
        (receiver.received, receiver.lost, receiver.duplicates, receiver.unaccepted),
        (30, 10, 10, 10)
    );
    assert_eq!(run.counters, [[("messages_total".to_owned(), 50.0)].into()]);
}

#[tokio::test]
async fn latency_is_taken_of_one_message_at_a_time() {
    let url = serve(|_| Fate::Delivered).await;
    let report = measure(&url, &["--mode=latency", "--samples=20", "--size=100"]).await.unwrap();
    let run = &report.runs[0];
    assert_eq!((run.mode, run.sent, run.receivers[0].received), ("latency", 20, 20));
    let latency = run.receivers[0].latency.as_ref().unwrap();
    assert!(latency.p50_ms > 0.0 && latency.p50_ms <= latency.p99_ms && latency.p99_ms <= latency.max_ms);
}

#[tokio::test]
async fn a_refused_message_is_not_waited_for() {
    let url = serve(|_| Fate::Refused).await;
    // With a message waited for, this would take 100 times the settle time.
    let report = measure(&url, &["--mode=latency", "--samples=100", "--settle=3600"]).await.unwrap();
    assert_eq!(report.runs[0].refused, [(429, 100)].into());
}

#[tokio::test]
async fn a_rate_is_kept_to() {
    let url = serve(|_| Fate::Delivered).await;
    let arguments = ["--mode=throughput", "--messages=30", "--rate=200", "--connections=2"];
    let report = measure(&url, &arguments).await.unwrap();
    assert!(report.runs[0].accepted_per_second < 220.0, "{}", report.runs[0].accepted_per_second);
}

#[tokio::test]
async fn a_report_can_be_read_by_programs_and_by_people() {
    let url = serve(|_| Fate::Delivered).await;
    let report = measure(&url, &["--samples=2", "--messages=2"]).await.unwrap();
    let json = serde_json::to_value(&report).unwrap();
    assert_eq!(json["runs"][0]["mode"], "latency");
    assert_eq!(json["runs"][1]["accepted"], 2);
    let text = report.to_string();
    assert!(text.contains("publish to receive p50") && text.contains("accepted 2"), "{text}");
}

#[tokio::test]
async fn wrong_settings_and_missing_nodes_are_told() {
    let no_target = run(&Arguments::parse_from(["relay-load"])).await;
    assert!(matches!(no_target, Err(LoadError::NoTarget)));
    let too_small = measure("http://127.0.0.1:1", &["--size=3"]).await;
    assert!(matches!(too_small, Err(LoadError::Setting(_))));
    let nobody = measure("http://127.0.0.1:1", &[]).await;
    assert!(matches!(nobody, Err(LoadError::Node { .. })));
    let arguments = ["relay-load", "--spawn=2", "--weir=/bin/false"];
    let dead = run(&Arguments::parse_from(arguments)).await;
    assert!(matches!(dead, Err(LoadError::NotReady { .. })));
}

async fn measure(url: &str, arguments: &[&str]) -> Result<Report, LoadError> {
    let nodes = ["relay-load", "--publisher", url, "--receiver", url, "--metrics", url];
    run(&Arguments::parse_from(nodes.iter().chain(arguments))).await
}

/// Serves a node in which message n has the fate `fate(n)`, and gives its URL.
async fn serve(fate: impl Fn(usize) -> Fate + Send + Sync + 'static) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    let node = Arc::new(Mutex::new(FakeNode::default()));
    let fate = Arc::new(fate);
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            tokio::spawn(serve_connection(stream, Arc::clone(&node), Arc::clone(&fate)));
        }
    });
    url
}

async fn serve_connection<F: Fn(usize) -> Fate>(
    stream: TcpStream,
    node: Arc<Mutex<FakeNode>>,
    fate: Arc<F>,
) -> Option<()> {
    let mut stream = BufStream::new(stream);
    loop {
        let mut request_line = String::new();
        stream.read_line(&mut request_line).await.ok().filter(|length| *length > 0)?;
        let body = read_body(&mut stream).await?;
        let (status, answer) = answer(request_line.trim_end(), body, &mut node.lock().unwrap(), &*fate);
        let head = format!("HTTP/1.1 {status}\r\ncontent-length: {}\r\n\r\n", answer.len());
        stream.write_all((head + &answer).as_bytes()).await.ok()?;
        stream.flush().await.ok()?;
    }
}

async fn read_body(stream: &mut BufStream<TcpStream>) -> Option<String> {
    let mut length = 0;
    loop {
        let mut line = String::new();
        stream.read_line(&mut line).await.ok()?;
        let line = line.trim_end().to_ascii_lowercase();
        if line.is_empty() {
            break;
        }
        if let Some(value) = line.strip_prefix("content-length:") {
            length = value.trim().parse().ok()?;
        }
    }
    let mut body = vec![0; length];
    stream.read_exact(&mut body).await.ok()?;
    String::from_utf8(body).ok()
}

fn answer(
    request_line: &str,
    body: String,
    node: &mut FakeNode,
    fate: &impl Fn(usize) -> Fate,
) -> (&'static str, String) {
    const MESSAGES: &str = "/relay/v1/messages/%2Fwaku%2F2%2Frs%2F66%2F0";
    match request_line.split(' ').take(2).collect::<Vec<_>>()[..] {
        ["POST", "/relay/v1/subscriptions"] if body == r#"["/waku/2/rs/66/0"]"# => {
            ("200 OK", "OK".to_owned())
        }
        ["GET", "/metrics"] => ("200 OK", format!("messages_total {}\n", node.given)),
        ["GET", MESSAGES] => {
            let messages: Vec<String> = node.queue.drain(..).collect();
            ("200 OK", format!("[{}]", messages.join(",")))
        }
        ["POST", MESSAGES] => {
            let fate = node.given.checked_sub(1).map_or(Fate::Delivered, fate);
            node.given += 1;
            let copies = match fate {
                Fate::Lost | Fate::Refused => 0,
                Fate::Delivered | Fate::RefusedYetDelivered => 1,
                Fate::Doubled => 2,
            };
            node.queue.extend(std::iter::repeat_n(body, copies));
            match fate {
                Fate::Refused | Fate::RefusedYetDelivered => ("429 Too Many Requests", "quota".to_owned()),
                _ => ("200 OK", "OK".to_owned()),
            }
        }
        _ => ("400 Bad Request", request_line.to_owned()),
    }
}
