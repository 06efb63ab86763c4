//! The services that are asked in one frame and answer in one: store, filter, light push in both versions,
//! peer exchange ([`crate::exchange`]).
//!
//! All of them use their streams in the same way, so one codec carries the bodies of all, and nothing here looks
//! into these: the owner decodes and encodes (`weir-wire`). A request is read to its end before anybody decides
//! about it, also one that is going to be refused: a muxer whose stream is not read holds up the streams beside
//! it. After the answer the write side is closed, which js-waku waits for. A stream on which no request came
//! within [`REQUEST_TIMEOUT`] is reset and not closed: js-waku opens streams in reserve, and writes on one that
//! is half closed.
//!
//! # Security
//! Memory is taken as bytes arrive and for a body of usual length only ([`Limits::kept`]); what is longer is
//! read and dropped. So what a peer can make this node hold is [`MAX_STREAMS`] bodies of each service it serves,
//! for [`REQUEST_TIMEOUT`]: 8 MiB of store, as much of filter, 7 MiB of light push in each version.

use std::{io, time::Duration};

use bytes::Bytes;
use futures::{AsyncRead, AsyncWrite};
use libp2p::{
    StreamProtocol,
    request_response::{self, ProtocolSupport},
};
use weir_wire::{
    FILTER_REQUEST_MAX_FRAME, FILTER_RESPONSE_MAX_FRAME, LIGHTPUSH_REQUEST_MAX_FRAME,
    LIGHTPUSH_RESPONSE_MAX_FRAME, PEER_EXCHANGE_REQUEST_MAX_FRAME, PEER_EXCHANGE_RESPONSE_MAX_FRAME,
    STORE_REQUEST_MAX_FRAME, STORE_RESPONSE_MAX_FRAME, framing::encode_frame, protocol_id,
};

use crate::exchange::{read_frame, read_frame_or_drop, write_frame};

/// How long a request may take, from the first byte of the question to the last of the answer: a page of the
/// largest messages, 15 MB, over a line of 2 Mbit/s.
pub const REQUEST_TIMEOUT: Duration = Duration::from_secs(60);

/// Streams of one service on a connection, both ways together. More than the requests of one peer that are
/// answered or wait at a time (weir-protocols: 10 of store), so that those beyond are refused in words before a
/// stream is dropped; and far more than the one that js-waku holds in reserve.
const MAX_STREAMS: usize = 32;

/// What a light push request has beside its message: an id, a topic, tags and lengths; with room.
const AROUND_MESSAGE: usize = 64 * 1024;

/// A service of one node to another.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Service {
    /// 13/WAKU2-STORE.
    Store,
    /// The requests of 12/WAKU2-FILTER; not its pushes.
    Filter,
    /// 19/WAKU2-LIGHTPUSH, version 3.
    LightPush,
    /// 19/WAKU2-LIGHTPUSH, version 2.
    LegacyLightPush,
    /// 34/WAKU2-PEER-EXCHANGE.
    PeerExchange,
}

/// A request or an answer, ready to be written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Frame(Bytes);

/// The body of a peer's request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Body {
    /// All of it.
    Whole(Bytes),
    /// It had so many bytes, more than are kept, and is gone. Only light push takes such bodies, to answer that
    /// the message is too large; other services end the stream.
    TooLong(usize),
}

/// Longest bodies of a service, in bytes.
#[derive(Debug, Clone, Copy)]
struct Limits {
    /// Of a request that is kept.
    kept: usize,
    /// Of a request that is read.
    request: usize,
    response: usize,
}

/// What crosses a stream.
#[derive(Debug)]
pub(crate) enum Content {
    Written(Frame),
    Read(Body),
}

pub(crate) type Behaviour = request_response::Behaviour<Codec>;

impl Service {
    /// All of them.
    pub const ALL: [Self; 5] =
        [Self::Store, Self::Filter, Self::LightPush, Self::LegacyLightPush, Self::PeerExchange];

