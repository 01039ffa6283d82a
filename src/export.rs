//! `terrane export`: turns a dataset of a running mesh, or of a product folder and its database, into a file.

use crate::download::Download;
use crate::mesh::token_secret;
use crate::serve::runtime;
use anyhow::{Context as _, Result, anyhow, bail};
use axum::Router;
use axum::body::Body;
use clap::Args;
use http::{Request, Response, Uri};
use hyper_util::client::legacy::Client;
use hyper_util::rt::TokioExecutor;
use rand::Rng as _;
use std::path::{Path, PathBuf};
use terrane_auth::{Authenticator, JwtConfig, TokenRequest, issue};
use terrane_runtime::{ProductService, ServiceOptions, StoreOptions, Upstreams};

/// A dataset as a file.
#[derive(Args)]
pub struct ExportArguments {
    /// The dataset: cities/cities.csv of a mesh, cities.csv of one product. The ending is the format: csv (where there
    /// is none), json, ndjson, parquet, arrow
    #[arg(value_name = "[PRODUCT/]DATASET[.FORMAT]")]
    dataset: String,
    /// Address of the mesh, or of a product
    #[arg(long, default_value = "http://127.0.0.1:4000", env = "TERRANE_URL", value_name = "URL")]
    from: String,
    /// Read the database of this product folder instead of asking a server
    #[arg(long, value_name = "DIR", requires = "database_url")]
    product: Option<PathBuf>,
    /// The product's own database, for --product
    #[arg(long, env = "DATABASE_URL", value_name = "URL", hide_env_values = true)]
    database_url: Option<String>,
    /// A token; without it, --role decides
    #[arg(long, env = "TERRANE_TOKEN", value_name = "TOKEN", hide_env_values = true)]
    token: Option<String>,
    /// Read as this role (repeatable), with a token made from the state directory's secret; as nobody by default
    #[arg(long = "role", value_name = "ROLE", conflicts_with = "token")]
    roles: Vec<String>,
    /// The state directory of the mesh on this machine
    #[arg(long, default_value = ".terrane", value_name = "DIR")]
    state: PathBuf,
    /// Fields of the contract, with commas; every readable one by default
    #[arg(long, value_name = "FIELDS")]
    fields: Option<String>,
    /// The data port's filter object as JSON: {"countryCode": {"eq": "NO"}}
    #[arg(long, value_name = "JSON")]
    filter: Option<String>,
    /// FIELD [asc|desc] [nulls first|nulls last], with commas
    #[arg(long, value_name = "ORDER")]
    order: Option<String>,
    /// At most so many rows
    #[arg(long, value_name = "ROWS")]
    limit: Option<u64>,
    /// Start a CSV with the mark of UTF-8, for Excel
    #[arg(long)]
    bom: bool,
    /// Where to write; `-` is the standard output
    #[arg(short, long, value_name = "FILE")]
    output: Option<PathBuf>,
    /// Go on with an interrupted download (FILE.part)
    #[arg(long)]
    resume: bool,
}

/// Who answers: a server, or the product's own ports in this process.
enum Source {
    Server(Uri),
    Folder(Box<Router>),
}

/// Ask, write, and tell how it goes.
pub fn run(arguments: &ExportArguments) -> Result<()> {
    let (product, file) = match arguments.dataset.split_once('/') {
        Some((product, file)) => (Some(product), file),
        None => (None, arguments.dataset.as_str()),
    };
    if file.is_empty() || file.contains('/') {
        bail!("`{}` is no dataset; write DATASET.FORMAT, or PRODUCT/DATASET.FORMAT", arguments.dataset);
    }
    let name = if file.contains('.') { file.to_owned() } else { format!("{file}.csv") };
    let output = arguments.output.clone().unwrap_or_else(|| PathBuf::from(&name));
    runtime()?.block_on(async {
        let (source, secret) = match &arguments.product {
            Some(folder) => open_folder(arguments, folder).await?,
            None => (server(arguments, product)?, None),
        };
        let path = format!("/output/{name}{}", query(arguments));
        let token = token(arguments, secret)?;
        let download = Download { name: &name, output: &output, resume: arguments.resume };
        let ask = async |headers: &[(&str, String)]| {
            let mut request = Request::get(&path);
            for (name, value) in headers {
                request = request.header(*name, value);
            }
            if let Some(token) = &token {
                request = request.header("authorization", format!("Bearer {token}"));
            }
            send(&source, request.body(Body::empty()).context("the request cannot be written")?).await
        };
        download.check()?;
        crate::download::download(&download, ask).await
    })
}

