//! Keepers: turns the spools of this process, and of those that have ended, into records of the database.

use super::account::{Account, End};
use super::spool::{Orphan, Segment, Spool, SpoolError};
use super::{ResponseCode, refusal};
use axum::body::Body;
use axum::http::Response;
use chrono::Utc;
use http_body::Body as _;
use metrics::{Counter, Gauge};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;
use tempfile::TempDir;
use terrane_store::{AuditOptions, Store, StoreError};
use terrane_telemetry::meters::number;
use tokio::time::{Instant, MissedTickBehavior, interval};

/// Between two looks at what waits.
const EVERY: Duration = Duration::from_millis(500);
/// Between two looks for spools of processes that have ended.
const ORPHANS: Duration = Duration::from_secs(30);
/// Between two looks for what is too old.
const OLD: Duration = Duration::from_secs(3600);
/// Records of a transaction.
const AT_ONCE: usize = 1_000;

/// Why records stay where they are.
#[derive(Debug, thiserror::Error)]
pub(crate) enum KeepError {
    /// The database.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// A file.
    #[error("the audit spool: {0}")]
    Io(#[from] std::io::Error),
    /// The spool.
    #[error(transparent)]
    Spool(#[from] SpoolError),
}

/// The audit log of a served product.
pub(crate) struct Audit {
    store: Store,
    options: AuditOptions,
    root: PathBuf,
    spool: Spool,
    /// Where the spool is in a folder that goes with the process.
    _temporary: Option<TempDir>,
    /// Held while records are moved; when orphans were last looked for.
    moving: tokio::sync::Mutex<Option<Instant>>,
    /// Whether the last record was lost, so that the log tells of it once.
    losing: AtomicBool,
    recorded: Counter,
    lost: Counter,
    waiting: Gauge,
}

impl Audit {
    /// That of a product's store.
    ///
    /// # Errors
    /// The folder can't be written, or the database can't be reached.
    pub(crate) async fn open(store: Store, options: AuditOptions) -> Result<Arc<Self>, KeepError> {
        let temporary = options.spool.is_none().then(tempfile::tempdir).transpose()?;
        let folder = temporary.as_ref().map(TempDir::path).or(options.spool.as_deref()).unwrap_or(Path::new("."));
        // under the chain's name: a folder that several products, or others' databases, have in common mixes nothing up
        let root = folder.join(store.audit_chain().await?.to_string());
        let spool = Spool::create(&root, options.spool_bytes)?;
        let server = || store.product().to_owned();
        Ok(Arc::new(Self {
            recorded: metrics::counter!("terrane_audit_records_total", "server" => server()),
            lost: metrics::counter!("terrane_audit_unrecorded_total", "server" => server()),
            waiting: metrics::gauge!("terrane_audit_waiting_bytes", "server" => server()),
            store,
            options,
            root,
            spool,
            _temporary: temporary,
            moving: tokio::sync::Mutex::default(),
            losing: AtomicBool::new(false),
        }))
    }

    /// Whether requests are to be refused: nothing more can be put on record.
    pub(crate) fn is_closed(&self) -> bool {
        self.options.refuse_unrecorded && self.spool.is_full()
    }

    /// Put a request on record whose answer is ready, before it goes out; another answer, where that can't be.
    pub(crate) fn close(&self, account: &Account, response: Response<Body>) -> Response<Body> {
        if let Some(ResponseCode(code)) = response.extensions().get() {
            account.note(|draft| draft.code(code));
        }
        if account.is_silent() {
            return response;
        }
        let end =
            End { status: response.status().as_u16(), bytes: response.body().size_hint().exact(), ..End::default() };
        match self.append(account, end) {
            true => response,
            false => refusal(),
        }
    }

    /// Put something on record that begins, and has no answer of its own. Whether it may go on.
    pub(crate) fn begin(&self, account: &Account) -> bool {
        account.is_silent() || self.append(account, End { status: 200, ..End::default() })
    }

    /// Put the end of a stream or file on record.
    pub(super) fn end(&self, account: &Account, rows: u64, bytes: u64, broken: bool) {
        self.append(account, End { status: 200, bytes: Some(bytes), rows: Some(rows), ends: true, broken });
    }

    /// Whether the request may go on.
    fn append(&self, account: &Account, end: End) -> bool {
        let mut record = Vec::with_capacity(1024);
        account.write(end, &mut record);
        match self.spool.append(record) {
            Ok(()) => {
                self.recorded.increment(1);
                self.losing.store(false, Ordering::Relaxed);
                true
            }
            Err(error) => {
                self.lost.increment(1);
                if !self.losing.swap(true, Ordering::Relaxed) {
                    tracing::error!(%error, "requests cannot be put on record");
                }
                !self.options.refuse_unrecorded
            }
        }
    }

    /// Bring what waits into the database. What others of this product have left is looked for now and then, and at first.
    ///
    /// # Errors
    /// [`KeepError`]; what was not moved stays where it is.
    pub(crate) async fn flush(&self) -> Result<(), KeepError> {
        let mut moving = self.moving.lock().await;
        if moving.is_none_or(|last| last.elapsed() > ORPHANS) {
            for orphan in Orphan::find(&self.root)? {
                for segment in orphan.segments()? {
                    self.take(&segment).await?;
                }
                orphan.remove()?;
            }
            *moving = Some(Instant::now());
        }
        self.spool.seal()?;
        for segment in self.spool.sealed()? {
            self.take(&segment).await?;
            self.spool.remove(&segment)?;
        }
        Ok(())
    }

    async fn take(&self, segment: &Segment) -> Result<(), KeepError> {
        let text = segment.text()?;
        let lines: Vec<&str> = text.lines().filter(|line| !line.is_empty()).collect();
        for some in lines.chunks(AT_ONCE) {
            let damaged = self.store.take_spooled(segment.spool, some).await?.damaged;
            if damaged > 0 {
                tracing::error!(path = %segment.path.display(), damaged, "lines of an audit spool are damaged");
            }
        }
        Ok(())
    }

    /// Bring the metrics up to date.
    pub(crate) fn measure(&self) {
        self.waiting.set(number(self.spool.waiting()));
    }

    /// Bring what waits into the database, and leave no spool behind.
    pub(crate) async fn stop(&self) {
        match self.flush().await {
            Ok(()) => self.spool.end(),
            Err(error) => tracing::warn!(%error, "audit records wait for the next start"),
        }
    }

    async fn remove_old(&self) -> Result<(), StoreError> {
        let before = |age: Duration| Utc::now().checked_sub_signed(chrono::Duration::from_std(age).ok()?);
        if let Some(until) = before(self.options.retention) {
            self.store.prune_audit(until).await?;
        }
        match before(self.options.usage_retention) {
            Some(until) => self.store.prune_usage(until).await,
            None => Ok(()),
        }
    }
}

/// Bring records into the database as they come, and remove what is too old, for ever.
pub(crate) async fn follow(audit: Arc<Audit>) {
    let mut ticks = interval(EVERY);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let (mut looked, mut failing) = (None::<Instant>, false);
    loop {
        ticks.tick().await;
        match audit.flush().await {
            Ok(()) => failing = false,
            Err(error) if failing => tracing::debug!(%error, "audit records still wait"),
            Err(error) => {
                failing = true;
                tracing::warn!(%error, "audit records wait for the database; it is tried again");
            }
        }
        if looked.is_none_or(|last| last.elapsed() > OLD) {
            match audit.remove_old().await {
                Ok(()) => looked = Some(Instant::now()),
                Err(error) => tracing::debug!(%error, "old audit records are removed later"),
            }
        }
    }
}
