//! Events: turns events into rows of the input layer, each once, in one transaction with what is known of them.

use crate::{Store, StoreError};
use chrono::{DateTime, Utc};
use sqlx::{AssertSqlSafe, Postgres, Transaction};
use std::collections::BTreeSet;
use std::time::Duration;
use terrane_manifest::{Dataset, EventRules, Late};
use terrane_sql::Sql;
use uuid::Uuid;

/// The channel on which the dataset of a transaction that has stored events is heard.
pub const EVENTS_CHANNEL: &str = "terrane_events";
/// A clock that is ahead by more does not decide what is late.
const AHEAD: i64 = 300;

/// An event, ready to be stored.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct EventRow {
    /// Tells it from all others of its dataset; none where it is stored whenever it comes.
    pub id: Option<Uuid>,
    /// When it has happened.
    pub time: Option<DateTime<Utc>>,
    /// A JSON object of the row by columns.
    pub json: String,
    /// The message that brought it, where that can come again: sequence number in its stream.
    pub sequence: Option<i64>,
}

/// What became of an event.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Outcome {
    /// It is stored.
    Accepted,
    /// It had been stored before.
    Duplicate,
    /// It was late, and is stored.
    Late,
    /// It was late, and is not stored.
    Dropped,
    /// It was late, and is refused.
    TooLate,
}

/// An event that is put aside.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RejectedEvent {
    /// Where it came from.
    pub origin: String,
    /// What is wrong with it.
    pub reason: String,
    /// What it was, as far as it is text.
    pub event: Option<String>,
    /// The message that brought it.
    pub sequence: Option<i64>,
}

/// Events that are stored together.
#[derive(Debug, Clone, Copy)]
pub struct EventBatch<'e> {
    /// The dataset.
    pub dataset: &'e Dataset,
    /// How its events are taken.
    pub rules: &'e EventRules,
    /// The batch that their rows belong to: one for all that a process takes.
    pub batch: Uuid,
    /// Where they come from, for the batch's record.
    pub origin: &'e str,
    /// The stream whose messages they are.
    pub stream: Option<&'e str>,
    /// The events, in order.
    pub events: &'e [EventRow],
    /// Those of the same messages that can't be stored.
    pub rejected: &'e [RejectedEvent],
}

/// What came in as events of a dataset.
#[derive(Debug, Clone, PartialEq, Eq, sqlx::FromRow)]
pub struct EventCounts {
    /// ODCS name.
    pub dataset: String,
    /// The time of the latest event.
    pub latest: Option<DateTime<Utc>>,
    /// Stored.
    pub accepted: i64,
    /// Had been stored before.
    pub duplicates: i64,
    /// Came late.
    pub late: i64,
    /// Put aside, or refused for being late.
    pub rejected: i64,
}

impl Store {
    /// Store events: all of those that are new and not too late, or none. What became of each.
    ///
    /// # Errors
    /// [`StoreError::BadRow`] where a value does not fit its column; [`StoreError::Database`].
    pub async fn take_events(&self, batch: &EventBatch<'_>) -> Result<Vec<Outcome>, StoreError> {
        let what = "store events";
        let mut transaction = self.control().begin().await.map_err(StoreError::on(what))?;
        let latest = lock_counts(&mut transaction, &batch.dataset.name).await?;
        let mut new_messages = new_messages(&mut transaction, batch).await?;
        let outcomes = outcomes(&mut transaction, batch, latest, &mut new_messages).await?;
        if let (None, Some(late)) = (batch.stream, outcomes.iter().position(|o| *o == Outcome::TooLate)) {
            // the sender is told, and sends the others without it
            return Err(StoreError::LateEvent(late));
        }
        let rows = insert_rows(&mut transaction, batch, &outcomes).await?;
        // one that comes again was put aside before
        let mut is_new = |event: &RejectedEvent| event.sequence.is_none_or(|sequence| new_messages.remove(&sequence));
        let rejected: Vec<&RejectedEvent> = batch.rejected.iter().filter(|event| is_new(event)).collect();
        reject(&mut transaction, batch, &outcomes, &rejected).await?;
        count(&mut transaction, batch, &outcomes, rows, rejected.len()).await?;
        transaction.commit().await.map_err(StoreError::on(what))?;
        Ok(outcomes)
    }

