//! Where messages go.

use std::sync::Arc;

use weir_core::store::{Direction, StoredMessage};

use super::{
    Segments,
    catalog::{Catalog, Edit},
    format::{Counts, FIRST, Key, Row, Span, successor},
    segment::Segment,
    shelf::{Shelf, Slot},
    view::View,
};
use crate::archive::ArchiveError;

/// What only one thread may use.
#[derive(Debug)]
pub(super) struct Writer {
    pub(super) catalog: Catalog,
    /// Whether the catalog is known to be as the shelf.
    pub(super) certain: bool,
    /// The number of the next segment; none is used twice while a query may remember it.
    pub(super) next: u32,
    /// Segments that are not sealed; the one that was written to last is last.
    pub(super) open: Vec<u32>,
}

/// How much of a full segment's size a commit adds at most, so that segments do not grow far beyond it.
const PART_OF_SEGMENT: u64 = 4;

impl Writer {
    /// Knows nothing yet.
    pub(super) const fn new(catalog: Catalog) -> Self {
        Self { catalog, certain: false, next: 0, open: Vec::new() }
    }

    /// Makes `edits` at once. After an error nobody knows whether they were made.
    pub(super) fn edit(&mut self, edits: &[Edit<'_>]) -> Result<(), ArchiveError> {
        self.certain = false;
        self.catalog.apply(edits)?;
        self.certain = true;
        Ok(())
    }

    /// Notes that a segment is gone.
    pub(super) fn forget(&mut self, id: u32) {
        self.open.retain(|open| *open != id);
    }
}

impl Segments {
    /// Keeps `messages` and tells how many are new.
    pub(super) fn insert_all(
        &self,
        writer: &mut Writer,
        messages: &[StoredMessage],
    ) -> Result<usize, ArchiveError> {
        let mut rows: Vec<Row> = messages.iter().map(Row::new).collect();
        // The last ones are taken first, so that the rest need not move.
        rows.sort_by_key(|row| std::cmp::Reverse(row.key));
        let mut new = 0;
        while let Some(row) = rows.last() {
            self.ensure_certain(writer)?;
            let shelf = self.shelf();
            let Some(at) = shelf.position(&row.key) else {
                self.add(writer, &shelf, FIRST, None)?;
                continue;
            };
            let span = shelf.span(at);
            let group = rows.len() - rows.partition_point(|row| !span.contains(&row.key));
            let newest = rows[rows.len() - group].key;
            if self.make_room(writer, &shelf, at, row.key, newest)? {
                continue;
            }
            let part = rows.split_off(rows.len() - self.part(&rows[rows.len() - group..]));
            let segment = &shelf.slots[at].segment;
            self.open_for_writing(writer, segment)?;
            new += segment.insert(part.into_iter().rev().map(Ok))?;
            self.seal_others(writer);
        }
        Ok(new)
    }

    /// How many of `rows`, from the end on, one commit takes.
    fn part(&self, rows: &[Row]) -> usize {
        let mut weight = 0;
        let fits = |row: &&Row| {
            weight += row.weight();
            weight <= self.limits.segment / PART_OF_SEGMENT
        };
        rows.iter().rev().take_while(fits).count().max(1)
    }

    /// Sees to it that the segment at `at` may take messages from `oldest` to `newest`. Tells whether ranges
    /// have changed, so that they may belong elsewhere.
    ///
    /// Most messages are newer than all others, and an archive may also be filled from the newest to the
    /// oldest. So the segments at both ends are followed by a new one when they are full, and nothing moves.
    /// Messages that come in between make a segment grow by half, then it is split: each message is moved
    /// less than twice on average, in whatever order they come.
    fn make_room(
        &self,
        writer: &mut Writer,
        shelf: &Shelf,
        at: usize,
        oldest: Key,
        newest: Key,
    ) -> Result<bool, ArchiveError> {
        let Slot { start, segment, .. } = &shelf.slots[at];
        let full = self.limits.segment;
        if segment.weight() < full {
            return Ok(false);
        }
        let Some((first, last)) = segment.tally().ends else { return Ok(false) };
        if at + 1 == shelf.slots.len()
            && newest > last
            && let Some(above) = successor(&last)
        {
            self.add(writer, shelf, above, None)?;
            return Ok(true);
        }
        if *start == FIRST && oldest < first {
            self.add(writer, shelf, FIRST, Some((at, first)))?;
            return Ok(true);
        }
        if segment.weight() < full + full / 2 {
            return Ok(false);
        }
        self.split(writer, shelf, at)
    }

