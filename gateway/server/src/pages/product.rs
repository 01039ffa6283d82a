//! A product's page: turns what the catalog says of one product into its page and the exports of its diagrams.

use super::around::{Around, around, sample};
use super::asked::{Asking, PageError};
use super::frame::Frame;
use super::standards::{base, place};
use crate::gateway::Gateway;
use crate::subgraph::SubgraphSource;
use chrono::Utc;
use futures_util::future::join_all;
use http::HeaderMap;
use http::header::HOST;
use http::uri::{Authority, Uri};
use serde::Deserialize;
use terrane_views::description::{DESCRIPTION, Neighbour, ProductInfo, RECORD, Run};
use terrane_views::text::encode;
use terrane_views::{Product, Runs, Visit, columns, draw_columns, draw_lineage, draw_model, markup, product};

/// Runs that the page lists.
const RUNS: usize = 10;

/// The page.
#[derive(askama::Template)]
#[template(path = "product.html")]
pub struct ProductPage {
    frame: Frame,
    product: Product,
    around: Around,
    /// For search engines; only on the page that anybody sees.
    markup: Option<String>,
}

/// What there is to show of a product.
pub enum Shown {
    /// Its page.
    Page(Box<ProductPage>),
    /// That it does not answer, and why.
    Unavailable(String),
    /// There is none, or none that the visitor may know about.
    Nothing,
}

#[derive(Deserialize)]
struct InfoAnswer {
    product: Option<Found>,
}

/// What the catalog says of a product that the visitor may know of.
#[derive(Deserialize)]
pub(super) struct Found {
    /// Why it does not answer.
    problem: Option<String>,
    /// What it says of itself.
    pub info: Option<ProductInfo>,
}

#[derive(Deserialize)]
struct RunsAnswer {
    product: Option<WithRuns>,
}

#[derive(Deserialize)]
struct WithRuns {
    runs: Vec<Run>,
}

/// The page of the product `id` for whoever asks.
///
/// # Errors
/// [`PageError::Failed`].
pub async fn show(gateway: &Gateway, asking: &Asking, headers: &HeaderMap, id: &str) -> Result<Shown, PageError> {
    let (found, runs, (around, others)) = tokio::join!(describe(asking, id), runs(asking, id), around(asking, id));
    let Some(found) = found? else { return Ok(Shown::Nothing) };
    let Some(info) = found.info else {
        let problem = found.problem.unwrap_or_else(|| format!("Product {id} does not answer at the moment."));
        return Ok(Shown::Unavailable(problem));
    };
    let mut shown = view(gateway, asking, headers, (&info, &runs, &others));
    if info.current_version.is_some() {
        let operations: Vec<Option<String>> = shown.datasets.iter().map(|of| of.operation.clone()).collect();
        let samples = join_all(operations.iter().map(|operation| sample(asking, operation.as_deref()))).await;
        shown.datasets.iter_mut().zip(samples).for_each(|(dataset, sample)| dataset.sample = sample);
    }
    // an example that this visitor can't run in the whole graph, or that is a change, is no beginning
    shown.examples.retain(|example| asking.can_run(&example.operation));
    let problems = gateway.problems();
    let own = problems.iter().find(|p| p.locations.iter().any(|l| l.source == id));
    shown.problem = own.map(|p| format!("Not composed as of today: {}", p.message));
    let frame = Frame::new(&asking.caller, shown.name.clone(), shown.purpose.clone());
    let markup = (!asking.caller.signed_in).then(|| markup(&place(gateway, &info, &base(gateway, headers))));
    Ok(Shown::Page(Box::new(ProductPage { frame, product: shown, around, markup })))
}

