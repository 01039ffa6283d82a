//! The marketplace: turns the products that a visitor may know about into cards, narrowed by a search and filters.

use super::asked::{Asking, PageError};
use super::frame::Frame;
use crate::gateway::Gateway;
use serde::Deserialize;
use std::collections::BTreeSet;
use terrane_diagnostics::Diagnostic;
use terrane_views::text::{count, encode, html_id, moment};
use terrane_views::{Moment, Status, format_label, status};

const QUERY: &str = "query Marketplace($search: String) {
  all: products { id }
  found: products(search: $search) {
    id available problem
    info {
      name version status domain updatedAt
      description { purpose }
      owner { username name }
      datasets { name }
      outputPorts { access { format } }
    }
  }
}";

/// The query string of the page; empty is any.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub struct Filters {
    /// Words to search for.
    pub q: String,
    /// Business area.
    pub domain: String,
    /// Place in its life.
    pub status: String,
    /// A format that it serves.
    pub format: String,
}

/// The page.
#[derive(askama::Template)]
#[template(path = "marketplace.html")]
pub struct MarketplacePage {
    frame: Frame,
    result_text: String,
    problems: Vec<Problem>,
    problems_text: String,
    facets: Vec<Facet>,
    products: Vec<Card>,
}

/// A problem of the newest composition.
#[derive(Debug, Clone)]
struct Problem {
    code: String,
    product: Option<String>,
    message: String,
    location: Option<String>,
    help: Option<String>,
}

/// One filter.
#[derive(Debug, PartialEq, Eq)]
struct Facet {
    name: String,
    label: String,
    choices: Vec<Choice>,
}

#[derive(Debug, PartialEq, Eq)]
struct Choice {
    value: String,
    label: String,
    selected: bool,
}

struct Card {
    id: String,
    href: String,
    name: String,
    purpose: String,
    domain: String,
    owner: String,
    version: String,
    status: Status,
    updated: Option<Moment>,
    datasets: Vec<String>,
    formats: Vec<String>,
    problem: Option<String>,
}

#[derive(Deserialize)]
struct Answer {
    all: Vec<Id>,
    found: Vec<Found>,
}

#[derive(Deserialize)]
struct Id {
    #[expect(dead_code, reason = "only how many there are counts")]
    id: String,
}

#[derive(Deserialize)]
struct Found {
    id: String,
    available: bool,
    problem: Option<String>,
    info: Option<Info>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Info {
    name: String,
    version: String,
    status: String,
    domain: Option<String>,
    updated_at: Option<String>,
    description: Purpose,
    owner: Option<Owner>,
    datasets: Vec<Named>,
    output_ports: Vec<OutputPort>,
}

#[derive(Deserialize)]
struct Purpose {
    purpose: Option<String>,
}

#[derive(Deserialize)]
struct Owner {
    username: String,
    name: Option<String>,
}

#[derive(Deserialize)]
struct Named {
    name: String,
}

#[derive(Deserialize)]
struct OutputPort {
    access: Vec<Access>,
}

#[derive(Deserialize)]
struct Access {
    format: String,
}

impl MarketplacePage {
    /// The page as the visitor sees it.
    ///
    /// # Errors
    /// [`PageError::Failed`].
    pub async fn make(gateway: &Gateway, asking: &Asking, filters: &Filters) -> Result<Self, PageError> {
        let search = filters.q.trim();
        let variables = serde_json::json!({ "search": search });
        let answer: Answer = asking.ask(QUERY, variables).await?.into_data()?;
        let is_product = |name: &str| gateway.inner.settings.sources.iter().any(|s| s.product && s.name == name);
        let problems: Vec<Problem> = gateway.problems().iter().map(|p| problem(p, &is_product)).collect();
        let mut frame = Frame::new(&asking.caller, "Data products", "The data products of this mesh");
        search.clone_into(&mut frame.search);
        frame.section = "marketplace";
        Ok(Self::of(frame, filters, answer, problems))
    }

