//! Second keys: turns `graphqlKey` of a property and `graphqlKeys` of a dataset into checked keys beside the primary one.

use crate::dataset::{Dataset, Field};
use crate::types::PgType;
use crate::yaml::Node;

const HINT: &str = "a key is a list of names of fields, which are not lists, objects or fractions";

/// The second keys of `dataset`, which was read from `object`: of single fields in field order, then those of the dataset.
pub(crate) fn read_second_keys(object: &Node<'_>, dataset: &Dataset) -> Vec<Vec<String>> {
    let mut keys: Vec<Vec<String>> = Vec::new();
    for property in object.list("properties") {
        let Some(node) = property.custom("graphqlKey").filter(|n| n.as_json() != false) else { continue };
        let Some(field) = property.text("name").and_then(|name| dataset.field(&name)) else { continue };
        if node.as_json() != true {
            node.error("MANIFEST_TYPE", format!("{} must be true or false", node.path()), "write true or false");
        } else if !field.unique {
            let message = format!("field `{}` of dataset `{}` is a key and not unique", field.name, dataset.name);
            node.error("FIELD_KEY", message, "add `unique: true`, which is checked before every publish");
        } else {
            add(&node, dataset, vec![field.name.clone()], &mut keys);
        }
    }
    for node in object.custom("graphqlKeys").map(|n| n.items()).unwrap_or_default() {
        let names: Vec<String> = node.items().iter().filter_map(Node::as_text).collect();
        add(&node, dataset, names, &mut keys);
    }
    keys
}

fn add(node: &Node<'_>, dataset: &Dataset, names: Vec<String>, keys: &mut Vec<Vec<String>>) {
    let fields: Vec<&Field> = names.iter().filter_map(|name| dataset.field(name)).collect();
    let unknown = names.iter().find(|name| dataset.field(name).is_none());
    let keyless = fields.iter().find(|f| !can_be_key(f));
    let problem = match (unknown, keyless) {
        (Some(name), _) => format!("names `{name}`, which is no field"),
        (None, Some(field)) => format!("has `{}`, a {}, which can be no key", field.name, field.physical),
        (None, None) if names.is_empty() => "is empty".to_owned(),
        (None, None) if (1..names.len()).any(|i| names[..i].contains(&names[i])) => "names a field twice".to_owned(),
        (None, None) if dataset.primary_key().iter().map(|f| &f.name).eq(&names) || keys.contains(&names) => {
            "is a key already".to_owned()
        }
        (None, None) => {
            keys.push(names);
            return;
        }
    };
    node.error("FIELD_KEY", format!("a second key of dataset `{}` {problem}", dataset.name), HINT);
}

fn can_be_key(field: &Field) -> bool {
    let comparable = !matches!(field.physical.base, PgType::Json | PgType::Jsonb | PgType::Float4 | PgType::Float8);
    comparable && !field.physical.array
}
