//! Rights: turns a caller into what it is among the approvers of a product, and into what it may see of others' access.

use super::super::PortsContext;
use super::super::guard::{DISCOVER, Permission, refused};
use async_graphql::Result;
use std::collections::BTreeSet;
use terrane_manifest::OWNER;
use terrane_policy::Caller;
use terrane_store::{Actor, NoticeView, View};

/// See everybody's requests and grants.
pub const ACCESS_READ: Permission = Permission { object: "port:access", action: "read" };
/// Grant and revoke.
pub const ACCESS_ADMIN: Permission = Permission { object: "port:access", action: "admin" };

/// The caller as who takes a step.
///
/// # Errors
/// `UNAUTHENTICATED` for a caller that nobody knows.
pub fn actor(context: &PortsContext) -> Result<Actor> {
    let caller = &context.caller;
    let Some(subject) = caller.subject.clone().filter(|subject| caller.signed_in && !subject.is_empty()) else {
        return Err(refused("UNAUTHENTICATED", "sign in first: access is asked for, decided and held by somebody"));
    };
    let in_force = context.service.in_force();
    let product = in_force.product();
    let administers = context.access.allows(ACCESS_ADMIN.object, ACCESS_ADMIN.action);
    let owner = product.team.as_ref().and_then(|team| team.owner()).is_some_and(|owner| owner.username == subject);
    let roles: Vec<String> = context.access.roles().iter().map(str::to_owned).collect();
    let held: BTreeSet<&str> = roles.iter().flat_map(|role| product.roles_of(role)).collect();
    let mut keys: Vec<String> = held.iter().map(|role| format!("role:{role}")).collect();
    keys.push(format!("subject:{subject}"));
    if administers || owner {
        keys.push(OWNER.to_owned());
    }
    Ok(Actor { subject, roles, keys, administers: administers || owner })
}

/// What the caller may see of requests and grants.
///
/// # Errors
/// As [`actor`].
pub fn view(context: &PortsContext) -> Result<View> {
    let actor = actor(context)?;
    let all = actor.administers || context.access.allows(ACCESS_READ.object, ACCESS_READ.action);
    Ok(View { subject: actor.subject, keys: actor.keys, all })
}

/// What the caller may see of the product's feed of events; none where it may not know of the product.
pub fn notice_view(context: &PortsContext) -> Option<NoticeView> {
    let everybody = || context.service.access(&Caller::anonymous()).allows(DISCOVER.object, DISCOVER.action);
    if !context.access.allows(DISCOVER.object, DISCOVER.action) && !everybody() {
        return None;
    }
    // who is nobody in particular has no access that could be told of
    let view = view(context).ok().map(|view| NoticeView { keys: view.keys, all: view.all });
    Some(view.unwrap_or_default())
}
