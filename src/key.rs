//! `terrane key`: turns a subject, roles and scopes into an API key for a machine, and a file of keys into one with a key more,
//! replaced or gone. A running gateway takes the changed file within a second.

use anyhow::{Context as _, Result, bail};
use clap::{Args, Subcommand};
use std::fs;
use std::io::Write as _;
use std::os::unix::fs::{OpenOptionsExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};
use terrane_auth::{ApiKey, KeyState, read_keys};

/// API keys of machines.
#[derive(Args)]
pub struct KeyArguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Make a key; it is shown once, and known by its hash only
    New(NewArguments),
    /// Make a key that takes another one's place, which ends soon
    Rotate(RotateArguments),
    /// End a key at once
    Revoke(RevokeArguments),
    /// Show the keys of a file, without their hashes
    List(ListArguments),
}

#[derive(Args)]
struct NewArguments {
    /// Who it stands for
    #[arg(long, value_name = "S")]
    subject: String,
    /// A role of it (repeatable), e.g. reader, analyst
    #[arg(long = "role", value_name = "R")]
    roles: Vec<String>,
    /// A scope of it (repeatable)
    #[arg(long = "scope", value_name = "SCOPE")]
    scopes: Vec<String>,
    /// Days that it is valid for
    #[arg(long, value_name = "D", default_value_t = 90)]
    days: u64,
    /// It is valid until it is revoked
    #[arg(long, conflicts_with = "days")]
    endless: bool,
    /// The file of the gateway's keys that it is added to; without it, the line for the file is printed
    #[arg(long, value_name = "FILE.yaml")]
    file: Option<PathBuf>,
}

#[derive(Args)]
struct RotateArguments {
    /// The part of the key that names it: `terrane_ID_…`
    id: String,
    /// The file of the gateway's keys
    #[arg(long, value_name = "FILE.yaml")]
    file: PathBuf,
    /// Days that the new one is valid for
    #[arg(long, value_name = "D", default_value_t = 90)]
    days: u64,
    /// Hours that the old one is still taken
    #[arg(long, value_name = "H", default_value_t = 24)]
    overlap: u64,
}

#[derive(Args)]
struct RevokeArguments {
    /// The part of the key that names it: `terrane_ID_…`
    id: String,
    /// The file of the gateway's keys
    #[arg(long, value_name = "FILE.yaml")]
    file: PathBuf,
}

#[derive(Args)]
struct ListArguments {
    /// The file of the gateway's keys
    #[arg(long, value_name = "FILE.yaml")]
    file: PathBuf,
}

/// Do what is asked. A new key goes to the standard output, and nothing can show it again.
pub fn run(arguments: &KeyArguments) -> Result<()> {
    match &arguments.command {
        Command::New(new) => make(new),
        Command::Rotate(rotate) => replace(rotate),
        Command::Revoke(revoke) => {
            let mut keys = load(&revoke.file)?;
            let at = position(&keys, &revoke.id, &revoke.file)?;
            keys.remove(at);
            store(&revoke.file, &keys)
        }
        Command::List(list) => show(&load(&list.file)?),
    }
}

fn make(new: &NewArguments) -> Result<()> {
    let expires = (!new.endless).then(|| after(Duration::from_secs(new.days.saturating_mul(24 * 3600)))).transpose()?;
    let (roles, scopes) = (new.roles.clone(), new.scopes.clone());
    let (key, entry) = ApiKey::generate(new.subject.clone(), roles, scopes, expires.map(Into::into));
    let Some(file) = &new.file else {
        return print(&format!("{key}\n{}", line(&entry)?));
    };
    let mut keys = if file.exists() { load(file)? } else { Vec::new() };
    keys.push(entry);
    store(file, &keys)?;
    print(&key)
}

fn replace(rotate: &RotateArguments) -> Result<()> {
    let mut keys = load(&rotate.file)?;
    let at = position(&keys, &rotate.id, &rotate.file)?;
    let expires = after(Duration::from_secs(rotate.days.saturating_mul(24 * 3600)))?;
    let end = after(Duration::from_secs(rotate.overlap.saturating_mul(3600)))?;
    let old = &mut keys[at];
    let (key, mut entry) =
        ApiKey::generate(old.subject.clone(), old.roles.clone(), old.scopes.clone(), Some(expires.into()));
    entry.replaces = Some(old.id.clone());
    // no key lives longer for being replaced
    old.expires = Some(old.expires.map_or_else(|| end.into(), |known| known.min(end.into())));
    keys.push(entry);
    store(&rotate.file, &keys)?;
    print(&key)
}

fn show(keys: &[ApiKey]) -> Result<()> {
    let mut out = String::new();
    for key in keys {
        let state = match key.state() {
            KeyState::Endless => "valid, without an end".to_owned(),
            KeyState::Until(end) => format!("valid until {}", end.format("%Y-%m-%d %H:%M UTC")),
            KeyState::Ended(end) => format!("ended {}", end.format("%Y-%m-%d %H:%M UTC")),
        };
        let (roles, scopes) = (key.roles.join(","), key.scopes.join(","));
        let replaces = key.replaces.as_ref().map(|id| format!("  replaces {id}")).unwrap_or_default();
        out += &format!("{}  {}  roles {roles}  scopes {scopes}  {state}{replaces}\n", key.id, key.subject);
    }
    print(out.trim_end())
}

fn after(time: Duration) -> Result<SystemTime> {
    SystemTime::now().checked_add(time).context("that is too far away; give fewer days or hours")
}

fn print(text: &str) -> Result<()> {
    writeln!(std::io::stdout(), "{text}").context("write to the standard output")
}

fn position(keys: &[ApiKey], id: &str, file: &Path) -> Result<usize> {
    match keys.iter().position(|key| key.id == id) {
        Some(at) => Ok(at),
        None => bail!("{}: there is no key `{id}`; `terrane key list` shows them", file.display()),
    }
}

fn load(file: &Path) -> Result<Vec<ApiKey>> {
    let text = fs::read_to_string(file).with_context(|| format!("keys {}", file.display()))?;
    read_keys(&text).with_context(|| format!("keys {}", file.display()))
}

/// An entry as it stands in the file: JSON is YAML, and fits on a line.
fn line(entry: &ApiKey) -> Result<String> {
    Ok(format!("- {}", serde_json::to_string(entry).context("write the entry")?))
}

/// Put a file in the place of the one before, in one step: the gateway may read it at any time.
fn store(file: &Path, keys: &[ApiKey]) -> Result<()> {
    let mut text = "# API keys, by their hashes: `terrane key` writes this file anew.\n".to_owned();
    for key in keys {
        text += &line(key)?;
        text.push('\n');
    }
    // who may read it stays who may read it; a new one is for the gateway's user alone
    let mode = fs::metadata(file).map_or(0o600, |known| known.permissions().mode() & 0o777);
    let new = file.with_extension("new");
    let written = fs::OpenOptions::new()
        .create(true)
        .truncate(true)
        .write(true)
        .mode(mode)
        .open(&new)
        .and_then(|mut opened| opened.write_all(text.as_bytes()).and_then(|()| opened.sync_all()))
        .and_then(|()| fs::rename(&new, file));
    written.with_context(|| format!("write {}", file.display()))
}
