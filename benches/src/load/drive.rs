//! The two ways to measure: one message at a time, and many.

use std::{
    cell::{Cell, RefCell},
    fmt::Write,
    time::{Duration, Instant},
};

use bytes::Bytes;
use futures::future::{join, join_all, try_join_all};
use hyper::StatusCode;
use tokio::time::sleep;

use super::{
    Arguments, LoadError,
    counters::{self, Counters},
    http::Connection,
    message::Messages,
    tally::{Answer, Tally},
};

/// A gossipsub mesh forms at heartbeats, one a second, after connection, handshake and, with RLN, the
/// registration of the publisher; a node that needs longer than this will not make it.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(60);
/// Between two attempts, so that few ids of an RLN quota are spent on finding out.
const CONNECT_INTERVAL: Duration = Duration::from_secs(1);
/// Before the next attempt of a connection that got no answer at all.
const FAILURE_PAUSE: Duration = Duration::from_millis(100);

/// A latency is found to one part in so many; up to that many milliseconds, to one poll.
const POLLS_PER_LATENCY: u32 = 50;

/// How to measure.
#[derive(Debug)]
pub(crate) struct Plan {
    pub(crate) size: usize,
    pub(crate) connections: usize,
    /// Messages a second; `None` is closed loop.
    pub(crate) rate: Option<f64>,
    count: u64,
    samples: u64,
    settle: Duration,
    poll_interval: Duration,
    content_topic: String,
    pubsub_topic: String,
    /// Where received messages are taken from.
    messages_path: String,
    publish_path: String,
    /// What goes before and behind a message in a publish request.
    around: [String; 2],
}

/// Where to measure.
#[derive(Debug)]
pub(crate) struct Target {
    pub(crate) publisher: String,
    pub(crate) receivers: Vec<String>,
    pub(crate) metrics: Vec<String>,
}

/// One run while it goes on. Everything is on one thread.
struct Run<'a> {
    plan: &'a Plan,
    messages: Messages,
    start: Instant,
    tally: RefCell<Tally>,
    /// Messages given to a publishing connection so far.
    taken: Cell<u64>,
    /// When the last publish was answered.
    published: Cell<Option<Duration>>,
}

impl Plan {
    pub(crate) fn new(arguments: &Arguments) -> Result<Self, LoadError> {
        // So that a wrong size is told before nodes are started.
        Messages::new(arguments.size, &arguments.content_topic)?;
        if arguments.connections == 0 {
            return Err(LoadError::Setting("--connections is at least 1".to_owned()));
        }
        if !(arguments.rate.is_finite() && arguments.rate >= 0.0) {
            return Err(LoadError::Setting("--rate is 0 or a positive number".to_owned()));
        }
        let messages_path = format!("/relay/v1/messages/{}", percent_encode(&arguments.pubsub_topic));
        let (publish_path, around) = if arguments.light_push {
            let before = format!(r#"{{"pubsubTopic":"{}","message":"#, arguments.pubsub_topic);
            ("/lightpush/v3/message".to_owned(), [before, "}".to_owned()])
        } else {
            (messages_path.clone(), [String::new(), String::new()])
        };
        Ok(Self {
            size: arguments.size,
            connections: arguments.connections,
            rate: (arguments.rate > 0.0).then_some(arguments.rate),
            count: arguments.messages,
            samples: arguments.samples,
            settle: Duration::from_secs(arguments.settle),
            poll_interval: Duration::from_millis(arguments.poll_interval),
            content_topic: arguments.content_topic.clone(),
            pubsub_topic: arguments.pubsub_topic.clone(),
            messages_path,
            publish_path,
            around,
        })
    }
}

impl Target {
    pub(crate) fn from_arguments(arguments: &Arguments) -> Result<Self, LoadError> {
        match &arguments.publisher {
            Some(publisher) if !arguments.receiver.is_empty() => Ok(Self {
                publisher: publisher.clone(),
                receivers: arguments.receiver.clone(),
                metrics: arguments.metrics.clone(),
            }),
            _ => Err(LoadError::NoTarget),
        }
    }

    pub(crate) fn receiver_urls(&self) -> &[String] {
        &self.receivers
    }

