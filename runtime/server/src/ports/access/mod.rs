//! Access: turns requests for access, their approvals and the grants that come of them into GraphQL objects, and callers' wishes
//! into the next step.
//!
//! Who approves is the contract's to say, who else may look or end something is the policy's (`port:access`). What is written
//! is the store's; that a grant holds is seen in [`crate::grants`].

mod ask;
mod objects;
mod rights;

pub use ask::{Ask, grant, grants, request, requests, revoke, roles};
pub use objects::{AccessGrant, AccessRequest, AccessRole};
pub use rights::{ACCESS_ADMIN, ACCESS_READ, notice_view};

use super::PortsContext;
use super::guard::{internal, refused};
use async_graphql::{Error, Result};
use rights::actor;
use terrane_store::{AuditRecord, StoreError};
use uuid::Uuid;

/// Take a level of a request further, or end the request.
pub async fn decide(context: &PortsContext, id: &str, approve: bool, reason: Option<&str>) -> Result<AccessRequest> {
    let id = uuid(id)?;
    let reason = reason.map(|text| ask::sentence("reason", text)).transpose()?;
    let (actor, store) = (actor(context)?, context.service.store());
    let decided = match (approve, &reason) {
        (true, reason) => store.approve_access(id, &actor, reason.as_deref()).await,
        (false, Some(reason)) => store.deny_access(id, &actor, reason).await,
        (false, None) => return Err(refused("BAD_USER_INPUT", "say in `reason` why it is denied")),
    };
    match decided {
        Ok(request) => {
            hold(context).await;
            one_request(context, request).await
        }
        Err(error) => Err(not_taken(context, if approve { "approveAccess" } else { "denyAccess" }, id, error).await),
    }
}

async fn one_request(context: &PortsContext, request: terrane_store::AccessRequest) -> Result<AccessRequest> {
    let told = objects::tell_requests(context, vec![request]).await?.pop();
    told.ok_or_else(|| internal("a request was not told of"))
}

async fn one_grant(context: &PortsContext, grant: terrane_store::AccessGrant) -> Result<AccessGrant> {
    let told = objects::tell_grants(context, vec![grant]).await?.pop();
    told.ok_or_else(|| internal("a grant was not told of"))
}

/// Have what was decided hold in this process at once; others hear of it.
async fn hold(context: &PortsContext) {
    if let Err(error) = context.service.grants().refresh().await {
        tracing::warn!(%error, "a change of access is enforced a moment later");
    }
}

/// Why a step was not taken; on record where somebody tried what is not his to do.
async fn not_taken(context: &PortsContext, action: &str, id: Uuid, error: StoreError) -> Error {
    let StoreError::Access(refusal) = &error else { return internal(error) };
    if refusal.code() == "NOT_AN_APPROVER" {
        let record = AuditRecord {
            subject: context.caller.subject.as_deref(),
            roles: context.access.roles().iter().map(str::to_owned).collect(),
            action,
            object: ACCESS_ADMIN.object,
            allowed: false,
            detail: Some(serde_json::json!({ "id": id, "why": refusal.to_string() })),
        };
        if let Err(error) = super::guard::put_on_record(context, record).await {
            return internal(error);
        }
    }
    refused(refusal.code(), refusal)
}

fn uuid(text: &str) -> Result<Uuid> {
    text.parse().map_err(|_| refused("BAD_USER_INPUT", "`id` is no UUID"))
}
