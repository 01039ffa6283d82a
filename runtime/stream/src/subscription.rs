//! Subscriptions: turns a position into the changes of a dataset that follow on it, step by step.

use crate::feed::{PAGE, PAGE_BYTES, Shared};
use crate::{Batch, FeedError};
use std::sync::{Arc, PoisonError};
use std::time::Duration;
use terrane_store::StoreError;
use tokio::sync::watch;
use tokio::time::sleep;

/// Between two attempts at a database that is away.
const RETRY: Duration = Duration::from_millis(250);

/// A reader's place in the changes of a dataset.
pub struct Subscription {
    shared: Arc<Shared>,
    head: watch::Receiver<i64>,
    dataset: String,
    position: i64,
}

/// What comes next.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Step {
    /// The changes; there may be none of this dataset.
    pub batch: Arc<Batch>,
    /// Position up to which all changes were given.
    pub through: i64,
}

impl Subscription {
    pub(crate) fn new(shared: Arc<Shared>, dataset: String, position: i64) -> Self {
        shared.joined();
        Self { head: shared.head.subscribe(), shared, dataset, position }
    }

    /// Position up to which all changes were given.
    pub fn position(&self) -> i64 {
        self.position
    }

    /// Wait for what follows. A database that is away is waited for. Dropping the future loses nothing.
    ///
    /// # Errors
    /// [`FeedError::Expired`] where what follows was removed meanwhile; a further call gives the same.
    pub async fn next(&mut self) -> Result<Step, FeedError> {
        loop {
            let head = *self.head.borrow_and_update();
            if head <= self.position {
                if self.head.changed().await.is_err() {
                    return std::future::pending().await;
                }
                continue;
            }
            let kept = self.shared.ring.lock().unwrap_or_else(PoisonError::into_inner).following(self.position);
            let step = match kept {
                Some(block) => Step { batch: block.of(&self.dataset, self.position), through: block.through },
                None => match self.catch_up(head).await {
                    Err(FeedError::Store(error)) => {
                        tracing::warn!(%error, "a reader can't catch up; it tries again");
                        sleep(RETRY).await;
                        continue;
                    }
                    other => other?,
                },
            };
            self.position = step.through;
            return Ok(step);
        }
    }

    /// A page from the database: for who is further behind than what is kept. Everything up to `head` was committed.
    async fn catch_up(&self, head: i64) -> Result<Step, FeedError> {
        let _turn = self.shared.catching_up.acquire().await.map_err(|_| closed())?;
        let store = &self.shared.store;
        let page = store.changes(Some(&self.dataset), self.position, PAGE, PAGE_BYTES).await?;
        // looked at after the page was read: what it lacks was removed before
        let floor = store.outbox_bounds().await?.floor(&self.dataset);
        if self.position < floor {
            return Err(FeedError::Expired { dataset: self.dataset.clone(), position: self.position, floor });
        }
        let batch = Batch::new(&page);
        let all = page.len() < PAGE as usize && batch.bytes() < PAGE_BYTES;
        let last = batch.last().unwrap_or(self.position);
        Ok(Step { through: if all { last.max(head) } else { last }, batch: Arc::new(batch) })
    }
}

impl Drop for Subscription {
    fn drop(&mut self) {
        self.shared.left();
    }
}

fn closed() -> FeedError {
    FeedError::Store(StoreError::database("read the outbox", sqlx::Error::PoolClosed))
}
