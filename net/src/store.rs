//! The store stream: a query in one frame, a page in another (13/WAKU2-STORE; [`crate::exchange`]).
//!
//! A request that cannot be decoded is an answer's business, not the stream's: it goes to the owner as the
//! error it is, and the peer is told what was wrong. Frames are decoded and written in the task of the
//! connection, so that pages of megabytes do not hold up the swarm.

use std::{io, time::Duration};

use bytes::Bytes;
use futures::{AsyncRead, AsyncWrite};
use libp2p::{
    StreamProtocol,
    request_response::{self, ProtocolSupport},
};
use weir_core::store::Query;
use weir_wire::{
    DecodeError, STORE_REQUEST_MAX_FRAME, STORE_RESPONSE_MAX_FRAME, StoreRequest, StoreResponse,
    encode_store_request, framing::encode_frame, protocol_id,
};

use crate::exchange::{read_frame, write_frame};

/// How long a request may take, from the first byte of the question to the last of the answer: a page of the
/// largest messages, 15 MB, over a line of 2 Mbit/s.
pub const STORE_TIMEOUT: Duration = Duration::from_secs(60);

/// Store streams per connection, both ways together. More than the requests of one peer that are answered
/// or wait at a time (weir-protocols: 10), so that those beyond are refused in words before a stream is
/// dropped. A peer that announces as many requests and sends all but the last byte of each makes
/// 32 · 256 KiB = 8 MiB wait for the timeout.
const MAX_STREAMS: usize = 32;

pub(crate) type Behaviour = request_response::Behaviour<Codec>;

/// An answer, ready to be written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StoreFrame(Bytes);

impl StoreFrame {
    /// Encodes `response`. Takes as long as copying its messages twice.
    pub fn new(response: &StoreResponse) -> Self {
        Self(encode_frame(&response.encode()))
    }

    /// Bytes that are written, and held until then.
    pub fn size(&self) -> usize {
        self.0.len()
    }
}

/// One frame: to be written, or as it was read.
#[derive(Debug)]
pub(crate) enum Frame<T> {
    Written(Bytes),
    Read { size: usize, content: Result<T, DecodeError> },
}

/// Asks on the store protocol, and answers when `serves`; only then is it told in identify.
pub(crate) fn behaviour(serves: bool) -> Behaviour {
    let support = if serves { ProtocolSupport::Full } else { ProtocolSupport::Outbound };
    let config = request_response::Config::default()
        .with_request_timeout(STORE_TIMEOUT)
        .with_max_concurrent_streams(MAX_STREAMS);
    Behaviour::new([(StreamProtocol::new(protocol_id::STORE_QUERY), support)], config)
}

pub(crate) fn request_frame(request_id: &str, query: &Query) -> Frame<StoreRequest> {
    Frame::Written(encode_frame(&encode_store_request(request_id, query)))
}

pub(crate) fn response_frame(frame: StoreFrame) -> Frame<StoreResponse> {
    Frame::Written(frame.0)
}

/// Reads and writes one frame.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Codec;

impl request_response::Codec for Codec {
    type Protocol = StreamProtocol;
    type Request = Frame<StoreRequest>;
    type Response = Frame<StoreResponse>;

    async fn read_request<T>(&mut self, _: &StreamProtocol, io: &mut T) -> io::Result<Self::Request>
    where
        T: AsyncRead + Unpin + Send,
    {
        let body = read_frame(io, STORE_REQUEST_MAX_FRAME).await?;
        Ok(Frame::Read { size: body.len(), content: StoreRequest::decode(&body) })
    }

    async fn read_response<T>(&mut self, _: &StreamProtocol, io: &mut T) -> io::Result<Self::Response>
    where
        T: AsyncRead + Unpin + Send,
    {
        let body = read_frame(io, STORE_RESPONSE_MAX_FRAME).await?;
        Ok(Frame::Read { size: body.len(), content: StoreResponse::decode(&body) })
    }

    async fn write_request<T>(&mut self, _: &StreamProtocol, io: &mut T, own: Self::Request) -> io::Result<()>
    where
        T: AsyncWrite + Unpin + Send,
    {
        write(io, own).await
    }

    async fn write_response<T>(
        &mut self,
        _: &StreamProtocol,
        io: &mut T,
        own: Self::Response,
    ) -> io::Result<()>
    where
        T: AsyncWrite + Unpin + Send,
    {
        write(io, own).await
    }
}

async fn write<T: AsyncWrite + Unpin + Send, C>(io: &mut T, frame: Frame<C>) -> io::Result<()> {
    match frame {
        Frame::Written(bytes) => write_frame(io, &bytes).await,
        Frame::Read { .. } => Err(io::Error::other("a frame that was read is not written")),
    }
}
