//! Checking: turns a settings file into settings, or into all that is wrong with it.

use super::{ExpandError, GatewayConfig, OtherDocuments, SubgraphConfig, expand};
use crate::documents::TrustedDocuments;
use crate::headers::HeaderRules;
use crate::policy::MeshRules;
use http::{HeaderName, HeaderValue, Uri};
use serde_json::Value;
use serde_path_to_error::Segment;
use std::collections::{BTreeMap, HashSet};
use std::fmt;
use std::path::Path;
use terrane_auth::{ApiKeys, Authenticator, SignIn};
use terrane_execute::transport::secure;

/// Findings of one file at most.
const MOST: usize = 100;

/// Something wrong with the settings.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Finding {
    /// The key's path, with dots; empty for the file as a whole.
    pub path: String,
    /// What is wrong with it.
    pub message: String,
}

impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.path.is_empty() { f.write_str(&self.message) } else { write!(f, "{}: {}", self.path, self.message) }
    }
}

impl From<ExpandError> for Finding {
    fn from(error: ExpandError) -> Self {
        Self { path: error.path, message: error.reason }
    }
}

impl Finding {
    pub(crate) fn new(path: impl Into<String>, message: impl Into<String>) -> Self {
        Self { path: path.into(), message: message.into() }
    }
}

/// Read YAML text; `${VAR}` and `${VAR:-default}` are replaced first, by `variable`.
///
/// # Errors
/// All that is wrong with its form: variables that are not set, unknown keys, values of the wrong type.
pub fn read(text: &str, variable: &dyn Fn(&str) -> Option<String>) -> Result<GatewayConfig, Vec<Finding>> {
    let mut value: serde_norway::Value =
        serde_norway::from_str(text).map_err(|e| vec![Finding::new("", e.to_string())])?;
    let mut findings: Vec<Finding> = expand(&mut value, variable).into_iter().map(Finding::from).collect();
    // JSON has no tags: an enum is a text, or an object with one key
    let mut value = serde_json::to_value(value).map_err(|e| vec![Finding::new("", e.to_string())])?;
    let unset: HashSet<String> = findings.iter().map(|finding| finding.path.clone()).collect();
    let mut cut = Cut::default();
    loop {
        let error = match serde_path_to_error::deserialize::<_, GatewayConfig>(value.clone()) {
            Ok(config) if findings.is_empty() => return Ok(config),
            Ok(_) => return Err(findings),
            Err(error) => error,
        };
        let path = cut.original(error.path());
        // a placeholder that could not be replaced has been told already
        if !unset.contains(&path) {
            findings.push(Finding::new(path, error.inner().to_string()));
        }
        // without what is wrong, the next error comes to light
        let segments: Vec<Segment> = error.path().iter().cloned().collect();
        if findings.len() >= MOST || !cut.remove(&mut value, &segments) {
            return Err(findings);
        }
    }
}

/// Elements that were taken from the beginning of lists, by the lists' paths.
#[derive(Debug, Default)]
struct Cut(BTreeMap<String, usize>);

impl Cut {
    /// A path in the document as it was.
    fn original(&self, path: &serde_path_to_error::Path) -> String {
        let mut text = String::new();
        for segment in path.iter() {
            self.extend(&mut text, segment);
        }
        text
    }

    fn extend(&self, text: &mut String, segment: &Segment) {
        match segment {
            Segment::Seq { index } => {
                let index = index + self.0.get(text).copied().unwrap_or_default();
                text.push_str(&format!("[{index}]"));
            }
            Segment::Map { key } | Segment::Enum { variant: key } => {
                if !text.is_empty() {
                    text.push('.');
                }
                text.push_str(key);
            }
            Segment::Unknown => text.push('?'),
        }
    }

