//! `terrane gateway`: turns subgraphs, a supergraph or a configuration file into a running gateway.

use crate::compose::read_subgraphs;
use crate::product::AuthArguments;
use crate::serve::{collect_metrics, listen, runtime, serve_with, with_metrics};
use anyhow::{Context as _, Result, anyhow};
use arc_swap::ArcSwap;
use axum::Router;
use clap::Args;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;
use terrane_auth::{ApiKeys, Authenticator, JwtConfig, SignIn};
use terrane_gateway::config::{ApiKeysConfig, GatewayConfig, SubgraphConfig, findings};
use terrane_gateway::{
    EventSource, FileWatch, Front, Gateway, GatewaySettings, HeaderRules, HttpStreams, HttpTransport, SharedRules,
    StreamTransport, SubgraphSource, Transport, Watched, catalog_source, compressed, secure,
};
use terrane_telemetry::{LogFormat, MetricsHandle, init_logging, trace};
use tokio::signal::unix::{SignalKind, signal};
use tokio::task::JoinSet;

/// While there is no graph, subgraphs are asked again after this long.
const RETRY: Duration = Duration::from_secs(1);

/// Saying goodbye to clients of streams takes no longer.
const GOODBYES: Duration = Duration::from_secs(3);

/// A gateway over subgraphs.
#[derive(Args)]
#[command(group = clap::ArgGroup::new("graph").required(true).args(["supergraph", "subgraphs", "config"]))]
pub struct GatewayArguments {
    /// Address to listen on
    #[arg(long, env = "TERRANE_LISTEN", value_name = "ADDR")]
    listen: Option<String>,
    /// A composed supergraph to serve
    #[arg(long, value_name = "FILE")]
    supergraph: Option<PathBuf>,
    /// Subgraphs to compose: a JSON list of {"name", "url", "sdl"}
    #[arg(long, value_name = "FILE.json")]
    subgraphs: Option<PathBuf>,
    /// Settings
    #[arg(long, value_name = "FILE.yaml")]
    config: Option<PathBuf>,
    /// Only check the settings: all that is wrong, one finding a line
    #[arg(long, requires = "config")]
    check_config: bool,
    #[command(flatten)]
    auth: AuthArguments,
}

/// Serve until SIGINT or SIGTERM.
pub fn run(arguments: &GatewayArguments) -> Result<()> {
    init_logging(LogFormat::from_environment(), "info");
    // before they are read, so that what is written meanwhile is not lost
    let files = FileWatch::new(arguments.config.iter().chain(&arguments.subgraphs).cloned().collect());
    let config = settings(arguments)?;
    if arguments.check_config {
        check_graph(arguments, &config)?;
        eprintln!("the settings are good");
        return Ok(());
    }
    runtime()?.block_on(gateway_server(arguments, &config, files))
}

/// Whether there will be a graph, as far as that can be known without asking subgraphs.
fn check_graph(arguments: &GatewayArguments, config: &GatewayConfig) -> Result<()> {
    let known = config.supergraph.is_some() || config.subgraphs.iter().all(|subgraph| subgraph.sdl.is_some());
    if !known {
        prepare(arguments, config)?;
        return Ok(());
    }
    runtime()?.block_on(Running::start(arguments, config, None)).map(drop)
}

/// The settings, checked.
fn settings(arguments: &GatewayArguments) -> Result<GatewayConfig> {
    let Some(path) = &arguments.config else {
        let mut config = GatewayConfig::empty();
        config.supergraph.clone_from(&arguments.supergraph);
        if let Some(path) = &arguments.subgraphs {
            let listed = read_subgraphs(path)?.into_iter();
            let subgraph = |s: crate::compose::SubgraphEntry| SubgraphConfig {
                name: s.name,
                url: s.url,
                sdl: s.sdl,
                ..SubgraphConfig::default()
            };
            config.subgraphs = listed.map(subgraph).collect();
        }
        config.auth.jwt = arguments.auth.config();
        return Ok(config);
    };
    checked(path, |_| ())
}

/// The settings of a file, checked after `complete` has had them.
pub fn checked(path: &Path, complete: impl FnOnce(&mut GatewayConfig)) -> Result<GatewayConfig> {
    let text = std::fs::read_to_string(path).with_context(|| format!("settings {}", path.display()))?;
    let read = GatewayConfig::parse(&text, &|name| std::env::var(name).ok());
    let (config, findings) = match read {
        Ok(mut config) => {
            complete(&mut config);
            let findings = findings(&config);
            (Some(config), findings)
        }
        Err(findings) => (None, findings),
    };
    if let Some(config) = config.filter(|_| findings.is_empty()) {
        return Ok(config);
    }
    let lines: String = findings.iter().map(|finding| format!("\n  {finding}")).collect();
    Err(anyhow!("settings {}:{lines}", path.display()))
}

