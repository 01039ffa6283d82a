//! Checks across files: ports against contracts, relationships against datasets, models against contracts.

use crate::connector::Connector;
use crate::dataset::{Dataset, Layer, Metric, QualityRule, RuleCheck};
use crate::events::{check_events, check_publish};
use crate::product::{InputPort, OutputPort, Product};
use std::collections::{BTreeMap, BTreeSet};
use terrane_diagnostics::{Diagnostic, Location};

/// Set each contract's layer from the ports that refer to it, and the ports' datasets from the contracts.
pub(crate) fn resolve_ports(
    product: &mut Product,
    inputs: Vec<(InputPort, Location)>,
    outputs: Vec<(OutputPort, Location)>,
    findings: &mut Vec<Diagnostic>,
) {
    let input_ids: BTreeSet<&str> = inputs.iter().map(|(p, _)| p.contract.as_str()).collect();
    let output_ids: BTreeSet<&str> = outputs.iter().map(|(p, _)| p.contract.as_str()).collect();
    for contract in &mut product.contracts {
        let place = Location::new(contract.file.as_str(), 1, 1);
        let layer = match (input_ids.contains(contract.id.as_str()), output_ids.contains(contract.id.as_str())) {
            (true, false) => Layer::Input,
            (false, true) => Layer::Output,
            (true, true) => {
                findings.push(
                    Diagnostic::error("CONTRACT_LAYER", format!("contract `{}` is input and output", contract.id))
                        .at(place)
                        .with_hint("write one contract for the input port and one for the output port"),
                );
                continue;
            }
            (false, false) => {
                findings.push(
                    Diagnostic::warning("CONTRACT_UNUSED", format!("no port refers to contract `{}`", contract.id))
                        .at(place)
                        .with_hint("refer to it with `contractId`, or remove it"),
                );
                contract.datasets.clear();
                continue;
            }
        };
        contract.layer = layer;
        for dataset in &mut contract.datasets {
            dataset.layer = layer;
        }
    }
    let unknown = |port: &str, contract: &str, place: &Location| {
        Diagnostic::error("PORT_CONTRACT", format!("port `{port}` refers to the unknown contract `{contract}`"))
            .at(place.clone())
            .with_hint("`contractId` is the `id` of a file in `contracts/`")
    };
    for (mut port, place) in inputs {
        match product.contract(&port.contract).map(|c| c.datasets.as_slice()) {
            Some([only]) => port.dataset.clone_from(&only.name),
            Some(datasets) => findings.push(
                Diagnostic::error(
                    "PORT_CONTRACT",
                    format!("input port `{}` needs a contract with one dataset, not {}", port.name, datasets.len()),
                )
                .at(place.clone())
                .with_hint("write one contract for each input dataset"),
            ),
            None => findings.push(unknown(&port.name, &port.contract, &place)),
        }
        product.input_ports.push(port);
    }
    for (port, place) in outputs {
        if product.contract(&port.contract).is_none() {
            findings.push(unknown(&port.name, &port.contract, &place));
        }
        for (id, _) in port.input_contracts.iter().filter(|(id, _)| !input_ids_of(product).contains(id)) {
            findings.push(unknown(&port.name, id, &place));
        }
        check_publish(product, &port, &place, findings);
        product.output_ports.push(port);
    }
}

fn input_ids_of(product: &Product) -> BTreeSet<String> {
    product.contracts.iter().filter(|c| c.layer == Layer::Input).map(|c| c.id.clone()).collect()
}

/// Everything that needs more than one file to be seen.
pub(crate) fn check_product(product: &mut Product, files: &BTreeMap<String, String>, findings: &mut Vec<Diagnostic>) {
    check_unique_tables(product, findings);
    resolve_relationships(product, findings);
    check_row_filters(product, findings);
    check_models(product, findings);
    check_outputs(product, findings);
    for port in &product.input_ports {
        if let (Some(rules), Some(dataset)) = (&port.events, product.dataset(Layer::Input, &port.dataset)) {
            check_events(rules, dataset, findings);
        }
        if let Connector::File { path, .. } = &port.connector
            // packed and binary files are no text, so they are not among the files; a pattern or variable may be any
            && [".csv", ".tsv", ".json", ".ndjson"].iter().any(|end| path.ends_with(end))
            && !path.contains(['*', '?', '[', '$'])
            && !files.contains_key(path)
            && files.keys().any(|k| k.starts_with("data/"))
        {
            findings.push(
                Diagnostic::error(
                    "PORT_PATH",
                    format!("input port `{}` reads `{path}`, which is not there", port.name),
                )
                .at(Location::new("dataproduct.odps.yaml", 1, 1))
                .with_hint("add the file, or correct the path"),
            );
        }
    }
}

