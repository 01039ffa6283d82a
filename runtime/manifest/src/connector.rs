//! Connectors: turns an input port's custom property `connector` into where its rows come from.

use crate::events::{check_stream, is_subject};
use crate::model::is_query;
use crate::yaml::Node;
use std::collections::BTreeMap;

/// Formats that files may have.
const FORMATS: &[&str] = &["csv", "tsv", "json", "ndjson", "parquet", "arrow", "avro", "xlsx"];
/// Options of an object store that hold its secrets: the folder is no place for those.
const SECRET: &[&str] = &["secret", "password", "token", "key"];

/// How an input port gets its data. Texts may hold `${VAR}`, which is read from the environment when the port is pulled.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Connector {
    /// Files in the product folder.
    File {
        /// One of [`FORMATS`]; none is found out.
        format: Option<String>,
        /// Path relative to the product folder; never leaves it. `*` and `?` stand for any characters, `**` for folders.
        path: String,
        /// What a pull does.
        mode: PullMode,
    },
    /// What an HTTP server answers.
    Http {
        /// Address.
        url: String,
        /// Headers of the request.
        headers: BTreeMap<String, String>,
        /// One of [`FORMATS`]; none is found out.
        format: Option<String>,
    },
    /// Objects of S3 or what speaks as it does, Google Cloud Storage, Azure Blob Storage, or files.
    Objects {
        /// `s3://bucket/path/*.parquet`, `gs://…`, `az://…`, `file:///…`.
        url: String,
        /// Settings of the object store, such as `endpoint` and `region`.
        options: BTreeMap<String, String>,
        /// One of [`FORMATS`]; none is found out.
        format: Option<String>,
        /// What a pull does.
        mode: PullMode,
    },
    /// What a query of another Postgres gives.
    Postgres {
        /// Connection URL.
        url: String,
        /// One SELECT.
        query: String,
        /// A column of it that only grows: a pull reads the rows beyond the greatest that was read, and adds them.
        cursor: Option<String>,
    },
    /// An output dataset of another product, read through its GraphQL port.
    Product {
        /// Id of the other product.
        product: String,
        /// Name of its output dataset.
        dataset: String,
    },
    /// Somebody posts it to the input port.
    Push,
    /// A stream of events on a NATS server. They may be posted as well.
    JetStream {
        /// The stream's name.
        stream: String,
        /// Which of its subjects: `*` and `>` stand for many.
        subject: String,
    },
}

/// What a pull of files does with the rows that are there.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PullMode {
    /// All files are the whole dataset.
    Replace,
    /// Files that were not read before are added.
    Append,
}

impl Connector {
    /// The word for its kind.
    pub fn kind(&self) -> &'static str {
        match self {
            Self::File { .. } => "file",
            Self::Http { .. } => "http",
            Self::Objects { .. } => "objects",
            Self::Postgres { .. } => "postgres",
            Self::Product { .. } => "product",
            Self::Push => "push",
            Self::JetStream { .. } => "jetstream",
        }
    }

    /// Whether a run asks its source for rows. What is not pulled comes by itself, as posts or as events.
    pub fn is_pulled(&self) -> bool {
        !matches!(self, Self::Push | Self::JetStream { .. })
    }

    /// Where it reads, for people: without what may be secret.
    pub fn place(&self) -> Option<String> {
        match self {
            Self::File { path, .. } => Some(path.clone()),
            Self::Http { url, .. } | Self::Objects { url, .. } => Some(without_secrets(url)),
            Self::Postgres { url, .. } => Some(without_secrets(url)),
            Self::Product { product, dataset } => Some(format!("{product}.{dataset}")),
            Self::Push => None,
            Self::JetStream { stream, subject } => Some(format!("jetstream:{stream}/{subject}")),
        }
    }
}

/// An address without the user in front of its host, and without its query.
pub fn without_secrets(url: &str) -> String {
    let plain = url.split(['?', '#']).next().unwrap_or_default();
    match plain.split_once("://") {
        Some((scheme, rest)) => {
            let (host, path) = rest.split_once('/').map_or((rest, None), |(host, path)| (host, Some(path)));
            let host = host.rsplit('@').next().unwrap_or(host);
            path.map_or_else(|| format!("{scheme}://{host}"), |path| format!("{scheme}://{host}/{path}"))
        }
        None => plain.to_owned(),
    }
}

