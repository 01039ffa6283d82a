//! The marketplace: turns the products that a visitor may know about into cards, narrowed by a search and filters.

use super::asked::{Asking, PageError};
use super::frame::Frame;
use crate::gateway::Gateway;
use serde::Deserialize;
use std::collections::BTreeSet;
use terrane_diagnostics::Diagnostic;
use terrane_views::text::{count, encode, html_id, moment};
use terrane_views::{Moment, Status, format_label, status};

const QUERY: &str = "query Marketplace($search: String, $filter: ProductFilter, $filtered: Boolean!) {
  all: products { id }
  found: products(search: $search) {
    id available problem freshness
    matches { kind dataset field place text approximate }
    info {
      name version status domain updatedAt
      description { purpose }
      owner { username name }
      datasets { name }
      outputPorts { access { format } }
    }
  }
  kept: products(search: $search, filter: $filter) @include(if: $filtered) { id }
}";

/// Of what a product was found by, so much is shown.
const REASONS: usize = 3;
/// Characters of a text that was found.
const LONGEST_REASON: usize = 140;

/// The query string of the page; empty is any.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub struct Filters {
    /// Words to search for.
    pub q: String,
    /// Business area.
    pub domain: String,
    /// Who answers for it.
    pub owner: String,
    /// Place in its life.
    pub status: String,
    /// A format that it serves.
    pub format: String,
    /// How old its data is beside what it promises.
    pub freshness: String,
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
    /// What it was found by.
    reasons: Vec<Reason>,
    freshness: Status,
}

/// A text that was found.
#[derive(Debug, PartialEq, Eq)]
struct Reason {
    /// `Field population of countries, in its description`.
    place: String,
    text: String,
    href: String,
}

#[derive(Deserialize)]
struct Answer {
    all: Vec<Id>,
    found: Vec<Found>,
    kept: Option<Vec<Id>>,
}

#[derive(Deserialize)]
struct Id {
    id: String,
}

#[derive(Deserialize)]
struct Found {
    id: String,
    available: bool,
    problem: Option<String>,
    freshness: String,
    matches: Vec<Match>,
    info: Option<Info>,
}

#[derive(Deserialize)]
struct Match {
    kind: String,
    dataset: Option<String>,
    field: Option<String>,
    place: String,
    text: String,
    approximate: bool,
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
        let some = |text: &String| (!text.is_empty()).then(|| text.clone());
        let Filters { domain, owner, status, format, freshness, .. } = filters;
        let filter = serde_json::json!({
            "domain": some(domain), "owner": some(owner), "status": some(status), "format": some(format),
            "freshness": some(freshness),
        });
        let filtered = is_filtered(filters);
        let variables = serde_json::json!({ "search": search, "filter": filter, "filtered": filtered });
        let answer: Answer = asking.ask(QUERY, variables).await?.into_data()?;
        let is_product = |name: &str| gateway.inner.settings.sources.iter().any(|s| s.product && s.name == name);
        let problems: Vec<Problem> = gateway.problems().iter().map(|p| problem(p, &is_product)).collect();
        let mut frame = Frame::new(&asking.caller, "Data products", "The data products of this mesh");
        search.clone_into(&mut frame.search);
        frame.section = "marketplace";
        Ok(Self::of(frame, filters, answer, problems))
    }

    fn of(frame: Frame, filters: &Filters, answer: Answer, problems: Vec<Problem>) -> Self {
        let Answer { all, found, kept } = answer;
        let facets = facets(&found, filters);
        let narrowed = !filters.q.trim().is_empty() || !frame.search.is_empty() || is_filtered(filters);
        let is_kept = |one: &Found| kept.as_ref().is_none_or(|kept| kept.iter().any(|of| of.id == one.id));
        let found: Vec<Found> = found.into_iter().filter(is_kept).collect();
        let guessed = found.iter().any(|one| one.matches.iter().any(|of| of.approximate));
        let products: Vec<Card> = found.into_iter().map(|found| card(found, &problems)).collect();
        let result_text = result_text((products.len(), all.len()), &frame.search, narrowed, guessed);
        let problems_text = format!(
            "{} in the newest composition; the last good graph keeps serving",
            count(problems.len() as i64, "problem", "problems")
        );
        Self { frame, result_text, problems, problems_text, facets, products }
    }
}

fn result_text((shown, all): (usize, usize), search: &str, narrowed: bool, guessed: bool) -> String {
    let total = count(all as i64, "data product", "data products");
    let verb = if shown == 1 { "matches" } else { "match" };
    match (narrowed, search) {
        (false, _) => total,
        (true, "") => format!("{shown} of {total} {verb} the filters"),
        (true, search) if guessed => {
            format!("Nothing has “{search}”; {shown} of {total} {verb} words that are like it")
        }
        (true, search) => format!("{shown} of {total} {verb} “{search}”"),
    }
}

fn is_filtered(filters: &Filters) -> bool {
    let Filters { q: _, domain, owner, status, format, freshness } = filters;
    [domain, owner, status, format, freshness].iter().any(|filter| !filter.is_empty())
}

