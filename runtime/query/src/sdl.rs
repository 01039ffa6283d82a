//! SDL: turns the catalog into the text of the data port's schema, as federation serves it and in full.

mod aggregates;
mod changes;

use crate::aggregate::result_scalars;
use crate::catalog::{Catalog, Column, Entity, EntityId, KeyId, NestedKind, NestedType, Relation, Root, Shape};
use crate::scalar::Scalar;
use std::collections::BTreeSet;
use std::fmt::Write as _;

/// Scalars that have filter types.
pub(crate) const FILTER_SCALARS: &[Scalar] = &[
    Scalar::String,
    Scalar::Int,
    Scalar::BigInt,
    Scalar::Float,
    Scalar::Decimal,
    Scalar::Boolean,
    Scalar::Date,
    Scalar::DateTime,
    Scalar::Time,
    Scalar::Uuid,
    Scalar::Json,
];

const LINK: &str = "extend schema\n  @link(url: \"https://specs.apollo.dev/federation/v2.9\", import: [\"@key\", \
                    \"@shareable\", \"@composeDirective\", \"@listSize\"])\n  @link(url: \
                    \"https://specs.terrane.dev/describes/v0.1\", import: [\"@describes\"])\n  \
                    @composeDirective(name: \"@describes\")\n";

/// What a gateway's rules follow: what speaks of a field is denied with it. The link's address names it, and is not fetched.
const DESCRIBES: &str = "\n\"What this speaks of: `fields` of `type`; without them, each member of the same name (as an enum \
                         writes it).\"\ndirective @describes(type: String!, fields: [String!]) repeatable on OBJECT | \
                         INPUT_OBJECT | ENUM | FIELD_DEFINITION | ARGUMENT_DEFINITION | INPUT_FIELD_DEFINITION | ENUM_VALUE\n";

/// How many a page of a list has.
const PAGE_SIZE: &str = " @listSize(assumedSize: 50, slicingArguments: [\"first\", \"last\"], sizedFields: [\"edges\", \
                         \"nodes\"], requireOneSlicingArgument: false)";

/// Definitions that validation needs and federation's own composition brings itself.
const MACHINERY: &str = r#"
directive @key(fields: String!, resolvable: Boolean = true) repeatable on OBJECT | INTERFACE
directive @shareable repeatable on OBJECT | FIELD_DEFINITION
directive @link(url: String!, as: String, for: String, import: [String]) repeatable on SCHEMA
directive @listSize(assumedSize: Int, slicingArguments: [String!], sizedFields: [String!], requireOneSlicingArgument: Boolean = true) on FIELD_DEFINITION
scalar _Any
type _Service { sdl: String! }
extend type Query { _service: _Service! }
"#;

/// What orders by how well rows match a search.
pub(crate) const RELEVANCE: &str = "RELEVANCE";

const ARGUMENTS_DOC: &str =
    "A page is `first` (default 50, at most 1000) rows after `after` or from `offset`, or the `last` before `before`.";

/// The federation SDL: data types only. The same catalog gives the same text.
pub(crate) fn print_sdl(catalog: &Catalog) -> String {
    let mut out = String::from(LINK);
    out.push_str(DESCRIBES);
    let used = print_scalars(catalog, &mut out);
    print_query(catalog, &mut out);
    changes::print_subscription(catalog, &mut out);
    if catalog.roots.values().any(|r| matches!(r, Root::List(_))) {
        print_paging(&mut out);
        aggregates::print_shared(catalog, &mut out);
    }
    for (name, kind) in &catalog.enums {
        write!(out, "\nenum {name} {{\n").expect(TEXT);
        for (value, description) in &kind.values {
            print_description(&mut out, description.as_deref(), "  ");
            writeln!(out, "  {value}").expect(TEXT);
        }
        out.push_str("}\n");
    }
    for id in catalog.ids() {
        print_entity(catalog, id, &mut out);
    }
    for id in catalog.quantified() {
        print_relation_filter(&catalog.entity(id).type_name, &mut out);
    }
    catalog.nested.iter().for_each(|nested| print_nested(catalog, nested, &mut out));
    for scalar in FILTER_SCALARS.iter().filter(|s| used.contains(s)) {
        print_scalar_filter(scalar.name(), *scalar, &mut out);
    }
    for name in catalog.enums.keys().filter(|n| uses_enum(catalog, n, false)) {
        print_enum_filter(name, &mut out);
    }
    for (name, nested) in list_filters(catalog) {
        print_list_filter(&name, &nested, &mut out);
    }
    out
}

