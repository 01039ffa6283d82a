//! Scalars: turns a column's Postgres type into its GraphQL scalar, its bind form and its casts.

use terrane_manifest::{Field, PgType};

/// A GraphQL scalar of the data port.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) enum Scalar {
    Id,
    String,
    Int,
    BigInt,
    Float,
    Decimal,
    Boolean,
    Date,
    DateTime,
    Time,
    Uuid,
    Json,
}

/// How a value travels to Postgres, and which cast follows.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) enum Wire {
    Text,
    Int8,
    Float8,
    Bool,
}

impl Scalar {
    /// The scalar of a column of type `pg`.
    pub(crate) fn of(pg: PgType) -> Self {
        match pg {
            PgType::Text | PgType::Varchar | PgType::Char => Self::String,
            PgType::Int2 | PgType::Int4 => Self::Int,
            PgType::Int8 => Self::BigInt,
            PgType::Float4 | PgType::Float8 => Self::Float,
            PgType::Numeric => Self::Decimal,
            PgType::Bool => Self::Boolean,
            PgType::Date => Self::Date,
            PgType::Time => Self::Time,
            PgType::Timestamp | PgType::Timestamptz => Self::DateTime,
            PgType::Uuid => Self::Uuid,
            PgType::Json | PgType::Jsonb => Self::Json,
        }
    }

    /// The scalar of a contract's field.
    pub(crate) fn of_field(field: &Field) -> Self {
        Self::of(field.physical.base)
    }

    /// Its name in GraphQL.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Id => "ID",
            Self::String => "String",
            Self::Int => "Int",
            Self::BigInt => "BigInt",
            Self::Float => "Float",
            Self::Decimal => "Decimal",
            Self::Boolean => "Boolean",
            Self::Date => "Date",
            Self::DateTime => "DateTime",
            Self::Time => "Time",
            Self::Uuid => "UUID",
            Self::Json => "JSON",
        }
    }

    /// What [`Scalar::name`] means: description and specification, for those that GraphQL does not define.
    pub(crate) fn definition(self) -> Option<(&'static str, &'static str)> {
        Some(match self {
            Self::BigInt => (
                "A whole number of 64 bits, written as a string.",
                "https://www.postgresql.org/docs/current/datatype-numeric.html#DATATYPE-INT",
            ),
            Self::Decimal => (
                "A decimal number of any precision, written as a string.",
                "https://www.postgresql.org/docs/current/datatype-numeric.html#DATATYPE-NUMERIC-DECIMAL",
            ),
            Self::Date => ("A calendar day: `2026-01-31`.", "https://www.rfc-editor.org/rfc/rfc3339#section-5.6"),
            Self::DateTime => (
                "A point in time in UTC: `2026-01-31T12:00:00Z`.",
                "https://www.rfc-editor.org/rfc/rfc3339#section-5.6",
            ),
            Self::Time => ("A time of day: `12:00:00`.", "https://www.rfc-editor.org/rfc/rfc3339#section-5.6"),
            Self::Uuid => ("A universally unique identifier.", "https://www.rfc-editor.org/rfc/rfc9562"),
            Self::Json => ("Any JSON value.", "https://www.rfc-editor.org/rfc/rfc8259"),
            _ => return None,
        })
    }

    /// Whether values have an order that filters and `orderBy` can use.
    pub(crate) fn is_ordered(self) -> bool {
        self != Self::Json
    }

    /// Whether pattern filters apply.
    pub(crate) fn is_text(self) -> bool {
        matches!(self, Self::String | Self::Id)
    }
}

/// How values for a column of type `pg` travel.
pub(crate) fn wire(pg: PgType) -> Wire {
    match pg {
        PgType::Int2 | PgType::Int4 | PgType::Int8 => Wire::Int8,
        PgType::Float4 | PgType::Float8 => Wire::Float8,
        PgType::Bool => Wire::Bool,
        _ => Wire::Text,
    }
}

/// The casts that make a bind comparable with a column of type `pg`: the first says how it travels, so that the
/// statement's parameter types are fixed by its text; the second is the column's type where that is another one.
pub(crate) fn casts(pg: PgType, array: bool) -> (&'static str, Option<&'static str>) {
    let (first, second) = match pg {
        PgType::Text | PgType::Varchar => ("text", None),
        PgType::Int2 | PgType::Int4 | PgType::Int8 => ("bigint", None),
        PgType::Float4 | PgType::Float8 => ("float8", None),
        PgType::Bool => ("boolean", None),
        PgType::Char => ("text", Some("bpchar")),
        PgType::Numeric => ("text", Some("numeric")),
        PgType::Date => ("text", Some("date")),
        PgType::Time => ("text", Some("time")),
        PgType::Timestamp => ("text", Some("timestamp")),
        PgType::Timestamptz => ("text", Some("timestamptz")),
        PgType::Uuid => ("text", Some("uuid")),
        PgType::Json | PgType::Jsonb => ("text", Some("jsonb")),
    };
    if !array {
        return (first, second);
    }
    (array_of(first), second.map(array_of))
}

/// The casts that make an array column and an array bind comparable: of the column, and of the bind. Array operators
/// take equal types only. No cast can fail: where the bind's values may not fit the column's, the column is cast.
pub(crate) fn array_casts(pg: PgType) -> (Option<&'static str>, &'static str, Option<&'static str>) {
    match pg {
        PgType::Int2 => (Some("bigint[]"), "bigint[]", None),
        PgType::Int4 => (None, "bigint[]", Some("integer[]")),
        PgType::Float4 => (Some("float8[]"), "float8[]", None),
        PgType::Varchar => (None, "text[]", Some("varchar[]")),
        PgType::Json => (Some("jsonb[]"), "text[]", Some("jsonb[]")),
        other => {
            let (first, second) = casts(other, true);
            (None, first, second)
        }
    }
}

fn array_of(name: &'static str) -> &'static str {
    match name {
        "text" => "text[]",
        "bigint" => "bigint[]",
        "float8" => "float8[]",
        "boolean" => "boolean[]",
        "bpchar" => "bpchar[]",
        "numeric" => "numeric[]",
        "date" => "date[]",
        "time" => "time[]",
        "timestamp" => "timestamp[]",
        "timestamptz" => "timestamptz[]",
        "uuid" => "uuid[]",
        _ => "jsonb[]",
    }
}
