//! Clusters: turns a state directory into an initialised data directory with a password, a socket directory and a lock.

use crate::account::Account;
use crate::{Binaries, Options, PostgresError};
use rand::Rng as _;
use std::fs::{self, File, OpenOptions};
use std::io::Write as _;
use std::os::unix::fs::{OpenOptionsExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

/// A cluster that is ready to be started, and owned by this process as long as this value lives.
#[derive(Debug)]
pub struct Cluster {
    pub account: Account,
    pub data: PathBuf,
    pub sockets: PathBuf,
    pub log: PathBuf,
    marker: PathBuf,
    interrupted: bool,
    password: String,
    _lock: File,
}

/// Socket paths longer than this are refused by the kernel (107 bytes, less the file's name).
const LONGEST_SOCKET_DIRECTORY: usize = 107 - "/.s.PGSQL.5432".len();

/// Where a new cluster's files are made, and who will own them.
pub struct Place<'a> {
    pub account: Account,
    pub root: &'a Path,
    pub password: &'a str,
}

/// Make or adopt the cluster of `options.state`.
pub fn prepare(options: &Options, binaries: &Binaries, progress: &dyn Fn(&str)) -> Result<Cluster, PostgresError> {
    prepare_with(options, binaries, |place| {
        progress("making a new database cluster");
        initialise(binaries, place.account, place.root, &place.root.join("data"), place.password)
    })
}

