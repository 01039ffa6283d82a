//! Given values: what a source has for one column of one row, before it is made to fit the contract.

use serde_json::Value;
use std::borrow::Cow;

/// A value as a source gives it. Formats without types give [`Given::Text`]; those with types give theirs.
#[derive(Debug, Clone, PartialEq)]
pub enum Given<'a> {
    /// No value.
    Null,
    /// Text, in the notation that Postgres and ISO 8601 have for values of the column's type.
    Text(Cow<'a, str>),
    /// True or false.
    Bool(bool),
    /// A whole number.
    Int(i64),
    /// A number with a fraction.
    Float(f64),
    /// Days since 1970-01-01.
    Date(i32),
    /// Microseconds since midnight.
    Time(i64),
    /// Microseconds since 1970-01-01 00:00, in UTC where it has a zone.
    Timestamp {
        /// How many.
        micros: i64,
        /// Whether it is a point in time, and not what a clock showed somewhere.
        zoned: bool,
    },
    /// Bytes that are no text.
    Bytes(Cow<'a, [u8]>),
    /// A list.
    List(Vec<Given<'a>>),
    /// A JSON value: an object, a list, or any other.
    Json(Cow<'a, Value>),
}

impl<'a> Given<'a> {
    /// Borrowed text.
    pub fn text(text: &'a str) -> Self {
        Self::Text(Cow::Borrowed(text))
    }

    /// Borrowed bytes.
    pub fn bytes(bytes: &'a [u8]) -> Self {
        Self::Bytes(Cow::Borrowed(bytes))
    }

    /// The same, without a hold on where it comes from.
    pub fn into_owned(self) -> Given<'static> {
        match self {
            Self::Null => Given::Null,
            Self::Text(text) => Given::Text(Cow::Owned(text.into_owned())),
            Self::Bool(flag) => Given::Bool(flag),
            Self::Int(whole) => Given::Int(whole),
            Self::Float(number) => Given::Float(number),
            Self::Date(days) => Given::Date(days),
            Self::Time(micros) => Given::Time(micros),
            Self::Timestamp { micros, zoned } => Given::Timestamp { micros, zoned },
            Self::Bytes(bytes) => Given::Bytes(Cow::Owned(bytes.into_owned())),
            Self::List(items) => Given::List(items.into_iter().map(Given::into_owned).collect()),
            Self::Json(value) => Given::Json(Cow::Owned(value.into_owned())),
        }
    }

    /// The value as JSON; what JSON has no type for, as text.
    pub fn to_json(&self) -> Value {
        match self {
            Self::Null => Value::Null,
            Self::Bool(flag) => Value::Bool(*flag),
            Self::Int(whole) => Value::from(*whole),
            Self::Float(number) => match serde_json::Number::from_f64(*number) {
                Some(number) => Value::Number(number),
                None => Value::String(number.to_string()),
            },
            Self::Text(text) => Value::String(text.clone().into_owned()),
            Self::Date(_) | Self::Time(_) | Self::Timestamp { .. } => Value::String(self.iso()),
            Self::Bytes(bytes) => Value::String(String::from_utf8_lossy(bytes).into_owned()),
            Self::List(items) => Value::Array(items.iter().map(Self::to_json).collect()),
            Self::Json(json) => json.clone().into_owned(),
        }
    }

    /// A JSON value: scalars as what they are, the others as JSON.
    pub fn json(value: &'a Value) -> Self {
        match value {
            Value::Null => Self::Null,
            Value::Bool(flag) => Self::Bool(*flag),
            Value::String(text) => Self::text(text),
            Value::Number(number) => match number.as_i64() {
                Some(whole) => Self::Int(whole),
                // not as a float: its digits may be more than one holds
                None => Self::Text(Cow::Owned(number.to_string())),
            },
            other => Self::Json(Cow::Borrowed(other)),
        }
    }

    /// The value in words, for those who look for what is wrong with it.
    pub fn shown(&self) -> Option<String> {
        Some(match self {
            Self::Null => return None,
            Self::Text(text) => text.clone().into_owned(),
            Self::Bool(flag) => flag.to_string(),
            Self::Int(whole) => whole.to_string(),
            Self::Float(number) => number.to_string(),
            Self::Date(_) | Self::Time(_) | Self::Timestamp { .. } => self.iso(),
            Self::Bytes(bytes) => format!("{} bytes", bytes.len()),
            Self::List(items) => {
                let items: Vec<String> = items.iter().take(16).map(|i| i.shown().unwrap_or("null".into())).collect();
                format!("[{}]", items.join(", "))
            }
            Self::Json(value) => value.to_string(),
        })
    }

    /// Dates and times in ISO 8601.
    pub fn iso(&self) -> String {
        use chrono::{DateTime, NaiveDate, NaiveTime};
        let text = match self {
            Self::Date(days) => {
                NaiveDate::from_num_days_from_ce_opt(days.saturating_add(719_163)).map(|d| d.to_string())
            }
            Self::Time(micros) => {
                let seconds = u32::try_from(micros.div_euclid(1_000_000)).ok();
                let nanos = (micros.rem_euclid(1_000_000) * 1000) as u32;
                seconds.and_then(|s| NaiveTime::from_num_seconds_from_midnight_opt(s, nanos)).map(|t| t.to_string())
            }
            Self::Timestamp { micros, zoned } => DateTime::from_timestamp_micros(*micros).map(|at| match zoned {
                true => at.to_rfc3339_opts(chrono::SecondsFormat::AutoSi, true),
                false => at.naive_utc().format("%Y-%m-%dT%H:%M:%S%.f").to_string(),
            }),
            other => other.shown(),
        };
        text.unwrap_or_else(|| "out of range".to_owned())
    }
}
