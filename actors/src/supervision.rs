//! Supervision: an actor that dies is rebuilt behind the same handle, until its budget is spent.
//!
//! actix does not do this. A panic in a handler ends the actor's task and its address answers
//! "closed" for ever; the stock `Supervisor` dies with it (`docs/adr/0003-actix-as-a-shell.md`).
//! So every actor here is made by a factory under [`Vacancy::supervise`] and owns a [`Lease`]. However the actor
//! ends, by stop, error or panic, its lease is dropped, the guardian notices, waits a growing while
//! and makes a new actor. Whoever holds the [`Handle`] or a [`Port`] made from it reaches the new
//! one. Only [`Lease::finish`] counts as a normal end.
//!
//! ```text
//!             Handle, Port ── look up ──> current address
//!                                               │
//!   factory ──> actor { lease } ── drop ──> guardian ──> wait, factory again
//!                                               └─ budget spent ──> Fault ──> the node stops loudly
//! ```
//!
//! # Invariants
//! Handles never clone the address: each clone would own one extra mailbox slot, and a clone a
//! message would undo the bound. `watch` keeps the only one.

use std::{
    collections::VecDeque,
    fmt,
    panic::{AssertUnwindSafe, catch_unwind},
    sync::Arc,
    time::Duration,
};

use actix::{Actor, Addr, Context, Handler, Message, dev::ToEnvelope};
use actix_rt::ArbiterHandle;
use tokio::{
    sync::{Semaphore, mpsc, oneshot, watch},
    time::{Instant, sleep, timeout},
};

use crate::port::{Port, Refusal, Refused, Reply};

/// First pause before an actor is made again; doubled for each fault in the window.
const FIRST_PAUSE: Duration = Duration::from_millis(20);

/// Longest pause: an operator who watches the logs still sees attempts.
const LONGEST_PAUSE: Duration = Duration::from_secs(2);

/// How long a fault counts against the budget.
const FAULT_WINDOW: Duration = Duration::from_secs(60);

/// Faults in one window before the node stops. With the pauses above, eight faults take at least
/// 20 ms · (2^8 - 1) = 5 s, so a hiccup of a dependency does not spend the budget.
const FAULT_BUDGET: usize = 8;

/// Questions one handle may have in flight. A question holds a mailbox slot until it is answered,
/// so mailboxes are at least this large.
pub const ASKS_IN_FLIGHT: usize = 1024;

/// An actor whose mailbox has a bound from its first moment.
///
/// The bound is set before anybody has the address: actix's own is 16, and a burst that meets a
/// rebuilt actor would find it full.
pub trait Bounded: Actor<Context = Context<Self>> {
    /// Messages that may wait.
    const MAILBOX: usize;
}

/// Reaches the actor that is current; clones share the bound on questions in flight.
pub struct Handle<A: Actor> {
    name: &'static str,
    current: watch::Receiver<Option<Addr<A>>>,
    asks: Arc<Semaphore>,
}

/// Held by an actor for as long as it lives.
#[derive(Debug)]
pub struct Lease(Option<oneshot::Sender<()>>);

/// An actor ended that should not have.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Fault {
    /// Which one.
    pub actor: &'static str,
    /// How many of its faults the window holds, this one included.
    pub count: usize,
    /// True when the budget is spent: the actor stays down and the node must stop.
    pub fatal: bool,
}

/// Why a question has no answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum AskError {
    /// The mailbox, or the number of questions in flight, is at its bound.
    #[error("the node is overloaded; try again")]
    Busy,
    /// The actor is down, or gave up the question.
    #[error("this part of the node is restarting or has stopped")]
    Down,
    /// No answer in time.
    #[error("timed out")]
    Timeout,
}

/// Why an actor could not be made.
pub type FactoryError = Box<dyn std::error::Error + Send + Sync>;