    /// Subscribes every node to the topic; a subscribed one says yes again.
    pub(crate) async fn subscribe(&self, plan: &Plan) -> Result<(), LoadError> {
        let topics = Bytes::from(format!("[\"{}\"]", plan.pubsub_topic));
        for url in [&self.publisher].into_iter().chain(&self.receivers) {
            let path = "/relay/v1/subscriptions";
            let (status, answer) = Connection::new(url)?.post(path, topics.clone()).await?;
            if status != StatusCode::OK {
                return Err(unexpected(&format!("{url}{path}"), status, &answer));
            }
        }
        Ok(())
    }

    /// Publishes a message a second until each receiver has got one, then empties the receivers.
    pub(crate) async fn wait_until_connected(&self, plan: &Plan) -> Result<(), LoadError> {
        let run = Run::new(plan, self)?;
        let mut publisher = Connection::new(&self.publisher)?;
        let mut receivers = self.connections()?;
        let mut reached = vec![false; receivers.len()];
        let mut last_answer = String::new();
        while run.start.elapsed() < CONNECT_TIMEOUT {
            let number = run.tally.borrow_mut().send(run.start.elapsed());
            last_answer = match publisher.post(&plan.publish_path, run.request(number)).await {
                Ok((status, answer)) => format!("{status} {}", excerpt(&answer)),
                Err(error) => error.to_string(),
            };
            let answered = run.start.elapsed();
            // At least one poll an attempt, however long the publish took.
            loop {
                for (receiver, reached) in receivers.iter_mut().zip(&mut reached) {
                    *reached |= !run.poll(receiver).await?.is_empty();
                }
                if reached.iter().all(|reached| *reached) {
                    return Ok(());
                }
                if run.start.elapsed() > answered + CONNECT_INTERVAL {
                    break;
                }
                sleep(plan.poll_interval.max(Duration::from_millis(10))).await;
            }
        }
        Err(LoadError::NotConnected { waited: CONNECT_TIMEOUT, last_answer })
    }

    /// The counters of every metrics page.
    pub(crate) async fn counters(&self) -> Result<Vec<Counters>, LoadError> {
        let mut all = Vec::new();
        for url in &self.metrics {
            let (status, page) = Connection::new(url)?.get("/metrics").await?;
            if status != StatusCode::OK {
                return Err(unexpected(&format!("{url}/metrics"), status, &page));
            }
            all.push(counters::parse(&String::from_utf8_lossy(&page)));
        }
        Ok(all)
    }

    fn connections(&self) -> Result<Vec<Connection>, LoadError> {
        self.receivers.iter().map(|url| Connection::new(url)).collect()
    }
}

/// Publishes one message after the other, each when every receiver has the one before or can no
/// longer be expected to get it.
pub(crate) async fn latency(target: &Target, plan: &Plan) -> Result<Tally, LoadError> {
    let run = Run::new(plan, target)?;
    let mut publisher = Connection::new(&target.publisher)?;
    let mut receivers = target.connections()?;
    for number in 0..plan.samples {
        let sent = run.start.elapsed();
        let watch = receivers.iter_mut().enumerate().map(|(index, connection)| {
            let run = &run;
            async move {
                while run.awaits(index, number) {
                    let waited = run.start.elapsed() - sent;
                    if waited > plan.settle {
                        break;
                    }
                    // The longer it takes, the less often: polling for a second without pause would
                    // take the CPU from the proof that is waited for.
                    if waited > Duration::from_millis(1) * POLLS_PER_LATENCY {
                        sleep(waited / POLLS_PER_LATENCY).await;
                    }
                    run.poll_into_tally(index, connection).await?;
                }
                Ok::<(), LoadError>(())
            }
        });
        // The publish comes first: it notes the message as sent before the first poll looks for it.
        join(run.publish_one(&mut publisher), try_join_all(watch)).await.1?;
    }
    Ok(run.tally.into_inner())
}

/// Publishes on all connections at the plan's rate, or as fast as the answers come.
pub(crate) async fn throughput(target: &Target, plan: &Plan) -> Result<Tally, LoadError> {
    let run = Run::new(plan, target)?;
    let publishers: Result<Vec<Connection>, LoadError> =
        (0..plan.connections).map(|_| Connection::new(&target.publisher)).collect();
    let publish = async {
        join_all(publishers?.into_iter().map(|connection| run.publish_share(connection))).await;
        run.published.set(Some(run.start.elapsed()));
        Ok::<(), LoadError>(())
    };
    let watch = target.connections()?.into_iter().enumerate();
    let watch = try_join_all(watch.map(|(index, connection)| run.watch(index, connection)));
    let (published, watched) = join(publish, watch).await;
    published?;
    watched?;
    Ok(run.tally.into_inner())
}

impl<'a> Run<'a> {
    fn new(plan: &'a Plan, target: &Target) -> Result<Self, LoadError> {
        Ok(Self {
            plan,
            messages: Messages::new(plan.size, &plan.content_topic)?,
            start: Instant::now(),
            tally: RefCell::new(Tally::new(target.receivers.len())),
            taken: Cell::new(0),
            published: Cell::new(None),
        })
    }

