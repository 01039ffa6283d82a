//! Settings of subgraphs: turns an entry of `subgraphs` into where a subgraph is, and how it is asked.

use super::SubgraphSubscriptions;
use schemars::JsonSchema;
use serde::Deserialize;
use std::path::PathBuf;
use terrane_execute::transport::TlsFiles;

/// A subgraph.
#[derive(Debug, Clone, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct SubgraphConfig {
    /// Name in the supergraph.
    pub name: String,
    /// Its GraphQL endpoint.
    pub url: String,
    /// Its SDL; asked of the subgraph (`_service { sdl }`) where it is left out.
    #[serde(default)]
    pub sdl: Option<String>,
    /// Whether it has the standard ports of a data product, and so belongs into the catalog.
    #[serde(default)]
    pub product: bool,
    /// TLS to an address of https, where the web's authorities are not the right ones.
    #[serde(default)]
    pub tls: Option<SubgraphTlsConfig>,
    /// Whether it is asked for compressed answers: worth it over slow or paid networks.
    #[serde(default)]
    pub compression: bool,
    /// How it sends the events of subscriptions.
    #[serde(default)]
    pub subscriptions: SubgraphSubscriptions,
}

/// TLS to a subgraph; files are PEM.
#[derive(Debug, Clone, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct SubgraphTlsConfig {
    /// Authorities that may have signed its certificate; the web's where it is left out.
    pub ca: Option<PathBuf>,
    /// The certificate that it is shown, with those between it and its root.
    pub certificate: Option<PathBuf>,
    /// The key of that.
    pub key: Option<PathBuf>,
}

impl SubgraphTlsConfig {
    /// The files.
    ///
    /// # Errors
    /// Where there is a certificate without a key, or a key without a certificate.
    pub fn files(&self) -> Result<TlsFiles, String> {
        let identity = match (&self.certificate, &self.key) {
            (Some(certificate), Some(key)) => Some((certificate.clone(), key.clone())),
            (None, None) => None,
            _ => return Err("`certificate` and `key` belong together; one of them is missing".to_owned()),
        };
        Ok(TlsFiles { authorities: self.ca.clone(), identity })
    }
}
