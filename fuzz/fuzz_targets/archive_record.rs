//! An input is read as an export is: frame by frame. What decodes is encoded to what decodes to the same.
#![no_main]

use bytes::Bytes;
use libfuzzer_sys::fuzz_target;
use weir_wire::framing::{Prefix, read_prefix};
use weir_wire::{ARCHIVE_RECORD_MAX_FRAME, decode_archive_record, encode_archive_record};

fuzz_target!(|input: &[u8]| {
    let mut rest = Bytes::copy_from_slice(input);
    while let Some(body) = take_frame(&mut rest) {
        let Ok(message) = decode_archive_record(&body) else { continue };
        let mut again = encode_archive_record(&message);
        let body = take_frame(&mut again).expect("a whole frame");
        assert!(again.is_empty());
        assert_eq!(decode_archive_record(&body), Ok(message));
    }
});

fn take_frame(bytes: &mut Bytes) -> Option<Bytes> {
    match read_prefix(bytes, ARCHIVE_RECORD_MAX_FRAME) {
        Ok(Prefix::Frame { header, length }) if header + length <= bytes.len() => {
            Some(bytes.split_to(header + length).slice(header..))
        }
        _ => None,
    }
}
