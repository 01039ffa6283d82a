//! Rows: turns an event into the row that the input contract has of it.

use super::{BadEvent, Envelope};
use chrono::{DateTime, NaiveDateTime, Utc};
use sha2::{Digest as _, Sha256};
use terrane_manifest::{Attribute, Dataset, EventRules};
use terrane_store::EventRow;
use uuid::Uuid;

/// The row of `event`, which is number `index` of those that came together. Attributes go into the fields that the rules
/// name, the data's members into those of their names.
///
/// # Errors
/// [`BadEvent`] for members that the contract has not, missing required ones, and times that are none.
pub fn to_row(index: usize, event: &Envelope, dataset: &Dataset, rules: &EventRules) -> Result<EventRow, BadEvent> {
    let bad = |reason: String| BadEvent::new(index, reason);
    if let Some(unknown) = event.data.keys().find(|key| dataset.field(key).is_none()) {
        return Err(bad(format!("`{unknown}` is not in the contract of dataset `{}`", dataset.name)));
    }
    let mut json = String::from("{");
    let (mut time, mut named) = (None, None);
    for field in &dataset.fields {
        let attribute = rules.attributes.iter().find(|(_, name)| *name == field.name).map(|(attribute, _)| *attribute);
        let given = attribute.and_then(|attribute| event.attribute(attribute));
        // what the envelope says goes before what the data says
        let text = given.map(|value| serde_json::Value::from(value).to_string());
        let text = text.or_else(|| event.data.get(&field.name).map(|value| value.get().to_owned()));
        let text = text.filter(|text| text != "null");
        if rules.time.as_deref() == Some(field.name.as_str()) {
            time = text.as_deref().map(|text| moment(text).ok_or_else(|| bad(no_time(&field.name)))).transpose()?;
        }
        if attribute == Some(Attribute::Id) {
            named.clone_from(&text);
        }
        match text {
            Some(text) => {
                json.push_str(if json.len() > 1 { "," } else { "" });
                json.push_str(&serde_json::Value::from(field.column.as_str()).to_string());
                json.push(':');
                json.push_str(&text);
            }
            None if field.required => return Err(bad(format!("`{}` is missing, which is required", field.name))),
            None => {}
        }
    }
    json.push('}');
    let source = event.attribute(Attribute::Source).unwrap_or_default();
    let id = match event.attribute(Attribute::Id) {
        Some(id) => Some(identity(source, id)),
        // an event without an envelope is known by the field that would take the id of one
        None => named.map(|text| identity(source, &text)),
    };
    Ok(EventRow { id, time, json, sequence: None })
}

fn no_time(field: &str) -> String {
    format!("`{field}` is no time; write it as 2026-01-31T12:00:00Z")
}

/// A JSON string with a time; one without an offset is in UTC.
fn moment(json: &str) -> Option<DateTime<Utc>> {
    let text: String = serde_json::from_str(json).ok()?;
    let with_offset = DateTime::parse_from_rfc3339(&text).ok().map(|time| time.to_utc());
    with_offset.or_else(|| text.parse::<NaiveDateTime>().ok().map(|time| time.and_utc()))
}

/// Tells events apart: 128 bits of the hash of source and id.
pub(crate) fn identity(source: &str, id: &str) -> Uuid {
    let mut hash = Sha256::new();
    hash.update((source.len() as u64).to_be_bytes());
    hash.update(source);
    hash.update(id);
    let mut bytes = [0; 16];
    bytes.copy_from_slice(&hash.finalize()[..16]);
    Uuid::from_bytes(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn events_are_told_apart_by_source_and_id() {
        assert_eq!(identity("a", "b"), identity("a", "b"));
        assert_ne!(identity("a", "bc"), identity("ab", "c"));
        assert_ne!(identity("", "b"), identity("b", ""));
    }

    #[test]
    fn times_are_read_with_and_without_an_offset() {
        assert_eq!(moment("\"2026-01-01T02:00:00+02:00\""), moment("\"2026-01-01T00:00:00Z\""));
        assert_eq!(moment("\"2026-01-01T00:00:00\""), moment("\"2026-01-01T00:00:00Z\""));
        assert!(moment("\"yesterday\"").is_none() && moment("17").is_none());
    }
}
