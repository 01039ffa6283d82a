//! The run lock: turns "nobody else changes what is published" into a connection that holds an advisory lock.

use crate::StoreError;
use sqlx::pool::PoolConnection;
use sqlx::{PgConnection, PgPool, Postgres};
use std::ops::{Deref, DerefMut};

/// The advisory lock that a run holds in its database (which is the product's own).
const RUN_LOCK: i64 = 0x7465_7272_616e_6501;

/// A connection that has the lock, or has asked for it. Unless it is known not to have it, it is closed when it is dropped,
/// at whatever moment: a session's lock would stay with a connection that goes back to its pool, and nobody would run then.
#[derive(Debug)]
pub(crate) struct RunLock {
    connection: PoolConnection<Postgres>,
    may_have: bool,
}

impl RunLock {
    /// A connection that does not have it yet.
    pub(crate) async fn connect(pool: &PgPool) -> Result<Self, StoreError> {
        let connection = pool.acquire().await.map_err(StoreError::on("take the run lock"))?;
        Ok(Self { connection, may_have: false })
    }

    /// Take it, if no other session has it; whether this one has it now.
    pub(crate) async fn try_take(&mut self) -> Result<bool, StoreError> {
        // who is dropped while this waits may have it
        self.may_have = true;
        self.may_have = sqlx::query_scalar("SELECT pg_try_advisory_lock($1)")
            .bind(RUN_LOCK)
            .fetch_one(&mut *self.connection)
            .await
            .map_err(StoreError::on("take the run lock"))?;
        Ok(self.may_have)
    }

    /// Let go of it. Where that fails it goes with the connection.
    pub(crate) async fn release(&mut self) {
        let released = sqlx::query_scalar("SELECT pg_advisory_unlock($1)").bind(RUN_LOCK);
        self.may_have = !released.fetch_one(&mut *self.connection).await.unwrap_or(false);
    }
}

impl Drop for RunLock {
    fn drop(&mut self) {
        if self.may_have {
            self.connection.close_on_drop();
        }
    }
}

impl Deref for RunLock {
    type Target = PgConnection;

    fn deref(&self) -> &PgConnection {
        &self.connection
    }
}

impl DerefMut for RunLock {
    fn deref_mut(&mut self) -> &mut PgConnection {
        &mut self.connection
    }
}
