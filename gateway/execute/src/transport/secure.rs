//! TLS to subgraphs: turns PEM files into a transport that trusts an authority of the operator's, and maybe shows a
//! certificate of its own.

use super::{Transport, from_service};
use bytes::Bytes;
use http_body_util::Full;
use hyper_rustls::{ConfigBuilderExt as _, HttpsConnectorBuilder};
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::{TokioExecutor, TokioTimer};
use rustls::crypto::ring;
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::{ClientConfig, RootCertStore};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

/// PEM files of the TLS to a subgraph.
#[derive(Debug, Clone, Default)]
pub struct TlsFiles {
    /// The authorities that may have signed the subgraph's certificate; the web's where there is none.
    pub authorities: Option<PathBuf>,
    /// The certificate that is shown to the subgraph, with those between it and its root, and its key.
    pub identity: Option<(PathBuf, PathBuf)>,
}

/// A transport to the origin of one subgraph over TLS: HTTP/2 where the subgraph offers it (ALPN), else HTTP/1.1. An
/// answer has at most `limit` bytes.
///
/// # Errors
/// What is wrong with which file.
pub fn secure(files: &TlsFiles, limit: usize) -> Result<Transport, String> {
    let mut connector = HttpConnector::new();
    connector.set_nodelay(true);
    connector.enforce_http(false);
    connector.set_connect_timeout(Some(Duration::from_secs(5)));
    let connector = HttpsConnectorBuilder::new()
        .with_tls_config(client_config(files)?)
        .https_only()
        .enable_all_versions()
        .wrap_connector(connector);
    let client = Client::builder(TokioExecutor::new())
        .pool_idle_timeout(Duration::from_secs(60))
        .pool_timer(TokioTimer::new())
        .timer(TokioTimer::new())
        .http2_keep_alive_interval(Duration::from_secs(30))
        .http2_adaptive_window(true)
        .build::<_, Full<Bytes>>(connector);
    Ok(from_service::<_, Full<Bytes>, _>(client, limit))
}

pub(super) fn client_config(files: &TlsFiles) -> Result<ClientConfig, String> {
    let builder = ClientConfig::builder_with_provider(Arc::new(ring::default_provider()))
        .with_safe_default_protocol_versions()
        .map_err(|error| error.to_string())?;
    let builder = match &files.authorities {
        None => builder.with_webpki_roots(),
        Some(path) => {
            let mut roots = RootCertStore::empty();
            for certificate in certificates(path)? {
                roots.add(certificate).map_err(|error| at(path, &error))?;
            }
            builder.with_root_certificates(roots)
        }
    };
    match &files.identity {
        None => Ok(builder.with_no_client_auth()),
        Some((certificate, key)) => {
            let private = PrivateKeyDer::from_pem_file(key).map_err(|error| at(key, &error))?;
            builder.with_client_auth_cert(certificates(certificate)?, private).map_err(|error| at(certificate, &error))
        }
    }
}

fn certificates(path: &Path) -> Result<Vec<CertificateDer<'static>>, String> {
    let read = CertificateDer::pem_file_iter(path).and_then(Iterator::collect::<Result<Vec<_>, _>>);
    let certificates = read.map_err(|error| at(path, &error))?;
    if certificates.is_empty() {
        return Err(at(path, &"there is no certificate in it"));
    }
    Ok(certificates)
}

fn at(path: &Path, error: &dyn std::fmt::Display) -> String {
    format!("{}: {error}", path.display())
}
