//! Policy: turns mesh-wide casbin lines and the requirements of subgraphs into what a caller may not ask for.
//!
//! The mesh's rules only take away: a product decides for itself, whoever calls it. A field is denied by a line
//! `p, ROLE, Type.field, read, deny` (or `Type.*`) for one of the caller's roles, or where an `@authenticated`,
//! `@requiresScopes` or `@policy` of a subgraph does not hold for the caller. With a field goes all that speaks of it:
//! filters, orders, lookups, searches and figures (`@describes`).

mod access;
mod arguments;
mod rules;

pub use access::Access;
pub use arguments::{VariableCheck, check_arguments, check_variables};
pub use rules::{MeshRules, SharedRules};

use access::{Denials, Speaking};
use moka::sync::Cache;
use rustc_hash::FxHashMap;
use std::collections::BTreeSet;
use std::sync::{Arc, Mutex, PoisonError};
use terrane_plan::{Element, Requirement, Supergraph};
use terrane_policy::{Caller, RoleSet};

/// Callers whose decisions are kept.
const KEPT: u64 = 1_000;

/// Different decisions whose numbers are kept.
const NUMBERED: usize = 10_000;

/// The rules over one graph.
pub struct GraphPolicy {
    rules: SharedRules,
    /// Every field of every object and interface type that clients see.
    fields: Vec<(String, String)>,
    /// By field: what its type, it itself and the type of its values require.
    requirements: Vec<((String, String), Vec<Requirement>)>,
    speaking: Speaking,
    /// Names that requirements mention; no other scope of a caller matters.
    scopes: BTreeSet<String>,
    policies: BTreeSet<String>,
    decided: Cache<Asking, Arc<Access>>,
    numbers: Mutex<Numbers>,
    open: Arc<Access>,
}

/// All that decisions depend on.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
struct Asking {
    version: u64,
    roles: RoleSet,
    scopes: RoleSet,
    signed_in: bool,
}

/// Equal decisions have equal numbers; no number is used twice.
#[derive(Debug, Default)]
struct Numbers {
    known: FxHashMap<Denials, u64>,
    last: u64,
}

impl GraphPolicy {
    /// The rules, now and later, over the fields of a graph.
    pub fn new(rules: SharedRules, supergraph: &Supergraph) -> Self {
        let fields = access::object_fields(supergraph);
        let requirements = requirements(supergraph, &fields);
        let (mut scopes, mut policies) = (BTreeSet::new(), BTreeSet::new());
        for requirement in requirements.iter().flat_map(|(_, all)| all) {
            match requirement {
                Requirement::Authenticated => {}
                Requirement::Scopes(lists) => scopes.extend(lists.iter().flatten().cloned()),
                Requirement::Policies(lists) => policies.extend(lists.iter().flatten().cloned()),
            }
        }
        Self {
            rules,
            fields,
            requirements,
            speaking: Speaking::new(supergraph),
            scopes,
            policies,
            decided: Cache::new(KEPT),
            numbers: Mutex::default(),
            open: Arc::default(),
        }
    }

    /// What `caller` may not ask for; decided when such a caller is first seen, and again after the rules have changed.
    pub fn access(&self, caller: &Caller) -> Arc<Access> {
        let rules = self.rules.now();
        if rules.is_empty() && self.requirements.is_empty() {
            return Arc::clone(&self.open);
        }
        let scopes = match self.scopes.is_empty() {
            true => RoleSet::default(),
            false => RoleSet::new(caller.scopes.iter().filter(|scope| self.scopes.contains(*scope))),
        };
        let asking =
            Asking { version: rules.version, roles: caller.roles.clone(), scopes, signed_in: caller.signed_in };
        self.decided.get_with_by_ref(&asking, || self.decide(&rules, &asking))
    }

    /// By the numbers of another graph's decisions: those of this one for the same callers.
    pub fn decided_before<'a>(&'a self, before: &'a Self) -> impl Iterator<Item = (u64, Arc<Access>)> + 'a {
        let rules = self.rules.now();
        let open = (self.requirements.is_empty() && rules.is_empty()).then(|| (before.open.number, self.open.clone()));
        let again = before.decided.iter().filter_map(move |(asking, access)| {
            let asked = Asking { version: rules.version, ..Asking::clone(&asking) };
            // scopes that the other graph knew nothing of are not in it
            let whole = self.scopes.is_subset(&before.scopes);
            whole.then(|| (access.number, self.decided.get_with_by_ref(&asked, || self.decide(&rules, &asked))))
        });
        open.into_iter().chain(again)
    }

    fn decide(&self, rules: &MeshRules, asking: &Asking) -> Arc<Access> {
        let mut fields: BTreeSet<(String, String)> =
            rules.denied(&asking.roles, &self.fields).into_iter().cloned().collect();
        let held = rules.held(&asking.roles, self.policies.iter());
        let holds = |requirement: &Requirement| match requirement {
            Requirement::Authenticated => asking.signed_in,
            Requirement::Scopes(lists) => lists.iter().any(|all| all.iter().all(|scope| asking.scopes.contains(scope))),
            Requirement::Policies(lists) => lists.iter().any(|all| all.iter().all(|name| held.contains(name.as_str()))),
        };
        let unmet = self.requirements.iter().filter(|(_, all)| !all.iter().all(holds));
        fields.extend(unmet.map(|(field, _)| field.clone()));
        if fields.is_empty() {
            return Arc::clone(&self.open);
        }
        let denials = self.speaking.denials(fields);
        let mut numbers = self.numbers.lock().unwrap_or_else(PoisonError::into_inner);
        let number = match numbers.known.get(&denials) {
            Some(number) => *number,
            None => {
                if numbers.known.len() >= NUMBERED {
                    numbers.known.clear();
                }
                numbers.last += 1;
                let number = numbers.last;
                numbers.known.insert(denials.clone(), number);
                number
            }
        };
        Arc::new(Access::new(number, denials, &self.speaking))
    }
}

/// What must hold for a field: of its type, of it itself, and of the type of its values.
fn requirements(supergraph: &Supergraph, fields: &[(String, String)]) -> Vec<((String, String), Vec<Requirement>)> {
    let governance = supergraph.governance();
    let said: FxHashMap<&Element, &Vec<Requirement>> =
        governance.requirements.iter().map(|(element, all)| (element, all)).collect();
    if said.is_empty() {
        return Vec::new();
    }
    let schema = supergraph.api_schema();
    let mut found = Vec::new();
    for (of, field) in fields {
        let Ok(definition) = schema.type_field(of, field) else { continue };
        let Some((of_name, _)) = schema.types.get_key_value(of.as_str()) else { continue };
        let elements = [
            Element::Type(of_name.clone()),
            Element::Member(of_name.clone(), definition.name.clone()),
            Element::Type(definition.ty.inner_named_type().clone()),
        ];
        let all: Vec<Requirement> =
            elements.iter().filter_map(|element| said.get(element)).flat_map(|all| all.iter().cloned()).collect();
        if !all.is_empty() {
            found.push(((of.clone(), field.clone()), all));
        }
    }
    found
}

#[cfg(test)]
mod tests;
