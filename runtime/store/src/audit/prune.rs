//! Pruning: turns what is older than the retention into a checkpoint, at which the chain begins from then on.

use super::chain::Head;
use super::told::Record;
use crate::{Store, StoreError};
use chrono::{DateTime, Utc};
use serde_json::json;

/// Blocks of records that are removed at once: nobody who appends is kept waiting for long.
const AT_ONCE: i64 = 100;

/// What the record of a removal is called.
pub(super) const PRUNED: &str = "pruneAudit";

impl Store {
    /// Remove the records from before `until`, and note in the chain itself up to where it was removed and what the hash there
    /// was. Records go when all that came together with them are from before. Returns how many.
    ///
    /// # Errors
    /// [`StoreError::Database`].
    pub async fn prune_audit(&self, until: DateTime<Utc>) -> Result<u64, StoreError> {
        let mut removed = 0;
        loop {
            let (blocks, records) = self.prune_some(until.timestamp_micros()).await?;
            removed += records;
            if blocks < AT_ONCE as usize {
                return Ok(removed);
            }
        }
    }

    /// How many blocks, and how many records, were removed.
    async fn prune_some(&self, until: i64) -> Result<(usize, u64), StoreError> {
        let failed = || StoreError::on("remove old audit records");
        let mut transaction = self.owner().begin().await.map_err(failed())?;
        let head = Head::lock(&mut transaction).await?;
        let oldest: Vec<(i64, i64, i64, Vec<u8>)> = sqlx::query_as(
            "SELECT first, last, until, hashes[last - first + 1] FROM control.audit_blocks ORDER BY first LIMIT $1",
        )
        .bind(AT_ONCE)
        .fetch_all(&mut *transaction)
        .await
        .map_err(failed())?;
        let old: Vec<_> = oldest.iter().take_while(|(_, _, last_at, _)| *last_at < until).collect();
        let Some((_, through, _, hash)) = old.last() else { return Ok((0, 0)) };
        sqlx::query("INSERT INTO control.audit_checkpoints (position, hash) VALUES ($1, $2)")
            .bind(through)
            .bind(hash)
            .execute(&mut *transaction)
            .await
            .map_err(failed())?;
        sqlx::query("SELECT set_config('terrane.prunes_audit', 'on', true)")
            .execute(&mut *transaction)
            .await
            .map_err(failed())?;
        sqlx::query("DELETE FROM control.audit_blocks WHERE last <= $1")
            .bind(through)
            .execute(&mut *transaction)
            .await
            .map_err(failed())?;
        // the chain vouches for the checkpoint: who removes the oldest records otherwise can't forge one
        let text = json!({
            "at": Utc::now().timestamp_micros(), "action": PRUNED, "object": "audit", "subject": null, "roles": [],
            "allowed": true, "detail": {"through": through, "hash": hex(hash)},
        })
        .to_string();
        head.append(&mut transaction, self.audit_key(), &[Record::read(&text)]).await?;
        transaction.commit().await.map_err(failed())?;
        Ok((old.len(), old.iter().map(|(first, last, ..)| (last - first + 1).unsigned_abs()).sum()))
    }

    /// Remove the usage of days before `until`, and what is known of spools that ended long before.
    ///
    /// # Errors
    /// [`StoreError::Database`].
    pub async fn prune_usage(&self, until: DateTime<Utc>) -> Result<(), StoreError> {
        for text in [
            "DELETE FROM control.usage WHERE day < $1::date",
            "DELETE FROM control.traffic WHERE hour < $1",
            "DELETE FROM control.audit_spools WHERE taken_at < $1",
        ] {
            let done = sqlx::query(text).bind(until).execute(self.owner()).await;
            done.map_err(StoreError::on("remove old usage"))?;
        }
        Ok(())
    }
}

/// Bytes as hexadecimal digits.
pub(super) fn hex(bytes: &[u8]) -> String {
    use std::fmt::Write as _;
    bytes.iter().fold(String::new(), |mut text, byte| {
        write!(text, "{byte:02x}").expect("a String takes any text");
        text
    })
}
