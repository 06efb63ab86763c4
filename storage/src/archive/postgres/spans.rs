//! Ranges of time, one for each partition, and which ranges a query visits first.
//!
//! A partition of messages is an hour long for what arrives now. Older and later messages come from
//! imports: they get days and months, so that the number of partitions stays bounded whatever is imported:
//! 97 hours, 120 days, 1,000 months and two ends.

use weir_core::store::Direction;

const HOUR: i64 = 3_600;
const DAY: i64 = 24 * HOUR;
const MONTH: i64 = 30 * DAY;
const NANOS: i64 = 1_000_000_000;

/// All before it is in one partition: 2020-01-01, before there were messages.
const EARLIEST: i64 = 1_577_836_800;

/// All after it is in one partition; in the year 2102.
const LATEST: i64 = EARLIEST + 1_000 * MONTH;

/// How far from now hours are used, the default of retention, and how far days.
const HOURS_WITHIN: i64 = 2 * DAY;
const DAYS_WITHIN: i64 = 60 * DAY;

/// Partitions of the first and of every later step of a query. Planning takes about 0.1 ms for each of
/// them, so a step is short where most answers are found and never holds more locks than the server has
/// for each connection (`max_locks_per_transaction`, 64 by default; a partition takes 4).
const FIRST_STEP: usize = 4;
const LATER_STEP: usize = 16;

/// A table that is divided by time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Table {
    Message,
    Lookup,
}

/// Whole seconds, from the first to before the second; [`i64::MIN`] and [`i64::MAX`] are without end.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Span {
    pub(super) from: i64,
    pub(super) to: i64,
}

impl Table {
    pub(super) const fn name(self) -> &'static str {
        match self {
            Self::Message => "message",
            Self::Lookup => "lookup",
        }
    }

    /// The name of the partition for `span`.
    pub(super) fn partition(self, span: Span) -> String {
        let bound = |bound: i64| match bound {
            i64::MIN => "min".to_owned(),
            i64::MAX => "max".to_owned(),
            seconds => seconds.to_string(),
        };
        format!("{}_{}_{}", self.name(), bound(span.from), bound(span.to))
    }

    /// The span of the partition called `name`.
    pub(super) fn span(self, name: &str) -> Option<Span> {
        let bounds = name.strip_prefix(self.name())?.strip_prefix('_')?;
        let (from, to) = bounds.split_once('_')?;
        let from = if from == "min" { i64::MIN } else { from.parse().ok()? };
        let to = if to == "max" { i64::MAX } else { to.parse().ok()? };
        Some(Span { from, to })
    }

    /// The span to make for a message of `ts` (nanoseconds) beside those in `existing`, which do not have it.
    pub(super) fn span_for(self, ts: i64, now: i64, existing: &[Span]) -> Span {
        let seconds = ts.div_euclid(NANOS);
        let wished = if seconds < EARLIEST {
            Span { from: i64::MIN, to: EARLIEST }
        } else if seconds >= LATEST {
            Span { from: LATEST, to: i64::MAX }
        } else {
            let distance = (now - seconds).abs();
            let width = match self {
                Self::Message if distance <= HOURS_WITHIN => HOUR,
                Self::Message | Self::Lookup if distance <= DAYS_WITHIN => DAY,
                Self::Message | Self::Lookup => MONTH,
            };
            let from = seconds - (seconds - EARLIEST).rem_euclid(width);
            Span { from, to: from + width }
        };
        let before = existing.iter().map(|span| span.to).filter(|to| *to <= seconds).max();
        let after = existing.iter().map(|span| span.from).filter(|from| *from > seconds).min();
        Span {
            from: wished.from.max(before.unwrap_or(i64::MIN)),
            to: wished.to.min(after.unwrap_or(i64::MAX)),
        }
    }
}

impl Span {
    /// Its first nanosecond.
    pub(super) const fn first(self) -> i64 {
        if self.from == i64::MIN { i64::MIN } else { self.from * NANOS }
    }

    /// Its last nanosecond.
    pub(super) const fn last(self) -> i64 {
        if self.to == i64::MAX { i64::MAX } else { self.to * NANOS - 1 }
    }

    pub(super) const fn contains(self, ts: i64) -> bool {
        self.first() <= ts && ts <= self.last()
    }

    /// The hour after it, when it is about now.
    pub(super) fn next_hour(self, now: i64) -> Option<i64> {
        let soon = self.from <= now && now < self.to && self.to - self.from <= HOUR;
        soon.then(|| self.to * NANOS)
    }
}

/// The span of `spans`, which are in order, that has `ts`.
pub(super) fn find(spans: &[Span], ts: i64) -> Option<Span> {
    let span = *spans.get(spans.partition_point(|span| span.last() < ts))?;
    span.contains(ts).then_some(span)
}

/// Cuts the time from `low` to `high` (nanoseconds, both included) into steps of a few of `spans` each. The
/// steps cover all of the time, so a partition that is not known yet only makes a step longer.
pub(super) fn steps(spans: &[Span], low: i64, high: i64, direction: Direction) -> Vec<(i64, i64)> {
    let mut ends: Vec<i64> = spans
        .iter()
        .filter(|span| span.last() >= low && span.first() <= high)
        .map(|span| span.last())
        .collect();
    if direction == Direction::Backward {
        // A step that goes backward ends before its earliest span.
        ends = spans
            .iter()
            .map(|span| span.first())
            .filter(|first| (low..=high).contains(first))
            .rev()
            .collect();
    }
    let mut cuts = Vec::new();
    let mut rest = ends.as_slice();
    let mut length = FIRST_STEP;
    while rest.len() > length {
        cuts.push(rest[length - 1]);
        rest = &rest[length..];
        length = LATER_STEP;
    }
    let mut steps = Vec::with_capacity(cuts.len() + 1);
    let (mut low, mut high) = (low, high);
    for cut in cuts {
        match direction {
            Direction::Forward => {
                steps.push((low, cut));
                low = cut + 1;
            }
            Direction::Backward => {
                steps.push((cut, high));
                high = cut - 1;
            }
        }
    }
    steps.push((low, high));
    steps
}
