//! Planning options: what changes a plan besides the supergraph and the operation.

use std::collections::BTreeSet;

/// Which fields the caller may not see.
pub trait Denied {
    /// Whether `field` of the object or interface type `ty` is denied.
    fn is_denied(&self, ty: &str, field: &str) -> bool;
}

impl<F: Fn(&str, &str) -> bool> Denied for F {
    fn is_denied(&self, ty: &str, field: &str) -> bool {
        self(ty, field)
    }
}

/// What changes a plan besides the supergraph and the operation.
pub struct PlanOptions<'a> {
    /// Active labels of progressive `@override`.
    pub labels: BTreeSet<String>,
    /// Denied fields are never fetched: their positions are null with a FORBIDDEN error.
    pub denied: Option<&'a dyn Denied>,
    /// Most field occurrences an operation may have after its fragments are resolved.
    pub max_selections: usize,
    /// Most levels of nested selections.
    pub max_depth: usize,
    /// The client takes the response in parts: fragments with `@defer` are fetched apart. Otherwise they are fragments
    /// like others.
    pub incremental: bool,
    /// Most fragments with `@defer` an operation may have.
    pub max_defers: usize,
    /// Keep what each choice was compared with.
    pub explain: bool,
    /// Most fetches a plan may have.
    pub max_fetches: usize,
    /// Most steps the search may take: ways to resolve a field that are looked at. It bounds the time of planning for
    /// every graph and operation.
    pub max_steps: usize,
}

impl std::fmt::Debug for PlanOptions<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("PlanOptions")
            .field("labels", &self.labels)
            .field("denied", &self.denied.is_some())
            .field("max_selections", &self.max_selections)
            .field("max_depth", &self.max_depth)
            .field("incremental", &self.incremental)
            .field("max_defers", &self.max_defers)
            .field("explain", &self.explain)
            .field("max_fetches", &self.max_fetches)
            .field("max_steps", &self.max_steps)
            .finish()
    }
}

impl Default for PlanOptions<'_> {
    fn default() -> Self {
        Self {
            labels: BTreeSet::new(),
            denied: None,
            max_selections: 20_000,
            max_depth: 100,
            incremental: false,
            max_defers: 100,
            explain: false,
            max_fetches: 1_000,
            max_steps: 200_000,
        }
    }
}
