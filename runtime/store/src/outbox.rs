//! Outbox: turns what publishes have changed into pages of changes, in the order in which they were committed.
//!
//! Whoever writes to it keeps others from it until its transaction ends (a trigger does so), so that a position that can be
//! seen has every lower one before it: a reader that goes on after the last position it has seen misses nothing.

use crate::{Store, StoreError};
use futures_util::TryStreamExt as _;
use sqlx::{AssertSqlSafe, FromRow, PgConnection, Postgres, Transaction};
use std::collections::BTreeMap;
use std::time::Duration;
use terrane_manifest::Dataset;
use terrane_sql::Sql;

/// The channel on which a transaction that has written to the outbox is heard of.
pub const OUTBOX_CHANNEL: &str = "terrane_outbox";

/// A change of one row.
#[derive(Debug, Clone, PartialEq, Eq, FromRow)]
pub struct Change {
    /// Its place in the order.
    pub position: i64,
    /// ODCS name of the dataset.
    pub dataset: String,
    /// A JSON object: `p` position, `v` version, `at` time, and by columns the row before (`o`) and after (`n`); what is
    /// not there is left out.
    pub json: String,
}

/// Where the outbox begins and ends.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct OutboxBounds {
    /// The last position.
    pub head: i64,
    /// Of each dataset that has lost some, the position up to which changes were removed.
    pub floors: BTreeMap<String, i64>,
}

impl OutboxBounds {
    /// The position after which all changes of `dataset` are there.
    pub fn floor(&self, dataset: &str) -> i64 {
        self.floors.get(dataset).copied().unwrap_or(0)
    }
}

impl Store {
    /// Changes after `position`, of `dataset` or of all, in order: at most `count`, and no more after `bytes` of JSON are
    /// there. One is returned however large it is.
    ///
    /// # Errors
    /// [`StoreError::Database`].
    pub async fn changes(
        &self,
        dataset: Option<&str>,
        position: i64,
        count: i64,
        bytes: usize,
    ) -> Result<Vec<Change>, StoreError> {
        let what = "read the outbox";
        let mut rows = sqlx::query_as::<_, Change>(
            "SELECT position, dataset, (jsonb_build_object('p', position, 'v', version, 'at', at) || CASE WHEN before IS NULL \
             THEN '{}' ELSE jsonb_build_object('o', before) END || CASE WHEN row IS NULL THEN '{}' ELSE \
             jsonb_build_object('n', row) END)::text AS json FROM control.outbox WHERE position > $1 AND ($2::text IS NULL \
             OR dataset = $2) ORDER BY position LIMIT $3",
        )
        .bind(position)
        .bind(dataset)
        .bind(count)
        .fetch(self.control());
        let (mut changes, mut size) = (Vec::new(), 0);
        while let Some(change) = rows.try_next().await.map_err(StoreError::on(what))? {
            size += change.json.len();
            changes.push(change);
            if size >= bytes {
                break;
            }
        }
        Ok(changes)
    }

    /// Where the outbox begins and ends now.
    ///
    /// # Errors
    /// [`StoreError::Database`].
    pub async fn outbox_bounds(&self) -> Result<OutboxBounds, StoreError> {
        let what = "read the bounds of the outbox";
        let floors: Vec<(String, i64)> = sqlx::query_as("SELECT dataset, position FROM control.outbox_floors")
            .fetch_all(self.control())
            .await
            .map_err(StoreError::on(what))?;
        let last: Option<i64> = sqlx::query_scalar("SELECT max(position) FROM control.outbox")
            .fetch_one(self.control())
            .await
            .map_err(StoreError::on(what))?;
        let floors = BTreeMap::from_iter(floors);
        let head = floors.values().copied().chain(last).max().unwrap_or(0);
        Ok(OutboxBounds { head, floors })
    }

    /// Remove at most `count` changes of `dataset` that are older than `age`, and keep up to where. How many were removed.
    ///
    /// # Errors
    /// [`StoreError::Database`].
    pub async fn prune_changes(&self, dataset: &str, age: Duration, count: i64) -> Result<u64, StoreError> {
        let what = "remove old changes";
        let removed: i64 = sqlx::query_scalar(
            "WITH old AS (SELECT position FROM (SELECT position, at FROM control.outbox WHERE dataset = $1 ORDER BY \
             position LIMIT $2) AS first WHERE at < clock_timestamp() - make_interval(secs => $3)), gone AS (DELETE FROM \
             control.outbox WHERE dataset = $1 AND position IN (SELECT position FROM old) RETURNING position), kept AS \
             (INSERT INTO control.outbox_floors (dataset, position) SELECT $1, max(position) FROM gone HAVING count(*) > 0 \
             ON CONFLICT (dataset) DO UPDATE SET position = greatest(outbox_floors.position, excluded.position)) SELECT \
             count(*) FROM gone",
        )
        .bind(dataset)
        .bind(count)
        .bind(age.as_secs_f64())
        .fetch_one(self.owner())
        .await
        .map_err(StoreError::on(what))?;
        Ok(removed.unsigned_abs())
    }
}

