//! Following: turns batches of changes into what a caller sees of them, asked once for all who ask the same.

use super::{Answer, AnswerKey, HEARTBEAT};
use crate::service::ProductService;
use std::sync::Arc;
use std::sync::atomic::AtomicU32;
use std::time::Duration;
use terrane_driver::{Ask, DriverError, Rows};
use terrane_graphql::GraphqlError;
use terrane_query::Bind;
use terrane_stream::{Batch, FeedError, Subscription};
use tokio::time::{Instant, sleep, sleep_until};

/// Between two attempts at a database that is away.
const RETRY: Duration = Duration::from_millis(500);

/// A statement over changes, and what is made of its rows.
pub(super) trait Telling: Send + Sync + 'static {
    /// Number, text and pace of the statement.
    fn statement(&self) -> (u64, Option<&Arc<str>>, &AtomicU32);
    /// Its values for a batch that goes up to a position.
    fn binds(&self, batch: String, through: i64) -> Vec<Bind>;
    /// What its rows are for who asks; none where there is nothing to tell.
    fn tell(&self, rows: Rows, through: i64) -> Result<Answer, String>;
}

/// A caller's place in the changes of a dataset.
pub(super) struct Follow<T> {
    service: ProductService,
    subscription: Subscription,
    telling: Arc<T>,
    parameters: Arc<str>,
    /// Position that was told last, and when.
    told: (i64, Instant),
}

/// What is told.
pub(super) enum Told {
    /// What the caller sees of some changes, and up to which position that goes.
    Changes(Answer, i64),
    /// Up to this position there is nothing that the caller sees.
    Position(i64),
}

impl<T: Telling> Follow<T> {
    /// Follow `dataset` after a position, or from now on. `parameters` are what decides an answer beside statement and
    /// batch.
    pub(super) async fn start(
        service: ProductService,
        dataset: &str,
        after: Option<i64>,
        telling: Arc<T>,
        parameters: String,
    ) -> Result<Self, GraphqlError> {
        let subscription = service.streams().feed.subscribe(dataset, after).await.map_err(refused)?;
        let told = (subscription.position(), Instant::now());
        Ok(Self { service, subscription, telling, parameters: parameters.into(), told })
    }

    /// Position up to which all was told.
    pub(super) fn position(&self) -> i64 {
        self.told.0
    }

    /// Wait for the next thing to tell. Dropping the future may lose a step: only the stream's end does that.
    pub(super) async fn next(&mut self) -> Result<Told, GraphqlError> {
        loop {
            let (after, due) = (self.subscription.position(), self.told.1 + HEARTBEAT);
            let step = tokio::select! {
                step = self.subscription.next() => step.map_err(refused)?,
                () = sleep_until(due), if after > self.told.0 => {
                    self.told = (after, Instant::now());
                    return Ok(Told::Position(after));
                }
            };
            if step.batch.is_empty() {
                continue;
            }
            let answer = self.answer(&step.batch, after, step.through).await?;
            if answer.is_some() {
                self.told = (step.through, Instant::now());
                return Ok(Told::Changes(answer, step.through));
            }
        }
    }

    async fn answer(&self, batch: &Arc<Batch>, after: i64, through: i64) -> Result<Answer, GraphqlError> {
        let key = AnswerKey {
            statement: self.telling.statement().0,
            parameters: Arc::clone(&self.parameters),
            after,
            through,
        };
        let asked = self.service.streams().answers.try_get_with(key, self.ask(batch, through)).await;
        asked.map_err(|error: Arc<GraphqlError>| (*error).clone())
    }

    /// Ask until the database answers.
    async fn ask(&self, batch: &Arc<Batch>, through: i64) -> Result<Answer, GraphqlError> {
        loop {
            let (id, text, pace) = self.telling.statement();
            let rows = match text {
                None => Ok(Rows::default()),
                Some(text) => {
                    let binds = self.telling.binds(batch.json(), through);
                    let ask = Ask { id, text, binds: &binds, pace, primary: true };
                    self.service.reader().fetch(&ask).await
                }
            };
            let problem = match rows {
                Ok(rows) => return self.telling.tell(rows, through).map_err(internal),
                Err(DriverError::TooLarge(_)) => {
                    let message = "the answer is too large; ask for fewer fields of the changes";
                    return Err(GraphqlError::new("ANSWER_TOO_LARGE", message));
                }
                // data exceptions: a row of an earlier version of the contract, whose types were others
                Err(DriverError::Database { code, .. }) if code.starts_with("22") => {
                    let message = "these changes are of an earlier form of the dataset: read it as it is now, and go on from \
                                   a position of that time";
                    return Err(GraphqlError::new("CHANGES_EXPIRED", message));
                }
                Err(problem) => problem,
            };
            tracing::warn!(error = %problem, "changes can't be read; it is tried again");
            sleep(RETRY).await;
        }
    }
}

/// What is the client's of an error of the feed.
fn refused(error: FeedError) -> GraphqlError {
    match error {
        FeedError::Store(error) => internal(error),
        other => GraphqlError::new(other.code(), other.to_string()),
    }
}

/// The face of an internal error.
pub(super) fn internal(cause: impl std::fmt::Display) -> GraphqlError {
    let id = terrane_telemetry::along::request_id().unwrap_or_else(|| uuid::Uuid::new_v4().to_string());
    tracing::error!(request_id = id, %cause, "a stream failed");
    GraphqlError::internal(&id)
}
