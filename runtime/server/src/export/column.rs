//! Columns: turns a contract's field into what its values are in the database and in files.

use arrow_schema::{DataType, TimeUnit};
use std::sync::Arc;
use terrane_manifest::{Field, PgType};

/// Digits that a 128-bit decimal holds.
const MOST_DIGITS: u32 = 38;

/// A column of an export.
#[derive(Debug, Clone)]
pub struct Column {
    /// Name in the file: the contract's.
    pub name: String,
    /// Type of its values or, for a list, of its items.
    pub pg: PgType,
    /// Whether it is a list.
    pub list: bool,
    /// Precision and scale of a numeric that has both.
    pub decimal: Option<(u8, i8)>,
}

impl Column {
    /// The column of a contract's field.
    pub fn of(field: &Field) -> Self {
        let decimal = match (field.physical.base, field.physical.modifiers.as_slice()) {
            (PgType::Numeric, [precision]) => Some((*precision, 0)),
            (PgType::Numeric, [precision, scale]) => Some((*precision, *scale)),
            _ => None,
        };
        let decimal = decimal.filter(|(precision, scale)| *precision <= MOST_DIGITS && scale <= precision);
        let decimal = decimal.and_then(|(p, s)| Some((u8::try_from(p).ok()?, i8::try_from(s).ok()?)));
        Self { name: field.name.clone(), pg: field.physical.base, list: field.physical.array, decimal }
    }

    /// The type in Arrow and Parquet. Decimals without a precision, or with more than 38 digits, are text.
    pub fn arrow_type(&self) -> DataType {
        let item = match self.pg {
            PgType::Int2 => DataType::Int16,
            PgType::Int4 => DataType::Int32,
            PgType::Int8 => DataType::Int64,
            PgType::Float4 => DataType::Float32,
            PgType::Float8 => DataType::Float64,
            PgType::Bool => DataType::Boolean,
            PgType::Date => DataType::Date32,
            PgType::Time => DataType::Time64(TimeUnit::Microsecond),
            PgType::Timestamp => DataType::Timestamp(TimeUnit::Microsecond, None),
            PgType::Timestamptz => DataType::Timestamp(TimeUnit::Microsecond, Some("UTC".into())),
            PgType::Numeric => match self.decimal {
                Some((precision, scale)) => DataType::Decimal128(precision, scale),
                None => DataType::Utf8,
            },
            PgType::Text | PgType::Varchar | PgType::Char | PgType::Uuid | PgType::Json | PgType::Jsonb => {
                DataType::Utf8
            }
        };
        if self.list { DataType::List(Arc::new(arrow_schema::Field::new_list_field(item, true))) } else { item }
    }
}
