//! Connections: turns a target into a session that statements can be sent over, and one's statement into a cancel request.

use crate::target::{Address, Target};
use crate::{DriverError, message};
use bytes::BytesMut;
use fallible_iterator::FallibleIterator as _;
use postgres_protocol::authentication::md5_hash;
use postgres_protocol::authentication::sasl::{ChannelBinding, SCRAM_SHA_256, ScramSha256};
use postgres_protocol::message::{backend::Message, frontend};
use rustc_hash::FxHashSet;
use std::collections::VecDeque;
use std::io;
use std::time::Duration;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpStream, UnixStream};
use tokio::time::timeout;

/// Longest time until a server has let us in.
const CONNECT: Duration = Duration::from_secs(5);
/// Statements that a connection keeps prepared; the oldest go first.
const KEPT: usize = 500;
/// Read at least this much at once.
const READ: usize = 16 * 1024;

/// A session on a server.
pub(crate) struct Connection {
    stream: Stream,
    /// What was received and not used yet.
    pub(crate) received: BytesMut,
    prepared: FxHashSet<u64>,
    oldest: VecDeque<u64>,
    canceller: Canceller,
}

enum Stream {
    Tcp(TcpStream),
    Unix(UnixStream),
}

impl Stream {
    async fn connect(address: &Address) -> io::Result<Self> {
        Ok(match address {
            Address::Tcp(host, port) => {
                let stream = TcpStream::connect((host.as_str(), *port)).await?;
                stream.set_nodelay(true)?;
                Self::Tcp(stream)
            }
            Address::Unix(path) => Self::Unix(UnixStream::connect(path).await?),
        })
    }

    async fn write(&mut self, bytes: &[u8]) -> io::Result<()> {
        match self {
            Self::Tcp(stream) => stream.write_all(bytes).await,
            Self::Unix(stream) => stream.write_all(bytes).await,
        }
    }

    async fn read(&mut self, into: &mut BytesMut) -> io::Result<usize> {
        match self {
            Self::Tcp(stream) => stream.read_buf(into).await,
            Self::Unix(stream) => stream.read_buf(into).await,
        }
    }
}

/// Ends the statement that a session is running.
#[derive(Clone)]
pub(crate) struct Canceller {
    address: Address,
    process_id: i32,
    secret_key: i32,
}

impl Canceller {
    /// Ask the server, and wait until it has passed the request on, which it tells by closing: a request that is still on its way
    /// would meet the next statement. That the statement ends is seen on its own connection.
    pub(crate) async fn cancel(&self) {
        let mut request = BytesMut::new();
        frontend::cancel_request(self.process_id, self.secret_key, &mut request);
        let sent = timeout(CONNECT, async {
            let mut stream = Stream::connect(&self.address).await?;
            stream.write(&request).await?;
            let mut nothing = BytesMut::new();
            while stream.read(&mut nothing).await? > 0 {}
            Ok::<(), io::Error>(())
        });
        match sent.await {
            Ok(Ok(())) => {}
            Ok(Err(error)) => tracing::warn!(%error, "a statement could not be cancelled"),
            Err(_) => tracing::warn!("a statement could not be cancelled in time"),
        }
    }
}

impl Connection {
    /// Connect and log in.
    pub(crate) async fn open(target: &Target) -> Result<Self, DriverError> {
        let late = || io::Error::new(io::ErrorKind::TimedOut, "the server did not let us in in time");
        timeout(CONNECT, Self::start(target)).await.map_err(|_| DriverError::Connection(late()))?
    }

    async fn start(target: &Target) -> Result<Self, DriverError> {
        let canceller = Canceller { address: target.address.clone(), process_id: 0, secret_key: 0 };
        let mut connection = Self {
            stream: Stream::connect(&target.address).await?,
            received: BytesMut::with_capacity(READ),
            prepared: FxHashSet::default(),
            oldest: VecDeque::new(),
            canceller,
        };
        let mut out = BytesMut::new();
        let fixed = [("user", &*target.user), ("database", &*target.database), ("client_encoding", "UTF8")];
        let settings = target.settings.iter().map(|(name, value)| (name.as_str(), value.as_str()));
        frontend::startup_message(fixed.into_iter().chain(settings), &mut out)?;
        connection.write(&out).await?;
        connection.log_in(target).await?;
        loop {
            match connection.message().await? {
                Message::BackendKeyData(key) => {
                    connection.canceller.process_id = key.process_id();
                    connection.canceller.secret_key = key.secret_key();
                }
                Message::ReadyForQuery(_) => return Ok(connection),
                Message::ErrorResponse(body) => return Err(refused(&DriverError::of(&body))),
                _ => {}
            }
        }
    }