impl<A: Actor<Context = Context<A>>> Handle<A> {
    /// Hands `message` to the actor, or gives it back when the mailbox is full or nobody is there.
    pub fn tell<M>(&self, message: M) -> Result<(), Refused<M>>
    where
        A: Handler<M>,
        M: Message<Result = ()> + Send + 'static,
        Context<A>: ToEnvelope<A, M>,
    {
        match self.current.borrow().as_ref() {
            None => Err(Refused { message, why: Refusal::Down }),
            Some(address) => address.try_send(message).map_err(|error| match error {
                actix::dev::SendError::Full(message) => Refused { message, why: Refusal::Busy },
                actix::dev::SendError::Closed(message) => Refused { message, why: Refusal::Down },
            }),
        }
    }

    /// Asks a question, built around the place its answer goes to.
    pub async fn ask<M, R>(
        &self,
        patience: Duration,
        question: impl FnOnce(Reply<R>) -> M,
    ) -> Result<R, AskError>
    where
        A: Handler<M>,
        M: Message<Result = ()> + Send + 'static,
        Context<A>: ToEnvelope<A, M>,
    {
        let _permit = self.asks.try_acquire().map_err(|_| AskError::Busy)?;
        let (reply, answer) = Reply::channel();
        self.tell(question(reply)).map_err(|refused| match refused.why {
            Refusal::Busy => AskError::Busy,
            Refusal::Down => AskError::Down,
        })?;
        match timeout(patience, answer).await {
            Ok(Ok(answer)) => Ok(answer),
            Ok(Err(_)) => Err(AskError::Down),
            Err(_) => Err(AskError::Timeout),
        }
    }

    /// A port for messages of one type.
    pub fn port<M>(&self) -> Port<M>
    where
        A: Handler<M>,
        M: Message<Result = ()> + Send + 'static,
        Context<A>: ToEnvelope<A, M>,
    {
        let handle = self.clone();
        Port::from_fn(move |message| handle.tell(message))
    }

    /// Resolves when no actor is behind the handle any more.
    pub async fn stopped(&self) {
        let mut current = self.current.clone();
        while current.borrow_and_update().is_some() {
            if current.changed().await.is_err() {
                return;
            }
        }
    }
}

impl<A: Actor> Clone for Handle<A> {
    fn clone(&self) -> Self {
        Self { name: self.name, current: self.current.clone(), asks: Arc::clone(&self.asks) }
    }
}

impl<A: Actor> fmt::Debug for Handle<A> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Handle({})", self.name)
    }
}

impl Lease {
    /// Tells the guardian that the actor ends because its work is done.
    pub fn finish(&mut self) {
        if let Some(guardian) = self.0.take() {
            // A guardian that is gone watches nothing.
            let _ = guardian.send(());
        }
    }
}

/// A handle whose actor does not exist yet, so that ports can be made in a cycle.
///
/// Messages are refused as [`Refusal::Down`] until [`Vacancy::supervise`] fills it.
#[derive(Debug)]
pub struct Vacancy<A: Actor> {
    name: &'static str,
    current: watch::Sender<Option<Addr<A>>>,
    asks: Arc<Semaphore>,
}

impl<A: Bounded> Vacancy<A> {
    /// Names a place in the node.
    pub fn new(name: &'static str) -> Self {
        Self { name, current: watch::Sender::new(None), asks: Arc::new(Semaphore::new(ASKS_IN_FLIGHT)) }
    }

    /// A handle to whoever will fill the place.
    pub fn handle(&self) -> Handle<A> {
        Handle { name: self.name, current: self.current.subscribe(), asks: Arc::clone(&self.asks) }
    }

