//! Contracts: turns an ODCS 3.2 file into a contract with its datasets, roles and service levels.

use crate::dataset::{Classification, Dataset, Field, Layer, Link, Relationship, RootNames};
use crate::field::read_field;
use crate::index::read_indexes;
use crate::ingest::read_ingest;
use crate::key::read_second_keys;
use crate::mask::read_masks;
use crate::names::{RESERVED_TYPES, camel_case, is_graphql_name, is_sql_name, pascal_case};
use crate::product::{Contract, Description, Role, Sla};
use crate::quality::read_rules;
use crate::relationship::read_relationships;
use crate::row_filter::RowFilter;
use crate::search::read_language;
use crate::yaml::{Node, Source};
use std::collections::BTreeSet;
use terrane_diagnostics::Diagnostic;

const KEYS: &[&str] = &[
    "apiVersion",
    "kind",
    "id",
    "name",
    "version",
    "status",
    "tenant",
    "domain",
    "tags",
    "description",
    "context",
    "authoritativeDefinitions",
    "servers",
    "schema",
    "support",
    "price",
    "team",
    "roles",
    "slaProperties",
    "customProperties",
    "contractCreatedTs",
];
const OBJECT_KEYS: &[&str] = &[
    "id",
    "name",
    "physicalName",
    "physicalType",
    "logicalType",
    "businessName",
    "description",
    "dataGranularityDescription",
    "properties",
    "relationships",
    "quality",
    "synonyms",
    "deprecated",
    "context",
    "tags",
    "authoritativeDefinitions",
    "customProperties",
];

/// Read the contract in `file`. Its layer is set later, from the ports that refer to it.
pub(crate) fn read_contract(file: &str, text: &str, findings: &mut Vec<Diagnostic>) -> Option<Contract> {
    let source = Source::new(file, text);
    let value = source.parse();
    let contract = value.as_ref().map(|value| read_root(file, &source.root(value)));
    findings.extend(source.into_findings());
    contract
}

fn read_root(file: &str, root: &Node<'_>) -> Contract {
    root.expect_keys(KEYS);
    root.check_custom();
    expect_word(root, "apiVersion", "v3.2.0");
    expect_word(root, "kind", "DataContract");
    check_ids(root);
    let id = root.require_text("id");
    let datasets = root.list("schema").iter().filter_map(|object| read_dataset(object, &id)).collect::<Vec<_>>();
    if datasets.is_empty() && root.list("schema").is_empty() {
        root.error("CONTRACT_EMPTY", format!("contract `{id}` describes no dataset"), "add `schema: [{name: …}]`");
    }
    let roles = root.list("roles").iter().map(|role| read_role(role, &datasets)).collect();
    Contract {
        file: file.to_owned(),
        name: root.text("name"),
        version: read_version(root),
        status: root.text("status"),
        layer: Layer::Output,
        description: root.get("description").map(|d| read_description(&d)).unwrap_or_default(),
        links: read_links(root),
        servers: root.list("servers").iter().map(read_server).collect(),
        roles,
        sla: root.list("slaProperties").iter().map(read_sla).collect(),
        datasets,
        id,
    }
}

/// Report when `key` is not `word`.
pub(crate) fn expect_word(node: &Node<'_>, key: &str, word: &str) {
    let found = node.require_text(key);
    if !found.is_empty() && found != word {
        node.get(key).unwrap_or_else(|| node.clone()).error(
            "MANIFEST_VERSION",
            format!("`{key}` is `{found}`, not `{word}`"),
            &format!("write `{key}: {word}`"),
        );
    }
}

/// `version`, which must be a semantic version.
pub(crate) fn read_version(node: &Node<'_>) -> String {
    let version = node.require_text("version");
    let core = version.split(['-', '+']).next().unwrap_or_default();
    let parts: Vec<&str> = core.split('.').collect();
    if !version.is_empty() && (parts.len() != 3 || parts.iter().any(|p| p.parse::<u32>().is_err())) {
        node.get("version").unwrap_or_else(|| node.clone()).error(
            "MANIFEST_VERSION",
            format!("version `{version}` is no semantic version"),
            "write MAJOR.MINOR.PATCH",
        );
    }
    version
}

/// Ids of one list must differ; the published schema cannot say so.
fn check_ids(root: &Node<'_>) {
    for key in ["schema", "servers", "roles", "slaProperties", "support", "authoritativeDefinitions"] {
        report_duplicates(&root.list(key), "id");
    }
    report_duplicates(&root.list("roles"), "role");
    let objects = root.list("schema");
    report_duplicates(&objects, "name");
    let mut rules = Vec::new();
    for object in &objects {
        let properties = object.list("properties");
        report_duplicates(&properties, "id");
        report_duplicates(&properties, "name");
        rules.extend(object.list("quality"));
        rules.extend(properties.iter().flat_map(|p| p.list("quality")));
    }
    report_duplicates(&rules, "id");
}

