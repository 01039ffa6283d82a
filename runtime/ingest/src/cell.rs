//! Cells: turns a place in an Arrow array into a given value.

use crate::Given;
use arrow_array::cast::AsArray as _;
use arrow_array::types::{
    Date32Type, Date64Type, Decimal32Type, Decimal64Type, Decimal128Type, Decimal256Type, Float16Type, Float32Type,
    Float64Type, Int8Type, Int16Type, Int32Type, Int64Type, Time32MillisecondType, Time32SecondType,
    Time64MicrosecondType, Time64NanosecondType, TimestampMicrosecondType, TimestampMillisecondType,
    TimestampNanosecondType, TimestampSecondType, UInt8Type, UInt16Type, UInt32Type, UInt64Type,
};
use arrow_array::{Array, ArrayRef};
use arrow_schema::{DataType, TimeUnit};
use serde_json::{Map, Value};
use std::borrow::Cow;
use terrane_manifest::{PgType, PhysicalType};

/// Whether values of the type can be taken.
pub fn is_supported(kind: &DataType) -> bool {
    match kind {
        DataType::Duration(_) | DataType::Interval(_) | DataType::Union(..) | DataType::RunEndEncoded(..) => false,
        DataType::ListView(_) | DataType::LargeListView(_) => false,
        DataType::Dictionary(_, values) => is_supported(values),
        DataType::List(item)
        | DataType::LargeList(item)
        | DataType::FixedSizeList(item, _)
        | DataType::Map(item, _) => is_supported(item.data_type()),
        DataType::Struct(fields) => fields.iter().all(|f| is_supported(f.data_type())),
        _ => true,
    }
}

/// Whether values of the type are of the kind that the column has: whole numbers for whole numbers, and so on.
pub fn is_alike(kind: &DataType, column: &PhysicalType) -> bool {
    if let DataType::Dictionary(_, values) = kind {
        return is_alike(values, column);
    }
    if column.array {
        return matches!(kind, DataType::List(_) | DataType::LargeList(_) | DataType::FixedSizeList(..));
    }
    match column.base {
        PgType::Text | PgType::Varchar | PgType::Char => kind.is_string(),
        PgType::Int2 | PgType::Int4 | PgType::Int8 => kind.is_integer(),
        PgType::Float4 | PgType::Float8 => kind.is_floating() || kind.is_integer(),
        PgType::Numeric => kind.is_numeric(),
        PgType::Bool => *kind == DataType::Boolean,
        PgType::Date => matches!(kind, DataType::Date32 | DataType::Date64),
        PgType::Time => matches!(kind, DataType::Time32(_) | DataType::Time64(_)),
        PgType::Timestamp | PgType::Timestamptz => matches!(kind, DataType::Timestamp(..)),
        PgType::Uuid => matches!(kind, DataType::FixedSizeBinary(16)) || kind.is_string(),
        PgType::Json | PgType::Jsonb => kind.is_nested() || kind.is_string(),
    }
}