    /// Publishes until the plan's count is reached, each message no earlier than its turn.
    async fn publish_share(&self, mut connection: Connection) {
        while self.taken.get() < self.plan.count {
            let turn = self.taken.replace(self.taken.get() + 1);
            if let Some(rate) = self.plan.rate {
                let due = Duration::from_secs_f64(turn as f64 / rate);
                sleep(due.saturating_sub(self.start.elapsed())).await;
            }
            if self.publish_one(&mut connection).await == Answer::Failed {
                sleep(FAILURE_PAUSE).await;
            }
        }
    }

    fn request(&self, number: u64) -> Bytes {
        let message = self.messages.encode(number);
        let [before, behind] = &self.plan.around;
        if before.is_empty() {
            message
        } else {
            [before.as_bytes(), &message, behind.as_bytes()].concat().into()
        }
    }

    async fn publish_one(&self, connection: &mut Connection) -> Answer {
        let number = self.tally.borrow().sent();
        let json = self.request(number);
        self.tally.borrow_mut().send(self.start.elapsed());
        let answer = match connection.post(&self.plan.publish_path, json).await {
            Ok((StatusCode::OK, _)) => Answer::Accepted,
            Ok((status, _)) => Answer::Refused(status.as_u16()),
            Err(_) => Answer::Failed,
        };
        self.tally.borrow_mut().answer(number, answer, self.start.elapsed());
        answer
    }

    /// Polls until all that was published has come, or the time to settle is over.
    async fn watch(&self, index: usize, mut connection: Connection) -> Result<(), LoadError> {
        loop {
            if self.poll_into_tally(index, &mut connection).await? {
                continue;
            }
            if let Some(published) = self.published.get() {
                let over = self.start.elapsed() > published + self.plan.settle;
                if over || !self.tally.borrow().awaits_any(index) {
                    return Ok(());
                }
            }
            sleep(self.plan.poll_interval).await;
        }
    }

    /// Whether anything came.
    async fn poll_into_tally(&self, index: usize, connection: &mut Connection) -> Result<bool, LoadError> {
        let numbers = self.poll(connection).await?;
        let now = self.start.elapsed();
        let mut tally = self.tally.borrow_mut();
        numbers.iter().for_each(|number| tally.receive(index, *number, now));
        Ok(!numbers.is_empty())
    }

    async fn poll(&self, connection: &mut Connection) -> Result<Vec<u64>, LoadError> {
        let path = &self.plan.messages_path;
        let (status, answer) = connection.get(path).await?;
        if status != StatusCode::OK {
            return Err(unexpected(path, status, &answer));
        }
        self.messages.numbers(&answer).map_err(|error| LoadError::Node {
            url: path.clone(),
            detail: format!("not a list of messages: {error}"),
        })
    }

    fn awaits(&self, index: usize, number: u64) -> bool {
        self.tally.borrow().awaits(index, number)
    }
}

fn unexpected(url: &str, status: StatusCode, answer: &[u8]) -> LoadError {
    LoadError::Node { url: url.to_owned(), detail: format!("{status} {}", excerpt(answer)) }
}

/// The start of an answer, for an error message.
fn excerpt(answer: &[u8]) -> String {
    String::from_utf8_lossy(&answer[..answer.len().min(200)]).into_owned()
}

/// A topic as one path segment.
fn percent_encode(text: &str) -> String {
    let mut encoded = String::new();
    for byte in text.bytes() {
        match byte {
            b'A'..=b'Z' | b'a'..=b'z' | b'0'..=b'9' | b'-' | b'_' | b'.' | b'~' => encoded.push(byte.into()),
            _ => write!(encoded, "%{byte:02X}").expect("a String takes any text"),
        }
    }
    encoded
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_topic_is_one_path_segment() {
        assert_eq!(percent_encode("/waku/2/rs/66/0"), "%2Fwaku%2F2%2Frs%2F66%2F0");
        assert_eq!(percent_encode("a-b_c.d~ä"), "a-b_c.d~%C3%A4");
    }
}