/// [`print_sdl`] and the machinery of federation, for validating operations and for introspection.
pub(crate) fn print_full(catalog: &Catalog, sdl: &str) -> String {
    // the implicit schema definition cannot be extended where it is validated
    let mut out = sdl.replacen(LINK, "", 1);
    out.push_str(MACHINERY);
    let entities: Vec<&str> = catalog.resolvable().map(|id| catalog.entity(id).type_name.as_str()).collect();
    if !entities.is_empty() {
        writeln!(out, "union _Entity = {}", entities.join(" | ")).expect(TEXT);
        out.push_str("extend type Query { _entities(representations: [_Any!]!): [_Entity]! }\n");
    }
    out
}

const TEXT: &str = "a String takes any text";

/// Print the scalars that GraphQL does not define; returns those that filters are needed for.
fn print_scalars(catalog: &Catalog, out: &mut String) -> BTreeSet<Scalar> {
    let plain = |c: &Column| if c.scalar == Scalar::Id { Scalar::String } else { c.scalar };
    let results = result_scalars(catalog);
    let mut used: BTreeSet<Scalar> = catalog.entities.iter().flat_map(|e| &e.columns).map(plain).collect();
    used.extend(&results);
    if !catalog.changes.is_empty() {
        used.extend([Scalar::BigInt, Scalar::DateTime]);
    }
    used.extend(catalog.nested.iter().flat_map(|n| &n.fields).filter_map(|f| match f.kind {
        NestedKind::Scalar(scalar) => Some(scalar),
        NestedKind::Object(_) => None,
    }));
    for scalar in &used {
        let Some((description, url)) = scalar.definition() else { continue };
        out.push('\n');
        print_description(out, Some(description), "");
        writeln!(out, "scalar {} @specifiedBy(url: \"{url}\")", scalar.name()).expect(TEXT);
    }
    let filtered = filtered_columns(catalog).filter(|c| !c.array && c.enum_type.is_none()).map(plain);
    filtered.chain(results).collect()
}

fn print_description(out: &mut String, description: Option<&str>, indent: &str) {
    let Some(description) = description.map(str::trim).filter(|d| !d.is_empty()) else { return };
    let safe = description.replace('\\', "\\\\").replace('"', "\\\"");
    if safe.contains('\n') {
        let block = description.replace("\"\"\"", "\\\"\"\"");
        writeln!(out, "{indent}\"\"\"").expect(TEXT);
        for line in block.lines() {
            writeln!(out, "{indent}{}", line.trim_end()).expect(TEXT);
        }
        writeln!(out, "{indent}\"\"\"").expect(TEXT);
    } else {
        let plain: String = safe.chars().filter(|c| !c.is_control()).collect();
        writeln!(out, "{indent}\"{plain}\"").expect(TEXT);
    }
}

fn print_query(catalog: &Catalog, out: &mut String) {
    if catalog.roots.is_empty() {
        return;
    }
    out.push_str("\ntype Query {\n");
    for (name, root) in &catalog.roots {
        match root {
            Root::Lookup(id, key) => {
                let entity = catalog.entity(*id);
                let columns = entity.key_of(*key);
                let arguments: Vec<String> = columns
                    .iter()
                    .map(|c| {
                        let (name, kind) = (&entity.column(*c).name, entity.column(*c).type_name());
                        format!("{name}: {kind}!{}", describes(&entity.type_name, [name.as_str()]))
                    })
                    .collect();
                let by = match *key {
                    KeyId::PRIMARY => "key".to_owned(),
                    _ => {
                        let names: Vec<&str> = columns.iter().map(|c| entity.column(*c).name.as_str()).collect();
                        format!("`{}`", names.join("` and `"))
                    }
                };
                print_description(out, Some(&format!("One {} by its {by}.", entity.type_name)), "  ");
                writeln!(out, "  {name}({}): {}", arguments.join(", "), entity.type_name).expect(TEXT);
            }
            Root::List(id) => {
                let entity = catalog.entity(*id);
                print_description(out, Some(ARGUMENTS_DOC), "  ");
                let kind = &entity.type_name;
                writeln!(out, "  {name}({}): {kind}Connection{PAGE_SIZE}", page_arguments(entity)).expect(TEXT);
            }
        }
    }
    out.push_str("}\n");
}

