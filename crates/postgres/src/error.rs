//! Errors: turns what went wrong with finding or running a server into what was tried and what to do.

use std::path::PathBuf;

/// Why there is no server. The texts are for people at a terminal.
#[derive(Debug, thiserror::Error)]
pub enum PostgresError {
    /// `DATABASE_URL` is not a Postgres URL.
    #[error("DATABASE_URL cannot be used: {0}; write postgres://user:password@host:port/database")]
    BadUrl(String),
    /// Neither installed binaries nor a package.
    #[error(
        "no PostgreSQL server (15 or newer) could be had. Tried, in order:\n{tried}\nDo one of these: `apt install \
         postgresql`, `brew install postgresql@18`, or set DATABASE_URL to a server you already run."
    )]
    NoBinaries {
        /// One line per attempt.
        tried: String,
    },
    /// Another process of ours owns the state directory.
    #[error("{0} is in use by another running terrane; stop that one, or choose another directory with --state")]
    InUse(PathBuf),
    /// The cluster was made by another major version.
    #[error(
        "the database in {path} was made by PostgreSQL {found}, but the server found here is {ours}; install \
         PostgreSQL {found}, or move the directory away to start afresh"
    )]
    OtherVersion {
        /// The data directory.
        path: PathBuf,
        /// Its major version.
        found: String,
        /// The binaries' major version.
        ours: u32,
    },
    /// No account to run as.
    #[error(
        "started as root, but PostgreSQL must not run as root and no unprivileged account (`postgres`, `nobody`) was \
         found; run terrane as an ordinary user"
    )]
    NoAccount,
    /// A program of the server failed.
    #[error("{program} failed ({status}):\n{output}")]
    Program {
        /// Which one.
        program: String,
        /// Its exit status.
        status: String,
        /// The end of what it printed.
        output: String,
    },
    /// The server did not come up.
    #[error("the database server did not become ready: {reason}\nThe end of its log ({log}):\n{tail}")]
    NotReady {
        /// What was seen.
        reason: String,
        /// Its log file.
        log: PathBuf,
        /// The log's last lines.
        tail: String,
    },
    /// A file operation failed.
    #[error("{what} {path}: {source}")]
    Io {
        /// What was being done.
        what: &'static str,
        /// To which file.
        path: PathBuf,
        /// The system's word.
        source: std::io::Error,
    },
    /// A fetched package is not what was pinned.
    #[error("the fetched server package {path} has another checksum than the pinned one; it was not used")]
    Checksum {
        /// The file.
        path: PathBuf,
    },
}

impl PostgresError {
    pub(crate) fn io(what: &'static str, path: impl Into<PathBuf>) -> impl FnOnce(std::io::Error) -> Self {
        let path = path.into();
        move |source| Self::Io { what, path, source }
    }
}
