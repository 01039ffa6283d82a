//! Settings of the audit log: turns arguments into how a product's accesses and changes are put on record.

use anyhow::{Result, bail};
use clap::{Args, ValueEnum};
use std::path::{Path, PathBuf};
use std::time::Duration;
use terrane_runtime::AuditOptions;

/// Days that records are kept at most.
const MOST_DAYS: u64 = 36_500;
/// Characters of a key at least.
const SHORTEST_KEY: usize = 32;

/// How accesses and changes are put on record.
#[derive(Args, Debug, Clone)]
pub struct AuditArguments {
    /// Folder for audit records that wait for the database; `audit` in the state folder by default
    #[arg(long, env = "TERRANE_AUDIT_SPOOL", value_name = "DIR")]
    audit_spool: Option<PathBuf>,
    /// Megabytes that may wait there
    #[arg(long, default_value_t = 256, env = "TERRANE_AUDIT_SPOOL_MB", value_name = "MB")]
    audit_spool_mb: u64,
    /// What is done with requests that cannot be put on record
    #[arg(long, value_enum, default_value_t = WhenFull::Refuse, env = "TERRANE_AUDIT_WHEN_FULL")]
    audit_when_full: WhenFull,
    /// Secret (32 characters or more) that the hashes of the audit log are made with
    #[arg(long, env = "TERRANE_AUDIT_KEY", value_name = "SECRET", hide_env_values = true)]
    audit_key: Option<String>,
    /// Days that audit records are kept
    #[arg(long, default_value_t = 400, env = "TERRANE_AUDIT_DAYS", value_name = "DAYS",
        value_parser = clap::value_parser!(u64).range(1..=MOST_DAYS))]
    audit_days: u64,
    /// Days that sums of usage are kept
    #[arg(long, default_value_t = 800, env = "TERRANE_USAGE_DAYS", value_name = "DAYS",
        value_parser = clap::value_parser!(u64).range(1..=MOST_DAYS))]
    usage_days: u64,
}

/// What is done with requests that cannot be put on record.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum WhenFull {
    /// They are refused with AUDIT_UNAVAILABLE.
    Refuse,
    /// They are answered, and counted in terrane_audit_unrecorded_total.
    Continue,
}

impl AuditArguments {
    /// The settings that these arguments are, for a product with this state folder.
    pub fn options(&self, state: &Path) -> Result<AuditOptions> {
        let key = self.audit_key.clone().filter(|key| !key.is_empty());
        if key.as_ref().is_some_and(|key| key.chars().count() < SHORTEST_KEY) {
            bail!("--audit-key has fewer than {SHORTEST_KEY} characters: `openssl rand -base64 48` makes one");
        }
        let days = |days: u64| Duration::from_secs(days * 86_400);
        Ok(AuditOptions {
            key,
            spool: Some(self.audit_spool.clone().unwrap_or_else(|| state.join("audit"))),
            spool_bytes: self.audit_spool_mb.clamp(1, 1 << 20) * 1024 * 1024,
            refuse_unrecorded: self.audit_when_full == WhenFull::Refuse,
            retention: days(self.audit_days),
            usage_retention: days(self.usage_days),
        })
    }
}
