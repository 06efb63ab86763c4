//! A WebSocket as a stream of bytes: each write a binary message, reads from one after the other.

use std::{
    io,
    pin::Pin,
    task::{Context, Poll, ready},
};

use bytes::{Buf, Bytes};
use futures::{Sink, Stream};
use tokio_tungstenite::tungstenite::{self, Message, protocol::WebSocketConfig};

/// Longest message and frame that is read. js-libp2p writes a muxer frame of 1 MiB at most at once,
/// in Noise frames with 18 bytes each; everybody else writes less.
pub(super) const MAX_MESSAGE: usize = 2 * 1024 * 1024;

/// Longest message that is written: what Noise writes at once.
const LONGEST_WRITE: usize = 64 * 1024;

/// Buffers of a connection, each way; tungstenite's are 128 KiB, with which a thousand idle browsers
/// would hold 256 MB.
const BUFFER: usize = 16 * 1024;

/// Whatever is below the WebSocket.
pub(super) trait Io: tokio::io::AsyncRead + tokio::io::AsyncWrite + Send + Unpin {}

impl<T: tokio::io::AsyncRead + tokio::io::AsyncWrite + Send + Unpin> Io for T {}

pub(super) type Socket = Box<dyn Io>;

pub(crate) struct WebSocketStream {
    socket: tokio_tungstenite::WebSocketStream<Socket>,
    /// What is not read yet of the last message.
    rest: Bytes,
}

pub(super) fn limits() -> WebSocketConfig {
    WebSocketConfig::default()
        .max_message_size(Some(MAX_MESSAGE))
        .max_frame_size(Some(MAX_MESSAGE))
        .read_buffer_size(BUFFER)
        .write_buffer_size(BUFFER)
}

impl WebSocketStream {
    pub(super) fn new(socket: tokio_tungstenite::WebSocketStream<Socket>) -> Self {
        Self { socket, rest: Bytes::new() }
    }
}

impl futures::AsyncRead for WebSocketStream {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut [u8],
    ) -> Poll<io::Result<usize>> {
        while self.rest.is_empty() {
            match ready!(Pin::new(&mut self.socket).poll_next(cx)) {
                Some(Ok(Message::Binary(bytes))) => self.rest = bytes,
                // tungstenite answers pings; that costs the peer as much as it costs us.
                Some(Ok(Message::Ping(_) | Message::Pong(_))) => {}
                Some(Ok(Message::Close(_))) | None => return Poll::Ready(Ok(0)),
                Some(Ok(Message::Text(_) | Message::Frame(_))) => {
                    return Poll::Ready(Err(io::Error::new(
                        io::ErrorKind::InvalidData,
                        "libp2p sends no text over a WebSocket",
                    )));
                }
                Some(Err(error)) => return Poll::Ready(Err(io_error(error))),
            }
        }
        let length = buffer.len().min(self.rest.len());
        self.rest.copy_to_slice(&mut buffer[..length]);
        Poll::Ready(Ok(length))
    }
}

impl futures::AsyncWrite for WebSocketStream {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        // At most one message waits beyond the buffer: the next is taken when it has left.
        ready!(Pin::new(&mut self.socket).poll_ready(cx)).map_err(io_error)?;
        let length = bytes.len().min(LONGEST_WRITE);
        let message = Message::Binary(Bytes::copy_from_slice(&bytes[..length]));
        Pin::new(&mut self.socket).start_send(message).map_err(io_error)?;
        Poll::Ready(Ok(length))
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.socket).poll_flush(cx).map_err(io_error)
    }

    fn poll_close(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match ready!(Pin::new(&mut self.socket).poll_close(cx)) {
            // The peer closed first.
            Ok(()) | Err(tungstenite::Error::ConnectionClosed | tungstenite::Error::AlreadyClosed) => {
                Poll::Ready(Ok(()))
            }
            Err(error) => Poll::Ready(Err(io_error(error))),
        }
    }
}

fn io_error(error: tungstenite::Error) -> io::Error {
    match error {
        tungstenite::Error::Io(error) => error,
        tungstenite::Error::ConnectionClosed | tungstenite::Error::AlreadyClosed => {
            io::ErrorKind::ConnectionAborted.into()
        }
        other => io::Error::new(io::ErrorKind::InvalidData, other),
    }
}

#[cfg(test)]
mod tests {
    use futures::{AsyncReadExt, AsyncWriteExt, SinkExt};
    use tokio_tungstenite::tungstenite::protocol::Role;

    use super::*;

    type Peer = tokio_tungstenite::WebSocketStream<tokio::io::DuplexStream>;

    /// A stream and a peer at its other end, after the handshake.
    async fn pair() -> (WebSocketStream, Peer) {
        let (ours, theirs) = tokio::io::duplex(64 * 1024);
        let socket: Socket = Box::new(ours);
        let ours =
            tokio_tungstenite::WebSocketStream::from_raw_socket(socket, Role::Server, Some(limits())).await;
        let theirs = Peer::from_raw_socket(theirs, Role::Client, None).await;
        (WebSocketStream::new(ours), theirs)
    }

    #[tokio::test]
    async fn messages_are_read_as_one_stream_whatever_their_borders() {
        let (mut ours, mut peer) = pair().await;
        peer.send(Message::binary(b"abc".as_slice())).await.expect("sent");
        peer.send(Message::Ping(Bytes::from_static(b"?"))).await.expect("sent");
        peer.send(Message::binary(b"".as_slice())).await.expect("sent");
        peer.send(Message::binary(b"defg".as_slice())).await.expect("sent");
        let mut read = [0; 7];
        ours.read_exact(&mut read).await.expect("read");
        assert_eq!(&read, b"abcdefg");
    }

    #[tokio::test]
    async fn a_close_frame_ends_the_stream() {
        let (mut ours, mut peer) = pair().await;
        peer.close(None).await.expect("closed");
        assert_eq!(ours.read(&mut [0; 8]).await.expect("the end"), 0);
        ours.close().await.expect("closing twice is fine");
    }

    #[tokio::test]
    async fn text_and_messages_over_the_limit_are_errors() {
        let (mut ours, mut peer) = pair().await;
        peer.send(Message::text("hello")).await.expect("sent");
        assert_eq!(ours.read(&mut [0; 8]).await.expect_err("text").kind(), io::ErrorKind::InvalidData);

        let (mut ours, mut peer) = pair().await;
        let send = peer.send(Message::binary(vec![0; MAX_MESSAGE + 1]));
        let mut buffer = [0; 8];
        let read = ours.read(&mut buffer);
        // Its header tells; the rest is not waited for.
        tokio::select! {
            sent = send => panic!("more was taken than is allowed: {sent:?}"),
            read = read => assert_eq!(read.expect_err("too long").kind(), io::ErrorKind::InvalidData),
        }
    }

    #[tokio::test]
    async fn a_long_write_becomes_several_messages() {
        let (mut ours, mut peer) = pair().await;
        let bytes = vec![7; LONGEST_WRITE * 2 + 1];
        let write = async {
            ours.write_all(&bytes).await.expect("written");
            ours.close().await.expect("closed");
        };
        let read = async {
            let mut lengths = Vec::new();
            while let Some(Ok(Message::Binary(bytes))) = futures::StreamExt::next(&mut peer).await {
                lengths.push(bytes.len());
            }
            lengths
        };
        let ((), lengths) = futures::join!(write, read);
        assert_eq!(lengths, [LONGEST_WRITE, LONGEST_WRITE, 1]);
    }
}
