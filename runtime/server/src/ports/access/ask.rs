//! Asking: turns what a caller wants for whom, what for and for how long into a checked request or grant.

use super::super::PortsContext;
use super::super::guard::{forbidden, internal, refused};
use super::super::query::bounded;
use super::objects::{AccessGrant, AccessRequest, AccessRole, levels, tell_grants, tell_requests};
use super::rights::{ACCESS_ADMIN, actor, view};
use super::{hold, not_taken, one_grant, one_request, uuid};
use async_graphql::Result;
use std::collections::BTreeSet;
use terrane_manifest::{Dataset, Field, Layer, Levels, Product};
use terrane_policy::{GRANTED, RoleSet};
use terrane_query::Access;
use terrane_store::{Actor, NewGrant, NewRequest, StoreError};

/// The longest time that something is granted for, in seconds: a year.
const LONGEST: i64 = 366 * 86_400;
/// Characters of a purpose or reason.
const LONGEST_SENTENCE: usize = 1_000;
const LONGEST_SUBJECT: usize = 256;
/// Fields of one request.
const MOST_FIELDS: usize = 100;
/// What the subjects of products begin with.
const MACHINE: &str = "product:";
const STATES: [&str; 4] = ["pending", "granted", "denied", "withdrawn"];

/// What is wanted.
pub struct Ask {
    /// A role; or
    pub role: Option<String>,
    /// fields, as `dataset.field`.
    pub fields: Option<Vec<String>>,
    /// For whom; none is the caller.
    pub subject: Option<String>,
    /// What for.
    pub purpose: String,
    /// For how long: `8h`.
    pub duration: String,
}

/// What of the product, by names that it has.
enum Wanted<'p> {
    Role(String),
    Fields(Vec<(&'p Dataset, &'p Field)>),
}

/// Ask for access.
pub async fn request(context: &PortsContext, ask: Ask) -> Result<AccessRequest> {
    let actor = actor(context)?;
    let product = context.service.product();
    let (purpose, seconds) = (sentence("purpose", &ask.purpose)?, seconds(&ask.duration)?);
    let subject = match ask.subject {
        Some(subject) if subject != actor.subject && !subject.starts_with(MACHINE) => {
            let message = "ask for yourself, or for a product that reads this one: `product:NAME`";
            return Err(refused("BAD_USER_INPUT", message));
        }
        Some(other) => subject_of(&other)?,
        None => actor.subject.clone(),
    };
    let own = subject == actor.subject;
    let wanted = wanted(product, ask.role, ask.fields)?;
    let chain = match &wanted {
        Wanted::Role(role) => {
            if own && context.access.roles().contains(role) {
                return Err(refused("ACCESS_HELD", format!("you have the role `{role}` already")));
            }
            product.approval_of_role(role).ok_or_else(|| unknown_role(product, role))?
        }
        Wanted::Fields(fields) => {
            if own {
                effective(context, fields)?;
            }
            product.approval_of_fields(fields.iter().copied())
        }
    };
    let (role, fields) = named(&wanted);
    let new = NewRequest { subject, role, fields, purpose, seconds, chain };
    match context.service.store().request_access(&new, &actor).await {
        Ok(request) => {
            hold(context).await;
            one_request(context, request).await
        }
        Err(StoreError::Access(refusal)) => Err(refused(refusal.code(), refusal)),
        Err(error) => Err(internal(error)),
    }
}

/// Grant access that nobody asked for: the owner's to do.
pub async fn grant(context: &PortsContext, ask: Ask) -> Result<AccessGrant> {
    let actor = actor(context)?;
    let product = context.service.product();
    let (purpose, seconds) = (sentence("purpose", &ask.purpose)?, seconds(&ask.duration)?);
    let subject = subject_of(ask.subject.as_deref().unwrap_or_default())?;
    let wanted = wanted(product, ask.role, ask.fields)?;
    let chain: Levels = match &wanted {
        Wanted::Role(role) => product.approval_of_role(role).ok_or_else(|| unknown_role(product, role))?,
        Wanted::Fields(fields) => product.approval_of_fields(fields.iter().copied()),
    };
    let (role, fields) = named(&wanted);
    let approvers: BTreeSet<String> =
        chain.into_iter().flatten().filter(|a| a != terrane_manifest::AUTOMATIC).collect();
    let approvers = approvers.into_iter().collect();
    let new = NewGrant { subject, role, fields, purpose, seconds, approvers };
    match context.service.store().grant_access(&new, &actor).await {
        Ok(grant) => {
            hold(context).await;
            one_grant(context, grant).await
        }
        Err(StoreError::Access(refusal)) => Err(refused(refusal.code(), refusal)),
        Err(error) => Err(internal(error)),
    }
}

