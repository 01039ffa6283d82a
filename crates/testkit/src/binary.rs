//! Binaries: turns a command line of `terrane` into a running process on a free port, stopped at the end of the test.

use crate::Client;
use std::net::TcpListener;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

/// A running `terrane` process.
#[derive(Debug)]
pub struct Mesh {
    child: Child,
    /// Its port on loopback.
    pub port: u16,
    log: std::path::PathBuf,
}

impl Mesh {
    /// Run `binary` with `arguments`, in which `{port}` stands for a free port, and wait until it is ready.
    pub async fn start(binary: &Path, arguments: &[&str], log: &Path) -> Self {
        Self::start_in(binary, arguments, log, &[]).await
    }

    /// The same, with variables of the environment.
    pub async fn start_in(binary: &Path, arguments: &[&str], log: &Path, environment: &[(&str, &str)]) -> Self {
        let mut mesh = Self::spawn_in(binary, arguments, log, environment);
        mesh.await_ready(Duration::from_secs(240)).await;
        mesh
    }

    /// Run it without waiting.
    pub fn spawn(binary: &Path, arguments: &[&str], log: &Path) -> Self {
        Self::spawn_in(binary, arguments, log, &[])
    }

    /// The same, with variables of the environment.
    pub fn spawn_in(binary: &Path, arguments: &[&str], log: &Path, environment: &[(&str, &str)]) -> Self {
        let port = free_port();
        let file = std::fs::File::create(log).expect("a log file");
        let errors = file.try_clone().expect("a log file");
        let child = Command::new(binary)
            .args(arguments.iter().map(|a| a.replace("{port}", &port.to_string())))
            // what waits to be put on record goes with the test's other files
            .env("TERRANE_AUDIT_SPOOL", log.with_file_name("audit"))
            .envs(environment.iter().copied())
            .stdin(Stdio::null())
            .stdout(file)
            .stderr(errors)
            .spawn()
            .expect("the binary runs");
        Self { child, port, log: log.to_path_buf() }
    }

    /// Wait until `/health/ready` says so; panics with the log where it does not.
    pub async fn await_ready(&mut self, limit: Duration) {
        let client = Client::new(self.base());
        let started = Instant::now();
        loop {
            if let Some(status) = self.child.try_wait().expect("the process can be asked") {
                panic!("the process ended with {status}:\n{}", self.output());
            }
            let asked = client.try_send(http::Method::GET, "/health/ready", &[], "").await;
            if asked.is_ok_and(|a| a.status.is_success()) {
                return;
            }
            assert!(started.elapsed() < limit, "not ready after {limit:?}:\n{}", self.output());
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }

    /// `http://127.0.0.1:PORT`.
    pub fn base(&self) -> String {
        format!("http://127.0.0.1:{}", self.port)
    }

    /// An anonymous client of it.
    pub fn client(&self) -> Client {
        Client::new(self.base())
    }

    /// What it printed so far.
    pub fn output(&self) -> String {
        std::fs::read_to_string(&self.log).unwrap_or_default()
    }

    /// Its process id.
    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    /// Wait for a process that ends without being told to; whether it ended with success.
    pub fn end_by_itself(&mut self) -> bool {
        self.child.wait().is_ok_and(|status| status.success())
    }

    /// Send a signal by name (`INT`, `TERM`, `KILL`) and wait for its end; whether it ended with success.
    pub fn end(&mut self, signal: &str) -> bool {
        let sent = Command::new("kill").args([&format!("-{signal}"), &self.child.id().to_string()]).status();
        assert!(sent.is_ok_and(|s| s.success()), "the process can be signalled");
        self.child.wait().is_ok_and(|status| status.success())
    }
}

impl Drop for Mesh {
    fn drop(&mut self) {
        if matches!(self.child.try_wait(), Ok(None)) {
            self.end("TERM");
        }
    }
}

/// A port that is free now.
pub(crate) fn free_port() -> u16 {
    TcpListener::bind("127.0.0.1:0").and_then(|l| l.local_addr()).expect("a free port").port()
}
