//! Verifying: turns the chain into its end, or into the first place where it is broken.

use super::chain::{Marks, ORIGIN, link};
use super::prune::{PRUNED, hex};
use super::told::Record;
use crate::{Store, StoreError};
use serde_json::Value;
use sqlx::FromRow;
use std::collections::BTreeSet;

/// Blocks of records that are read at once.
const PAGE: i64 = 4;

/// What was found of a chain.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Verification {
    /// Records that were looked at, and are as they were written.
    pub entries: u64,
    /// The last position that was removed as old; 0 where none was.
    pub removed_through: i64,
    /// The position of the last record that is as it was written.
    pub position: i64,
    /// Its hash, in hexadecimal digits. Who keeps it elsewhere can prove later that nothing up to there was changed.
    pub hash: String,
    /// The first place where it is broken.
    pub broken: Option<AuditBreak>,
}

/// Where a chain is broken.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AuditBreak {
    /// The position that is not as it was written.
    pub position: i64,
    /// What is wrong with it.
    pub what: String,
}

/// The place that verifying has come to.
struct Walk {
    key: Option<String>,
    found: Verification,
    hash: Vec<u8>,
    /// Removals that the chain itself tells of.
    told: BTreeSet<(i64, String)>,
    /// The position whose hash is known from elsewhere, and that hash.
    expected: Option<(i64, String)>,
}

/// Records that were written together.
#[derive(Debug, FromRow)]
struct Block {
    first: i64,
    last: i64,
    #[sqlx(flatten)]
    marks: Marks,
    records: Vec<String>,
    hashes: Vec<Vec<u8>>,
}

impl Walk {
    fn through(&mut self, block: &Block) -> Result<(), AuditBreak> {
        // what has no hash, or no record, is neither
        let nothing = (String::new(), Vec::new());
        for place in 0..block.records.len().max(block.hashes.len()) {
            let record = block.records.get(place).unwrap_or(&nothing.0);
            let hash = block.hashes.get(place).unwrap_or(&nothing.1);
            self.step(block.first + place as i64, record, hash)?;
        }
        let broken = |what: &str| Err(AuditBreak { position: block.first, what: what.to_owned() });
        if block.last != self.found.position || block.records.is_empty() {
            return broken("it is not said rightly how many records follow here");
        }
        if block.marks != Marks::of(&Record::all(&block.records)) {
            return broken("it was changed what the records from here on are looked up by");
        }
        Ok(())
    }

    fn step(&mut self, position: i64, record: &str, hash: &[u8]) -> Result<(), AuditBreak> {
        let next = self.found.position + 1;
        if position != next {
            let what = match position - 1 {
                last if last == next => "the record was removed".to_owned(),
                last => format!("the records {next} to {last} were removed"),
            };
            return Err(AuditBreak { position: next, what });
        }
        if link(self.key.as_deref(), &self.hash, position, record) != hash {
            let what = "the record, its hash or its place was changed".to_owned();
            return Err(AuditBreak { position, what });
        }
        if let Some((_, known)) = self.expected.as_ref().filter(|(at, _)| *at == position)
            && *known != hex(hash)
        {
            let what = "the hash is not the one that was noted: the chain up to here was written anew".to_owned();
            return Err(AuditBreak { position, what });
        }
        if record.contains(PRUNED)
            && let Ok(record) = serde_json::from_str::<Value>(record)
            && record["action"] == PRUNED
            && let (Some(through), Some(hash)) =
                (record["detail"]["through"].as_i64(), record["detail"]["hash"].as_str())
        {
            self.told.insert((through, hash.to_owned()));
        }
        self.hash = hash.to_vec();
        self.found.position = position;
        self.found.entries += 1;
        Ok(())
    }
}

impl Store {
    /// Look at every record of the chain. `expected` is a position and its hash as somebody noted them before.
    ///
    /// # Errors
    /// [`StoreError::Database`]. That the chain is broken is no error: [`Verification::broken`].
    pub async fn verify_audit(&self, expected: Option<(i64, String)>) -> Result<Verification, StoreError> {
        let failed = || StoreError::on("verify the audit log");
        // one snapshot: who appends or removes what is old meanwhile changes nothing of what is looked at
        let mut transaction = self.control().begin().await.map_err(failed())?;
        sqlx::query("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ, READ ONLY")
            .execute(&mut *transaction)
            .await
            .map_err(failed())?;
        let head: (i64, Vec<u8>) = sqlx::query_as("SELECT position, hash FROM control.audit_head")
            .fetch_one(&mut *transaction)
            .await
            .map_err(failed())?;
        let checkpoint: Option<(i64, Vec<u8>)> =
            sqlx::query_as("SELECT position, hash FROM control.audit_checkpoints ORDER BY position DESC LIMIT 1")
                .fetch_optional(&mut *transaction)
                .await
                .map_err(failed())?;
        let (start, hash) = checkpoint.clone().unwrap_or((0, ORIGIN.to_vec()));
        let found =
            Verification { entries: 0, removed_through: start, position: start, hash: String::new(), broken: None };
        let key = self.audit_key().map(str::to_owned);
        let mut walk = Walk { key, found, hash, told: BTreeSet::new(), expected };
        let mut broken = None;
        let mut after = i64::MIN;
        while broken.is_none() {
            let page: Vec<Block> =
                sqlx::query_as("SELECT * FROM control.audit_blocks WHERE first > $1 ORDER BY first LIMIT $2")
                    .bind(after)
                    .bind(PAGE)
                    .fetch_all(&mut *transaction)
                    .await
                    .map_err(failed())?;
            let Some(last) = page.last() else { break };
            after = last.first;
            broken = page.iter().find_map(|block| walk.through(block).err());
        }
        transaction.commit().await.map_err(failed())?;
        let broken = broken.or_else(|| end_of(&walk, &head, checkpoint.as_ref()));
        Ok(Verification { hash: hex(&walk.hash), broken, ..walk.found })
    }
}

/// What is wrong where every record is as it was written: some at an end of the chain are not there.
fn end_of(walk: &Walk, head: &(i64, Vec<u8>), checkpoint: Option<&(i64, Vec<u8>)>) -> Option<AuditBreak> {
    let at = |position: i64, what: String| Some(AuditBreak { position, what });
    if (walk.found.position, &walk.hash) != (head.0, &head.1) {
        let next = walk.found.position + 1;
        return at(next, format!("the records {next} to {} were removed, or the end of the chain was changed", head.0));
    }
    if let Some((position, hash)) = checkpoint
        && !walk.told.contains(&(*position, hex(hash)))
    {
        return at(*position, "records up to here were removed, and not because they were old".to_owned());
    }
    let (position, _) = walk.expected.as_ref()?;
    if *position > walk.found.position {
        return at(walk.found.position + 1, format!("the chain ends before {position}, which was there once"));
    }
    None
}
