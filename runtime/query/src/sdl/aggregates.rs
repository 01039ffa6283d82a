//! Aggregates in SDL: turns an entity into the types of its figures, of its groups, and of what is asked of groups.

use super::{TEXT, filter_type, order_value, print_description};
use crate::aggregate::{Function, functions, is_bucketed, is_grouped};
use crate::catalog::{Catalog, Column, Entity};
use crate::scalar::Scalar;
use std::collections::BTreeSet;
use std::fmt::Write as _;

/// The fields of a connection that are about all of its rows.
pub(super) fn print_fields(kind: &str, out: &mut String) {
    write!(
        out,
        "  \"Figures of all rows that the filter matches.\"\n  aggregate: {kind}Aggregate!\n  \"Figures of these rows for \
         each group of them: `first` (default 50, at most 1000) groups from `offset`, in order of their keys where \
         nothing is said.\"\n  groups(by: [{kind}GroupBy!]!, having: {kind}Having, orderBy: [{kind}GroupOrder!], first: \
         Int, offset: Int): [{kind}Group!]! @listSize(assumedSize: 50, \
         slicingArguments: [\"first\"], requireOneSlicingArgument: false)\n"
    )
    .expect(TEXT);
}

/// The enums that all entities share.
pub(super) fn print_shared(catalog: &Catalog, out: &mut String) {
    out.push_str("\nenum AggregateFunction {\n  COUNT\n");
    for function in Function::ALL {
        writeln!(out, "  {}", function.word()).expect(TEXT);
    }
    out.push_str("}\n");
    let columns = catalog.entities.iter().filter(|e| e.table.is_some()).flat_map(|e| &e.columns);
    if columns.filter(|c| is_grouped(c)).any(is_bucketed) {
        out.push_str(
            "\n\"Spans of time, in UTC; weeks begin on Monday.\"\nenum DateBucket {\n  YEAR\n  QUARTER\n  MONTH\n  WEEK\n  \
             DAY\n  \"Not of a `Date`.\"\n  HOUR\n}\n",
        );
    }
}

/// All types of the aggregates of `entity`.
pub(super) fn print_types(entity: &Entity, out: &mut String) {
    let kind = &entity.type_name;
    write!(out, "\ntype {kind}Aggregate {{\n  \"How many rows.\"\n  count: Int!\n").expect(TEXT);
    print_functions(entity, "Aggregate", "!", out);
    out.push_str("}\n");
    let mut printed = BTreeSet::new();
    for function in functions(entity) {
        if !printed.insert(function.suffix()) {
            continue;
        }
        write!(out, "\ntype {kind}Aggregate{} @describes(type: \"{kind}\") {{\n", function.suffix()).expect(TEXT);
        for column in &entity.columns {
            if let Some(result) = function.type_name(column) {
                writeln!(out, "  {}: {result}", column.name).expect(TEXT);
            }
        }
        out.push_str("}\n");
    }
    print_group(entity, out);
    print_having(entity, out);
}

fn print_functions(entity: &Entity, part: &str, bang: &str, out: &mut String) {
    for function in functions(entity) {
        print_description(out, Some(function.description()), "  ");
        writeln!(out, "  {}: {}{part}{}{bang}", function.name(), entity.type_name, function.suffix()).expect(TEXT);
    }
}

fn print_group(entity: &Entity, out: &mut String) {
    let kind = &entity.type_name;
    write!(
        out,
        "\ntype {kind}Group {{\n  \"What its rows have in common; null for what is not grouped by.\"\n  keys: \
         {kind}GroupKeys!\n  \"How many rows.\"\n  count: Int!\n"
    )
    .expect(TEXT);
    print_functions(entity, "Aggregate", "!", out);
    write!(out, "}}\n\ntype {kind}GroupKeys @describes(type: \"{kind}\") {{\n").expect(TEXT);
    let grouped: Vec<&Column> = entity.columns.iter().filter(|c| is_grouped(c)).collect();
    for column in &grouped {
        writeln!(out, "  {}: {}", column.name, column.type_name()).expect(TEXT);
    }
    write!(out, "}}\n\ninput {kind}GroupBy {{\n  field: {kind}GroupField!\n").expect(TEXT);
    if grouped.iter().any(|c| is_bucketed(c)) {
        out.push_str("  \"The span of time that a value lies in, instead of the value; its start is the key.\"\n");
        out.push_str("  bucket: DateBucket\n");
    }
    write!(out, "}}\n\nenum {kind}GroupField @describes(type: \"{kind}\") {{\n").expect(TEXT);
    for column in &grouped {
        writeln!(out, "  {}", order_value(&column.name)).expect(TEXT);
    }
    write!(
        out,
        "}}\n\n\"By the key `field`, or by an `aggregate` of `field`; COUNT is of rows and takes no field.\"\ninput \
         {kind}GroupOrder {{\n  field: {kind}GroupField\n  aggregate: AggregateFunction\n  direction: OrderDirection = ASC\n  \
         nulls: NullsOrder = LAST\n}}\n"
    )
    .expect(TEXT);
}

fn print_having(entity: &Entity, out: &mut String) {
    let kind = &entity.type_name;
    write!(out, "\n\"All that is given must hold of a group.\"\ninput {kind}Having {{\n  count: IntFilter\n")
        .expect(TEXT);
    for function in functions(entity) {
        writeln!(out, "  {}: {kind}Having{}", function.name(), function.suffix()).expect(TEXT);
    }
    write!(out, "  and: [{kind}Having!]\n  or: [{kind}Having!]\n  not: {kind}Having\n}}\n").expect(TEXT);
    let mut printed = BTreeSet::new();
    for function in functions(entity) {
        if !printed.insert(function.suffix()) {
            continue;
        }
        write!(out, "\ninput {kind}Having{} @describes(type: \"{kind}\") {{\n", function.suffix()).expect(TEXT);
        for column in &entity.columns {
            if let Some(filter) = having_type(function, column) {
                writeln!(out, "  {}: {filter}", column.name).expect(TEXT);
            }
        }
        out.push_str("}\n");
    }
}

fn having_type(function: Function, column: &Column) -> Option<String> {
    let (scalar, _) = function.result(column)?;
    Some(match function {
        Function::Min | Function::Max => filter_type(column),
        _ => format!("{}Filter", if scalar == Scalar::Id { Scalar::String } else { scalar }.name()),
    })
}
