//! The stream to one client.

use std::{
    io,
    pin::Pin,
    task::{Context, Poll, ready},
};

use futures::{AsyncRead, AsyncWrite};

use super::outbox::{Batch, Connection};

/// Writes what waits for a client. Dropping it resets the stream.
pub(super) struct Writer<S> {
    stream: S,
    batch: Option<Sending>,
    /// The client has said that it will write nothing, as it should.
    is_silent: bool,
}

struct Sending {
    batch: Batch,
    written: usize,
}

impl<S: AsyncRead + AsyncWrite + Unpin> Writer<S> {
    pub(super) const fn new(stream: S) -> Self {
        Self { stream, batch: None, is_silent: false }
    }

    /// Writes until nothing waits or the client takes nothing more. Ends only with the stream.
    pub(super) fn poll(&mut self, connection: &Connection, cx: &mut Context<'_>) -> Poll<io::Error> {
        loop {
            if self.batch.is_none() {
                self.batch = connection.take_batch().map(|batch| Sending { batch, written: 0 });
            }
            let Some(sending) = &mut self.batch else { return self.poll_end(cx) };
            if let Err(error) = ready!(sending.poll(&mut self.stream, cx)) {
                return Poll::Ready(error);
            }
            connection.written(&sending.batch);
            self.batch = None;
        }
    }

    /// Notices a stream that the client has dropped, so that the next push opens another.
    fn poll_end(&mut self, cx: &mut Context<'_>) -> Poll<io::Error> {
        // A client has nothing to say here; what it says is thrown away.
        let mut ignored = [0; 64];
        while !self.is_silent {
            match ready!(Pin::new(&mut self.stream).poll_read(cx, &mut ignored)) {
                Ok(0) => self.is_silent = true,
                Ok(_) => {}
                Err(error) => return Poll::Ready(error),
            }
        }
        Poll::Pending
    }
}

impl Sending {
    fn poll<S: AsyncWrite + Unpin>(&mut self, stream: &mut S, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        while self.written < self.batch.bytes.len() {
            match ready!(Pin::new(&mut *stream).poll_write(cx, &self.batch.bytes[self.written..]))? {
                0 => return Poll::Ready(Err(io::ErrorKind::WriteZero.into())),
                count => self.written += count,
            }
        }
        Pin::new(stream).poll_flush(cx)
    }
}
