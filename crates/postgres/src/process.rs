//! Processes: turns a prepared cluster into a running server that ends with its owner.
//!
//! The server is started by a small shell that holds the reading end of a pipe; this process holds the writing end.
//! When this process ends in whatever way, also by `kill -9`, the pipe closes and the shell asks the server for a fast
//! shutdown. That works on every Unix and needs no code between fork and exec.

use crate::cluster::Cluster;
use crate::{Binaries, PostgresError, tuning};
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use std::fs::{self, File};
use std::os::unix::process::CommandExt as _;
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, Command, Stdio};
use std::time::{Duration, Instant};

/// Start the server, and shut it down when standard input ends. `wait` returns when the server has ended by itself.
const GUARD: &str = r#"
exec 3<&0
"$@" 3<&- </dev/null &
server=$!
( cat <&3 >/dev/null; kill -INT "$server" ) 2>/dev/null &
guard=$!
exec 3<&-
wait "$server"
status=$?
kill "$guard" 2>/dev/null
exit "$status"
"#;

const START_LIMIT: Duration = Duration::from_secs(120);
const STOP_LIMIT: Duration = Duration::from_secs(30);
const PREDECESSOR_LIMIT: Duration = Duration::from_secs(20);
const POLL: Duration = Duration::from_millis(5);

/// A running server.
#[derive(Debug)]
pub struct Process {
    child: Child,
    lifeline: Option<ChildStdin>,
    cluster: Cluster,
}

impl Process {
    /// Start and wait until it accepts connections.
    pub fn start(binaries: &Binaries, cluster: Cluster, durable: bool) -> Result<Self, PostgresError> {
        await_predecessor(&cluster.data)?;
        cluster.mark_running()?;
        let log = File::options().create(true).append(true).open(&cluster.log);
        let log = log.map_err(PostgresError::io("open", &cluster.log))?;
        let copy = log.try_clone().map_err(PostgresError::io("open", &cluster.log))?;
        let mut command = Command::new("/bin/sh");
        command.args(["-c", GUARD, "terrane-postgres"]).arg(binaries.program("postgres"));
        command.arg("-D").arg(&cluster.data).arg("-k").arg(&cluster.sockets);
        command.args(["-c", "listen_addresses=", "-c", "unix_socket_permissions=0700"]);
        for (name, value) in tuning::settings(tuning::memory(), durable) {
            command.arg("-c").arg(format!("{name}={value}"));
        }
        command.stdin(Stdio::piped()).stdout(log).stderr(copy).env("LC_ALL", "C").process_group(0);
        cluster.account.apply(&mut command);
        let mut child = command.spawn().map_err(PostgresError::io("run", "/bin/sh"))?;
        let lifeline = child.stdin.take();
        let mut process = Self { child, lifeline, cluster };
        process.await_ready()?;
        Ok(process)
    }

    /// The server's own process id, from its pid file.
    pub fn postmaster_pid(&self) -> Option<u32> {
        pid_file(&self.cluster.data).map(|(pid, _)| pid)
    }

    fn await_ready(&mut self) -> Result<(), PostgresError> {
        let started = Instant::now();
        loop {
            // the file of a killed server says `ready` too
            if pid_file(&self.cluster.data).is_some_and(|(pid, ready)| ready && is_server_of(pid, &self.cluster.data)) {
                return Ok(());
            }
            if let Ok(Some(status)) = self.child.try_wait() {
                return Err(self.not_ready(&format!("it ended with {status}")));
            }
            if started.elapsed() > START_LIMIT {
                return Err(self.not_ready(&format!("no answer in {} s", START_LIMIT.as_secs())));
            }
            std::thread::sleep(POLL);
        }
    }

    fn not_ready(&self, reason: &str) -> PostgresError {
        let text = fs::read_to_string(&self.cluster.log).unwrap_or_default();
        let lines: Vec<&str> = text.lines().collect();
        let tail = lines[lines.len().saturating_sub(8)..].join("\n");
        PostgresError::NotReady { reason: reason.to_owned(), log: self.cluster.log.clone(), tail }
    }

    /// A fast shutdown, waited for; a server that does not end in time is left to its guard.
    pub fn stop(&mut self) {
        if self.lifeline.take().is_none() {
            return;
        }
        let started = Instant::now();
        while started.elapsed() < STOP_LIMIT {
            if let Ok(Some(status)) = self.child.try_wait() {
                let (marker, sockets) = self.cluster.traces();
                if status.success() {
                    // a marker that stays only makes the next start say that it recovers
                    let _ = fs::remove_file(marker);
                }
                if sockets.starts_with("/tmp/terrane-") {
                    let _ = fs::remove_dir_all(sockets);
                }
                return;
            }
            std::thread::sleep(POLL);
        }
        tracing::warn!("the database server did not stop in {} s", STOP_LIMIT.as_secs());
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        self.stop();
    }
}

/// Process id and readiness from `postmaster.pid` (its first and eighth line); a hot standby says `standby`.
fn pid_file(data: &Path) -> Option<(u32, bool)> {
    let text = fs::read_to_string(data.join("postmaster.pid")).ok()?;
    let mut lines = text.lines();
    let pid = lines.next()?.trim().parse().ok()?;
    Some((pid, lines.nth(6).is_some_and(|status| ["ready", "standby"].contains(&status.trim()))))
}

/// The server of a killed owner is shutting down by itself: wait for it, and ask again in case nobody did. The state
/// directory's lock is ours, so no live owner is disturbed.
fn await_predecessor(data: &Path) -> Result<(), PostgresError> {
    let started = Instant::now();
    let mut asked = false;
    while let Some((pid, _)) = pid_file(data).filter(|(pid, _)| is_server_of(*pid, data)) {
        if !asked && started.elapsed() > Duration::from_secs(2) {
            asked = true;
            // it may be gone by now, which is what is wanted
            let _ = i32::try_from(pid).map(|pid| kill(Pid::from_raw(pid), Signal::SIGINT));
        }
        if started.elapsed() > PREDECESSOR_LIMIT {
            return Err(PostgresError::NotReady {
                reason: format!("the server of an earlier run (process {pid}) does not end"),
                log: PathBuf::new(),
                tail: String::new(),
            });
        }
        std::thread::sleep(POLL);
    }
    Ok(())
}

/// Whether `pid` lives, is no zombie, and is a server of this very data directory: a pid file may outlive its process
/// and the number belong to somebody else by now.
fn is_server_of(pid: u32, data: &Path) -> bool {
    let Ok(raw) = i32::try_from(pid) else { return false };
    if matches!(kill(Pid::from_raw(raw), None), Err(nix::errno::Errno::ESRCH)) {
        return false;
    }
    let Ok(stat) = fs::read_to_string(format!("/proc/{pid}/stat")) else { return !Path::new("/proc/self").exists() };
    let state = stat.rsplit(')').next().and_then(|rest| rest.split_whitespace().next());
    if matches!(state, Some("Z" | "X")) {
        return false;
    }
    fs::read_link(format!("/proc/{pid}/cwd")).is_ok_and(|cwd| cwd == data)
}
