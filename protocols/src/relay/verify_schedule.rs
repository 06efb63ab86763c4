//! Which proofs are checked next and together, and which are not checked at all.
//!
//! Checking many proofs at once costs a fraction of checking them one by one, but waiting for company
//! costs time. Here nobody waits for company: a checker that is free takes what is there, one proof
//! when the node is idle, and when it is busy everything that came while the last batch was checked.
//! So the size of a batch follows the load, and there is no timer and nothing to tune.
//!
//! ```text
//! push ──> a queue for each sender ──┬── trusted: round robin, up to MAX_BATCH together ──┬──> take
//!           │                        └── suspect: one alone, after each batch ────────────┘     │
//!           └──> shed                             ^                                             │
//!                                                 └──────────────── learn <── checked <─────────┘
//! ```
//!
//! A batch with a bad proof must be split until it is found, which costs its neighbours. So whoever
//! sent one is suspect for a while: its proofs are checked alone and after everyone else's. Trust in a
//! sender we do not know is small and doubles with each batch that holds; see the `conduct` module.
//!
//! # Invariants
//! Every job that is pushed comes out exactly once, of [`VerifySchedule::take`] or as a [`Shed`].
//! Jobs of one sender are checked in the order they came.
//!
//! # Bounds
//! `capacity` jobs wait, of a suspect at most 32. When one more comes, the heaviest
//! sender pays: the newest job of the longest queue goes, that of a suspect if there is one. A sender
//! that stays below its equal share of the queue therefore loses nothing, whatever the others do.

use std::collections::{BTreeMap, VecDeque};

use strum::{IntoStaticStr, VariantArray};
use weir_core::Timestamp;

use super::Origin;

mod conduct;
#[cfg(test)]
mod tests;

use conduct::Conducts;

/// Proofs checked together. At 0.3 ms a proof, which is what the slower backend takes in a batch of
/// this size, it is 40 ms; a proof waits for the batch under way and for its own, so for less than the
/// 100 ms that a message may be delayed under load. Larger batches gain less than a tenth.
pub const MAX_BATCH: usize = 128;

/// Jobs of one suspect that wait. Gossipsub drops a peer after some ten rejects, so this is enough to
/// be rid of a liar, and at a millisecond each the work that one can still cause is 32 ms.
const SUSPECT_QUEUE: usize = 32;

/// The queue in front of the proof checkers. `J` is what is to be checked.
#[derive(Debug)]
pub struct VerifySchedule<J> {
    capacity: usize,
    /// Jobs of one batch at most.
    longest_batch: usize,
    /// None of the queues is empty.
    queues: BTreeMap<Origin, VecDeque<Queued<J>>>,
    queued: usize,
    /// The senders with a queue, each in exactly one of the two, next ones first.
    trusted: VecDeque<Origin>,
    suspects: VecDeque<Origin>,
    /// The last batch was of the trusted, so one of a suspect is next.
    suspect_is_next: bool,
    conducts: Conducts,
}

/// A job that will not be checked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Shed<J> {
    /// Which.
    pub job: J,
    /// Why not.
    pub reason: ShedReason,
}

/// Why a job is not checked. The label is the metric label.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, IntoStaticStr, VariantArray)]
#[strum(serialize_all = "snake_case")]
pub enum ShedReason {
    /// The queue is full, and nobody has more in it than the sender.
    Full,
    /// It made room for a sender with less in the queue.
    Displaced,
    /// The sender is suspect and has as much in the queue as a suspect may.
    Suspect,
    /// It waited so long that nobody waits for it any more.
    Expired,
}

#[derive(Debug)]
struct Queued<J> {
    job: J,
    not_after: Timestamp,
}

impl<J> VerifySchedule<J> {
    /// A schedule in which up to `capacity` jobs wait.
    pub const fn new(capacity: usize) -> Self {
        Self {
            capacity,
            longest_batch: MAX_BATCH,
            queues: BTreeMap::new(),
            queued: 0,
            trusted: VecDeque::new(),
            suspects: VecDeque::new(),
            suspect_is_next: false,
            conducts: Conducts::new(),
        }
    }

    /// The same with batches of at most `longest` jobs, which is 1 to [`MAX_BATCH`]: at 1 each proof is
    /// checked by itself, to measure what batches gain.
    #[must_use]
    pub fn with_longest_batch(self, longest: usize) -> Self {
        Self { longest_batch: longest.clamp(1, MAX_BATCH), ..self }
    }

    /// Takes in `job`, and gives the one that is shed for it, which may be `job` itself. After
    /// `not_after` nobody waits for its outcome.
    pub fn push(&mut self, from: Origin, job: J, not_after: Timestamp, now: Timestamp) -> Option<Shed<J>> {
        let waiting = self.waiting_of(&from);
        if waiting >= SUSPECT_QUEUE && self.conducts.is_suspect(&from, now) {
            return Some(Shed { job, reason: ShedReason::Suspect });
        }
        let displaced = if self.queued >= self.capacity {
            match self.heavier_than(&from, waiting, now) {
                Some(heaviest) => self.drop_newest_of(&heaviest),
                None => return Some(Shed { job, reason: ShedReason::Full }),
            }
        } else {
            None
        };
        self.enqueue(from, Queued { job, not_after }, now);
        displaced.map(|job| Shed { job, reason: ShedReason::Displaced })
    }

