//! JSON: turns JSON that a column holds into the selected members of its objects, and what is not of the promised shape into
//! errors and nulls.

use super::values::write_unix_micros;
use super::{At, WriteError, Writer, null};
use crate::bind::check_scalar;
use crate::layout::{JsonKind, JsonLayout, JsonMember};
use crate::scalar::Scalar;
use crate::write::record::Elements;
use rustc_hash::FxHashMap;
use serde_json::Value;
use serde_json::value::RawValue;
use terrane_graphql::GraphqlError;
use terrane_graphql::json::{write_f64, write_i64, write_str};
use terrane_manifest::PgType;

/// Errors of shape that one response reports; the values that broke it are null in any case.
const MAX_REPORTED: usize = 100;

/// A value is not of its shape: null in its place, or where that cannot be null, in the nearest place around it that can.
struct Broken;

/// The members of an object by key.
type Members<'j> = FxHashMap<String, &'j RawValue>;

impl<'s> Writer<'s> {
    /// Write the object, or the list of objects, that is in the bytes of a column.
    pub(super) fn json_column(
        &mut self,
        out: &mut Vec<u8>,
        bytes: &[u8],
        (pg, array, list): (PgType, bool, bool),
        layout: &'s JsonLayout,
    ) -> Result<(), WriteError> {
        let start = out.len();
        let written = if array {
            let mut items = Vec::new();
            for item in Elements::new(bytes)? {
                items.extend(item?.map(|item| json_text(item, pg)).transpose()?);
            }
            let items = items.into_iter().filter(|json| *json != "null");
            self.json_list(out, items, |writer, out, item| writer.json_object(out, item, layout))
        } else {
            let text = json_text(bytes, pg)?;
            match list {
                // JSON has a null of its own
                _ if text == "null" => return null(out),
                true => self.json_items(out, text, |writer, out, item| writer.json_object(out, item, layout)),
                false => self.json_object(out, text, layout),
            }
        };
        if written.is_err() {
            out.truncate(start);
            return null(out);
        }
        Ok(())
    }

    fn json_object(&mut self, out: &mut Vec<u8>, json: &str, layout: &'s JsonLayout) -> Result<(), Broken> {
        let depth = self.path.len();
        let members: Members<'_> = serde_json::from_str(json).map_err(|_| self.broken("is no object"))?;
        out.push(b'{');
        for (index, member) in layout.members.iter().enumerate() {
            member.key.write(out, index == 0);
            match &member.value {
                JsonMember::Constant(json) => out.extend_from_slice(json),
                JsonMember::Field { key, kind, list, required } => {
                    self.path.push(At::Key(&member.key));
                    let start = out.len();
                    let json = members.get(key.as_str()).map(|raw| raw.get()).filter(|raw| *raw != "null");
                    let written = match json {
                        Some(json) => self.json_member(out, json, kind, *list),
                        None if *required => Err(self.broken("is missing")),
                        None => {
                            out.extend_from_slice(b"null");
                            Ok(())
                        }
                    };
                    self.path.truncate(depth);
                    if written.is_err() {
                        if *required {
                            return Err(Broken);
                        }
                        out.truncate(start);
                        out.extend_from_slice(b"null");
                    }
                }
            }
        }
        out.push(b'}');
        Ok(())
    }

    fn json_member(&mut self, out: &mut Vec<u8>, json: &str, kind: &'s JsonKind, list: bool) -> Result<(), Broken> {
        let one = |writer: &mut Self, out: &mut Vec<u8>, json: &str| match kind {
            JsonKind::Object(layout) => writer.json_object(out, json, layout),
            JsonKind::Scalar(scalar) => match write_scalar(out, json, *scalar) {
                true => Ok(()),
                false => Err(writer.broken(&format!("is no `{}`", scalar.name()))),
            },
        };
        if list { self.json_items(out, json, one) } else { one(self, out, json) }
    }

    fn json_items(
        &mut self,
        out: &mut Vec<u8>,
        json: &str,
        item: impl FnMut(&mut Self, &mut Vec<u8>, &str) -> Result<(), Broken>,
    ) -> Result<(), Broken> {
        let items: Vec<&RawValue> = serde_json::from_str(json).map_err(|_| self.broken("is no list"))?;
        self.json_list(out, items.into_iter().map(RawValue::get).filter(|json| *json != "null"), item)
    }

    /// Null items are left out: the schema says that there are none.
    fn json_list<'j>(
        &mut self,
        out: &mut Vec<u8>,
        items: impl Iterator<Item = &'j str>,
        mut item: impl FnMut(&mut Self, &mut Vec<u8>, &str) -> Result<(), Broken>,
    ) -> Result<(), Broken> {
        let depth = self.path.len();
        out.push(b'[');
        for (index, json) in items.enumerate() {
            if index > 0 {
                out.push(b',');
            }
            self.path.push(At::Index(index));
            let written = item(self, out, json);
            self.path.truncate(depth);
            written?;
        }
        out.push(b']');
        Ok(())
    }

    fn broken(&mut self, how: &str) -> Broken {
        if self.shape_errors < MAX_REPORTED {
            self.shape_errors += 1;
            let message = format!("the stored value {how}, as the contract promises; tell the product's owner");
            self.errors.push(GraphqlError::new("INVALID_DATA", message).at_path(self.segments()));
        }
        Broken
    }
}

/// The text of a `json` or `jsonb` value, which begins with its version.
fn json_text(bytes: &[u8], pg: PgType) -> Result<&str, WriteError> {
    let text = if pg == PgType::Jsonb { bytes.get(1..).ok_or(WriteError::Truncated)? } else { bytes };
    std::str::from_utf8(text).map_err(|_| WriteError::NotText)
}

/// Append a scalar as the data port writes it. Whether it is one.
fn write_scalar(out: &mut Vec<u8>, json: &str, scalar: Scalar) -> bool {
    let quoted = json.starts_with('"');
    match scalar {
        Scalar::String | Scalar::Id if quoted => out.extend_from_slice(json.as_bytes()),
        Scalar::Int => match json.parse::<i32>() {
            Ok(number) => write_i64(out, i64::from(number)),
            Err(_) => return false,
        },
        Scalar::BigInt => match json.trim_matches('"').parse::<i64>() {
            Ok(number) => {
                out.push(b'"');
                write_i64(out, number);
                out.push(b'"');
            }
            Err(_) => return false,
        },
        Scalar::Float => match json.parse::<f64>() {
            Ok(number) if number.is_finite() => write_f64(out, number),
            _ => return false,
        },
        Scalar::Boolean if matches!(json, "true" | "false") => out.extend_from_slice(json.as_bytes()),
        Scalar::Json => out.extend_from_slice(json.as_bytes()),
        Scalar::Decimal if !quoted => {
            // its text, checked, is a string: numbers keep their digits so
            if check_scalar(scalar, &Value::String(json.to_owned())).is_err() {
                return false;
            }
            write_str(out, json);
        }
        Scalar::Decimal | Scalar::Date | Scalar::DateTime | Scalar::Time | Scalar::Uuid if quoted => {
            let Ok(value) = serde_json::from_str::<Value>(json) else { return false };
            let text = value.as_str().unwrap_or_default();
            if check_scalar(scalar, &value).is_err() {
                return false;
            }
            match chrono::DateTime::parse_from_rfc3339(text) {
                Ok(time) if scalar == Scalar::DateTime => write_unix_micros(out, time.timestamp_micros()),
                _ => write_str(out, text),
            }
        }
        _ => return false,
    }
    true
}
