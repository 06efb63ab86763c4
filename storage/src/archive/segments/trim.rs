//! How messages leave: the oldest segments are removed, and the range of the next one begins later.

use std::sync::Arc;

use weir_core::{MessageHash, store::Direction};

use super::{
    Segments,
    catalog::Edit,
    format::{Key, key},
    shelf::{Shelf, Slot},
    write::Writer,
};
use crate::archive::{ArchiveError, Trim, Trimmed};

/// What a step does to the oldest segment.
enum Step {
    /// All of its messages go, with its file.
    Whole,
    /// At most so many go, and none from this place on.
    Part { most: u64, before: Option<Key> },
}

impl Segments {
    pub(super) fn trim_step(&self, writer: &mut Writer, trim: Trim) -> Result<Trimmed, ArchiveError> {
        self.ensure_certain(writer)?;
        let shelf = self.shelf();
        let Some(oldest) = shelf.slots.first() else { return Ok(Trimmed { removed: 0, more: false }) };
        let step = match trim {
            Trim::OlderThan(moment) => {
                let moment = key((moment, MessageHash::from_bytes([0; 32])));
                older_than(&shelf, oldest, moment)
            }
            Trim::ToCount(count) => to_count(&shelf, oldest, count),
            Trim::ToBytes(bytes) => (shelf.slots.len() > 1 && shelf.bytes()? > bytes).then_some(Step::Whole),
        };
        match step {
            None => Ok(Trimmed { removed: 0, more: false }),
            Some(Step::Whole) => self.drop_oldest(writer, &shelf),
            Some(Step::Part { most, before }) => self.drop_part(writer, &shelf, most, before),
        }
    }

    fn drop_oldest(&self, writer: &mut Writer, shelf: &Shelf) -> Result<Trimmed, ArchiveError> {
        let Some((oldest, others)) = shelf.slots.split_first() else {
            return Ok(Trimmed { removed: 0, more: false });
        };
        let removed = oldest.holding().messages();
        writer.edit(&[Edit::Remove(oldest.segment.id)])?;
        self.set_shelf(others.to_vec());
        writer.forget(oldest.segment.id);
        oldest.segment.remove_files()?;
        Ok(Trimmed { removed, more: true })
    }

    /// Lets the range of the oldest segment begin after messages that go. Their space is given back with the
    /// file.
    fn drop_part(
        &self,
        writer: &mut Writer,
        shelf: &Shelf,
        most: u64,
        before: Option<Key>,
    ) -> Result<Trimmed, ArchiveError> {
        let span = shelf.span(0);
        let Slot { dropped, segment, .. } = &shelf.slots[0];
        let most = most.min(self.limits.trim_step as u64);
        let mut dropped = dropped.clone();
        let mut removed = 0;
        let start = segment.look(|view| {
            for row in view.walk_topics(span, Direction::Forward)? {
                let (key, topic) = row.map_err(|error| view.trouble(error))?;
                if removed == most || before.is_some_and(|before| before <= key) {
                    return Ok(Some(key));
                }
                *dropped.entry(topic).or_default() += 1;
                removed += 1;
            }
            Ok(None)
        })?;
        // Where no message is left, all may go.
        let Some(start) = start.flatten() else { return self.drop_oldest(writer, shelf) };
        if removed > 0 {
            let id = segment.id;
            writer.edit(&[Edit::Start(id, start), Edit::Dropped(id, &dropped)])?;
            let mut slots = shelf.slots.clone();
            slots[0] = Slot { start, dropped, segment: Arc::clone(segment) };
            self.set_shelf(slots);
        }
        Ok(Trimmed { removed, more: removed == most && removed > 0 })
    }
}

fn older_than(shelf: &Shelf, oldest: &Slot, moment: Key) -> Option<Step> {
    match oldest.holding().ends {
        // Nothing is in it. While it is the only one there is nothing older either.
        None => (shelf.slots.len() > 1).then_some(Step::Whole),
        Some((first, _)) if moment <= first => None,
        Some((_, last)) if last < moment => Some(Step::Whole),
        Some(_) => Some(Step::Part { most: u64::MAX, before: Some(moment) }),
    }
}

fn to_count(shelf: &Shelf, oldest: &Slot, count: u64) -> Option<Step> {
    let excess = shelf.messages().saturating_sub(count);
    match oldest.holding().messages() {
        _ if excess == 0 => None,
        held if held <= excess => Some(Step::Whole),
        _ => Some(Step::Part { most: excess, before: None }),
    }
}