    async fn log_in(&mut self, target: &Target) -> Result<(), DriverError> {
        let password =
            || target.password.as_deref().ok_or_else(|| DriverError::Refused("it wants a password".to_owned()));
        let mut out = BytesMut::new();
        loop {
            out.clear();
            match self.message().await? {
                Message::AuthenticationOk => return Ok(()),
                Message::AuthenticationCleartextPassword => {
                    frontend::password_message(password()?.as_bytes(), &mut out)?;
                    self.write(&out).await?;
                }
                Message::AuthenticationMd5Password(body) => {
                    let hash = md5_hash(target.user.as_bytes(), password()?.as_bytes(), body.salt());
                    frontend::password_message(hash.as_bytes(), &mut out)?;
                    self.write(&out).await?;
                }
                Message::AuthenticationSasl(body) => {
                    if !body.mechanisms().any(|mechanism| Ok(mechanism == SCRAM_SHA_256))? {
                        return Err(DriverError::Refused("it knows no SCRAM-SHA-256".to_owned()));
                    }
                    self.scram(password()?).await?;
                }
                Message::ErrorResponse(body) => return Err(refused(&DriverError::of(&body))),
                _ => return Err(DriverError::Refused("it wants a way to log in that is not known here".to_owned())),
            }
        }
    }

    async fn scram(&mut self, password: &str) -> Result<(), DriverError> {
        let mut scram = ScramSha256::new(password.as_bytes(), ChannelBinding::unsupported());
        let mut out = BytesMut::new();
        frontend::sasl_initial_response(SCRAM_SHA_256, scram.message(), &mut out)?;
        self.write(&out).await?;
        loop {
            match self.message().await? {
                Message::AuthenticationSaslContinue(body) => {
                    scram.update(body.data())?;
                    out.clear();
                    frontend::sasl_response(scram.message(), &mut out)?;
                    self.write(&out).await?;
                }
                Message::AuthenticationSaslFinal(body) => {
                    scram.finish(body.data())?;
                    return Ok(());
                }
                Message::ErrorResponse(body) => return Err(refused(&DriverError::of(&body))),
                _ => return Err(DriverError::Refused("it broke off the log-in".to_owned())),
            }
        }
    }

    /// The next message, decoded: for what is not on the path of rows.
    pub(crate) async fn message(&mut self) -> io::Result<Message> {
        loop {
            if let Some(message) = Message::parse(&mut self.received)? {
                return Ok(message);
            }
            self.read().await?;
        }
    }

    pub(crate) async fn write(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.stream.write(bytes).await
    }

    /// Append what the server has sent to `received`.
    pub(crate) async fn read(&mut self) -> io::Result<()> {
        if self.received.capacity() - self.received.len() < READ / 4 {
            self.received.reserve(READ);
        }
        match self.stream.read(&mut self.received).await? {
            0 => Err(io::Error::new(io::ErrorKind::UnexpectedEof, "the server closed the connection")),
            _ => Ok(()),
        }
    }

    pub(crate) fn canceller(&self) -> Canceller {
        self.canceller.clone()
    }

    /// Append `Parse` to `out` unless the statement is prepared; true when it was appended. What has to make room is
    /// closed before.
    pub(crate) fn prepare(&mut self, id: u64, text: &str, out: &mut BytesMut) -> io::Result<bool> {
        if self.prepared.contains(&id) {
            return Ok(false);
        }
        if self.oldest.len() >= KEPT
            && let Some(oldest) = self.oldest.pop_front()
            && self.prepared.remove(&oldest)
        {
            frontend::close(b'S', &message::statement_name(oldest), out)?;
        }
        frontend::parse(&message::statement_name(id), text, [], out)?;
        Ok(true)
    }

    /// Note that the server has prepared the statement.
    pub(crate) fn prepared(&mut self, id: u64) {
        if self.prepared.insert(id) {
            self.oldest.push_back(id);
        }
    }

    /// Close a statement whose tables have changed, so that it is prepared anew.
    pub(crate) fn forget(&mut self, id: u64, out: &mut BytesMut) -> io::Result<()> {
        if self.prepared.remove(&id) {
            self.oldest.retain(|kept| *kept != id);
            frontend::close(b'S', &message::statement_name(id), out)?;
        }
        Ok(())
    }
}

fn refused(error: &DriverError) -> DriverError {
    DriverError::Refused(error.to_string())
}