    /// The id of its protocol.
    pub const fn protocol(self) -> &'static str {
        match self {
            Self::Store => protocol_id::STORE_QUERY,
            Self::Filter => protocol_id::FILTER_SUBSCRIBE,
            Self::LightPush => protocol_id::LIGHTPUSH,
            Self::LegacyLightPush => protocol_id::LIGHTPUSH_LEGACY,
            Self::PeerExchange => protocol_id::PEER_EXCHANGE,
        }
    }

    fn limits(self, max_message_size: usize) -> Limits {
        let usual = |request, response| Limits { kept: request, request, response };
        match self {
            Self::Store => usual(STORE_REQUEST_MAX_FRAME, STORE_RESPONSE_MAX_FRAME),
            Self::Filter => usual(FILTER_REQUEST_MAX_FRAME, FILTER_RESPONSE_MAX_FRAME),
            Self::LightPush | Self::LegacyLightPush => Limits {
                kept: max_message_size.saturating_add(AROUND_MESSAGE),
                request: LIGHTPUSH_REQUEST_MAX_FRAME,
                response: LIGHTPUSH_RESPONSE_MAX_FRAME,
            },
            Self::PeerExchange => usual(PEER_EXCHANGE_REQUEST_MAX_FRAME, PEER_EXCHANGE_RESPONSE_MAX_FRAME),
        }
    }
}

impl Frame {
    /// From the encoded request or answer; copies it.
    pub fn new(body: &[u8]) -> Self {
        Self(encode_frame(body))
    }

    /// What was encoded, without the length before it.
    pub fn body(&self) -> &[u8] {
        let prefix = self.0.iter().take_while(|byte| **byte >= 0x80).count() + 1;
        self.0.get(prefix..).unwrap_or_default()
    }

    /// Bytes that are written, and held until then.
    pub fn size(&self) -> usize {
        self.0.len()
    }
}

impl Body {
    /// Bytes that came.
    pub fn size(&self) -> usize {
        match self {
            Self::Whole(bytes) => bytes.len(),
            Self::TooLong(size) => *size,
        }
    }
}

/// Asks on a service's protocol, and answers when the node `serves` it; only then is it told in identify.
pub(crate) fn behaviour(service: Service, serves: bool, max_message_size: usize) -> Behaviour {
    let support = if serves { ProtocolSupport::Full } else { ProtocolSupport::Outbound };
    let config = request_response::Config::default()
        .with_request_timeout(REQUEST_TIMEOUT)
        .with_max_concurrent_streams(MAX_STREAMS);
    let codec = Codec(service.limits(max_message_size));
    Behaviour::with_codec(codec, [(StreamProtocol::new(service.protocol()), support)], config)
}

/// Reads and writes one frame.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Codec(Limits);

impl request_response::Codec for Codec {
    type Protocol = StreamProtocol;
    type Request = Content;
    type Response = Content;

    async fn read_request<T>(&mut self, _: &StreamProtocol, io: &mut T) -> io::Result<Content>
    where
        T: AsyncRead + Unpin + Send,
    {
        let Limits { kept, request, .. } = self.0;
        read_frame_or_drop(io, kept, request).await.map(Content::Read)
    }

    async fn read_response<T>(&mut self, _: &StreamProtocol, io: &mut T) -> io::Result<Content>
    where
        T: AsyncRead + Unpin + Send,
    {
        read_frame(io, self.0.response).await.map(Body::Whole).map(Content::Read)
    }

    async fn write_request<T>(&mut self, _: &StreamProtocol, io: &mut T, own: Content) -> io::Result<()>
    where
        T: AsyncWrite + Unpin + Send,
    {
        write(io, own).await
    }

    async fn write_response<T>(&mut self, _: &StreamProtocol, io: &mut T, own: Content) -> io::Result<()>
    where
        T: AsyncWrite + Unpin + Send,
    {
        write(io, own).await
    }
}

async fn write<T: AsyncWrite + Unpin + Send>(io: &mut T, content: Content) -> io::Result<()> {
    match content {
        Content::Written(Frame(bytes)) => write_frame(io, &bytes).await,
        Content::Read(_) => Err(io::Error::other("a body that was read is not written")),
    }
}
