//! TLS of the listener: turns PEM files into what accepts handshakes, again whenever the files change.

use anyhow::{Context as _, Result, anyhow};
use arc_swap::ArcSwap;
use rustls::ServerConfig;
use rustls::crypto::ring;
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::server::{ClientHello, ResolvesServerCert};
use rustls::sign::CertifiedKey;
use std::sync::Arc;
use terrane_gateway::FileWatch;
use terrane_gateway::config::TlsConfig;
use tokio_rustls::TlsAcceptor;

/// The certificate of a server, which can be renewed.
pub struct Certificates {
    config: TlsConfig,
    current: Arc<Current>,
    server: Arc<ServerConfig>,
}

#[derive(Debug)]
struct Current(ArcSwap<CertifiedKey>);

impl ResolvesServerCert for Current {
    fn resolve(&self, _: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        Some(self.0.load_full())
    }
}

impl Certificates {
    /// Read the files; TLS 1.2 and 1.3, with HTTP/2 or HTTP/1.1 as the client has it (ALPN).
    pub fn read(config: &TlsConfig) -> Result<Self> {
        let current = Arc::new(Current(ArcSwap::from_pointee(read(config)?)));
        let mut server = ServerConfig::builder_with_provider(Arc::new(ring::default_provider()))
            .with_safe_default_protocol_versions()
            .context("server.tls")?
            .with_no_client_auth()
            .with_cert_resolver(Arc::clone(&current) as Arc<dyn ResolvesServerCert>);
        server.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
        Ok(Self { config: config.clone(), current, server: Arc::new(server) })
    }

    /// What accepts handshakes, always with the newest certificate.
    pub fn acceptor(&self) -> TlsAcceptor {
        TlsAcceptor::from(Arc::clone(&self.server))
    }

    /// Read the files again whenever they change, for ever. What can't be used changes nothing.
    pub async fn watch(self) {
        let mut watch = FileWatch::new(vec![self.config.certificate.clone(), self.config.key.clone()]);
        loop {
            watch.changed().await;
            match read(&self.config) {
                Ok(key) => {
                    self.current.0.store(Arc::new(key));
                    tracing::info!("the certificate was renewed");
                }
                Err(error) => tracing::warn!(error = format!("{error:#}"), "the certificate stays as it was"),
            }
        }
    }
}

fn read(config: &TlsConfig) -> Result<CertifiedKey> {
    let at = |path: &std::path::Path| format!("server.tls: {}", path.display());
    let certificates = CertificateDer::pem_file_iter(&config.certificate)
        .and_then(Iterator::collect::<Result<Vec<_>, _>>)
        .with_context(|| at(&config.certificate))?;
    if certificates.is_empty() {
        return Err(anyhow!("{}: there is no certificate in it", at(&config.certificate)));
    }
    let key = PrivateKeyDer::from_pem_file(&config.key).with_context(|| at(&config.key))?;
    // also finds out whether the key is that of the certificate
    CertifiedKey::from_der(certificates, key, &ring::default_provider()).with_context(|| at(&config.key))
}
