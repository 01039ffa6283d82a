//! Redis: turns a test into a real `redis-server` of its own, on a free port, with a private directory.

use crate::killable::Killable;
use std::io::{BufRead as _, BufReader, Write as _};
use std::net::TcpStream;
use std::path::Path;
use std::process::{Child, Command, Stdio};

/// A running `redis-server`, killed at the end of the test.
#[derive(Debug)]
pub struct RedisServer(Killable);

impl RedisServer {
    /// One that accepts connections.
    pub fn start() -> Self {
        Self(Killable::start("redis-server", spawn))
    }

    /// `redis://127.0.0.1:PORT`.
    pub fn url(&self) -> String {
        format!("redis://127.0.0.1:{}", self.0.port())
    }

    /// Send a signal by name: `STOP` freezes it, `CONT` lets it go on.
    pub fn signal(&self, signal: &str) {
        self.0.signal(signal);
    }

    /// End it as when the power fails.
    pub fn kill(&mut self) {
        self.0.kill();
    }

    /// After [`Self::kill`]: start it at the same address, empty.
    pub fn start_again(&mut self) {
        self.0.start_again();
    }

    /// How many keys it has.
    pub fn size(&self) -> usize {
        let mut socket = TcpStream::connect(("127.0.0.1", self.0.port())).expect("it accepts connections");
        socket.write_all(b"DBSIZE\r\n").expect("it reads");
        let mut line = String::new();
        BufReader::new(socket).read_line(&mut line).expect("it answers");
        line.trim().strip_prefix(':').and_then(|number| number.parse().ok()).expect("an integer")
    }
}

/// A server that is ready; `None` where it ended.
fn spawn(port: u16, directory: &Path) -> Option<Child> {
    let mut child = Command::new("redis-server")
        .args(["--port", &port.to_string(), "--bind", "127.0.0.1", "--save", "", "--appendonly", "no", "--dir"])
        .arg(directory)
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .spawn()
        .expect("`redis-server` runs (Debian: `apt install redis-server`)");
    let mut lines = BufReader::new(child.stdout.take().expect("it is piped")).lines().map_while(Result::ok);
    if lines.any(|line| line.contains("Ready to accept connections")) {
        // it would block some time where nobody reads
        std::thread::spawn(move || lines.for_each(drop));
        return Some(child);
    }
    let _ = child.wait();
    None
}
