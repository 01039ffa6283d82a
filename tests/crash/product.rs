//! Products: turns a product's folder into a process on one port, which can be killed and comes back.

use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};
use terrane_auth::{TokenRequest, issue};
use terrane_postgres::{Options, Server};
use terrane_testkit::Client;
use tokio::time::sleep;

pub const SECRET: &str = "a-secret-of-these-tests-with-more-than-32-bytes";
/// Longer than anything takes here.
pub const LIMIT: Duration = Duration::from_secs(120);

/// The product's process, on one port whatever happens to it.
pub struct Product {
    child: Child,
    arguments: Vec<String>,
    port: u16,
    log: PathBuf,
}

impl Product {
    /// Start it over a database, with `more` arguments.
    pub fn start(folder: &Path, url: &str, log: &Path, more: &[&str]) -> Self {
        let port = free_port();
        let listen = format!("127.0.0.1:{port}");
        let folder = folder.to_str().unwrap();
        let mut arguments: Vec<String> =
            ["product", folder, "--listen", &listen, "--database-url", url, "--jwt-secret", SECRET]
                .map(str::to_owned)
                .to_vec();
        arguments.extend(more.iter().map(|&argument| argument.to_owned()));
        Self { child: spawn(&arguments, log), arguments, port, log: log.to_path_buf() }
    }

    pub fn base(&self) -> String {
        format!("http://127.0.0.1:{}", self.port)
    }

    /// A client with a steward's token.
    pub fn steward(&self) -> Client {
        Client::new(self.base()).with_token(token())
    }

    /// Kill it, without a word, and start it again.
    pub fn crash(&mut self) {
        self.kill();
        self.start_again();
    }

    /// Kill it, without a word.
    pub fn kill(&mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }

    /// Start it again, on the same port.
    pub fn start_again(&mut self) {
        self.child = spawn(&self.arguments, &self.log);
    }

    pub async fn await_ready(&mut self) {
        let (client, started) = (Client::new(self.base()), Instant::now());
        while !client.try_send(http::Method::GET, "/health/ready", &[], "").await.is_ok_and(|a| a.status.is_success()) {
            let ended = self.child.try_wait().unwrap();
            let log = || std::fs::read_to_string(&self.log).unwrap();
            assert!(ended.is_none() && started.elapsed() < LIMIT, "{ended:?}\n{}", log());
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

fn spawn(arguments: &[String], log: &Path) -> Child {
    let file = std::fs::File::options().create(true).append(true).open(log).unwrap();
    Command::new(env!("CARGO_BIN_EXE_terrane"))
        .args(arguments)
        .env("TERRANE_AUDIT_SPOOL", log.with_file_name("audit"))
        .stdin(Stdio::null())
        .stdout(file.try_clone().unwrap())
        .stderr(file)
        .spawn()
        .unwrap()
}

/// A Postgres server of a test's own, which keeps what it has acknowledged.
pub struct Database {
    server: Option<Server>,
    options: Options,
}

impl Database {
    pub async fn start(state: &Path) -> Self {
        let options = Options { external: None, state: state.to_path_buf(), cache: None, durable: true };
        let starting = options.clone();
        let server = blocking(move || Server::obtain(&starting, &|_| {}).unwrap()).await;
        Self { server: Some(server), options }
    }

    fn server(&self) -> &Server {
        self.server.as_ref().unwrap()
    }

    pub fn pid(&self) -> u32 {
        self.server().pid().unwrap()
    }

    /// A new database.
    pub async fn create(&self, name: &str) -> String {
        terrane_runtime::ensure_database(&self.server().admin_url(), name).await.unwrap();
        self.server().url(name)
    }

    /// Kill the server's process, and start it again over what it had written.
    pub async fn crash(&mut self) {
        let (old, options) = (self.server.take().unwrap(), self.options.clone());
        self.server = Some(blocking(move || restart(old, &options)).await);
    }

    pub async fn stop(mut self) {
        let server = self.server.take().unwrap();
        blocking(move || server.stop()).await;
    }
}

async fn blocking<T: Send + 'static>(work: impl FnOnce() -> T + Send + 'static) -> T {
    tokio::task::spawn_blocking(work).await.unwrap()
}

fn restart(server: Server, options: &Options) -> Server {
    let pid = server.pid().unwrap().to_string();
    assert!(Command::new("kill").args(["-9", &pid]).status().unwrap().success());
    drop(server);
    let started = Instant::now();
    loop {
        // its children see that it is gone a moment later
        match Server::obtain(options, &|_| {}) {
            Ok(server) => return server,
            Err(error) => assert!(started.elapsed() < LIMIT, "{error}"),
        }
        std::thread::sleep(Duration::from_millis(200));
    }
}

/// How often to kill: `TERRANE_CRASHES`, or what a quick look takes.
pub fn crashes(quick: u32) -> u32 {
    std::env::var("TERRANE_CRASHES").ok().map_or(quick, |text| text.parse().expect("TERRANE_CRASHES is a number"))
}

/// A steward's.
fn token() -> String {
    let request = TokenRequest {
        subject: "tester".to_owned(),
        roles: vec!["steward".to_owned()],
        lifetime_seconds: 36_000,
        ..TokenRequest::default()
    };
    issue(SECRET, &request).unwrap()
}

/// A port that is free now.
fn free_port() -> u16 {
    std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port()
}
