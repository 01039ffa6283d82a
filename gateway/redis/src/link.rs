//! The link: turns the address of a Redis into a connection that works, or none while there is none.
//!
//! The link is the breaker as well: when the connection breaks, or some commands in a row had no answer in time, it is
//! given up. Until a task of its own has a new one that answers, nobody is kept waiting.

use redis::aio::MultiplexedConnection;
use redis::{AsyncConnectionConfig, Client, ErrorKind, RedisError};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::time::Duration;
use tokio::sync::watch;
use tokio::time::{sleep, timeout};

/// Commands in a row without an answer after which a connection is given up.
const FAILURES: u32 = 3;
/// Between two attempts to connect: at first, and at most.
const PAUSE: (Duration, Duration) = (Duration::from_millis(100), Duration::from_secs(5));
/// Until a connection is there, with its handshake.
const CONNECT: Duration = Duration::from_secs(1);

/// A connection that works, as far as one knows.
#[derive(Debug, Clone)]
pub(crate) struct Connection {
    pub commands: MultiplexedConnection,
    state: Arc<State>,
}

#[derive(Debug, Default)]
struct State {
    /// Commands that had no answer since the last lookup that had one.
    failures: AtomicU32,
    /// Whether any lookup had one.
    has_answered: AtomicBool,
}

/// Why a command had no answer.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Trouble {
    /// It was late.
    #[error("no answer in time")]
    Late,
    /// The connection broke, or what came is no answer.
    #[error(transparent)]
    Failed(RedisError),
    /// The server said no.
    #[error(transparent)]
    Refused(RedisError),
}

impl Connection {
    /// A lookup had an answer.
    pub fn answered(&self) {
        self.state.has_answered.store(true, Ordering::Relaxed);
        self.state.failures.store(0, Ordering::Relaxed);
    }
}

/// Where the connection is, if there is one.
#[derive(Debug, Clone)]
pub(crate) struct Link(Arc<watch::Sender<Option<Connection>>>);

impl Link {
    pub fn new() -> Self {
        Self(Arc::new(watch::Sender::new(None)))
    }

    /// The connection.
    pub fn connection(&self) -> Option<Connection> {
        self.0.borrow().clone()
    }

    /// Wait until there is a connection, or is none.
    pub async fn becomes(&self, connected: bool) {
        let mut receiver = self.0.subscribe();
        let waited = receiver.wait_for(|connection| connection.is_some() == connected).await;
        waited.expect("the sender is here");
    }

    /// Run a command for at most so long, and note where it failed.
    ///
    /// # Errors
    /// Why it had no answer.
    pub async fn run<T: Send>(
        &self,
        connection: &Connection,
        most: Duration,
        command: impl Future<Output = Result<T, RedisError>>,
    ) -> Result<T, Trouble> {
        match timeout(most, command).await {
            Ok(Ok(answer)) => Ok(answer),
            // one that refuses something has answered
            Ok(Err(error)) if matches!(error.kind(), ErrorKind::Server(_)) => Err(Trouble::Refused(error)),
            Ok(Err(error)) => {
                self.give_up(connection);
                Err(Trouble::Failed(error))
            }
            Err(_) => {
                if connection.state.failures.fetch_add(1, Ordering::Relaxed) + 1 >= FAILURES {
                    self.give_up(connection);
                }
                Err(Trouble::Late)
            }
        }
    }

    /// Nobody uses this connection any more; another one that is there since stays.
    fn give_up(&self, connection: &Connection) {
        self.0.send_if_modified(|current| {
            let same = current.as_ref().is_some_and(|current| Arc::ptr_eq(&current.state, &connection.state));
            if same {
                *current = None;
            }
            same
        });
    }

    /// Connect, and again when the connection was given up, for ever. `patience` is what a command may take.
    pub async fn keep(self, client: Client, patience: Duration) {
        // time is kept here
        let config = AsyncConnectionConfig::new().set_connection_timeout(None).set_response_timeout(None);
        let up = metrics::gauge!("terrane_cache_redis_up");
        let (mut pause, mut is_news) = (PAUSE.0, true);
        loop {
            match connect(&client, &config, patience).await {
                Ok(connection) => {
                    let state = Arc::clone(&connection.state);
                    tracing::info!("connected to the Redis of the cache");
                    up.set(1);
                    self.0.send_replace(Some(connection));
                    self.becomes(false).await;
                    up.set(0);
                    tracing::warn!("the Redis of the cache does not answer: nothing is shared until it does");
                    is_news = false;
                    if state.has_answered.load(Ordering::Relaxed) {
                        pause = PAUSE.0;
                    }
                }
                Err(trouble) if is_news => {
                    tracing::warn!(%trouble, "the Redis of the cache can't be reached: nothing is shared until it is");
                    is_news = false;
                }
                Err(_) => {}
            }
            sleep(pause).await;
            pause = (pause * 2).min(PAUSE.1);
        }
    }
}

/// A connection that has answered within what commands may take.
async fn connect(client: &Client, config: &AsyncConnectionConfig, patience: Duration) -> Result<Connection, Trouble> {
    let connecting = client.get_multiplexed_async_connection_with_config(config);
    let commands = timeout(CONNECT, connecting).await.map_err(|_| Trouble::Late)?.map_err(Trouble::Failed)?;
    let mut asked = commands.clone();
    let answer = timeout(patience, redis::cmd("PING").query_async::<()>(&mut asked)).await;
    answer.map_err(|_| Trouble::Late)?.map_err(Trouble::Failed)?;
    Ok(Connection { commands, state: Arc::default() })
}
