//! Running servers: turns the state directory of a mesh that runs on this machine into the address of its databases.

use std::fs;
use std::path::{Path, PathBuf};

/// The connection URL of `database` on the embedded server whose state is in `state`; contains the password: never log it.
/// `None` where no embedded server runs there, or its files are not ours to read.
pub fn running_url(state: &Path, database: &str) -> Option<String> {
    let password = fs::read_to_string(state.join("postgres.password")).ok()?;
    let outside = fs::read_to_string(state.join("postgres.location")).ok().map(PathBuf::from);
    let root = outside.unwrap_or_else(|| state.join("postgres"));
    // the server's own note: process, data directory, start, port, socket directory, …
    let note = fs::read_to_string(root.join("data/postmaster.pid")).ok()?;
    let (port, sockets) = (note.lines().nth(3)?, note.lines().nth(4)?);
    let mut url = url::Url::parse("postgres://postgres@localhost").ok()?;
    url.set_password(Some(password.trim())).ok()?;
    url.set_path(database);
    url.query_pairs_mut().append_pair("host", sockets).append_pair("port", port);
    Some(url.into())
}
