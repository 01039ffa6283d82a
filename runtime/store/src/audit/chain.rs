//! The chain: turns records into blocks of them, in which each has a hash over the one before, its position and its text.

use super::told::{Record, Told};
use crate::{Store, StoreError};
use hmac::{Hmac, Mac as _};
use sha2::{Digest as _, Sha256};
use sqlx::FromRow;
use sqlx::postgres::PgConnection;
use std::collections::BTreeSet;

/// Records of a block.
const LONGEST: usize = 1_000;
/// Bytes of a hash.
const LENGTH: usize = 32;

/// The hash of the first record's predecessor.
pub(super) const ORIGIN: [u8; LENGTH] = [0; LENGTH];

/// The hash of a record: SHA-256 (with a key: HMAC-SHA-256, RFC 2104) of the hash before, the position and the record's text.
pub(super) fn link(key: Option<&str>, before: &[u8], position: i64, record: &str) -> Vec<u8> {
    let place = position.to_be_bytes();
    match key {
        None => Sha256::new().chain_update(before).chain_update(place).chain_update(record).finalize().to_vec(),
        Some(key) => {
            let mac = Hmac::<Sha256>::new_from_slice(key.as_bytes()).expect("HMAC takes keys of any length");
            mac.chain_update(before).chain_update(place).chain_update(record).finalize().into_bytes().to_vec()
        }
    }
}

/// What is known of a block's records without reading them.
#[derive(Debug, Clone, PartialEq, Eq, FromRow)]
pub(super) struct Marks {
    since: i64,
    until: i64,
    subjects: Vec<String>,
    actions: Vec<String>,
}

impl Marks {
    /// Those of `records`.
    pub(super) fn of(records: &[Record<'_>]) -> Self {
        let told = || records.iter().filter_map(|record| record.told.as_ref());
        let distinct = |of: for<'t> fn(&'t Told<'_>) -> Option<&'t str>| -> Vec<String> {
            told().filter_map(of).collect::<BTreeSet<&str>>().into_iter().map(str::to_owned).collect()
        };
        let times = || told().filter_map(|told| told.at);
        Self {
            since: times().min().unwrap_or(0),
            until: times().max().unwrap_or(0),
            subjects: distinct(|told| told.subject()),
            actions: distinct(|told| told.action()),
        }
    }
}

/// The end of the chain, locked until the transaction ends.
pub(super) struct Head {
    pub(super) position: i64,
    pub(super) hash: Vec<u8>,
}

impl Head {
    /// Lock it.
    pub(super) async fn lock(connection: &mut PgConnection) -> Result<Self, StoreError> {
        let head: (i64, Vec<u8>) = sqlx::query_as("SELECT position, hash FROM control.audit_head FOR UPDATE")
            .fetch_one(connection)
            .await
            .map_err(StoreError::on("find the end of the audit log"))?;
        Ok(Self { position: head.0, hash: head.1 })
    }

    /// Append `records` in their order.
    pub(super) async fn append(
        self,
        connection: &mut PgConnection,
        key: Option<&str>,
        records: &[Record<'_>],
    ) -> Result<(), StoreError> {
        let (mut position, mut hash) = (self.position, self.hash);
        for some in records.chunks(LONGEST) {
            let mut hashes = Vec::with_capacity(some.len());
            let first = position + 1;
            for record in some {
                position += 1;
                hash = link(key, &hash, position, record.text);
                hashes.push(hash.clone());
            }
            let texts: Vec<&str> = some.iter().map(|record| record.text).collect();
            let Marks { since, until, subjects, actions } = Marks::of(some);
            sqlx::query("INSERT INTO control.audit_blocks VALUES ($1, $2, $3, $4, $5, $6, $7, $8)")
                .bind(first)
                .bind(position)
                .bind(since)
                .bind(until)
                .bind(subjects)
                .bind(actions)
                .bind(texts)
                .bind(hashes)
                .execute(&mut *connection)
                .await
                .map_err(StoreError::on("write the audit log"))?;
        }
        sqlx::query("UPDATE control.audit_head SET position = $1, hash = $2")
            .bind(position)
            .bind(&hash)
            .execute(connection)
            .await
            .map(|_| ())
            .map_err(StoreError::on("move the end of the audit log"))
    }
}

/// Append `records` within a transaction.
pub(super) async fn append(
    connection: &mut PgConnection,
    key: Option<&str>,
    records: &[Record<'_>],
) -> Result<(), StoreError> {
    Head::lock(connection).await?.append(connection, key, records).await
}

impl Store {
    /// Put entries of before there was a chain into it, in their order. Does nothing where there are none.
    pub(crate) async fn adopt_audit(&self) -> Result<(), StoreError> {
        let failed = || StoreError::on("put earlier audit entries into the chain");
        let mut transaction = self.owner().begin().await.map_err(failed())?;
        let head = Head::lock(&mut transaction).await?;
        let records: Vec<String> = sqlx::query_scalar(
            "WITH gone AS (DELETE FROM control.audit_before RETURNING *) \
             SELECT json_build_object('at', (extract(epoch FROM at) * 1000000)::bigint, 'action', action, 'object', object, \
             'subject', subject, 'roles', to_json(roles), 'allowed', allowed, 'detail', detail)::text \
             FROM gone ORDER BY position",
        )
        .fetch_all(&mut *transaction)
        .await
        .map_err(failed())?;
        if !records.is_empty() {
            head.append(&mut transaction, self.audit_key(), &Record::all(&records)).await?;
        }
        transaction.commit().await.map_err(failed())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_hash_depends_on_all_that_it_is_made_of() {
        let all = [
            link(None, &ORIGIN, 1, "a"),
            link(None, &ORIGIN, 1, "b"),
            link(None, &ORIGIN, 2, "a"),
            link(None, &[1; LENGTH], 1, "a"),
            link(Some("key"), &ORIGIN, 1, "a"),
            link(Some("other"), &ORIGIN, 1, "a"),
        ];
        let different: std::collections::BTreeSet<&Vec<u8>> = all.iter().collect();
        assert_eq!(different.len(), all.len());
        assert!(all.iter().all(|hash| hash.len() == LENGTH));
    }
}