fn page_arguments(entity: &Entity) -> String {
    let kind = &entity.type_name;
    let search = match entity.is_searchable() {
        true => format!(", search: String{}", describes(kind, searched(entity))),
        false => String::new(),
    };
    format!(
        "first: Int, after: String, last: Int, before: String, offset: Int, filter: {kind}Filter, orderBy: [{kind}Order!]{search}"
    )
}

/// The directive that says which fields of `kind` something speaks of.
fn describes<'n>(kind: &str, fields: impl IntoIterator<Item = &'n str>) -> String {
    let fields: Vec<String> = fields.into_iter().map(|field| format!("\"{field}\"")).collect();
    format!(" @describes(type: \"{kind}\", fields: [{}])", fields.join(", "))
}

fn searched(entity: &Entity) -> impl Iterator<Item = &str> {
    entity.columns.iter().filter(|column| column.searchable).map(|column| column.name.as_str())
}

fn print_paging(out: &mut String) {
    out.push_str(
        "\n\"Where a page lies in its list.\"\ntype PageInfo @shareable {\n  hasNextPage: Boolean!\n  hasPreviousPage: \
         Boolean!\n  startCursor: String\n  endCursor: String\n}\n\nenum OrderDirection {\n  ASC\n  DESC\n}\n\n\"Where \
         nulls are put; last where nothing is said.\"\nenum NullsOrder {\n  FIRST\n  LAST\n}\n",
    );
}

fn print_entity(catalog: &Catalog, id: EntityId, out: &mut String) {
    let entity = catalog.entity(id);
    let kind = &entity.type_name;
    let resolvable = if entity.table.is_none() && entity.relations.is_empty() { ", resolvable: false" } else { "" };
    out.push('\n');
    print_description(out, entity.description.as_deref(), "");
    write!(out, "type {kind}").expect(TEXT);
    for key in entity.keys() {
        let fields: Vec<&str> = entity.key_of(key).iter().map(|c| entity.column(*c).name.as_str()).collect();
        write!(out, " @key(fields: \"{}\"{resolvable})", fields.join(" ")).expect(TEXT);
    }
    out.push_str(" {\n");
    for column in &entity.columns {
        print_column(catalog, column, out);
    }
    for relation in &entity.relations {
        print_relation(catalog, relation, out);
    }
    out.push_str("}\n");
    if entity.table.is_some() {
        print_connection(entity, out);
        print_filter(catalog, entity, out);
        print_order(catalog, entity, out);
        if entity.has_changes() {
            changes::print_types(catalog, entity, out);
        }
        aggregates::print_types(entity, out);
    }
}

fn print_column(catalog: &Catalog, column: &Column, out: &mut String) {
    print_description(out, column.description.as_deref(), "  ");
    let (kind, list) = match column.nested {
        Some((id, list)) => (catalog.nested_type(id).type_name.as_str(), list),
        None => (column.type_name(), column.array),
    };
    let kind = type_text(kind, list, column.is_non_null());
    writeln!(out, "  {}: {kind}{}", column.name, deprecation(column.deprecated.as_deref())).expect(TEXT);
}

fn type_text(kind: &str, list: bool, non_null: bool) -> String {
    let bang = if non_null { "!" } else { "" };
    if list { format!("[{kind}!]{bang}") } else { format!("{kind}{bang}") }
}

fn deprecation(reason: Option<&str>) -> String {
    reason.map_or_else(String::new, |reason| {
        format!(" @deprecated(reason: {})", serde_json::Value::String(reason.to_owned()))
    })
}

