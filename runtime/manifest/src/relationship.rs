//! Relationships: turns the references of a contract into foreign keys with checked targets.

use crate::dataset::{Cardinality, Relationship, Target};
use crate::names::is_graphql_name;
use crate::yaml::Node;

/// Read the `relationships` of `node`: a property (then `field` is its name and `from` is implied) or an object.
pub(crate) fn read_relationships(node: &Node<'_>, dataset: &str, field: Option<&str>) -> Vec<Relationship> {
    node.list("relationships").iter().filter_map(|r| read_relationship(r, dataset, field)).collect()
}

fn read_relationship(node: &Node<'_>, dataset: &str, field: Option<&str>) -> Option<Relationship> {
    node.expect_keys(&["id", "type", "from", "to", "customProperties"]);
    node.check_custom();
    if let Some(kind) = node.text("type").filter(|k| k != "foreignKey") {
        node.error("RELATIONSHIP_TYPE", format!("{} has the unknown type `{kind}`", node.path()), "use foreignKey");
    }
    let fields: Vec<String> = match field {
        Some(field) => {
            if node.has("from") {
                node.error(
                    "RELATIONSHIP_FROM",
                    format!("{} repeats its property in `from`", node.path()),
                    "remove `from`",
                );
            }
            vec![field.to_owned()]
        }
        None => node.one_or_more("from").iter().map(|f| last_segment(f, dataset)).collect(),
    };
    let to = node.one_or_more("to");
    if to.is_empty() || to.len() != fields.len() {
        node.error(
            "RELATIONSHIP_TO",
            format!("{} refers from {} fields to {}", node.path(), fields.len(), to.len()),
            "`to` names as many fields as the relationship has",
        );
        return None;
    }
    let references: Vec<Reference> = to.iter().filter_map(|text| read_reference(node, text)).collect();
    if references.len() != to.len() {
        return None;
    }
    let first = &references[0];
    if references.iter().any(|r| (&r.product, &r.dataset) != (&first.product, &first.dataset)) {
        node.error("RELATIONSHIP_TO", format!("{} refers to several datasets", node.path()), "refer to one dataset");
        return None;
    }
    let custom = |name: &str| node.custom(name).and_then(|n| n.as_text());
    let product = custom("targetProduct").or_else(|| first.product.clone());
    let names = [custom("graphqlField"), custom("graphqlReverseField"), custom("targetType")];
    for name in names.iter().flatten().filter(|n| !is_graphql_name(n)) {
        node.error("GRAPHQL_NAME", format!("`{name}` of {} is no GraphQL name", node.path()), "use letters and digits");
    }
    let [graphql_field, reverse_field, graphql_type] = names;
    if product.is_some() && graphql_type.is_none() && (graphql_field.is_some() || reverse_field.is_some()) {
        node.error(
            "RELATIONSHIP_TARGET_TYPE",
            format!("{} refers to another product without naming the type there", node.path()),
            "add the custom property `targetType` with the GraphQL type's name",
        );
        return None;
    }
    Some(Relationship {
        fields,
        each_item: false,
        target: Target {
            product,
            dataset: first.dataset.clone(),
            fields: references.iter().map(|r| r.field.clone()).collect(),
            graphql_type: graphql_type.unwrap_or_default(),
        },
        cardinality: read_cardinality(node),
        graphql_field,
        reverse_field,
        description: custom("description"),
    })
}

fn read_cardinality(node: &Node<'_>) -> Cardinality {
    match node.custom("cardinality").and_then(|n| n.as_text()).as_deref() {
        None | Some("many-to-one") => Cardinality::ManyToOne,
        Some("one-to-one") => Cardinality::OneToOne,
        Some(other) => {
            node.error(
                "RELATIONSHIP_CARDINALITY",
                format!("{} has the cardinality `{other}`", node.path()),
                "use many-to-one or one-to-one; the other direction follows from it",
            );
            Cardinality::ManyToOne
        }
    }
}

struct Reference {
    product: Option<String>,
    dataset: String,
    field: String,
}

/// `FILE#/schema/DATASET/properties/FIELD`, `schema/DATASET/properties/FIELD` or `DATASET.FIELD`.
fn read_reference(node: &Node<'_>, text: &str) -> Option<Reference> {
    let (file, fragment) = match text.split_once('#') {
        Some((file, fragment)) => (file, fragment),
        None => ("", text),
    };
    let segments: Vec<&str> = fragment.trim_matches('/').split('/').collect();
    let (dataset, field) = match segments.as_slice() {
        ["schema", dataset, "properties", field] => (*dataset, *field),
        [short] if file.is_empty() && short.split('.').count() == 2 => short.split_once('.')?,
        _ => {
            node.error(
                "RELATIONSHIP_TO",
                format!("`{text}` in {} is no reference to a field", node.path()),
                "write `FILE.odcs.yaml#/schema/DATASET/properties/FIELD` or `DATASET.FIELD`",
            );
            return None;
        }
    };
    Some(Reference { product: product_of(file), dataset: dataset.to_owned(), field: field.to_owned() })
}

/// `../../continents/contracts/x.odcs.yaml` is in the folder of product `continents`; a path that stays in the folder
/// is this product.
fn product_of(file: &str) -> Option<String> {
    let rest = file.strip_prefix("../../")?;
    rest.split('/').next().filter(|folder| !folder.is_empty() && *folder != "..").map(str::to_owned)
}

fn last_segment(text: &str, dataset: &str) -> String {
    text.strip_prefix(&format!("{dataset}.")).unwrap_or_else(|| text.rsplit('/').next().unwrap_or(text)).to_owned()
}
