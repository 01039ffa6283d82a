//! Policies at run time: turns a text of policy lines into who could do what that they couldn't before, and then into the lines
//! that hold.

use super::PortsContext;
use super::access::ACCESS_READ;
use super::guard::{ADMIN, internal, refused, require, require_audited};
use super::query::bounded;
use crate::policies::{Composed, Effect, GrantChange, InForce, base, effect};
use async_graphql::{Context, Error, Object, Result, SimpleObject};
use chrono::{DateTime, Utc};
use serde_json::json;
use std::sync::Arc;
use terrane_diagnostics::{Diagnostic, Severity, has_errors};
use terrane_query::Change;
use terrane_store as store;
use terrane_store::{AccessGrant, NewPolicy, View};

/// Bytes of a policy's text.
const LARGEST: usize = 64 * 1024;
/// Characters of a reason.
const LONGEST_REASON: usize = 1_000;
/// Changed decisions, and changed grants, that are told; how many there are is told always.
const MOST_TOLD: usize = 1_000;
/// Grants that are looked at: as many as a product can have.
const MOST_GRANTS: i64 = 100_000;

/// The policy lines of a product that hold.
#[derive(SimpleObject, Debug, Clone)]
pub struct PolicyLines {
    /// A word for them: what `putPolicy` expects.
    pub state: String,
    /// The lines, in order.
    pub lines: Vec<PolicyLine>,
    /// The product's own lines, as they were written.
    pub text: String,
    /// The folder's own lines.
    pub folder_text: String,
    /// What was put in in the place of the folder's, if something is.
    pub put: Option<PutPolicy>,
    /// Whether the folder's own lines have become others since then. What they deny is denied as well, until a policy is
    /// put in again or the folder's is brought back.
    pub overtaken: bool,
    /// What is wrong with what was put in: it names what the folder does not have any more.
    pub diagnostics: Vec<PolicyDiagnostic>,
}

/// A policy line.
#[derive(SimpleObject, Debug, Clone)]
pub struct PolicyLine {
    /// Its text.
    pub line: String,
    /// `discovery`, `contract`, `folder` or `put`.
    pub origin: &'static str,
    /// What it is made of, in words.
    pub made_of: String,
}

/// Something that is wrong with a text of policy lines.
#[derive(SimpleObject, Debug, Clone)]
pub struct PolicyDiagnostic {
    /// `error` or `warning`.
    pub severity: &'static str,
    /// Its code.
    pub code: &'static str,
    /// What is wrong.
    pub message: String,
    /// What to do.
    pub hint: Option<String>,
    /// Line of the text, from 1; none where it is about the whole.
    pub line: Option<i32>,
}

/// A decision that would be another one.
#[derive(SimpleObject, Debug, Clone)]
pub struct PolicyChange {
    /// Whose: a role, `anonymous` included.
    pub role: String,
    /// About what: `dataset.field`, `port:NAME`, or the dataset whose rows it is about.
    pub object: String,
    /// Which action: `read`, `write`, `run`, `admin`; or `rows`.
    pub action: String,
    /// `allow`, `deny`, or `mask` and its kind; of rows `some rows` or `all rows`.
    pub before: String,
    /// The same, then.
    pub after: String,
    /// Whether the role gets something that it did not.
    pub widens: bool,
}

/// A grant that would give something else than it does.
#[derive(SimpleObject, Debug, Clone)]
pub struct PolicyGrantChange {
    /// Its id.
    pub id: String,
    /// Whose.
    pub subject: String,
    /// The role, where it is one of a role.
    pub role: Option<String>,
    /// Of its fields, those that it would no longer give to who has one of the roles `lostWith`.
    pub fields: Vec<String>,
    /// Of a role: decisions that become others.
    pub changes: i32,
    /// Of a role: decisions that give more.
    pub widening: i32,
    /// Roles together with which its fields were given, and would be no longer.
    pub lost_with: Vec<String>,
    /// Whether it would give nothing at all any more.
    pub in_vain: bool,
}