fn prepare(arguments: &GatewayArguments, config: &GatewayConfig) -> Result<(GatewaySettings, Vec<Watched>)> {
    let pool = HttpTransport::new(config.limits.subgraph_body_bytes);
    let source = |s: &SubgraphConfig| -> Result<SubgraphSource> {
        Ok(SubgraphSource {
            name: s.name.clone(),
            url: s.url.clone(),
            transport: transport(s, &pool, config.limits.subgraph_body_bytes)?,
            sdl: s.sdl.clone(),
            product: s.product,
            events: EventSource {
                protocol: s.subscriptions.protocol.into(),
                url: s.subscriptions.url.clone(),
                transport: streams(s)?,
            },
        })
    };
    let mut sources = config.subgraphs.iter().map(source).collect::<Result<Vec<_>>>()?;
    let products: Vec<SubgraphSource> = sources.iter().filter(|s| s.product).cloned().collect();
    if !products.is_empty() {
        sources.push(catalog_source(products));
    }
    // a file given on the command line needs no authentication of its own
    let mut issuers = config.auth.issuers.clone();
    issuers.push(if arguments.config.is_some() { config.auth.jwt.clone() } else { arguments.auth.config() });
    configured(config, sources, &issuers)
}

/// What settings make of subgraphs and of issuers of tokens, and the files that are to be watched for it.
pub fn configured(
    config: &GatewayConfig,
    sources: Vec<SubgraphSource>,
    issuers: &[JwtConfig],
) -> Result<(GatewaySettings, Vec<Watched>)> {
    let read = |path: &PathBuf| std::fs::read_to_string(path).with_context(|| path.display().to_string());
    let headers = HeaderRules::new(&config.forward_headers, &config.headers).map_err(|wrong| {
        let wrong: Vec<String> = wrong.into_iter().map(|(path, reason)| format!("{path}: {reason}")).collect();
        anyhow!("{}", wrong.join("\n"))
    })?;
    let mut files = Vec::new();
    let sign_in = config.auth.sign_in.clone().map(SignIn::new).transpose()?.map(Arc::new);
    let api_keys = config.auth.api_keys.as_ref().map(|keys| api_keys(keys, &mut files)).transpose()?;
    let rules = SharedRules::default();
    if let Some(path) = &config.policy.mesh {
        files.push(Watched::rules(path, &rules).map_err(anyhow::Error::msg)?);
    }
    let settings = GatewaySettings {
        sources,
        supergraph: config.supergraph.as_ref().map(read).transpose()?,
        rules,
        policy_mode: config.policy.mode,
        authenticator: Authenticator::of(issuers, api_keys.as_ref().map(|(_, keys)| keys.clone()))?,
        api_keys,
        sign_in,
        limits: config.limits,
        subscriptions: config.subscriptions,
        cache: config.cache.clone(),
        traffic: config.traffic.clone(),
        errors: config.errors.clone(),
        rates: config.rates.clone(),
        demand: config.demand.clone(),
        introspection: config.introspection.clone(),
        explorer: config.explorer,
        headers,
        front: Front::new(config.http()).map_err(|reason| anyhow!(reason))?,
    };
    Ok((settings, files))
}

fn api_keys(config: &ApiKeysConfig, files: &mut Vec<Watched>) -> Result<(http::HeaderName, Arc<ApiKeys>)> {
    let header = http::HeaderName::try_from(&config.header)
        .with_context(|| format!("auth.api_keys.header: `{}` is no header name", config.header))?;
    let keys = Arc::new(ApiKeys::new(config.keys.clone(), config.pass_on.clone())?);
    if let Some(path) = &config.file {
        files.push(Watched::keys(path, &keys).map_err(anyhow::Error::msg)?);
    }
    Ok((header, keys))
}

/// How a subgraph is reached.
fn transport(subgraph: &SubgraphConfig, pool: &HttpTransport, limit: usize) -> Result<Transport> {
    let at = |reason: String| anyhow!("subgraph `{}`: {reason}", subgraph.name);
    let reached = match &subgraph.tls {
        Some(tls) => tls.files().and_then(|files| secure(&files, limit)).map_err(at)?,
        None => pool.transport(&subgraph.url),
    };
    Ok(if subgraph.compression { compressed(reached, limit) } else { reached })
}

/// How the events of a subgraph are carried, if not as those of others.
fn streams(subgraph: &SubgraphConfig) -> Result<Option<StreamTransport>> {
    let at = |reason: String| anyhow!("subgraph `{}`: {reason}", subgraph.name);
    let Some(tls) = &subgraph.tls else { return Ok(None) };
    let streams = tls.files().and_then(|files| HttpStreams::secure(&files)).map_err(at)?;
    Ok(Some(streams.transport()))
}

