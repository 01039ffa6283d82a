//! Activity: turns what happens on a connection into whether it is still of use.

use metrics::Gauge;
use std::io::{self, IoSlice};
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::task::{Context, Poll};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::sync::OwnedSemaphorePermit;

/// What happened on a connection. Only compared with what it was before, so the order of memory does not matter.
#[derive(Debug, Default)]
pub struct Activity {
    requests: AtomicU64,
    running: AtomicU64,
    written: AtomicU64,
}

/// A request under way.
pub struct Running(Arc<Activity>);

impl Activity {
    /// A request begins; it ends when what comes back is dropped.
    pub fn begin(self: &Arc<Self>) -> Running {
        self.requests.fetch_add(1, Ordering::Relaxed);
        self.running.fetch_add(1, Ordering::Relaxed);
        Running(Arc::clone(self))
    }

    /// Requests so far, and bytes sent.
    fn progress(&self) -> (u64, u64) {
        (self.requests.load(Ordering::Relaxed), self.written.load(Ordering::Relaxed))
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        self.0.running.fetch_sub(1, Ordering::Relaxed);
    }
}

/// What to do with a connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verdict {
    /// It is used.
    Keep,
    /// Nothing happened for a while: end it as soon as what is under way is done.
    End,
    /// It does not end either: the client sends no request, or takes no response.
    Cut,
}

/// Judges a connection, from time to time.
#[derive(Debug)]
pub struct Judge {
    activity: Arc<Activity>,
    before: (u64, u64),
    warned: bool,
}

impl Judge {
    pub fn new(activity: Arc<Activity>) -> Self {
        Self { activity, before: (0, 0), warned: false }
    }

    /// What to do, by what happened since the last time. A new connection has to have sent a request.
    pub fn judge(&mut self) -> Verdict {
        let now = self.activity.progress();
        if now.0 == 0 {
            return Verdict::Cut;
        }
        let idle = now == self.before && self.activity.running.load(Ordering::Relaxed) == 0;
        self.before = now;
        if !idle {
            self.warned = false;
            return Verdict::Keep;
        }
        if std::mem::replace(&mut self.warned, true) { Verdict::Cut } else { Verdict::End }
    }
}

/// A stream that counts what is written to it, and holds its place among the connections until it is closed: also when it
/// has become a WebSocket.
pub struct Counted<S> {
    stream: S,
    activity: Arc<Activity>,
    _place: Place,
}

/// The place of a connection among those that are open.
pub struct Place {
    _permit: OwnedSemaphorePermit,
    open: Gauge,
}

impl Place {
    /// A place that `open` counts.
    pub fn new(permit: OwnedSemaphorePermit, open: Gauge) -> Self {
        open.increment(1.0);
        Self { _permit: permit, open }
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        self.open.decrement(1.0);
    }
}

impl<S> Counted<S> {
    pub fn new(stream: S, activity: Arc<Activity>, place: Place) -> Self {
        Self { stream, activity, _place: place }
    }

    fn count(&self, written: Poll<io::Result<usize>>) -> Poll<io::Result<usize>> {
        if let Poll::Ready(Ok(bytes)) = &written {
            self.activity.written.fetch_add(*bytes as u64, Ordering::Relaxed);
        }
        written
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for Counted<S> {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buffer: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_read(cx, buffer)
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for Counted<S> {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        let written = Pin::new(&mut self.stream).poll_write(cx, bytes);
        self.count(written)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        slices: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let written = Pin::new(&mut self.stream).poll_write_vectored(cx, slices);
        self.count(written)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(cx)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_connection_is_kept_while_something_happens() {
        let activity = Arc::new(Activity::default());
        let mut judge = Judge::new(Arc::clone(&activity));
        let request = activity.begin();
        assert_eq!([judge.judge(), judge.judge()], [Verdict::Keep; 2]);
        drop(request);
        activity.written.fetch_add(1, Ordering::Relaxed);
        assert_eq!([judge.judge(), judge.judge()], [Verdict::Keep, Verdict::End]);
        drop(activity.begin());
        assert_eq!([judge.judge(), judge.judge(), judge.judge()], [Verdict::Keep, Verdict::End, Verdict::Cut]);
        assert_eq!(Judge::new(Arc::default()).judge(), Verdict::Cut);
    }
}
