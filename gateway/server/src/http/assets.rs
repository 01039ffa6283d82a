//! Assets: turns addresses below `/assets` into the files that the pages need, out of the binary itself.

use crate::gateway::Gateway;
use axum::Router;
use axum::extract::Path;
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use std::hash::{DefaultHasher, Hash as _, Hasher as _};
use std::sync::LazyLock;
use tower_http::compression::CompressionLayer;

/// The explorer's page.
pub const EXPLORER: &str = include_str!("../../assets/graphiql/index.html");

const CSS: &str = "text/css; charset=utf-8";
const SCRIPT: &str = "text/javascript; charset=utf-8";
const PLAIN: &str = "text/plain; charset=utf-8";

/// Path below `/assets/`, content type, content.
const FILES: [(&str, &str, &[u8]); 9] = [
    ("terrane.css", CSS, include_bytes!("../../assets/terrane.css")),
    ("terrane.js", SCRIPT, include_bytes!("../../assets/terrane.js")),
    ("live.js", SCRIPT, include_bytes!("../../assets/live.js")),
    ("terrane.svg", "image/svg+xml", include_bytes!("../../assets/terrane.svg")),
    ("graphiql/graphiql.js", SCRIPT, include_bytes!("../../assets/graphiql/graphiql.js")),
    ("graphiql/graphiql.css", CSS, include_bytes!("../../assets/graphiql/graphiql.css")),
    ("graphiql/bar.js", SCRIPT, include_bytes!("../../assets/graphiql/bar.js")),
    ("graphiql/bar.css", CSS, include_bytes!("../../assets/graphiql/bar.css")),
    ("graphiql/LICENSES.txt", PLAIN, include_bytes!("../../assets/graphiql/LICENSES.txt")),
];

/// The validator of each file, in the order of [`FILES`]. Weak, because the bytes sent depend on the compression.
static TAGS: LazyLock<Vec<String>> = LazyLock::new(|| FILES.iter().map(|(.., content)| tag(content)).collect());

fn tag(content: &[u8]) -> String {
    let mut hasher = DefaultHasher::new();
    content.hash(&mut hasher);
    format!("W/\"{:016x}\"", hasher.finish())
}

/// The assets' routes.
pub fn routes() -> Router<Gateway> {
    Router::new().route("/assets/{*path}", get(asset)).layer(CompressionLayer::new().gzip(true))
}

/// `GET /assets/{path}`: a browser keeps it for five minutes and then asks whether it is still the same.
async fn asset(Path(path): Path<String>, headers: HeaderMap) -> Response {
    let Some(at) = FILES.iter().position(|(name, ..)| *name == path) else {
        return (StatusCode::NOT_FOUND, [(header::CONTENT_TYPE, PLAIN)], "there is no such asset\n").into_response();
    };
    let (_, content_type, content) = FILES[at];
    let tag = TAGS[at].as_str();
    let caching = [(header::ETAG, tag), (header::CACHE_CONTROL, "public, max-age=300")];
    let known = headers.get(header::IF_NONE_MATCH).and_then(|v| v.to_str().ok()).unwrap_or_default();
    if known.split(',').any(|t| t.trim() == tag) {
        return (StatusCode::NOT_MODIFIED, caching).into_response();
    }
    let kind = [(header::CONTENT_TYPE, content_type), (header::X_CONTENT_TYPE_OPTIONS, "nosniff")];
    (caching, kind, content).into_response()
}
