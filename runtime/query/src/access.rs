//! Access: turns a policy and a role set into what those roles may read of one product, field by field and row by row.

use crate::catalog::{Column, Entity};
use rustc_hash::FxHashMap;
use std::collections::BTreeSet;
use terrane_manifest::{Contract, Dataset, Mask, Product, RowFilter};
use terrane_policy::{DecisionTable, GRANTED, Policy, Questions, RoleSet, own_roles, render_cells};

/// Compiled decisions of one role set for one product. Compile once per policy and role set; look up per operation.
#[derive(Debug, Clone)]
pub struct Access {
    roles: RoleSet,
    policy: Policy,
    table: DecisionTable,
    row_filters: FxHashMap<String, RowFilter>,
    /// By policy object; only those that the roles may see and may not read.
    masks: FxHashMap<String, Mask>,
}

/// What a role set gets of a field.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Reading<'a> {
    /// Its values.
    Clear,
    /// Something else in their place.
    Masked(&'a Mask),
    /// Nothing.
    Denied,
}

impl Access {
    /// Ask `policy` what `roles` may do with the product's fields (`read`, `mask`) and ports (`read`, `write`, `run`,
    /// `admin`).
    pub fn compile(product: &Product, policy: &Policy, roles: &RoleSet) -> Self {
        let mut row_filters = FxHashMap::default();
        for dataset in product.outputs() {
            if let Some(filter) = row_filter(product, &dataset.contract, roles) {
                row_filters.insert(dataset.name.clone(), filter);
            }
        }
        let table = decide(product, policy, roles);
        let masks = masks(product, &table, roles);
        Self { roles: roles.clone(), policy: policy.clone(), table, row_filters, masks }
    }

    /// The roles this was compiled for.
    pub fn roles(&self) -> &RoleSet {
        &self.roles
    }

    /// The policy that decided.
    pub fn policy(&self) -> &Policy {
        &self.policy
    }

    /// Whether the roles may do `action` to a policy object of the product: `port:control`, `countries.population`.
    pub fn allows(&self, object: &str, action: &str) -> bool {
        self.table.allows(object, action)
    }

    /// What the roles get of the field with this policy object.
    pub fn reading(&self, object: &str) -> Reading<'_> {
        if self.table.allows(object, "read") {
            return Reading::Clear;
        }
        self.masks.get(object).map_or(Reading::Denied, Reading::Masked)
    }

    /// Whether the roles may use the column's values, in whichever way. A masked column can only be selected.
    pub(crate) fn reads(&self, column: &Column) -> bool {
        column.object.as_deref().is_none_or(|object| self.table.allows(object, "read"))
    }

    /// What a selection of the column gives.
    pub(crate) fn reading_of(&self, column: &Column) -> Reading<'_> {
        column.object.as_deref().map_or(Reading::Clear, |object| self.reading(object))
    }

    /// Whether the roles may read at least one field of the entity, if only masked.
    pub(crate) fn sees(&self, entity: &Entity) -> bool {
        entity.columns.iter().any(|c| self.reading_of(c) != Reading::Denied)
    }

    /// Whether the roles see some rows of a dataset only.
    pub fn filters_rows(&self, dataset: &str) -> bool {
        self.row_filters.contains_key(dataset)
    }

    /// Whether all is given still that `before` gave of these fields (policy objects `dataset.field`; `dataset.` is its rows
    /// alone): in the same form or in clear, and of the same rows or of all.
    pub fn still_gives(&self, before: &Self, objects: &[String]) -> bool {
        objects.iter().all(|object| {
            let dataset = object.split_once('.').map_or(object.as_str(), |(dataset, _)| dataset);
            let (then, now) = (before.reading(object), self.reading(object));
            let rows = self.row_filter(dataset);
            (then == now || then == Reading::Denied || now == Reading::Clear)
                && (rows.is_none() || rows == before.row_filter(dataset))
        })
    }

    pub(crate) fn row_filter(&self, dataset: &str) -> Option<&RowFilter> {
        self.row_filters.get(dataset)
    }
}

