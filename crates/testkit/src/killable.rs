//! Killable: turns a way to start a server on a port into one that may be killed and started again at the same address.

use std::path::Path;
use std::process::{Child, Command};

/// Starts a server on a port, with a directory of its own; none where it ended.
type Spawn = fn(u16, &Path) -> Option<Child>;

/// A running server, killed at the end of the test.
#[derive(Debug)]
pub(crate) struct Killable {
    child: Child,
    port: u16,
    directory: tempfile::TempDir,
    spawn: Spawn,
}

impl Killable {
    /// One that accepts connections.
    pub(crate) fn start(program: &str, spawn: Spawn) -> Self {
        let directory = crate::state_directory();
        // somebody else may have taken a port since it was free
        for _ in 0..10 {
            let port = crate::binary::free_port();
            if let Some(child) = spawn(port, directory.path()) {
                return Self { child, port, directory, spawn };
            }
        }
        panic!("no `{program}` on any port");
    }

    pub(crate) fn port(&self) -> u16 {
        self.port
    }

    /// Send a signal by name.
    pub(crate) fn signal(&self, signal: &str) {
        let sent = Command::new("kill").args([&format!("-{signal}"), &self.child.id().to_string()]).status();
        assert!(sent.is_ok_and(|status| status.success()), "the process can be signalled");
    }

    /// End it as when the power fails.
    pub(crate) fn kill(&mut self) {
        self.child.kill().expect("the process can be killed");
        self.child.wait().expect("it ends");
    }

    /// After [`Self::kill`]: start it at the same address, with what is in its directory.
    pub(crate) fn start_again(&mut self) {
        self.child = (self.spawn)(self.port, self.directory.path()).expect("its port is still free");
    }
}

impl Drop for Killable {
    fn drop(&mut self) {
        // it may have been killed by the test
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
