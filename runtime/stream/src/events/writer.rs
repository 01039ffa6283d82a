//! Writers: turns posts that come at the same time into one transaction, and its outcome into each one's answer.

use super::BadEvent;
use terrane_manifest::{Dataset, EventRules};
use terrane_store::{EventBatch, EventRow, Outcome, Store, StoreError};
use tokio::sync::{mpsc, oneshot};
use uuid::Uuid;

/// Posts that wait.
const WAITING: usize = 256;
/// Events and bytes of one transaction; a larger post has one for itself.
const TOGETHER: usize = 5_000;
const TOGETHER_BYTES: usize = 4 * 1024 * 1024;

/// What became of the events of a post.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Written {
    /// Stored now.
    pub accepted: usize,
    /// Had been stored before.
    pub duplicates: usize,
    /// Late ones, which are stored or dropped as the port says.
    pub late: usize,
}

/// Why nothing of a post is stored.
#[derive(Debug, thiserror::Error)]
pub enum WriterError {
    /// An event is wrong. The sender's.
    #[error(transparent)]
    Bad(#[from] BadEvent),
    /// Too many wait. The sender's.
    #[error("too many events wait to be stored; send them again in a moment")]
    Busy,
    /// The database failed: the events may be stored or not. Internal.
    #[error(transparent)]
    Store(#[from] StoreError),
}

const LATE: &str = "it came too late";

struct Post {
    events: Vec<EventRow>,
    reply: oneshot::Sender<Result<Written, WriterError>>,
}

/// Stores the events of one dataset. Cheap to clone; it ends with the last clone.
#[derive(Debug, Clone)]
pub struct Writer {
    posts: mpsc::Sender<Post>,
}

struct Task {
    store: Store,
    dataset: Dataset,
    rules: EventRules,
    batch: Uuid,
}

impl Writer {
    /// A writer for a dataset. Must be called within a tokio runtime.
    pub fn start(store: Store, dataset: Dataset, rules: EventRules) -> Self {
        let (posts, waiting) = mpsc::channel(WAITING);
        let task = Task { store, dataset, rules, batch: Uuid::now_v7() };
        tokio::spawn(task.run(waiting));
        Self { posts }
    }

    /// Store events: all of them or none. When this returns, they are committed.
    ///
    /// # Errors
    /// [`WriterError`].
    pub async fn write(&self, events: Vec<EventRow>) -> Result<Written, WriterError> {
        let (reply, answer) = oneshot::channel();
        self.posts.try_send(Post { events, reply }).map_err(|_| WriterError::Busy)?;
        answer.await.unwrap_or(Err(WriterError::Busy))
    }
}

impl Task {
    async fn run(self, mut waiting: mpsc::Receiver<Post>) {
        let mut next = None;
        loop {
            let first = match next.take() {
                Some(post) => post,
                None => match waiting.recv().await {
                    Some(post) => post,
                    None => return,
                },
            };
            let mut posts = vec![first];
            // what has come while the last ones were stored goes together
            while let Ok(post) = waiting.try_recv() {
                posts.push(post);
                if is_full(&posts) {
                    next = posts.pop();
                    break;
                }
            }
            self.store(posts).await;
        }
    }

    async fn store(&self, posts: Vec<Post>) {
        let events: Vec<EventRow> = posts.iter().flat_map(|post| post.events.iter().cloned()).collect();
        let outcomes = match self.take(&events).await {
            // one of them is wrong, and the others must not suffer from it
            Err(StoreError::BadRow { .. } | StoreError::LateEvent(_)) if posts.len() > 1 => {
                for post in posts {
                    let written = self.store_alone(&post.events).await;
                    let _ = post.reply.send(written);
                }
                return;
            }
            Err(StoreError::LateEvent(index)) => {
                for post in posts {
                    let _ = post.reply.send(Err(BadEvent::new(index, LATE).into()));
                }
                return;
            }
            Err(StoreError::BadRow { reason, .. }) => {
                for post in posts {
                    let _ = post.reply.send(Err(self.find_bad(&post.events, &reason).await));
                }
                return;
            }
            other => other,
        };
        let mut start = 0;
        for post in posts {
            let end = start + post.events.len();
            let written = match &outcomes {
                Ok(outcomes) => Ok(written(&outcomes[start..end])),
                Err(error) => {
                    tracing::warn!(%error, dataset = self.dataset.name, "events could not be stored");
                    Err(WriterError::Store(StoreError::database("store events", sqlx::Error::WorkerCrashed)))
                }
            };
            // a sender that is gone does not know what became of its events, and sends them again
            let _ = post.reply.send(written);
            start = end;
        }
    }

    async fn store_alone(&self, events: &[EventRow]) -> Result<Written, WriterError> {
        match self.take(events).await {
            Ok(outcomes) => Ok(written(&outcomes)),
            Err(StoreError::LateEvent(index)) => Err(BadEvent::new(index, LATE).into()),
            Err(StoreError::BadRow { reason, .. }) => Err(self.find_bad(events, &reason).await),
            Err(error) => Err(error.into()),
        }
    }

    async fn find_bad(&self, events: &[EventRow], reason: &str) -> WriterError {
        match self.store.find_bad_event(&self.dataset, events).await {
            Ok(Some((index, reason))) => BadEvent::new(index, reason).into(),
            Ok(None) => BadEvent::new(0, reason).into(),
            Err(error) => error.into(),
        }
    }

    async fn take(&self, events: &[EventRow]) -> Result<Vec<Outcome>, StoreError> {
        let batch = EventBatch {
            dataset: &self.dataset,
            rules: &self.rules,
            batch: self.batch,
            origin: "POST /input/…/events",
            stream: None,
            events,
            rejected: &[],
        };
        self.store.take_events(&batch).await
    }
}

fn is_full(posts: &[Post]) -> bool {
    let events: usize = posts.iter().map(|post| post.events.len()).sum();
    let bytes: usize = posts.iter().flat_map(|post| &post.events).map(|event| event.json.len()).sum();
    events > TOGETHER || bytes > TOGETHER_BYTES
}

fn written(outcomes: &[Outcome]) -> Written {
    let mut written = Written::default();
    for outcome in outcomes {
        match outcome {
            Outcome::Accepted => written.accepted += 1,
            Outcome::Duplicate => written.duplicates += 1,
            Outcome::Late => {
                written.accepted += 1;
                written.late += 1;
            }
            // those that are too late are an error of all that came with them
            Outcome::Dropped | Outcome::TooLate => written.late += 1,
        }
    }
    written
}
