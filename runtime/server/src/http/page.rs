//! The discovery page: turns the product's description into HTML for people.

use askama::Template;
use axum::http::{HeaderMap, Uri, header};
use chrono::Utc;
use terrane_policy::Caller;
use terrane_views::description::ProductInfo;
use terrane_views::{Product, Runs, Visit, product};

/// The page's style sheet.
pub const STYLE: &str = include_str!("../../assets/discovery.css");

/// Sent with the page: nothing of other hosts, no script, no style in the markup (Content Security Policy 3).
pub const CONTENT_SECURITY_POLICY: &str = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; \
                                           connect-src 'self'; form-action 'self'; base-uri 'none'; \
                                           frame-ancestors 'none'";

#[derive(Template)]
#[template(path = "discovery.html")]
struct DiscoveryPage {
    page: Discovery,
    product: Product,
}

/// What is around the product.
struct Discovery {
    stylesheet_href: String,
    formats: Vec<Format>,
    version: String,
}

/// The same page for machines.
struct Format {
    label: &'static str,
    media_type: &'static str,
    href: &'static str,
}

/// Relative to the page, because the product is served under a prefix that only its host knows.
const FORMATS: [Format; 4] = [
    Format { label: "JSON", media_type: "application/json", href: "discovery?format=json" },
    Format { label: "JSON-LD", media_type: "application/ld+json", href: "discovery?format=jsonld" },
    Format { label: "YAML", media_type: "application/yaml", href: "discovery?format=yaml" },
    Format { label: "SDL", media_type: "application/graphql", href: "discovery/schema.graphql" },
];

/// The page of the product for `caller`, who asked for `uri`.
///
/// # Errors
/// What the template says; for the log.
pub fn render(
    info: &ProductInfo,
    runs: &Runs,
    caller: &Caller,
    uri: &Uri,
    headers: &HeaderMap,
) -> Result<String, askama::Error> {
    let visit = Visit {
        now: Utc::now(),
        roles: caller.roles.iter().map(str::to_owned).collect(),
        base: ".".to_owned(),
        address: address(uri, headers),
        // the explorer is the gateway's
        explorer: false,
        exports: "discovery/".to_owned(),
        // access is asked for in the marketplace
        access: None,
        page_of: &|_| None,
        may_select: &|_, _| true,
    };
    let page = Discovery {
        stylesheet_href: "assets/discovery.css".to_owned(),
        formats: FORMATS.into(),
        version: env!("CARGO_PKG_VERSION").to_owned(),
    };
    DiscoveryPage { page, product: product(info, runs, &visit) }.render()
}

/// The product's whole address, as the visitor reached it; below the root where they don't say a host.
pub fn address(uri: &Uri, headers: &HeaderMap) -> String {
    let prefix = uri.path().trim_end_matches('/').trim_end_matches("/discovery");
    let host = headers.get(header::HOST).and_then(|v| v.to_str().ok()?.parse::<http::uri::Authority>().ok());
    let secure = headers.get("x-forwarded-proto").is_some_and(|v| v == "https");
    let scheme = if secure { "https" } else { "http" };
    host.map_or_else(|| prefix.to_owned(), |host| format!("{scheme}://{host}{prefix}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_address_is_the_one_that_the_visitor_used() {
        let of = |path: &'static str, headers: &[(&'static str, &'static str)]| {
            let pairs = headers.iter().map(|(name, value)| (name.parse().unwrap(), value.parse().unwrap()));
            address(&Uri::from_static(path), &HeaderMap::from_iter(pairs))
        };
        let host = ("host", "data.example.org:4000");
        assert_eq!(of("/products/a/discovery", &[host]), "http://data.example.org:4000/products/a");
        assert_eq!(
            of("/discovery?format=html", &[host, ("x-forwarded-proto", "https")]),
            "https://data.example.org:4000"
        );
        assert_eq!(of("/products/a/discovery", &[("host", "a b")]), "/products/a");
    }
}
