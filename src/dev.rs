//! `terrane dev`: turns a products folder into the whole mesh in one process, on an embedded Postgres.

use crate::gateway::{checked, configured};
use crate::mesh::{load_products, looks_at, service_token, token_secret};
use crate::product::NatsArguments;
use crate::progress::Progress;
use crate::recorded::AuditArguments;
use crate::serve::{collect_metrics, listen, runtime, serve, with_metrics};
use anyhow::{Context as _, Result, anyhow};
use axum::Router;
use axum::body::Body;
use axum::response::Response;
use clap::Args;
use std::collections::BTreeMap;
use std::convert::Infallible;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};
use terrane_auth::{Authenticator, JwtConfig, PassOn, TokenRequest, issue};
use terrane_gateway::config::{GatewayConfig, ServerConfig, SubgraphConfig};
use terrane_gateway::{
    EventSource, Gateway, StreamTransport, SubgraphSource, catalog_source, from_service, stream_from_service,
    with_sessions,
};
use terrane_manifest::Product;
use terrane_postgres::{Options, Server};
use terrane_runtime::{
    Alerts, AuditOptions, Collector, ProductService, RunRequest, RunTrigger, ServiceOptions, StoreOptions, Transport,
    Upstream, Upstreams, ensure_database, local_transport, send_events, watch_levels,
};
use terrane_telemetry::trace::{self, TraceSettings};
use terrane_telemetry::{LogFormat, init_logging};

/// A day: the demo token is for trying things out.
const DEMO_LIFETIME: u64 = 24 * 3600;
/// Answers of products in this process are not larger than this.
const LARGEST_ANSWER: usize = 256 * 1024 * 1024;

/// The mesh of ./products in one process.
#[derive(Args)]
pub struct DevArguments {
    /// Port on 127.0.0.1; 0 takes any free one
    #[arg(long, default_value_t = 4000, env = "TERRANE_PORT")]
    port: u16,
    /// Folder with one product folder each
    #[arg(long, default_value = "products", value_name = "DIR")]
    products: PathBuf,
    /// Folder with casbin rules of the whole mesh (mesh.csv)
    #[arg(long, default_value = "policies", value_name = "DIR")]
    policies: PathBuf,
    /// Where the database and the secrets live; deleting it starts afresh
    #[arg(long, default_value = ".terrane", value_name = "DIR")]
    state: PathBuf,
    /// Settings of the gateway, as of `terrane gateway`, but for its subgraphs, address and connections
    #[arg(long, value_name = "FILE.yaml")]
    config: Option<PathBuf>,
    #[command(flatten)]
    nats: NatsArguments,
    #[command(flatten)]
    audit: AuditArguments,
}

/// Run until Ctrl-C.
pub fn run(arguments: &DevArguments) -> Result<()> {
    // a run tells how long its steps take; a statement of a second is none to warn of at the first start
    init_logging(LogFormat::Text, "warn,sqlx::query=error");
    let started = Instant::now();
    let products = load_products(&arguments.products)?;
    let secret = token_secret(&arguments.state)?;
    let progress = Progress::new();
    progress.say("starting Postgres");
    let server = Server::obtain(&Options::from_environment(&arguments.state), &|line| progress.say(line))?;
    progress.done(&format!("Postgres: {}", server.description()));
    if server.recovered() {
        progress.done("recovered: the last run had been ended by force; the database has replayed its log");
    }
    let result = runtime()?.block_on(mesh(arguments, &server, products, &secret, &progress, started));
    progress.clear();
    // also when the mesh failed: nothing of it may keep running
    server.stop();
    result
}

