//! Standards: turns what the catalog says into documents for other catalogs and for search engines.

use super::asked::{Asking, PageError};
use super::product::{address, describe};
use crate::gateway::Gateway;
use http::HeaderMap;
use http::header::HOST;
use http::uri::Authority;
use serde::Deserialize;
use serde_json::{Value, json};
use terrane_views::dcat::{self, Placed};
use terrane_views::description::{DESCRIPTION, ProductInfo};
use terrane_views::text::encode;

#[derive(Deserialize)]
struct Products {
    products: Vec<Listed>,
}

#[derive(Deserialize)]
struct Listed {
    info: Option<ProductInfo>,
}

/// The address at which browsers reach this gateway; no slash at the end. Where the settings don't say it, it is the one that
/// was asked.
pub fn base(gateway: &Gateway, headers: &HeaderMap) -> String {
    if let Some(sign_in) = &gateway.inner.settings.sign_in {
        return sign_in.public_url().as_str().trim_end_matches('/').to_owned();
    }
    let host: Option<Authority> = headers.get(HOST).and_then(|value| value.to_str().ok()?.parse().ok());
    let secure = headers.get("x-forwarded-proto").is_some_and(|scheme| scheme == "https");
    let scheme = if secure { "https" } else { "http" };
    host.map_or_else(String::new, |host| format!("{scheme}://{host}"))
}

/// All products that the visitor may know of, as a DCAT catalog at `base`.
///
/// # Errors
/// [`PageError::Failed`].
pub async fn catalog(gateway: &Gateway, asking: &Asking, base: &str) -> Result<Value, PageError> {
    let query = format!("{{ products {{ info {{ ...Description }} }} }}\n{DESCRIPTION}");
    let Products { products } = asking.ask(&query, json!({})).await?.into_data()?;
    let placed = products.iter().filter_map(|listed| Some(place(gateway, listed.info.as_ref()?, base)));
    Ok(dcat::catalog(base, &placed.collect::<Vec<_>>()))
}

/// One product, as a DCAT dataset at `base`; none where there is none of that id that the visitor may know of, or it does not
/// answer.
///
/// # Errors
/// [`PageError::Failed`].
pub async fn dataset(gateway: &Gateway, asking: &Asking, base: &str, id: &str) -> Result<Option<Value>, PageError> {
    let info = describe(asking, id).await?.and_then(|found| found.info);
    Ok(info.map(|info| dcat::document(&place(gateway, &info, base))))
}

/// A product, where it is, and its page.
pub(super) fn place<'a>(gateway: &Gateway, info: &'a ProductInfo, base: &str) -> Placed<'a> {
    let sources = &gateway.inner.settings.sources;
    let at = sources.iter().find(|source| source.name == info.id).map(address).unwrap_or_default();
    Placed { info, address: at, page: format!("{base}/marketplace/{}", encode(&info.id)) }
}

/// The pages that anybody may see, for crawlers (sitemaps.org, protocol 0.9). Addresses hold nothing that XML would read.
///
/// # Errors
/// [`PageError::Failed`].
pub async fn sitemap(asking: &Asking, base: &str) -> Result<String, PageError> {
    let query = "{ products { id info { updatedAt } } }";
    let data: Value = asking.ask(query, json!({})).await?.into_data()?;
    let mut text = "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n".to_owned();
    text += "<urlset xmlns=\"http://www.sitemaps.org/schemas/sitemap/0.9\">\n";
    text += &format!("  <url><loc>{base}/</loc></url>\n");
    for product in data["products"].as_array().into_iter().flatten() {
        let Some(id) = product["id"].as_str().filter(|_| !product["info"].is_null()) else { continue };
        let changed = product["info"]["updatedAt"].as_str().filter(|at| at.bytes().all(is_of_moment));
        let changed = changed.map(|at| format!("<lastmod>{at}</lastmod>")).unwrap_or_default();
        text += &format!("  <url><loc>{base}/marketplace/{}</loc>{changed}</url>\n", encode(id));
    }
    Ok(text + "</urlset>\n")
}

fn is_of_moment(byte: u8) -> bool {
    byte.is_ascii_digit() || matches!(byte, b'-' | b':' | b'.' | b'T' | b'Z' | b'+')
}

/// What crawlers may look at.
pub fn robots(base: &str) -> String {
    format!(
        "User-agent: *\nDisallow: /auth/\nDisallow: /graphiql\nDisallow: /graphql\nDisallow: /products/\nAllow: /\n\n\
         Sitemap: {base}/sitemap.xml\n"
    )
}
