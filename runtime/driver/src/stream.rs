//! Streams: turns a statement into its rows as they come, in pieces of bounded size.

use crate::connection::Connection;
use crate::message::{bind_and_execute, bounds};
use crate::{DriverError, Rows, Target};
use bytes::{Buf as _, BytesMut};
use postgres_protocol::message::backend::Message;
use postgres_protocol::message::frontend;
use std::io;
use terrane_query::Bind;
use tokio::sync::OwnedSemaphorePermit;

/// Rows of a statement, in pieces. Memory stays that of one piece (and of the largest row): the server waits while the
/// reader does.
pub struct RowStream {
    connection: Option<Connection>,
    _permit: OwnedSemaphorePermit,
}

/// Rows are handed out when at least this much was received.
const PIECE: usize = 64 * 1024;

impl RowStream {
    pub(crate) async fn open(
        target: &Target,
        text: &str,
        binds: &[Bind],
        permit: OwnedSemaphorePermit,
    ) -> Result<Self, DriverError> {
        let mut target = target.clone();
        target.settings.retain(|(name, _)| name != "statement_timeout");
        let mut connection = Connection::open(&target).await?;
        let mut out = BytesMut::new();
        frontend::parse("", text, [], &mut out)?;
        bind_and_execute("", binds, 0, &mut out)?;
        frontend::sync(&mut out);
        connection.write(&out).await?;
        Ok(Self { connection: Some(connection), _permit: permit })
    }

    /// The next rows; `None` after the last.
    ///
    /// # Errors
    /// [`DriverError`]: then the rows so far are not all there are.
    pub async fn next(&mut self) -> Result<Option<Rows>, DriverError> {
        let Some(connection) = &mut self.connection else { return Ok(None) };
        let (mut at, mut rows) = (0, false);
        loop {
            while let Some((tag, end)) = bounds(&connection.received, at)? {
                match tag {
                    b'E' => {
                        connection.received.advance(at);
                        let message = connection.message().await?;
                        self.connection = None;
                        let Message::ErrorResponse(body) = message else {
                            return Err(io::Error::from(io::ErrorKind::InvalidData).into());
                        };
                        return Err(DriverError::of(&body));
                    }
                    b'C' => {
                        let bytes = connection.received.split_to(at).freeze();
                        // the statement is through: nothing is left to cancel
                        self.connection = None;
                        return Ok(rows.then(|| Rows::new(bytes)));
                    }
                    b'D' => rows = true,
                    _ => {}
                }
                at = end;
            }
            if rows && at >= PIECE {
                return Ok(Some(Rows::new(connection.received.split_to(at).freeze())));
            }
            connection.read().await?;
        }
    }
}

impl Drop for RowStream {
    fn drop(&mut self) {
        if let Some(connection) = &self.connection {
            let canceller = connection.canceller();
            if let Ok(runtime) = tokio::runtime::Handle::try_current() {
                runtime.spawn(async move { canceller.cancel().await });
            }
        }
    }
}
