//! JSON: turns a plan into a value for machines: requests with their operations, dependencies and reasons.

use crate::plan::{Decided, QueryPlan};
use serde_json::{Value, json};

impl QueryPlan {
    /// The plan as JSON: `kind`, `waves`, `steps` (of the search, which are limited) and `requests` with `subgraph`, `wave`, `after` (positions of requests),
    /// `operation`, `variables` and per fetch its paths and why it is there.
    pub fn to_json(&self) -> Value {
        let requests: Vec<Value> = self
            .requests
            .iter()
            .map(|request| {
                let fetches: Vec<Value> = request
                    .fetches
                    .iter()
                    .map(|id| {
                        let fetch = &self.fetches[id.index()];
                        let paths: Vec<String> = fetch.paths.iter().map(|path| self.path_text(path)).collect();
                        let decided: Vec<Value> = fetch.decided.iter().map(|one| self.decided_json(one)).collect();
                        let mut shown = json!({ "paths": paths, "entities": fetch.is_entity, "why": fetch.reason });
                        if !decided.is_empty() {
                            shown["decided"] = Value::Array(decided);
                        }
                        shown
                    })
                    .collect();
                let variables: Vec<&str> = request.variables.iter().map(|name| name.as_str()).collect();
                let group = &self.deferred.groups()[request.group.index()];
                let defers: Vec<Value> = group
                    .defers
                    .iter()
                    .map(|id| json!({ "id": id.0, "label": self.deferred.defers()[id.index()].label }))
                    .collect();
                let mut shown = json!({
                    "subgraph": self.subgraphs[request.subgraph.index()],
                    "wave": request.wave,
                    "after": request.after,
                    "operation": request.operation,
                    "variables": variables,
                    "fetches": fetches,
                });
                if !defers.is_empty() {
                    shown["deferred"] = Value::Array(defers);
                }
                shown
            })
            .collect();
        let kind = crate::operation::kind_name(self.kind);
        json!({ "kind": kind, "waves": self.waves(), "steps": self.steps, "requests": requests })
    }

    fn decided_json(&self, decided: &Decided) -> Value {
        let candidates: Vec<Value> = decided
            .candidates
            .iter()
            .map(|one| {
                let subgraph = one.subgraph.map(|s| &self.subgraphs[s.index()]);
                json!({ "subgraph": subgraph, "requests": one.requests, "waves": one.waves })
            })
            .collect();
        json!({ "field": decided.field, "candidates": candidates })
    }
}
