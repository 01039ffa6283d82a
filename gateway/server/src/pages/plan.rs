//! Plans: turns an operation into how the gateway would answer it, for visitors to whom the mesh's rules show that.

use super::asked::PageError;
use super::asked::authenticate;
use super::frame::Frame;
use crate::gateway::Gateway;
use crate::graph::RunError;
use http::HeaderMap;
use serde_json::Value;
use std::sync::Arc;
use terrane_graphql::{GraphqlError, Request};
use terrane_policy::Caller;

/// The page.
#[derive(askama::Template)]
#[template(path = "plan.html")]
pub struct PlanPage {
    /// Around it.
    pub frame: Frame,
    /// What was asked.
    pub operation: String,
    /// The plan as text.
    pub plan: Option<String>,
    /// Why there is none.
    pub refused: Option<String>,
}

/// A plan as text and as JSON.
#[derive(Debug)]
pub struct Explained {
    /// As `terrane plan` prints it.
    pub text: String,
    /// As `terrane plan --json` prints it.
    pub json: Value,
}

/// Why there is no plan.
#[derive(Debug)]
pub enum NoPlan {
    /// The visitor may not see plans.
    Forbidden,
    /// The operation can't run.
    Invalid(Vec<GraphqlError>),
}

/// Who asks, where plans are shown to them.
///
/// # Errors
/// [`PageError::Unauthenticated`].
pub async fn visitor(gateway: &Gateway, headers: &HeaderMap) -> Result<(Arc<Caller>, bool), PageError> {
    let caller = authenticate(gateway, headers).await?;
    let shown = gateway.inner.settings.rules.now().shows_plans(&caller.roles);
    Ok((caller, shown))
}

/// The plan of an operation, as it is run for `caller`.
///
/// # Errors
/// [`NoPlan`].
pub fn explain(gateway: &Gateway, caller: &Caller, shown: bool, request: &Request) -> Result<Explained, NoPlan> {
    if !shown {
        return Err(NoPlan::Forbidden);
    }
    let Some(graph) = gateway.graph() else {
        let error = GraphqlError::new("NO_GRAPH", "there is no graph yet; the catalog says what is wrong");
        return Err(NoPlan::Invalid(vec![error]));
    };
    match graph.explain(request, caller) {
        Ok((text, json)) => Ok(Explained { text, json }),
        Err(RunError::Request(errors)) => Err(NoPlan::Invalid(errors)),
        Err(RunError::NotAQuery) => Err(NoPlan::Invalid(Vec::new())),
    }
}