    /// The jobs to check now, together if they are several; none when nothing waits. Jobs of one
    /// sender are neighbours, so that a search for bad proofs finds them in one place.
    ///
    /// What nobody waits for any more is added to `shed`.
    pub fn take(&mut self, now: Timestamp, shed: &mut Vec<Shed<J>>) -> Vec<(Origin, J)> {
        self.release_suspects(now);
        loop {
            let suspect_goes = self.trusted.is_empty() || self.suspect_is_next;
            self.suspect_is_next = !suspect_goes;
            let suspect = if suspect_goes { self.suspects.pop_front() } else { None };
            let shares = match suspect {
                Some(suspect) => vec![(suspect, 1)],
                None => self.shares_of_a_batch(),
            };
            if shares.is_empty() {
                return Vec::new();
            }
            let batch = self.dequeue(shares, now, shed);
            if !batch.is_empty() {
                return batch;
            }
        }
    }

    /// Learns that a proof of `from` was checked: whether it holds. Queued jobs of a sender that
    /// becomes suspect by it are added to `shed` as far as there are too many.
    pub fn learn(&mut self, from: &Origin, holds: bool, now: Timestamp, shed: &mut Vec<Shed<J>>) {
        if holds {
            self.conducts.held(from, now);
            return;
        }
        self.conducts.did_not_hold(from, now);
        if let Some(place) = self.trusted.iter().position(|origin| origin == from) {
            self.suspects.extend(self.trusted.remove(place));
        }
        if let Some(queue) = self.queues.get_mut(from) {
            let kept = queue.len().min(SUSPECT_QUEUE);
            self.queued -= queue.len() - kept;
            let dropped = queue.drain(kept..).map(|Queued { job, .. }| job);
            shed.extend(dropped.map(|job| Shed { job, reason: ShedReason::Suspect }));
        }
    }

    /// Whether `from` sent a bad proof not long ago.
    pub fn is_suspect(&self, from: &Origin, now: Timestamp) -> bool {
        self.conducts.is_suspect(from, now)
    }

    /// Jobs that wait.
    pub const fn len(&self) -> usize {
        self.queued
    }

    /// Whether none waits.
    pub const fn is_empty(&self) -> bool {
        self.queued == 0
    }

    fn waiting_of(&self, from: &Origin) -> usize {
        self.queues.get(from).map_or(0, VecDeque::len)
    }

    fn enqueue(&mut self, from: Origin, job: Queued<J>, now: Timestamp) {
        self.queued += 1;
        if let Some(queue) = self.queues.get_mut(&from) {
            queue.push_back(job);
            return;
        }
        let turns = if self.conducts.is_suspect(&from, now) { &mut self.suspects } else { &mut self.trusted };
        turns.push_back(from.clone());
        self.queues.insert(from, VecDeque::from([job]));
    }

    /// Who has to make room for one more job of `from`, which has `waiting`: the suspect with the
    /// longest queue, or else whoever has at least two more. One more would only change places.
    fn heavier_than(&self, from: &Origin, waiting: usize, now: Timestamp) -> Option<Origin> {
        let weight = |origin: &Origin| (self.conducts.is_suspect(origin, now), self.waiting_of(origin));
        let heaviest = self.queues.keys().max_by_key(|&origin| weight(origin))?;
        (weight(heaviest) > (self.conducts.is_suspect(from, now), waiting + 1)).then(|| heaviest.clone())
    }

    fn drop_newest_of(&mut self, from: &Origin) -> Option<J> {
        let Queued { job, .. } = self.queues.get_mut(from)?.pop_back()?;
        self.queued -= 1;
        if self.waiting_of(from) == 0 {
            self.queues.remove(from);
            self.trusted.retain(|origin| origin != from);
            self.suspects.retain(|origin| origin != from);
        }
        Some(job)
    }

    /// Lets suspects whose time is over take their turns among the trusted again.
    fn release_suspects(&mut self, now: Timestamp) {
        let conducts = &self.conducts;
        let (still, released): (VecDeque<_>, VecDeque<_>) =
            self.suspects.drain(..).partition(|origin| conducts.is_suspect(origin, now));
        self.suspects = still;
        self.trusted.extend(released);
    }

    /// How many jobs each trusted sender gets into the next batch: one in turn until it is full. Takes
    /// the turns of those that get one.
    fn shares_of_a_batch(&mut self) -> Vec<(Origin, usize)> {
        let mut shares: BTreeMap<Origin, usize> = BTreeMap::new();
        let mut sitting_out = Vec::new();
        let mut size = 0;
        while size < self.longest_batch
            && let Some(origin) = self.trusted.pop_front()
        {
            let share = shares.entry(origin.clone()).or_default();
            if *share == self.conducts.allowance(&origin).min(self.waiting_of(&origin)) {
                sitting_out.push(origin);
                continue;
            }
            *share += 1;
            size += 1;
            self.trusted.push_back(origin);
        }
        // All that got a share give their turn up here and come back, if they have more, at the end.
        self.trusted.retain(|origin| !shares.contains_key(origin));
        shares.into_iter().collect()
    }

    /// Takes so many jobs out of each queue; the senders that have more get a new turn.
    fn dequeue(
        &mut self,
        shares: Vec<(Origin, usize)>,
        now: Timestamp,
        shed: &mut Vec<Shed<J>>,
    ) -> Vec<(Origin, J)> {
        let mut batch = Vec::new();
        for (origin, share) in shares {
            let Some(queue) = self.queues.get_mut(&origin) else { continue };
            self.queued -= share;
            for Queued { job, not_after } in queue.drain(..share) {
                if not_after < now {
                    shed.push(Shed { job, reason: ShedReason::Expired });
                } else {
                    batch.push((origin.clone(), job));
                }
            }
            if queue.is_empty() {
                self.queues.remove(&origin);
            } else if self.conducts.is_suspect(&origin, now) {
                self.suspects.push_back(origin);
            } else {
                self.trusted.push_back(origin);
            }
        }
        batch
    }
}
