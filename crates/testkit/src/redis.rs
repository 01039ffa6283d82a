//! Redis: turns a test into a real `redis-server` of its own, on a free port, with a private directory.

use std::io::{BufRead as _, BufReader, Write as _};
use std::net::TcpStream;
use std::path::Path;
use std::process::{Child, Command, Stdio};

/// A running `redis-server`, killed at the end of the test.
#[derive(Debug)]
pub struct RedisServer {
    child: Child,
    port: u16,
    directory: tempfile::TempDir,
}

impl RedisServer {
    /// One that accepts connections.
    pub fn start() -> Self {
        let directory = crate::state_directory();
        // somebody else may have taken a port since it was free
        for _ in 0..10 {
            let port = crate::binary::free_port();
            if let Some(child) = spawn(port, directory.path()) {
                return Self { child, port, directory };
            }
        }
        panic!("no `redis-server` on any port");
    }

    /// `redis://127.0.0.1:PORT`.
    pub fn url(&self) -> String {
        format!("redis://127.0.0.1:{}", self.port)
    }

    /// Send a signal by name: `STOP` freezes it, `CONT` lets it go on.
    pub fn signal(&self, signal: &str) {
        let sent = Command::new("kill").args([&format!("-{signal}"), &self.child.id().to_string()]).status();
        assert!(sent.is_ok_and(|status| status.success()), "the process can be signalled");
    }

    /// End it as when the power fails.
    pub fn kill(&mut self) {
        self.child.kill().expect("the process can be killed");
        self.child.wait().expect("it ends");
    }

    /// After [`Self::kill`]: start it at the same address, empty.
    pub fn start_again(&mut self) {
        self.child = spawn(self.port, self.directory.path()).expect("its port is still free");
    }

    /// How many keys it has.
    pub fn size(&self) -> usize {
        let mut socket = TcpStream::connect(("127.0.0.1", self.port)).expect("it accepts connections");
        socket.write_all(b"DBSIZE\r\n").expect("it reads");
        let mut line = String::new();
        BufReader::new(socket).read_line(&mut line).expect("it answers");
        line.trim().strip_prefix(':').and_then(|number| number.parse().ok()).expect("an integer")
    }
}

impl Drop for RedisServer {
    fn drop(&mut self) {
        // it may have been killed by the test
        let _ = self.child.kill();
        let _ = self.child.wait();
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
