//! Which messages an archive keeps.

use std::time::Duration;

use weir_core::{Timestamp, WakuMessage};

/// How far the timestamp of a message that is relayed now may be from the clock (waku-wire 3). Within it a
/// sender cannot put a message where those who fetch by time will not find it, or in front of all others.
pub const MAX_CLOCK_DISTANCE: Duration = Duration::from_secs(20);

/// Where a message comes from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Source {
    /// From the relay, as it happens.
    Relay,
    /// From an archive, that of a peer or one that is imported. It was judged there, long ago perhaps.
    Archive,
}

/// Why a message is not archived. Each variant is one rule; the labels are nwaku's.
#[derive(Debug, Clone, Copy, PartialEq, Eq, strum::IntoStaticStr)]
pub enum NotArchived {
    /// Its sender wants it not kept.
    #[strum(serialize = "ephemeral")]
    Ephemeral,
    /// Its timestamp is too far in the past.
    #[strum(serialize = "invalid_message_too_old")]
    TooOld,
    /// Its timestamp is too far in the future.
    #[strum(serialize = "invalid_message_future_timestamp")]
    FromTheFuture,
}

/// Whether `message` is archived.
pub fn admit(message: &WakuMessage, source: Source, now: Timestamp) -> Result<(), NotArchived> {
    if message.ephemeral {
        return Err(NotArchived::Ephemeral);
    }
    match source {
        Source::Archive => Ok(()),
        Source::Relay if message.timestamp.distance(now) <= MAX_CLOCK_DISTANCE => Ok(()),
        Source::Relay if message.timestamp < now => Err(NotArchived::TooOld),
        Source::Relay => Err(NotArchived::FromTheFuture),
    }
}

#[cfg(test)]
mod tests {
    use weir_core::{ContentTopic, Meta, ProofField};

    use super::*;

    const NOW: Timestamp = Timestamp::from_secs(1_700_000_000);

    fn message(timestamp: Timestamp, ephemeral: bool) -> WakuMessage {
        WakuMessage {
            payload: Default::default(),
            content_topic: ContentTopic::new("/app/1/name/proto").expect("a topic"),
            version: 0,
            timestamp,
            meta: Meta::default(),
            ephemeral,
            proof: ProofField::Absent,
        }
    }

    #[test]
    fn a_relayed_message_is_kept_within_twenty_seconds_of_the_clock() {
        let (limit, more) = (MAX_CLOCK_DISTANCE, MAX_CLOCK_DISTANCE + Duration::from_nanos(1));
        for (timestamp, outcome) in [
            (NOW, Ok(())),
            (NOW.saturating_sub(limit), Ok(())),
            (NOW.saturating_add(limit), Ok(())),
            (NOW.saturating_sub(more), Err(NotArchived::TooOld)),
            (NOW.saturating_add(more), Err(NotArchived::FromTheFuture)),
            (Timestamp::ZERO, Err(NotArchived::TooOld)),
            (Timestamp::from_nanos(i64::MIN), Err(NotArchived::TooOld)),
            (Timestamp::from_nanos(i64::MAX), Err(NotArchived::FromTheFuture)),
        ] {
            assert_eq!(admit(&message(timestamp, false), Source::Relay, NOW), outcome, "{timestamp}");
        }
    }

    #[test]
    fn a_message_from_an_archive_may_be_of_any_time() {
        for timestamp in [Timestamp::ZERO, NOW, Timestamp::from_nanos(i64::MAX)] {
            assert_eq!(admit(&message(timestamp, false), Source::Archive, NOW), Ok(()), "{timestamp}");
        }
    }

    #[test]
    fn an_ephemeral_message_is_never_kept() {
        for source in [Source::Relay, Source::Archive] {
            assert_eq!(admit(&message(NOW, true), source, NOW), Err(NotArchived::Ephemeral));
        }
    }

    #[test]
    fn labels_are_those_that_dashboards_know() {
        let label = |reason: NotArchived| -> &'static str { reason.into() };
        assert_eq!(label(NotArchived::TooOld), "invalid_message_too_old");
        assert_eq!(label(NotArchived::FromTheFuture), "invalid_message_future_timestamp");
    }
}
