//! The metadata stream: one bounded frame each way (66/WAKU2-METADATA).
//!
//! The announced length is looked at before anything is read or allocated for it. The stream's
//! write side is closed after the frame (by libp2p's request-response), which js-waku waits for.

use std::{io, time::Duration};

use futures::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use libp2p::{
    StreamProtocol,
    request_response::{self, ProtocolSupport},
};
use weir_core::ShardId;
use weir_wire::{
    METADATA_MAX_FRAME, Metadata,
    framing::{Prefix, encode_frame, read_prefix},
    protocol_id,
};

/// How long a peer may take to ask or to answer.
const TIMEOUT: Duration = Duration::from_secs(10);

/// Metadata streams per connection. One each way is normal.
const MAX_STREAMS: usize = 8;

/// Shards that always fit an answer; a node with more tells the first of them.
const SHARDS_THAT_FIT: usize = 200;

pub(crate) type Behaviour = request_response::Behaviour<Codec>;

/// Asks and answers on the metadata protocol.
pub(crate) fn behaviour() -> Behaviour {
    let protocol = (StreamProtocol::new(protocol_id::METADATA), ProtocolSupport::Full);
    let config = request_response::Config::default()
        .with_request_timeout(TIMEOUT)
        .with_max_concurrent_streams(MAX_STREAMS);
    Behaviour::new([protocol], config)
}

/// `metadata` with no more shards than fit a frame.
pub(crate) fn fitting(mut metadata: Metadata) -> Metadata {
    if metadata.encode().is_err() {
        tracing::warn!(shards = metadata.shards.len(), told = SHARDS_THAT_FIT, "too many shards to tell");
        metadata.shards.sort_unstable_by_key(|shard: &ShardId| shard.0);
        metadata.shards.truncate(SHARDS_THAT_FIT);
    }
    metadata
}

/// Reads and writes one frame.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Codec;

impl request_response::Codec for Codec {
    type Protocol = StreamProtocol;
    type Request = Metadata;
    type Response = Metadata;

    async fn read_request<T>(&mut self, _: &StreamProtocol, io: &mut T) -> io::Result<Metadata>
    where
        T: AsyncRead + Unpin + Send,
    {
        read(io).await
    }

    async fn read_response<T>(&mut self, _: &StreamProtocol, io: &mut T) -> io::Result<Metadata>
    where
        T: AsyncRead + Unpin + Send,
    {
        read(io).await
    }

    async fn write_request<T>(&mut self, _: &StreamProtocol, io: &mut T, own: Metadata) -> io::Result<()>
    where
        T: AsyncWrite + Unpin + Send,
    {
        write(io, &own).await
    }

    async fn write_response<T>(&mut self, _: &StreamProtocol, io: &mut T, own: Metadata) -> io::Result<()>
    where
        T: AsyncWrite + Unpin + Send,
    {
        write(io, &own).await
    }
}

async fn read<T: AsyncRead + Unpin + Send>(io: &mut T) -> io::Result<Metadata> {
    let length = read_length(io).await?;
    let mut body = vec![0; length];
    io.read_exact(&mut body).await?;
    Metadata::decode(&body).map_err(invalid)
}

/// Reads the length prefix byte by byte, so that nothing behind it is taken from the stream.
async fn read_length<T: AsyncRead + Unpin + Send>(io: &mut T) -> io::Result<usize> {
    let mut prefix = Vec::new();
    loop {
        let mut byte = [0];
        io.read_exact(&mut byte).await?;
        prefix.extend_from_slice(&byte);
        // Ends by itself: `read_prefix` refuses a prefix beyond its longest.
        if let Prefix::Frame { length, .. } = read_prefix(&prefix, METADATA_MAX_FRAME).map_err(invalid)? {
            return Ok(length);
        }
    }
}

async fn write<T: AsyncWrite + Unpin + Send>(io: &mut T, metadata: &Metadata) -> io::Result<()> {
    let body = metadata.encode().map_err(invalid)?;
    io.write_all(&encode_frame(&body)).await?;
    io.flush().await
}

fn invalid(error: impl std::error::Error + Send + Sync + 'static) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, error)
}

#[cfg(test)]
mod tests {
    use futures::{executor::block_on, io::Cursor};
    use weir_core::ClusterId;

    use super::*;

    fn metadata(shards: u16) -> Metadata {
        Metadata { cluster: Some(ClusterId(16)), shards: (0..shards).map(ShardId).collect() }
    }

    #[test]
    fn a_frame_reads_back_and_what_follows_stays_in_the_stream() {
        let mut stream = Cursor::new(Vec::new());
        block_on(write(&mut stream, &metadata(3))).expect("written");
        let end = stream.position();
        block_on(stream.write_all(b"more")).expect("written");
        stream.set_position(0);
        assert_eq!(block_on(read(&mut stream)).expect("read"), metadata(3));
        assert_eq!(stream.position(), end);
    }

    #[test]
    fn a_length_beyond_the_limit_is_refused_before_the_body_is_read() {
        for prefix in [&[0x81, 0x08][..], &[0x81, 0xb0, 0x09], &[0x80, 0x80, 0x80, 0x80, 0x04], &[0xff; 12]] {
            let mut stream = Cursor::new(prefix.to_vec());
            let error = block_on(read(&mut stream)).expect_err("too long");
            assert_eq!(error.kind(), io::ErrorKind::InvalidData, "{prefix:x?}");
        }
    }

    #[test]
    fn a_stream_that_ends_early_is_an_error() {
        for bytes in [&[][..], &[0x80], &[5, 8, 16]] {
            let error = block_on(read(&mut Cursor::new(bytes.to_vec()))).expect_err("too short");
            assert_eq!(error.kind(), io::ErrorKind::UnexpectedEof, "{bytes:x?}");
        }
    }

    #[test]
    fn shards_that_do_not_fit_are_left_out() {
        assert_eq!(fitting(metadata(200)), metadata(200));
        let many = fitting(metadata(1024));
        assert_eq!(many, metadata(200));
        assert!(many.encode().is_ok());
    }
}
