//! A prefix that is accepted is inside its limits, and the frame of the input holds the input.
#![no_main]

use libfuzzer_sys::fuzz_target;
use weir_wire::framing::{MAX_PREFIX_LENGTH, Prefix, encode_frame, read_prefix};

const LIMIT: usize = 153_600;

fuzz_target!(|input: &[u8]| {
    match read_prefix(input, LIMIT) {
        Ok(Prefix::Frame { header, length }) => {
            assert!(header <= MAX_PREFIX_LENGTH.min(input.len()) && length <= LIMIT);
        }
        Ok(Prefix::Incomplete) => assert!(input.len() < MAX_PREFIX_LENGTH),
        Err(_) => {}
    }
    let frame = encode_frame(input);
    let header = frame.len() - input.len();
    assert_eq!(read_prefix(&frame, input.len()), Ok(Prefix::Frame { header, length: input.len() }));
    assert_eq!(&frame[header..], input);
});
