//! Quality: turns a product's rules and what was found by them into the page on which rules are changed, and the page of one.

use super::head::{Head, Outcome};
use crate::pages::asked::{Asking, PageError};
use crate::pages::frame::Frame;
use futures_util::future::join_all;
use serde::Deserialize;
use serde_json::{Value, json};
use terrane_views::description::{PastQualityResult, QualityPoint};
use terrane_views::text::{encode, html_id, moment};
use terrane_views::{Diagram, Moment, Status, found, measured, result, trend};

const RULES: &str = "query Rules($id: ID!) {
  qualityRules(product: $id) { dataset field id rule isPut }
  product(id: $id) { qualityTrend(first: 30) { at version passed warned failed } info { datasets { name fields { name } } } }
}";
const HISTORY: &str = "query Found($id: ID!, $dataset: String!, $rule: String, $first: Int!) {
  qualityHistory(product: $id, dataset: $dataset, rule: $rule, first: $first) {
    at runId version result { rule dataset field severity dimension passed expected measured }
  }
}";
const FORMS: &str = "query Forms($id: ID!, $dataset: String!, $rule: String!) {
  qualityRules(product: $id) { dataset field id rule isPut }
  qualityRuleHistory(product: $id, dataset: $dataset, id: $rule, first: 50) { field rule putBy putAt }
}";
/// Results of a dataset that are looked at to find the latest of each rule.
const RECENT: usize = 500;
/// Results of a rule that are shown.
const SHOWN: usize = 60;

/// The page of all rules.
#[derive(askama::Template)]
#[template(path = "admin/quality.html")]
pub struct QualityPage {
    frame: Frame,
    head: Head,
    trend: Option<Diagram>,
    datasets: Vec<Dataset>,
    filled: RuleFilled,
}

struct Dataset {
    name: String,
    anchor: String,
    fields: Vec<String>,
    /// Rules that are written, in the contract or here.
    rules: Vec<Rule>,
    /// Those that follow from the contract.
    derived: Vec<Rule>,
    /// `37 of 37 passed`.
    derived_text: Status,
}

struct Rule {
    id: String,
    description: String,
    /// Its page; none for those that follow from the contract.
    href: Option<String>,
    on: String,
    is_put: bool,
    consequence: &'static str,
    result: Status,
    found: String,
    at: Option<Moment>,
}

/// What stands in the form of a rule.
#[derive(Debug, Default, Clone)]
pub struct RuleFilled {
    /// Its dataset.
    pub dataset: String,
    /// Its field; empty is the dataset.
    pub field: String,
    /// The rule, as YAML or JSON.
    pub rule: String,
}

/// The page of one rule.
#[derive(askama::Template)]
#[template(path = "admin/rule.html")]
pub struct RulePage {
    frame: Frame,
    head: Head,
    id: String,
    on: String,
    is_put: bool,
    /// Whether the next run checks it.
    is_there: bool,
    filled: RuleFilled,
    rows: usize,
    /// Where the contract's own is put back.
    back: String,
    chart: Option<Diagram>,
    results: Vec<Past>,
    history: Vec<Form>,
}

struct Past {
    at: Option<Moment>,
    result: Status,
    found: String,
    /// `version 7, by a run`.
    about: String,
}