/// Adopt the cluster of `options.state`, or let `make` make one.
pub fn prepare_with(
    options: &Options,
    binaries: &Binaries,
    make: impl FnOnce(Place<'_>) -> Result<(), PostgresError>,
) -> Result<Cluster, PostgresError> {
    make_directory(&options.state, 0o755)?;
    let state = options.state.canonicalize().map_err(PostgresError::io("find", &options.state))?;
    let lock = take_lock(&state)?;
    let account = Account::choose(&state)?;
    let root = place(&state, account)?;
    make_directory(&root, 0o755)?;
    let data = root.join("data");
    let password = secret(&state.join("postgres.password"))?;
    if data.join("PG_VERSION").exists() {
        check_version(&data, binaries)?;
    } else {
        account.own(&root)?;
        make(Place { account, root: &root, password: &password })?;
    }
    let sockets = socket_directory(&root)?;
    account.own(&sockets)?;
    let marker = state.join("running");
    let interrupted = marker.exists();
    Ok(Cluster { account, data, sockets, log: state.join("postgres.log"), marker, interrupted, password, _lock: lock })
}

impl Cluster {
    /// Whether the last owner ended without [`Cluster::mark_stopped`].
    pub fn was_interrupted(&self) -> bool {
        self.interrupted
    }

    /// Note that the server runs.
    pub fn mark_running(&self) -> Result<(), PostgresError> {
        fs::write(&self.marker, b"").map_err(PostgresError::io("write", &self.marker))
    }

    /// What a stopped server leaves to tidy: the marker and, where it is outside of the state, the socket directory.
    pub fn traces(&self) -> (PathBuf, PathBuf) {
        (self.marker.clone(), self.sockets.clone())
    }

    /// The URL of the server, without a database.
    pub fn url(&self) -> url::Url {
        let mut url = url::Url::parse("postgres://postgres@localhost").expect("a constant URL");
        url.set_password(Some(&self.password)).expect("the URL has a host");
        url.query_pairs_mut().append_pair("host", &self.sockets.to_string_lossy());
        url
    }
}

fn make_directory(path: &Path, mode: u32) -> Result<(), PostgresError> {
    if path.is_dir() {
        return Ok(());
    }
    fs::create_dir_all(path).map_err(PostgresError::io("make", path))?;
    fs::set_permissions(path, fs::Permissions::from_mode(mode)).map_err(PostgresError::io("set the mode of", path))
}

fn take_lock(state: &Path) -> Result<File, PostgresError> {
    let path = state.join("lock");
    let file = OpenOptions::new().create(true).truncate(false).write(true).open(&path);
    let file = file.map_err(PostgresError::io("open", &path))?;
    match file.try_lock() {
        Ok(()) => Ok(file),
        Err(fs::TryLockError::WouldBlock) => Err(PostgresError::InUse(state.to_path_buf())),
        Err(fs::TryLockError::Error(e)) => Err(PostgresError::io("lock", path)(e)),
    }
}

/// Where the cluster's files go: below the state directory, or, where the server's account cannot get there (a state
/// directory below `/root`), a directory of ours below `/var/lib`, named by the state's path.
fn place(state: &Path, account: Account) -> Result<PathBuf, PostgresError> {
    let inside = state.join("postgres");
    if account.can_reach(&inside.join("data")) {
        return Ok(inside);
    }
    use sha2::Digest as _;
    let name: String =
        sha2::Sha256::digest(state.as_os_str().as_encoded_bytes()).iter().take(6).map(|b| format!("{b:02x}")).collect();
    let outside = PathBuf::from("/var/lib/terrane").join(name);
    make_directory(&outside, 0o755)?;
    let note = state.join("postgres.location");
    fs::write(&note, outside.as_os_str().as_encoded_bytes()).map_err(PostgresError::io("write", note))?;
    Ok(outside)
}

/// Read the password, or make one: 32 letters and digits, in a file that only we can read.
fn secret(path: &Path) -> Result<String, PostgresError> {
    if let Ok(text) = fs::read_to_string(path)
        && !text.trim().is_empty()
    {
        return Ok(text.trim().to_owned());
    }
    let word: String = rand::rng().sample_iter(rand::distr::Alphanumeric).take(32).map(char::from).collect();
    let mut file = private_file(path)?;
    file.write_all(word.as_bytes()).and_then(|()| file.sync_all()).map_err(PostgresError::io("write", path))?;
    Ok(word)
}

/// A new, empty file that only its owner can read.
fn private_file(path: &Path) -> Result<File, PostgresError> {
    let mut options = OpenOptions::new();
    options.create(true).truncate(true).write(true).mode(0o600).open(path).map_err(PostgresError::io("write", path))
}

fn check_version(data: &Path, binaries: &Binaries) -> Result<(), PostgresError> {
    let path = data.join("PG_VERSION");
    let found = fs::read_to_string(&path).map_err(PostgresError::io("read", &path))?.trim().to_owned();
    if found == binaries.major.to_string() {
        return Ok(());
    }
    Err(PostgresError::OtherVersion { path: data.to_path_buf(), found, ours: binaries.major })
}

/// `initdb` into a temporary directory, which gets its name only when all is on disk: a kill at any moment leaves
/// either no cluster or a whole one.
fn initialise(
    binaries: &Binaries,
    account: Account,
    root: &Path,
    data: &Path,
    password: &str,
) -> Result<(), PostgresError> {
    let fresh = root.join("data.new");
    if fresh.exists() {
        fs::remove_dir_all(&fresh).map_err(PostgresError::io("remove", &fresh))?;
    }
    make_directory(&fresh, 0o700)?;
    account.own(&fresh)?;
    // not through standard input: another account may not open that by name
    let word = root.join("password.new");
    let mut file = private_file(&word)?;
    file.write_all(password.as_bytes()).map_err(PostgresError::io("write", &word))?;
    account.own(&word)?;
    let mut command = Command::new(binaries.program("initdb"));
    command
        .args(["--username=postgres", "--auth=scram-sha-256", "--encoding=UTF8", "--locale=C", "--no-instructions"])
        .arg("--pwfile")
        .arg(&word)
        .arg("-D")
        .arg(&fresh)
        .env("LC_ALL", "C")
        .stdin(Stdio::null());
    account.apply(&mut command);
    let failed =
        |status: String, output: String| PostgresError::Program { program: "initdb".to_owned(), status, output };
    let output = command.output().map_err(|e| failed(e.to_string(), String::new()))?;
    fs::remove_file(&word).map_err(PostgresError::io("remove", &word))?;
    if !output.status.success() {
        return Err(failed(output.status.to_string(), String::from_utf8_lossy(&output.stderr).into_owned()));
    }
    fs::rename(&fresh, data).map_err(PostgresError::io("rename", &fresh))?;
    File::open(root).and_then(|dir| dir.sync_all()).map_err(PostgresError::io("sync", root))
}

/// A directory for the server's socket that only its account can enter: beside the data, or a short one where the path
/// would be too long for the kernel.
fn socket_directory(root: &Path) -> Result<PathBuf, PostgresError> {
    let beside = root.join("run");
    if beside.as_os_str().len() <= LONGEST_SOCKET_DIRECTORY {
        make_directory(&beside, 0o700)?;
        return Ok(beside);
    }
    let word: String = rand::rng().sample_iter(rand::distr::Alphanumeric).take(12).map(char::from).collect();
    let short = PathBuf::from("/tmp").join(format!("terrane-{word}"));
    fs::create_dir(&short).map_err(PostgresError::io("make", &short))?;
    fs::set_permissions(&short, fs::Permissions::from_mode(0o700))
        .map_err(PostgresError::io("set the mode of", &short))?;
    Ok(short)
}
