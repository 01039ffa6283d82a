//! Models: turns a product's models into their list, and the text of one into the editor with what would come of it.

use super::head::{Head, Outcome};
use crate::pages::asked::{Asking, PageError};
use crate::pages::frame::Frame;
use serde::Deserialize;
use serde_json::json;
use terrane_views::text::{count, encode, moment};
use terrane_views::{Moment, Status};

const LIST: &str = "query Models($id: ID!) {
  models(product: $id) { layer name materialized key reads sql isPut }
}";
const ONE: &str = "query Model($id: ID!, $layer: String!, $name: String!) {
  models(product: $id) { layer name materialized key reads sql isPut }
  modelHistory(product: $id, layer: $layer, name: $name, first: 50) { position sql putBy putAt }
}";
const CHECK: &str = "query Check($id: ID!, $layer: String!, $name: String!, $sql: String!) {
  checkModel(product: $id, layer: $layer, name: $name, sql: $sql) {
    accepted plan
    diagnostics { code severity message hint file line column }
    columns { column direct indirect origins }
    stages { name action detail }
  }
}";

/// The list.
#[derive(askama::Template)]
#[template(path = "admin/models.html")]
pub struct ModelsPage {
    frame: Frame,
    head: Head,
    models: Vec<Listed>,
}

struct Listed {
    name: String,
    layer: String,
    href: String,
    /// `incremental by code`.
    materialized: String,
    reads: String,
    is_put: bool,
}

/// The editor.
#[derive(askama::Template)]
#[template(path = "admin/model.html")]
pub struct ModelPage {
    frame: Frame,
    head: Head,
    href: String,
    /// `abstraction.countries`.
    table: String,
    /// Whether the next run has it.
    is_there: bool,
    is_put: bool,
    materialized: String,
    reads: String,
    /// What stands in the editor, and how many lines it has.
    sql: String,
    rows: usize,
    /// That it is a text of the history.
    loaded: Option<String>,
    /// What came of a check.
    check: Option<Check>,
    history: Vec<Text>,
}

/// What stands in the editor beside the model's own text.
#[derive(Debug, Default, Clone, Copy)]
pub struct Edited<'a> {
    /// What was filled in.
    pub sql: Option<&'a str>,
    /// The text of the history that is to be loaded, by its position.
    pub position: Option<i64>,
    /// Whether what was filled in is to be checked.
    pub check: bool,
}

struct Check {
    status: Status,
    diagnostics: Vec<Diagnostic>,
    plan: Option<String>,
    columns: Vec<Column>,
    /// Models that the next run would build, and why.
    builds: Vec<(String, String)>,
    /// `2 other models are kept as they are.`
    keeps: String,
}

struct Diagnostic {
    status: Status,
    /// `line 3, column 7`.
    place: String,
    code: String,
    message: String,
    hint: Option<String>,
    /// The line of the text.
    excerpt: Option<String>,
}

struct Column {
    name: String,
    direct: String,
    indirect: String,
    origins: String,
}