struct Form {
    at: Option<Moment>,
    by: String,
    /// None: the contract's own came back.
    text: Option<String>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct RulesAnswer {
    quality_rules: Vec<Said>,
    product: Option<Product>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Product {
    quality_trend: Vec<QualityPoint>,
    info: Option<Info>,
}

#[derive(Deserialize)]
struct Info {
    datasets: Vec<Named>,
}

#[derive(Deserialize)]
struct Named {
    name: String,
    #[serde(default)]
    fields: Vec<FieldName>,
}

#[derive(Deserialize)]
struct FieldName {
    name: String,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Said {
    dataset: String,
    field: Option<String>,
    id: String,
    rule: Value,
    is_put: bool,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct HistoryAnswer {
    quality_history: Vec<PastQualityResult>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct FormsAnswer {
    quality_rules: Vec<Said>,
    quality_rule_history: Vec<Put>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Put {
    field: Option<String>,
    rule: Option<Value>,
    put_by: Option<String>,
    put_at: String,
}

impl QualityPage {
    /// The page of a product; none where the visitor may not see it.
    ///
    /// # Errors
    /// [`PageError::Failed`], as of the other page.
    pub async fn make(
        asking: &Asking,
        id: &str,
        filled: RuleFilled,
        outcome: Outcome,
    ) -> Result<Option<Self>, PageError> {
        let Some((frame, head)) = Head::of(asking, id, "quality", outcome).await? else { return Ok(None) };
        let answer = asking.ask::<RulesAnswer>(RULES, json!({ "id": id })).await?.into_data()?;
        let Some(Product { quality_trend, info: Some(info) }) = answer.product else { return Ok(None) };
        let past = join_all(info.datasets.iter().map(|dataset| history(asking, id, (&dataset.name, None), RECENT)));
        let mut datasets = Vec::new();
        for (named, past) in info.datasets.iter().zip(past.await) {
            let said: Vec<&Said> = answer.quality_rules.iter().filter(|rule| rule.dataset == named.name).collect();
            datasets.push(dataset(named, &said, &past?, &head));
        }
        Ok(Some(Self { frame, head, trend: trend(&quality_trend), datasets, filled }))
    }
}

impl RulePage {
    /// The page of a rule; none where there never was one, or the visitor may not see it.
    ///
    /// # Errors
    /// [`PageError::Failed`].
    pub async fn make(
        asking: &Asking,
        (id, dataset, rule): (&str, &str, &str),
        outcome: Outcome,
    ) -> Result<Option<Self>, PageError> {
        let Some((mut frame, head)) = Head::of(asking, id, "quality", outcome).await? else { return Ok(None) };
        let variables = json!({ "id": id, "dataset": dataset, "rule": rule });
        let forms = asking.ask::<FormsAnswer>(FORMS, variables).await?.into_data()?;
        let past = history(asking, id, (dataset, Some(rule)), SHOWN).await?;
        let said = forms.quality_rules.iter().find(|said| said.dataset == dataset && said.id == rule);
        let newest = forms.quality_rule_history.iter().find(|put| put.rule.is_some());
        let field = said.map(|said| said.field.clone()).or_else(|| newest.map(|put| put.field.clone()));
        let Some(field) = field else { return Ok(None) };
        let form = said.map(|said| &said.rule).or_else(|| newest.and_then(|put| put.rule.as_ref()));
        let filled = RuleFilled {
            dataset: dataset.to_owned(),
            field: field.clone().unwrap_or_default(),
            rule: form.map(yaml).unwrap_or_default(),
        };
        frame.title = format!("{}: rule {rule}", head.name);
        Ok(Some(Self {
            id: rule.to_owned(),
            on: on(dataset, field.as_deref()),
            is_put: said.is_some_and(|said| said.is_put),
            is_there: said.is_some(),
            rows: (filled.rule.lines().count() + 2).clamp(6, 30),
            filled,
            back: format!("{}/back", href(&head, dataset, rule)),
            chart: measured(&past),
            results: past.iter().map(shown).collect(),
            history: forms.quality_rule_history.iter().map(put).collect(),
            frame,
            head,
        }))
    }
}

async fn history(
    asking: &Asking,
    id: &str,
    (dataset, rule): (&str, Option<&str>),
    first: usize,
) -> Result<Vec<PastQualityResult>, PageError> {
    let variables = json!({ "id": id, "dataset": dataset, "rule": rule, "first": first });
    Ok(asking.ask::<HistoryAnswer>(HISTORY, variables).await?.into_data()?.quality_history)
}

fn dataset(named: &Named, said: &[&Said], past: &[PastQualityResult], head: &Head) -> Dataset {
    let latest = |id: &str| past.iter().find(|past| past.result.rule == id);
    let rules = said.iter().map(|said| written(said, latest(&said.id), head)).collect();
    // those of the newest run, and of what was checked again since: a rule of an older contract holds no longer
    let newest = past.iter().find_map(|past| past.run_id.as_ref());
    let end = past.iter().rposition(|past| past.run_id.as_ref() == newest).map_or(0, |last| last + 1);
    let mut derived: Vec<Rule> = Vec::new();
    for past in &past[..end] {
        let is_known = derived.iter().any(|known| known.id == past.result.rule);
        if !is_known && !said.iter().any(|said| said.id == past.result.rule) {
            derived.push(derived_rule(past));
        }
    }
    derived.sort_by(|a, b| a.id.cmp(&b.id));
    let passed = derived.iter().filter(|rule| rule.result.tone == "good").count();
    let tone = if passed == derived.len() { "good" } else { "bad" };
    Dataset {
        anchor: format!("dataset-{}", html_id(&named.name)),
        name: named.name.clone(),
        fields: named.fields.iter().map(|field| field.name.clone()).collect(),
        rules,
        derived_text: Status::new(format!("{passed} of {} passed", derived.len()), tone),
        derived,
    }
}

fn written(said: &Said, latest: Option<&PastQualityResult>, head: &Head) -> Rule {
    let text = |key: &str| said.rule[key].as_str();
    let kind = text("type").unwrap_or("library");
    Rule {
        id: said.id.clone(),
        description: text("description").or_else(|| text("name")).unwrap_or_default().to_owned(),
        href: Some(href(head, &said.dataset, &said.id)),
        on: on(&said.dataset, said.field.as_deref()),
        is_put: said.is_put,
        consequence: consequence(text("severity").unwrap_or(if kind == "text" { "info" } else { "error" })),
        result: match latest {
            Some(past) => result(&past.result),
            None if kind == "text" => Status::new("for people", "muted"),
            None => Status::new("not checked", "muted"),
        },
        found: latest.map(|past| found(&past.result)).unwrap_or_default(),
        at: latest.and_then(|past| moment(&past.at)),
    }
}

fn derived_rule(past: &PastQualityResult) -> Rule {
    Rule {
        id: past.result.rule.clone(),
        description: String::new(),
        href: None,
        on: on(&past.result.dataset, past.result.field.as_deref()),
        is_put: false,
        consequence: consequence(&past.result.severity),
        result: result(&past.result),
        found: found(&past.result),
        at: moment(&past.at),
    }
}

fn consequence(severity: &str) -> &'static str {
    match severity {
        "error" => "Not published",
        "warning" => "Flagged",
        _ => "Nothing",
    }
}

fn on(dataset: &str, field: Option<&str>) -> String {
    field.map_or_else(|| dataset.to_owned(), |field| format!("{dataset}.{field}"))
}

fn href(head: &Head, dataset: &str, rule: &str) -> String {
    format!("{}/quality/{}/{}", head.base, encode(dataset), encode(rule))
}

fn shown(past: &PastQualityResult) -> Past {
    let by = if past.run_id.is_some() { "by a run" } else { "checked again" };
    Past {
        at: moment(&past.at),
        result: result(&past.result),
        found: found(&past.result),
        about: past
            .version
            .map_or_else(|| format!("{by}, nothing published"), |version| format!("{by}, version {version}")),
    }
}

fn put(said: &Put) -> Form {
    Form {
        at: moment(&said.put_at),
        by: said.put_by.clone().unwrap_or_else(|| "nobody".to_owned()),
        text: said.rule.as_ref().map(yaml),
    }
}

/// A rule as contracts write it.
fn yaml(rule: &Value) -> String {
    serde_norway::to_string(rule).unwrap_or_else(|_| rule.to_string())
}