fn server(arguments: &ExportArguments, product: Option<&str>) -> Result<Source> {
    let base = arguments.from.trim_end_matches('/');
    let address = match product {
        Some(product) => format!("{base}/products/{product}"),
        None => base.to_owned(),
    };
    let uri: Uri = address.parse().map_err(|e| anyhow!("--from `{}` is no address: {e}", arguments.from))?;
    if uri.host().is_none() || uri.scheme().is_none() {
        bail!("--from `{}` is no address; write http://HOST:PORT", arguments.from);
    }
    Ok(Source::Server(uri))
}

/// The product's ports over its database; tokens for them are signed with a secret that nobody else has.
async fn open_folder(arguments: &ExportArguments, folder: &Path) -> Result<(Source, Option<String>)> {
    let url = arguments.database_url.clone().context("--product needs --database-url")?;
    let secret: String = rand::rng().sample_iter(rand::distr::Alphanumeric).take(48).map(char::from).collect();
    let jwt = JwtConfig { secret: Some(secret.clone()), ..JwtConfig::default() };
    let options = ServiceOptions {
        folder: folder.to_path_buf(),
        store: StoreOptions::new(url),
        authenticator: Authenticator::new(&jwt)?,
        upstreams: Upstreams::new(),
    };
    let service = ProductService::open(options).await?;
    Ok((Source::Folder(Box::new(terrane_runtime::router(service))), Some(secret)))
}

fn token(arguments: &ExportArguments, secret: Option<String>) -> Result<Option<String>> {
    if arguments.roles.is_empty() {
        return Ok(arguments.token.clone().filter(|token| !token.is_empty()));
    }
    let request = TokenRequest {
        subject: "terrane export".to_owned(),
        roles: arguments.roles.clone(),
        lifetime_seconds: 3600,
        ..TokenRequest::default()
    };
    let secret = secret.map_or_else(|| token_secret(&arguments.state), Ok)?;
    Ok(Some(issue(&secret, &request)?))
}

fn query(arguments: &ExportArguments) -> String {
    let limit = arguments.limit.map(|limit| limit.to_string());
    let parts = [
        ("fields", arguments.fields.as_deref()),
        ("filter", arguments.filter.as_deref()),
        ("order", arguments.order.as_deref()),
        ("limit", limit.as_deref()),
        ("bom", arguments.bom.then_some("true")),
    ];
    let mut query = url::form_urlencoded::Serializer::new(String::new());
    parts.iter().filter_map(|(name, value)| Some((name, (*value)?))).for_each(|(name, value)| {
        query.append_pair(name, value);
    });
    let query = query.finish();
    if query.is_empty() { query } else { format!("?{query}") }
}

async fn send(source: &Source, mut request: Request<Body>) -> Result<Response<Body>> {
    match source {
        Source::Folder(router) => Ok(tower::ServiceExt::oneshot(router.as_ref().clone(), request).await?),
        Source::Server(base) => {
            let address = format!("{}{}", base.to_string().trim_end_matches('/'), request.uri());
            *request.uri_mut() = address.parse().context("the address of the file")?;
            let connector =
                hyper_rustls::HttpsConnectorBuilder::new().with_webpki_roots().https_or_http().enable_http1().build();
            let client = Client::builder(TokioExecutor::new()).build(connector);
            let response = client.request(request).await.with_context(|| {
                format!("nothing answers at {base}; start the mesh with `terrane`, or name it with --from")
            })?;
            Ok(response.map(Body::new))
        }
    }
}
