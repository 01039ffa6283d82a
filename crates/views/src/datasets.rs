//! Datasets: turns the data dictionary into what a visitor sees of it.

use crate::Visit;
use crate::about::format_label;
use crate::model::{Dataset, Download, Field, Reference};
use crate::said::{DatasetInfo, FieldInfo, ProductInfo};
use crate::sample::operation;
use crate::text::{day, encode, html_id, number, words};
use crate::types::FieldTypes;

/// Examples that are shown at most.
const EXAMPLES: usize = 4;

pub(crate) fn datasets(info: &ProductInfo, types: &FieldTypes, visit: &Visit<'_>) -> Vec<Dataset> {
    info.datasets.iter().map(|d| dataset(info, d, types, visit)).collect()
}

fn dataset(info: &ProductInfo, dataset: &DatasetInfo, types: &FieldTypes, visit: &Visit<'_>) -> Dataset {
    let operation = operation(dataset, types, visit);
    let explorer_href =
        operation.as_deref().filter(|_| visit.explorer).map(|text| format!("/graphiql?query={}", encode(text)));
    Dataset {
        name: html_id(&dataset.name),
        title: dataset.title.clone().unwrap_or_else(|| dataset.name.clone()),
        description: dataset.description.clone().unwrap_or_default(),
        version: dataset.contract_version.clone(),
        kind: dataset.dataset_type.clone().unwrap_or_else(|| "not said".to_owned()),
        rows: dataset.rows.map(number),
        granularity: dataset.granularity.clone(),
        fields: dataset.fields.iter().map(|f| field(info, dataset, f, types, visit)).collect(),
        downloads: downloads(info, dataset, visit),
        operation,
        explorer_href,
        sample: None,
    }
}

/// The files of a dataset: a visitor may fetch them where one of its fields is readable and a version is published.
fn downloads(info: &ProductInfo, dataset: &DatasetInfo, visit: &Visit<'_>) -> Vec<Download> {
    if info.current_version.is_none() || !dataset.fields.iter().any(|f| f.readable) {
        return Vec::new();
    }
    let file = format!("/output/{}.", dataset.name);
    let ports = info.output_ports.iter().filter(|p| p.datasets.contains(&dataset.name));
    let files = ports.flat_map(|p| &p.access).filter(|a| a.path.starts_with(&file));
    let mut found: Vec<Download> = Vec::new();
    for access in files {
        let download =
            Download { format: format_label(&access.format), href: format!("{}{}", visit.base, access.path) };
        if !found.contains(&download) {
            found.push(download);
        }
    }
    found
}

fn field(info: &ProductInfo, dataset: &DatasetInfo, field: &FieldInfo, types: &FieldTypes, visit: &Visit<'_>) -> Field {
    let object = dataset.graphql_type.as_deref().unwrap_or_default();
    let by_mesh = (visit.may_select)(object, &field.graphql_name);
    let readable = field.readable && by_mesh;
    let data_type = types.of(object, &field.graphql_name).unwrap_or(&field.datatype).to_owned();
    Field {
        name: field.graphql_name.clone(),
        data_type,
        key: field.key_position.is_some(),
        required: field.required,
        description: description(field),
        classification: field.classification.clone(),
        readable,
        why: (!readable).then(|| why(field, by_mesh, &visit.roles)),
        masked: field.mask.as_deref().filter(|_| by_mesh).map(masked),
        // what the mesh denies, no product can grant
        ask_href: visit
            .access
            .as_ref()
            .filter(|_| !readable && by_mesh)
            .map(|page| format!("{page}?field={}", encode(&format!("{}.{}", dataset.name, field.name)))),
        examples: examples(field).filter(|_| readable),
        reference: reference(info, dataset, field, visit),
        deprecated: field.deprecated.clone(),
        removed_after: field.removed_after.as_deref().map(day),
    }
}

/// What a field holds, with its unit where the contract says it.
fn description(field: &FieldInfo) -> String {
    let mut text = field.description.clone().or_else(|| field.title.clone()).unwrap_or_default();
    if let Some(unit) = &field.unit {
        let end = if text.is_empty() || text.ends_with('.') { "" } else { "." };
        text.push_str(&format!("{end} Unit: {unit}."));
    }
    text.trim().to_owned()
}

fn why(field: &FieldInfo, by_mesh: bool, roles: &[String]) -> String {
    let who = match roles {
        [] => "anonymous".to_owned(),
        roles => roles.join(", "),
    };
    match (field.readable, by_mesh) {
        (true, false) => format!("denied to {who} by the mesh"),
        _ if field.classification == "public" => format!("denied to {who} by the product"),
        _ => format!("{} data, not open to {who}", words(&field.classification, ' ')),
    }
}

/// What is seen instead of the values, by the kind of the mask.
fn masked(kind: &str) -> String {
    match kind {
        "null" => "you see that it is there, not what it is",
        "hash" => "you see a code in the place of each value",
        "partial" => "you see the ends of each value",
        "bucket" => "you see the range or the part of time that each value is in",
        _ => "you see something else in the place of each value",
    }
    .to_owned()
}

fn examples(field: &FieldInfo) -> Option<String> {
    let shown = if field.examples.is_empty() { &field.values } else { &field.examples };
    (!shown.is_empty()).then(|| {
        let more = if shown.len() > EXAMPLES { ", …" } else { "" };
        let shown: Vec<&str> = shown.iter().take(EXAMPLES).map(String::as_str).collect();
        format!("{}{more}", shown.join(", "))
    })
}

fn reference(info: &ProductInfo, dataset: &DatasetInfo, field: &FieldInfo, visit: &Visit<'_>) -> Option<Reference> {
    let relationship = dataset.relationships.iter().find(|r| r.fields.contains(&field.name))?;
    let place = relationship.fields.iter().position(|f| *f == field.name)?;
    let target = relationship.target_fields.get(place)?;
    let anchor = format!("#dataset-{}", html_id(&relationship.target_dataset));
    let href = match relationship.target_product.as_deref().filter(|id| *id != info.id) {
        None => anchor,
        Some(product) => format!("{}{anchor}", (visit.page_of)(product)?),
    };
    Some(Reference { label: format!("{}.{target}", relationship.target_dataset), href })
}