/// What a text of policy lines would change.
#[derive(SimpleObject, Debug, Clone)]
pub struct PolicyPreview {
    /// A word for the lines that hold now: what `putPolicy` expects, so that what was shown is what is applied.
    pub state: String,
    /// A word for the lines that would hold.
    pub after: String,
    /// What is wrong with the text; with an error it cannot be put in, and no effect is told.
    pub diagnostics: Vec<PolicyDiagnostic>,
    /// Whether no role could do `admin` on `port:control` any more: then it cannot be put in.
    pub locks_out: bool,
    /// Decisions that would give more.
    pub widening: i32,
    /// Decisions that would give less, or something else.
    pub narrowing: i32,
    /// The decisions, those first that would give more; a thousand at most.
    pub changes: Vec<PolicyChange>,
    /// Grants that would give something else.
    pub changed_grants: i32,
    /// These grants, those first that would give nothing; a thousand at most, for who may see grants.
    pub grants: Vec<PolicyGrantChange>,
}

/// Policy lines as they were put in.
#[derive(SimpleObject, Debug, Clone)]
pub struct PutPolicy {
    /// Place in the history.
    pub position: i64,
    /// The lines; none gave way to the folder's own.
    pub text: Option<String>,
    /// Why.
    pub reason: String,
    /// Who put them in.
    pub put_by: Option<String>,
    /// When.
    pub put_at: DateTime<Utc>,
    /// A word for the lines that held before.
    pub before: String,
    /// A word for the lines that held then.
    pub after: String,
    /// Decisions that gave more then.
    pub widening: i64,
    /// Decisions that gave less, or something else.
    pub narrowing: i64,
}

/// Queries about the policy.
#[derive(Debug, Clone, Copy, Default)]
pub struct PolicyQuery;

#[Object]
impl PolicyQuery {
    /// The policy lines that hold, each with what it is made of: for who may do `admin` on `port:control` or `read` on
    /// `port:access`.
    async fn policy_lines(&self, ctx: &Context<'_>) -> Result<PolicyLines> {
        let context = may_look(ctx)?;
        Ok(lines(&*newest(context).await?, context))
    }

    /// What would change if `text` were put in as the product's own policy lines (without it: if the folder's own were brought
    /// back): for every role, and for the grants that hold.
    async fn policy_preview(&self, ctx: &Context<'_>, text: Option<String>) -> Result<PolicyPreview> {
        let context = may_look(ctx)?;
        let Considered { before, after, problems, effect } = consider(context, text).await?;
        let sees_grants = context.access.allows(ACCESS_READ.object, ACCESS_READ.action);
        let told = effect.grants.iter().take(if sees_grants { MOST_TOLD } else { 0 });
        Ok(PolicyPreview {
            state: before.state().to_owned(),
            after: after.state.clone(),
            diagnostics: problems.iter().map(PolicyDiagnostic::from).collect(),
            locks_out: after.locks_out(),
            widening: count(effect.widening),
            narrowing: count(effect.changes.len() - effect.widening),
            changes: effect.changes.iter().take(MOST_TOLD).map(PolicyChange::from).collect(),
            changed_grants: count(effect.grants.len()),
            grants: told.map(PolicyGrantChange::from).collect(),
        })
    }

    /// The policies that were put in, the newest first.
    async fn policy_history(&self, ctx: &Context<'_>, #[graphql(default = 20)] first: i32) -> Result<Vec<PutPolicy>> {
        let context = may_look(ctx)?;
        let history = context.service.store().policy_history(bounded(first)?).await.map_err(internal)?;
        Ok(history.into_iter().map(PutPolicy::from).collect())
    }
}

/// The mutation of the policy.
#[derive(Debug, Clone, Copy, Default)]
pub struct PolicyMutation;

