//! JSON: turns a plan into a value for machines: requests with their operations, dependencies and reasons.

use crate::plan::QueryPlan;
use serde_json::{Value, json};

impl QueryPlan {
    /// The plan as JSON: `kind`, `waves` and `requests` with `subgraph`, `wave`, `after` (positions of requests),
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
                        json!({ "paths": paths, "entities": fetch.is_entity, "why": fetch.reason })
                    })
                    .collect();
                let variables: Vec<&str> = request.variables.iter().map(|name| name.as_str()).collect();
                json!({
                    "subgraph": self.subgraphs[request.subgraph.index()],
                    "wave": request.wave,
                    "after": request.after,
                    "operation": request.operation,
                    "variables": variables,
                    "fetches": fetches,
                })
            })
            .collect();
        json!({ "kind": crate::operation::kind_name(self.kind), "waves": self.waves(), "requests": requests })
    }
}
