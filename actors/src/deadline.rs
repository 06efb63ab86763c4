//! One timer for a state machine that tells its next deadline.

use std::time::Duration;

use actix::{Actor, AsyncContext, Context, SpawnHandle};
use weir_core::Timestamp;

/// The timer that is armed now, if any.
#[derive(Debug, Default)]
pub(crate) struct DeadlineTimer(Option<(Timestamp, SpawnHandle)>);

impl DeadlineTimer {
    /// Has `come` called at `deadline`, unless a timer is armed for then or before; that one arms the
    /// next. `come` calls [`DeadlineTimer::fired`] first.
    pub(crate) fn arm<A: Actor<Context = Context<A>>>(
        &mut self,
        deadline: Option<Timestamp>,
        now: Timestamp,
        ctx: &mut Context<A>,
        come: fn(&mut A, &mut Context<A>),
    ) {
        let Some(deadline) = deadline else { return };
        if self.0.is_some_and(|(armed, _)| armed <= deadline) {
            return;
        }
        if let Some((_, timer)) = self.0.take() {
            ctx.cancel_future(timer);
        }
        // A deadline that has passed is looked at after the mailbox, not in a loop with it.
        let delay = deadline.saturating_since(now).max(Duration::from_millis(1));
        self.0 = Some((deadline, ctx.run_later(delay, come)));
    }

    /// Nothing is armed any more.
    pub(crate) fn fired(&mut self) {
        self.0 = None;
    }
}
