//! Polling with a deadline.

use std::time::{Duration, Instant};

/// Between two looks. Long enough that looking costs the nodes nothing.
const INTERVAL: Duration = Duration::from_millis(25);

/// For what takes a node well under a second on an idle machine. Tests share two cores with whole
/// builds, and a proof alone costs a third of a second.
pub(crate) const SOON: Duration = Duration::from_secs(30);

/// Looks until `probe` finds something.
///
/// # Panics
/// When it has not found it within `limit`; `what` says what is missing.
pub(crate) async fn until<T>(what: &str, limit: Duration, mut probe: impl AsyncFnMut() -> Option<T>) -> T {
    let deadline = Instant::now() + limit;
    loop {
        if let Some(found) = probe().await {
            return found;
        }
        assert!(Instant::now() < deadline, "waited {limit:?} in vain: {what}");
        tokio::time::sleep(INTERVAL).await;
    }
}

/// Looks until `probe` is true.
pub(crate) async fn until_true(what: &str, limit: Duration, mut probe: impl AsyncFnMut() -> bool) {
    until(what, limit, async || probe().await.then_some(())).await;
}