/// A table by its schema and name.
type Table<'a> = (&'a str, &'a str);

/// The rows that differ between the published table, where there is one, and the `next` one, into the outbox.
pub(crate) async fn write_changes(
    transaction: &mut Transaction<'_, Postgres>,
    dataset: &Dataset,
    version: i64,
    existed: bool,
    next: Table<'_>,
) -> Result<(), StoreError> {
    let published = ("output", dataset.table.as_str());
    let compared = match existed {
        true => Some((published, differ(transaction, published, next).await?)),
        false => None,
    };
    write_rows(&mut *transaction, dataset, version, compared, next).await
}

/// The rows of `next` that came, and of `before` those that went, by primary key, into the outbox: one that did both is an
/// update. With `before` comes a condition on its rows (`o`) and the next ones (`n`): those for which it holds.
pub(crate) async fn write_rows(
    connection: &mut PgConnection,
    dataset: &Dataset,
    version: i64,
    before: Option<(Table<'_>, Sql)>,
    next: Table<'_>,
) -> Result<(), StoreError> {
    let key = dataset.primary_key();
    let Some(first) = key.first() else { return Ok(()) };
    // ordered by the key's own columns, which compare many times faster than JSON does
    let mut order = Sql::lit(" ORDER BY ");
    let mut on = Sql::lit(" ON ");
    for (i, field) in key.iter().enumerate() {
        order.push(if i > 0 { ", " } else { "" });
        match before {
            Some(_) => order.push("coalesce(n.").ident(&field.column).push(", o.").ident(&field.column).push(")"),
            None => order.push("n.").ident(&field.column),
        };
        on.push(if i > 0 { " AND n." } else { "n." }).ident(&field.column).push(" = o.").ident(&field.column);
    }
    let mut sql = Sql::lit("INSERT INTO control.outbox (version, dataset, operation, row, before) SELECT $1, $2, ");
    match before {
        Some((table, condition)) => {
            sql.push("CASE WHEN o.").ident(&first.column).push(" IS NULL THEN 'insert' WHEN n.").ident(&first.column);
            sql.push(" IS NULL THEN 'delete' ELSE 'update' END, to_jsonb(n), to_jsonb(o) FROM ")
                .qualified(table.0, table.1);
            sql.push(" o FULL JOIN ")
                .qualified(next.0, next.1)
                .push(" n")
                .append(&on)
                .push(" WHERE ")
                .append(&condition);
        }
        None => {
            sql.push("'insert', to_jsonb(n), NULL FROM ").qualified(next.0, next.1).push(" n");
        }
    }
    sql.append(&order);
    sqlx::query(AssertSqlSafe(sql.into_string()))
        .bind(version)
        .bind(&dataset.name)
        .execute(connection)
        .await
        .map_err(StoreError::on("write the changes of a version"))?;
    Ok(())
}

/// That rows `o` of one table and `n` of another differ. Where both have the same columns these are compared by their own
/// types, for which no JSON is made of the many rows that stay as they are.
async fn differ(transaction: &mut Transaction<'_, Postgres>, o: Table<'_>, n: Table<'_>) -> Result<Sql, StoreError> {
    let columns: Vec<(String, bool, bool)> = sqlx::query_as(
        "SELECT attname::text, coalesce(o.type = n.type, false), coalesce(o.type IN ('json'::regtype, 'json[]'::regtype), \
         false) FROM (SELECT attname, atttypid AS type FROM pg_attribute WHERE attrelid = format('%I.%I', $1::text, \
         $2::text)::regclass AND attnum > 0 AND NOT attisdropped) AS o FULL JOIN (SELECT attname, atttypid AS type FROM \
         pg_attribute WHERE attrelid = format('%I.%I', $3::text, $4::text)::regclass AND attnum > 0 AND NOT attisdropped) \
         AS n USING (attname) ORDER BY attname",
    )
    .bind(o.0)
    .bind(o.1)
    .bind(n.0)
    .bind(n.1)
    .fetch_all(&mut **transaction)
    .await
    .map_err(StoreError::on("compare the columns of versions"))?;
    if columns.iter().any(|(_, same, _)| !same) {
        return Ok(Sql::lit("to_jsonb(n) IS DISTINCT FROM to_jsonb(o)"));
    }
    let mut sql = Sql::lit("(");
    for (i, (column, _, json)) in columns.iter().enumerate() {
        // json has no equality of its own
        let (before, after) = if *json { ("to_jsonb(", ")") } else { ("", "") };
        sql.push(if i > 0 { " OR " } else { "" });
        sql.push(before).push("n.").ident(column).push(after).push(" IS DISTINCT FROM ");
        sql.push(before).push("o.").ident(column).push(after);
    }
    sql.push(")");
    Ok(sql)
}
