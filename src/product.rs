//! `terrane product`: turns one product folder and a database into a server of its five ports.

use crate::recorded::AuditArguments;
use crate::serve::{collect_metrics, listen, runtime, serve, with_metrics};
use anyhow::{Context as _, Result, anyhow};
use clap::Args;
use std::path::{Path, PathBuf};
use std::time::Duration;
use terrane_auth::{Authenticator, JwtConfig};
use terrane_gateway::config::ServerConfig;
use terrane_postgres::{Options, Server};
use terrane_runtime::{
    Alerts, Collector, NatsSettings, ProductService, RunRequest, RunTrigger, ServiceOptions, StoreOptions, Upstream,
    Upstreams, ensure_database, http_transport, send_events, watch_levels,
};
use terrane_telemetry::trace::{self, TraceSettings};
use terrane_telemetry::{LogFormat, init_logging};

/// Sources may start later than this product: a failed first run is tried again after this long.
const RETRY: Duration = Duration::from_secs(5);

/// One data product.
#[derive(Args)]
pub struct ProductArguments {
    /// The product folder
    #[arg(value_name = "DIR")]
    folder: PathBuf,
    /// Address to listen on
    #[arg(long, default_value = "127.0.0.1:4001", env = "TERRANE_LISTEN", value_name = "ADDR")]
    listen: String,
    /// The product's own database; without it, an embedded Postgres
    #[arg(long, env = "DATABASE_URL", value_name = "URL", hide_env_values = true)]
    database_url: Option<String>,
    /// A streaming replica of that database, which the data port may read (repeatable; or comma-separated in the variable)
    #[arg(
        long = "replica-url",
        env = "TERRANE_REPLICA_URLS",
        value_name = "URL",
        value_delimiter = ',',
        hide_env_values = true
    )]
    replica_urls: Vec<String>,
    /// How far behind the primary a replica may be and still be read, in seconds
    #[arg(long, default_value_t = 5.0, env = "TERRANE_MAX_REPLICA_LAG", value_name = "SECONDS", value_parser = seconds)]
    max_replica_lag: f64,
    /// Seconds after SIGTERM in which requests are still taken, while /health/ready says that no more should come
    #[arg(long, default_value_t = 0, env = "TERRANE_SHUTDOWN_DELAY", value_name = "SECONDS")]
    shutdown_delay: u64,
    /// Where the embedded database lives
    #[arg(long, default_value = ".terrane", value_name = "DIR")]
    state: PathBuf,
    /// A product that this one reads from: NAME=http://HOST:PORT/graphql (repeatable; or comma-separated in the variable)
    #[arg(long = "upstream", env = "TERRANE_UPSTREAMS", value_name = "NAME=URL", value_delimiter = ',')]
    upstreams: Vec<String>,
    /// Bearer token shown to upstream products
    #[arg(long, env = "TERRANE_UPSTREAM_TOKEN", value_name = "TOKEN", hide_env_values = true)]
    upstream_token: Option<String>,
    #[command(flatten)]
    auth: AuthArguments,
    #[command(flatten)]
    nats: NatsArguments,
    #[command(flatten)]
    audit: AuditArguments,
}

/// Where streams come from and go to.
#[derive(Args)]
pub struct NatsArguments {
    /// NATS server with JetStream: nats://HOST:PORT, or several with commas between them
    #[arg(long, env = "TERRANE_NATS_URL", value_name = "URL", hide_env_values = true)]
    nats_url: Option<String>,
    /// File with the credentials for it
    #[arg(long, env = "TERRANE_NATS_CREDENTIALS", value_name = "FILE")]
    nats_credentials: Option<PathBuf>,
}

impl NatsArguments {
    /// The settings that these arguments are.
    pub fn settings(&self) -> Option<NatsSettings> {
        let url = self.nats_url.clone().filter(|url| !url.trim().is_empty())?;
        Some(NatsSettings { url, credentials: self.nats_credentials.clone() })
    }
}

/// Who verifies tokens.
#[derive(Args)]
pub struct AuthArguments {
    /// Shared secret (32 bytes or more) of HS256 tokens
    #[arg(long, env = "TERRANE_JWT_SECRET", value_name = "SECRET", hide_env_values = true)]
    jwt_secret: Option<String>,
    /// Where the keys of RS256 and ES256 tokens are published (JWKS)
    #[arg(long, env = "TERRANE_JWKS_URL", value_name = "URL")]
    jwks_url: Option<String>,
    /// Required issuer of tokens
    #[arg(long, env = "TERRANE_JWT_ISSUER", value_name = "ISSUER")]
    jwt_issuer: Option<String>,
    /// Required audience of tokens
    #[arg(long, env = "TERRANE_JWT_AUDIENCE", value_name = "AUDIENCE")]
    jwt_audience: Option<String>,
}

impl AuthArguments {
    /// The settings that these arguments are.
    pub fn config(&self) -> JwtConfig {
        JwtConfig {
            secret: self.jwt_secret.clone(),
            jwks_url: self.jwks_url.clone(),
            issuer: self.jwt_issuer.clone(),
            audience: self.jwt_audience.clone(),
            ..JwtConfig::default()
        }
    }

    /// The shared secret, if any.
    pub fn secret(&self) -> Option<&str> {
        self.jwt_secret.as_deref().filter(|s| !s.is_empty())
    }
}