/// End a grant: named by itself, which is the owner's to do, or by the request that it answers.
pub async fn revoke(context: &PortsContext, id: &str, of_request: bool, reason: &str) -> Result<AccessGrant> {
    let id = uuid(id)?;
    let (actor, store) = (actor(context)?, context.service.store());
    let reason = sentence("reason", reason)?;
    let grant = match of_request {
        false if !actor.administers => return Err(forbidden(ACCESS_ADMIN)),
        false => id,
        true => match store.grant_of_request(id).await.map_err(internal)? {
            Some(grant) if may_know(&grant, &actor) => grant.id,
            _ => {
                let message = format!("there is no grant of an access request {id} that you may end");
                return Err(refused("NO_SUCH_GRANT", message));
            }
        },
    };
    match store.revoke_access(grant, &actor, &reason).await {
        Ok(grant) => {
            hold(context).await;
            one_grant(context, grant).await
        }
        Err(error) => Err(not_taken(context, "revokeAccess", grant, error).await),
    }
}

fn may_know(grant: &terrane_store::AccessGrant, actor: &Actor) -> bool {
    grant.subject == actor.subject || actor.administers || actor.is_among(&grant.approvers)
}

/// The newest requests that the caller may see.
pub async fn requests(
    context: &PortsContext,
    id: Option<&str>,
    state: Option<&str>,
    waiting: bool,
    first: i32,
) -> Result<Vec<AccessRequest>> {
    let (view, limit) = (view(context)?, bounded(first)?);
    if state.is_some_and(|state| !STATES.contains(&state)) {
        return Err(refused("BAD_USER_INPUT", format!("`state` is one of {}", STATES.join(", "))));
    }
    let store = context.service.store();
    let found = match id {
        Some(id) => store.access_request(&view, uuid(id)?).await.map(|one| one.into_iter().collect()),
        None => store.access_requests(&view, state, waiting, limit).await,
    };
    tell_requests(context, found.map_err(internal)?).await
}

/// The newest grants that the caller may see.
pub async fn grants(
    context: &PortsContext,
    subject: Option<&str>,
    active: bool,
    first: i32,
) -> Result<Vec<AccessGrant>> {
    let (view, limit) = (view(context)?, bounded(first)?);
    let found = context.service.store().access_grants(&view, subject, active, limit).await;
    tell_grants(context, found.map_err(internal)?).await
}

/// The roles that can be asked for.
pub fn roles(context: &PortsContext) -> Vec<AccessRole> {
    let product = context.service.product();
    let described = |name: &str| {
        let mut roles = product.contracts.iter().flat_map(|contract| &contract.roles);
        roles.find(|role| role.role == name && role.description.is_some()).and_then(|role| role.description.clone())
    };
    let role = |name: &str| AccessRole {
        role: name.to_owned(),
        description: described(name),
        levels: levels(&product.approval_of_role(name).unwrap_or_default()),
        held: context.access.roles().contains(name),
    };
    product.requestable_roles().into_iter().map(role).collect()
}

fn wanted(product: &Product, role: Option<String>, fields: Option<Vec<String>>) -> Result<Wanted<'_>> {
    let bad = |message: String| refused("BAD_USER_INPUT", message);
    let mut names = match (role, fields.filter(|fields| !fields.is_empty())) {
        (Some(role), None) => return Ok(Wanted::Role(role)),
        (None, Some(fields)) => fields,
        _ => return Err(bad("name a `role`, or `fields` as `dataset.field`".to_owned())),
    };
    if names.len() > MOST_FIELDS {
        return Err(bad(format!(
            "`fields` has {} fields; at most {MOST_FIELDS} can be asked for at once",
            names.len()
        )));
    }
    names.sort();
    names.dedup();
    let found = names.iter().map(|name| {
        let (dataset, field) = name.split_once('.')?;
        let dataset = product.dataset(Layer::Output, dataset)?;
        Some((dataset, dataset.fields.iter().find(|f| f.name == field)?))
    });
    match found.collect::<Option<Vec<_>>>() {
        Some(fields) => Ok(Wanted::Fields(fields)),
        None => {
            let datasets: Vec<&str> = product.outputs().map(|d| d.name.as_str()).collect();
            Err(bad(format!(
                "`fields` names something else than fields of {}; write dataset.field with the contract's names",
                datasets.join(", ")
            )))
        }
    }
}

