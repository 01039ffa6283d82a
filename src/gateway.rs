//! `terrane gateway`: turns subgraphs, a supergraph or a configuration file into a running gateway.

use crate::compose::read_subgraphs;
use crate::product::AuthArguments;
use crate::serve::{listen, runtime, serve};
use anyhow::{Context as _, Result, anyhow};
use clap::Args;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;
use terrane_auth::{ApiKeys, Authenticator};
use terrane_gateway::config::{ApiKeysConfig, GatewayConfig, SubgraphConfig};
use terrane_gateway::{
    Front, Gateway, GatewaySettings, HttpTransport, SharedRules, SubgraphSource, Watched, catalog_source,
};
use terrane_telemetry::{LogFormat, init_logging};

/// While there is no graph, subgraphs are asked again after this long.
const RETRY: Duration = Duration::from_secs(1);

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
    /// Only check the settings
    #[arg(long, requires = "config")]
    check_config: bool,
    #[command(flatten)]
    auth: AuthArguments,
}

/// Serve until SIGINT or SIGTERM.
pub fn run(arguments: &GatewayArguments) -> Result<()> {
    init_logging(LogFormat::from_environment(), "info");
    let config = settings(arguments)?;
    let (prepared, files) = prepare(arguments, &config)?;
    if arguments.check_config {
        eprintln!("the settings are good");
        return Ok(());
    }
    runtime()?.block_on(gateway_server(arguments, &config, prepared, files))
}

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
                product: false,
            };
            config.subgraphs = listed.map(subgraph).collect();
        }
        config.auth.jwt = arguments.auth.config();
        return Ok(config);
    };
    let text = std::fs::read_to_string(path).with_context(|| format!("settings {}", path.display()))?;
    GatewayConfig::parse(&text, &|name| std::env::var(name).ok())
        .with_context(|| format!("settings {}", path.display()))
}

fn prepare(arguments: &GatewayArguments, config: &GatewayConfig) -> Result<(GatewaySettings, Vec<Watched>)> {
    let read = |path: &PathBuf| std::fs::read_to_string(path).with_context(|| path.display().to_string());
    let pool = HttpTransport::new(config.limits.subgraph_body_bytes);
    let source = |s: &SubgraphConfig| SubgraphSource {
        name: s.name.clone(),
        url: s.url.clone(),
        transport: pool.transport(&s.url),
        sdl: s.sdl.clone(),
        product: s.product,
    };
    let mut sources: Vec<SubgraphSource> = config.subgraphs.iter().map(source).collect();
    let products: Vec<SubgraphSource> = sources.iter().filter(|s| s.product).cloned().collect();
    if !products.is_empty() {
        sources.push(catalog_source(products));
    }
    let forward = config.forward_headers.iter().map(|name| {
        http::HeaderName::try_from(name).with_context(|| format!("forward_headers: `{name}` is no header name"))
    });
    // a file given on the command line needs no authentication of its own
    let mut issuers = config.auth.issuers.clone();
    issuers.push(if arguments.config.is_some() { config.auth.jwt.clone() } else { arguments.auth.config() });
    let mut files = Vec::new();
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
        authenticator: Authenticator::of(&issuers, api_keys.as_ref().map(|(_, keys)| keys.clone()))?,
        api_keys,
        limits: config.limits,
        traffic: config.traffic.clone(),
        rates: config.rates.clone(),
        demand: config.demand.clone(),
        introspection: config.introspection.clone(),
        forward_headers: forward.collect::<Result<_>>()?,
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

async fn gateway_server(
    arguments: &GatewayArguments,
    config: &GatewayConfig,
    settings: GatewaySettings,
    files: Vec<Watched>,
) -> Result<()> {
    tokio::spawn(terrane_gateway::watch(files));
    let address = arguments.listen.as_ref().or(config.listen.as_ref());
    let fixed = settings.supergraph.is_some() || settings.sources.iter().all(|s| s.sdl.is_some());
    let (listener, local) = listen(address.map_or("127.0.0.1:4000", String::as_str)).await?;
    let gateway = Gateway::new(settings);
    gateway.refresh().await;
    if fixed && gateway.graph().is_none() {
        let problems: String = gateway.problems().iter().map(terrane_diagnostics::render).collect();
        return Err(anyhow!("there is no graph to serve:\n{problems}"));
    }
    if !fixed {
        let watched = gateway.clone();
        let every = Duration::from_secs(config.poll_seconds);
        tokio::spawn(async move {
            while watched.graph().is_none() || !watched.problems().is_empty() {
                tokio::time::sleep(RETRY).await;
                watched.refresh().await;
            }
            if !every.is_zero() {
                watched.watch(every).await;
            }
        });
    }
    tokio::spawn(gateway.clone().watch_documents());
    tracing::info!(address = %local, "listening");
    serve(listener, terrane_gateway::router(gateway)).await
}