/// What the page shows of the product itself.
fn view(
    gateway: &Gateway,
    asking: &Asking,
    headers: &HeaderMap,
    (info, runs, others): (&ProductInfo, &Runs, &[Neighbour]),
) -> Product {
    let sources = &gateway.inner.settings.sources;
    let address = sources.iter().find(|s| s.name == info.id).map(address).unwrap_or_default();
    let page_of = |product: &str| {
        let known = sources.iter().any(|s| s.product && s.name == product);
        known.then(|| format!("/marketplace/{}", encode(product)))
    };
    let selectable = asking.graph.selectable(&asking.caller);
    let page = format!("/marketplace/{}", encode(&info.id));
    let visit = Visit {
        now: Utc::now(),
        roles: asking.caller.roles.iter().map(str::to_owned).collect(),
        base: relative(&address, headers).unwrap_or_else(|| address.clone()),
        address,
        explorer: gateway.inner.settings.explorer,
        exports: format!("{page}/"),
        access: Some(format!("{page}/access")),
        page_of: &page_of,
        may_select: &selectable,
    };
    let mut shown = product(info, runs, &visit);
    if info.current_version.is_some() {
        // between lineage and model
        let place = shown.diagrams.len().min(1);
        shown.diagrams.splice(place..place, columns(info, others, &visit));
    }
    shown
}

/// A diagram as text for another tool: `lineage.mmd`, `model.dot`, …; none where there is no such thing.
///
/// # Errors
/// [`PageError::Failed`].
pub async fn export(asking: &Asking, id: &str, file: &str) -> Result<Option<String>, PageError> {
    let Some(info) = describe(asking, id).await?.and_then(|found| found.info) else { return Ok(None) };
    Ok(match file.split_once('.') {
        Some(("lineage", ending)) => draw_lineage(&info, ending),
        Some(("model", ending)) => draw_model(&info, ending),
        Some(("columns", ending)) => draw_columns(&info, &around(asking, id).await.1, ending),
        _ => None,
    })
}

pub(super) async fn describe(asking: &Asking, id: &str) -> Result<Option<Found>, PageError> {
    let query = format!(
        "query Product($id: ID!) {{ product(id: $id) {{ problem info {{ ...Description }} }} }}\n{DESCRIPTION}"
    );
    let answer: InfoAnswer = asking.ask(&query, serde_json::json!({ "id": id })).await?.into_data()?;
    Ok(answer.product)
}

/// Asked on its own: whoever may not see the runs still sees the product.
async fn runs(asking: &Asking, id: &str) -> Runs {
    let query =
        format!("query Runs($id: ID!) {{ product(id: $id) {{ runs(first: {RUNS}) {{ ...Record }} }} }}\n{RECORD}");
    let asked = asking.ask::<RunsAnswer>(&query, serde_json::json!({ "id": id })).await;
    match asked {
        Ok(asked) => match (asked.error, asked.data.and_then(|data| data.product)) {
            (None, Some(product)) => Runs::Seen(product.runs),
            (Some((code, _)), _) if code == "FORBIDDEN" => Runs::Closed,
            _ => Runs::Unknown,
        },
        Err(error) => {
            tracing::warn!(%error, product = id, "the runs of a product are not known");
            Runs::Unknown
        }
    }
}

/// Where a product's ports are: its GraphQL address without the last segment.
pub(super) fn address(source: &SubgraphSource) -> String {
    source.url.trim_end_matches('/').trim_end_matches("/graphql").to_owned()
}

/// The path of an address on the host that the visitor is on anyway.
fn relative(address: &str, headers: &HeaderMap) -> Option<String> {
    let uri: Uri = address.parse().ok()?;
    let host: Authority = headers.get(HOST)?.to_str().ok()?.parse().ok()?;
    let local = |host: &str| matches!(host, "localhost" | "127.0.0.1" | "[::1]");
    let at = uri.authority()?;
    let same = at.port_u16() == host.port_u16() && (at.host() == host.host() || local(at.host()) && local(host.host()));
    same.then(|| uri.path().trim_end_matches('/').to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn links_stay_on_the_host_that_the_visitor_is_on() {
        let of = |address: &str, host: &'static str| {
            let headers = HeaderMap::from_iter([(HOST, host.parse().unwrap())]);
            relative(address, &headers)
        };
        let address = "http://127.0.0.1:4000/products/a";
        assert_eq!(of(address, "127.0.0.1:4000").as_deref(), Some("/products/a"));
        assert_eq!(of(address, "localhost:4000").as_deref(), Some("/products/a"));
        assert_eq!(of(address, "127.0.0.1:4001"), None);
        assert_eq!(of("http://countries:4001", "data.example.org"), None);
        assert_eq!(relative(address, &HeaderMap::new()), None);
    }
}
