//! Comparing: turns what contracts say of where fields come from, and what the SQL says, into warnings where they differ.

use super::{ColumnLineage, ColumnRef};
use crate::dataset::Layer;
use crate::model::TableRef;
use crate::product::Product;
use std::collections::{BTreeMap, BTreeSet};
use terrane_diagnostics::{Diagnostic, Location};

/// What a column goes back to, through every model between.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Origins {
    /// Input columns that its value is computed from.
    pub direct: BTreeSet<ColumnRef>,
    /// Input columns that decide which rows there are.
    pub indirect: BTreeSet<ColumnRef>,
    /// Columns of models on the way.
    pub between: BTreeSet<ColumnRef>,
}

impl Product {
    /// What each column of each model goes back to.
    pub fn origins(&self) -> BTreeMap<ColumnRef, Origins> {
        let mut all: BTreeMap<ColumnRef, Origins> = BTreeMap::new();
        for model in &self.models {
            let table = model.table();
            for column in &model.columns {
                let origins = trace(column, &all);
                all.insert(ColumnRef { table: table.clone(), column: column.name.clone() }, origins);
            }
        }
        all
    }
}

/// Models come after those that they read, so what a column is made from is known by then.
fn trace(column: &ColumnLineage, known: &BTreeMap<ColumnRef, Origins>) -> Origins {
    let mut origins = Origins::default();
    for (sources, is_direct) in [(&column.direct, true), (&column.indirect, false)] {
        for source in sources {
            if source.table.layer == Layer::Input {
                let to = if is_direct { &mut origins.direct } else { &mut origins.indirect };
                to.insert(source.clone());
                continue;
            }
            origins.between.insert(source.clone());
            let Some(further) = known.get(source) else { continue };
            let to = if is_direct { &mut origins.direct } else { &mut origins.indirect };
            to.extend(further.direct.iter().cloned());
            origins.indirect.extend(further.indirect.iter().cloned());
            origins.between.extend(further.between.iter().cloned());
        }
    }
    origins
}

/// A field whose contract names its sources: each must be one by the SQL, and all that its value is computed from be named.
pub(super) fn compare(product: &Product, findings: &mut Vec<Diagnostic>) {
    let origins = product.origins();
    for dataset in product.outputs() {
        let file = product.contract_of(dataset).map_or("contracts", |c| c.file.as_str());
        let table = TableRef { layer: Layer::Output, table: dataset.table.clone() };
        for field in &dataset.fields {
            let named: Option<BTreeSet<ColumnRef>> = field.transform.sources.iter().map(|s| column_ref(s)).collect();
            let column = ColumnRef { table: table.clone(), column: field.column.clone() };
            let (Some(named), Some(found)) = (named.filter(|n| !n.is_empty()), origins.get(&column)) else { continue };
            let is_source =
                |c: &&ColumnRef| found.direct.contains(c) || found.indirect.contains(c) || found.between.contains(c);
            let mut differences: Vec<String> = named
                .iter()
                .filter(|c| !is_source(c))
                .map(|c| format!("names `{c}`, from which the SQL does not make it"))
                .collect();
            // a name between the input and the field stands for whatever that is made from
            if named.iter().all(|c| c.table.layer == Layer::Input) {
                let left_out = found.direct.difference(&named);
                differences.extend(left_out.map(|c| format!("leaves out `{c}`, from which the SQL makes it")));
            }
            for difference in differences {
                let message = format!("transformSourceObjects of `{}` {difference}", dataset.policy_object(field));
                findings.push(
                    Diagnostic::warning("MODEL_LINEAGE", message)
                        .at(Location::new(file, 1, 1))
                        .with_hint("the SQL is what runs: correct the contract, or the model"),
                );
            }
        }
    }
}

/// `layer.table.column`.
fn column_ref(text: &str) -> Option<ColumnRef> {
    let mut parts = text.split('.');
    let (layer, table, column) = (parts.next()?, parts.next()?, parts.next()?);
    let layer = Layer::parse(layer)?;
    parts
        .next()
        .is_none()
        .then(|| ColumnRef { table: TableRef { layer, table: table.to_owned() }, column: column.to_owned() })
}
