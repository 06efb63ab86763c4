//! The metadata stream: one frame each way (66/WAKU2-METADATA; [`crate::exchange`]).

use std::{io, time::Duration};

use futures::{AsyncRead, AsyncWrite};
use libp2p::{
    StreamProtocol,
    request_response::{self, ProtocolSupport},
};
use weir_core::ShardId;
use weir_wire::{METADATA_MAX_FRAME, Metadata, framing::encode_frame, protocol_id};

use crate::exchange::{invalid, read_frame, write_frame};

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
    let body = read_frame(io, METADATA_MAX_FRAME).await?;
    Metadata::decode(&body).map_err(invalid)
}

async fn write<T: AsyncWrite + Unpin + Send>(io: &mut T, metadata: &Metadata) -> io::Result<()> {
    let body = metadata.encode().map_err(invalid)?;
    write_frame(io, &encode_frame(&body)).await
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
    fn metadata_crosses_a_stream() {
        let mut stream = Cursor::new(Vec::new());
        block_on(write(&mut stream, &metadata(3))).expect("written");
        stream.set_position(0);
        assert_eq!(block_on(read(&mut stream)).expect("read"), metadata(3));
    }

    #[test]
    fn shards_that_do_not_fit_are_left_out() {
        assert_eq!(fitting(metadata(200)), metadata(200));
        let many = fitting(metadata(1024));
        assert_eq!(many, metadata(200));
        assert!(many.encode().is_ok());
    }
}