    /// The first of `events` that does not fit its columns; none where all do.
    ///
    /// # Errors
    /// [`StoreError::Database`].
    pub async fn find_bad_event(
        &self,
        dataset: &Dataset,
        events: &[EventRow],
    ) -> Result<Option<(usize, String)>, StoreError> {
        let mut sql = Sql::lit("SELECT count(*) FROM ");
        sql.append(&recordset(dataset));
        let statement = sql.into_string();
        let (mut from, mut to) = (0, events.len());
        let mut reason = None;
        // a half that is good as a whole needs no further look
        while from < to {
            let middle = from + (to - from).div_ceil(2);
            let checked = sqlx::query_scalar::<_, i64>(AssertSqlSafe(statement.clone()))
                .bind(array(&events[from..middle]))
                .fetch_one(self.control())
                .await
                .map_err(bad_row);
            match checked {
                Ok(_) => from = middle,
                Err(StoreError::BadRow { reason: why, .. }) => {
                    reason = Some(why);
                    if middle - from == 1 {
                        break;
                    }
                    to = middle;
                }
                Err(other) => return Err(other),
            }
        }
        Ok(reason.filter(|_| from < events.len()).map(|text| (from, text)))
    }

    /// What came in as events.
    ///
    /// # Errors
    /// [`StoreError::Database`].
    pub async fn event_counts(&self) -> Result<Vec<EventCounts>, StoreError> {
        sqlx::query_as("SELECT * FROM control.event_counts ORDER BY dataset")
            .fetch_all(self.control())
            .await
            .map_err(StoreError::on("read the counts of events"))
    }

    /// How many events were stored so far.
    ///
    /// # Errors
    /// [`StoreError::Database`].
    pub async fn events_accepted(&self) -> Result<i64, StoreError> {
        sqlx::query_scalar("SELECT coalesce(sum(accepted), 0)::bigint FROM control.event_counts")
            .fetch_one(self.control())
            .await
            .map_err(StoreError::on("count events"))
    }

    /// How many of them no run has published yet.
    ///
    /// # Errors
    /// [`StoreError::Database`].
    pub async fn events_left(&self) -> Result<i64, StoreError> {
        sqlx::query_scalar(
            "SELECT coalesce(sum(accepted), 0)::bigint - coalesce((SELECT accepted FROM control.event_progress), 0) FROM \
             control.event_counts",
        )
        .fetch_one(self.control())
        .await
        .map_err(StoreError::on("count events"))
    }

    /// A run has published the first `accepted` events.
    ///
    /// # Errors
    /// [`StoreError::Database`].
    pub async fn events_published(&self, accepted: i64) -> Result<(), StoreError> {
        sqlx::query(
            "INSERT INTO control.event_progress AS p (accepted) VALUES ($1) ON CONFLICT (only_one) DO UPDATE SET accepted = \
             greatest(p.accepted, excluded.accepted)",
        )
        .bind(accepted)
        .execute(self.control())
        .await
        .map_err(StoreError::on("keep which events are published"))?;
        Ok(())
    }

    /// Forget at most `count` ids of events that were stored longer than `age` ago. How many were forgotten.
    ///
    /// # Errors
    /// [`StoreError::Database`].
    pub async fn forget_events(&self, dataset: &str, age: Duration, count: i64) -> Result<u64, StoreError> {
        let done = sqlx::query(
            "DELETE FROM control.event_ids WHERE (dataset, id) IN (SELECT dataset, id FROM control.event_ids WHERE dataset = \
             $1 AND at < clock_timestamp() - make_interval(secs => $2) ORDER BY at LIMIT $3)",
        )
        .bind(dataset)
        .bind(age.as_secs_f64())
        .bind(count)
        .execute(self.owner())
        .await
        .map_err(StoreError::on("forget old events"))?;
        Ok(done.rows_affected())
    }

    /// Messages of `stream` up to `sequence` are acknowledged, and don't come again.
    ///
    /// # Errors
    /// [`StoreError::Database`].
    pub async fn forget_messages(&self, dataset: &str, stream: &str, sequence: i64) -> Result<(), StoreError> {
        sqlx::query("DELETE FROM control.stream_messages WHERE dataset = $1 AND stream = $2 AND sequence <= $3")
            .bind(dataset)
            .bind(stream)
            .bind(sequence)
            .execute(self.owner())
            .await
            .map_err(StoreError::on("forget messages"))?;
        Ok(())
    }
}

