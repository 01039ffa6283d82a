//! Products: turns a test's product into a process on one port, which can be killed and comes back.

use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};
use terrane_auth::{TokenRequest, issue};
use terrane_testkit::{Client, repository};
use tokio::time::sleep;

pub const SECRET: &str = "a-secret-of-these-tests-with-more-than-32-bytes";
/// The product's process, on one port whatever happens to it.
pub struct Product {
    child: Child,
    pub port: u16,
    url: String,
    log: std::path::PathBuf,
}

impl Product {
    pub fn start(url: &str, port: u16, log: &Path) -> Self {
        Self { child: spawn(url, port, log), port, url: url.to_owned(), log: log.to_path_buf() }
    }

    pub fn base(&self) -> String {
        format!("http://127.0.0.1:{}", self.port)
    }

    /// Kill it, without a word, and start it again.
    pub fn crash(&mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
        self.child = spawn(&self.url, self.port, &self.log);
    }

    pub async fn await_ready(&self) {
        let (client, started) = (Client::new(self.base()), Instant::now());
        while !client.try_send(http::Method::GET, "/health/ready", &[], "").await.is_ok_and(|a| a.status.is_success()) {
            assert!(started.elapsed() < Duration::from_secs(120), "{}", std::fs::read_to_string(&self.log).unwrap());
            sleep(Duration::from_millis(20)).await;
        }
    }
}

impl Drop for Product {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn spawn(url: &str, port: u16, log: &Path) -> Child {
    let file = std::fs::File::options().create(true).append(true).open(log).unwrap();
    Command::new(env!("CARGO_BIN_EXE_terrane"))
        .arg("product")
        .arg(repository().join("runtime/server/tests/products/stock"))
        .args(["--listen", &format!("127.0.0.1:{port}"), "--database-url", url, "--jwt-secret", SECRET])
        .stdin(Stdio::null())
        .stdout(file.try_clone().unwrap())
        .stderr(file)
        .spawn()
        .unwrap()
}

/// A steward's.
pub fn token() -> String {
    let request = TokenRequest {
        subject: "tester".to_owned(),
        roles: vec!["steward".to_owned()],
        lifetime_seconds: 36_000,
        ..TokenRequest::default()
    };
    issue(SECRET, &request).unwrap()
}

/// A port that is free now.
pub fn free_port() -> u16 {
    std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port()
}
