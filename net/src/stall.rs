//! Tells whether a peer takes what is written to it.
//!
//! gossipsub does not show how full a peer's queue is. But its handler empties the queue until a
//! write or a flush has to wait; so a queue can only be non-empty while one of the connection's
//! streams waits. gossipsub writes on streams that this node opened; [`watch`] wraps a muxer so that
//! these count themselves in a [`Stall`] while they wait, and the gossip handler of the same peer
//! looks at it (`gossip::tracked`). Streams that the peer opened do not count: an archive's answer of
//! megabytes waits there as long as it takes the peer to read it, and says nothing of gossip.

use std::{
    collections::HashMap,
    io,
    pin::Pin,
    sync::{
        Arc, Mutex, PoisonError, Weak,
        atomic::{AtomicUsize, Ordering},
    },
    task::{Context, Poll, ready},
};

use futures::{AsyncRead, AsyncWrite, task::AtomicWaker};
use libp2p::{
    PeerId,
    core::{
        StreamMuxer,
        muxing::{StreamMuxerBox, StreamMuxerEvent, SubstreamBox},
    },
};

/// The stalls of all connected peers. Clones share them.
#[derive(Debug, Clone, Default)]
pub(crate) struct Stalls(Arc<Mutex<HashMap<PeerId, Weak<Stall>>>>);

/// How many streams of a peer wait to be written to.
#[derive(Debug, Default)]
pub(crate) struct Stall {
    waiting: AtomicUsize,
    released: AtomicWaker,
}

impl Stalls {
    /// The stall of `peer`, the same for all that hold one at a time.
    ///
    /// Bounded by the connections there are: entries nobody holds are dropped on the way.
    pub(crate) fn of(&self, peer: PeerId) -> Arc<Stall> {
        // The map is whole at any time, so a panic elsewhere does not spoil it.
        let mut stalls = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(stall) = stalls.get(&peer).and_then(Weak::upgrade) {
            return stall;
        }
        stalls.retain(|_, stall| stall.strong_count() > 0);
        let stall = Arc::new(Stall::default());
        stalls.insert(peer, Arc::downgrade(&stall));
        stall
    }
}

impl Stall {
    /// Ready when no stream waits; otherwise the task is woken when the last one stops waiting.
    pub(crate) fn poll_clear(&self, cx: &Context<'_>) -> Poll<()> {
        if self.waiting.load(Ordering::Acquire) == 0 {
            return Poll::Ready(());
        }
        self.released.register(cx.waker());
        // Looked at again, since a stream may have stopped between the look and the registration.
        if self.waiting.load(Ordering::Acquire) == 0 { Poll::Ready(()) } else { Poll::Pending }
    }

    fn enter(&self) {
        self.waiting.fetch_add(1, Ordering::AcqRel);
    }

    fn leave(&self) {
        if self.waiting.fetch_sub(1, Ordering::AcqRel) == 1 {
            self.released.wake();
        }
    }
}

/// Makes the streams of `muxer` count themselves in `stall`.
pub(crate) fn watch(muxer: StreamMuxerBox, stall: Arc<Stall>) -> StreamMuxerBox {
    StreamMuxerBox::new(WatchedMuxer { muxer, stall })
}

struct WatchedMuxer {
    muxer: StreamMuxerBox,
    stall: Arc<Stall>,
}

impl StreamMuxer for WatchedMuxer {
    type Substream = WatchedStream;
    type Error = io::Error;

    fn poll_inbound(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<WatchedStream>> {
        let stream = ready!(Pin::new(&mut self.muxer).poll_inbound(cx))?;
        Poll::Ready(Ok(WatchedStream { stream, stall: None, waits: false }))
    }

    fn poll_outbound(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<WatchedStream>> {
        let stream = ready!(Pin::new(&mut self.muxer).poll_outbound(cx))?;
        Poll::Ready(Ok(WatchedStream { stream, stall: Some(Arc::clone(&self.stall)), waits: false }))
    }

    fn poll_close(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.muxer).poll_close(cx)
    }

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<StreamMuxerEvent>> {
        Pin::new(&mut self.muxer).poll(cx)
    }
}

struct WatchedStream {
    stream: SubstreamBox,
    /// None of a stream that the peer opened.
    stall: Option<Arc<Stall>>,
    waits: bool,
}

impl WatchedStream {
    fn note(&mut self, waits: bool) {
        let before = std::mem::replace(&mut self.waits, waits);
        let Some(stall) = &self.stall else { return };
        match (before, waits) {
            (false, true) => stall.enter(),
            (true, false) => stall.leave(),
            (true, true) | (false, false) => {}
        }
    }
}

impl Drop for WatchedStream {
    fn drop(&mut self) {
        self.note(false);
    }
}

impl AsyncRead for WatchedStream {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut [u8]) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_read(cx, buf)
    }
}

