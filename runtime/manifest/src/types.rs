//! Types: turns a contract's logical and physical types into checked ones that may stand in DDL.

use std::fmt;

/// ODCS logical types this project serves.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum LogicalType {
    /// Text.
    String,
    /// Whole number.
    Integer,
    /// Number with a fraction.
    Number,
    /// True or false.
    Boolean,
    /// Calendar day.
    Date,
    /// Time of day.
    Time,
    /// Point in time.
    Timestamp,
    /// List of items.
    Array,
    /// Nested mapping.
    Object,
    /// Mapping with free keys.
    Map,
}

impl LogicalType {
    /// The type of the standard's word, or `None`.
    pub fn parse(word: &str) -> Option<Self> {
        Some(match word {
            "string" => Self::String,
            "integer" => Self::Integer,
            "number" => Self::Number,
            "boolean" => Self::Boolean,
            "date" => Self::Date,
            "time" => Self::Time,
            "timestamp" => Self::Timestamp,
            "array" => Self::Array,
            "object" => Self::Object,
            "map" => Self::Map,
            _ => return None,
        })
    }

    /// The standard's word.
    pub fn word(self) -> &'static str {
        match self {
            Self::String => "string",
            Self::Integer => "integer",
            Self::Number => "number",
            Self::Boolean => "boolean",
            Self::Date => "date",
            Self::Time => "time",
            Self::Timestamp => "timestamp",
            Self::Array => "array",
            Self::Object => "object",
            Self::Map => "map",
        }
    }
}

/// A base type of Postgres, as it may stand in DDL.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum PgType {
    /// `text`
    Text,
    /// `varchar`
    Varchar,
    /// `char`
    Char,
    /// `smallint`
    Int2,
    /// `integer`
    Int4,
    /// `bigint`
    Int8,
    /// `real`
    Float4,
    /// `double precision`
    Float8,
    /// `numeric`
    Numeric,
    /// `boolean`
    Bool,
    /// `date`
    Date,
    /// `time`
    Time,
    /// `timestamp`
    Timestamp,
    /// `timestamptz`
    Timestamptz,
    /// `uuid`
    Uuid,
    /// `json`
    Json,
    /// `jsonb`
    Jsonb,
}

impl PgType {
    /// The name in DDL and casts.
    pub fn name(self) -> &'static str {
        match self {
            Self::Text => "text",
            Self::Varchar => "varchar",
            Self::Char => "char",
            Self::Int2 => "smallint",
            Self::Int4 => "integer",
            Self::Int8 => "bigint",
            Self::Float4 => "real",
            Self::Float8 => "double precision",
            Self::Numeric => "numeric",
            Self::Bool => "boolean",
            Self::Date => "date",
            Self::Time => "time",
            Self::Timestamp => "timestamp",
            Self::Timestamptz => "timestamptz",
            Self::Uuid => "uuid",
            Self::Json => "json",
            Self::Jsonb => "jsonb",
        }
    }

    fn parse(name: &str) -> Option<Self> {
        Some(match name {
            "text" => Self::Text,
            "varchar" | "character varying" => Self::Varchar,
            "char" | "character" | "bpchar" => Self::Char,
            "smallint" | "int2" => Self::Int2,
            "integer" | "int" | "int4" => Self::Int4,
            "bigint" | "int8" => Self::Int8,
            "real" | "float4" => Self::Float4,
            "double precision" | "float8" => Self::Float8,
            "numeric" | "decimal" => Self::Numeric,
            "boolean" | "bool" => Self::Bool,
            "date" => Self::Date,
            "time" | "time without time zone" => Self::Time,
            "timestamp" | "timestamp without time zone" => Self::Timestamp,
            "timestamptz" | "timestamp with time zone" => Self::Timestamptz,
            "uuid" => Self::Uuid,
            "json" => Self::Json,
            "jsonb" => Self::Jsonb,
            _ => return None,
        })
    }

    fn takes_modifiers(self, count: usize) -> bool {
        match self {
            Self::Varchar | Self::Char => count <= 1,
            Self::Numeric => count <= 2,
            Self::Time | Self::Timestamp | Self::Timestamptz => count <= 1,
            _ => count == 0,
        }
    }
}

/// A checked Postgres type: a base type of the allow-list, its numeric modifiers, and whether it is an array.
/// [`fmt::Display`] writes it for DDL; it holds nothing that could break out of a statement.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct PhysicalType {
    /// The base type.
    pub base: PgType,
    /// Length, or precision and scale.
    pub modifiers: Vec<u32>,
    /// Whether it is an array of the base type.
    pub array: bool,
}