fn place_of(product: &Product, dataset: &Dataset) -> Location {
    let file = product.contract_of(dataset).map_or("contracts", |c| c.file.as_str());
    Location::new(file, 1, 1)
}

fn check_unique_tables(product: &Product, findings: &mut Vec<Diagnostic>) {
    let mut ids = BTreeSet::new();
    for contract in &product.contracts {
        if !ids.insert(&contract.id) {
            findings.push(
                Diagnostic::error("MANIFEST_DUPLICATE", format!("contract id `{}` is used twice", contract.id))
                    .at(Location::new(contract.file.as_str(), 1, 1))
                    .with_hint("give every contract its own id"),
            );
        }
    }
    let mut seen: BTreeSet<(Layer, &str, &str)> = BTreeSet::new();
    for dataset in product.datasets() {
        for (what, name) in [("dataset", &dataset.name), ("table", &dataset.table)] {
            if !seen.insert((dataset.layer, what, name)) {
                findings.push(
                    Diagnostic::error(
                        "MANIFEST_DUPLICATE",
                        format!("layer {} has the {what} `{name}` twice", dataset.layer.name()),
                    )
                    .at(place_of(product, dataset))
                    .with_hint("give every dataset its own name and physicalName"),
                );
            }
        }
    }
}

/// Fill in the target type of relationships within the product, and check their targets.
fn resolve_relationships(product: &mut Product, findings: &mut Vec<Diagnostic>) {
    let own_id = product.id.clone();
    let mut known: BTreeMap<(Layer, String), Dataset> = BTreeMap::new();
    for dataset in product.datasets() {
        known.insert((dataset.layer, dataset.name.clone()), dataset.clone());
    }
    let mut reverse_names: BTreeSet<(String, String)> = BTreeSet::new();
    for contract in &mut product.contracts {
        let place = Location::new(contract.file.as_str(), 1, 1);
        for dataset in &mut contract.datasets {
            for relationship in &mut dataset.relationships {
                let problem = |message: String, hint: &str| {
                    Diagnostic::error("RELATIONSHIP_TO", message).at(place.clone()).with_hint(hint)
                };
                let target = &mut relationship.target;
                if target.product.as_deref() == Some(own_id.as_str()) {
                    target.product = None;
                }
                if let Some(name) = &relationship.reverse_field {
                    let owner = target.product.as_deref().unwrap_or(&own_id);
                    if !reverse_names.insert((format!("{owner}.{}", target.dataset), name.clone())) {
                        findings.push(problem(
                            format!("two relationships add the field `{name}` to dataset `{}`", target.dataset),
                            "choose another `graphqlReverseField`",
                        ));
                    }
                }
                if target.product.is_some() {
                    continue;
                }
                let Some(other) = known.get(&(dataset.layer, target.dataset.clone())) else {
                    findings.push(problem(
                        format!("dataset `{}` refers to the unknown dataset `{}`", dataset.name, target.dataset),
                        "refer to a dataset of this layer, or name the other product in `targetProduct`",
                    ));
                    continue;
                };
                target.graphql_type = other.graphql_type.clone().unwrap_or_default();
                for name in target.fields.iter().filter(|f| other.field(f).is_none()) {
                    findings.push(problem(
                        format!("dataset `{}` has no field `{name}` that `{}` refers to", other.name, dataset.name),
                        "refer to a field of that dataset",
                    ));
                }
                if let Some(name) = relationship.reverse_field.as_deref()
                    && (other.fields.iter().any(|f| f.graphql_name == name)
                        || other.relationships.iter().any(|r| r.graphql_field.as_deref() == Some(name)))
                {
                    findings.push(
                        Diagnostic::error(
                            "GRAPHQL_NAME_COLLISION",
                            format!("reverse field `{name}` is taken in dataset `{}`", other.name),
                        )
                        .at(place.clone())
                        .with_hint("choose another `graphqlReverseField`"),
                    );
                }
            }
        }
    }
}