    /// Take the value at a path out of the document; whether that worked. Elements of a list that come before were read
    /// without an error, and go with it.
    fn remove(&mut self, value: &mut Value, path: &[Segment]) -> bool {
        let Some((last, before)) = path.split_last() else { return false };
        let mut parent = &mut *value;
        let mut text = String::new();
        for segment in before {
            let inner = match segment {
                Segment::Seq { index } => parent.get_mut(*index),
                Segment::Map { key } | Segment::Enum { variant: key } => parent.get_mut(key.as_str()),
                Segment::Unknown => None,
            };
            let Some(inner) = inner else { return self.remove(value, before) };
            self.extend(&mut text, segment);
            parent = inner;
        }
        match (last, parent) {
            (Segment::Seq { index }, Value::Array(items)) if *index < items.len() => {
                items.drain(..=*index);
                *self.0.entry(text).or_default() += index + 1;
                true
            }
            (Segment::Map { key } | Segment::Enum { variant: key }, Value::Object(map)) => {
                map.remove(key.as_str()).is_some() || self.remove(value, before)
            }
            _ => self.remove(value, before),
        }
    }
}

/// What is wrong with settings whose form is right: names, addresses, and the files that they name.
pub fn findings(config: &GatewayConfig) -> Vec<Finding> {
    let mut found = Vec::new();
    if config.supergraph.is_none() && config.subgraphs.is_empty() {
        found.push(Finding::new("", "there is nothing to serve; give `subgraphs` or a `supergraph`"));
    }
    check_subgraphs(config, &mut found);
    config.cache.check(&mut found);
    let readable = [("supergraph", &config.supergraph), ("policy.mesh", &config.policy.mesh)];
    for (path, file) in readable {
        let Some(file) = file else { continue };
        if let Err(error) = std::fs::read_to_string(file) {
            found.push(Finding::new(path, format!("{}: {error}", file.display())));
        }
    }
    check_auth(config, &mut found);
    let rules = config.policy.mesh.as_deref().and_then(|path| std::fs::read_to_string(path).ok());
    if let Some(Err(error)) = rules.map(|lines| MeshRules::new(Some(&lines))) {
        found.push(Finding::new("policy.mesh", error.to_string()));
    }
    check_documents(config, &mut found);
    check_headers(config, &mut found);
    check_server(config, &mut found);
    found.extend(config.telemetry.wrong().into_iter().map(|(path, reason)| Finding::new(path, reason)));
    found
}

fn check_auth(config: &GatewayConfig, found: &mut Vec<Finding>) {
    if let Err(error) = Authenticator::new(&config.auth.jwt) {
        found.push(Finding::new("auth.jwt", error.to_string()));
    }
    for (index, issuer) in config.auth.issuers.iter().enumerate() {
        if let Err(error) = Authenticator::new(issuer) {
            found.push(Finding::new(format!("auth.issuers[{index}]"), error.to_string()));
        }
    }
    if let Some(keys) = &config.auth.api_keys {
        if HeaderName::try_from(&keys.header).is_err() {
            let message = format!("`{}` is no header name", keys.header);
            found.push(Finding::new("auth.api_keys.header", message));
        }
        match ApiKeys::new(keys.keys.clone(), None) {
            Err(error) => found.push(Finding::new("auth.api_keys.keys", error.to_string())),
            Ok(known) => {
                let listed = keys.file.as_deref().map(|path| match std::fs::read_to_string(path) {
                    Ok(text) => known.replace(&text).map_err(|error| error.to_string()),
                    Err(error) => Err(error.to_string()),
                });
                if let Some(Err(error)) = listed {
                    found.push(Finding::new("auth.api_keys.file", error));
                }
            }
        }
    }
    if let Some(Err(error)) = config.auth.sign_in.clone().map(SignIn::new) {
        found.push(Finding::new("auth.sign_in", error.to_string()));
    }
    for name in config.traffic.subgraphs.keys() {
        let known = config.subgraphs.iter().any(|subgraph| subgraph.name == *name);
        if !known && config.supergraph.is_none() {
            found.push(Finding::new(format!("traffic.subgraphs.{name}"), "there is no subgraph of this name"));
        }
    }
}

