//! Access: turns a policy and a role set into what those roles may read of one product, field by field and row by row.

use crate::catalog::{Column, Entity};
use rustc_hash::FxHashMap;
use terrane_manifest::{Product, RowFilter};
use terrane_policy::{DecisionTable, Policy, Questions, RoleSet};

/// Compiled decisions of one role set for one product. Compile once per policy and role set; look up per operation.
#[derive(Debug, Clone)]
pub struct Access {
    roles: RoleSet,
    table: DecisionTable,
    row_filters: FxHashMap<String, RowFilter>,
}

impl Access {
    /// Ask `policy` what `roles` may do with the product's fields (`read`) and ports (`read`, `write`, `run`, `admin`).
    pub fn compile(product: &Product, policy: &Policy, roles: &RoleSet) -> Self {
        let mut row_filters = FxHashMap::default();
        for dataset in product.outputs() {
            if let Some(filter) = row_filter(product, &dataset.contract, roles) {
                row_filters.insert(dataset.name.clone(), filter);
            }
        }
        let table = policy.decide(roles, &Questions::new(questions(product)));
        Self { roles: roles.clone(), table, row_filters }
    }

    /// The roles this was compiled for.
    pub fn roles(&self) -> &RoleSet {
        &self.roles
    }

    /// Whether the roles may do `action` to a policy object of the product: `port:control`, `countries.population`.
    pub fn allows(&self, object: &str, action: &str) -> bool {
        self.table.allows(object, action)
    }

    pub(crate) fn reads(&self, column: &Column) -> bool {
        column.object.as_deref().is_none_or(|object| self.table.allows(object, "read"))
    }

    /// Whether the roles may read at least one field of the entity.
    pub(crate) fn sees(&self, entity: &Entity) -> bool {
        entity.columns.iter().any(|c| self.reads(c))
    }

    pub(crate) fn row_filter(&self, dataset: &str) -> Option<&RowFilter> {
        self.row_filters.get(dataset)
    }
}

/// Everything that is asked of a product's policy: (object, action).
pub fn questions(product: &Product) -> Vec<(String, String)> {
    product
        .policy_objects()
        .into_iter()
        .flat_map(|object| {
            let actions: &[&str] =
                if object.starts_with("port:") { &["read", "write", "run", "admin"] } else { &["read"] };
            actions.iter().map(move |action| (object.clone(), (*action).to_owned()))
        })
        .collect()
}

/// Rows that the roles may see: the union of what each role of the contract may. A role without a filter sees all.
fn row_filter(product: &Product, contract: &str, roles: &RoleSet) -> Option<RowFilter> {
    let contract = product.contract(contract)?;
    let mut filters = Vec::new();
    for role in contract.roles.iter().filter(|r| roles.contains(&r.role)) {
        filters.push(role.row_filter.clone()?);
    }
    match filters.len() {
        0 => None,
        1 => filters.pop(),
        _ => Some(RowFilter::Or(filters)),
    }
}