struct Text {
    at: Option<Moment>,
    by: String,
    /// Where it is loaded; none where the folder's own came back.
    href: Option<String>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Answer {
    models: Vec<Model>,
    #[serde(default)]
    model_history: Vec<Put>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Model {
    layer: String,
    name: String,
    materialized: String,
    key: Vec<String>,
    reads: Vec<String>,
    sql: String,
    is_put: bool,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Put {
    position: i64,
    sql: Option<String>,
    put_by: Option<String>,
    put_at: String,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct CheckAnswer {
    check_model: SaidCheck,
}

#[derive(Deserialize)]
struct SaidCheck {
    accepted: bool,
    diagnostics: Vec<Said>,
    plan: Option<String>,
    columns: Vec<SaidColumn>,
    stages: Vec<Stage>,
}

#[derive(Deserialize)]
struct Said {
    code: String,
    severity: String,
    message: String,
    hint: Option<String>,
    file: Option<String>,
    line: Option<usize>,
    column: Option<usize>,
}

#[derive(Deserialize)]
struct SaidColumn {
    column: String,
    direct: Vec<String>,
    indirect: Vec<String>,
    origins: Vec<String>,
}

#[derive(Deserialize)]
struct Stage {
    name: String,
    action: String,
    detail: String,
}

impl ModelsPage {
    /// The page of a product; none where the visitor may not see it.
    ///
    /// # Errors
    /// [`PageError::Failed`], as of the other page.
    pub async fn make(asking: &Asking, id: &str, outcome: Outcome) -> Result<Option<Self>, PageError> {
        let Some((frame, head)) = Head::of(asking, id, "models", outcome).await? else { return Ok(None) };
        let said = asking.ask::<Answer>(LIST, json!({ "id": id })).await?.into_data()?.models;
        let listed = |model: &Model| Listed {
            name: model.name.clone(),
            layer: model.layer.clone(),
            href: href(&head, &model.layer, &model.name),
            materialized: materialized(model),
            reads: model.reads.join(", "),
            is_put: model.is_put,
        };
        Ok(Some(Self { models: said.iter().map(listed).collect(), frame, head }))
    }
}

impl ModelPage {
    /// The editor of a model, which may be one that is not there yet; none where the visitor may not see it.
    ///
    /// # Errors
    /// [`PageError::Failed`].
    pub async fn make(
        asking: &Asking,
        (id, layer, name): (&str, &str, &str),
        edited: Edited<'_>,
        mut outcome: Outcome,
    ) -> Result<Option<Self>, PageError> {
        let variables = json!({ "id": id, "layer": layer, "name": name });
        let mut check = None;
        if let (true, Some(sql)) = (edited.check, edited.sql) {
            let mut variables = variables.clone();
            variables["sql"] = json!(sql);
            let asked = asking.ask::<CheckAnswer>(CHECK, variables).await?;
            outcome.refused = outcome.refused.or(asked.error.map(|(_, why)| why));
            check = asked.data.map(|data| checked(data.check_model, (layer, name), sql));
        }
        let Some((mut frame, head)) = Head::of(asking, id, "models", outcome).await? else { return Ok(None) };
        let answer = asking.ask::<Answer>(ONE, variables).await?.into_data()?;
        let model = answer.models.iter().find(|model| model.layer == layer && model.name == name);
        if model.is_none() && !head.may_change() {
            return Ok(None);
        }
        let loaded = answer.model_history.iter().find(|put| Some(put.position) == edited.position);
        let from_history = loaded.and_then(|put| put.sql.as_deref());
        let own = model.map(|model| model.sql.as_str());
        let sql = edited.sql.or(from_history).or(own).unwrap_or_default().to_owned();
        let table = format!("{layer}.{name}");
        frame.title = format!("{}: model {table}", head.name);
        let href = href(&head, layer, name);
        Ok(Some(Self {
            is_there: model.is_some(),
            is_put: model.is_some_and(|model| model.is_put),
            materialized: model.map(materialized).unwrap_or_default(),
            reads: model.map(|model| model.reads.join(", ")).unwrap_or_default(),
            rows: (sql.lines().count() + 2).clamp(10, 40),
            sql,
            loaded: loaded.and_then(|put| moment(&put.put_at)).map(|at| at.text),
            check,
            history: answer.model_history.iter().map(|put| text(put, &href)).collect(),
            href,
            table,
            frame,
            head,
        }))
    }
}

fn href(head: &Head, layer: &str, name: &str) -> String {
    format!("{}/models/{}/{}", head.base, encode(layer), encode(name))
}

fn materialized(model: &Model) -> String {
    match model.key.as_slice() {
        [] => model.materialized.clone(),
        key => format!("{} by {}", model.materialized, key.join(", ")),
    }
}

fn text(put: &Put, href: &str) -> Text {
    Text {
        at: moment(&put.put_at),
        by: put.put_by.clone().unwrap_or_else(|| "nobody".to_owned()),
        href: put.sql.is_some().then(|| format!("{href}?text={}", put.position)),
    }
}

fn checked(said: SaidCheck, (layer, name): (&str, &str), sql: &str) -> Check {
    let status = match (said.accepted, said.diagnostics.is_empty()) {
        (true, true) => Status::new("It can be put in. Nothing has been changed.", "good"),
        (true, false) => {
            Status::new("It can be put in, and something is worth a look. Nothing has been changed.", "warn")
        }
        (false, _) => Status::new("It would be refused. Nothing has been changed.", "bad"),
    };
    let own = format!("models/{layer}/{name}.sql");
    let (built, kept): (Vec<Stage>, Vec<Stage>) = said.stages.into_iter().partition(|stage| stage.action != "keep");
    Check {
        status,
        diagnostics: said.diagnostics.into_iter().map(|found| diagnostic(found, &own, sql)).collect(),
        plan: said.plan,
        columns: said.columns.into_iter().map(column).collect(),
        builds: built.into_iter().map(|stage| (stage.name, stage.detail)).collect(),
        keeps: format!("{} as before.", count(kept.len() as i64, "model is", "models are")),
    }
}

fn diagnostic(said: Said, own: &str, sql: &str) -> Diagnostic {
    let is_own = said.file.as_deref().is_none_or(|file| file == own);
    let mut place = match (said.line, said.column) {
        (Some(line), Some(column)) => format!("line {line}, column {column}"),
        _ => String::new(),
    };
    if let (false, Some(file)) = (is_own, &said.file) {
        place = format!("{file}, {place}");
    }
    let line = said.line.filter(|_| is_own).and_then(|line| sql.lines().nth(line.checked_sub(1)?));
    Diagnostic {
        status: Status::new(said.severity.clone(), if said.severity == "error" { "bad" } else { "warn" }),
        place,
        code: said.code,
        message: said.message,
        hint: said.hint,
        excerpt: line.map(|line| line.trim().to_owned()).filter(|line| !line.is_empty()),
    }
}

fn column(said: SaidColumn) -> Column {
    Column {
        name: said.column,
        direct: said.direct.join(", "),
        indirect: said.indirect.join(", "),
        origins: said.origins.join(", "),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_wrong_is_shown_with_its_line() {
        let said = json!({"accepted": false, "plan": null, "columns": [], "stages": [], "diagnostics": [
            {"code": "MODEL_SQL", "severity": "error", "message": "m", "hint": null, "file": "models/output/a.sql", "line": 2, "column": 5},
            {"code": "MODEL_FAILED", "severity": "error", "message": "m", "hint": null, "file": "models/output/b.sql", "line": 1, "column": 1},
            {"code": "MODEL_SQL", "severity": "error", "message": "m", "hint": null, "file": null, "line": null, "column": null},
        ]});
        let check = checked(serde_json::from_value(said).unwrap(), ("output", "a"), "SELECT 1\n  FROM x\n");
        let places: Vec<(&str, Option<&str>)> =
            check.diagnostics.iter().map(|d| (d.place.as_str(), d.excerpt.as_deref())).collect();
        let other = "models/output/b.sql, line 1, column 1";
        assert_eq!(places, [("line 2, column 5", Some("FROM x")), (other, None), ("", None)]);
        assert_eq!(check.status.tone, "bad");
    }
}