async fn mesh(
    arguments: &DevArguments,
    server: &Server,
    products: Vec<(PathBuf, Arc<Product>)>,
    secret: &str,
    progress: &Progress,
    started: Instant,
) -> Result<()> {
    let (listener, address) = listen(&format!("127.0.0.1:{}", arguments.port)).await?;
    let metrics = collect_metrics()?;
    let traces = TraceSettings::from_environment("terrane", &|name| std::env::var(name).ok());
    let traces = trace::start(&traces.map_err(|reason| anyhow!(reason))?)?;
    let config = settings(arguments, &format!("http://{address}"), &products, secret)?;
    let mut issuers = config.auth.issuers.clone();
    issuers.push(config.auth.jwt.clone());
    issuers.push(JwtConfig { secret: Some(secret.to_owned()), ..JwtConfig::default() });
    let authenticator = Authenticator::of(&issuers, None)?;
    let mut transports: BTreeMap<String, Transport> = BTreeMap::new();
    let mut sources = Vec::new();
    let mut router = Router::new();
    let mut services = Vec::new();
    let collector = Collector::from_environment(&|name| std::env::var(name).ok()).map_err(|reason| anyhow!(reason))?;
    let alerts = Alerts::from_environment(&|name| std::env::var(name).ok()).map_err(|reason| anyhow!(reason))?;
    for (folder, product) in &products {
        progress.say(&format!("{}: opening its database", product.id));
        let audit = arguments.audit.options(&arguments.state)?;
        let service = open((server, audit), folder, product, &transports, secret, authenticator.clone())
            .await
            .with_context(|| format!("product `{}`", product.id))?;
        publish(&service, &product.id, progress).await?;
        tokio::spawn(watch_levels(service.clone(), alerts.clone()));
        tokio::spawn(terrane_runtime::follow_schedules(service.clone()));
        service.start_streams(arguments.nats.settings().as_ref());
        let routes = terrane_runtime::router(service.clone());
        if let Some(collector) = &collector {
            tokio::spawn(send_events(service.clone(), collector.clone()));
        }
        services.push(service);
        transports.insert(product.id.clone(), local_transport(routes.clone()));
        sources.push(SubgraphSource {
            name: product.id.clone(),
            url: format!("http://{address}/products/{}/graphql", product.id),
            transport: product_transport(routes.clone()),
            sdl: None,
            product: true,
            events: EventSource {
                transport: Some(product_streams(&product.id, routes.clone())),
                ..EventSource::default()
            },
        });
        router = router.nest(&format!("/products/{}", product.id), routes);
    }
    // by name, whatever started first
    sources.sort_by(|one: &SubgraphSource, other| one.name.cmp(&other.name));
    let catalog = catalog_source(sources.clone());
    sources.push(catalog);
    let (gateway, files) = configured(&config, sources, &issuers)?;
    tokio::spawn(terrane_gateway::watch(files));
    let gateway = Gateway::new(gateway);
    tokio::spawn(terrane_gateway::follow_versions(gateway.clone()));
    progress.say("composing the graph");
    gateway.refresh().await;
    for problem in gateway.problems().iter() {
        progress.done(terrane_diagnostics::render(problem).trim_end());
    }
    if gateway.graph().is_none() {
        return Err(anyhow!("the products do not compose to a graph; see the diagnostics above"));
    }
    progress.clear();
    print_welcome(&format!("http://{address}"), &products, secret, started.elapsed())?;
    let router = with_sessions(&gateway, router).merge(terrane_gateway::router(gateway.clone()));
    let (measured, serving) = (gateway.clone(), services.clone());
    let router = with_metrics(router, &metrics, move || {
        let (gateway, services) = (measured.clone(), services.clone());
        async move {
            gateway.measure();
            futures_util::future::join_all(services.iter().map(ProductService::measure)).await;
        }
    });
    let ended = serve(listener, router, &ServerConfig::default(), || {
        gateway.stop();
        serving.iter().for_each(ProductService::stop);
    })
    .await;
    futures_util::future::join_all(serving.iter().map(ProductService::close)).await;
    if let Some(traces) = traces {
        traces.end().await;
    }
    ended
}

/// The gateway's settings: those of the file, if one is given, over the products, with what this process knows by itself.
fn settings(
    arguments: &DevArguments,
    base: &str,
    products: &[(PathBuf, Arc<Product>)],
    secret: &str,
) -> Result<GatewayConfig> {
    let pass_on = || Some(PassOn { secret: secret.to_owned(), lifetime_seconds: 600 });
    let complete = |config: &mut GatewayConfig| {
        let subgraph = |(_, product): &(PathBuf, Arc<Product>)| SubgraphConfig {
            name: product.id.clone(),
            url: format!("{base}/products/{}/graphql", product.id),
            product: true,
            ..SubgraphConfig::default()
        };
        config.subgraphs = products.iter().map(subgraph).collect();
        config.supergraph = None;
        let mesh_lines = arguments.policies.join("mesh.csv");
        if config.policy.mesh.is_none() && mesh_lines.is_file() {
            config.policy.mesh = Some(mesh_lines);
        }
        if let Some(keys) = &mut config.auth.api_keys {
            keys.pass_on = keys.pass_on.take().or_else(pass_on);
        }
        if let Some(sign_in) = &mut config.auth.sign_in {
            sign_in.pass_on = sign_in.pass_on.take().or_else(pass_on);
            if sign_in.public_url.is_empty() {
                sign_in.public_url = base.to_owned();
            }
            if sign_in.cookie_keys.is_empty() {
                sign_in.cookie_keys.push(secret.to_owned());
            }
        }
    };
    match &arguments.config {
        Some(path) => checked(path, complete),
        None => {
            let mut config = GatewayConfig::empty();
            complete(&mut config);
            Ok(config)
        }
    }
}

