//! The policy in force: turns policy lines that hold together into all that is compiled and kept under them.

use super::Composed;
use crate::audit::rule;
use crate::caching::cache_control;
use crate::error::RuntimeError;
use crate::ports;
use http::HeaderValue;
use moka::sync::Cache;
use std::sync::Arc;
use terrane_diagnostics::Diagnostic;
use terrane_manifest::{LineOrigin, Product};
use terrane_policy::{Caller, Policy, RoleSet};
use terrane_query::{Access, DataSchema, Missing, Prepared};
use terrane_store::{PutPolicy, kept_schema};

/// Role sets whose decisions are kept.
const KEPT_ACCESS: u64 = 1_000;
/// Bytes of operation texts whose plans are kept.
const KEPT_PLANS: u64 = 16 * 1024 * 1024;
/// Kept versions of which the schema is kept.
const KEPT_SCHEMAS: u64 = 32;
/// Rules that are kept.
const KEPT_RULES: u64 = 20_000;

type RuleKey = (RoleSet, String, &'static str);

/// What a compiled operation depends on, under one policy.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(crate) struct PlanKey {
    pub(crate) roles: RoleSet,
    pub(crate) text: Arc<str>,
    pub(crate) name: Option<String>,
    pub(crate) version: Option<i64>,
}

/// A [`PlanKey`] that owns nothing, for looking one up: equal keys have equal hashes, field by field.
#[derive(Hash)]
pub(crate) struct PlanQuery<'a> {
    pub(crate) roles: &'a RoleSet,
    pub(crate) text: &'a str,
    pub(crate) name: Option<&'a str>,
    pub(crate) version: Option<i64>,
}

impl equivalent::Equivalent<PlanKey> for PlanQuery<'_> {
    fn equivalent(&self, key: &PlanKey) -> bool {
        *self.roles == key.roles
            && *self.text == *key.text
            && self.name == key.name.as_deref()
            && self.version == key.version
    }
}

/// A policy, and what is compiled and kept under it.
pub(crate) struct InForce {
    composed: Composed,
    put: Option<PutPolicy>,
    /// The product that schemas are made of.
    typed: Arc<Product>,
    schema: Arc<DataSchema>,
    mask_salt: String,
    cache_control: Option<HeaderValue>,
    kept_schemas: Cache<i64, Arc<DataSchema>>,
    access: Cache<RoleSet, Arc<Access>>,
    plans: Cache<PlanKey, Arc<Prepared>>,
    rules: Cache<RuleKey, Arc<str>>,
}

impl InForce {
    /// Compile what follows from `composed`. `put` is what was put in last.
    ///
    /// # Errors
    /// [`RuntimeError::Product`] where not even the folder's own policy makes a schema.
    pub(super) fn new(
        composed: Composed,
        folder: &Arc<Product>,
        mask_salt: &str,
        keeps: bool,
        put: Option<PutPolicy>,
    ) -> Result<Self, RuntimeError> {
        // a policy that does not go with new contracts any more is judged by all the same; only which fields may be null is
        // then as the folder has it
        let failed = |diagnostics| RuntimeError::Product { path: folder.id.clone(), diagnostics };
        let (typed, schema) = match composed.schema() {
            Ok(schema) => (&composed.product, schema),
            Err(_) => (folder, DataSchema::build(folder, &ports::sdl()).map_err(failed)?),
        };
        let (typed, schema) = (Arc::clone(typed), Arc::new(schema.with_mask_salt(mask_salt)));
        let everybody = Access::compile(&composed.product, &composed.policy, &Caller::anonymous().roles);
        let cache_control = cache_control(&composed.product, &everybody).filter(|_| keeps);
        let plans = Cache::builder()
            .weigher(|key: &PlanKey, _: &Arc<Prepared>| u32::try_from(key.text.len() * 8 + 2048).unwrap_or(u32::MAX))
            .max_capacity(KEPT_PLANS)
            .build();
        Ok(Self {
            composed,
            put,
            typed,
            schema,
            mask_salt: mask_salt.to_owned(),
            cache_control,
            kept_schemas: Cache::new(KEPT_SCHEMAS),
            access: Cache::new(KEPT_ACCESS),
            plans,
            rules: Cache::new(KEPT_RULES),
        })
    }

    /// The product with the own lines that hold.
    pub(crate) fn product(&self) -> &Arc<Product> {
        &self.composed.product
    }

    /// What casbin judges by.
    pub(crate) fn policy(&self) -> &Policy {
        &self.composed.policy
    }

    /// The lines, with what each is made of.
    pub(crate) fn lines(&self) -> impl Iterator<Item = (&Vec<String>, &LineOrigin)> {
        self.composed.policy.lines().iter().zip(&self.composed.origins)
    }

    /// What it is made of.
    pub(crate) fn composed(&self) -> &Composed {
        &self.composed
    }

    /// What was put in last; without a text, the folder's own holds.
    pub(crate) fn put(&self) -> Option<&PutPolicy> {
        self.put.as_ref()
    }

    /// The place of what was put in last; 0 where nothing was.
    pub(crate) fn position(&self) -> i64 {
        self.put.as_ref().map_or(0, |put| put.position)
    }

    /// A word for the lines that hold.
    pub(crate) fn state(&self) -> &str {
        &self.composed.state
    }

    /// `cache-control` of an answer with nothing but data.
    pub(crate) fn cache_control(&self) -> Option<&HeaderValue> {
        self.cache_control.as_ref()
    }

    /// What `roles` may do; compiled when such a role set is first seen.
    pub(crate) fn access(&self, roles: &RoleSet) -> Arc<Access> {
        let compile = || Arc::new(Access::compile(&self.composed.product, &self.composed.policy, roles));
        self.access.get_with_by_ref(roles, compile)
    }

    /// Plans for what `access` gives; none where that was compiled under another policy.
    pub(crate) fn plans(&self, access: &Access) -> Option<&Cache<PlanKey, Arc<Prepared>>> {
        access.policy().is(self.policy()).then_some(&self.plans)
    }

    /// All plans.
    pub(crate) fn all_plans(&self) -> &Cache<PlanKey, Arc<Prepared>> {
        &self.plans
    }

    /// The rule by which `access` allows or denies something: a line of the policy, or a grant.
    pub(crate) fn rule(&self, access: &Access, object: &str, action: &'static str) -> Arc<str> {
        let explain = || Arc::from(rule(access, object, action));
        match access.policy().is(self.policy()) {
            true => self.rules.get_with((access.roles().clone(), object.to_owned(), action), explain),
            false => explain(),
        }
    }

    /// The schema of the current version.
    pub(crate) fn schema(&self) -> &Arc<DataSchema> {
        &self.schema
    }

    /// The schema of a kept version, if it is ready.
    pub(crate) fn kept_schema(&self, version: i64) -> Option<Arc<DataSchema>> {
        self.kept_schemas.get(&version)
    }

    /// Have the schema of a kept version ready, which lacks what `missing` says.
    ///
    /// # Errors
    /// None: the schema was built before.
    pub(crate) fn keep_schema(&self, version: i64, missing: Vec<Missing>) -> Result<(), Vec<Diagnostic>> {
        let built = DataSchema::build(&self.typed, &ports::sdl())?.with_mask_salt(&self.mask_salt);
        let built = built.of_version(version, &kept_schema(version), missing);
        self.kept_schemas.insert(version, Arc::new(built));
        Ok(())
    }
}
