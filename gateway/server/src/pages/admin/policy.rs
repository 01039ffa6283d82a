//! The policy: turns the lines that hold at a product, and what others would change, into the page on which they are put in.

use super::head::{Head, Outcome};
use crate::pages::asked::{Asking, PageError};
use crate::pages::frame::Frame;
use serde::Deserialize;
use serde_json::json;
use terrane_views::text::{count, moment};
use terrane_views::{Moment, Status};

const QUERY: &str = "query Policy($id: ID!) {
  policyLines(product: $id) {
    lines { line origin madeOf } text put { text reason putBy putAt } overtaken diagnostics { ...D }
  }
  policyHistory(product: $id, first: 20) { text reason putBy putAt widening narrowing }
}
fragment D on PolicyDiagnostic { severity message hint line }";

const PREVIEW: &str = "query Effect($id: ID!, $text: String) {
  policyPreview(product: $id, text: $text) {
    state locksOut widening narrowing changedGrants
    diagnostics { severity message hint line }
    changes { role object action before after widens }
    grants { subject role fields changes lostWith inVain }
  }
}";

/// The page.
#[derive(askama::Template)]
#[template(path = "admin/policy.html")]
pub struct PolicyPage {
    frame: Frame,
    head: Head,
    lines: Vec<Line>,
    /// What stands in the place of the folder's own lines: `Put in by …`.
    put: Option<Put>,
    overtaken: bool,
    /// What is wrong with what holds.
    findings: Vec<String>,
    /// What is in the text field.
    text: String,
    effect: Option<Effect>,
    history: Vec<Put>,
}

struct Put {
    title: String,
    reason: String,
    at: Option<Moment>,
    /// `1 decision gives more, 2 give less or something else.`
    size: String,
    text: String,
}

/// What a text would change, and the form that puts it in.
struct Effect {
    title: &'static str,
    summary: String,
    /// Why it cannot be put in.
    problems: Vec<String>,
    rows: Vec<Row>,
    /// Rows that are not shown: `and 20 more`.
    more: Option<String>,
    grants: Vec<String>,
    expected: String,
    text: String,
    back: bool,
    reason: String,
}

struct Row {
    role: String,
    sentence: String,
    status: Status,
}

/// What was filled in.
#[derive(Debug, Default, Clone)]
pub struct Draft {
    /// The own lines.
    pub text: String,
    /// Whether the folder's own lines are to be back, whatever the text is.
    pub back: bool,
    /// Why.
    pub reason: String,
}