    /// Makes the actor on `arbiter` and keeps making it; returns once the first one runs, or with
    /// the error that kept it from running.
    pub async fn supervise<F>(
        self,
        arbiter: &ArbiterHandle,
        faults: mpsc::Sender<Fault>,
        factory: F,
    ) -> Result<(), FactoryError>
    where
        F: FnMut(Lease) -> Result<A, FactoryError> + Send + 'static,
    {
        let (started, first) = oneshot::channel();
        let guardian = Guardian { name: self.name, current: self.current, faults, recent: VecDeque::new() };
        arbiter.spawn_fn(move || {
            actix_rt::spawn(guardian.run(factory, started));
        });
        first.await.unwrap_or_else(|_| Err("the arbiter has stopped".into()))
    }
}

struct Guardian<A: Actor> {
    name: &'static str,
    current: watch::Sender<Option<Addr<A>>>,
    faults: mpsc::Sender<Fault>,
    recent: VecDeque<Instant>,
}

impl<A: Bounded> Guardian<A> {
    async fn run<F>(mut self, mut factory: F, started: oneshot::Sender<Result<(), FactoryError>>)
    where
        F: FnMut(Lease) -> Result<A, FactoryError>,
    {
        let mut started = Some(started);
        loop {
            let (watched, ended) = oneshot::channel();
            match make(&mut factory, Lease(Some(watched))) {
                Ok(actor) => {
                    let mut context = Context::new();
                    context.set_mailbox_capacity(A::MAILBOX);
                    self.current.send_replace(Some(context.run(actor)));
                    if let Some(started) = started.take() {
                        drop(started.send(Ok(())));
                    }
                    let finished = ended.await.is_ok();
                    self.current.send_replace(None);
                    if finished {
                        return;
                    }
                }
                Err(error) => {
                    if let Some(started) = started.take() {
                        drop(started.send(Err(error)));
                        return;
                    }
                    tracing::warn!(actor = self.name, %error, "actor could not be rebuilt");
                }
            }
            match self.pause_after_fault() {
                Some(pause) => sleep(pause).await,
                None => return,
            }
        }
    }

    /// Records a fault, and tells how long to wait, or none when the budget is spent.
    fn pause_after_fault(&mut self) -> Option<Duration> {
        let now = Instant::now();
        self.recent.push_back(now);
        while self.recent.front().is_some_and(|&at| now.duration_since(at) > FAULT_WINDOW) {
            self.recent.pop_front();
        }
        let count = self.recent.len();
        let fatal = count > FAULT_BUDGET;
        tracing::error!(actor = self.name, count, fatal, "actor ended unexpectedly");
        // The channel holds a full budget for every actor, so a lost notice means nobody listens.
        drop(self.faults.try_send(Fault { actor: self.name, count, fatal }));
        let doublings = u32::try_from(count - 1).unwrap_or(u32::MAX).min(16);
        (!fatal).then(|| FIRST_PAUSE.saturating_mul(1 << doublings).min(LONGEST_PAUSE))
    }
}

fn make<A>(
    factory: &mut impl FnMut(Lease) -> Result<A, FactoryError>,
    lease: Lease,
) -> Result<A, FactoryError> {
    catch_unwind(AssertUnwindSafe(|| factory(lease)))
        .unwrap_or_else(|_| Err("the actor panicked while it was being made".into()))
}

#[cfg(test)]
mod tests {
    use super::*;

    struct Fragile {
        lease: Lease,
        generation: u32,
    }

    impl Actor for Fragile {
        type Context = Context<Self>;
    }

    impl Bounded for Fragile {
        const MAILBOX: usize = 8;
    }

    #[derive(Message)]
    #[rtype(result = "()")]
    struct Panic;

    #[derive(Message)]
    #[rtype(result = "()")]
    struct Generation(Reply<u32>);

    #[derive(Message)]
    #[rtype(result = "()")]
    struct Finish;

    impl Handler<Panic> for Fragile {
        type Result = ();

        fn handle(&mut self, _: Panic, _: &mut Self::Context) {
            panic!("a bug, on purpose");
        }
    }

    impl Handler<Generation> for Fragile {
        type Result = ();

        fn handle(&mut self, Generation(reply): Generation, _: &mut Self::Context) {
            reply.give(self.generation);
        }
    }

