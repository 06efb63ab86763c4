//! Sending prepared messages in at one node and seeing them come out of another.

use std::time::{Duration, Instant};

use serde::Serialize;
use tokio::time::{sleep, sleep_until};

use crate::{
    gossip::{Peer, Seen},
    load::Times,
    signed::{Batch, Signer},
};

/// After the last message was sent, for those that are still under way. A node gives a check up after
/// 5 s.
const SETTLE: Duration = Duration::from_secs(8);
/// Before a publish is tried again that met full queues.
const RETRY: Duration = Duration::from_millis(1);

/// How messages are sent.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Pace {
    /// So many a second, whether or not earlier ones have arrived. A latency then counts from the moment
    /// a message was **due**, not from when it could be sent: a stall is in the latency of every message
    /// that it kept waiting.
    Rate(f64),
    /// As soon as fewer than so many are under way: the most that gets through without loss.
    Window(usize),
}

/// What became of the messages.
#[derive(Debug, Clone, Serialize)]
pub(crate) struct Outcome {
    /// Messages given to the first node.
    pub(crate) sent: usize,
    /// Messages that came out of the last node.
    pub(crate) delivered: usize,
    /// Messages that did not.
    pub(crate) lost: usize,
    /// From the first message sent to the last delivered.
    pub(crate) seconds: f64,
    /// Delivered in that time.
    pub(crate) delivered_per_second: f64,
    /// From when a message was due to when it came out; nearest ranks.
    pub(crate) latency: Option<Times>,
}

/// Sends `batch` through `entrance` and waits for it at `exit`.
pub(crate) async fn run(
    entrance: &mut Peer,
    exit: &mut Peer,
    signer: &Signer,
    batch: &Batch,
    pace: Pace,
) -> Outcome {
    let mut course = Course::new(batch, pace);
    while !course.is_over() {
        let next = course.next_due();
        tokio::select! {
            seen = exit.next() => match seen {
                Seen::Message(message) => course.arrive(signer.number(&message)),
                // Nothing can arrive any more.
                Seen::Left => break,
                Seen::Room => {}
            },
            seen = entrance.next() => if matches!(seen, Seen::Left) { break },
            () = sleep_until(next.unwrap_or_else(Instant::now).into()), if next.is_some() => {
                course.send_what_is_due(entrance);
            }
            () = sleep(Duration::from_millis(50)) => {}
        }
    }
    course.outcome()
}

struct Course<'a> {
    batch: &'a Batch,
    pace: Pace,
    start: Instant,
    /// When each message that was sent had been due.
    due: Vec<Instant>,
    arrived: Vec<Option<Instant>>,
    count: usize,
    not_before: Instant,
    /// When a message was sent or arrived last.
    progress: Instant,
}

impl<'a> Course<'a> {
    fn new(batch: &'a Batch, pace: Pace) -> Self {
        // Peers are attended to while it is too early.
        let start = Instant::now() + batch.due_in();
        let arrived = vec![None; batch.messages.len()];
        Self { batch, pace, start, due: Vec::new(), arrived, count: 0, not_before: start, progress: start }
    }

    /// When the next message is to be sent; `None` when nothing is to be sent now.
    fn next_due(&self) -> Option<Instant> {
        if self.due.len() == self.batch.messages.len() {
            return None;
        }
        let scheduled = match self.pace {
            Pace::Rate(rate) => self.start + Duration::from_secs_f64(self.due.len() as f64 / rate),
            Pace::Window(size) if self.due.len() - self.count < size => self.start,
            Pace::Window(_) => return None,
        };
        Some(scheduled.max(self.not_before))
    }

    fn send_what_is_due(&mut self, entrance: &mut Peer) {
        let now = Instant::now();
        while self.next_due().is_some_and(|due| due <= now) {
            let number = self.due.len();
            let due = match self.pace {
                Pace::Rate(rate) => self.start + Duration::from_secs_f64(number as f64 / rate),
                Pace::Window(_) => now,
            };
            if entrance.publish(self.batch.messages[number].clone()).is_err() {
                self.not_before = now + RETRY;
                return;
            }
            self.due.push(due);
            self.progress = now;
        }
    }