async fn open(
    (server, audit): (&Server, AuditOptions),
    folder: &Path,
    product: &Product,
    transports: &BTreeMap<String, Transport>,
    secret: &str,
    authenticator: Authenticator,
) -> Result<ProductService> {
    let database = format!("terrane_{}", product.id);
    ensure_database(&server.admin_url(), &database).await?;
    let token = service_token(secret, &product.id)?;
    let authorization = http::HeaderValue::from_str(&format!("Bearer {token}")).context("a token is a header value")?;
    let mut upstreams = Upstreams::new();
    for source in looks_at(product) {
        if let Some(transport) = transports.get(source) {
            let upstream = Upstream { transport: transport.clone(), authorization: Some(authorization.clone()) };
            upstreams.insert(source.to_owned(), upstream);
        }
    }
    let store = StoreOptions { audit, ..StoreOptions::new(server.url(&database)) };
    let options = ServiceOptions { folder: folder.to_path_buf(), store, authenticator, upstreams };
    Ok(ProductService::open(options).await?)
}

/// Publish a first version, or a new one where the folder has changed; a failed run leaves what was published.
async fn publish(service: &ProductService, id: &str, progress: &Progress) -> Result<()> {
    if !service.is_stale().await? {
        return Ok(());
    }
    progress.say(&format!("{id}: running its pipeline"));
    let run = service.run(&RunRequest { trigger: RunTrigger::Start, by: None, pull: true }).await?;
    match (run.version, run.error) {
        (Some(version), _) => progress.done(&format!("{id}: version {version} published")),
        (None, error) => {
            progress.done(&format!("{id}: its run failed, nothing new is published: {}", error.unwrap_or_default()))
        }
    }
    Ok(())
}

/// A product's own router, as a subgraph of the gateway in the same process.
fn product_transport(router: Router) -> terrane_gateway::Transport {
    from_service(graphql_of(router), LARGEST_ANSWER)
}

/// The same for what it sends as streams: the events of its subscriptions, and of its feed, at their addresses.
fn product_streams(id: &str, router: Router) -> StreamTransport {
    stream_from_service::<_, Body, _>(Router::new().nest(&format!("/products/{id}"), router))
}

fn graphql_of(
    router: Router,
) -> impl tower::Service<http::Request<Body>, Response = Response, Error = Infallible, Future: Send> + Clone + Sync + Send
{
    tower::service_fn(move |mut request: http::Request<Body>| {
        *request.uri_mut() = http::Uri::from_static("/graphql");
        tower::ServiceExt::oneshot(router.clone(), request)
    })
}

fn print_welcome(base: &str, products: &[(PathBuf, Arc<Product>)], secret: &str, took: Duration) -> Result<()> {
    let demo = TokenRequest {
        subject: "demo".to_owned(),
        roles: vec!["analyst".to_owned()],
        lifetime_seconds: DEMO_LIFETIME,
        ..TokenRequest::default()
    };
    let token = issue(secret, &demo)?;
    let names: Vec<&str> = products.iter().map(|(_, p)| p.id.as_str()).collect();
    let example = r#"{ continents { nodes { name countries(first: 3, orderBy: [{field: POPULATION, direction: DESC}]) { nodes { name capital population } } } } }"#;
    let shell_json = serde_json::json!({ "query": example }).to_string().replace('\'', "'\\''");
    eprintln!(
        "\nTerrane is up after {:.1} s: {}\n\n  Marketplace  {base}/\n  GraphQL      {base}/graphql\n  Explorer     \
         {base}/graphiql\n  Products     {base}/products/{}/…\n\nA demo token (role analyst, one day); `terrane token` \
         makes others:\n\n  export TOKEN={token}\n\nAn example to paste:\n\n  curl -s {base}/graphql -H \"authorization: \
         Bearer $TOKEN\" -H 'content-type: application/json' \\\n    -d '{shell_json}'\n\nCtrl-C stops everything.\n",
        took.as_secs_f64(),
        names.join(", "),
        names.first().unwrap_or(&"ID"),
    );
    Ok(())
}