fn check_row_filters(product: &Product, findings: &mut Vec<Diagnostic>) {
    for contract in &product.contracts {
        for role in &contract.roles {
            let Some(filter) = &role.row_filter else { continue };
            for dataset in &contract.datasets {
                for name in filter.fields().into_iter().filter(|f| dataset.field(f).is_none()) {
                    findings.push(
                        Diagnostic::error(
                            "ROW_FILTER",
                            format!(
                                "the rowFilter of role `{}` reads `{name}`, no field of `{}`",
                                role.role, dataset.name
                            ),
                        )
                        .at(Location::new(contract.file.as_str(), 1, 1))
                        .with_hint("use the names of the contract's properties"),
                    );
                }
            }
        }
    }
}

/// Every table a model reads exists: an input dataset or another model.
pub(crate) fn check_models(product: &Product, findings: &mut Vec<Diagnostic>) {
    for model in &product.models {
        for read in &model.depends_on {
            let exists = match read.layer {
                Layer::Input => product.inputs().any(|d| d.table == read.table),
                layer => product.models.iter().any(|m| m.layer == layer && m.name == read.table),
            };
            if !exists {
                findings.push(
                    Diagnostic::error(
                        "MODEL_TABLE",
                        format!("`{}` reads `{}.{}`, which nothing makes", model.file, read.layer.name(), read.table),
                    )
                    .at(Location::new(model.file.as_str(), 1, 1))
                    .with_hint("input tables come from input contracts, others from a model of that name"),
                );
            }
        }
        if model.layer == Layer::Output && !product.outputs().any(|d| d.table == model.name) {
            findings.push(
                Diagnostic::error("MODEL_CONTRACT", format!("no output contract promises `output.{}`", model.name))
                    .at(Location::new(model.file.as_str(), 1, 1))
                    .with_hint("write a contract, or move the model to `models/abstraction`"),
            );
        }
    }
}

/// Every output dataset has a model and a key.
fn check_outputs(product: &Product, findings: &mut Vec<Diagnostic>) {
    for dataset in product.outputs() {
        let place = place_of(product, dataset);
        if !product.models.iter().any(|m| m.layer == Layer::Output && m.name == dataset.table) {
            findings.push(
                Diagnostic::error("MODEL_MISSING", format!("no model makes `output.{}`", dataset.table))
                    .at(place.clone())
                    .with_hint(format!("write `models/output/{}.sql`", dataset.table)),
            );
        }
        if dataset.primary_key().is_empty() {
            findings.push(
                Diagnostic::error("FIELD_KEY", format!("output dataset `{}` has no primary key", dataset.name))
                    .at(place.clone())
                    .with_hint("mark a field `primaryKey: true`: pages and entities need one"),
            );
        }
        if dataset.graphql_type.is_none() {
            findings.push(
                Diagnostic::warning("GRAPHQL_TYPE", format!("output dataset `{}` has no GraphQL type", dataset.name))
                    .at(place.clone())
                    .with_hint("add the custom property `graphqlType` to serve it at the data port"),
            );
        }
        for rule in &dataset.quality {
            let mut found = Vec::new();
            check_rule(dataset, rule, &mut found);
            findings.extend(found.into_iter().map(|finding| finding.at(place.clone())));
        }
    }
}

/// A rule counts fields that there are.
pub(crate) fn check_rule(dataset: &Dataset, rule: &QualityRule, findings: &mut Vec<Diagnostic>) {
    let RuleCheck::Metric { metric: Metric::DuplicateValues(fields), .. } = &rule.check else { return };
    for name in fields.iter().filter(|f| dataset.field(f).is_none()) {
        findings.push(
            Diagnostic::error("QUALITY_METRIC", format!("rule `{}` counts the unknown field `{name}`", rule.id))
                .with_hint("name fields of the dataset"),
        );
    }
}
