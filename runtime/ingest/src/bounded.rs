//! Bounds: turns a reader into one that fails when more comes out of it than is allowed.

use std::io;
use std::pin::Pin;
use std::task::{Context, Poll};
use tokio::io::{AsyncRead, ReadBuf};

/// A reader of at most so many bytes; one more is an error, not an end.
pub struct Bounded<R> {
    inner: R,
    most: u64,
    left: u64,
}

impl<R> Bounded<R> {
    /// At most `most` bytes of `inner`.
    pub fn new(inner: R, most: u64) -> Self {
        Self { inner, most, left: most }
    }
}

impl<R: AsyncRead + Unpin> AsyncRead for Bounded<R> {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buffer: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let before = buffer.filled().len();
        std::task::ready!(Pin::new(&mut self.inner).poll_read(cx, buffer))?;
        let read = (buffer.filled().len() - before) as u64;
        match self.left.checked_sub(read) {
            Some(left) => {
                self.left = left;
                Poll::Ready(Ok(()))
            }
            None => {
                buffer.set_filled(before);
                Poll::Ready(Err(io::Error::other(format!("it unpacks to more than {} bytes", self.most))))
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use async_compression::tokio::bufread::GzipDecoder;
    use async_compression::tokio::write::GzipEncoder;
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

    #[tokio::test]
    async fn a_bomb_is_an_error_and_what_just_fits_is_not() {
        let mut encoder = GzipEncoder::new(Vec::new());
        encoder.write_all(&vec![b'0'; 1_000_000]).await.unwrap();
        encoder.shutdown().await.unwrap();
        let packed = encoder.into_inner();
        assert!(packed.len() < 10_000);
        for (most, fits) in [(1_000_000, true), (999_999, false), (10, false)] {
            let mut out = Vec::new();
            let read = Bounded::new(GzipDecoder::new(packed.as_slice()), most).read_to_end(&mut out).await;
            assert_eq!(read.is_ok(), fits, "{most}");
        }
    }
}
