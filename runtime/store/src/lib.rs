//! Store: turns a database into the layers, roles and records of a product.
//!
//! One database per product. [`Store::open`] brings it up to date (roles, schemas, migrations, input tables) and opens
//! one pool per role: the query path can only read `output`, the pipeline can't touch `control` and `security`, the
//! records are written by a role that can't read `output`; only migrations and publishing run as the owner.

mod audit;
mod batches;
mod bounds;
mod changes;
mod database;
mod error;
mod events;
mod inputs;
mod outbox;
mod positions;
mod put;
mod quality;
mod rejects;
mod roles;
mod runs;
mod schedules;
mod sources;
mod tables;
mod versions;

pub use audit::{AuditEntry, AuditRecord};
pub use batches::{Batch, BatchMode, BatchWriter, Closing, Incoming};
pub use changes::{Changes, Move};
pub use database::ensure_database;
pub use error::StoreError;
pub use events::{EVENTS_CHANNEL, EventBatch, EventCounts, EventRow, Outcome, RejectedEvent};
pub use outbox::{Change, OUTBOX_CHANNEL, OutboxBounds};
pub use positions::{InputState, InputStates};
pub use put::{PutModel, PutRule};
pub use quality::PastResult;
pub use rejects::{Reject, RejectRecord};
pub use roles::Role;
pub use runs::{QualityResult, Run, RunRecord, RunState, RunTrigger, Step, StepKind};
pub use schedules::ScheduleRecord;
pub use tables::create_table;
pub use versions::{DatasetVersion, Publish, Stamps, Version};

use sqlx::postgres::{PgConnectOptions, PgPool, PgPoolOptions};
use std::str::FromStr as _;
use std::time::Duration;
use terrane_manifest::Product;

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
        }
    }
}

/// A product's database.
#[derive(Debug, Clone)]
pub struct Store {
    product: String,
    owner: PgPool,
    control: PgPool,
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
        let pool = |role: Role, connections: u32, settings: Vec<(&'static str, String)>| {
            let name = role.name_for(&product.id);
            let connect = base.clone().options([("role", name)]).options(settings);
            PgPoolOptions::new()
                .max_connections(connections)
                .acquire_timeout(Duration::from_secs(10))
                .connect_lazy_with(connect)
        };
        let timeout = options.statement_timeout.as_millis().to_string();
        let query_settings = vec![
            ("statement_timeout", timeout),
            ("default_transaction_read_only", "on".to_owned()),
            ("search_path", "output".to_owned()),
        ];
        let store = Self {
            product: product.id.clone(),
            owner: pool(Role::Owner, 4, vec![("search_path", "metadata".to_owned())]),
            control: pool(Role::Control, 8, Vec::new()),
            pipeline: pool(Role::Pipeline, 4, bounds::of_models(&base).await?),
            query: pool(Role::Query, 4, query_settings),
        };
        sqlx::migrate!("./migrations").run(&store.owner).await.map_err(StoreError::Migration)?;
        roles::grant(&store.owner, &product.id).await?;
        inputs::apply(&store.owner, product).await?;
        runs::close_interrupted(&store).await?;
        Ok(store)
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
        for pool in [&self.query, &self.pipeline, &self.control, &self.owner] {
            pool.close().await;
        }
    }
}
