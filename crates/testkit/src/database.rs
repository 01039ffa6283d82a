//! Databases: turns a test into an empty database of its own on the test process's private server.

use sqlx::postgres::PgConnectOptions;
use sqlx::{ConnectOptions as _, Connection as _};
use std::str::FromStr as _;
use std::sync::OnceLock;
use std::sync::atomic::{AtomicU32, Ordering};
use terrane_postgres::{Options, Server};

struct Shared {
    server: Server,
    state: tempfile::TempDir,
}

fn shared() -> &'static Shared {
    static SERVER: OnceLock<Shared> = OnceLock::new();
    SERVER.get_or_init(|| {
        let state = crate::state_directory();
        // never `DATABASE_URL`: tests change settings and count statements of a server that nobody else uses; other
        // crates' tests are about durability, these want to be quick
        let options = Options { external: None, state: state.path().to_path_buf(), cache: None, durable: false };
        let server =
            Server::obtain(&options, &|line| eprintln!("testkit: {line}")).expect("a Postgres server for tests");
        // statics are never dropped: the server ends by itself when this process does
        Shared { server, state }
    })
}

/// The URL of a new, empty database.
pub async fn fresh_database() -> String {
    static NEXT: AtomicU32 = AtomicU32::new(0);
    let name = format!("test_{}_{}", std::process::id(), NEXT.fetch_add(1, Ordering::SeqCst));
    let admin = tokio::task::spawn_blocking(|| shared().server.admin_url()).await.expect("the server starts");
    let mut connection =
        PgConnectOptions::from_str(&admin).expect("a server URL").connect().await.expect("the server answers");
    let mut create = terrane_sql::Sql::lit("CREATE DATABASE ");
    create.ident(&name);
    sqlx::raw_sql(sqlx::AssertSqlSafe(create.into_string())).execute(&mut connection).await.expect("a new database");
    connection.close().await.expect("the connection closes");
    shared().server.url(&name)
}

/// What the test process's server has logged so far.
pub fn server_log() -> String {
    std::fs::read_to_string(shared().state.path().join("postgres.log")).unwrap_or_default()
}

/// A primary of a test's own, with an empty database `test`, and a hot standby that streams from it.
pub struct Replicated {
    /// Writes.
    pub primary: Server,
    /// Reads.
    pub standby: Server,
    _states: [tempfile::TempDir; 2],
}

impl Replicated {
    /// Start both.
    pub async fn start() -> Self {
        let servers = tokio::task::spawn_blocking(|| {
            let states = [crate::state_directory(), crate::state_directory()];
            let [primary, standby] = states.each_ref().map(|state| Options {
                external: None,
                state: state.path().to_path_buf(),
                cache: None,
                durable: false,
            });
            let progress = |line: &str| eprintln!("testkit: {line}");
            let primary = Server::obtain(&primary, &progress).expect("a primary");
            let standby = primary.standby(&standby, &progress).expect("a standby");
            Self { primary, standby, _states: states }
        });
        let servers = servers.await.expect("the servers start");
        let admin = PgConnectOptions::from_str(&servers.primary.admin_url()).expect("a server URL");
        let mut connection = admin.connect().await.expect("the primary answers");
        sqlx::raw_sql("CREATE DATABASE test").execute(&mut connection).await.expect("a new database");
        connection.close().await.expect("the connection closes");
        servers
    }
}
