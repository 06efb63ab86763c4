//! A response that decodes is encoded to bytes that decode to the same response, and cut to any length it goes
//! on where it was cut.
#![no_main]

use bytes::Bytes;
use libfuzzer_sys::fuzz_target;
use weir_core::store::Direction;
use weir_wire::StoreResponse;

fuzz_target!(|input: &[u8]| {
    let Ok(response) = StoreResponse::decode(&Bytes::copy_from_slice(input)) else { return };
    let encoded = response.encode();
    assert_eq!(StoreResponse::decode(&encoded), Ok(response.clone()));
    for direction in [Direction::Forward, Direction::Backward] {
        let cut = response.clone().fitting(direction, encoded.len() / 2);
        let (kept, all) = (&cut.page.rows, &response.page.rows);
        match direction {
            Direction::Forward => assert_eq!(kept[..], all[..kept.len()]),
            Direction::Backward => assert_eq!(kept[..], all[all.len() - kept.len()..]),
        }
        if kept.len() < all.len() {
            let end = if direction == Direction::Forward { kept.last() } else { kept.first() };
            assert_eq!(cut.page.cursor, end.map(|row| row.hash));
            assert!(kept.len() == 1 || cut.encode().len() <= encoded.len() / 2);
        }
    }
});