    impl Handler<Finish> for Fragile {
        type Result = ();

        fn handle(&mut self, _: Finish, ctx: &mut Self::Context) {
            self.lease.finish();
            actix::ActorContext::stop(ctx);
        }
    }

    async fn fragile() -> (Handle<Fragile>, mpsc::Receiver<Fault>) {
        let (faults, notices) = mpsc::channel(32);
        let vacancy = Vacancy::new("fragile");
        let handle = vacancy.handle();
        let mut generation = 0;
        let factory = move |lease| {
            generation += 1;
            Ok(Fragile { lease, generation })
        };
        vacancy.supervise(&actix_rt::Arbiter::current(), faults, factory).await.expect("starts");
        (handle, notices)
    }

    async fn generation_of(handle: &Handle<Fragile>) -> Result<u32, AskError> {
        handle.ask(Duration::from_secs(1), Generation).await
    }

    /// Runs under paused time, so that waiting for the next generation costs nothing.
    async fn wait_for_generation(handle: &Handle<Fragile>, wanted: u32) {
        while generation_of(handle).await != Ok(wanted) {
            sleep(Duration::from_millis(1)).await;
        }
    }

    #[actix::test]
    async fn an_actor_that_panics_is_rebuilt_behind_the_same_handle() {
        tokio::time::pause();
        let (handle, mut notices) = fragile().await;
        let port: Port<Panic> = handle.port();
        assert_eq!(generation_of(&handle).await, Ok(1));
        port.tell(Panic).expect("taken");
        assert_eq!(notices.recv().await, Some(Fault { actor: "fragile", count: 1, fatal: false }));
        wait_for_generation(&handle, 2).await;
        port.tell(Panic).expect("the port reaches the new actor");
        wait_for_generation(&handle, 3).await;
    }

    #[actix::test]
    async fn a_spent_budget_is_reported_as_fatal_and_the_actor_stays_down() {
        tokio::time::pause();
        let (handle, mut notices) = fragile().await;
        for count in 1..=FAULT_BUDGET + 1 {
            while handle.tell(Panic).is_err() {
                sleep(Duration::from_millis(1)).await;
            }
            let notice = notices.recv().await.expect("a notice");
            assert_eq!((notice.count, notice.fatal), (count, count > FAULT_BUDGET));
        }
        sleep(LONGEST_PAUSE * 2).await;
        assert_eq!(generation_of(&handle).await, Err(AskError::Down));
    }

    #[actix::test]
    async fn faults_far_apart_do_not_spend_the_budget() {
        tokio::time::pause();
        let (handle, mut notices) = fragile().await;
        for _ in 0..FAULT_BUDGET * 2 {
            while handle.tell(Panic).is_err() {
                sleep(Duration::from_millis(1)).await;
            }
            assert_eq!(notices.recv().await.map(|fault| fault.count), Some(1));
            sleep(FAULT_WINDOW * 2).await;
        }
    }

    #[actix::test]
    async fn an_actor_that_finished_stays_away_without_a_fault() {
        tokio::time::pause();
        let (handle, mut notices) = fragile().await;
        handle.tell(Finish).expect("taken");
        handle.stopped().await;
        sleep(LONGEST_PAUSE * 2).await;
        assert!(notices.try_recv().is_err());
        assert_eq!(generation_of(&handle).await, Err(AskError::Down));
    }

    #[actix::test]
    async fn a_full_mailbox_gives_the_message_back_however_many_ports_there_are() {
        let (handle, _notices) = fragile().await;
        assert_eq!(generation_of(&handle).await, Ok(1));
        let taken = (0..100)
            .filter(|_| {
                let port: Port<Generation> = handle.port();
                port.tell(Generation(Reply::channel().0)).is_ok()
            })
            .count();
        assert!((8..=9).contains(&taken), "a mailbox of 8 took {taken}");
    }
}
