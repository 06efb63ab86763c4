use weir_core::store::{Direction, Page, PageSize, Query, Row};

use super::*;
use crate::store::{PageFault, check_page};

fn query() -> Query {
    Query { include_data: true, start: Some(at(1)), end: Some(at(9)), ..Query::default() }
}

fn hash(n: u8) -> MessageHash {
    stored(n).hash
}

fn hashes(numbers: &[u8]) -> Page {
    let rows = numbers.iter().map(|n| Row { hash: hash(*n), data: None }).collect();
    Page { rows, cursor: None }
}

#[test]
fn each_lie_has_a_name() {
    let forged = || {
        let mut row = stored(2).into_row(true);
        row.hash = hash(3);
        Page { rows: vec![row], cursor: None }
    };
    let cases = [
        (page([], None), Ok(())),
        (page([stored(1), stored(5), stored(9)], None), Ok(())),
        (page([stored(1), stored(5)], Some(hash(5))), Ok(())),
        (page([stored(1), stored(5)], Some(hash(1))), Err(PageFault::Cursor)),
        (page([stored(1)], Some(hash(7))), Err(PageFault::Cursor)),
        (page([], Some(hash(1))), Err(PageFault::Cursor)),
        (page([stored(5), stored(1)], None), Err(PageFault::OutOfOrder(hash(1)))),
        (page([stored(5), stored(5)], None), Err(PageFault::OutOfOrder(hash(5)))),
        (page([stored(10)], None), Err(PageFault::NotSelected(hash(10)))),
        (page([stored(0)], None), Err(PageFault::NotSelected(hash(0)))),
        (forged(), Err(PageFault::WrongHash(hash(3)))),
        (hashes(&[1]), Err(PageFault::Data { asked: true })),
        (page((1..=21).map(stored), None), Err(PageFault::TooMany { given: 21, asked: 20 })),
    ];
    for (page, expected) in cases {
        assert_eq!(check_page(&query(), &page), expected, "{page:?}");
    }
}

#[test]
fn a_page_backwards_ends_with_its_oldest_message() {
    let query = Query { direction: Direction::Backward, ..query() };
    assert_eq!(check_page(&query, &page([stored(1), stored(5)], Some(hash(1)))), Ok(()));
    assert_eq!(check_page(&query, &page([stored(1), stored(5)], Some(hash(5)))), Err(PageFault::Cursor));
}

#[test]
fn of_hashes_alone_number_repetition_and_choice_are_checked() {
    let query = Query {
        hashes: vec![hash(1), hash(2)],
        cursor: Some(hash(2)),
        page_size: PageSize::requested(Some(2)),
        ..Query::default()
    };
    assert_eq!(check_page(&query, &hashes(&[1])), Ok(()));
    assert_eq!(check_page(&query, &hashes(&[3])), Err(PageFault::NotSelected(hash(3))));
    assert_eq!(check_page(&query, &hashes(&[1, 1])), Err(PageFault::OutOfOrder(hash(1))));
    assert_eq!(check_page(&query, &hashes(&[2])), Err(PageFault::OutOfOrder(hash(2))));
    assert_eq!(check_page(&query, &page([stored(1)], None)), Err(PageFault::Data { asked: false }));
}