async fn gateway_server(arguments: &GatewayArguments, config: &GatewayConfig, mut files: FileWatch) -> Result<()> {
    files.follow(watched(arguments, config));
    let address = arguments.listen.as_ref().or(config.listen.as_ref());
    let (listener, local) = listen(address.map_or("127.0.0.1:4000", String::as_str)).await?;
    let metrics = collect_metrics()?;
    let traces = config.telemetry.settings(&|name| std::env::var(name).ok()).map_err(|reason| anyhow!(reason))?;
    let traces = trace::start(&traces)?;
    let running = Running::start(arguments, config, None).await?;
    let service = Arc::new(ArcSwap::from_pointee(running.router(&metrics)));
    let current = Mutex::new(running);
    tracing::info!(address = %local, "listening");
    let stop = || current.lock().unwrap_or_else(PoisonError::into_inner).gateway.stop();
    let serving = serve_with(listener, Arc::clone(&service), &config.server, stop);
    let ended = tokio::select! {
        ended = serving => ended,
        () = reload(arguments, config, &mut files, &current, |running| service.store(Arc::new(running.router(&metrics)))) => Ok(()),
    };
    let gateway = current.lock().unwrap_or_else(PoisonError::into_inner).gateway.clone();
    gateway.streams_ended(GOODBYES).await;
    if let Some(traces) = traces {
        traces.end().await;
    }
    ended
}

/// Until new settings that could not be taken are tried again: a subgraph may have been away only.
const AGAIN: Duration = Duration::from_secs(5);

/// Put a gateway of new settings in the place of the running one whenever the files change, and at SIGHUP, for ever.
async fn reload(
    arguments: &GatewayArguments,
    config: &GatewayConfig,
    files: &mut FileWatch,
    current: &Mutex<Running>,
    swap: impl Fn(&Running),
) {
    let Ok(mut hangup) = signal(SignalKind::hangup()) else { return std::future::pending().await };
    let mut failure: Option<String> = None;
    loop {
        tokio::select! {
            () = files.changed() => {}
            _ = hangup.recv() => {}
            () = tokio::time::sleep(AGAIN), if failure.is_some() => {}
        }
        let before = current.lock().unwrap_or_else(PoisonError::into_inner).gateway.clone();
        let started = async {
            let listening = (&config.listen, &config.server);
            let config = settings(arguments)?;
            if (&config.listen, &config.server) != listening {
                tracing::warn!("`listen` and `server` are as they were until a restart");
            }
            files.follow(watched(arguments, &config));
            Running::start(arguments, &config, Some(&before)).await
        };
        match started.await {
            Ok(running) => {
                swap(&running);
                // what runs at the gateway of before is finished there, but for what has no end
                running.gateway.take_over();
                *current.lock().unwrap_or_else(PoisonError::into_inner) = running;
                tracing::info!("the settings were read again");
                failure = None;
            }
            Err(error) => {
                let error = format!("{error:#}");
                // said once, however often it is tried
                if failure.as_ref() != Some(&error) {
                    tracing::warn!(%error, "the settings stay as they were; they are tried again in {} s", AGAIN.as_secs());
                }
                failure = Some(error);
            }
        }
    }
}

/// The files that settings are read from.
fn watched(arguments: &GatewayArguments, config: &GatewayConfig) -> Vec<PathBuf> {
    let files = [&arguments.config, &arguments.subgraphs, &config.supergraph];
    let tls = config.subgraphs.iter().filter_map(|subgraph| subgraph.tls.as_ref());
    let of_tls = tls.flat_map(|tls| [&tls.ca, &tls.certificate, &tls.key]);
    files.into_iter().chain(of_tls).flatten().cloned().collect()
}

/// A gateway with the tasks that keep it up to date. They end with it.
struct Running {
    gateway: Gateway,
    _tasks: JoinSet<()>,
}

impl Running {
    /// Start a gateway; one that takes the place of another must have a graph.
    async fn start(arguments: &GatewayArguments, config: &GatewayConfig, before: Option<&Gateway>) -> Result<Self> {
        let (settings, files) = prepare(arguments, config)?;
        let fixed = settings.supergraph.is_some() || settings.sources.iter().all(|s| s.sdl.is_some());
        let gateway = match before {
            Some(before) => Gateway::after(settings, before),
            None => Gateway::new(settings),
        };
        gateway.refresh().await;
        let needed = fixed || before.is_some_and(|before| before.graph().is_some());
        if needed && gateway.graph().is_none() {
            let problems: String = gateway.problems().iter().map(terrane_diagnostics::render).collect();
            return Err(anyhow!("there is no graph to serve:\n{problems}"));
        }
        let mut tasks = JoinSet::new();
        tasks.spawn(gateway.clone().watch_documents());
        tasks.spawn(terrane_gateway::watch(files));
        tasks.spawn(terrane_gateway::follow_versions(gateway.clone()));
        if !fixed {
            tasks.spawn(keep_composing(gateway.clone(), Duration::from_secs(config.poll_seconds)));
        }
        Ok(Self { gateway, _tasks: tasks })
    }

    fn router(&self, metrics: &MetricsHandle) -> Router {
        let gateway = self.gateway.clone();
        with_metrics(terrane_gateway::router(self.gateway.clone()), metrics, move || {
            gateway.measure();
            std::future::ready(())
        })
    }
}

/// Ask subgraphs anew: soon while something is wrong, else after `every`.
async fn keep_composing(gateway: Gateway, every: Duration) {
    while gateway.graph().is_none() || !gateway.problems().is_empty() {
        tokio::time::sleep(RETRY).await;
        gateway.refresh().await;
    }
    if !every.is_zero() {
        gateway.watch(every).await;
    }
}
