//! Subgraphs over TLS, and with compressed answers.

use super::support::{Gateway, Subgraph, code, serve_tls};
use axum::http::HeaderMap;
use axum::response::IntoResponse as _;
use axum::routing::post;
use rcgen::{BasicConstraints, CertificateParams, IsCa, Issuer, KeyPair};
use rustls::RootCertStore;
use rustls::pki_types::PrivateKeyDer;
use rustls::server::WebPkiClientVerifier;
use serde_json::json;
use std::sync::Arc;
use tower_http::compression::CompressionLayer;
use tower_http::compression::predicate::SizeAbove;

/// An authority, and certificates that it signed.
struct Authority {
    certificate: rcgen::Certificate,
    issuer: Issuer<'static, KeyPair>,
}

impl Authority {
    fn new() -> Self {
        let mut parameters = CertificateParams::new(Vec::new()).unwrap();
        parameters.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let key = KeyPair::generate().unwrap();
        let certificate = parameters.self_signed(&key).unwrap();
        Self { certificate, issuer: Issuer::new(parameters, key) }
    }

    fn sign(&self, name: &str) -> (rcgen::Certificate, KeyPair) {
        let key = KeyPair::generate().unwrap();
        let parameters = CertificateParams::new(vec![name.to_owned()]).unwrap();
        (parameters.signed_by(&key, &self.issuer).unwrap(), key)
    }
}

#[tokio::test]
async fn subgraphs_are_asked_over_tls_with_certificates_both_ways() {
    let (servers, clients) = (Authority::new(), Authority::new());
    let (certificate, key) = servers.sign("localhost");
    let (shown, shown_key) = clients.sign("gateway");
    let mut roots = RootCertStore::empty();
    roots.add(clients.certificate.der().clone()).unwrap();
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let verifier = WebPkiClientVerifier::builder_with_provider(Arc::new(roots), provider.clone()).build().unwrap();
    for (offered, spoken) in [(vec![b"h2".to_vec()], "HTTP/2.0"), (Vec::new(), "HTTP/1.1")] {
        let mut config = rustls::ServerConfig::builder_with_provider(provider.clone())
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_client_cert_verifier(verifier.clone())
            .with_single_cert(vec![certificate.der().clone()], PrivateKeyDer::try_from(key.serialize_der()).unwrap())
            .unwrap();
        config.alpn_protocols = offered;
        let (router, seen) = Subgraph::router();
        let url = format!("https://localhost:{}/graphql", serve_tls(router, config).await);
        let files = [
            ("ca.pem", servers.certificate.pem()),
            ("shown.pem", shown.pem()),
            ("shown.key", shown_key.serialize_pem()),
        ];
        let files: Vec<(&str, &str)> = files.iter().map(|(name, text)| (*name, text.as_str())).collect();
        let entry = "tls: {ca: DIR/ca.pem, certificate: DIR/shown.pem, key: DIR/shown.key}";
        let gateway = Gateway::over(Subgraph { url, seen }, entry, &files, "").await;
        let answer = gateway.ask(json!({"query": "{ version hello }"})).await;
        assert_eq!(answer, json!({"data": {"version": spoken, "hello": "hello you"}}));
    }
}

#[tokio::test]
async fn answers_of_subgraphs_may_be_compressed() {
    let (router, seen) = Subgraph::router();
    let router = router.layer(CompressionLayer::new().compress_when(SizeAbove::new(0)));
    let subgraph = Subgraph::serve(router, seen).await;
    let settings = "limits: {subgraph_body_bytes: 100000}\n";
    let gateway = Gateway::over(subgraph, "compression: true", &[], settings).await;
    let asked = gateway.ask(json!({"query": "{ header(name: \"accept-encoding\") text(length: 50000) }"})).await;
    assert_eq!(asked["data"]["header"], "zstd, br, gzip");
    assert_eq!(asked["data"]["text"].as_str().unwrap().len(), 50_000);
    // small on the way, and too large after
    let large = gateway.ask(json!({"query": "{ text(length: 50000000) }"})).await;
    assert_eq!(code(&large), "SUBGRAPH_RESPONSE_TOO_LARGE");
    assert_eq!(gateway.ask(json!({"query": "{ hello }"})).await["data"]["hello"], "hello you");
}

#[tokio::test]
async fn what_is_not_compressed_as_it_says_is_an_invalid_answer() {
    let (_, seen) = Subgraph::router();
    let sdl = "type Query { hello: String }";
    let broken = post(|headers: HeaderMap| async move {
        assert!(headers.contains_key("accept-encoding"));
        ([("content-encoding", "br")], "{\"data\":{\"hello\":\"x\"}}").into_response()
    });
    let subgraph = Subgraph::serve(axum::Router::new().route("/graphql", broken), seen).await;
    let entry = format!("sdl: \"{sdl}\", compression: true");
    let gateway = Gateway::over(subgraph, &entry, &[], "").await;
    let answer = gateway.ask(json!({"query": "{ hello }"})).await;
    assert_eq!((code(&answer), &answer["data"]), ("SUBGRAPH_INVALID_RESPONSE", &json!({"hello": null})));
}