impl AsyncWrite for WatchedStream {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        let poll = Pin::new(&mut self.stream).poll_write(cx, buf);
        self.note(poll.is_pending());
        poll
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let poll = Pin::new(&mut self.stream).poll_flush(cx);
        self.note(poll.is_pending());
        poll
    }

    fn poll_close(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        // Closing sends nothing that could be lost, so a stream that waits for it is not stalled.
        let poll = Pin::new(&mut self.stream).poll_close(cx);
        self.note(false);
        poll
    }
}

#[cfg(test)]
mod tests {
    use futures::task::noop_waker_ref;

    use super::*;

    #[test]
    fn a_peer_has_one_stall_as_long_as_somebody_holds_it() {
        let stalls = Stalls::default();
        let peer = PeerId::random();
        let first = stalls.of(peer);
        first.enter();
        let cx = Context::from_waker(noop_waker_ref());
        assert!(stalls.of(peer).poll_clear(&cx).is_pending());
        drop(first);
        assert!(stalls.of(peer).poll_clear(&cx).is_ready());
    }

    #[test]
    fn the_stall_ends_when_the_last_waiting_stream_stops_waiting() {
        let stall = Stall::default();
        let cx = Context::from_waker(noop_waker_ref());
        stall.enter();
        stall.enter();
        stall.leave();
        assert!(stall.poll_clear(&cx).is_pending());
        stall.leave();
        assert!(stall.poll_clear(&cx).is_ready());
    }

    /// A muxer whose streams take nothing.
    struct Stuck;

    impl StreamMuxer for Stuck {
        type Substream = StuckStream;
        type Error = io::Error;

        fn poll_inbound(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<StuckStream>> {
            Poll::Ready(Ok(StuckStream))
        }

        fn poll_outbound(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<StuckStream>> {
            Poll::Ready(Ok(StuckStream))
        }

        fn poll_close(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
            Poll::Pending
        }

        fn poll(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<StreamMuxerEvent>> {
            Poll::Pending
        }
    }

    struct StuckStream;

    impl AsyncRead for StuckStream {
        fn poll_read(self: Pin<&mut Self>, _: &mut Context<'_>, _: &mut [u8]) -> Poll<io::Result<usize>> {
            Poll::Pending
        }
    }

    impl AsyncWrite for StuckStream {
        fn poll_write(self: Pin<&mut Self>, _: &mut Context<'_>, _: &[u8]) -> Poll<io::Result<usize>> {
            Poll::Pending
        }

        fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
            Poll::Pending
        }

        fn poll_close(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
            Poll::Pending
        }
    }

    #[test]
    fn an_answer_that_waits_for_its_reader_does_not_count_as_gossip_that_does() {
        let stall = Arc::new(Stall::default());
        let mut muxer = watch(StreamMuxerBox::new(Stuck), Arc::clone(&stall));
        let mut cx = Context::from_waker(noop_waker_ref());
        let ready = |poll: Poll<io::Result<SubstreamBox>>| match poll {
            Poll::Ready(stream) => stream.expect("a stream"),
            Poll::Pending => panic!("the muxer has streams"),
        };
        let mut answer = ready(Pin::new(&mut muxer).poll_inbound(&mut cx));
        assert!(Pin::new(&mut answer).poll_write(&mut cx, b"page").is_pending());
        assert!(stall.poll_clear(&cx).is_ready());
        let mut gossip = ready(Pin::new(&mut muxer).poll_outbound(&mut cx));
        assert!(Pin::new(&mut gossip).poll_write(&mut cx, b"message").is_pending());
        assert!(stall.poll_clear(&cx).is_pending());
        drop(gossip);
        assert!(stall.poll_clear(&cx).is_ready());
    }

    #[test]
    fn stalls_of_peers_that_are_gone_are_forgotten() {
        let stalls = Stalls::default();
        for _ in 0..100 {
            drop(stalls.of(PeerId::random()));
        }
        let _held = stalls.of(PeerId::random());
        assert_eq!(stalls.0.lock().expect("not poisoned").len(), 1);
    }
}