/// Read the connector at `node`.
pub(crate) fn read_connector(node: &Node<'_>) -> Connector {
    match node.require_text("kind").as_str() {
        "file" => {
            node.expect_keys(&["kind", "format", "path", "mode"]);
            let path = node.require_text("path");
            if path.starts_with('/') || path.contains('\\') || path.split('/').any(|s| s == ".." || s.is_empty()) {
                node.error(
                    "PORT_PATH",
                    format!("`{path}` leaves the product folder"),
                    "use a path relative to the folder",
                );
            }
            Connector::File { format: read_format(node), path, mode: read_mode(node) }
        }
        "http" => {
            node.expect_keys(&["kind", "url", "headers", "format"]);
            let headers = read_texts(node, "headers");
            for (name, value) in &headers {
                let secret = ["authorization", "cookie", "x-api-key"].contains(&name.to_ascii_lowercase().as_str());
                if secret && !value.contains("${") {
                    warn_of_secret(node, &format!("header `{name}`"));
                }
            }
            Connector::Http { url: read_url(node, &["http://", "https://"]), headers, format: read_format(node) }
        }
        "objects" => {
            node.expect_keys(&["kind", "url", "options", "format", "mode"]);
            let schemes = ["s3://", "s3a://", "gs://", "az://", "azure://", "abfs://", "abfss://", "file://"];
            let options = read_texts(node, "options");
            for (name, value) in &options {
                if SECRET.iter().any(|word| name.contains(word)) && !value.contains("${") {
                    warn_of_secret(node, &format!("option `{name}`"));
                }
            }
            let url = read_url(node, &schemes);
            Connector::Objects { url, options, format: read_format(node), mode: read_mode(node) }
        }
        "postgres" => {
            node.expect_keys(&["kind", "url", "query", "cursor"]);
            let query = node.require_text("query").trim().trim_end_matches(';').trim_end().to_owned();
            if !query.is_empty() && !is_query(&query) {
                node.error("PORT_QUERY", "its query is not one SELECT", "write one SELECT statement");
            }
            Connector::Postgres {
                url: read_url(node, &["postgres://", "postgresql://"]),
                query,
                cursor: node.text("cursor"),
            }
        }
        "product" => {
            node.expect_keys(&["kind", "product", "dataset"]);
            Connector::Product { product: node.require_text("product"), dataset: node.require_text("dataset") }
        }
        "push" => {
            node.expect_keys(&["kind"]);
            Connector::Push
        }
        "jetstream" => {
            node.expect_keys(&["kind", "stream", "subject"]);
            let (stream, subject) = (node.require_text("stream"), node.require_text("subject"));
            check_stream(node, &stream);
            if !subject.is_empty() && !is_subject(&subject, true) {
                node.error("PORT_STREAM", format!("`{subject}` is no subject"), "use words with dots: quakes.>");
            }
            Connector::JetStream { stream, subject }
        }
        other => {
            node.error(
                "PORT_CONNECTOR",
                format!("`{other}` is no kind of connector"),
                "use file, http, objects, postgres, product, push or jetstream",
            );
            Connector::Push
        }
    }
}

fn read_format(node: &Node<'_>) -> Option<String> {
    let format = node.text("format")?;
    if !FORMATS.contains(&format.as_str()) {
        node.error("PORT_FORMAT", format!("`{format}` cannot be read"), &format!("use {}", FORMATS.join(", ")));
    }
    Some(format)
}

fn read_mode(node: &Node<'_>) -> PullMode {
    match node.text("mode").as_deref() {
        None | Some("replace") => PullMode::Replace,
        Some("append") => PullMode::Append,
        Some(other) => {
            node.error("PORT_CONNECTOR", format!("`mode` is `{other}`"), "use replace or append");
            PullMode::Replace
        }
    }
}

/// A URL of one of the schemes, or one that the environment gives.
fn read_url(node: &Node<'_>, schemes: &[&str]) -> String {
    let url = node.require_text("url");
    if !url.is_empty() && !url.starts_with("${") && !schemes.iter().any(|scheme| url.starts_with(scheme)) {
        node.error("PORT_CONNECTOR", format!("`{}` is no address for it", without_secrets(&url)), &schemes.join(", "));
    }
    let user = url.split_once("://").and_then(|(_, rest)| rest.split('/').next()?.rsplit_once('@'));
    if user.is_some_and(|(user, _)| user.contains(':') && !user.contains("${")) {
        warn_of_secret(node, "its address");
    }
    url
}

fn read_texts(node: &Node<'_>, key: &str) -> BTreeMap<String, String> {
    let Some(map) = node.json(key) else { return BTreeMap::new() };
    let entries = map.as_object().into_iter().flatten();
    let texts: BTreeMap<String, String> =
        entries.filter_map(|(name, value)| Some((name.clone(), value.as_str()?.to_owned()))).collect();
    if map.as_object().is_none_or(|map| map.len() != texts.len()) {
        node.error("PORT_CONNECTOR", format!("`{key}` is no mapping of texts"), "write `name: \"value\"` pairs");
    }
    texts
}

fn warn_of_secret(node: &Node<'_>, what: &str) {
    node.warn("PORT_SECRET", format!("{what} holds a secret in plain text"), "write ${NAME}, and set it where it runs");
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn places_are_shown_without_secrets() {
        for (url, shown) in [
            ("https://u:p@h.example/a/b?token=x#y", "https://h.example/a/b"),
            ("postgres://u:p@h:5432/db", "postgres://h:5432/db"),
            ("s3://bucket/a/*.csv", "s3://bucket/a/*.csv"),
            ("${SOURCE_URL}", "${SOURCE_URL}"),
        ] {
            assert_eq!(without_secrets(url), shown);
        }
    }
}
