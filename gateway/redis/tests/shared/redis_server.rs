//! A Redis: turns a test into a real `redis-server` of its own, on a free port, with a private directory.

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use redis::aio::MultiplexedConnection;
use std::io::{BufRead as _, BufReader};
use std::net::TcpListener;
use std::process::{Child, Command, Stdio};

pub struct RedisServer {
    child: Child,
    port: u16,
    directory: tempfile::TempDir,
}

impl RedisServer {
    pub fn start() -> Self {
        let directory = tempfile::tempdir().unwrap();
        // somebody else may have taken a port since it was free
        for _ in 0..10 {
            let port = free_port();
            if let Some(child) = spawn(port, directory.path()) {
                return Self { child, port, directory };
            }
        }
        panic!("no `redis-server` on any port: is it installed (Debian: `apt install redis-server`)?");
    }

    pub fn url(&self) -> String {
        format!("redis://127.0.0.1:{}", self.port)
    }

    /// `STOP` freezes it, `CONT` lets it go on.
    pub fn signal(&self, signal: Signal) {
        kill(Pid::from_raw(self.child.id().try_into().unwrap()), signal).unwrap();
    }

    /// As when the machine's power fails.
    pub fn kill(&mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }

    /// After [`Self::kill`]: the same address, and empty.
    pub fn start_again(&mut self) {
        self.child = spawn(self.port, self.directory.path()).expect("its port is still free");
    }

    /// A connection of the test's own.
    pub async fn connect(&self) -> MultiplexedConnection {
        redis::Client::open(self.url()).unwrap().get_multiplexed_async_connection().await.unwrap()
    }
}

impl Drop for RedisServer {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// A server that is ready; `None` where it ended.
fn spawn(port: u16, directory: &std::path::Path) -> Option<Child> {
    let mut child = Command::new("redis-server")
        .args(["--port", &port.to_string(), "--bind", "127.0.0.1", "--save", "", "--appendonly", "no", "--dir"])
        .arg(directory)
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .spawn()
        .expect("`redis-server` runs (Debian: `apt install redis-server`)");
    let mut lines = BufReader::new(child.stdout.take()?).lines().map_while(Result::ok);
    if lines.any(|line| line.contains("Ready to accept connections")) {
        // whoever reads nothing of it would block it some time
        std::thread::spawn(move || lines.for_each(drop));
        return Some(child);
    }
    let _ = child.wait();
    None
}

pub fn free_port() -> u16 {
    TcpListener::bind("127.0.0.1:0").and_then(|listener| listener.local_addr()).unwrap().port()
}
