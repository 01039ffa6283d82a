//! Mesh rules: turns the mesh-wide casbin lines into answers, and lets new lines take the place of old ones.

use arc_swap::ArcSwap;
use rustc_hash::FxHashSet;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use terrane_policy::{DEFAULT_MODEL, Policy, PolicyError, Questions, RoleSet};

/// The role that every caller has in the mesh's rules.
pub const EVERYBODY: &str = "everybody";

/// What is asked of a line that gives a role a policy of `@policy`: `p, ROLE, policy:NAME, hold, allow`.
const HOLD: &str = "hold";

/// What is asked of a line that lets a role see plans: `p, ROLE, gateway:plan, explain, allow`. The action is one of its own,
/// as everybody may `read` whatever no line speaks of.
const PLAN: (&str, &str) = ("gateway:plan", "explain");

/// The mesh's rules, as they are now. Who keeps a clone sees new ones at once.
#[derive(Debug, Clone, Default)]
pub struct SharedRules(Arc<ArcSwap<MeshRules>>);

/// The rules of one moment.
#[derive(Debug, Default)]
pub struct MeshRules {
    /// Another number for other rules.
    pub version: u64,
    policy: Option<Policy>,
}

impl MeshRules {
    /// Rules from casbin `lines`; none: nothing is denied.
    ///
    /// # Errors
    /// [`PolicyError`] for a line that is none.
    pub fn new(lines: Option<&str>) -> Result<Self, PolicyError> {
        static VERSION: AtomicU64 = AtomicU64::new(1);
        let version = VERSION.fetch_add(1, Ordering::Relaxed);
        let Some(text) = lines else { return Ok(Self { version, policy: None }) };
        let mut all = Policy::split_lines(text);
        // what the mesh says nothing about is the product's to decide
        all.push(["p", EVERYBODY, "*", "read", "allow"].map(str::to_owned).to_vec());
        Ok(Self { version, policy: Some(Policy::new(DEFAULT_MODEL, &all)?) })
    }

    /// Whether there is any line.
    pub fn is_empty(&self) -> bool {
        self.policy.is_none()
    }

    /// Those of `fields` that a line denies to `roles`.
    pub fn denied<'f>(&self, roles: &RoleSet, fields: &'f [(String, String)]) -> Vec<&'f (String, String)> {
        let Some(policy) = &self.policy else { return Vec::new() };
        let object = |(of, field): &(String, String)| format!("{of}.{field}");
        let questions = Questions::new(fields.iter().map(|pair| (object(pair), "read".to_owned())));
        let table = policy.decide(&with_everybody(roles), &questions);
        fields.iter().filter(|pair| !table.allows(&object(pair), "read")).collect()
    }

    /// Whether a line lets `roles` see how the gateway answers operations. Absent means deny.
    pub fn shows_plans(&self, roles: &RoleSet) -> bool {
        let Some(policy) = &self.policy else { return false };
        let questions = Questions::new([(PLAN.0.to_owned(), PLAN.1.to_owned())]);
        policy.decide(&with_everybody(roles), &questions).allows(PLAN.0, PLAN.1)
    }

    /// Those of the policies `names` that a line gives to `roles`. Absent means deny.
    pub fn held<'n>(&self, roles: &RoleSet, names: impl Iterator<Item = &'n String> + Clone) -> FxHashSet<&'n str> {
        let Some(policy) = &self.policy else { return FxHashSet::default() };
        let object = |name: &str| format!("policy:{name}");
        let questions = Questions::new(names.clone().map(|name| (object(name), HOLD.to_owned())));
        let table = policy.decide(&with_everybody(roles), &questions);
        names.map(String::as_str).filter(|name| table.allows(&object(name), HOLD)).collect()
    }
}

impl SharedRules {
    /// Shared rules that begin as `rules`.
    pub fn new(rules: MeshRules) -> Self {
        Self(Arc::new(ArcSwap::from_pointee(rules)))
    }

    /// The rules as they are now.
    pub fn now(&self) -> arc_swap::Guard<Arc<MeshRules>> {
        self.0.load()
    }

    /// Let `rules` hold from now on.
    pub fn replace(&self, rules: MeshRules) {
        self.0.store(Arc::new(rules));
    }
}

fn with_everybody(roles: &RoleSet) -> RoleSet {
    RoleSet::new(roles.iter().map(str::to_owned).chain([EVERYBODY.to_owned()]))
}
