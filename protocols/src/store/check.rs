//! Whether an answer is one to what was asked. A store peer may lie, and this finds all lies but one: what it
//! leaves out.

use std::collections::BTreeSet;

use weir_core::{
    MessageHash,
    store::{Direction, Page, Query, Row, StoredMessage},
};

/// What is wrong with an answer.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum PageFault {
    /// More messages than were asked for.
    #[error("{given} messages where {asked} were asked for")]
    TooMany {
        /// Messages given.
        given: usize,
        /// Messages asked for.
        asked: usize,
    },
    /// Messages are not there although they were asked for, or the other way round.
    #[error("messages were {}", if *.asked { "asked for and left out" } else { "not asked for" })]
    Data {
        /// Whether they were asked for.
        asked: bool,
    },
    /// A message does not have the hash it is given with.
    #[error("a message is not the one whose hash {0} it is given with")]
    WrongHash(MessageHash),
    /// A message that the query does not select.
    #[error("message {0} was not asked for")]
    NotSelected(MessageHash),
    /// A message that comes twice, or before an older one.
    #[error("message {0} is out of order")]
    OutOfOrder(MessageHash),
    /// The cursor is not the end of the page, so the next page would not follow.
    #[error("the cursor is not the end of the page")]
    Cursor,
}

/// Checks `page` as an answer to `query`, and that a next page would bring something new.
pub fn check_page(query: &Query, page: &Page) -> Result<(), PageFault> {
    let (given, asked) = (page.rows.len(), query.page_size.get());
    if given > asked {
        return Err(PageFault::TooMany { given, asked });
    }
    let mut last = None;
    let mut seen = BTreeSet::new();
    for row in &page.rows {
        if row.data.is_some() != query.include_data {
            return Err(PageFault::Data { asked: query.include_data });
        }
        if !seen.insert(row.hash) || query.cursor == Some(row.hash) {
            return Err(PageFault::OutOfOrder(row.hash));
        }
        match &row.data {
            // Of a hash alone nothing else can be checked.
            None if query.hashes.is_empty() || query.hashes.contains(&row.hash) => {}
            None => return Err(PageFault::NotSelected(row.hash)),
            Some((topic, message)) => {
                let stored = StoredMessage::new(*topic, message.clone());
                check_message(query, row, &stored)?;
                if last.is_some_and(|last| stored.place() <= last) {
                    return Err(PageFault::OutOfOrder(row.hash));
                }
                last = Some(stored.place());
            }
        }
    }
    let end = match query.direction {
        Direction::Forward => page.rows.last(),
        Direction::Backward => page.rows.first(),
    };
    if page.cursor.is_some() && page.cursor != end.map(|row| row.hash) {
        return Err(PageFault::Cursor);
    }
    Ok(())
}

fn check_message(query: &Query, row: &Row, stored: &StoredMessage) -> Result<(), PageFault> {
    if stored.hash != row.hash {
        return Err(PageFault::WrongHash(row.hash));
    }
    if !query.selects(stored) {
        return Err(PageFault::NotSelected(row.hash));
    }
    Ok(())
}
