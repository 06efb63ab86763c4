//! The streams over which a peer pushes to this node.

use std::{
    collections::VecDeque,
    io,
    task::{Context, Poll},
};

use bytes::Bytes;
use futures::{FutureExt, future::BoxFuture};
use libp2p::Stream;
use weir_core::{PubsubTopic, WakuMessage};
use weir_wire::{FILTER_PUSH_MAX_FRAME, decode_filter_push};

use crate::exchange::{invalid, read_frame};

/// Streams that one peer may have open: the one it uses, and one that takes its place. A third ends the oldest.
pub(super) const MAX_INBOUND: usize = 2;

/// The open streams, oldest first.
#[derive(Default)]
pub(super) struct Inbound(VecDeque<Reading>);

type Reading = BoxFuture<'static, (Stream, io::Result<Bytes>)>;

impl Inbound {
    pub(super) fn add(&mut self, stream: Stream) {
        if self.0.len() >= MAX_INBOUND {
            self.0.pop_front();
        }
        self.0.push_back(read(stream));
    }

    /// The next message. Bytes that are none end their stream.
    pub(super) fn poll(&mut self, cx: &mut Context<'_>) -> Poll<(PubsubTopic, WakuMessage)> {
        let mut index = 0;
        while let Some(reading) = self.0.get_mut(index) {
            let Poll::Ready((stream, frame)) = reading.poll_unpin(cx) else {
                index += 1;
                continue;
            };
            match frame.and_then(|body| decode_filter_push(&body).map_err(invalid)) {
                Ok(message) => {
                    *reading = read(stream);
                    return Poll::Ready(message);
                }
                Err(error) => {
                    if error.kind() != io::ErrorKind::UnexpectedEof {
                        tracing::debug!(%error, "a push stream was ended");
                    }
                    self.0.remove(index);
                }
            }
        }
        Poll::Pending
    }
}

fn read(mut stream: Stream) -> Reading {
    async move {
        let frame = read_frame(&mut stream, FILTER_PUSH_MAX_FRAME).await;
        (stream, frame)
    }
    .boxed()
}
