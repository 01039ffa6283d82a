//! Store: turns a database into the layers, roles and records of a product.
//!
//! One database per product. [`Store::open`] brings it up to date (roles, schemas, migrations, input tables) and opens
//! one pool per role: the query path can only read `output`, the pipeline can't touch `control` and `security`, the
//! records are written by a role that can't read `output`; only migrations and publishing run as the owner.

mod about;
mod access;
mod audit;
mod batches;
mod bounds;
mod changes;
mod contracts;
mod database;
mod error;
mod events;
mod held;
mod inputs;
mod kept;
mod layers;
mod lease;
mod levels;
mod lineage_events;
mod made_from;
mod notices;
mod open;
mod outbox;
mod policies;
mod positions;
mod put;
mod quality;
mod queue;
mod record;
mod rejects;
mod roles;
mod run_lock;
mod runs;
mod schedules;
mod search;
mod sources;
mod tables;
mod versions;

pub use about::{PutAbout, told};
pub use access::{
    ACCESS_CHANNEL, AccessEvent, AccessGrant, AccessRefusal, AccessRequest, Actor, NewGrant, NewRequest, PolicyLine,
    View,
};
pub use audit::{
    AuditBreak, AuditEntry, AuditFilter, AuditOptions, AuditRecord, FieldUse, RecentUse, Taken, Traffic, UsageFilter,
    UsageLine, Verification,
};
pub use batches::{Batch, BatchMode, BatchWriter, Closing, Incoming};
pub use changes::{Changes, Move};
pub use contracts::AppliedContracts;
pub use database::ensure_database;
pub use error::StoreError;
pub use events::{EVENTS_CHANNEL, EventBatch, EventCounts, EventRow, Outcome, RejectedEvent};
pub use held::HeldEvents;
pub use kept::AsOf;
pub use lease::{Heartbeat, LEASE, Stop};
pub use levels::{LevelChange, Telling};
pub use lineage_events::{LineageEvent, Sending};
pub use made_from::{InputBatch, InputLineage, Lineage, ModelText, UpstreamVersion};
pub use notices::{Notice, NoticeView};
pub use open::OpenBatch;
pub use outbox::{Change, OUTBOX_CHANNEL, OutboxBounds};
pub use policies::{NewPolicy, PutPolicy};
pub use positions::{InputState, InputStates, ids as batch_ids};
pub use put::{PutModel, PutRule};
pub use quality::{PastResult, QualityPoint};
pub use queue::{CANCELLED, WantedRun};
pub use record::{LogLevel, RunRecord, StepOutcome};
pub use rejects::{Reject, RejectRecord};
pub use roles::Role;
pub use runs::{LogLine, QualityResult, Run, RunState, RunTrigger, Step, StepKind};
pub use schedules::ScheduleRecord;
pub use search::TextMatch;
pub use sources::{BatchRecord, DriftRecord, PullRecord, SourceRecord};
pub use tables::create_table;
pub use versions::{DatasetVersion, Publish, Stamps, Version, kept_schema};

use sqlx::postgres::{PgConnectOptions, PgConnection, PgPool, PgPoolOptions};
use std::str::FromStr as _;
use std::sync::{Arc, PoisonError, RwLock};
use std::time::Duration;
use terrane_manifest::Product;
use uuid::Uuid;

/// Batches that a process writes at a time.
const MOST_BATCHES: u32 = 8;
/// Connections that write records: three listen all the time (to events, to the outbox, to access), one has the run lock, and
/// the others serve the ports.
const RECORD_CONNECTIONS: u32 = 12;
/// Connections of the owner, of models, and of the query path beside the data port, which has its own.
const OTHER_CONNECTIONS: u32 = 4;

/// How the database is reached.
#[derive(Debug, Clone)]
pub struct StoreOptions {
    /// Connection URL of the product's own database.
    pub url: String,
    /// Connection URLs of its streaming replicas, which the data port may read.
    pub replicas: Vec<String>,
    /// How far behind a replica may be and still be read.
    pub replica_lag: Duration,
    /// Connections of the query path.
    pub query_connections: u32,
    /// Longest time a data port statement may run.
    pub statement_timeout: Duration,
    /// How accesses and changes are put on record.
    pub audit: AuditOptions,
}

impl StoreOptions {
    /// Defaults for the database at `url`.
    pub fn new(url: impl Into<String>) -> Self {
        Self {
            url: url.into(),
            replicas: Vec::new(),
            replica_lag: Duration::from_secs(5),
            query_connections: 16,
            statement_timeout: Duration::from_secs(30),
            audit: AuditOptions::default(),
        }
    }
}

/// A product's database.
#[derive(Debug, Clone)]
pub struct Store {
    product: String,
    /// The secret of the audit log's hashes.
    audit_key: Option<Arc<str>>,
    login: PgConnectOptions,
    running: Arc<RwLock<Option<Uuid>>>,
    /// Place of the product's contracts among those that were put in force.
    contracts: i64,
    owner: PgPool,
    control: PgPool,
    batches: PgPool,
    pipeline: PgPool,
    query: PgPool,
}

