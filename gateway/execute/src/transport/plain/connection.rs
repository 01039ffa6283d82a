//! Connections: turns a request's bytes into a response, on one TCP connection (RFC 9112).

use super::chunks::Chunks;
use super::head::{self, Framing, Head};
use crate::transport::TransportError;
use bytes::{Bytes, BytesMut};
use http::{Response, StatusCode};
use std::io::{self, ErrorKind, IoSlice};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

/// The most that is made room for at once, whatever a response says of its length.
const MOST_ROOM: usize = 1024 * 1024;
const LEAST_ROOM: usize = 1024;

/// Why there is no response.
#[derive(Debug)]
pub(super) enum Broken {
    /// The connection ended before a byte of the response came: the subgraph may have closed it before it was asked.
    Unanswered(String),
    /// Anything else.
    Failed(TransportError),
}

impl Broken {
    fn unreachable(why: impl Into<String>) -> Self {
        Self::Failed(TransportError::Unreachable(why.into()))
    }
}

/// What a request is on the wire.
#[derive(Debug)]
pub(super) struct Wire<'r> {
    /// Up to and with the empty line.
    pub head: &'r [u8],
    pub body: &'r [u8],
    /// Whether the response has a body (all but to `HEAD`).
    pub answered_with_body: bool,
    /// The longest body of a response.
    pub limit: usize,
    /// How long a whole response is likely to be.
    pub expected: usize,
}

/// A response, what it was on the wire in bytes, and whether the connection can be used again.
#[derive(Debug)]
pub(super) struct Exchanged {
    pub response: Response<Bytes>,
    pub len: usize,
    pub persistent: bool,
}

/// A TCP connection on which nothing is under way.
#[derive(Debug)]
pub(super) struct Connection {
    stream: TcpStream,
}

impl Connection {
    pub fn new(stream: TcpStream) -> Self {
        Self { stream }
    }

    /// Whether it is still open, as far as is known here, and quiet as it should be.
    pub fn is_open(&self) -> bool {
        // what would tell otherwise has been noticed by the reactor: this is no system call for an open connection
        matches!(self.stream.try_read(&mut [0; 1]), Err(error) if error.kind() == ErrorKind::WouldBlock)
    }

    /// Send a request and read its response.
    ///
    /// # Errors
    /// [`Broken`]; then the connection is not to be used again.
    pub async fn exchange(&mut self, wire: &Wire<'_>) -> Result<Exchanged, Broken> {
        // a server may answer and close without reading everything: its answer is worth more than the error of writing
        let written = self.write(wire).await;
        // room is made when there is something to read: many requests wait at the same time
        let _ = self.stream.readable().await;
        let mut bytes = BytesMut::with_capacity(wire.expected.clamp(LEAST_ROOM, MOST_ROOM));
        let mut len = 0;
        let head = loop {
            match head::read(&bytes).map_err(Broken::unreachable)? {
                Some(head) if head.status.is_informational() && head.status != StatusCode::SWITCHING_PROTOCOLS => {
                    len += head.len;
                    let _ = bytes.split_to(head.len);
                }
                Some(head) => break head,
                None => match self.more(&mut bytes, LEAST_ROOM).await {
                    Ok(()) => {}
                    Err(_) if bytes.is_empty() && len == 0 && written.is_err() => {
                        let error = written.err().map(|e| e.to_string()).unwrap_or_default();
                        return Err(Broken::Unanswered(error));
                    }
                    Err(error) if bytes.is_empty() && len == 0 => return Err(Broken::Unanswered(error.to_string())),
                    Err(error) => return Err(Broken::unreachable(error.to_string())),
                },
            }
        };
        len += head.len;
        let _ = bytes.split_to(head.len);
        let framing = if wire.answered_with_body { head.framing } else { Framing::Length(0) };
        let (body, length) = self.body(framing, &mut bytes, wire.limit).await?;
        let persistent = head.persistent && bytes.is_empty() && written.is_ok();
        Ok(Exchanged { response: response(head, body), len: len + length, persistent })
    }

    async fn write(&mut self, wire: &Wire<'_>) -> io::Result<()> {
        let mut slices = [IoSlice::new(wire.head), IoSlice::new(wire.body)];
        let mut rest = &mut slices[..];
        while !rest.is_empty() {
            let written = self.stream.write_vectored(rest).await?;
            if written == 0 {
                return Err(ErrorKind::WriteZero.into());
            }
            IoSlice::advance_slices(&mut rest, written);
        }
        Ok(())
    }

    /// Read at least a byte more.
    async fn more(&mut self, bytes: &mut BytesMut, room: usize) -> io::Result<()> {
        if bytes.capacity() == bytes.len() {
            bytes.reserve(room.clamp(LEAST_ROOM, MOST_ROOM.max(bytes.len())));
        }
        match self.stream.read_buf(bytes).await? {
            0 => Err(io::Error::new(ErrorKind::UnexpectedEof, "the connection was closed")),
            _ => Ok(()),
        }
    }

    /// The body, and how many bytes it was on the wire; what follows it stays in `bytes`.
    async fn body(&mut self, framing: Framing, bytes: &mut BytesMut, limit: usize) -> Result<(Bytes, usize), Broken> {
        let too_large = || Broken::Failed(TransportError::TooLarge(limit));
        let broken = |error: io::Error| Broken::unreachable(format!("in the middle of its response: {error}"));
        match framing {
            Framing::Length(length) if length > limit => Err(too_large()),
            Framing::Length(length) => {
                while bytes.len() < length {
                    self.more(bytes, length - bytes.len()).await.map_err(broken)?;
                }
                Ok((bytes.split_to(length).freeze(), length))
            }
            Framing::Chunked => {
                let (mut chunks, mut body, mut length) = (Chunks::new(), BytesMut::new(), bytes.len());
                loop {
                    let before = bytes.len();
                    let whole = chunks.read(bytes, &mut body).map_err(Broken::unreachable)?;
                    if body.len() > limit {
                        return Err(too_large());
                    }
                    if whole {
                        return Ok((body.freeze(), length - bytes.len()));
                    }
                    let kept = bytes.len().min(before);
                    self.more(bytes, 16 * LEAST_ROOM).await.map_err(broken)?;
                    length += bytes.len() - kept;
                }
            }
            Framing::Close => loop {
                if bytes.len() > limit {
                    return Err(too_large());
                }
                match self.more(bytes, bytes.len()).await {
                    Ok(()) => {}
                    Err(error) if error.kind() == ErrorKind::UnexpectedEof => {
                        let length = bytes.len();
                        return Ok((bytes.split().freeze(), length));
                    }
                    Err(error) => return Err(broken(error)),
                }
            },
        }
    }
}

fn response(head: Head, body: Bytes) -> Response<Bytes> {
    let mut response = Response::new(body);
    *response.status_mut() = head.status;
    *response.headers_mut() = head.headers;
    response
}