    /// Makes a segment whose range begins at `start`, and lets that of another begin elsewhere.
    fn add(
        &self,
        writer: &mut Writer,
        shelf: &Shelf,
        start: Key,
        moved: Option<(usize, Key)>,
    ) -> Result<(), ArchiveError> {
        let mut slots = shelf.slots.clone();
        let segment = self.create(writer)?;
        let mut edits = vec![Edit::Start(segment.id, start)];
        if let Some((at, start)) = moved {
            slots[at].start = start;
            edits.push(Edit::Start(slots[at].segment.id, start));
        }
        self.replace(writer, &edits, vec![Slot { start, dropped: Counts::new(), segment }], slots)
    }

    /// Replaces a segment by two with half of its messages each. False when it has too few for that.
    fn split(&self, writer: &mut Writer, shelf: &Shelf, at: usize) -> Result<bool, ArchiveError> {
        let Slot { start, segment, .. } = &shelf.slots[at];
        let (span, half) = (shelf.span(at), shelf.slots[at].holding().messages() / 2);
        let middle = segment.look(|view| {
            let place = view.walk(span, Direction::Forward)?.nth(half as usize).transpose();
            place.map_err(|error| view.trouble(error))
        })?;
        let Some((middle, _)) = middle.flatten().filter(|_| half > 0) else { return Ok(false) };
        let parts = [Span { from: *start, to: Some(middle) }, Span { from: middle, to: span.to }];
        let mut halves = Vec::new();
        for part in parts {
            let half = self.create(writer)?;
            let copied = segment.look(|view| copy(view, part, &half));
            halves.push(Slot { start: part.from, dropped: Counts::new(), segment: half });
            if let Err(error) = copied {
                remove_unused(&halves);
                return Err(error);
            }
        }
        let mut edits = vec![Edit::Remove(segment.id)];
        edits.extend(halves.iter().map(|half| Edit::Start(half.segment.id, half.start)));
        let mut others = shelf.slots.clone();
        others.remove(at);
        self.replace(writer, &edits, halves, others)?;
        writer.forget(segment.id);
        segment.remove_files()?;
        Ok(true)
    }

    fn create(&self, writer: &mut Writer) -> Result<Arc<Segment>, ArchiveError> {
        let id = writer.next;
        writer.next += 1;
        Ok(Arc::new(Segment::create(id, &self.folder, &self.handles)?))
    }

    /// Puts `new` segments beside `others` as `edits` say.
    fn replace(
        &self,
        writer: &mut Writer,
        edits: &[Edit<'_>],
        new: Vec<Slot>,
        mut others: Vec<Slot>,
    ) -> Result<(), ArchiveError> {
        writer.edit(edits)?;
        writer.open.extend(new.iter().map(|slot| slot.segment.id));
        others.extend(new);
        self.set_shelf(others);
        Ok(())
    }

    /// Lets a segment be written to, now and before those that were written to earlier are sealed.
    fn open_for_writing(&self, writer: &mut Writer, segment: &Segment) -> Result<(), ArchiveError> {
        let was_open = writer.open.contains(&segment.id);
        if !was_open {
            writer.edit(&[Edit::Unseal(segment.id)])?;
            segment.unsealed().inspect_err(|_| writer.certain = false)?;
        }
        writer.forget(segment.id);
        writer.open.push(segment.id);
        Ok(())
    }

    /// Seals what was not written to lately. What was inserted is safe without that, so a failure is only
    /// reported, and it is tried again after the next insert.
    fn seal_others(&self, writer: &mut Writer) {
        let shelf = self.shelf();
        while writer.open.len() > self.limits.open {
            let id = writer.open.remove(0);
            let Some(slot) = shelf.slots.iter().find(|slot| slot.segment.id == id) else { continue };
            let sealed = slot.segment.seal(|sealed| writer.edit(&[Edit::Seal(id, sealed)]));
            if let Err(error) = sealed {
                tracing::warn!(segment = id, %error, "a segment of the archive cannot be sealed");
                writer.open.push(id);
                return;
            }
        }
    }
}

fn copy(view: &View, span: Span, to: &Segment) -> Result<usize, ArchiveError> {
    to.insert(view.walk(span, Direction::Forward)?.map(|row| {
        let (key, number) = row.map_err(|error| view.trouble(error))?;
        Ok(Row::new(&view.message(&key, number)?))
    }))
}

/// Removes what the catalog does not name. What stays is removed by the next start.
fn remove_unused(slots: &[Slot]) {
    for slot in slots {
        if let Err(error) = slot.segment.remove_files() {
            tracing::warn!(segment = slot.segment.id, %error, "an unused segment cannot be removed");
        }
    }
}
