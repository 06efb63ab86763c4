//! How the request and response protocols use a stream: one bounded frame each way.
//!
//! The announced length is looked at before anything is read for it, and memory is taken as bytes arrive, so
//! that an announcement alone costs nothing. The side that has written closes its write side after the frame
//! (libp2p's request-response does), which js-waku waits for; nwaku reads one frame and looks no further.

use std::io;

use bytes::Bytes;
use futures::{
    AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt,
    io::{copy, sink},
};
use weir_wire::framing::{Prefix, read_prefix};

use crate::Body;

/// What is taken for a frame before any of it has arrived; one page.
const FIRST_ALLOCATION: usize = 4096;

/// Reads the body of one frame of at most `limit` bytes, and nothing behind it.
pub(crate) async fn read_frame<T: AsyncRead + Unpin + Send>(io: &mut T, limit: usize) -> io::Result<Bytes> {
    let length = read_length(io, limit).await?;
    read_body(io, length).await
}

/// As [`read_frame`], but a body of more than `kept` bytes is read and dropped.
pub(crate) async fn read_frame_or_drop<T: AsyncRead + Unpin + Send>(
    io: &mut T,
    kept: usize,
    limit: usize,
) -> io::Result<Body> {
    let length = read_length(io, limit.max(kept)).await?;
    if length <= kept {
        return read_body(io, length).await.map(Body::Whole);
    }
    let dropped = copy(io.take(length as u64), &mut sink()).await?;
    if dropped < length as u64 {
        return Err(io::ErrorKind::UnexpectedEof.into());
    }
    Ok(Body::TooLong(length))
}

/// Writes `frame`, prefix and body.
pub(crate) async fn write_frame<T: AsyncWrite + Unpin + Send>(io: &mut T, frame: &[u8]) -> io::Result<()> {
    io.write_all(frame).await?;
    io.flush().await
}

/// What is no frame, or not a frame of this protocol.
pub(crate) fn invalid(error: impl std::error::Error + Send + Sync + 'static) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, error)
}

async fn read_body<T: AsyncRead + Unpin + Send>(io: &mut T, length: usize) -> io::Result<Bytes> {
    let mut body = Vec::with_capacity(length.min(FIRST_ALLOCATION));
    io.take(length as u64).read_to_end(&mut body).await?;
    if body.len() < length {
        return Err(io::ErrorKind::UnexpectedEof.into());
    }
    Ok(body.into())
}

/// Reads the length prefix byte by byte, so that nothing behind it is taken from the stream.
async fn read_length<T: AsyncRead + Unpin + Send>(io: &mut T, limit: usize) -> io::Result<usize> {
    let mut prefix = Vec::new();
    loop {
        let mut byte = [0];
        io.read_exact(&mut byte).await?;
        prefix.extend_from_slice(&byte);
        // Ends by itself: `read_prefix` refuses a prefix beyond its longest.
        if let Prefix::Frame { length, .. } = read_prefix(&prefix, limit).map_err(invalid)? {
            return Ok(length);
        }
    }
}

#[cfg(test)]
mod tests {
    use futures::{executor::block_on, io::Cursor};
    use weir_wire::framing::encode_frame;

    use super::*;

    #[test]
    fn a_frame_reads_back_and_what_follows_stays_in_the_stream() {
        let body = vec![7; 100_000];
        let mut stream = Cursor::new(Vec::new());
        block_on(write_frame(&mut stream, &encode_frame(&body))).expect("written");
        let end = stream.position();
        block_on(stream.write_all(b"more")).expect("written");
        stream.set_position(0);
        assert_eq!(block_on(read_frame(&mut stream, 100_000)).expect("read"), body);
        assert_eq!(stream.position(), end);
    }

    #[test]
    fn a_length_beyond_the_limit_is_refused_before_the_body_is_read() {
        for prefix in [&[0x81, 0x08][..], &[0x81, 0xb0, 0x09], &[0x80, 0x80, 0x80, 0x80, 0x04], &[0xff; 12]] {
            let mut stream = Cursor::new(prefix.to_vec());
            let error = block_on(read_frame(&mut stream, 1024)).expect_err("too long");
            assert_eq!(error.kind(), io::ErrorKind::InvalidData, "{prefix:x?}");
        }
    }

    #[test]
    fn a_stream_that_ends_early_is_an_error() {
        for bytes in [&[][..], &[0x80], &[5, 8, 16]] {
            let error = block_on(read_frame(&mut Cursor::new(bytes.to_vec()), 1024)).expect_err("too short");
            assert_eq!(error.kind(), io::ErrorKind::UnexpectedEof, "{bytes:x?}");
            let read = block_on(read_frame_or_drop(&mut Cursor::new(bytes.to_vec()), 4, 1024));
            assert_eq!(read.expect_err("too short").kind(), io::ErrorKind::UnexpectedEof, "{bytes:x?}");
        }
    }

    #[test]
    fn a_body_that_is_too_long_to_be_kept_is_read_to_its_end_and_one_beyond_the_limit_is_not() {
        let read = |length: usize| {
            let mut stream =
                Cursor::new([encode_frame(&vec![7; length]).to_vec(), b"more".to_vec()].concat());
            let body = block_on(read_frame_or_drop(&mut stream, 10, 1000));
            let mut rest = Vec::new();
            block_on(stream.read_to_end(&mut rest)).expect("read");
            (body.map_err(|error| error.kind()), rest)
        };
        assert_eq!(read(10), (Ok(Body::Whole(vec![7; 10].into())), b"more".to_vec()));
        assert_eq!(read(1000), (Ok(Body::TooLong(1000)), b"more".to_vec()));
        assert_eq!(read(1001).0, Err(io::ErrorKind::InvalidData));
    }
}