impl PhysicalType {
    /// A base type without modifiers.
    pub fn plain(base: PgType) -> Self {
        Self { base, modifiers: Vec::new(), array: false }
    }

    /// Read a type name as a contract writes it: `varchar(20)`, `numeric(12,2)`, `text[]`. `None` when it is not in the
    /// allow-list.
    pub fn parse(text: &str) -> Option<Self> {
        let lower = text.trim().to_ascii_lowercase();
        let (element, array) = match lower.strip_suffix("[]") {
            Some(element) => (element.trim(), true),
            None => (lower.as_str(), false),
        };
        let (name, modifiers) = match element.split_once('(') {
            Some((name, rest)) => {
                let (inside, after) = rest.split_once(')')?;
                let modifiers = inside.split(',').map(|m| m.trim().parse().ok()).collect::<Option<Vec<u32>>>()?;
                (format!("{} {}", name.trim(), after.trim()).trim().to_owned(), modifiers)
            }
            None => (element.split_whitespace().collect::<Vec<_>>().join(" "), Vec::new()),
        };
        let base = PgType::parse(&name)?;
        base.takes_modifiers(modifiers.len()).then_some(Self { base, modifiers, array })
    }

    /// The type that a logical type has where the contract names no physical one.
    pub fn default_for(logical: LogicalType, format: Option<&str>) -> Option<Self> {
        Some(Self::plain(match logical {
            LogicalType::String => PgType::Text,
            LogicalType::Integer if matches!(format, Some("i64" | "u64" | "u32")) => PgType::Int8,
            LogicalType::Integer => PgType::Int4,
            LogicalType::Number if matches!(format, Some("f32" | "f64")) => PgType::Float8,
            LogicalType::Number => PgType::Numeric,
            LogicalType::Boolean => PgType::Bool,
            LogicalType::Date => PgType::Date,
            LogicalType::Time => PgType::Time,
            LogicalType::Timestamp => PgType::Timestamptz,
            LogicalType::Object | LogicalType::Map => PgType::Jsonb,
            LogicalType::Array => return None,
        }))
    }

    /// Whether a column of this type can hold values of the logical type.
    pub fn fits(&self, logical: LogicalType) -> bool {
        if logical == LogicalType::Array {
            return self.array;
        }
        if self.array {
            return false;
        }
        use PgType as P;
        match logical {
            LogicalType::String => matches!(self.base, P::Text | P::Varchar | P::Char | P::Uuid | P::Time),
            LogicalType::Integer => matches!(self.base, P::Int2 | P::Int4 | P::Int8),
            LogicalType::Number => {
                matches!(self.base, P::Numeric | P::Float4 | P::Float8 | P::Int2 | P::Int4 | P::Int8)
            }
            LogicalType::Boolean => self.base == P::Bool,
            LogicalType::Date => self.base == P::Date,
            LogicalType::Time => self.base == P::Time,
            LogicalType::Timestamp => matches!(self.base, P::Timestamp | P::Timestamptz),
            LogicalType::Object | LogicalType::Map => matches!(self.base, P::Json | P::Jsonb),
            LogicalType::Array => self.array,
        }
    }
}

impl fmt::Display for PhysicalType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let timestamptz = self.base == PgType::Timestamptz && !self.modifiers.is_empty();
        f.write_str(if timestamptz { "timestamp" } else { self.base.name() })?;
        if !self.modifiers.is_empty() {
            let modifiers: Vec<String> = self.modifiers.iter().map(u32::to_string).collect();
            write!(f, "({})", modifiers.join(","))?;
        }
        if timestamptz {
            f.write_str(" with time zone")?;
        }
        f.write_str(if self.array { "[]" } else { "" })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_listed_types_may_stand_in_ddl() {
        for (text, ddl) in [
            ("char(2)", "char(2)"),
            ("NUMERIC(12, 2)", "numeric(12,2)"),
            ("text[]", "text[]"),
            ("timestamp(3) with time zone", "timestamp(3) with time zone"),
            ("double  precision", "double precision"),
            ("int8", "bigint"),
        ] {
            assert_eq!(PhysicalType::parse(text).unwrap().to_string(), ddl);
        }
        for text in ["text); DROP TABLE x; --", "regclass", "int(4)", "text[][]", "numeric(1,2,3)", "varchar(-1)", ""] {
            assert_eq!(PhysicalType::parse(text), None, "{text}");
        }
    }
}