fn print_nested(catalog: &Catalog, nested: &NestedType, out: &mut String) {
    out.push('\n');
    print_description(out, nested.description.as_deref(), "");
    writeln!(out, "type {} {{", nested.type_name).expect(TEXT);
    for field in &nested.fields {
        print_description(out, field.description.as_deref(), "  ");
        let kind = match field.kind {
            NestedKind::Scalar(scalar) => scalar.name(),
            NestedKind::Object(id) => &catalog.nested_type(id).type_name,
        };
        let kind = type_text(kind, field.list, field.required);
        writeln!(out, "  {}: {kind}{}", field.name, deprecation(field.deprecated.as_deref())).expect(TEXT);
    }
    out.push_str("}\n");
}

fn print_relation(catalog: &Catalog, relation: &Relation, out: &mut String) {
    let kind = &catalog.entity(relation.target).type_name;
    let bang = if relation.non_null { "!" } else { "" };
    print_description(out, Some(&relation.description), "  ");
    let name = &relation.name;
    match relation.shape {
        Shape::One => writeln!(out, "  {name}: {kind}{bang}"),
        Shape::List => writeln!(out, "  {name}: [{kind}!]{bang}"),
        Shape::Connection => {
            writeln!(
                out,
                "  {name}({}): {kind}Connection{bang}{PAGE_SIZE}",
                page_arguments(catalog.entity(relation.target))
            )
        }
    }
    .expect(TEXT);
}

fn print_connection(entity: &Entity, out: &mut String) {
    let kind = &entity.type_name;
    write!(
        out,
        "\ntype {kind}Connection {{\n  edges: [{kind}Edge!]!\n  nodes: [{kind}!]!\n  pageInfo: PageInfo!\n  \"All rows \
         that the filter matches.\"\n  totalCount: Int!\n"
    )
    .expect(TEXT);
    aggregates::print_fields(kind, out);
    write!(out, "}}\n\ntype {kind}Edge {{\n  cursor: String!\n  node: {kind}!\n}}\n").expect(TEXT);
}

/// The filter input type of a column's values.
pub(crate) fn filter_type(column: &Column) -> String {
    let scalar = if column.scalar == Scalar::Id { Scalar::String } else { column.scalar };
    let name = column.enum_type.as_deref().unwrap_or(scalar.name());
    if column.array { format!("{name}ListFilter") } else { format!("{name}Filter") }
}

fn print_filter(catalog: &Catalog, entity: &Entity, out: &mut String) {
    let kind = &entity.type_name;
    write!(out, "\n\"All that is given must hold.\"\ninput {kind}Filter @describes(type: \"{kind}\") {{\n")
        .expect(TEXT);
    for column in &entity.columns {
        writeln!(out, "  {}: {}", column.name, filter_type(column)).expect(TEXT);
    }
    for relation in catalog.followed(entity) {
        let target = &catalog.entity(relation.target).type_name;
        match relation.shape {
            Shape::One => writeln!(out, "  \"It exists and matches.\"\n  {}: {target}Filter", relation.name),
            _ => writeln!(out, "  {}: {target}RelationFilter", relation.name),
        }
        .expect(TEXT);
    }
    write!(out, "  and: [{kind}Filter!]\n  or: [{kind}Filter!]\n  not: {kind}Filter\n}}\n").expect(TEXT);
}

/// What a filter asks of many related rows.
fn print_relation_filter(kind: &str, out: &mut String) {
    write!(
        out,
        "\n\"Of the related rows that the caller may see.\"\ninput {kind}RelationFilter {{\n  \"At least one \
         matches.\"\n  some: {kind}Filter\n  \"Not one matches.\"\n  none: {kind}Filter\n  \"All match, or there are \
         none.\"\n  every: {kind}Filter\n}}\n"
    )
    .expect(TEXT);
}

/// The enum value that orders by a column: `AREA_KM2`.
pub(crate) fn order_value(name: &str) -> String {
    let mut out = String::new();
    for (i, c) in name.chars().enumerate() {
        if c.is_ascii_uppercase() && i > 0 {
            out.push('_');
        }
        out.push(c.to_ascii_uppercase());
    }
    out
}