/// A filter per property, with the values that the found products have.
fn facets(found: &[Found], filters: &Filters) -> Vec<Facet> {
    let facet = |name: &str, label: &str, selected: &str, values: BTreeSet<(String, String)>| {
        let choice = |(label, value): (String, String)| Choice { selected: value == selected, value, label };
        Facet {
            name: name.to_owned(),
            label: label.to_owned(),
            choices: values.into_iter().filter(|(_, value)| !value.is_empty()).map(choice).collect(),
        }
    };
    let infos = || found.iter().filter_map(|one| one.info.as_ref());
    let as_it_is = |text: &str| (text.to_owned(), text.to_owned());
    let domains = infos().filter_map(|info| info.domain.as_deref()).map(as_it_is).collect();
    let owners = infos().filter_map(|info| info.owner.as_ref());
    let owners = owners.map(|of| (of.name.clone().unwrap_or_else(|| of.username.clone()), of.username.clone()));
    let statuses = infos().map(|info| as_it_is(&info.status)).collect();
    let formats = infos().flat_map(|info| info.output_ports.iter().flat_map(|port| &port.access));
    let formats = formats.map(|access| (format_label(&access.format), access.format.clone())).collect();
    let ages = found.iter().filter(|one| one.info.is_some());
    let ages = ages.map(|one| (freshness(&one.freshness).text, one.freshness.clone())).collect();
    let all = [
        facet("domain", "Domain", &filters.domain, domains),
        facet("owner", "Owner", &filters.owner, owners.collect()),
        facet("status", "Status", &filters.status, statuses),
        facet("format", "Format", &filters.format, formats),
        facet("freshness", "Freshness", &filters.freshness, ages),
    ];
    all.into_iter().filter(|facet| !facet.choices.is_empty()).collect()
}

fn freshness(word: &str) -> Status {
    match word {
        "current" => Status::new("as fresh as promised", "good"),
        "late" => Status::new("later than promised", "bad"),
        "never" => Status::new("never published", "warn"),
        "unpromised" => Status::new("nothing promised", "muted"),
        _ => Status::new("not known", "muted"),
    }
}

/// Where a text was found, in words.
fn reason(product: &str, found: &Match) -> Reason {
    let subject = match (found.kind.as_str(), &found.dataset, &found.field) {
        ("field", Some(dataset), Some(field)) => format!("Field {field} of {dataset}"),
        ("dataset", Some(dataset), _) => format!("Dataset {dataset}"),
        _ => "This product".to_owned(),
    };
    let mut text: String = found.text.chars().take(LONGEST_REASON).collect();
    if text.len() < found.text.len() {
        text.push('…');
    }
    let anchor = found.dataset.as_ref().map(|name| format!("#dataset-{}", html_id(name))).unwrap_or_default();
    Reason { place: format!("{subject}, {}", found.place), text, href: format!("{product}{anchor}") }
}

fn card(found: Found, problems: &[Problem]) -> Card {
    let href = format!("/marketplace/{}", encode(&found.id));
    let composed = problems.iter().find(|p| p.product.as_ref() == Some(&found.id)).map(|p| p.message.clone());
    let id = html_id(&found.id);
    let mut reasons: Vec<Reason> = Vec::new();
    for reason in found.matches.iter().map(|of| reason(&href, of)) {
        // of several names of the same thing, the one that fits best
        if reasons.len() < REASONS && !reasons.iter().any(|known| known.place == reason.place) {
            reasons.push(reason);
        }
    }
    let freshness = freshness(&found.freshness);
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
            reasons,
            freshness,
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
        reasons,
        freshness,
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
        let matches = serde_json::json!([{
            "kind": "field", "dataset": "d e", "field": "f", "place": "description", "text": "<i>".repeat(50),
            "approximate": q == "typo"
        }]);
        let answer = serde_json::json!({
            "all": [{"id": "a"}, {"id": "b"}, {"id": "c"}, {"id": "d"}],
            "found": [
                {"id": "a", "available": true, "problem": null, "freshness": "current", "matches": matches, "info": info("A", "sea", "graphql")},
                {"id": "b", "available": true, "problem": null, "freshness": "late", "matches": [], "info": info("B", "land", "csv")},
                {"id": "c/d", "available": false, "problem": "it does not answer in time", "freshness": "unknown",
                 "matches": [], "info": null}
            ],
            "kept": is_filtered(filters).then(|| serde_json::json!([{"id": "b"}]))
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
        let expected = [("domain", 2), ("owner", 1), ("status", 1), ("format", 2), ("freshness", 2)];
        assert_eq!(names, expected);
        let csv = page("sea land", &Filters { format: "csv".to_owned(), ..Filters::default() }, &[]);
        assert_eq!((csv.products.len(), csv.products[0].name.as_str()), (1, "B"));
        assert_eq!(csv.result_text, "1 of 4 data products matches “sea land”");
        assert!(csv.facets[3].choices.iter().any(|c| c.selected && c.label == "CSV"));
        let owned = page("", &Filters { owner: "ada@example.org".to_owned(), ..Filters::default() }, &[]);
        assert_eq!(owned.result_text, "1 of 4 data products matches the filters");
    }

    #[test]
    fn what_a_product_was_found_by_is_said() {
        let found = page("typo", &Filters::default(), &[]);
        assert_eq!(found.result_text, "Nothing has “typo”; 3 of 4 data products match words that are like it");
        let [reason] = found.products[0].reasons.as_slice() else { panic!("one reason") };
        assert_eq!(
            (reason.place.as_str(), reason.href.as_str()),
            ("Field f of d e, description", "/marketplace/a#dataset-d-e")
        );
        assert_eq!(reason.text.chars().count(), LONGEST_REASON + 1);
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
