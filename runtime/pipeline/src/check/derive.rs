//! Derived checks: turns what a contract says of a dataset's fields into checks, without anybody writing a rule.

use super::{Bind, Check, Measure, Place, column, duplicated, naming_columns};
use terrane_manifest::{Dataset, Expectation, Field, FieldOptions, Product, Relationship, RuleSeverity};
use terrane_sql::Sql;

/// Takes a check's name, its dimension, and the condition of the rows that break it, with its binds.
type AddCheck<'a> = dyn FnMut(&str, &str, Sql, Vec<Bind>) + 'a;

/// Required, key, unique, enumeration, bounds, pattern, and references within the product.
pub fn derive(product: &Product, dataset: &Dataset, place: &Place) -> Vec<Check> {
    let mut checks = Vec::new();
    let key = dataset.primary_key();
    if !key.is_empty() {
        let columns: Vec<&str> = key.iter().map(|f| f.column.as_str()).collect();
        let condition = duplicated(dataset, &columns, place);
        checks.push(check(dataset, place, None, "primaryKey", "uniqueness", condition, Vec::new()));
    }
    for key in composite_keys(dataset) {
        let columns: Vec<&str> = key.iter().map(|f| f.column.as_str()).collect();
        let names: Vec<&str> = key.iter().map(|f| f.name.as_str()).collect();
        let what = format!("key.{}", names.join("+"));
        let condition = duplicated(dataset, &columns, place);
        checks.push(check(dataset, place, None, &what, "uniqueness", condition, Vec::new()));
    }
    for field in &dataset.fields {
        checks.extend(of_field(dataset, place, field, key.len() == 1 && key[0].name == field.name));
    }
    for relationship in dataset.relationships.iter().filter(|r| r.target.product.is_none()) {
        checks.extend(reference(product, dataset, place, relationship));
    }
    checks
}

/// The second keys that no field's own `unique` covers.
pub(crate) fn composite_keys(dataset: &Dataset) -> Vec<Vec<&Field>> {
    let fields = |key: &Vec<String>| key.iter().filter_map(|name| dataset.field(name)).collect::<Vec<&Field>>();
    let keys = dataset.second_keys.iter().map(fields);
    keys.filter(|key| !matches!(key.as_slice(), [one] if one.unique)).collect()
}

fn check(
    dataset: &Dataset,
    place: &Place,
    field: Option<&Field>,
    what: &str,
    dimension: &str,
    condition: Sql,
    binds: Vec<Bind>,
) -> Check {
    let rule = match field {
        Some(field) => format!("{}.{}.{what}", dataset.name, field.name),
        None => format!("{}.{what}", dataset.name),
    };
    Check {
        rule,
        dataset: dataset.name.clone(),
        field: field.map(|f| f.name.clone()),
        severity: RuleSeverity::Error,
        dimension: Some(dimension.to_owned()),
        measure: Measure::Rows {
            table: place.rows(dataset),
            condition,
            binds,
            key: naming_columns(dataset),
            percent: false,
        },
        expected: Expectation::Be(0.into()),
    }
}

fn of_field(dataset: &Dataset, place: &Place, field: &Field, is_key: bool) -> Vec<Check> {
    let mut checks = Vec::new();
    let value = column(&field.column);
    let mut add = |what: &str, dimension: &str, condition: Sql, binds: Vec<Bind>| {
        checks.push(check(dataset, place, Some(field), what, dimension, condition, binds));
    };
    if field.required || field.key_position.is_some() {
        let mut condition = value.clone();
        condition.push(" IS NULL");
        add("required", "completeness", condition, Vec::new());
    }
    if field.unique && !is_key {
        add("unique", "uniqueness", duplicated(dataset, &[&field.column], place), Vec::new());
    }
    if !field.enumeration.is_empty() && !field.physical.array {
        let mut condition = value.clone();
        condition.push("::text <> ALL ($1)");
        let values = field.enumeration.iter().map(|v| v.value.clone()).collect();
        add("enum", "conformity", condition, vec![Bind::Texts(values)]);
    }
    if field.physical.array {
        lists(&value, &field.options, &mut add);
        if let Some(options) = &field.item_options {
            let mut inner = Sql::lit("EXISTS (SELECT FROM unnest(");
            inner.append(&value).push(") AS item WHERE ");
            bounds(&Sql::lit("item"), options, &mut |what, dimension, condition, binds| {
                let mut whole = inner.clone();
                whole.append(&condition).push(")");
                add(&format!("items.{what}"), dimension, whole, binds);
            });
        }
    } else {
        bounds(&value, &field.options, &mut add);
    }
    checks
}