/// Report nodes whose text at `key` was seen in an earlier one.
pub(crate) fn report_duplicates(nodes: &[Node<'_>], key: &str) {
    let mut seen = BTreeSet::new();
    for node in nodes {
        let Some(text) = node.get(key).and_then(|n| n.as_json().as_str().map(str::to_owned)) else { continue };
        if !seen.insert(text.clone()) {
            node.error(
                "MANIFEST_DUPLICATE",
                format!("{} has the {key} `{text}` a second time", node.path()),
                &format!("give every entry its own {key}"),
            );
        }
    }
}

pub(crate) fn read_description(node: &Node<'_>) -> Description {
    node.expect_keys(&["purpose", "usage", "limitations", "authoritativeDefinitions", "customProperties"]);
    Description { purpose: node.text("purpose"), usage: node.text("usage"), limitations: node.text("limitations") }
}

pub(crate) fn read_links(node: &Node<'_>) -> Vec<Link> {
    node.list("authoritativeDefinitions")
        .iter()
        .map(|link| {
            link.expect_keys(&["id", "type", "url", "description"]);
            Link {
                kind: link.require_text("type"),
                url: link.require_text("url"),
                description: link.text("description"),
            }
        })
        .collect()
}

fn read_server(node: &Node<'_>) -> serde_json::Value {
    node.require_text("server");
    node.require_text("type");
    node.as_json()
}

fn read_role(node: &Node<'_>, datasets: &[Dataset]) -> Role {
    node.expect_keys(&[
        "id",
        "role",
        "description",
        "access",
        "firstLevelApprovers",
        "secondLevelApprovers",
        "customProperties",
    ]);
    node.check_custom();
    let role = node.require_text("role");
    if role.contains([',', '#', '\n', '"']) {
        node.error("ROLE_NAME", format!("role `{role}` has a character that policy lines cannot hold"), "use letters");
    }
    let max_classification = node.custom("maxClassification").and_then(|n| {
        let word = n.as_text()?;
        let level = Classification::parse(&word);
        if level.is_none() {
            n.error(
                "FIELD_CLASSIFICATION",
                format!("role `{role}` has the unknown maxClassification `{word}`"),
                "use public, internal, confidential or restricted",
            );
        }
        level
    });
    let row_filter = node.custom("rowFilter").and_then(|n| {
        let text = n.as_text()?;
        RowFilter::parse(&text)
            .map_err(|problem| {
                n.error("ROW_FILTER", format!("the rowFilter of role `{role}`: {problem}"), "see docs/errors.md")
            })
            .ok()
    });
    Role {
        access: node.text("access"),
        description: node.text("description"),
        max_classification,
        row_filter,
        masks: read_masks(node, datasets),
        first_approvers: node.text("firstLevelApprovers"),
        second_approvers: node.text("secondLevelApprovers"),
        role,
    }
}

fn read_sla(node: &Node<'_>) -> Sla {
    node.expect_keys(&[
        "id",
        "property",
        "value",
        "valueExt",
        "unit",
        "element",
        "driver",
        "description",
        "scheduler",
        "schedule",
        "authoritativeDefinitions",
        "customProperties",
    ]);
    if !node.has("value") {
        node.error("MANIFEST_MISSING_FIELD", format!("{} has no `value`", node.path()), "add `value: …`");
    }
    Sla {
        property: node.require_text("property"),
        value: node.json("value").unwrap_or_default(),
        unit: node.text("unit"),
        element: node.text("element"),
        driver: node.text("driver"),
        description: node.text("description"),
    }
}

/// The custom property `cacheMaxAge`: whole seconds, at least one, at most a year.
fn read_cache_max_age(object: &Node<'_>, dataset: &str) -> Option<u32> {
    let node = object.custom("cacheMaxAge")?;
    let whole = node.as_json().as_u64().and_then(|seconds| u32::try_from(seconds).ok());
    let seconds = whole.filter(|seconds| (1..=31_536_000).contains(seconds));
    if seconds.is_none() {
        let message = format!("the `cacheMaxAge` of dataset `{dataset}` is no number of seconds");
        node.error("DATASET_CACHE", message, "write whole seconds, between 1 and 31536000");
    }
    seconds
}

fn read_dataset(object: &Node<'_>, contract: &str) -> Option<Dataset> {
    object.expect_keys(OBJECT_KEYS);
    object.check_custom();
    let name = object.require_text("name");
    let table = object.text("physicalName").unwrap_or_else(|| name.clone());
    if !is_sql_name(&table) || name.contains(['.', ',', '*']) {
        object.error(
            "DATASET_NAME",
            format!("dataset `{name}` has the table name `{table}`"),
            "use lower-case letters, digits and underscores, at most 63",
        );
        return None;
    }
    if let Some(kind) = object.text("logicalType").filter(|k| k != "object") {
        object.error("FIELD_TYPE", format!("dataset `{name}` has the logical type `{kind}`"), "use object");
    }
    let properties = object.list("properties");
    let mut quality = read_rules(object, &name, None);
    let mut relationships = read_relationships(object, &name, None);
    let mut fields = Vec::new();
    for (index, property) in properties.iter().enumerate() {
        let Some(field) = read_field(property, index) else { continue };
        quality.extend(read_rules(property, &name, Some(&field.name)));
        relationships.extend(read_relationships(property, &name, Some(&field.name)));
        if let Some(items) = property.get("items") {
            let each = read_relationships(&items, &name, Some(&field.name));
            relationships.extend(each.into_iter().map(|r| Relationship { each_item: true, ..r }));
        }
        fields.push(field);
    }
    if properties.is_empty() {
        object.error("DATASET_EMPTY", format!("dataset `{name}` has no properties"), "describe every column");
    }
    let graphql_type = object.custom("graphqlType").and_then(|n| n.as_text());
    if let Some(kind) = &graphql_type
        && (!is_graphql_name(kind) || RESERVED_TYPES.contains(&kind.as_str()))
    {
        object.error("GRAPHQL_NAME", format!("`{kind}` cannot be the GraphQL type of `{name}`"), "choose another name");
    }
    let mut dataset = Dataset {
        indexes: read_indexes(object, &name, &fields),
        graphql_names: graphql_type.as_deref().map(|kind| root_names(object, &name, kind)),
        graphql_type,
        search_language: read_language(object),
        cache_max_age: read_cache_max_age(object, &name),
        ingest: read_ingest(object),
        table,
        layer: Layer::Output,
        contract: contract.to_owned(),
        business_name: object.text("businessName"),
        description: object.text("description"),
        granularity: object.text("dataGranularityDescription"),
        fields,
        second_keys: Vec::new(),
        relationships,
        quality,
        tags: object.texts("tags"),
        synonyms: object.list("synonyms").iter().filter_map(|s| s.text("synonym")).collect(),
        links: read_links(object),
        name,
    };
    dataset.second_keys = read_second_keys(object, &dataset);
    check_fields(object, &dataset);
    Some(dataset)
}

/// Root fields: the type's name for one row, the dataset's for many; where both are the same word (`ContinentFacts` of
/// `continent_facts`), many is `allContinentFacts`. Custom `graphqlLookup` and `graphqlList` override.
fn root_names(object: &Node<'_>, dataset: &str, kind: &str) -> RootNames {
    let custom = |name: &str| object.custom(name).and_then(|n| n.as_text()).filter(|n| is_graphql_name(n));
    let one = custom("graphqlLookup").unwrap_or_else(|| camel_case(kind));
    let many = custom("graphqlList").unwrap_or_else(|| {
        let many = camel_case(dataset);
        if many == one { format!("all{}", pascal_case(dataset)) } else { many }
    });
    RootNames { one, many }
}

fn check_fields(object: &Node<'_>, dataset: &Dataset) {
    let mut columns = BTreeSet::new();
    let mut names = BTreeSet::new();
    for field in &dataset.fields {
        if !columns.insert(&field.column) {
            object.error(
                "MANIFEST_DUPLICATE",
                format!("dataset `{}` has the column `{}` twice", dataset.name, field.column),
                "give each its own physicalName",
            );
        }
        if !names.insert(field.graphql_name.as_str()) {
            object.error(
                "GRAPHQL_NAME_COLLISION",
                format!("two fields of dataset `{}` are called `{}` in GraphQL", dataset.name, field.graphql_name),
                "give one of them the custom property `graphqlName`",
            );
        }
    }
    let key: Vec<&Field> = dataset.primary_key();
    if key.windows(2).any(|w| w[0].key_position == w[1].key_position) {
        object.error("FIELD_KEY", format!("dataset `{}` has a key position twice", dataset.name), "number from 1");
    }
    for relationship in &dataset.relationships {
        for field in relationship.fields.iter().filter(|f| dataset.field(f).is_none()) {
            object.error(
                "RELATIONSHIP_FROM",
                format!("a relationship of dataset `{}` starts at `{field}`, which is no field", dataset.name),
                "name fields of this dataset",
            );
        }
        if let Some(name) = relationship.graphql_field.as_deref().filter(|n| !names.insert(n)) {
            object.error(
                "GRAPHQL_NAME_COLLISION",
                format!("relationship field `{name}` of dataset `{}` is taken by another field", dataset.name),
                "choose another `graphqlField`",
            );
        }
    }
}
