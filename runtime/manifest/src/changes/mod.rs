//! Changes: turns an earlier product and a new one into what changes for those who read it and for those who send to it.
//!
//! An output contract promises: what is taken out of it breaks consumers. An input contract demands: what is added to it
//! breaks senders. Texts for people, quality rules and service levels are no part of either.

mod bump;
mod consumers;
mod fields;

pub use bump::{Bump, check_versions};
pub use consumers::{Use, uses};

use crate::dataset::{Dataset, Layer, Relationship};
use crate::product::{Contract, Product};
use fields::compare_fields;

/// One change of a contract.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ContractChange {
    /// Id of the contract.
    pub contract: String,
    /// Whether it is an input or an output contract.
    pub layer: Layer,
    /// The dataset; none where the whole contract came or went.
    pub dataset: Option<String>,
    /// The field, for changes of one.
    pub field: Option<String>,
    /// Stable code.
    pub code: &'static str,
    /// The version number that must rise for it.
    pub bump: Bump,
    /// What changed.
    pub message: String,
}

/// Every change of the contracts of a product, in the order of the earlier contracts.
pub fn contract_changes(old: &Product, new: &Product) -> Vec<ContractChange> {
    let mut changes = Vec::new();
    for before in &old.contracts {
        match new.contract(&before.id) {
            Some(after) => compare_contracts(before, after, &mut changes),
            None => changes.push(ContractChange {
                contract: before.id.clone(),
                layer: before.layer,
                dataset: None,
                field: None,
                code: "CONTRACT_REMOVED",
                bump: Bump::Major,
                message: format!("contract `{}` is gone", before.id),
            }),
        }
    }
    for added in new.contracts.iter().filter(|c| old.contract(&c.id).is_none()) {
        changes.push(ContractChange {
            contract: added.id.clone(),
            layer: added.layer,
            dataset: None,
            field: None,
            code: "CONTRACT_ADDED",
            bump: Bump::Minor,
            message: format!("contract `{}` is new", added.id),
        });
    }
    changes
}

/// Where changes of one dataset are noted.
pub(crate) struct Notes<'a> {
    contract: &'a Contract,
    dataset: &'a str,
    changes: &'a mut Vec<ContractChange>,
}

impl Notes<'_> {
    pub(crate) fn layer(&self) -> Layer {
        self.contract.layer
    }

    pub(crate) fn add(&mut self, field: Option<&str>, code: &'static str, bump: Bump, message: String) {
        self.changes.push(ContractChange {
            contract: self.contract.id.clone(),
            layer: self.contract.layer,
            dataset: Some(self.dataset.to_owned()),
            field: field.map(str::to_owned),
            code,
            bump,
            message,
        });
    }
}

fn compare_contracts(before: &Contract, after: &Contract, changes: &mut Vec<ContractChange>) {
    for dataset in &before.datasets {
        let mut notes = Notes { contract: after, dataset: &dataset.name, changes: &mut *changes };
        match after.datasets.iter().find(|d| d.name == dataset.name) {
            Some(now) => compare_datasets(dataset, now, &mut notes),
            None => {
                let message = format!("dataset `{}` is gone", dataset.name);
                notes.add(None, "DATASET_REMOVED", Bump::Major, message);
            }
        }
    }
    for added in after.datasets.iter().filter(|d| before.datasets.iter().all(|known| known.name != d.name)) {
        let mut notes = Notes { contract: after, dataset: &added.name, changes: &mut *changes };
        notes.add(None, "DATASET_ADDED", Bump::Minor, format!("dataset `{}` is new", added.name));
    }
}

fn compare_datasets(before: &Dataset, after: &Dataset, notes: &mut Notes<'_>) {
    let name = &after.name;
    let key = |d: &Dataset| d.primary_key().iter().map(|f| f.name.clone()).collect::<Vec<_>>().join(", ");
    let (old_key, new_key) = (key(before), key(after));
    if old_key != new_key {
        let message = format!("the key of `{name}` was ({old_key}) and is ({new_key})");
        notes.add(None, "KEY_CHANGED", Bump::Major, message);
    }
    if before.graphql_names != after.graphql_names || before.graphql_type != after.graphql_type {
        let message = format!("`{name}` has another type or other root fields in GraphQL");
        notes.add(None, "GRAPHQL_NAMES_CHANGED", Bump::Major, message);
    }
    compare_fields(before, after, notes);
    if notes.layer() == Layer::Output {
        compare_relationships(before, after, notes);
    }
}

/// A relationship is a field that follows it, and one that follows it back.
fn compare_relationships(before: &Dataset, after: &Dataset, notes: &mut Notes<'_>) {
    let same = |a: &Relationship, b: &Relationship| {
        (&a.graphql_field, &a.reverse_field, &a.target, a.cardinality, a.each_item)
            == (&b.graphql_field, &b.reverse_field, &b.target, b.cardinality, b.each_item)
    };
    let words = |r: &Relationship| format!("from ({}) to `{}`", r.fields.join(", "), r.target.dataset);
    for old in before.relationships.iter().filter(|old| !after.relationships.iter().any(|new| same(old, new))) {
        let message = format!("the relationship of `{}` {} is gone or another", after.name, words(old));
        notes.add(None, "RELATIONSHIP_REMOVED", Bump::Major, message);
    }
    for new in after.relationships.iter().filter(|new| !before.relationships.iter().any(|old| same(old, new))) {
        let message = format!("a relationship of `{}` {} is new", after.name, words(new));
        notes.add(None, "RELATIONSHIP_ADDED", Bump::Minor, message);
    }
}