/// Bounds of a scalar: numbers, lengths, pattern. NULL breaks none of them.
fn bounds(value: &Sql, options: &FieldOptions, add: &mut AddCheck<'_>) {
    let numbers = [
        ("minimum", &options.minimum, " < $1::numeric"),
        ("maximum", &options.maximum, " > $1::numeric"),
        ("exclusiveMinimum", &options.exclusive_minimum, " <= $1::numeric"),
        ("exclusiveMaximum", &options.exclusive_maximum, " >= $1::numeric"),
        ("multipleOf", &options.multiple_of, " % $1::numeric <> 0"),
    ];
    for (what, bound, operator) in numbers {
        let Some(bound) = bound else { continue };
        let mut condition = value.clone();
        condition.push("::numeric").push(operator);
        add(what, "conformity", condition, vec![Bind::Text(bound.to_string())]);
    }
    for (what, bound, operator) in [("minLength", options.min_length, " < "), ("maxLength", options.max_length, " > ")]
    {
        let Some(bound) = bound else { continue };
        let mut condition = Sql::lit("char_length(");
        condition.append(value).push("::text)").push(operator).number(u64::from(bound));
        add(what, "conformity", condition, Vec::new());
    }
    if let Some(pattern) = &options.pattern {
        let mut condition = value.clone();
        condition.push("::text !~ $1");
        add("pattern", "conformity", condition, vec![Bind::Text(pattern.clone())]);
    }
}

fn lists(value: &Sql, options: &FieldOptions, add: &mut AddCheck<'_>) {
    for (what, bound, operator) in [("minItems", options.min_items, " < "), ("maxItems", options.max_items, " > ")] {
        let Some(bound) = bound else { continue };
        let mut condition = Sql::lit("cardinality(");
        condition.append(value).push(")").push(operator).number(u64::from(bound));
        add(what, "conformity", condition, Vec::new());
    }
    if options.unique_items {
        let mut condition = Sql::lit("cardinality(");
        condition.append(value).push(") <> (SELECT count(DISTINCT item) FROM unnest(").append(value);
        condition.push(") AS item)");
        add("uniqueItems", "uniqueness", condition, Vec::new());
    }
}

/// Rows that refer to a row that is not there (within the product; other products' rows are not ours to see).
fn reference(product: &Product, dataset: &Dataset, place: &Place, relationship: &Relationship) -> Option<Check> {
    let target = product.outputs().find(|d| d.name == relationship.target.dataset)?;
    let fields: Vec<&Field> = relationship.fields.iter().filter_map(|name| dataset.field(name)).collect();
    let targets: Vec<&Field> = relationship.target.fields.iter().filter_map(|name| target.field(name)).collect();
    let mut condition = Sql::new();
    match (fields.as_slice(), targets.as_slice()) {
        ([field], [there]) if field.physical.array => {
            condition.push("EXISTS (SELECT FROM unnest(").append(&column(&field.column));
            condition.push(") AS item WHERE item IS NOT NULL AND NOT EXISTS (SELECT FROM ");
            condition.append(&place.table(target)).push(" AS r WHERE r.").ident(&there.column);
            condition.push(" = item))");
        }
        _ => {
            for field in &fields {
                condition.append(&column(&field.column)).push(" IS NOT NULL AND ");
            }
            condition.push("NOT EXISTS (SELECT FROM ").append(&place.table(target)).push(" AS r WHERE ");
            for (i, (field, there)) in fields.iter().zip(&targets).enumerate() {
                condition.push(if i > 0 { " AND r." } else { "r." }).ident(&there.column).push(" = ");
                condition.append(&column(&field.column));
            }
            condition.push(")");
        }
    }
    let what = format!("relationship.{}", relationship.fields.join("+"));
    let field = if let [one] = fields.as_slice() { Some(*one) } else { None };
    let mut check = check(dataset, place, field, &what, "consistency", condition, Vec::new());
    check.rule = format!("{}.{what}", dataset.name);
    Some(check)
}