fn check_subgraphs(config: &GatewayConfig, found: &mut Vec<Finding>) {
    let mut names = HashSet::new();
    for (index, subgraph) in config.subgraphs.iter().enumerate() {
        if !names.insert(&subgraph.name) {
            let message = format!("the name `{}` is another subgraph's", subgraph.name);
            found.push(Finding::new(format!("subgraphs[{index}].name"), message));
        }
        check_tls(index, subgraph, found);
        let address: Option<Uri> = subgraph.url.parse().ok();
        let reachable =
            address.is_some_and(|uri| uri.host().is_some() && matches!(uri.scheme_str(), Some("http" | "https")));
        if !reachable {
            let message = format!("`{}` is no address; write http://HOST:PORT/PATH", subgraph.url);
            found.push(Finding::new(format!("subgraphs[{index}].url"), message));
        }
    }
    for name in config.headers.subgraphs.keys().filter(|name| !names.contains(name)) {
        if config.supergraph.is_none() {
            found.push(Finding::new(format!("headers.subgraphs.{name}"), "there is no subgraph of this name"));
        }
    }
}

fn check_tls(index: usize, subgraph: &SubgraphConfig, found: &mut Vec<Finding>) {
    let Some(tls) = &subgraph.tls else { return };
    if !subgraph.url.starts_with("https://") {
        let message = "the address is not one of https; correct it, or leave out `tls`";
        found.push(Finding::new(format!("subgraphs[{index}].tls"), message));
    }
    if let Err(reason) = tls.files().and_then(|files| secure(&files, 0).map(drop)) {
        found.push(Finding::new(format!("subgraphs[{index}].tls"), reason));
    }
}

fn check_documents(config: &GatewayConfig, found: &mut Vec<Finding>) {
    let trusted = &config.documents.trusted;
    match &trusted.path {
        Some(path) => {
            if let Err(reason) = TrustedDocuments::read(path) {
                found.push(Finding::new("documents.trusted.path", reason));
            }
        }
        None if trusted.others != OtherDocuments::Allow => {
            let message = "no document is trusted: `path` is missing";
            found.push(Finding::new("documents.trusted.others", message));
        }
        None => {}
    }
    if trusted.require_id && trusted.others != OtherDocuments::Reject {
        let message = "an id can only be required where `others` is `reject`";
        found.push(Finding::new("documents.trusted.require_id", message));
    }
}

fn check_headers(config: &GatewayConfig, found: &mut Vec<Finding>) {
    if let Err(wrong) = HeaderRules::new(&config.forward_headers, &config.headers) {
        found.extend(wrong.into_iter().map(|(path, reason)| Finding::new(path, reason)));
    }
    let lists = [
        ("csrf.headers", &config.csrf.headers),
        ("cors.headers", &config.cors.headers),
        ("cors.expose_headers", &config.cors.expose_headers),
    ];
    for (path, names) in lists {
        for (index, name) in names.iter().enumerate().filter(|(_, name)| name.parse::<HeaderName>().is_err()) {
            found.push(Finding::new(format!("{path}[{index}]"), format!("`{name}` is no header name")));
        }
    }
    let id = &config.request_id.header;
    if id.parse::<HeaderName>().is_err() {
        found.push(Finding::new("request_id.header", format!("`{id}` is no header name")));
    }
    let origins = &config.cors.origins;
    for (index, origin) in origins.iter().enumerate() {
        let is_origin = origin.split_once("://").is_some_and(|(_, host)| !host.is_empty() && !host.contains('/'));
        let writable = HeaderValue::from_str(origin).is_ok();
        if origin != "*" && origin != "null" && !(is_origin && writable) {
            let message = format!("`{origin}` is no origin; write https://HOST or https://HOST:PORT");
            found.push(Finding::new(format!("cors.origins[{index}]"), message));
        }
    }
    let any = origins.iter().any(|origin| origin == "*");
    if any && origins.len() > 1 {
        found.push(Finding::new("cors.origins", "`*` is any origin; leave out the others, or leave out `*`"));
    }
    if any && config.cors.credentials {
        found.push(Finding::new(
            "cors.credentials",
            "browsers send no credentials where any origin may ask; name origins",
        ));
    }
}

