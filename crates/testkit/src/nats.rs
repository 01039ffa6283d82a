//! NATS: turns a test into a real `nats-server` of its own with JetStream, on a free port, with a private directory.

use crate::killable::Killable;
use std::net::TcpStream;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

/// A running `nats-server`, killed at the end of the test.
#[derive(Debug)]
pub struct NatsServer(Killable);

impl NatsServer {
    /// One that accepts connections.
    pub fn start() -> Self {
        Self(Killable::start("nats-server", spawn))
    }

    /// `nats://127.0.0.1:PORT`.
    pub fn url(&self) -> String {
        format!("nats://127.0.0.1:{}", self.0.port())
    }

    /// End it as when the power fails.
    pub fn kill(&mut self) {
        self.0.kill();
    }

    /// After [`Self::kill`]: start it at the same address, with what it had written.
    pub fn start_again(&mut self) {
        self.0.start_again();
    }
}

/// A server that is ready; `None` where it ended.
fn spawn(port: u16, directory: &Path) -> Option<Child> {
    let log = directory.join("nats.log");
    let mut child = Command::new("nats-server")
        .args(["--addr", "127.0.0.1", "--port", &port.to_string(), "--jetstream", "--store_dir"])
        .arg(directory)
        .arg("--log")
        .arg(&log)
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .expect("`nats-server` runs (Debian: `apt install nats-server`)");
    let started = Instant::now();
    while started.elapsed() < Duration::from_secs(30) {
        if child.try_wait().is_ok_and(|ended| ended.is_some()) {
            return None;
        }
        let ready = std::fs::read_to_string(&log).is_ok_and(|text| text.contains("Server is ready"));
        if ready && TcpStream::connect(("127.0.0.1", port)).is_ok() {
            return Some(child);
        }
        std::thread::sleep(Duration::from_millis(20));
    }
    let _ = child.kill();
    let _ = child.wait();
    None
}