    fn of(frame: Frame, filters: &Filters, answer: Answer, problems: Vec<Problem>) -> Self {
        let cards: Vec<Card> = answer.found.into_iter().map(|found| card(found, &problems)).collect();
        let facets = facets(&cards, filters);
        let narrowed = !filters.q.trim().is_empty() || !frame.search.is_empty() || is_filtered(filters);
        let products: Vec<Card> = cards.into_iter().filter(|card| matches(card, filters)).collect();
        let result_text = result_text(products.len(), answer.all.len(), &frame.search, narrowed);
        let problems_text = format!(
            "{} in the newest composition; the last good graph keeps serving",
            count(problems.len() as i64, "problem", "problems")
        );
        Self { frame, result_text, problems, problems_text, facets, products }
    }
}

fn result_text(shown: usize, all: usize, search: &str, narrowed: bool) -> String {
    let total = count(all as i64, "data product", "data products");
    let verb = if shown == 1 { "matches" } else { "match" };
    match (narrowed, search) {
        (false, _) => total,
        (true, "") => format!("{shown} of {total} {verb} the filters"),
        (true, search) => format!("{shown} of {total} {verb} “{search}”"),
    }
}

fn is_filtered(filters: &Filters) -> bool {
    [&filters.domain, &filters.status, &filters.format].iter().any(|f| !f.is_empty())
}

fn matches(card: &Card, filters: &Filters) -> bool {
    (filters.domain.is_empty() || card.domain == filters.domain)
        && (filters.status.is_empty() || card.status.text == filters.status)
        && (filters.format.is_empty() || card.formats.contains(&filters.format))
}

/// A filter per property, with the values that the found products have.
fn facets(cards: &[Card], filters: &Filters) -> Vec<Facet> {
    let facet = |name: &str, label: &str, selected: &str, values: BTreeSet<&str>| {
        let choice =
            |value: &str| Choice { value: value.to_owned(), label: value.to_owned(), selected: value == selected };
        Facet {
            name: name.to_owned(),
            label: label.to_owned(),
            choices: values.into_iter().filter(|v| !v.is_empty()).map(choice).collect(),
        }
    };
    let domains = cards.iter().map(|c| c.domain.as_str()).collect();
    let statuses = cards.iter().map(|c| c.status.text.as_str()).collect();
    let formats = cards.iter().flat_map(|c| c.formats.iter().map(String::as_str)).collect();
    let all = [
        facet("domain", "Domain", &filters.domain, domains),
        facet("status", "Status", &filters.status, statuses),
        facet("format", "Format", &filters.format, formats),
    ];
    all.into_iter().filter(|facet| !facet.choices.is_empty()).collect()
}

fn card(found: Found, problems: &[Problem]) -> Card {
    let href = format!("/marketplace/{}", encode(&found.id));
    let composed = problems.iter().find(|p| p.product.as_ref() == Some(&found.id)).map(|p| p.message.clone());
    let id = html_id(&found.id);
    let Some(info) = found.info else {
        let problem = found.problem.unwrap_or_else(|| "It does not answer at the moment.".to_owned());
        return Card {
            id,
            href,
            name: found.id,
            purpose: String::new(),
            domain: String::new(),
            owner: "unknown".to_owned(),
            version: "unknown".to_owned(),
            status: Status::new("unavailable", "bad"),
            updated: None,
            datasets: Vec::new(),
            formats: Vec::new(),
            problem: Some(problem),
        };
    };
    let mut formats: Vec<String> = Vec::new();
    for format in info.output_ports.iter().flat_map(|p| &p.access).map(|a| format_label(&a.format)) {
        if !formats.contains(&format) {
            formats.push(format);
        }
    }
    Card {
        id,
        href,
        name: info.name,
        purpose: info.description.purpose.unwrap_or_default(),
        domain: info.domain.unwrap_or_default(),
        owner: info.owner.map_or_else(|| "nobody yet".to_owned(), |owner| owner.name.unwrap_or(owner.username)),
        version: info.version,
        status: status(&info.status),
        updated: info.updated_at.as_deref().and_then(moment),
        datasets: info.datasets.into_iter().map(|d| d.name).collect(),
        formats,
        problem: composed.or_else(|| found.problem.filter(|_| !found.available)),
    }
}

fn problem(diagnostic: &Diagnostic, is_product: &dyn Fn(&str) -> bool) -> Problem {
    let first = diagnostic.locations.first();
    Problem {
        code: diagnostic.code.to_owned(),
        product: diagnostic.locations.iter().map(|l| l.source.clone()).find(|source| is_product(source)),
        message: diagnostic.message.clone(),
        location: first.map(|l| format!("{}:{}:{}", l.source, l.line, l.column)),
        help: diagnostic.hint.clone(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use askama::Template as _;
    use terrane_diagnostics::Location;
    use terrane_policy::Caller;

    fn page(q: &str, filters: &Filters, problems: &[Diagnostic]) -> MarketplacePage {
        let info = |name: &str, domain: &str, format: &str| {
            serde_json::json!({
                "name": name, "version": "1.0.0", "status": "active", "domain": domain,
                "updatedAt": "2026-11-21T03:00:00+00:00", "description": {"purpose": "<b>why</b>"},
                "owner": {"username": "ada@example.org", "name": null}, "datasets": [{"name": "d"}],
                "outputPorts": [{"access": [{"format": format}, {"format": format}]}]
            })
        };
        let answer = serde_json::json!({
            "all": [{"id": "a"}, {"id": "b"}, {"id": "c"}, {"id": "d"}],
            "found": [
                {"id": "a", "available": true, "problem": null, "info": info("A", "sea", "graphql")},
                {"id": "b", "available": true, "problem": null, "info": info("B", "land", "csv")},
                {"id": "c/d", "available": false, "problem": "it does not answer in time", "info": null}
            ]
        });
        let mut frame = Frame::new(&Caller::anonymous(), "Data products", "");
        q.clone_into(&mut frame.search);
        let problems = problems.iter().map(|p| problem(p, &|name| name == "b")).collect();
        MarketplacePage::of(frame, filters, serde_json::from_value(answer).unwrap(), problems)
    }

    #[test]
    fn filters_narrow_and_offer_what_there_is() {
        let all = page("", &Filters::default(), &[]);
        assert_eq!(all.result_text, "4 data products");
        let names: Vec<_> = all.facets.iter().map(|f| (f.name.as_str(), f.choices.len())).collect();
        assert_eq!(names, [("domain", 2), ("status", 2), ("format", 2)]);
        let csv = page("sea land", &Filters { format: "CSV".to_owned(), ..Filters::default() }, &[]);
        assert_eq!((csv.products.len(), csv.products[0].name.as_str()), (1, "B"));
        assert_eq!(csv.result_text, "1 of 4 data products matches “sea land”");
        assert!(csv.facets[2].choices.iter().any(|c| c.selected && c.value == "CSV"));
        let none = page("", &Filters { status: "retired".to_owned(), ..Filters::default() }, &[]);
        assert_eq!(none.result_text, "0 of 4 data products match the filters");
    }

    #[test]
    fn one_that_does_not_answer_is_listed_with_the_reason() {
        let page = page("", &Filters::default(), &[]);
        let card = &page.products[2];
        assert_eq!((card.href.as_str(), card.id.as_str()), ("/marketplace/c%2Fd", "c-d"));
        assert_eq!(card.problem.as_deref(), Some("it does not answer in time"));
    }

    #[test]
    fn problems_of_composition_stand_with_their_product() {
        let broken = Diagnostic::error("KEY_UNKNOWN", "no such field").at(Location::new("b", 3, 1));
        let page = page("", &Filters::default(), &[broken]);
        assert!(page.problems_text.starts_with("1 problem in the newest composition"), "{}", page.problems_text);
        assert_eq!(page.products[1].problem.as_deref(), Some("no such field"));
        assert_eq!(page.products[0].problem, None);
        assert_eq!(page.problems[0].location.as_deref(), Some("b:3:1"));
    }

    #[test]
    fn what_others_wrote_is_text() {
        let text = page("\"><script>", &Filters::default(), &[]).render().unwrap();
        assert!(!text.contains("<b>") && !text.contains("\"><script>"), "{text}");
    }
}
