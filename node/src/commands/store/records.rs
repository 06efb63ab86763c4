//! The records of an export, read from any stream.
//!
//! # Security
//! The stream is an operator's file, which may be anything. A record takes memory as its bytes arrive, never for a
//! length that was merely announced, and at most [`ARCHIVE_RECORD_MAX_FRAME`].

use std::io::{self, Read};

use bytes::{Bytes, BytesMut};
use weir_core::store::StoredMessage;
use weir_wire::{
    ARCHIVE_RECORD_MAX_FRAME, ArchiveRecordError, decode_archive_record,
    framing::{FrameError, Prefix, read_prefix},
};

/// Bytes that are asked for at once.
const CHUNK: usize = 64 * 1024;

/// Reads records.
#[derive(Debug)]
pub(super) struct Records<R> {
    input: R,
    /// What was read and is of no record yet.
    buffer: BytesMut,
    /// Records before the buffer.
    records: u64,
    /// Bytes before the buffer.
    bytes: u64,
}

/// Why a stream is not an export. Records are counted from 1, bytes from 0.
#[derive(Debug, thiserror::Error)]
pub enum RecordsError {
    /// The system did not give it.
    #[error("cannot read the export after record {records}: {source}")]
    Read {
        /// Records before.
        records: u64,
        /// What the system said.
        source: io::Error,
    },
    /// It ends too early.
    #[error("the export is cut short: it ends inside record {record}, which begins at byte {offset}")]
    Truncated {
        /// Which record.
        record: u64,
        /// Where it begins.
        offset: u64,
    },
    /// It has no record where one should begin.
    #[error("this is no export: record {record} at byte {offset}: {source}")]
    Frame {
        /// Which record.
        record: u64,
        /// Where it begins.
        offset: u64,
        /// The rule.
        source: FrameError,
    },
    /// A record has something else than a message.
    #[error("this is no export: record {record} at byte {offset}: {source}")]
    Malformed {
        /// Which record.
        record: u64,
        /// Where it begins.
        offset: u64,
        /// The rule.
        source: ArchiveRecordError,
    },
}

impl<R: Read> Records<R> {
    pub(super) fn new(input: R) -> Self {
        Self { input, buffer: BytesMut::new(), records: 0, bytes: 0 }
    }

    /// Bytes of the records that were read.
    pub(super) const fn bytes(&self) -> u64 {
        self.bytes
    }

    /// The number of the last record that was read.
    pub(super) const fn number(&self) -> u64 {
        self.records
    }

    /// The next record, or why it is not to be kept; none at the end. After an error the stream is of no use.
    pub(super) fn next_record(
        &mut self,
    ) -> Result<Option<Result<StoredMessage, ArchiveRecordError>>, RecordsError> {
        let (record, offset) = (self.records + 1, self.bytes);
        let Some(body) = self.next_frame()? else { return Ok(None) };
        match decode_archive_record(&body) {
            Err(source @ ArchiveRecordError::Malformed(_)) => {
                Err(RecordsError::Malformed { record, offset, source })
            }
            decoded => Ok(Some(decoded)),
        }
    }

    fn next_frame(&mut self) -> Result<Option<Bytes>, RecordsError> {
        let (record, offset) = (self.records + 1, self.bytes);
        loop {
            let prefix = read_prefix(&self.buffer, ARCHIVE_RECORD_MAX_FRAME)
                .map_err(|source| RecordsError::Frame { record, offset, source })?;
            if let Prefix::Frame { header, length } = prefix
                && header + length <= self.buffer.len()
            {
                let frame = self.buffer.split_to(header + length).freeze();
                self.records += 1;
                self.bytes += frame.len() as u64;
                return Ok(Some(frame.slice(header..)));
            }
            if !self.fill().map_err(|source| RecordsError::Read { records: self.records, source })? {
                return match self.buffer.is_empty() {
                    true => Ok(None),
                    false => Err(RecordsError::Truncated { record, offset }),
                };
            }
        }
    }

    /// Reads on; false at the end.
    fn fill(&mut self) -> io::Result<bool> {
        let filled = self.buffer.len();
        self.buffer.resize(filled + CHUNK, 0);
        let read = loop {
            match self.input.read(&mut self.buffer[filled..]) {
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                read => break read,
            }
        };
        self.buffer.truncate(filled + read.as_ref().map_or(0, |read| *read));
        read.map(|read| read > 0)
    }
}

#[cfg(test)]
mod tests {
    use weir_core::{ContentTopic, Meta, ProofField, Timestamp, WakuMessage};
    use weir_wire::encode_archive_record;

    use super::*;

    fn message(payload: usize) -> StoredMessage {
        let message = WakuMessage {
            payload: vec![7; payload].into(),
            content_topic: ContentTopic::new("/app/1/name/proto").expect("topic"),
            version: 0,
            timestamp: Timestamp::from_secs(1),
            meta: Meta::default(),
            ephemeral: false,
            proof: ProofField::Absent,
        };
        StoredMessage::new("/waku/2/rs/1/0".parse().expect("topic"), message)
    }

    /// Gives a few bytes at a time, as a pipe may.
    struct Dribble<'a>(&'a [u8], usize);

    impl Read for Dribble<'_> {
        fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
            let length = self.1.min(buffer.len());
            self.0.read(&mut buffer[..length])
        }
    }

    #[test]
    fn records_come_out_however_their_bytes_arrive() {
        let messages = [message(0), message(200_000), message(1)];
        let stream: Vec<u8> = messages.iter().flat_map(encode_archive_record).collect();
        for at_once in [1, 7, 100_000, usize::MAX] {
            let mut records = Records::new(Dribble(&stream, at_once));
            for message in &messages {
                let record = records.next_record().expect("whole").expect("one more");
                assert_eq!(record.as_ref(), Ok(message));
            }
            assert!(records.next_record().expect("the end").is_none());
            assert_eq!((records.number(), records.bytes()), (3, stream.len() as u64));
        }
    }

    #[test]
    fn a_stream_that_is_cut_short_is_told_from_one_that_ends() {
        let whole = encode_archive_record(&message(300));
        let stream = [&whole[..], &whole[..]].concat();
        for cut in whole.len() + 1..stream.len() {
            let mut records = Records::new(&stream[..cut]);
            assert!(records.next_record().is_ok());
            let cut_short = records.next_record().expect_err("cut short");
            let RecordsError::Truncated { record: 2, offset } = cut_short else { panic!("{cut_short}") };
            assert_eq!(offset, whole.len() as u64);
        }
    }

    #[test]
    fn garbage_is_refused_at_its_place() {
        let whole = encode_archive_record(&message(3));
        let huge = [&whole[..], &[0xff, 0xff, 0xff, 0xff, 0x7f]].concat();
        let no_varint = [0xff; 20];
        let no_message = [3, 1, 2, 3];
        for (stream, text) in [
            (
                &huge[..],
                format!("record 2 at byte {}: a frame of 34359738367 bytes was announced", whole.len()),
            ),
            (&no_varint, "record 1 at byte 0: the length prefix does not end".to_owned()),
            (&no_message, "record 1 at byte 0: ".to_owned()),
        ] {
            let mut records = Records::new(stream);
            let refused = loop {
                match records.next_record() {
                    Ok(record) => assert!(record.is_some()),
                    Err(refused) => break refused.to_string(),
                }
            };
            assert!(refused.contains(&text), "{refused}");
        }
    }
}
