//! CORS: turns settings into the layer that tells browsers which pages of other origins may ask (Fetch standard, CORS
//! protocol).

use crate::config::CorsConfig;
use http::{HeaderName, HeaderValue, Method};
use std::time::Duration;
use tower_http::cors::{AllowHeaders, AllowOrigin, CorsLayer, ExposeHeaders};

/// The layer, where any origin is named. What can't stand in a header is left out: `--check-config` tells it.
pub fn layer(config: &CorsConfig) -> Option<CorsLayer> {
    if config.origins.is_empty() {
        return None;
    }
    let any = config.origins.iter().any(|origin| origin == "*");
    let origins = config.origins.iter().filter_map(|origin| HeaderValue::from_str(origin).ok());
    let origin = if any { AllowOrigin::any() } else { AllowOrigin::list(origins) };
    let names = |names: &[String]| names.iter().filter_map(|name| name.parse().ok()).collect::<Vec<HeaderName>>();
    let headers = if config.headers.is_empty() {
        AllowHeaders::mirror_request()
    } else {
        AllowHeaders::list(names(&config.headers))
    };
    let layer = CorsLayer::new()
        .allow_origin(origin)
        .allow_methods([Method::GET, Method::POST, Method::PUT, Method::DELETE])
        .allow_headers(headers)
        .expose_headers(ExposeHeaders::list(names(&config.expose_headers)))
        // any origin with credentials is what the protocol forbids
        .allow_credentials(config.credentials && !any);
    Some(match config.max_age_seconds {
        Some(seconds) => layer.max_age(Duration::from_secs(seconds)),
        None => layer,
    })
}
