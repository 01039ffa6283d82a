//! Moments: turns a product's records into when it is time to kill, and into what kills have cut off.

use rand::Rng as _;
use sqlx::PgPool;
use sqlx::types::Uuid;
use std::collections::BTreeSet;
use std::fmt;
use std::time::{Duration, Instant};
use tokio::time::sleep;

/// A publish is waited for so long at most.
const PATIENCE: Duration = Duration::from_secs(3);
/// Between two looks whether one has begun.
const LOOK: Duration = Duration::from_millis(1);
/// How long a publish takes here, so that kills fall before, into and right after its commit.
const PUBLISH_MILLIS: u64 = 60;

/// Looks into the records of runs, while whoever writes them is killed.
pub struct Moments {
    pool: PgPool,
    /// Runs that a kill has cut off.
    cut: BTreeSet<Uuid>,
    /// How many of these were publishing, and how many of those had committed.
    publishing: u32,
    committed: u32,
}

impl Moments {
    pub async fn of(url: &str) -> Self {
        Self { pool: PgPool::connect(url).await.unwrap(), cut: BTreeSet::new(), publishing: 0, committed: 0 }
    }

    fn cut(&self) -> Vec<Uuid> {
        self.cut.iter().copied().collect()
    }

    /// How many runs were cut off.
    pub fn cut_runs(&self) -> usize {
        self.cut.len()
    }

    /// Wait until a run begins to publish, and then a random moment: as long as the publish may take.
    pub async fn await_publish(&self) {
        let (started, cut) = (Instant::now(), self.cut());
        while started.elapsed() < PATIENCE {
            let publishing: Result<bool, _> = sqlx::query_scalar(
                "SELECT EXISTS (SELECT FROM control.steps WHERE kind = 'publish' AND state = 'running' AND run_id <> ALL ($1))",
            )
            .bind(&cut)
            .fetch_one(&self.pool)
            .await;
            if matches!(publishing, Ok(true)) {
                break;
            }
            sleep(LOOK).await;
        }
        let wait = rand::rng().random_range(0..PUBLISH_MILLIS);
        sleep(Duration::from_millis(wait)).await;
    }

    /// Note what the kill of the product has cut off, before it is started again.
    pub async fn note(&mut self) {
        let found: Vec<(Uuid, bool, bool)> = sqlx::query_as(
            "SELECT id, EXISTS (SELECT FROM control.steps WHERE run_id = id AND kind = 'publish' AND state = 'running'), \
             version IS NOT NULL FROM control.runs WHERE state = 'running'",
        )
        .fetch_all(&self.pool)
        .await
        .unwrap();
        for (run, publishing, committed) in found {
            // one that was cut off before may not have been closed yet
            if self.cut.insert(run) {
                self.publishing += u32::from(publishing);
                self.committed += u32::from(publishing && committed);
            }
        }
    }

    pub async fn close(self) {
        self.pool.close().await;
    }
}

impl fmt::Display for Moments {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { publishing, committed, .. } = self;
        write!(
            f,
            "{} kills fell into a run, {publishing} of them into its publish, {committed} after its commit",
            self.cut.len()
        )
    }
}