#[Object]
impl PolicyMutation {
    /// Put in the product's own policy lines, in the place of the folder's `policy.csv`; without `text`, the folder's own are
    /// back. They hold everywhere within a second. `expected` is the state that was told with what would change: where other
    /// lines hold meanwhile, nothing is put in.
    async fn put_policy(
        &self,
        ctx: &Context<'_>,
        text: Option<String>,
        reason: String,
        expected: Option<String>,
    ) -> Result<PutPolicy> {
        let context = ctx.data::<PortsContext>()?;
        if !context.access.allows(ADMIN.object, ADMIN.action) {
            let detail = json!({ "bytes": text.as_ref().map(String::len) });
            require_audited(ctx, ADMIN, "putPolicy", Some(detail)).await?;
        }
        let reason = reason.trim().to_owned();
        if reason.is_empty() || reason.chars().count() > LONGEST_REASON {
            let message = format!("say in `reason` why, in at most {LONGEST_REASON} characters");
            return Err(refused("BAD_USER_INPUT", message));
        }
        let considered = consider(context, text.clone()).await?;
        let (before, after) = (&considered.before, &considered.after);
        let (widening, all) = (considered.effect.widening, considered.effect.changes.len());
        let detail = json!({
            "reason": reason, "before": before.state(), "after": after.state, "expected": expected.as_deref(),
            "widening": widening, "narrowing": all - widening, "grants": considered.effect.grants.len(),
            "bytes": text.as_ref().map(String::len), "problems": considered.problems.len(),
        });
        let context = require_audited(ctx, ADMIN, "putPolicy", Some(detail)).await?;
        considered.refuse(expected.as_deref())?;
        let new = NewPolicy {
            text,
            base: base(context.service.policies().folder()),
            reason,
            before: before.state().to_owned(),
            after: after.state.clone(),
            widening: i64::try_from(widening).unwrap_or(i64::MAX),
            narrowing: i64::try_from(all - widening).unwrap_or(i64::MAX),
            put_by: context.caller.subject.clone(),
        };
        let put = context.service.store().keep_policy(&new, before.position()).await.map_err(internal)?;
        let put = put.ok_or_else(changed_meanwhile)?;
        // it holds here before this is answered; the others hear of it
        if let Err(error) = context.service.policies().refresh().await {
            tracing::warn!(%error, "a change of the policy is enforced a moment later");
        }
        Ok(PutPolicy::from(put))
    }
}

/// The context, for who may see the policy.
fn may_look<'a>(ctx: &'a Context<'_>) -> Result<&'a PortsContext> {
    let access = &ctx.data::<PortsContext>()?.access;
    let looks = access.allows(ACCESS_READ.object, ACCESS_READ.action);
    require(ctx, if looks { ACCESS_READ } else { ADMIN })
}

/// What holds now, in whichever process it was put in.
async fn newest(context: &PortsContext) -> Result<Arc<InForce>> {
    context.service.policies().refresh().await.map_err(internal)?;
    Ok(context.service.in_force())
}

fn lines(now: &InForce, context: &PortsContext) -> PolicyLines {
    let line = |(line, origin): (&Vec<String>, &terrane_manifest::LineOrigin)| PolicyLine {
        line: line.join(", "),
        origin: origin.kind(),
        made_of: origin.to_string(),
    };
    let folder_text = context.service.policies().folder().policy_text.clone();
    let put = now.put().filter(|put| put.text.is_some()).cloned();
    PolicyLines {
        state: now.state().to_owned(),
        lines: now.lines().map(line).collect(),
        text: put.as_ref().and_then(|put| put.text.clone()).unwrap_or_else(|| folder_text.clone()),
        folder_text,
        put: put.map(PutPolicy::from),
        overtaken: now.composed().overtaken,
        diagnostics: now.composed().findings.iter().map(PolicyDiagnostic::from).collect(),
    }
}

/// A text that may be put in, with what it would change.
struct Considered {
    before: Arc<InForce>,
    after: Composed,
    problems: Vec<Diagnostic>,
    effect: Effect,
}