/// Serve until SIGINT or SIGTERM.
pub fn run(arguments: &ProductArguments) -> Result<()> {
    init_logging(LogFormat::from_environment(), "info");
    let (product, _) = ProductService::load(&arguments.folder)?;
    let mut server = None;
    let url = match &arguments.database_url {
        Some(url) => url.clone(),
        None => {
            let options = Options::from_environment(&arguments.state);
            let started = server.insert(Server::obtain(&options, &|line| tracing::info!("{line}"))?);
            let database = format!("terrane_{}", product.id);
            runtime()?.block_on(ensure_database(&started.admin_url(), &database))?;
            started.url(&database)
        }
    };
    let result = runtime()?.block_on(product_server(arguments, &product.id, url));
    if let Some(server) = server {
        server.stop();
    }
    result
}

async fn product_server(arguments: &ProductArguments, id: &str, url: String) -> Result<()> {
    let (listener, address) = listen(&arguments.listen).await?;
    let metrics = collect_metrics()?;
    let traces = TraceSettings::from_environment(&format!("terrane-{id}"), &|name| std::env::var(name).ok());
    let traces = trace::start(&traces.map_err(|reason| anyhow!(reason))?)?;
    let options = ServiceOptions {
        folder: Path::new(&arguments.folder).to_path_buf(),
        store: StoreOptions {
            replicas: arguments.replica_urls.iter().filter(|url| !url.trim().is_empty()).cloned().collect(),
            replica_lag: Duration::from_secs_f64(arguments.max_replica_lag),
            audit: arguments.audit.options(&arguments.state)?,
            ..StoreOptions::new(url)
        },
        authenticator: Authenticator::new(&arguments.auth.config())?,
        upstreams: upstreams(arguments, id)?,
    };
    let service = ProductService::open(options).await?;
    for warning in service.warnings() {
        tracing::warn!(code = warning.code, "{}", warning.message);
    }
    tokio::spawn(publish_when_stale(service.clone()));
    let alerts = Alerts::from_environment(&|name| std::env::var(name).ok()).map_err(|reason| anyhow!(reason))?;
    tokio::spawn(watch_levels(service.clone(), alerts));
    tokio::spawn(terrane_runtime::follow_schedules(service.clone()));
    service.start_streams(arguments.nats.settings().as_ref());
    let collector = Collector::from_environment(&|name| std::env::var(name).ok()).map_err(|reason| anyhow!(reason))?;
    if let Some(collector) = collector {
        tokio::spawn(send_events(service.clone(), collector));
    }
    tracing::info!(product = id, %address, "listening");
    let measured = service.clone();
    let router = with_metrics(terrane_runtime::router(service.clone()), &metrics, move || {
        let service = measured.clone();
        async move { service.measure().await }
    });
    let config = ServerConfig { shutdown_delay_seconds: arguments.shutdown_delay, ..ServerConfig::default() };
    let ended = serve(listener, router, &config, || service.stop()).await;
    service.close().await;
    if let Some(traces) = traces {
        traces.end().await;
    }
    ended
}

/// Publish a first version, or a new one after a change of the folder. Replicas start together: one of them runs, the
/// others see that nothing is stale any more.
async fn publish_when_stale(service: ProductService) {
    loop {
        match service.is_stale().await {
            Ok(false) => return,
            Ok(true) => {
                let request = RunRequest { trigger: RunTrigger::Start, by: None, pull: true };
                match service.run(&request).await {
                    Ok(run) if run.version.is_some() => {
                        tracing::info!(version = run.version, "published");
                        return;
                    }
                    Ok(run) => tracing::warn!(error = run.error, "the run failed; it is tried again"),
                    Err(error) => tracing::info!(%error, "no run now; it is tried again"),
                }
            }
            Err(error) => tracing::warn!(%error, "the database did not answer; it is tried again"),
        }
        tokio::time::sleep(RETRY).await;
    }
}

/// A time that a replica may be late: some of it, and no more than a day.
fn seconds(text: &str) -> Result<f64, String> {
    let seconds: f64 = text.parse().map_err(|_| "write a number of seconds".to_owned())?;
    if seconds > 0.0 && seconds <= 86_400.0 {
        Ok(seconds)
    } else {
        Err("write seconds above 0, up to 86400".to_owned())
    }
}

fn upstreams(arguments: &ProductArguments, id: &str) -> Result<Upstreams> {
    let token = match (&arguments.upstream_token, arguments.auth.secret()) {
        (Some(token), _) if !token.is_empty() => Some(token.clone()),
        (_, Some(secret)) => Some(crate::mesh::service_token(secret, id)?),
        _ => None,
    };
    let header = token.map(|t| http::HeaderValue::from_str(&format!("Bearer {t}"))).transpose();
    let authorization = header.context("the upstream token cannot stand in a header")?;
    let mut upstreams = Upstreams::new();
    for entry in arguments.upstreams.iter().filter(|e| !e.trim().is_empty()) {
        let (name, url) = entry
            .split_once('=')
            .ok_or_else(|| anyhow!("--upstream `{entry}`: write NAME=http://HOST:PORT/graphql"))?;
        let uri: http::Uri = url.trim().parse().with_context(|| format!("--upstream `{entry}`: its URL"))?;
        let upstream = Upstream { transport: http_transport(uri), authorization: authorization.clone() };
        upstreams.insert(name.trim().to_owned(), upstream);
    }
    Ok(upstreams)
}
