//! The messages of an archive that a command is about, in their order.

use weir_core::{
    MessageHash, Timestamp,
    store::{Query, StoredMessage},
};
use weir_storage::archive::{Archive, Place};

use super::StoreCommandError;
use crate::cli::SelectionArgs;

/// What is selected; a [`Query`] of which the page does not matter.
#[derive(Debug)]
pub(super) struct Selection(Query);

impl Selection {
    pub(super) fn new(arguments: &SelectionArgs) -> Self {
        Self(Query {
            pubsub_topic: arguments.pubsub_topic,
            content_topics: arguments.content_topic.clone(),
            start: arguments.start.map(|moment| moment.0),
            end: arguments.end.map(|moment| moment.0),
            ..Query::default()
        })
    }

    /// Whether every message of an archive is selected.
    pub(super) fn is_everything(&self) -> bool {
        self.0 == Query::default()
    }

    /// Gives the selected messages to `take`, with how many were looked at until then.
    pub(super) fn for_each(
        &self,
        archive: &dyn Archive,
        mut take: impl FnMut(u64, &StoredMessage) -> Result<(), StoreCommandError>,
    ) -> Result<(), StoreCommandError> {
        let mut seen = 0;
        let mut after = self.0.start.and_then(before);
        loop {
            let part = archive.read_on(after)?;
            let Some(last) = part.last().map(StoredMessage::place) else { return Ok(()) };
            for message in &part {
                seen += 1;
                if self.0.selects(message) {
                    take(seen, message)?;
                }
            }
            if self.0.end.is_some_and(|end| end < last.0) {
                return Ok(());
            }
            after = Some(last);
        }
    }
}

/// The place after which all messages of `start` are; none where nothing is before it.
fn before(start: Timestamp) -> Option<Place> {
    let nanos = start.as_nanos().checked_sub(1)?;
    Some((Timestamp::from_nanos(nanos), MessageHash::from_bytes([u8::MAX; 32])))
}