impl Considered {
    /// Refuse what must not come to hold.
    fn refuse(&self, expected: Option<&str>) -> Result<()> {
        if expected.is_some_and(|expected| expected != self.before.state()) {
            return Err(changed_meanwhile());
        }
        let errors: Vec<&Diagnostic> = self.problems.iter().filter(|found| found.severity == Severity::Error).collect();
        if let Some(first) = errors.first() {
            let texts: Vec<String> = errors.iter().map(|found| said(found)).collect();
            return Err(refused(first.code, texts.join("; ")));
        }
        if self.after.locks_out() {
            let message = "no role could do `admin` on `port:control` any more, and so nobody could put in another policy; keep \
                           a line `p, ROLE, port:control, admin, allow`";
            return Err(refused("POLICY_LOCKS_OUT", message));
        }
        Ok(())
    }
}

fn said(found: &Diagnostic) -> String {
    let hint = found.hint.as_ref().map(|hint| format!(" ({hint})")).unwrap_or_default();
    match found.locations.first().filter(|place| place.line > 0) {
        Some(place) => format!("line {}: {}{hint}", place.line, found.message),
        None => format!("{}{hint}", found.message),
    }
}

fn changed_meanwhile() -> Error {
    refused(
        "POLICY_CHANGED_MEANWHILE",
        "other policy lines hold than those on which this was decided; look at what it would change now",
    )
}

/// Look at what a text would change, beside the requests.
async fn consider(context: &PortsContext, text: Option<String>) -> Result<Considered> {
    if text.as_ref().is_some_and(|text| text.len() > LARGEST) {
        return Err(refused("BAD_USER_INPUT", format!("a policy has at most {LARGEST} bytes")));
    }
    let before = newest(context).await?;
    let grants = grants(context).await?;
    let folder = Arc::clone(context.service.policies().folder());
    let considering = move || {
        let after = Composed::candidate(&folder, text.as_deref()).map_err(|e| refused(e.code(), e))?;
        let problems = after.problems();
        let effect = match has_errors(&problems) {
            true => Effect::default(),
            false => effect(&before, &after, &grants),
        };
        Ok(Considered { before, after, problems, effect })
    };
    tokio::task::spawn_blocking(considering).await.map_err(internal)?
}

/// The grants that hold.
async fn grants(context: &PortsContext) -> Result<Vec<AccessGrant>> {
    let all = View { subject: String::new(), keys: Vec::new(), all: true };
    context.service.store().access_grants(&all, None, true, MOST_GRANTS).await.map_err(internal)
}

fn count(of: usize) -> i32 {
    i32::try_from(of).unwrap_or(i32::MAX)
}

impl From<&Diagnostic> for PolicyDiagnostic {
    fn from(found: &Diagnostic) -> Self {
        let severity = match found.severity {
            Severity::Error => "error",
            Severity::Warning => "warning",
        };
        let line = found.locations.first().filter(|place| place.source == "policy.csv");
        Self {
            severity,
            code: found.code,
            message: found.message.clone(),
            hint: found.hint.clone(),
            line: line.and_then(|place| i32::try_from(place.line).ok()),
        }
    }
}

impl From<&Change> for PolicyChange {
    fn from(change: &Change) -> Self {
        Self {
            role: change.role.clone(),
            object: change.object.clone(),
            action: change.action.clone(),
            before: change.before.words(),
            after: change.after.words(),
            widens: change.widens(),
        }
    }
}

impl From<&GrantChange> for PolicyGrantChange {
    fn from(change: &GrantChange) -> Self {
        Self {
            id: change.id.to_string(),
            subject: change.subject.clone(),
            role: change.role.clone(),
            fields: change.fields.clone(),
            changes: count(change.changes),
            widening: count(change.widening),
            lost_with: change.lost_with.clone(),
            in_vain: change.in_vain,
        }
    }
}

impl From<store::PutPolicy> for PutPolicy {
    fn from(put: store::PutPolicy) -> Self {
        Self {
            position: put.position,
            text: put.text,
            reason: put.reason,
            put_by: put.put_by,
            put_at: put.put_at,
            before: put.before,
            after: put.after,
            widening: put.widening,
            narrowing: put.narrowing,
        }
    }
}