fn check_server(config: &GatewayConfig, found: &mut Vec<Finding>) {
    let server = &config.server;
    if server.max_connections == 0 {
        found.push(Finding::new("server.max_connections", "without a connection nothing can be asked"));
    }
    let readable = |path: &Path| std::fs::File::open(path).map_err(|error| format!("{}: {error}", path.display()));
    if let Some(tls) = &server.tls {
        for (path, file) in [("server.tls.certificate", &tls.certificate), ("server.tls.key", &tls.key)] {
            if let Err(reason) = readable(file) {
                found.push(Finding::new(path, reason));
            }
        }
    }
    if config.batching.enabled && config.batching.max_operations == 0 {
        found.push(Finding::new("batching.max_operations", "a batch of no operations can't be sent"));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn wrong(text: &str) -> Vec<String> {
        read(text, &|_| None).unwrap_err().iter().map(Finding::to_string).collect()
    }

    #[test]
    fn all_that_is_wrong_with_the_form_is_told() {
        let text = "lisen: x\nlimits: {depth: many, tokens: 5, foo: 1}\nsubgraphs:\n- {name: a, url: b}\n- {name: c}\n\
                    - {name: d, url: e, product: 7}\nauth: {jwt: {secret: \"${NOPE}\", leeway_seconds: \"${NADA}\"}}\n\
                    documents: {trusted: {others: deny}}\nheaders: {all: [{insrt: {name: a, value: b}}]}\n";
        let found = wrong(text);
        let begins: Vec<&str> = found.iter().map(|text| text.split(": ").next().unwrap()).collect();
        let mut sorted = begins.clone();
        sorted.sort_unstable();
        let paths = [
            "auth.jwt.leeway_seconds",
            "auth.jwt.secret",
            "documents.trusted.others",
            "headers.all[0]",
            "limits.depth",
            "limits.foo",
            "lisen",
            "subgraphs[1]",
            "subgraphs[2].product",
        ];
        assert_eq!(sorted, paths, "{found:#?}");
        assert!(found.iter().any(|text| text.contains("NOPE")), "{found:#?}");
    }

    #[test]
    fn hostile_documents_end_in_findings() {
        assert_eq!(wrong("- 1\n").len(), 1);
        assert_eq!(wrong("a: [").len(), 1);
        assert_eq!(wrong("").len(), 1);
        let many: String = (0..1000).map(|n| format!("k{n}: 1\n")).collect();
        assert_eq!(wrong(&many).len(), MOST);
    }

    #[test]
    fn what_the_settings_name_is_checked() {
        let text = "subgraphs: [{name: a, url: \"http://a/\"}, {name: a, url: nowhere}]\nsupergraph: /nonexistent\n\
                    documents: {trusted: {others: log}}\ncors: {origins: [\"*\", \"https://a/b\"], credentials: true}\n\
                    csrf: {headers: [\"a b\"]}\nserver: {tls: {certificate: /nonexistent, key: /nonexistent}}\n\
                    forward_headers: [host]\nbatching: {enabled: true, max_operations: 0}\n";
        let config = read(text, &|_| None).unwrap();
        let paths: Vec<String> = findings(&config).into_iter().map(|finding| finding.path).collect();
        let expected = [
            "subgraphs[1].name",
            "subgraphs[1].url",
            "supergraph",
            "documents.trusted.others",
            "forward_headers[0]",
            "csrf.headers[0]",
            "cors.origins[1]",
            "cors.origins",
            "cors.credentials",
            "server.tls.certificate",
            "server.tls.key",
            "batching.max_operations",
        ];
        assert_eq!(paths, expected);
        assert_eq!(findings(&GatewayConfig::empty()).len(), 1);
    }
}
