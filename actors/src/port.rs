//! Typed ports: how one actor reaches another without knowing its type or its address.
//!
//! A port is given at construction and stays valid while the actor behind it is rebuilt, because
//! it looks the current address up for every message (see [`crate::supervision`]). Sending never
//! waits and never exceeds the receiver's bound: a refusal gives the message back, and what to do
//! with it is the sender's decision.

use std::{fmt, sync::Arc};

use tokio::sync::oneshot;

/// Sends messages of one type to whoever owns them now.
pub struct Port<M>(Arc<dyn Fn(M) -> Result<(), Refused<M>> + Send + Sync>);

/// A message that was not taken.
pub struct Refused<M> {
    /// The message, back.
    pub message: M,
    /// Why it was not taken.
    pub why: Refusal,
}

/// Why a message was not taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq, strum::IntoStaticStr)]
#[strum(serialize_all = "snake_case")]
pub enum Refusal {
    /// The mailbox is full.
    Busy,
    /// The actor is being rebuilt, or has stopped.
    Down,
}

impl<M> Port<M> {
    /// A port made of a function, for probes and adapters.
    pub fn from_fn(send: impl Fn(M) -> Result<(), Refused<M>> + Send + Sync + 'static) -> Self {
        Self(Arc::new(send))
    }

    /// Hands `message` over, or gives it back.
    pub fn tell(&self, message: M) -> Result<(), Refused<M>> {
        (self.0)(message)
    }
}

impl<M> Clone for Port<M> {
    fn clone(&self) -> Self {
        Self(Arc::clone(&self.0))
    }
}

impl<M> fmt::Debug for Port<M> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Port")
    }
}

impl<M> fmt::Debug for Refused<M> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Refused").field("why", &self.why).finish_non_exhaustive()
    }
}

/// Where the answer to a question goes. Dropping it tells the asker that there is none.
#[derive(Debug)]
pub struct Reply<T>(oneshot::Sender<T>);

impl<T> Reply<T> {
    /// A reply and the place to await it.
    pub fn channel() -> (Self, oneshot::Receiver<T>) {
        let (sender, receiver) = oneshot::channel();
        (Self(sender), receiver)
    }

    /// Whether somebody still waits for the answer.
    pub fn is_awaited(&self) -> bool {
        !self.0.is_closed()
    }

    /// Answers. An asker who no longer waits is not an error.
    pub fn give(self, answer: T) {
        drop(self.0.send(answer));
    }
}