    fn arrive(&mut self, number: Option<u64>) {
        let index = number.and_then(|number| usize::try_from(number.checked_sub(self.batch.first)?).ok());
        let Some(place @ None) = index.and_then(|index| self.arrived.get_mut(index)) else { return };
        self.progress = Instant::now();
        *place = Some(self.progress);
        self.count += 1;
    }

    fn is_over(&self) -> bool {
        // Whether all were sent or nothing can be sent any more: nothing moves.
        self.count == self.batch.messages.len() || self.progress.elapsed() > SETTLE
    }

    fn outcome(&self) -> Outcome {
        let latency = |(due, arrived): (&Instant, &Option<Instant>)| {
            arrived.map(|arrived| arrived.saturating_duration_since(*due))
        };
        let latencies: Vec<Duration> = self.due.iter().zip(&self.arrived).filter_map(latency).collect();
        let end = self.arrived.iter().flatten().max().copied().unwrap_or(self.start);
        let seconds = (end - self.start).as_secs_f64();
        Outcome {
            sent: self.due.len(),
            delivered: self.count,
            lost: self.due.len() - self.count,
            seconds,
            delivered_per_second: if seconds > 0.0 { self.count as f64 / seconds } else { 0.0 },
            latency: Times::of(latencies),
        }
    }
}

impl Outcome {
    /// The part of the slowest hundredth that load added to what an idle chain of nodes takes: the
    /// difference between the 99th percentile here and the median of `unloaded`.
    pub(crate) fn added_p99_ms(&self, unloaded: &Self) -> Option<f64> {
        Some(self.latency.as_ref()?.p99_ms - unloaded.latency.as_ref()?.p50_ms)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn batch(messages: usize) -> Batch {
        Batch::of_nothing(messages, 100)
    }

    #[test]
    fn a_latency_counts_from_when_the_message_was_due() {
        let batch = batch(4);
        let mut course = Course::new(&batch, Pace::Rate(10.0));
        // All are sent late, by a generator that was held up for a second.
        course.due = (0..4).map(|number| course.start + Duration::from_millis(100 * number)).collect();
        let at = |ms| Some(course.start + Duration::from_millis(ms));
        course.arrived = vec![at(1000), at(1000), None, at(1300)];
        course.count = 3;
        let outcome = course.outcome();
        assert_eq!((outcome.sent, outcome.delivered, outcome.lost), (4, 3, 1));
        let latency = outcome.latency.expect("three arrived");
        assert_eq!((latency.count, latency.p50_ms, latency.max_ms), (3, 1000.0, 1000.0));
        assert!((outcome.delivered_per_second - 3.0 / 1.3).abs() < 1e-6);
    }

    #[test]
    fn a_window_opens_with_every_arrival_and_a_rate_with_time() {
        let batch = batch(3);
        let mut course = Course::new(&batch, Pace::Window(1));
        assert!(course.next_due().is_some());
        course.due.push(course.start);
        assert_eq!(course.next_due(), None);
        course.arrive(Some(99));
        course.arrive(None);
        assert_eq!(course.next_due(), None, "messages of others open nothing");
        course.arrive(Some(100));
        course.arrive(Some(100));
        assert_eq!((course.next_due(), course.count), (Some(course.start), 1));
        course.pace = Pace::Rate(1000.0);
        assert_eq!(course.next_due(), Some(course.start + Duration::from_millis(1)));
    }

    #[test]
    fn what_load_added_is_the_tail_above_an_idle_median() {
        let outcome = |p50_ms, p99_ms| {
            let times = Times { count: 100, p50_ms, p90_ms: p99_ms, p99_ms, max_ms: p99_ms };
            let batch = batch(0);
            Outcome { latency: Some(times), ..Course::new(&batch, Pace::Window(1)).outcome() }
        };
        assert_eq!(outcome(6.0, 9.5).added_p99_ms(&outcome(5.0, 7.0)), Some(4.5));
    }
}