/// Keep others from storing events of the dataset, and read the time of the latest one.
async fn lock_counts(
    transaction: &mut Transaction<'_, Postgres>,
    dataset: &str,
) -> Result<Option<DateTime<Utc>>, StoreError> {
    sqlx::query_scalar(
        "INSERT INTO control.event_counts AS c (dataset) VALUES ($1) ON CONFLICT (dataset) DO UPDATE SET latest = c.latest \
         RETURNING latest",
    )
    .bind(dataset)
    .fetch_one(&mut **transaction)
    .await
    .map_err(StoreError::on("lock the counts of events"))
}

/// What becomes of each event.
async fn outcomes(
    transaction: &mut Transaction<'_, Postgres>,
    batch: &EventBatch<'_>,
    latest: Option<DateTime<Utc>>,
    new_messages: &mut BTreeSet<i64>,
) -> Result<Vec<Outcome>, StoreError> {
    let ids: Vec<Uuid> = batch.events.iter().filter_map(|event| event.id).collect();
    let mut new_ids: BTreeSet<Uuid> = match ids.is_empty() {
        true => BTreeSet::new(),
        false => sqlx::query_scalar(
            "INSERT INTO control.event_ids (dataset, id) SELECT $1, unnest($2::uuid[]) ON CONFLICT DO NOTHING RETURNING id",
        )
        .bind(&batch.dataset.name)
        .bind(ids)
        .fetch_all(&mut **transaction)
        .await
        .map_err(StoreError::on("look up events"))?
        .into_iter()
        .collect(),
    };
    let lateness = batch.rules.lateness.and_then(|lateness| chrono::Duration::from_std(lateness).ok());
    let late_before = latest.zip(lateness).map(|(latest, lateness)| latest - lateness);
    let outcome = |event: &EventRow| {
        let is_new = event.sequence.is_none_or(|sequence| new_messages.remove(&sequence))
            && event.id.is_none_or(|id| new_ids.remove(&id));
        match event.time.zip(late_before) {
            _ if !is_new => Outcome::Duplicate,
            Some((time, before)) if time < before => match batch.rules.late {
                Late::Keep => Outcome::Late,
                Late::Drop => Outcome::Dropped,
                Late::Reject => Outcome::TooLate,
            },
            _ => Outcome::Accepted,
        }
    };
    Ok(batch.events.iter().map(outcome).collect())
}

/// Messages that were not stored before.
async fn new_messages(
    transaction: &mut Transaction<'_, Postgres>,
    batch: &EventBatch<'_>,
) -> Result<BTreeSet<i64>, StoreError> {
    let Some(stream) = batch.stream else { return Ok(BTreeSet::new()) };
    let rejected = batch.rejected.iter().filter_map(|event| event.sequence);
    let sequences: Vec<i64> = batch.events.iter().filter_map(|event| event.sequence).chain(rejected).collect();
    let new: Vec<i64> = sqlx::query_scalar(
        "INSERT INTO control.stream_messages (dataset, stream, sequence) SELECT $1, $2, unnest($3::bigint[]) ON CONFLICT DO \
         NOTHING RETURNING sequence",
    )
    .bind(&batch.dataset.name)
    .bind(stream)
    .bind(sequences)
    .fetch_all(&mut **transaction)
    .await
    .map_err(StoreError::on("look up messages"))?;
    Ok(new.into_iter().collect())
}

async fn insert_rows(
    transaction: &mut Transaction<'_, Postgres>,
    batch: &EventBatch<'_>,
    outcomes: &[Outcome],
) -> Result<i64, StoreError> {
    let stored = |outcome: &Outcome| matches!(outcome, Outcome::Accepted | Outcome::Late);
    let rows: Vec<&EventRow> =
        batch.events.iter().zip(outcomes).filter(|(_, outcome)| stored(outcome)).map(|(event, _)| event).collect();
    if rows.is_empty() {
        return Ok(0);
    }
    let columns = |sql: &mut Sql| {
        for field in &batch.dataset.fields {
            sql.ident(&field.column).push(", ");
        }
    };
    let mut sql = Sql::lit("INSERT INTO ");
    sql.qualified("input", &batch.dataset.table).push(" (");
    columns(&mut sql);
    sql.push("_batch) SELECT ");
    columns(&mut sql);
    sql.push("$2 FROM ").append(&recordset(batch.dataset));
    sqlx::query(AssertSqlSafe(sql.into_string()))
        .bind(array(rows.iter().copied()))
        .bind(batch.batch)
        .execute(&mut **transaction)
        .await
        .map_err(bad_row)?;
    Ok(i64::try_from(rows.len()).unwrap_or(i64::MAX))
}

