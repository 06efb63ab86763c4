//! What the tests of the actors share: ports that end in an inbox, actors under supervision, a clock
//! that follows tokio's, and a message that is a bug.

use std::time::Duration;

use actix::Message;
use tokio::{
    sync::mpsc::{self, error::TrySendError},
    time::{Instant, timeout},
};
use weir_core::{ClusterId, PeerId, PubsubTopic, ShardId, Timestamp};

use crate::{
    Clock,
    port::{Port, Refusal, Refused},
    supervision::{Bounded, FactoryError, Fault, Handle, Lease, Vacancy},
};

/// Long enough for every real wait in these tests, and free under paused time.
const LIMIT: Duration = Duration::from_secs(30);

pub(crate) const CLUSTER: ClusterId = ClusterId(66);

/// The middle of an epoch of 600 s.
pub(crate) const NOON: Timestamp = Timestamp::from_secs(1_700_000_100);

/// What was sent to a port.
pub(crate) struct Inbox<M>(mpsc::Receiver<M>);

/// A port that takes 4096 messages.
pub(crate) fn probe<M: Send + 'static>() -> (Port<M>, Inbox<M>) {
    probe_of(4096)
}

/// A port that takes `capacity` messages until some are taken out; dropping the inbox takes it down.
pub(crate) fn probe_of<M: Send + 'static>(capacity: usize) -> (Port<M>, Inbox<M>) {
    let (sender, receiver) = mpsc::channel(capacity);
    let port = Port::from_fn(move |message| {
        sender.try_send(message).map_err(|error| match error {
            TrySendError::Full(message) => Refused { message, why: Refusal::Busy },
            TrySendError::Closed(message) => Refused { message, why: Refusal::Down },
        })
    });
    (port, Inbox(receiver))
}

/// A port behind which there is nobody.
pub(crate) fn nobody<M: Send + 'static>() -> Port<M> {
    Port::from_fn(|message| Err(Refused { message, why: Refusal::Down }))
}

impl<M> Inbox<M> {
    /// The next message, which has to come.
    pub(crate) async fn next(&mut self) -> M {
        within(self.0.recv()).await.expect("the sender is there")
    }

    /// What has come and was not taken out.
    pub(crate) fn drain(&mut self) -> Vec<M> {
        std::iter::from_fn(|| self.0.try_recv().ok()).collect()
    }
}

/// Waits, but not for ever.
pub(crate) async fn within<T>(future: impl Future<Output = T>) -> T {
    timeout(LIMIT, future).await.expect("what the test waits for does not happen")
}

/// Asks again and again until the answer is there; for what no event tells.
pub(crate) async fn until<T>(mut ask: impl AsyncFnMut() -> Option<T>) -> T {
    within(async {
        loop {
            if let Some(answer) = ask().await {
                return answer;
            }
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    })
    .await
}

/// An actor on this thread, made and made again by `factory`.
pub(crate) async fn supervised<A: Bounded>(
    factory: impl FnMut(Lease) -> Result<A, FactoryError> + Send + 'static,
) -> (Handle<A>, mpsc::Receiver<Fault>) {
    let (faults, notices) = mpsc::channel(32);
    let place = Vacancy::new("probed");
    let handle = place.handle();
    place.supervise(&actix_rt::Arbiter::current(), faults, factory).await.expect("starts");
    (handle, notices)
}

/// A clock that starts at [`NOON`] and goes with tokio's, paused or not.
pub(crate) fn clock() -> Clock {
    let start = Instant::now();
    Clock::from_fn(move || NOON.saturating_add(start.elapsed()))
}

pub(crate) fn topic(shard: u16) -> PubsubTopic {
    PubsubTopic::new(CLUSTER, ShardId(shard)).expect("a shard")
}

pub(crate) fn peer(n: u8) -> PeerId {
    PeerId::from_bytes(&[n]).expect("one byte")
}

/// A message whose handler panics.
#[derive(Debug, Message)]
#[rtype(result = "()")]
pub(crate) struct Crash;
