//! Feeds: turns the outbox's wake-ups into pages that are read once for everybody who listens.

use crate::Subscription;
use crate::ring::{Block, Ring};
use sqlx::postgres::PgListener;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;
use terrane_store::{OUTBOX_CHANNEL, Store, StoreError};
use tokio::sync::{Notify, Semaphore, watch};
use tokio::time::{sleep, timeout};

/// Changes that are read at once.
pub(crate) const PAGE: i64 = 500;
/// Bytes of changes that are read at once.
pub(crate) const PAGE_BYTES: usize = 4 * 1024 * 1024;
/// Readers that may catch up from the database at the same time.
const CATCHING_UP: usize = 4;
/// A wake-up may be lost with its connection: then there is a look so often.
const LOOK: Duration = Duration::from_secs(5);
/// Between two attempts at a database that is away.
const RETRY: Duration = Duration::from_millis(500);

/// Why there is no subscription, or it ends.
#[derive(Debug, thiserror::Error)]
pub enum FeedError {
    /// Changes between the position and what is there were removed.
    #[error(
        "changes of `{dataset}` up to position {floor} were removed, and you have seen those up to {position}: read the \
         dataset as it is now, and go on from a position of that time"
    )]
    Expired {
        /// Which dataset.
        dataset: String,
        /// Where the reader is.
        position: i64,
        /// Up to where changes were removed.
        floor: i64,
    },
    /// The outbox has not come so far.
    #[error(
        "position {position} is none of this product, whose last one is {head}: read the dataset as it is now, and go on \
         from a position of that time"
    )]
    Unknown {
        /// Where the reader says it is.
        position: i64,
        /// The last position.
        head: i64,
    },
    /// The database failed. Internal.
    #[error(transparent)]
    Store(#[from] StoreError),
}

impl FeedError {
    /// Stable code.
    pub fn code(&self) -> &'static str {
        match self {
            Self::Expired { .. } | Self::Unknown { .. } => "CHANGES_EXPIRED",
            Self::Store(error) => error.code(),
        }
    }
}

/// The reader of a product's outbox in this process. Cheap to clone.
#[derive(Clone)]
pub struct Feed {
    pub(crate) shared: Arc<Shared>,
}

/// What the reader and its subscriptions share.
pub(crate) struct Shared {
    pub(crate) store: Store,
    pub(crate) ring: Mutex<Ring>,
    /// Position up to which the reader has read.
    pub(crate) head: watch::Sender<i64>,
    pub(crate) catching_up: Semaphore,
    pub(crate) listeners: AtomicUsize,
    /// There is somebody again who listens.
    awake: Notify,
    started: Mutex<bool>,
}

impl Feed {
    /// The feed of a product's store. It reads while somebody listens.
    pub fn new(store: Store) -> Self {
        let shared = Shared {
            store,
            ring: Mutex::default(),
            head: watch::Sender::new(0),
            catching_up: Semaphore::new(CATCHING_UP),
            listeners: AtomicUsize::new(0),
            awake: Notify::new(),
            started: Mutex::new(false),
        };
        Self { shared: Arc::new(shared) }
    }

    /// Follow the changes of `dataset` after a position, or from now on. Must be called within a tokio runtime.
    ///
    /// # Errors
    /// [`FeedError::Expired`] and [`FeedError::Unknown`] where what follows on the position is not there.
    pub async fn subscribe(&self, dataset: &str, after: Option<i64>) -> Result<Subscription, FeedError> {
        let bounds = self.shared.store.outbox_bounds().await?;
        let position = after.unwrap_or(bounds.head);
        if position > bounds.head || position < 0 {
            return Err(FeedError::Unknown { position, head: bounds.head });
        }
        let floor = bounds.floor(dataset);
        if position < floor {
            return Err(FeedError::Expired { dataset: dataset.to_owned(), position, floor });
        }
        self.start();
        Ok(Subscription::new(Arc::clone(&self.shared), dataset.to_owned(), position))
    }

    /// How many listen.
    pub fn listeners(&self) -> usize {
        self.shared.listeners.load(Ordering::Relaxed)
    }

    fn start(&self) {
        let mut started = self.shared.started.lock().unwrap_or_else(PoisonError::into_inner);
        if !std::mem::replace(&mut *started, true) {
            let shared = Arc::downgrade(&self.shared);
            let reader = async move {
                // the reader ends with the last feed and subscription
                while let Some(shared) = shared.upgrade() {
                    read(&shared).await;
                }
            };
            tokio::spawn(reader);
        }
    }
}

impl Shared {
    pub(crate) fn joined(&self) {
        self.listeners.fetch_add(1, Ordering::Relaxed);
        self.awake.notify_one();
    }

    pub(crate) fn left(&self) {
        self.listeners.fetch_sub(1, Ordering::Relaxed);
    }

    fn is_idle(&self) -> bool {
        self.listeners.load(Ordering::Relaxed) == 0
    }
}

/// Read until nobody listens any more, or the database is away for a moment.
async fn read(shared: &Shared) {
    if shared.is_idle() {
        // what happens until somebody comes again is not kept
        let _ = timeout(LOOK, shared.awake.notified()).await;
        return;
    }
    if let Err(error) = follow(shared).await {
        tracing::warn!(%error, "the outbox can't be read; it is tried again");
        sleep(RETRY).await;
    }
}

async fn follow(shared: &Shared) -> Result<(), StoreError> {
    let mut listener =
        PgListener::connect_with(shared.store.control()).await.map_err(StoreError::on("listen to the outbox"))?;
    listener.listen(OUTBOX_CHANNEL).await.map_err(StoreError::on("listen to the outbox"))?;
    // only now: what is committed from here on is heard
    let head = shared.store.outbox_bounds().await?.head;
    shared.ring.lock().unwrap_or_else(PoisonError::into_inner).clear();
    shared.head.send_replace(head);
    let mut head = head;
    while !shared.is_idle() {
        head = read_on(shared, head).await?;
        match timeout(LOOK, listener.try_recv()).await {
            // a look, a wake-up, or a new connection in the place of a broken one: there may be more
            Err(_) => {}
            // one read is for all wake-ups that have come by now
            Ok(Ok(_)) => while listener.next_buffered().is_some() {},
            Ok(Err(error)) => return Err(StoreError::database("listen to the outbox", error)),
        }
    }
    Ok(())
}

/// Read what follows on `head`, page by page.
async fn read_on(shared: &Shared, mut head: i64) -> Result<i64, StoreError> {
    loop {
        let page = shared.store.changes(None, head, PAGE, PAGE_BYTES).await?;
        let Some(last) = page.last() else { return Ok(head) };
        let through = last.position;
        shared.ring.lock().unwrap_or_else(PoisonError::into_inner).push(Block::new(head, &page));
        head = through;
        shared.head.send_replace(head);
    }
}