fn print_order(catalog: &Catalog, entity: &Entity, out: &mut String) {
    let kind = &entity.type_name;
    let related: Vec<&Relation> = catalog.followed(entity).filter(|r| r.shape == Shape::One).collect();
    if related.is_empty() {
        writeln!(out, "\ninput {kind}Order {{\n  field: {kind}OrderField!").expect(TEXT);
    } else {
        write!(
            out,
            "\n\"Exactly one of `field` or a relation, which has its own direction.\"\ninput {kind}Order {{\n  field: \
             {kind}OrderField\n"
        )
        .expect(TEXT);
    }
    out.push_str("  direction: OrderDirection = ASC\n  nulls: NullsOrder = LAST\n");
    for relation in related {
        writeln!(
            out,
            "  {}: {}Order{}",
            relation.name,
            catalog.entity(relation.target).type_name,
            describes(kind, [relation.name.as_str()])
        )
        .expect(TEXT);
    }
    write!(out, "}}\n\nenum {kind}OrderField @describes(type: \"{kind}\") {{\n").expect(TEXT);
    for column in entity.columns.iter().filter(|c| !c.array && c.scalar.is_ordered()) {
        writeln!(out, "  {}", order_value(&column.name)).expect(TEXT);
    }
    if entity.is_searchable() {
        writeln!(
            out,
            "  \"How well a row matches `search`: the best come first with `DESC`.\"\n  {RELEVANCE}{}",
            describes(kind, searched(entity))
        )
        .expect(TEXT);
    }
    out.push_str("}\n");
}

fn print_scalar_filter(name: &str, scalar: Scalar, out: &mut String) {
    write!(out, "\ninput {name}Filter {{\n").expect(TEXT);
    if scalar == Scalar::Json {
        out.push_str("  \"Contains this JSON (Postgres `@>`).\"\n  contains: JSON\n  \"Is an object with this key.\"\n  hasKey: String\n");
    } else {
        write!(out, "  eq: {name}\n  ne: {name}\n  in: [{name}!]\n  notIn: [{name}!]\n").expect(TEXT);
    }
    if scalar.is_ordered() && scalar != Scalar::Boolean {
        write!(out, "  lt: {name}\n  lte: {name}\n  gt: {name}\n  gte: {name}\n").expect(TEXT);
    }
    if scalar.is_text() {
        out.push_str("  \"SQL pattern: `%` is any text, `_` one character.\"\n  like: String\n");
        out.push_str("  \"The same without regard to case.\"\n  ilike: String\n");
        out.push_str("  startsWith: String\n  endsWith: String\n");
        out.push_str("  \"Has this text anywhere in it.\"\n  includes: String\n");
        out.push_str("  \"The same without regard to case.\"\n  includesInsensitive: String\n");
    }
    out.push_str("  isNull: Boolean\n}\n");
}

fn print_enum_filter(name: &str, out: &mut String) {
    write!(
        out,
        "\ninput {name}Filter {{\n  eq: {name}\n  ne: {name}\n  in: [{name}!]\n  notIn: [{name}!]\n  isNull: Boolean\n}}\n"
    )
    .expect(TEXT);
}

fn print_list_filter(name: &str, item: &str, out: &mut String) {
    write!(
        out,
        "\ninput {name} {{\n  eq: [{item}!]\n  \"Has all of these.\"\n  contains: [{item}!]\n  \"Has one of these.\"\n  \
         overlaps: [{item}!]\n  \"Has nothing but these.\"\n  containedBy: [{item}!]\n  isEmpty: Boolean\n  isNull: Boolean\n}}\n"
    )
    .expect(TEXT);
}

fn filtered_columns(catalog: &Catalog) -> impl Iterator<Item = &Column> {
    catalog.entities.iter().filter(|e| e.table.is_some()).flat_map(|e| &e.columns)
}

fn uses_enum(catalog: &Catalog, name: &str, array: bool) -> bool {
    filtered_columns(catalog).any(|c| c.enum_type.as_deref() == Some(name) && c.array == array)
}

fn list_filters(catalog: &Catalog) -> BTreeSet<(String, String)> {
    filtered_columns(catalog).filter(|c| c.array).map(|c| (filter_type(c), c.type_name().to_owned())).collect()
}
