//! Transcoding: turns a reader of text in one of the encodings of the web into a reader of UTF-8.

use encoding_rs::{CoderResult, Decoder, Encoding};
use std::io;
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use tokio::io::{AsyncBufRead, AsyncRead, ReadBuf};

/// Reads UTF-8; what cannot be decoded is U+FFFD, as everywhere on the web.
pub struct Transcode<R> {
    inner: R,
    decoder: Decoder,
    done: bool,
}

impl<R> Transcode<R> {
    /// By the encoding's name, such as `windows-1252` or `utf-16le`; a byte order mark has the last word.
    pub fn new(inner: R, name: &str) -> Option<Self> {
        let decoder = Encoding::for_label(name.as_bytes())?.new_decoder();
        Some(Self { inner, decoder, done: false })
    }
}

impl<R: AsyncBufRead + Unpin> AsyncRead for Transcode<R> {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buffer: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let this = &mut *self;
        // the decoder writes nothing into less than a character's room; our callers have buffers of many kilobytes
        if buffer.remaining() < 8 {
            return Poll::Ready(Err(io::Error::other("too small a buffer for text")));
        }
        loop {
            if this.done {
                return Poll::Ready(Ok(()));
            }
            let input = ready!(Pin::new(&mut this.inner).poll_fill_buf(cx))?;
            let last = input.is_empty();
            let (result, read, written, _) = this.decoder.decode_to_utf8(input, buffer.initialize_unfilled(), last);
            Pin::new(&mut this.inner).consume(read);
            buffer.advance(written);
            this.done = last && result == CoderResult::InputEmpty;
            if written > 0 {
                return Poll::Ready(Ok(()));
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use tokio::io::{AsyncReadExt as _, BufReader};

    #[tokio::test]
    async fn text_of_other_encodings_becomes_utf_8_whatever_the_pieces() {
        let utf16: Vec<u8> = "\u{feff}Öl;€\n".encode_utf16().flat_map(u16::to_le_bytes).collect();
        for (name, bytes) in [("windows-1252", b"\xd6l;\x80\n".as_slice()), ("utf-16le", utf16.as_slice())] {
            for piece in [1, 2, 3, 100] {
                let mut text = String::new();
                let reader = BufReader::with_capacity(piece, bytes);
                Transcode::new(reader, name).unwrap().read_to_string(&mut text).await.unwrap();
                assert_eq!(text, "Öl;€\n", "{name} {piece}");
            }
        }
        assert!(Transcode::new(b"".as_slice(), "klingon").is_none());
    }
}
