//! Aggregates: turns a column's type into the functions over many rows that fit it, with the types of their results.

use crate::catalog::{Catalog, Column, Entity};
use crate::scalar::Scalar;
use std::collections::BTreeSet;
use terrane_manifest::PgType;
use terrane_sql::Sql;

/// A function over the values of a column in many rows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Function {
    Distinct,
    Sum,
    Avg,
    Min,
    Max,
    Stddev,
}

impl Function {
    /// In the order of the schema.
    pub(crate) const ALL: [Self; 6] = [Self::Distinct, Self::Sum, Self::Avg, Self::Min, Self::Max, Self::Stddev];

    /// Its field in an aggregate.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Distinct => "distinct",
            Self::Sum => "sum",
            Self::Avg => "avg",
            Self::Min => "min",
            Self::Max => "max",
            Self::Stddev => "stddev",
        }
    }

    /// Its value of the enum `AggregateFunction`.
    pub(crate) fn word(self) -> &'static str {
        match self {
            Self::Distinct => "DISTINCT",
            Self::Sum => "SUM",
            Self::Avg => "AVG",
            Self::Min => "MIN",
            Self::Max => "MAX",
            Self::Stddev => "STDDEV",
        }
    }

    /// What it says of a field.
    pub(crate) fn description(self) -> &'static str {
        match self {
            Self::Distinct => "How many different values there are; nulls do not count.",
            Self::Sum => "Null where there is no value.",
            Self::Avg => "The mean; null where there is no value.",
            Self::Min => "The least value.",
            Self::Max => "The greatest value.",
            Self::Stddev => "The standard deviation of a sample; null where there are less than two values.",
        }
    }

    /// The end of the names of its object type, `CountryAggregateSums`, and of its filter, `CountryHavingSums`. Functions
    /// with the same fields share them.
    pub(crate) fn suffix(self) -> &'static str {
        match self {
            Self::Distinct => "Counts",
            Self::Sum => "Sums",
            Self::Avg | Self::Stddev => "Averages",
            Self::Min | Self::Max => "Extremes",
        }
    }

    /// The type of its result for `column`; `None` where it does not fit. Results are wide enough to hold what the column
    /// can add up to, and exact numbers stay exact.
    pub(crate) fn result(self, column: &Column) -> Option<(Scalar, PgType)> {
        if !is_grouped(column) {
            return None;
        }
        let exact = match column.pg {
            PgType::Int2 | PgType::Int4 | PgType::Int8 | PgType::Numeric => Some(true),
            PgType::Float4 | PgType::Float8 => Some(false),
            _ => None,
        };
        match self {
            Self::Distinct => Some((Scalar::Int, PgType::Int8)),
            Self::Sum if matches!(column.pg, PgType::Int2 | PgType::Int4) => Some((Scalar::BigInt, PgType::Int8)),
            Self::Sum | Self::Avg | Self::Stddev => exact.map(|exact| match exact {
                true => (Scalar::Decimal, PgType::Numeric),
                false => (Scalar::Float, PgType::Float8),
            }),
            // Postgres has no least boolean, and no least UUID before version 18
            Self::Min | Self::Max if matches!(column.pg, PgType::Bool | PgType::Uuid) => None,
            Self::Min | Self::Max => Some((column.scalar, column.pg)),
        }
    }

    /// The name of its result's GraphQL type for `column`.
    pub(crate) fn type_name(self, column: &Column) -> Option<&str> {
        let (scalar, _) = self.result(column)?;
        Some(match self {
            Self::Min | Self::Max => column.type_name(),
            _ => scalar.name(),
        })
    }

    /// The call on `expr`, a column of type `pg`.
    pub(crate) fn call(self, expr: &Sql, pg: PgType) -> Sql {
        let mut sql = Sql::lit(match self {
            Self::Distinct => "count(DISTINCT ",
            Self::Sum => "sum(",
            Self::Avg => "avg(",
            Self::Min => "min(",
            Self::Max => "max(",
            Self::Stddev => "stddev_samp(",
        });
        sql.append(expr);
        // a sum of `real` would be as coarse as one of them
        sql.push(if self == Self::Sum && pg == PgType::Float4 { "::float8)" } else { ")" });
        sql
    }
}

/// Whether rows can be grouped by `column`.
pub(crate) fn is_grouped(column: &Column) -> bool {
    !column.array && column.scalar.is_ordered()
}

/// Whether `bucket` says something about `column`.
pub(crate) fn is_bucketed(column: &Column) -> bool {
    matches!(column.pg, PgType::Date | PgType::Timestamp | PgType::Timestamptz)
}

/// Functions that fit at least one column of `entity`.
pub(crate) fn functions(entity: &Entity) -> impl Iterator<Item = Function> {
    Function::ALL.into_iter().filter(|f| entity.columns.iter().any(|c| f.result(c).is_some()))
}

/// The scalars that results have beside those of the columns.
pub(crate) fn result_scalars(catalog: &Catalog) -> BTreeSet<Scalar> {
    let columns = catalog.entities.iter().filter(|e| e.table.is_some()).flat_map(|e| &e.columns);
    let results = columns.flat_map(|column| {
        [Function::Distinct, Function::Sum, Function::Avg].into_iter().filter_map(|f| Some(f.result(column)?.0))
    });
    results.collect()
}

/// Names of types that an entity has for its aggregates.
pub(crate) fn type_names(entity: &Entity) -> BTreeSet<String> {
    let kind = &entity.type_name;
    let mut names: BTreeSet<String> =
        ["Aggregate", "Group", "GroupKeys", "GroupBy", "GroupField", "GroupOrder", "Having"]
            .iter()
            .map(|suffix| format!("{kind}{suffix}"))
            .collect();
    for function in functions(entity) {
        names.insert(format!("{kind}Aggregate{}", function.suffix()));
        names.insert(format!("{kind}Having{}", function.suffix()));
    }
    names
}