impl Draft {
    /// What is put in; none is the folder's own lines.
    pub fn put(&self) -> Option<&str> {
        (!self.back).then_some(self.text.as_str())
    }
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Answer {
    policy_lines: Lines,
    policy_history: Vec<ToldPut>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Lines {
    lines: Vec<Line>,
    text: String,
    put: Option<ToldPut>,
    overtaken: bool,
    diagnostics: Vec<Diagnostic>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Line {
    line: String,
    origin: String,
    made_of: String,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct ToldPut {
    #[serde(default)]
    text: Option<String>,
    reason: String,
    put_by: Option<String>,
    put_at: String,
    #[serde(default)]
    widening: i64,
    #[serde(default)]
    narrowing: i64,
}

#[derive(Deserialize)]
struct Diagnostic {
    severity: String,
    message: String,
    hint: Option<String>,
    line: Option<u32>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Previewed {
    policy_preview: Preview,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Preview {
    state: String,
    locks_out: bool,
    widening: i64,
    narrowing: i64,
    changed_grants: i64,
    diagnostics: Vec<Diagnostic>,
    changes: Vec<Change>,
    grants: Vec<GrantChange>,
}

#[derive(Deserialize)]
struct Change {
    role: String,
    object: String,
    action: String,
    before: String,
    after: String,
    widens: bool,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct GrantChange {
    subject: String,
    role: Option<String>,
    fields: Vec<String>,
    changes: i64,
    lost_with: Vec<String>,
    in_vain: bool,
}

impl PolicyPage {
    /// The page of a product, with what `draft` would change where there is one; none where the visitor may not see it.
    ///
    /// # Errors
    /// [`PageError::Failed`].
    pub async fn make(
        asking: &Asking,
        id: &str,
        outcome: Outcome,
        draft: Option<&Draft>,
    ) -> Result<Option<Self>, PageError> {
        let Some((frame, mut head)) = Head::of(asking, id, "policy", outcome).await? else { return Ok(None) };
        let Answer { policy_lines: now, policy_history } =
            asking.ask::<Answer>(QUERY, json!({ "id": id })).await?.into_data()?;
        let mut effect = None;
        if let Some(draft) = draft {
            let asked = asking.ask::<Previewed>(PREVIEW, json!({ "id": id, "text": draft.put() })).await?;
            match (asked.data, asked.error) {
                (Some(told), _) => effect = Some(effect_of(told.policy_preview, draft)),
                (None, error) => {
                    let why = error.map_or_else(|| "the product did not say what changes".to_owned(), |(_, why)| why);
                    head.outcome.refused.get_or_insert(why);
                }
            }
        }
        let text = draft.filter(|draft| !draft.back).map_or_else(|| now.text.clone(), |draft| draft.text.clone());
        Ok(Some(Self {
            frame,
            head,
            lines: now.lines,
            put: now.put.map(put),
            overtaken: now.overtaken,
            findings: now.diagnostics.iter().map(finding).collect(),
            text,
            effect,
            history: policy_history.into_iter().map(put).collect(),
        }))
    }
}

fn put(told: ToldPut) -> Put {
    let who = told.put_by.as_deref().unwrap_or("somebody");
    let title = match told.text {
        Some(_) => format!("Put in by {who}"),
        None => format!("The folder's own brought back by {who}"),
    };
    Put {
        title,
        reason: told.reason,
        at: moment(&told.put_at),
        size: size(told.widening, told.narrowing),
        text: told.text.unwrap_or_default(),
    }
}

fn size(widening: i64, narrowing: i64) -> String {
    let decisions = |number: i64| count(number, "decision", "decisions");
    match (widening, narrowing) {
        (0, 0) => "Nothing changes: every role gets what it got.".to_owned(),
        (0, narrowing) => {
            format!("Nothing gives more; {} less, or something else.", gives(&decisions(narrowing), narrowing))
        }
        (widening, 0) => format!("{} more; nothing gives less.", gives(&decisions(widening), widening)),
        (widening, narrowing) => format!(
            "{} more; {} less, or something else.",
            gives(&decisions(widening), widening),
            gives(&decisions(narrowing), narrowing)
        ),
    }
}

fn gives(of: &str, number: i64) -> String {
    format!("{of} {}", if number == 1 { "gives" } else { "give" })
}

fn finding(told: &Diagnostic) -> String {
    let place = told.line.map(|line| format!("Line {line}: ")).unwrap_or_default();
    let hint = told.hint.as_ref().map(|hint| format!(" ({hint})")).unwrap_or_default();
    format!("{place}{}{hint}", told.message)
}

fn effect_of(told: Preview, draft: &Draft) -> Effect {
    let mut problems: Vec<String> =
        told.diagnostics.iter().filter(|found| found.severity == "error").map(finding).collect();
    if problems.is_empty() && told.locks_out {
        problems.push(
            "No role could do admin on port:control any more, and so nobody could put in another policy. Keep a line p, \
             ROLE, port:control, admin, allow."
                .to_owned(),
        );
    }
    let shown = |number: usize| i64::try_from(number).unwrap_or(i64::MAX);
    let left = told.widening + told.narrowing - shown(told.changes.len());
    let mut grants: Vec<String> = told.grants.iter().map(of_grant).collect();
    let unseen = told.changed_grants - shown(grants.len());
    if unseen > 0 {
        grants.push(format!("{} that you may not see, or that are not shown.", count(unseen, "grant", "grants")));
    }
    Effect {
        title: if draft.back { "What bringing back the folder's own changes" } else { "What this text changes" },
        summary: size(told.widening, told.narrowing),
        problems,
        rows: told.changes.iter().map(row).collect(),
        more: (left > 0).then(|| format!("And {left} more.")),
        grants,
        expected: told.state,
        text: draft.text.clone(),
        back: draft.back,
        reason: draft.reason.clone(),
    }
}

fn row(change: &Change) -> Row {
    let status = match (change.widens, change.after.as_str()) {
        (true, _) => Status { text: "Gives more".to_owned(), tone: "warn" },
        (false, "deny") => Status { text: "Takes away".to_owned(), tone: "muted" },
        (false, _) => Status { text: "Gives less".to_owned(), tone: "muted" },
    };
    Row { role: change.role.clone(), sentence: sentence(change), status }
}

/// `anonymous could not read countries.population, and will`.
fn sentence(change: &Change) -> String {
    let Change { role, object, action, before, after, .. } = change;
    let before = match before.as_str() {
        "deny" => format!("{role} could not {action} {object}"),
        "allow" => format!("{role} could {action} {object}"),
        "all rows" => format!("{role} could see all rows of {object}"),
        "some rows" => format!("{role} could see some rows of {object}"),
        mask => format!("{role} could see {object} through {}", masked(mask)),
    };
    let after = match after.as_str() {
        "deny" => "will no longer".to_owned(),
        "allow" if action == "read" => "will read it".to_owned(),
        "allow" => "will".to_owned(),
        "all rows" => "will see all".to_owned(),
        "some rows" => "will see some, or others".to_owned(),
        mask => format!("will see it through {}", masked(mask)),
    };
    format!("{before}, and {after}")
}

/// `a mask (partial)`, of `mask partial`.
fn masked(word: &str) -> String {
    format!("a mask ({})", word.strip_prefix("mask ").unwrap_or(word))
}

fn of_grant(change: &GrantChange) -> String {
    let end = if change.in_vain { ", and it gives nothing any more" } else { "" };
    match &change.role {
        Some(role) => format!(
            "{}, who was granted the role {role}: {}{end}.",
            change.subject,
            count(change.changes, "decision changes", "decisions change")
        ),
        None => format!(
            "{}, who was granted {}: no longer given with the roles {}{end}.",
            change.subject,
            change.fields.join(", "),
            change.lost_with.join(", ")
        ),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn change(action: &str, before: &str, after: &str) -> Change {
        let [role, object] = ["anonymous", "countries.population"].map(str::to_owned);
        let [action, before, after] = [action, before, after].map(str::to_owned);
        Change { role, object, action, before, after, widens: true }
    }

    #[test]
    fn changes_are_told_as_sentences() {
        for (action, before, after, told) in [
            ("read", "deny", "allow", "anonymous could not read countries.population, and will read it"),
            ("read", "allow", "deny", "anonymous could read countries.population, and will no longer"),
            (
                "read",
                "mask partial",
                "allow",
                "anonymous could see countries.population through a mask (partial), and will read it",
            ),
            (
                "rows",
                "some rows",
                "all rows",
                "anonymous could see some rows of countries.population, and will see all",
            ),
        ] {
            assert_eq!(sentence(&change(action, before, after)), told);
        }
        assert_eq!(size(1, 2), "1 decision gives more; 2 decisions give less, or something else.");
        assert_eq!(size(0, 0), "Nothing changes: every role gets what it got.");
    }
}
