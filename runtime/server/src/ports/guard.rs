//! Guards: turns a port and an action into a decision about the caller, on record where it changes something.

use super::PortsContext;
use crate::audit::{self, Account};
use async_graphql::{Context, Error, ErrorExtensions as _};
use serde_json::Value;
use terrane_policy::Caller;
use terrane_store::{AuditRecord, StoreError};

/// What a field of the ports needs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Permission {
    /// Policy object, e.g. `port:control`.
    pub object: &'static str,
    /// Policy action, e.g. `run`.
    pub action: &'static str,
}

/// Runs, versions and quality over time.
pub const OBSERVE: Permission = Permission { object: "port:observability", action: "read" };
/// Start and cancel runs.
pub const RUN: Permission = Permission { object: "port:control", action: "run" };
/// Change what is served.
pub const ADMIN: Permission = Permission { object: "port:control", action: "admin" };
/// Send rows.
pub const INGEST: Permission = Permission { object: "port:input", action: "write" };
/// Describe the product.
pub const DISCOVER: Permission = Permission { object: "port:discovery", action: "read" };

/// The context, where the caller may do that.
///
/// # Errors
/// `FORBIDDEN`, with what is missing.
pub fn require<'a>(ctx: &'a Context<'_>, permission: Permission) -> Result<&'a PortsContext, Error> {
    let context = ctx.data::<PortsContext>()?;
    decided_by(context, permission);
    if context.access.allows(permission.object, permission.action) {
        return Ok(context);
    }
    Err(forbidden(permission))
}

/// As [`require`], and also where everybody may do that, signed in or not: a caller whose roles mean nothing here is not less
/// than one without any.
///
/// # Errors
/// As [`require`].
pub fn require_as_everybody<'a>(ctx: &'a Context<'_>, permission: Permission) -> Result<&'a PortsContext, Error> {
    let context = ctx.data::<PortsContext>()?;
    decided_by(context, permission);
    let everybody = || context.service.access(&Caller::anonymous());
    match context.access.allows(permission.object, permission.action) {
        true => Ok(context),
        false if everybody().allows(permission.object, permission.action) => Ok(context),
        false => Err(forbidden(permission)),
    }
}

/// As [`require`], and on record either way: changes are audited whether they were allowed or not.
///
/// # Errors
/// `FORBIDDEN`; an internal error where the record cannot be written (nothing is done then).
pub async fn require_audited<'a>(
    ctx: &'a Context<'_>,
    permission: Permission,
    action: &str,
    detail: Option<Value>,
) -> Result<&'a PortsContext, Error> {
    let context = ctx.data::<PortsContext>()?;
    let allowed = context.access.allows(permission.object, permission.action);
    decided_by(context, permission);
    let record = AuditRecord {
        subject: context.caller.subject.as_deref(),
        roles: context.caller.roles.iter().map(str::to_owned).collect(),
        action,
        object: permission.object,
        allowed,
        detail,
    };
    put_on_record(context, record).await.map_err(internal)?;
    if allowed { Ok(context) } else { Err(forbidden(permission)) }
}

/// Note by which rule something is allowed or denied.
fn decided_by(context: &PortsContext, permission: Permission) {
    let service = &context.service;
    let rule = service.rule(&context.access, permission.object, permission.action);
    audit::note(|draft| draft.rule(&rule));
}

/// Write a record of a change before it is made: with who asks, from where, and by which rule.
///
/// # Errors
/// [`StoreError`]; then the change must not be made.
pub async fn put_on_record(context: &PortsContext, record: AuditRecord<'_>) -> Result<(), StoreError> {
    let account = Account::current();
    let members = account.as_ref().map(|account| account.members()).unwrap_or_default();
    context.service.store().audit_with(record, members).await?;
    audit::note(|draft| draft.begun());
    Ok(())
}

/// What a caller is told who may not do something.
pub fn forbidden(permission: Permission) -> Error {
    Error::new(format!("your roles do not allow `{}` on `{}`", permission.action, permission.object))
        .extend_with(|_, e| e.set("code", "FORBIDDEN"))
}

/// The face of an internal error; its cause goes to the log.
pub fn internal(error: impl std::fmt::Display) -> Error {
    tracing::error!(%error, "a standard port failed");
    Error::new("internal error; the operator finds its cause in the log")
        .extend_with(|_, e| e.set("code", "INTERNAL_SERVER_ERROR"))
}

/// An error with a code and a text for the client.
pub fn refused(code: &str, message: impl std::fmt::Display) -> Error {
    let code = code.to_owned();
    Error::new(message.to_string()).extend_with(move |_, e| e.set("code", code))
}
