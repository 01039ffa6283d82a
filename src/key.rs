//! `terrane key`: turns a subject, roles and scopes into an API key for a machine, and the entry that makes it known.

use anyhow::{Context as _, Result};
use clap::Args;
use std::io::Write as _;
use std::time::{Duration, SystemTime};
use terrane_auth::ApiKey;

/// Make an API key.
#[derive(Args)]
pub struct KeyArguments {
    /// Who it stands for
    #[arg(long, value_name = "S")]
    subject: String,
    /// A role of it (repeatable), e.g. reader, analyst
    #[arg(long = "role", value_name = "R")]
    roles: Vec<String>,
    /// A scope of it (repeatable)
    #[arg(long = "scope", value_name = "SCOPE")]
    scopes: Vec<String>,
    /// Days that it is valid for; without it, until its entry is taken away
    #[arg(long, value_name = "D")]
    days: Option<u64>,
}

/// Print the key, which nothing can show again, and below it the line for the file of API keys.
pub fn run(arguments: &KeyArguments) -> Result<()> {
    let expires = arguments.days.map(|days| {
        let seconds = Duration::from_secs(days.saturating_mul(24 * 3600));
        SystemTime::now().checked_add(seconds).context("--days: that is too far away")
    });
    let expires = expires.transpose()?.map(Into::into);
    let (roles, scopes) = (arguments.roles.clone(), arguments.scopes.clone());
    let (key, entry) = ApiKey::generate(arguments.subject.clone(), roles, scopes, expires);
    // JSON is YAML, and fits on a line
    let entry = serde_json::to_string(&entry).context("write the entry")?;
    writeln!(std::io::stdout(), "{key}\n- {entry}").context("write the key")
}