/// The decisions of `policy`, and of the fields that were granted to the caller (roles that begin with [`GRANTED`]). A granted
/// field adds to what the other roles see of a dataset: which rows it is of, they say. Who sees nothing of the dataset
/// sees nothing of the field.
fn decide(product: &Product, policy: &Policy, roles: &RoleSet) -> DecisionTable {
    let questions = Questions::new(questions(product));
    let held = own_roles(roles);
    let table = policy.decide(&held, &questions);
    if held == *roles {
        return table;
    }
    let sees = |dataset: &Dataset| {
        let objects = dataset.fields.iter().map(|field| dataset.policy_object(field));
        objects.into_iter().any(|object| table.allows(&object, "read") || table.allows(&object, "mask"))
    };
    let seen: Vec<&Dataset> = product.outputs().filter(|dataset| sees(dataset)).collect();
    let of_seen = |object: &str| {
        seen.iter().any(|dataset| dataset.fields.iter().any(|field| dataset.policy_object(field) == object))
    };
    let granted = roles.iter().filter_map(|role| Some((role, role.strip_prefix(GRANTED)?)));
    let lines = granted.filter(|(_, object)| of_seen(object));
    let lines = lines.map(|(role, object)| ["p", role, object, "read", "allow"].map(str::to_owned).to_vec());
    // a line that casbin could not judge by gives nothing
    policy.with(lines).map_or(table, |policy| policy.decide(roles, &questions))
}

/// The table of who may do what with a product: (object, action) × role, with the kind of a mask where a field is masked.
pub fn access_matrix(product: &Product, policy: &Policy) -> String {
    let roles = product.role_names();
    let access: Vec<Access> =
        roles.iter().map(|role| Access::compile(product, policy, &RoleSet::new([role.as_str()]))).collect();
    let mut pairs = questions(product);
    pairs.retain(|(_, action)| action != "mask");
    render_cells(&roles, &pairs, |role, object, action| match access[role].reading(object) {
        Reading::Masked(mask) if action == "read" => mask.kind(),
        _ if access[role].allows(object, action) => "yes",
        _ => "-",
    })
}

/// Everything that is asked of a product's policy: (object, action).
pub fn questions(product: &Product) -> Vec<(String, String)> {
    product
        .policy_objects()
        .into_iter()
        .flat_map(|object| {
            let actions: &[&str] =
                if object.starts_with("port:") { &["read", "write", "run", "admin"] } else { &["read", "mask"] };
            actions.iter().map(move |action| (object.clone(), (*action).to_owned()))
        })
        .collect()
}

/// Rows that the roles may see: the union of what each may. A role that the contract names and gives no filter sees all;
/// a role that it does not name has the filters of those it inherits from.
fn row_filter(product: &Product, contract: &str, roles: &RoleSet) -> Option<RowFilter> {
    let contract = product.contract(contract)?;
    let filtering = roles.iter().flat_map(|role| product.filtering_roles(contract, role));
    let named: BTreeSet<&str> = filtering.map(|role| role.role.as_str()).collect();
    let mut filters = Vec::new();
    for role in contract.roles.iter().filter(|r| named.contains(r.role.as_str())) {
        filters.push(role.row_filter.clone()?);
    }
    match filters.len() {
        0 => None,
        1 => filters.pop(),
        _ => Some(RowFilter::Or(filters)),
    }
}

/// The masks through which the roles see fields that they may not read: of several, the one that hides least.
fn masks(product: &Product, table: &DecisionTable, roles: &RoleSet) -> FxHashMap<String, Mask> {
    let held: BTreeSet<&str> = roles.iter().flat_map(|role| product.roles_of(role)).collect();
    let mut masks = FxHashMap::default();
    for dataset in product.outputs() {
        let Some(contract) = product.contract_of(dataset) else { continue };
        for field in &dataset.fields {
            let object = dataset.policy_object(field);
            if table.allows(&object, "read") || !table.allows(&object, "mask") {
                continue;
            }
            let of_roles = masks_of(contract, &dataset.name, &field.name);
            let least = Mask::least(of_roles.filter(|(role, _)| held.contains(role)).map(|(_, mask)| mask));
            masks.extend(least.map(|mask| (object, mask.clone())));
        }
    }
    masks
}

fn masks_of<'c>(contract: &'c Contract, dataset: &str, field: &str) -> impl Iterator<Item = (&'c str, &'c Mask)> {
    let masks = contract.roles.iter().flat_map(|r| r.masks.iter().map(move |m| (r.role.as_str(), m)));
    masks.filter(move |(_, m)| m.dataset == dataset && m.field == field).map(|(role, m)| (role, &m.mask))
}
