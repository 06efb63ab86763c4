//! The thread that does in idle time what a publish need not wait for.

use std::{
    io,
    panic::{AssertUnwindSafe, catch_unwind},
    sync::{Arc, PoisonError, atomic::Ordering},
    thread,
    time::Duration,
};

use weir_protocols::relay::ProofRefusal;
use weir_rln::TableOrigin;

use super::{
    Office,
    desk::{Desk, Order},
};

/// How often the desk is looked at when nothing is done there: often enough that slots follow a change
/// of the tree or the epoch before the next message, at the cost of a few microseconds.
const LOOK_AGAIN: Duration = Duration::from_millis(250);

/// After a slot that could not be made. Messages are proven without one meanwhile.
const RETRY_AFTER: Duration = Duration::from_secs(10);

/// Starts the thread. It ends when the office is closed.
pub(super) fn start(office: Arc<Office>) -> io::Result<()> {
    thread::Builder::new().name("weir-slots".into()).spawn(move || prepare(&office))?;
    Ok(())
}

fn prepare(office: &Office) {
    let tables = catch_unwind(AssertUnwindSafe(|| office.prover.prepare_tables()));
    match tables {
        Ok(TableOrigin::None) => tracing::error!("the prover has no tables; proofs are slow"),
        Ok(TableOrigin::Unsaved) => {
            tracing::warn!("the prover's tables could not be written; they are computed at each start");
        }
        Ok(origin) => tracing::debug!(%origin, "the prover's tables are ready"),
        Err(_) => tracing::error!("the prover's tables could not be made; proofs are slow"),
    }
    while let Some(order) = next_order(office) {
        let slot = catch_unwind(AssertUnwindSafe(|| order.fill()));
        let slot = match slot {
            Ok(Ok(slot)) => Some(slot),
            Ok(Err(error)) => {
                tracing::warn!(%error, "no slot could be made; the next messages take longer");
                None
            }
            Err(_) => {
                tracing::error!("making a slot panicked; the next messages take longer");
                None
            }
        };
        let failed = slot.is_none();
        let mut desk = office.desk();
        desk.made(&order, slot);
        office.metrics.slots_ready.set(i64::try_from(desk.slots_ready()).unwrap_or(i64::MAX));
        drop(desk);
        office.changed.notify_all();
        if failed && !rest(office, RETRY_AFTER) {
            return;
        }
    }
}

/// Waits until a slot is wanted and nobody waits for a proof. `None` when the office is closed.
fn next_order(office: &Office) -> Option<Order> {
    loop {
        let mut desk = office.desk();
        if desk.is_closed() {
            return None;
        }
        match order_in_idle_time(office, &mut desk) {
            Ok(Some(order)) => return Some(order),
            Ok(None) => {}
            Err(refusal) => {
                tracing::debug!(?refusal, "no message id for a slot");
                drop(desk);
                if !rest(office, RETRY_AFTER) {
                    return None;
                }
                continue;
            }
        }
        drop(office.changed.wait_timeout(desk, LOOK_AGAIN).unwrap_or_else(PoisonError::into_inner));
    }
}

/// The slot to make now: none while somebody waits for a proof.
pub(super) fn order_in_idle_time(office: &Office, desk: &mut Desk) -> Result<Option<Order>, ProofRefusal> {
    if office.waiting.load(Ordering::SeqCst) > 0 {
        return Ok(None);
    }
    desk.next_order(&office.prover, office.clock.now())
}

/// Waits for so long. False when the office is closed meanwhile.
fn rest(office: &Office, pause: Duration) -> bool {
    let wait = office.changed.wait_timeout_while(office.desk(), pause, |desk| !desk.is_closed());
    let (desk, _) = wait.unwrap_or_else(PoisonError::into_inner);
    !desk.is_closed()
}