/// Refuse to ask for what a grant would not give: what is seen already, what a line denies, and fields of a dataset of which
/// the caller sees nothing.
fn effective(context: &PortsContext, fields: &[(&Dataset, &Field)]) -> Result<()> {
    let in_force = context.service.in_force();
    let now = &in_force.access(context.access.roles());
    let objects: Vec<String> = fields.iter().map(|(dataset, field)| dataset.policy_object(field)).collect();
    if objects.iter().all(|object| now.allows(object, "read")) {
        return Err(refused("ACCESS_HELD", "you may read these fields already"));
    }
    let granted = objects.iter().map(|object| format!("{GRANTED}{object}"));
    let with = RoleSet::new(now.roles().iter().map(str::to_owned).chain(granted));
    let then = Access::compile(in_force.product(), in_force.policy(), &with);
    let still = objects.iter().find(|object| !then.allows(object, "read"));
    let Some(object) = still else { return Ok(()) };
    let denied = in_force.policy().explain(now.roles(), object, "read");
    let message = match denied.deciding.is_empty() {
        true => format!("you see nothing of the dataset of `{object}`; ask for a role first"),
        false => {
            format!("a line of the product's policy denies `{object}` to your roles, and a deny goes before any grant")
        }
    };
    Err(refused("ACCESS_IN_VAIN", message))
}

/// Role and fields by name.
fn named(wanted: &Wanted<'_>) -> (Option<String>, Vec<String>) {
    match wanted {
        Wanted::Role(role) => (Some(role.clone()), Vec::new()),
        Wanted::Fields(fields) => (None, fields.iter().map(|(dataset, field)| dataset.policy_object(field)).collect()),
    }
}

fn unknown_role(product: &Product, role: &str) -> async_graphql::Error {
    let known = product.requestable_roles().join(", ");
    refused(
        "UNKNOWN_ROLE",
        format!("no contract of this product has a role `{role}` that can be asked for; there are: {known}"),
    )
}

fn subject_of(text: &str) -> Result<String> {
    let text = text.trim();
    match !text.is_empty() && text.chars().count() <= LONGEST_SUBJECT && !text.contains(char::is_control) {
        true => Ok(text.to_owned()),
        false => Err(refused("BAD_USER_INPUT", "`subject` is whom a token names in `sub`, of at most 256 characters")),
    }
}

/// A purpose or a reason.
pub(super) fn sentence(name: &str, text: &str) -> Result<String> {
    let text = text.trim();
    if text.is_empty() || text.chars().count() > LONGEST_SENTENCE || text.contains('\0') {
        let message = format!("`{name}` has from 1 to {LONGEST_SENTENCE} characters: say it in a sentence");
        return Err(refused("BAD_USER_INPUT", message));
    }
    Ok(text.to_owned())
}

/// `90s`, `30m`, `8h` or `30d`, of at most a year, in seconds.
fn seconds(text: &str) -> Result<i64> {
    let parsed = || {
        let (number, unit) = text.split_at_checked(text.len().checked_sub(1)?)?;
        let unit = match unit {
            "s" => 1,
            "m" => 60,
            "h" => 3_600,
            "d" => 86_400,
            _ => return None,
        };
        let digits = !number.is_empty() && number.bytes().all(|b| b.is_ascii_digit());
        number.parse::<i64>().ok().filter(|_| digits)?.checked_mul(unit).filter(|n| (1..=LONGEST).contains(n))
    };
    parsed().ok_or_else(|| {
        refused("BAD_USER_INPUT", "`duration` is a number and s, m, h or d, of at most 366d: `8h`, `30d`")
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_are_bounded() {
        let known = ["1s", "30m", "8h", "366d"].map(|text| seconds(text).ok());
        assert_eq!(known, [Some(1), Some(1_800), Some(28_800), Some(LONGEST)]);
        for wrong in ["", "s", "0s", "367d", "1w", "-1d", "+1d", "1.5h", "99999999999999999999d", "ü"] {
            assert!(seconds(wrong).is_err(), "{wrong}");
        }
    }
}
