//! Ranges of time, one for each partition, and which ranges a query visits first.
//!
//! A partition of messages is an hour long for what arrives now, or shorter when an hour would be a large part
//! of the size that retention allows. Older and later messages come from imports: they get days and months,
//! so that the number of partitions stays bounded whatever is imported: 97 hours, 120 days, 1,000 months and
//! two ends.

use weir_core::store::Direction;

const HOUR: i64 = 3_600;
const DAY: i64 = 24 * HOUR;
const MONTH: i64 = 30 * DAY;
const NANOS: i64 = 1_000_000_000;

/// All before it is in one partition: 2020-01-01, before there were messages.
const EARLIEST: i64 = 1_577_836_800;

/// All after it is in one partition; in the year 2102.
const LATEST: i64 = EARLIEST + 1_000 * MONTH;

/// What a partition may be instead of an hour long.
const SHORTER: [i64; 4] = [1_800, 900, 300, 60];

/// Partitions that an archive of the allowed size has at least, so that dropping one leaves 96 percent.
const PARTS: u64 = 25;

/// How far from now the shortest partitions are used, how far hours, the default of retention, and how far
/// days.
const SHORTER_WITHIN: i64 = HOUR;
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

    /// A lookup takes a twentieth of a message, and every query of a hash visits all their partitions.
    const fn times(self, width: i64) -> i64 {
        match self {
            Self::Message => width,
            Self::Lookup => 24 * width,
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
    /// Partitions of messages for what arrives now are `width` seconds long.
    pub(super) fn span_for(self, ts: i64, now: i64, width: i64, existing: &[Span]) -> Span {
        let seconds = ts.div_euclid(NANOS);
        let wished = if seconds < EARLIEST {
            Span { from: i64::MIN, to: EARLIEST }
        } else if seconds >= LATEST {
            Span { from: LATEST, to: i64::MAX }
        } else {
            let width = match (now - seconds).abs() {
                distance if distance <= SHORTER_WITHIN => self.times(width),
                distance if distance <= HOURS_WITHIN => self.times(HOUR),
                distance if distance <= DAYS_WITHIN => DAY,
                _ => MONTH,
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

    /// The moment after it (nanoseconds), when it is one of those for what arrives now.
    pub(super) fn next(self) -> Option<i64> {
        let short = self.from != i64::MIN && self.to != i64::MAX && self.to - self.from <= HOUR;
        short.then(|| self.to * NANOS)
    }
}

/// How long partitions should be, in seconds, when `bytes` arrived in `seconds` and `cap` bytes are allowed.
pub(super) fn width(bytes: u64, seconds: u64, cap: Option<u64>) -> i64 {
    let Some(cap) = cap else { return HOUR };
    let fits = |width: &i64| {
        let expected = u128::from(bytes) * u128::from(width.unsigned_abs()) / u128::from(seconds.max(1));
        seconds > 0 && expected <= u128::from(cap / PARTS)
    };
    std::iter::once(HOUR).chain(SHORTER).find(fits).unwrap_or(SHORTER[SHORTER.len() - 1])
}

/// The span of `spans`, which are in order, that has `ts`.
pub(super) fn find(spans: &[Span], ts: i64) -> Option<Span> {
    let span = *spans.get(spans.partition_point(|span| span.last() < ts))?;
    span.contains(ts).then_some(span)
}

/// Whether so few of `spans` are between two timestamps that one statement may visit them.
pub(super) fn are_near(spans: &[Span], first: i64, last: i64) -> bool {
    spans.iter().filter(|span| span.last() >= first && span.first() <= last).count() <= LATER_STEP
}

/// Cuts the time from `low` to `high` (nanoseconds, both included) into steps of a few of `spans` each. The
/// steps cover all of the time, so a partition that is not known yet only makes a step longer.
pub(super) fn steps(spans: &[Span], low: i64, high: i64, direction: Direction) -> Vec<(i64, i64)> {
    let ends: Vec<i64> = match direction {
        Direction::Forward => spans.iter().map(|span| span.last()).filter(|last| *last >= low).collect(),
        Direction::Backward => {
            spans.iter().rev().map(|span| span.first()).filter(|first| *first <= high).collect()
        }
    };
    let mut cuts = Vec::new();
    let mut rest = ends.as_slice();
    let mut length = FIRST_STEP;
    while rest.len() > length {
        // Nothing is asked for beyond the ends.
        let cut = rest[length - 1];
        let at_the_end = match direction {
            Direction::Forward => cut >= high,
            Direction::Backward => cut <= low,
        };
        if at_the_end {
            break;
        }
        cuts.push(cut);
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

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: i64 = EARLIEST + 2_000 * DAY + 1_234;

    fn hours(count: i64) -> Vec<Span> {
        (0..count).map(|hour| Span { from: hour * HOUR, to: (hour + 1) * HOUR }).collect()
    }

    #[test]
    fn names_are_read_back() {
        for span in [
            Span { from: i64::MIN, to: EARLIEST },
            Span { from: LATEST, to: i64::MAX },
            Span { from: NOW, to: NOW + HOUR },
        ] {
            for table in [Table::Message, Table::Lookup] {
                assert_eq!(table.span(&table.partition(span)), Some(span));
            }
        }
        for name in ["message", "message_1", "message_1_x", "other_1_2", "lookup_1_2"] {
            assert_eq!(Table::Message.span(name), None, "{name}");
        }
    }

    #[test]
    fn a_span_has_its_message_and_meets_no_other() {
        let mut spans: Vec<Span> = Vec::new();
        let steps = [i64::MIN, -1, 0, i64::MAX].into_iter().chain((0..4_000).map(|step| {
            let seconds = NOW + (step * step * 7_919) % (400 * DAY) * if step % 3 == 0 { 1 } else { -1 };
            seconds * NANOS + step
        }));
        for (ts, width) in steps.zip([HOUR, 60, 300].into_iter().cycle()) {
            if find(&spans, ts).is_none() {
                let span = Table::Message.span_for(ts, NOW, width, &spans);
                assert!(span.from < span.to && span.contains(ts), "{span:?} {ts}");
                spans.insert(spans.partition_point(|other| *other < span), span);
                assert!(spans.is_sorted_by(|one, next| one.to <= next.from), "{span:?}");
            }
        }
    }

    #[test]
    fn partitions_are_as_short_as_the_size_asks_for() {
        let gigabyte = 1_000_000_000;
        for (bytes, seconds, cap, expected) in [
            (gigabyte, 60, None, HOUR),
            // 1 MB an hour.
            (1_000_000, 3_600, Some(gigabyte), HOUR),
            // 40 MB an hour is just what is allowed.
            (40_000_000, 3_600, Some(gigabyte), HOUR),
            (40_000_000, 1_800, Some(gigabyte), 1_800),
            (gigabyte, 1, Some(gigabyte), 60),
            // Nothing is known yet.
            (0, 0, Some(gigabyte), 60),
        ] {
            assert_eq!(width(bytes, seconds, cap), expected, "{bytes} {seconds} {cap:?}");
        }
    }

    #[test]
    fn steps_follow_each_other_and_cover_all_of_the_time() {
        let spans = hours(60);
        for (low, high) in [
            (i64::MIN, i64::MAX),
            (0, 60 * HOUR * NANOS),
            (10 * HOUR * NANOS + 5, 30 * HOUR * NANOS),
            (5, 5),
            (-10, -5),
            (100 * HOUR * NANOS, i64::MAX),
        ] {
            let forward = steps(&spans, low, high, Direction::Forward);
            let mut backward = steps(&spans, low, high, Direction::Backward);
            backward.reverse();
            for steps in [&forward, &backward] {
                assert_eq!((steps[0].0, steps[steps.len() - 1].1), (low, high));
                assert!(steps.iter().all(|(first, last)| first <= last), "{steps:?}");
                assert!(steps.windows(2).all(|pair| pair[0].1 + 1 == pair[1].0), "{steps:?}");
                for (first, last) in steps {
                    let visited = spans.iter().filter(|span| span.last() >= *first && span.first() <= *last);
                    assert!(visited.count() <= LATER_STEP, "{steps:?}");
                }
            }
        }
        assert_eq!(steps(&[], 1, 2, Direction::Forward), [(1, 2)]);
    }
}
