//! Errors: turns database failures into what was being done, apart from what a client may be told.

use crate::{AccessRefusal, AsOf};
use terrane_diagnostics::{Diagnostic, render_all};

/// Why the store could not do something. Internal: clients never see these texts.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// A statement or connection failed.
    #[error("{what}: {source}")]
    Database {
        /// What was being done.
        what: &'static str,
        /// The driver's word.
        source: sqlx::Error,
    },
    /// The database's schema could not be brought up to date.
    #[error("migrate the product's database: {0}")]
    Migration(sqlx::migrate::MigrateError),
    /// The versions of changed contracts do not say what has changed.
    #[error("the contracts in force are not replaced:\n{}", render_all(.0))]
    Contract(Vec<Diagnostic>),
    /// An input table cannot become what its new contract says.
    #[error("input table `{table}`, column `{column}`: {reason}")]
    Layer {
        /// The table.
        table: String,
        /// The column.
        column: String,
        /// Why, and what to do.
        reason: String,
    },
    /// Another run is under way.
    #[error("a run of product `{0}` is under way already; wait for it or cancel it")]
    RunInProgress(String),
    /// There is no such run.
    #[error("there is no run {0}")]
    NoSuchRun(uuid::Uuid),
    /// The run cannot be cancelled any more.
    #[error("the run has ended already: {0}")]
    RunEnded(String),
    /// The run's record is no longer this process's.
    #[error("the run was taken for dead and closed by another process; nothing of it was published")]
    LeaseLost,
    /// Somebody writes to an input for a long time, and not as a batch on record.
    #[error("input `{0}` is being written to by a transaction that is no batch and stays open; end it, and try again")]
    InputBusy(String),
    /// There is no such version to go back to.
    #[error("version {0} is not kept; `versions` lists those that are")]
    NoSuchVersion(i64),
    /// There never was such a version.
    #[error("{}", unknown_version(.0))]
    UnknownVersion(AsOf),
    /// The version is kept no longer.
    #[error(
        "version {0} is kept no longer; `versions` lists those that are, and the product's `retention` says how long"
    )]
    VersionDropped(i64),
    /// An event came later than its port takes it, by its place among those that came together.
    #[error("event {0} came too late")]
    LateEvent(usize),
    /// A value does not fit its column, by Postgres's own judgement.
    #[error("{}{}{reason}", row.map(|r| format!("row {r}: ")).unwrap_or_default(), column.as_ref().map(|c| format!("column `{c}`: ")).unwrap_or_default())]
    BadRow {
        /// Which of the rows that were sent, from 1.
        row: Option<u64>,
        /// Which column.
        column: Option<String>,
        /// Postgres's word.
        reason: String,
    },
    /// A step of access is not taken.
    #[error(transparent)]
    Access(#[from] AccessRefusal),
    /// A task of ours ended before it was done.
    #[error("{0}: it was interrupted")]
    Interrupted(&'static str),
}

impl StoreError {
    /// A failure of the driver while doing `what`.
    pub fn database(what: &'static str, source: sqlx::Error) -> Self {
        Self::Database { what, source }
    }

    /// For `map_err`.
    pub fn on(what: &'static str) -> impl FnOnce(sqlx::Error) -> Self {
        move |source| Self::Database { what, source }
    }

    /// Stable code.
    pub fn code(&self) -> &'static str {
        match self {
            Self::Database { .. } | Self::Migration(_) | Self::Interrupted(_) => "DATABASE_ERROR",
            Self::Access(refusal) => refusal.code(),
            Self::Contract(_) => "CONTRACT_VERSION",
            Self::Layer { .. } => "LAYER_MIGRATION",
            Self::RunInProgress(_) => "RUN_IN_PROGRESS",
            Self::NoSuchRun(_) => "NO_SUCH_RUN",
            Self::RunEnded(_) => "RUN_ENDED",
            Self::LeaseLost => "LEASE_LOST",
            Self::InputBusy(_) => "INPUT_BUSY",
            Self::NoSuchVersion(_) => "NO_SUCH_VERSION",
            Self::UnknownVersion(_) => "UNKNOWN_VERSION",
            Self::VersionDropped(_) => "VERSION_DROPPED",
            Self::BadRow { .. } => "BAD_ROW",
            Self::LateEvent(_) => "BAD_EVENT",
        }
    }
}

fn unknown_version(as_of: &AsOf) -> String {
    match as_of {
        AsOf::Version(number) => format!("there is no version {number}; `versions` lists them"),
        AsOf::Time(time) => format!("nothing was published at {}", time.to_rfc3339()),
    }
}
