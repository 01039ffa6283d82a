//! Effects at a product: turns a policy that is to be put in into whose decisions become others, and into what that takes from
//! grants.

use super::{Composed, InForce};
use std::collections::{BTreeMap, BTreeSet};
use terrane_policy::{GRANTED, RoleSet};
use terrane_query::{Access, Change, Verdict, effect as changes};
use terrane_store::AccessGrant;
use uuid::Uuid;

/// Everybody has it, so that it makes no grant worth having.
const DISCOVERY: &str = "port:discovery";

/// What a policy would change.
#[derive(Debug, Default)]
pub(crate) struct Effect {
    /// Decisions of roles, those first that give more.
    pub(crate) changes: Vec<Change>,
    /// How many of them give more.
    pub(crate) widening: usize,
    /// Grants that would give something else than they do.
    pub(crate) grants: Vec<GrantChange>,
}

/// What becomes of a grant.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct GrantChange {
    pub(crate) id: Uuid,
    pub(crate) subject: String,
    pub(crate) role: Option<String>,
    /// Of its fields, those that it would no longer give.
    pub(crate) fields: Vec<String>,
    /// Of a role: decisions that become others, and how many of them give more.
    pub(crate) changes: usize,
    pub(crate) widening: usize,
    /// Of fields: roles together with which it gave one of them, and would no longer.
    pub(crate) lost_with: Vec<String>,
    /// Whether it would give nothing at all, whatever its subject's roles are.
    pub(crate) in_vain: bool,
}

/// What would change if `after` held, for roles and for the grants that hold.
pub(crate) fn effect(before: &InForce, after: &Composed, grants: &[AccessGrant]) -> Effect {
    let changes = changes((before.product(), before.policy()), (&after.product, &after.policy));
    let widening = changes.iter().filter(|change| change.widens()).count();
    let mut told = of_roles(&changes, after, grants);
    told.extend(of_fields(before.composed(), after, grants));
    // those first that lose everything
    told.sort_by(|a, b| (!a.in_vain, &a.subject, a.id).cmp(&(!b.in_vain, &b.subject, b.id)));
    Effect { changes, widening, grants: told }
}

/// Grants of roles whose decisions change.
fn of_roles(changes: &[Change], after: &Composed, grants: &[AccessGrant]) -> Vec<GrantChange> {
    let mut by_role: BTreeMap<&str, (usize, usize)> = BTreeMap::new();
    for change in changes {
        let (all, widening) = by_role.entry(&change.role).or_default();
        *all += 1;
        *widening += usize::from(change.widens());
    }
    let gives = |role: &str| {
        let access = Access::compile(&after.product, &after.policy, &RoleSet::new([role]));
        let useful = terrane_query::asked(&after.product).into_iter().filter(|(object, _)| object != DISCOVERY);
        useful.into_iter().any(|(object, action)| access.verdict(&object, &action) != Verdict::Deny)
    };
    let granted: BTreeSet<&str> = grants.iter().filter_map(|grant| grant.role.as_deref()).collect();
    let useless: BTreeSet<&str> =
        granted.into_iter().filter(|role| by_role.contains_key(role) && !gives(role)).collect();
    let told = |grant: &AccessGrant| {
        let role = grant.role.as_deref()?;
        let (changes, widening) = *by_role.get(role)?;
        Some(GrantChange {
            id: grant.id,
            subject: grant.subject.clone(),
            role: Some(role.to_owned()),
            fields: Vec::new(),
            changes,
            widening,
            lost_with: Vec::new(),
            in_vain: useless.contains(role),
        })
    };
    grants.iter().filter_map(told).collect()
}

/// Grants of fields that are read by them now together with some role, and would not be then.
fn of_fields(before: &Composed, after: &Composed, grants: &[AccessGrant]) -> Vec<GrantChange> {
    let fields: BTreeSet<&str> = grants.iter().flat_map(|grant| &grant.fields).map(String::as_str).collect();
    if fields.is_empty() {
        return Vec::new();
    }
    let mut names: BTreeSet<String> = before.product.role_names().into_iter().collect();
    names.extend(after.product.role_names());
    // by field: roles together with which the grant gives it
    let with = |composed: &Composed| {
        let mut with: BTreeMap<&str, BTreeSet<String>> = BTreeMap::new();
        for role in &names {
            let granted = fields.iter().map(|field| format!("{GRANTED}{field}"));
            let roles = RoleSet::new(granted.chain([role.clone()]));
            let access = Access::compile(&composed.product, &composed.policy, &roles);
            for field in fields.iter().filter(|field| access.allows(field, "read")) {
                with.entry(*field).or_default().insert(role.clone());
            }
        }
        with
    };
    let (then, now) = (with(before), with(after));
    let none = BTreeSet::new();
    let told = |grant: &AccessGrant| {
        let of =
            |all: &BTreeMap<&str, BTreeSet<String>>, field: &String| all.get(field.as_str()).unwrap_or(&none).clone();
        let lost: Vec<(&String, BTreeSet<String>)> = grant
            .fields
            .iter()
            .map(|field| (field, of(&then, field).difference(&of(&now, field)).cloned().collect::<BTreeSet<_>>()))
            .filter(|(_, roles)| !roles.is_empty())
            .collect();
        (!lost.is_empty()).then(|| GrantChange {
            id: grant.id,
            subject: grant.subject.clone(),
            role: None,
            fields: lost.iter().map(|(field, _)| (*field).clone()).collect(),
            changes: 0,
            widening: 0,
            lost_with: lost.iter().flat_map(|(_, roles)| roles.clone()).collect::<BTreeSet<_>>().into_iter().collect(),
            in_vain: grant.fields.iter().all(|field| of(&now, field).is_empty()),
        })
    };
    grants.iter().filter(|grant| !grant.fields.is_empty()).filter_map(told).collect()
}