impl Store {
    /// Bring the database up to date for `product` and open its pools.
    ///
    /// # Errors
    /// [`StoreError::Database`] when the server cannot be reached, or its user may not create roles and schemas.
    pub async fn open(options: &StoreOptions, product: &Product) -> Result<Self, StoreError> {
        let base = PgConnectOptions::from_str(&options.url)
            .map_err(|e| StoreError::database("read the database URL", e))?
            .application_name(&format!("terrane {}", product.id));
        roles::apply(&base, &product.id).await?;
        let connect = |role: Role, settings: Vec<(&'static str, String)>| {
            base.clone().options([("role", role.name_for(&product.id))]).options(settings)
        };
        let size = |connections: u32| {
            PgPoolOptions::new().max_connections(connections).acquire_timeout(Duration::from_secs(10))
        };
        let pool = |role: Role, connections: u32, settings: Vec<(&'static str, String)>| {
            size(connections).connect_lazy_with(connect(role, settings))
        };
        let running = Arc::new(RwLock::new(None));
        let pipeline = name_by_run(size(OTHER_CONNECTIONS), &running, &product.id)
            .connect_lazy_with(connect(Role::Pipeline, bounds::of_models(&base).await?));
        let timeout = options.statement_timeout.as_millis().to_string();
        let query_settings = vec![
            ("statement_timeout", timeout),
            ("default_transaction_read_only", "on".to_owned()),
            ("search_path", "output".to_owned()),
        ];
        let mut store = Self {
            contracts: 0,
            product: product.id.clone(),
            audit_key: options.audit.key.as_deref().map(Arc::from),
            login: base.clone(),
            running,
            owner: pool(Role::Owner, OTHER_CONNECTIONS, vec![("search_path", "metadata".to_owned())]),
            control: pool(Role::Control, RECORD_CONNECTIONS, Vec::new()),
            batches: pool(Role::Control, MOST_BATCHES, Vec::new()),
            pipeline,
            query: pool(Role::Query, OTHER_CONNECTIONS, query_settings),
        };
        sqlx::migrate!("./migrations").run(&store.owner).await.map_err(StoreError::Migration)?;
        roles::grant(&store.owner, &product.id).await?;
        store.adopt_audit().await?;
        let changed = contracts::compare(&store, product).await?;
        layers::migrate(&store.owner, product).await?;
        inputs::apply(&store.owner, product).await?;
        store.contracts = match changed {
            true => contracts::put_in_force(&store, product).await?,
            false => contracts::in_force(&store).await?,
        };
        search::put_now(&store.owner, product).await?;
        store.close_dead_run().await?;
        Ok(store)
    }

    /// The secret of the audit log's hashes.
    pub(crate) fn audit_key(&self) -> Option<&str> {
        self.audit_key.as_deref()
    }

    /// How the database is reached as the user of the URL, with no role taken on.
    pub(crate) fn login(&self) -> &PgConnectOptions {
        &self.login
    }

    /// Note which run is under way in this process.
    pub(crate) fn set_running(&self, run: Option<Uuid>) {
        *self.running.write().unwrap_or_else(PoisonError::into_inner) = run;
    }

    /// Place of the product's contracts among those that were put in force.
    pub(crate) fn contracts(&self) -> i64 {
        self.contracts
    }

    /// The product's id.
    pub fn product(&self) -> &str {
        &self.product
    }

    /// Connections that can only read the output layer.
    pub fn query(&self) -> &PgPool {
        &self.query
    }

    /// Connections that run models.
    pub fn pipeline(&self) -> &PgPool {
        &self.pipeline
    }

    /// Connections that own the layers: publishing only.
    pub fn owner(&self) -> &PgPool {
        &self.owner
    }

    /// Connections that write records and input rows.
    pub fn control(&self) -> &PgPool {
        &self.control
    }

    /// Connections on which batches are written, each for as long as its sender takes: events and records have others.
    pub(crate) fn batches(&self) -> &PgPool {
        &self.batches
    }

    /// The secret with which the product's data port hashes masked values.
    ///
    /// # Errors
    /// [`StoreError::Database`].
    pub async fn mask_salt(&self) -> Result<String, StoreError> {
        let salt = sqlx::query_scalar("SELECT salt FROM security.mask_salt").fetch_one(&self.owner).await;
        salt.map_err(StoreError::on("read the secret of masks"))
    }

    /// Whether the database answers.
    pub async fn is_ready(&self) -> bool {
        sqlx::query("SELECT 1").execute(&self.query).await.is_ok()
    }

    /// Close all connections.
    pub async fn close(&self) {
        for pool in [&self.query, &self.pipeline, &self.control, &self.batches, &self.owner] {
            pool.close().await;
        }
    }
}

/// Connections of the pipeline carry the name of the run that they work for, so that whoever closes a dead or cancelled run
/// can end them.
fn name_by_run(options: PgPoolOptions, running: &Arc<RwLock<Option<Uuid>>>, product: &str) -> PgPoolOptions {
    async fn name(
        connection: &mut PgConnection,
        running: &RwLock<Option<Uuid>>,
        idle: &str,
    ) -> Result<(), sqlx::Error> {
        let run = *running.read().unwrap_or_else(PoisonError::into_inner);
        lease::name(connection, &run.map_or_else(|| idle.to_owned(), lease::name_of)).await
    }
    let idle: Arc<str> = format!("terrane {product}").into();
    let (again, new) = ((running.clone(), idle.clone()), (running.clone(), idle));
    options
        .before_acquire(move |connection, _| {
            let (running, idle) = again.clone();
            Box::pin(async move { name(connection, &running, &idle).await.map(|()| true) })
        })
        .after_connect(move |connection, _| {
            let (running, idle) = new.clone();
            Box::pin(async move { name(connection, &running, &idle).await })
        })
}