/// `jsonb_to_recordset($1::text::jsonb) AS e ("code" text, …)`
fn recordset(dataset: &Dataset) -> Sql {
    let mut sql = Sql::lit("jsonb_to_recordset($1::text::jsonb) AS e (");
    for (i, field) in dataset.fields.iter().enumerate() {
        // the physical type is of the manifest's allow-list: see `PhysicalType`
        sql.push(if i > 0 { ", " } else { "" }).ident(&field.column).push(" ");
        sql.append(&Sql::from_checked_text(field.physical.to_string()));
    }
    sql.push(")");
    sql
}

fn array<'e>(events: impl IntoIterator<Item = &'e EventRow>) -> String {
    let mut text = String::from("[");
    for event in events {
        text.push_str(if text.len() > 1 { "," } else { "" });
        text.push_str(&event.json);
    }
    text.push(']');
    text
}

/// Put aside what can't be stored, and what is refused for being late.
async fn reject(
    transaction: &mut Transaction<'_, Postgres>,
    batch: &EventBatch<'_>,
    outcomes: &[Outcome],
    rejected: &[&RejectedEvent],
) -> Result<(), StoreError> {
    let late = batch.events.iter().zip(outcomes).filter(|(_, outcome)| **outcome == Outcome::TooLate);
    let late = late.map(|(event, _)| RejectedEvent {
        origin: batch.origin.to_owned(),
        reason: "it came too late".to_owned(),
        event: Some(event.json.clone()),
        sequence: event.sequence,
    });
    for event in late.chain(rejected.iter().map(|event| (*event).clone())) {
        sqlx::query("INSERT INTO control.rejected_events (dataset, origin, reason, event) VALUES ($1, $2, $3, $4)")
            .bind(&batch.dataset.name)
            .bind(&event.origin)
            .bind(&event.reason)
            .bind(event.event.as_ref().map(|text| text.replace('\0', "\u{fffd}")))
            .execute(&mut **transaction)
            .await
            .map_err(StoreError::on("put events aside"))?;
    }
    Ok(())
}

/// Count them, move the time of the latest one, record the batch, and wake who waits for events.
async fn count(
    transaction: &mut Transaction<'_, Postgres>,
    batch: &EventBatch<'_>,
    outcomes: &[Outcome],
    rows: i64,
    rejected: usize,
) -> Result<(), StoreError> {
    let of = |wanted: &[Outcome]| {
        i64::try_from(outcomes.iter().filter(|outcome| wanted.contains(outcome)).count()).unwrap_or(i64::MAX)
    };
    let horizon = Utc::now() + chrono::Duration::seconds(AHEAD);
    let times = batch.events.iter().zip(outcomes).filter(|(_, outcome)| **outcome == Outcome::Accepted);
    let latest = times.filter_map(|(event, _)| event.time).filter(|time| *time <= horizon).max();
    let rejected = i64::try_from(rejected).unwrap_or(i64::MAX);
    sqlx::query(
        "WITH counted AS (UPDATE control.event_counts SET latest = greatest(latest, $2), accepted = accepted + $3, duplicates \
         = duplicates + $4, late = late + $5, rejected = rejected + $6 WHERE dataset = $1), recorded AS (INSERT INTO \
         control.batches AS b (id, dataset, origin, mode, rows) SELECT $7, $1, $8, 'append', $3 WHERE $3 > 0 ON CONFLICT (id) \
         DO UPDATE SET rows = b.rows + excluded.rows) SELECT pg_notify($9, $1) WHERE $3 > 0",
    )
    .bind(&batch.dataset.name)
    .bind(latest)
    .bind(rows)
    .bind(of(&[Outcome::Duplicate]))
    .bind(of(&[Outcome::Late, Outcome::Dropped, Outcome::TooLate]))
    .bind(rejected.saturating_add(of(&[Outcome::TooLate])))
    .bind(batch.batch)
    .bind(batch.origin)
    .bind(EVENTS_CHANNEL)
    .execute(&mut **transaction)
    .await
    .map_err(StoreError::on("count events"))?;
    Ok(())
}

/// Errors about the data are the sender's and may be shown; the others stay ours.
fn bad_row(error: sqlx::Error) -> StoreError {
    match &error {
        sqlx::Error::Database(inner) if inner.code().is_some_and(|c| c.starts_with("22") || c.starts_with("23")) => {
            StoreError::BadRow { row: None, column: None, reason: inner.message().to_owned() }
        }
        _ => StoreError::database("store events", error),
    }
}