/// The value at `row`. Types that are not supported give bytes, which fit nothing.
pub fn given(array: &dyn Array, row: usize) -> Given<'_> {
    if array.is_null(row) {
        return Given::Null;
    }
    macro_rules! whole {
        ($kind:ty) => {
            Given::Int(i64::from(array.as_primitive::<$kind>().value(row)))
        };
    }
    macro_rules! decimal {
        ($kind:ty) => {
            Given::Text(Cow::Owned(array.as_primitive::<$kind>().value_as_string(row)))
        };
    }
    match array.data_type() {
        DataType::Boolean => Given::Bool(array.as_boolean().value(row)),
        DataType::Int8 => whole!(Int8Type),
        DataType::Int16 => whole!(Int16Type),
        DataType::Int32 => whole!(Int32Type),
        DataType::Int64 => whole!(Int64Type),
        DataType::UInt8 => whole!(UInt8Type),
        DataType::UInt16 => whole!(UInt16Type),
        DataType::UInt32 => whole!(UInt32Type),
        DataType::UInt64 => Given::Text(Cow::Owned(array.as_primitive::<UInt64Type>().value(row).to_string())),
        DataType::Float16 => Given::Float(f64::from(array.as_primitive::<Float16Type>().value(row))),
        DataType::Float32 => short_float(array.as_primitive::<Float32Type>().value(row)),
        DataType::Float64 => Given::Float(array.as_primitive::<Float64Type>().value(row)),
        DataType::Decimal32(..) => decimal!(Decimal32Type),
        DataType::Decimal64(..) => decimal!(Decimal64Type),
        DataType::Decimal128(..) => decimal!(Decimal128Type),
        DataType::Decimal256(..) => decimal!(Decimal256Type),
        DataType::Utf8 => Given::text(array.as_string::<i32>().value(row)),
        DataType::LargeUtf8 => Given::text(array.as_string::<i64>().value(row)),
        DataType::Utf8View => Given::text(array.as_string_view().value(row)),
        DataType::Binary => Given::bytes(array.as_binary::<i32>().value(row)),
        DataType::LargeBinary => Given::bytes(array.as_binary::<i64>().value(row)),
        DataType::BinaryView => Given::bytes(array.as_binary_view().value(row)),
        DataType::FixedSizeBinary(_) => Given::bytes(array.as_fixed_size_binary().value(row)),
        DataType::Date32 => Given::Date(array.as_primitive::<Date32Type>().value(row)),
        DataType::Date64 => {
            let days = array.as_primitive::<Date64Type>().value(row).div_euclid(86_400_000);
            Given::Date(i32::try_from(days).unwrap_or(i32::MAX))
        }
        DataType::Time32(TimeUnit::Second) => {
            Given::Time(i64::from(array.as_primitive::<Time32SecondType>().value(row)) * 1_000_000)
        }
        DataType::Time32(_) => Given::Time(i64::from(array.as_primitive::<Time32MillisecondType>().value(row)) * 1000),
        DataType::Time64(TimeUnit::Microsecond) => {
            Given::Time(array.as_primitive::<Time64MicrosecondType>().value(row))
        }
        DataType::Time64(_) => Given::Time(array.as_primitive::<Time64NanosecondType>().value(row) / 1000),
        DataType::Timestamp(unit, zone) => timestamp(array, row, *unit, zone.is_some()),
        DataType::Dictionary(..) => {
            let dictionary = array.as_any_dictionary();
            match given(dictionary.keys(), row) {
                Given::Int(key) => {
                    usize::try_from(key).map_or(Given::Null, |key| given(dictionary.values().as_ref(), key))
                }
                _ => Given::Null,
            }
        }
        DataType::List(_) => list(&array.as_list::<i32>().value(row)),
        DataType::LargeList(_) => list(&array.as_list::<i64>().value(row)),
        DataType::FixedSizeList(..) => list(&array.as_fixed_size_list().value(row)),
        DataType::Struct(_) | DataType::Map(..) => object(array, row),
        _ => Given::bytes(b""),
    }
}

/// Its own shortest digits, not those of the longer float that has the same value.
fn short_float(number: f32) -> Given<'static> {
    Given::Text(Cow::Owned(number.to_string()))
}

fn timestamp(array: &dyn Array, row: usize, unit: TimeUnit, zoned: bool) -> Given<'static> {
    let micros = match unit {
        TimeUnit::Second => array.as_primitive::<TimestampSecondType>().value(row).saturating_mul(1_000_000),
        TimeUnit::Millisecond => array.as_primitive::<TimestampMillisecondType>().value(row).saturating_mul(1000),
        TimeUnit::Microsecond => array.as_primitive::<TimestampMicrosecondType>().value(row),
        TimeUnit::Nanosecond => array.as_primitive::<TimestampNanosecondType>().value(row).div_euclid(1000),
    };
    Given::Timestamp { micros, zoned }
}

fn list(items: &ArrayRef) -> Given<'static> {
    Given::List((0..items.len()).map(|row| given(items.as_ref(), row).into_owned()).collect())
}

/// A struct or map as a JSON object.
fn object(array: &dyn Array, row: usize) -> Given<'static> {
    let mut members = Map::new();
    if let Some(structs) = array.as_struct_opt() {
        for (field, column) in structs.fields().iter().zip(structs.columns()) {
            members.insert(field.name().clone(), given(column.as_ref(), row).to_json());
        }
    } else {
        let entries = array.as_map().value(row);
        for entry in 0..entries.len() {
            let key = given(entries.column(0).as_ref(), entry).shown().unwrap_or_default();
            members.insert(key, given(entries.column(1).as_ref(), entry).to_json());
        }
    }
    Given::Json(Cow::Owned(Value::Object(members)))
}
