//! Policies: the policy lines that hold at a product, what others would change, and putting them in.

use super::super::access::Asked;
use super::super::client::{ClientError, ask, schema};
use super::super::schema::{asked, refused};
use super::super::timestamp::Timestamp;
use async_graphql::{Context, ID, Object, Result, SimpleObject};
use cynic::{MutationBuilder as _, QueryBuilder as _, QueryFragment, QueryVariables};
use std::time::Duration;

/// A product compiles the policy, for each of its roles, before it answers.
const LIMIT: Duration = Duration::from_secs(60);

/// The policy lines of a product that hold.
#[derive(Debug, Clone, QueryFragment, SimpleObject)]
#[cynic(schema = "product")]
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
    /// What is wrong with what was put in.
    pub diagnostics: Vec<PolicyDiagnostic>,
}

/// A policy line.
#[derive(Debug, Clone, QueryFragment, SimpleObject)]
#[cynic(schema = "product")]
pub struct PolicyLine {
    /// Its text.
    pub line: String,
    /// `discovery`, `contract`, `folder` or `put`.
    pub origin: String,
    /// What it is made of, in words.
    pub made_of: String,
}

/// Something that is wrong with a text of policy lines.
#[derive(Debug, Clone, QueryFragment, SimpleObject)]
#[cynic(schema = "product")]
pub struct PolicyDiagnostic {
    /// `error` or `warning`.
    pub severity: String,
    /// Its code.
    pub code: String,
    /// What is wrong.
    pub message: String,
    /// What to do.
    pub hint: Option<String>,
    /// Line of the text, from 1; null where it is about the whole.
    pub line: Option<i32>,
}

/// A decision that would be another one.
#[derive(Debug, Clone, QueryFragment, SimpleObject)]
#[cynic(schema = "product")]
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
#[derive(Debug, Clone, QueryFragment, SimpleObject)]
#[cynic(schema = "product")]
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
#[derive(Debug, Clone, QueryFragment, SimpleObject)]
#[cynic(schema = "product")]
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
#[derive(Debug, Clone, QueryFragment, SimpleObject)]
#[cynic(schema = "product")]
pub struct PutPolicy {
    /// Place in the history.
    pub position: i32,
    /// The lines; null gave way to the folder's own.
    pub text: Option<String>,
    /// Why.
    pub reason: String,
    /// Who put them in.
    pub put_by: Option<String>,
    /// When.
    pub put_at: Timestamp,
    /// A word for the lines that held before.
    pub before: String,
    /// A word for the lines that held then.
    pub after: String,
    /// Decisions that gave more then.
    pub widening: i32,
    /// Decisions that gave less, or something else.
    pub narrowing: i32,
}

#[derive(Debug, QueryFragment)]
#[cynic(graphql_type = "Query", schema = "product")]
struct Lines {
    policy_lines: PolicyLines,
}

#[derive(Debug, QueryVariables)]
struct PreviewVariables {
    text: Option<String>,
}

#[derive(Debug, QueryFragment)]
#[cynic(graphql_type = "Query", schema = "product", variables = "PreviewVariables")]
struct Preview {
    #[arguments(text: $text)]
    policy_preview: PolicyPreview,
}

#[derive(Debug, QueryVariables)]
struct HistoryVariables {
    first: i32,
}

#[derive(Debug, QueryFragment)]
#[cynic(graphql_type = "Query", schema = "product", variables = "HistoryVariables")]
struct History {
    #[arguments(first: $first)]
    policy_history: Vec<PutPolicy>,
}

#[derive(Debug, QueryVariables)]
struct PutVariables {
    text: Option<String>,
    reason: String,
    expected: Option<String>,
}

#[derive(Debug, QueryFragment)]
#[cynic(graphql_type = "Mutation", schema = "product", variables = "PutVariables")]
struct Put {
    #[arguments(text: $text, reason: $reason, expected: $expected)]
    put_policy: PutPolicy,
}

impl Asked<'_> {
    async fn policy_lines(self) -> Result<PolicyLines, ClientError> {
        let data: Lines = ask(self.source, self.caller, &Lines::build(()), LIMIT).await?;
        Ok(data.policy_lines)
    }

    async fn policy_preview(self, text: Option<String>) -> Result<PolicyPreview, ClientError> {
        let operation = Preview::build(PreviewVariables { text });
        let data: Preview = ask(self.source, self.caller, &operation, LIMIT).await?;
        Ok(data.policy_preview)
    }

    async fn policy_history(self, first: i32) -> Result<Vec<PutPolicy>, ClientError> {
        let operation = History::build(HistoryVariables { first });
        let data: History = ask(self.source, self.caller, &operation, LIMIT).await?;
        Ok(data.policy_history)
    }

    async fn put_policy(self, variables: PutVariables) -> Result<PutPolicy, ClientError> {
        let data: Put = ask(self.source, self.caller, &Put::build(variables), LIMIT).await?;
        Ok(data.put_policy)
    }
}

/// Queries about products' policies.
#[derive(Debug, Default)]
pub struct PolicyQuery;

#[Object]
impl PolicyQuery {
    /// The policy lines of a product that hold, each with what it is made of: for who may do `admin` on its `port:control` or
    /// `read` on its `port:access`.
    async fn policy_lines(&self, ctx: &Context<'_>, product: ID) -> Result<PolicyLines> {
        asked(ctx, &product)?.policy_lines().await.map_err(refused)
    }

    /// What would change if `text` were put in as a product's own policy lines (without it: if the folder's own were brought
    /// back): for every role, and for the grants that hold.
    async fn policy_preview(&self, ctx: &Context<'_>, product: ID, text: Option<String>) -> Result<PolicyPreview> {
        asked(ctx, &product)?.policy_preview(text).await.map_err(refused)
    }

    /// The policies that were put in at a product, the newest first.
    async fn policy_history(
        &self,
        ctx: &Context<'_>,
        product: ID,
        #[graphql(default = 20)] first: i32,
    ) -> Result<Vec<PutPolicy>> {
        asked(ctx, &product)?.policy_history(first).await.map_err(refused)
    }
}

/// The mutation of products' policies.
#[derive(Debug, Default)]
pub struct PolicyMutation;

#[Object]
impl PolicyMutation {
    /// Put in a product's own policy lines, in the place of its folder's `policy.csv`; without `text`, the folder's own are back.
    /// They hold everywhere within a second. `expected` is the state that was told with what would change: where other lines
    /// hold meanwhile, nothing is put in.
    async fn put_policy(
        &self,
        ctx: &Context<'_>,
        product: ID,
        text: Option<String>,
        reason: String,
        expected: Option<ID>,
    ) -> Result<PutPolicy> {
        let expected = expected.map(|expected| expected.0);
        asked(ctx, &product)?.put_policy(PutVariables { text, reason, expected }).await.map_err(refused)
    }
}
