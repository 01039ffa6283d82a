//! Envelopes: turns bodies and headers into events with their attributes (CloudEvents 1.0, JSON format and HTTP binding).

use super::BadEvent;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use http::HeaderMap;
use serde::Deserialize;
use serde_json::value::RawValue;
use std::collections::BTreeMap;
use terrane_manifest::Attribute;

/// Members of an event's data, as they were written.
pub type Members = BTreeMap<String, Box<RawValue>>;

/// An event as it came.
#[derive(Debug, Default)]
pub struct Envelope {
    /// Attributes that it has.
    pub attributes: Vec<(Attribute, String)>,
    /// Its data.
    pub data: Members,
}

impl Envelope {
    /// An attribute's value.
    pub fn attribute(&self, attribute: Attribute) -> Option<&str> {
        self.attributes.iter().find(|(a, _)| *a == attribute).map(|(_, value)| value.as_str())
    }
}

/// How events are written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum EventFormat {
    /// One CloudEvent in JSON.
    Structured,
    /// A JSON array of CloudEvents.
    Batched,
    /// One CloudEvent with its attributes in headers.
    Binary,
    /// A plain JSON object, or a CloudEvent, in each line.
    Lines,
    /// One plain JSON object, or a CloudEvent.
    Object,
}

impl EventFormat {
    /// The format that the head of a request speaks of; none is one that can't be read.
    pub fn of(headers: &HeaderMap) -> Option<Self> {
        let content_type = headers.get(http::header::CONTENT_TYPE).and_then(|v| v.to_str().ok()).unwrap_or_default();
        let essence = content_type.split(';').next().unwrap_or_default().trim().to_ascii_lowercase();
        match essence.as_str() {
            "application/cloudevents+json" => Some(Self::Structured),
            "application/cloudevents-batch+json" => Some(Self::Batched),
            "application/json" if headers.contains_key("ce-specversion") => Some(Self::Binary),
            "application/x-ndjson" | "application/ndjson" | "application/jsonl" => Some(Self::Lines),
            _ => None,
        }
    }
}

/// A CloudEvent in JSON. Extensions are passed over.
#[derive(Debug, Deserialize)]
struct CloudEvent {
    specversion: String,
    id: String,
    source: String,
    #[serde(rename = "type")]
    kind: String,
    #[serde(default)]
    subject: Option<String>,
    #[serde(default)]
    time: Option<String>,
    #[serde(default)]
    data: Option<Box<RawValue>>,
    #[serde(default)]
    data_base64: Option<String>,
}

/// Read the events of a body, in order; at most `most`.
///
/// # Errors
/// [`BadEvent`] for the first that is none.
pub fn read(format: EventFormat, headers: &HeaderMap, body: &[u8], most: usize) -> Result<Vec<Envelope>, BadEvent> {
    let events = match format {
        EventFormat::Structured => vec![cloud_event(0, body)?],
        EventFormat::Batched => {
            let items: Vec<Box<RawValue>> = serde_json::from_slice(body)
                .map_err(|error| BadEvent::new(0, format!("the body is no JSON array of events: {error}")))?;
            within(items.len(), most)?;
            let events = items.iter().enumerate().map(|(i, item)| cloud_event(i, item.get().as_bytes()));
            events.collect::<Result<_, _>>()?
        }
        EventFormat::Binary => vec![binary(headers, body)?],
        EventFormat::Object => vec![plain(0, body)?],
        EventFormat::Lines => {
            let lines = body.split(|byte| *byte == b'\n').filter(|line| !line.iter().all(u8::is_ascii_whitespace));
            let lines: Vec<&[u8]> = lines.take(most + 1).collect();
            within(lines.len(), most)?;
            lines.iter().enumerate().map(|(i, line)| plain(i, line)).collect::<Result<_, _>>()?
        }
    };
    Ok(events)
}

fn within(count: usize, most: usize) -> Result<(), BadEvent> {
    match count > most {
        true => Err(BadEvent::new(most, format!("there are more than {most} events; send them in several requests"))),
        false => Ok(()),
    }
}

fn cloud_event(index: usize, json: &[u8]) -> Result<Envelope, BadEvent> {
    let event: CloudEvent = serde_json::from_slice(json)
        .map_err(|error| BadEvent::new(index, format!("it is no CloudEvent in JSON: {error}")))?;
    let data = match (&event.data, &event.data_base64) {
        (Some(data), None) => members(index, data.get().as_bytes())?,
        (None, Some(packed)) => {
            let bytes = STANDARD.decode(packed);
            members(index, &bytes.map_err(|_| BadEvent::new(index, "`data_base64` is no base64"))?)?
        }
        (None, None) => Members::new(),
        (Some(_), Some(_)) => return Err(BadEvent::new(index, "it has both `data` and `data_base64`")),
    };
    let optional = [(Attribute::Subject, event.subject), (Attribute::Time, event.time)];
    let mut attributes =
        vec![(Attribute::Id, event.id), (Attribute::Source, event.source), (Attribute::Type, event.kind)];
    attributes.extend(optional.into_iter().filter_map(|(attribute, value)| Some((attribute, value?))));
    check(index, &event.specversion, attributes, data)
}

/// Attributes must be there and have a value.
fn check(
    index: usize,
    version: &str,
    attributes: Vec<(Attribute, String)>,
    data: Members,
) -> Result<Envelope, BadEvent> {
    if version != "1.0" {
        return Err(BadEvent::new(index, format!("`specversion` is `{version}`; CloudEvents 1.0 are taken")));
    }
    if let Some((empty, _)) = attributes.iter().find(|(_, value)| value.is_empty()) {
        return Err(BadEvent::new(index, format!("`{}` is empty", empty.word())));
    }
    Ok(Envelope { attributes, data })
}

fn binary(headers: &HeaderMap, body: &[u8]) -> Result<Envelope, BadEvent> {
    let header = |name: &str| {
        let value = headers.get(format!("ce-{name}")).map(|value| value.to_str().unwrap_or_default());
        // percent-encoded, as the HTTP binding has it in section 3.1.3.2
        value.map(|text| percent_encoding::percent_decode_str(text).decode_utf8_lossy().into_owned())
    };
    let mut attributes = Vec::new();
    for attribute in Attribute::ALL {
        let required = matches!(attribute, Attribute::Id | Attribute::Source | Attribute::Type);
        match header(attribute.word()) {
            Some(value) => attributes.push((attribute, value)),
            None if required => {
                return Err(BadEvent::new(0, format!("the header `ce-{}` is missing", attribute.word())));
            }
            None => {}
        }
    }
    check(0, &header("specversion").unwrap_or_default(), attributes, members(0, body)?)
}

/// A line: a CloudEvent where it has what every CloudEvent has, else data without attributes.
fn plain(index: usize, line: &[u8]) -> Result<Envelope, BadEvent> {
    let data = members(index, line)?;
    match ["specversion", "id", "source", "type"].iter().all(|name| data.contains_key(*name)) {
        true => cloud_event(index, line),
        false => Ok(Envelope { attributes: Vec::new(), data }),
    }
}

fn members(index: usize, json: &[u8]) -> Result<Members, BadEvent> {
    serde_json::from_slice(json).map_err(|error| BadEvent::new(index, format!("its data is no JSON object: {error}")))
}

#[cfg(test)]
mod tests {
    use super::*;
    use http::{HeaderName, HeaderValue};

    fn headers(pairs: &[(&'static str, &'static str)]) -> HeaderMap {
        pairs.iter().map(|(n, v)| (HeaderName::from_static(n), HeaderValue::from_static(v))).collect()
    }

    fn one(format: EventFormat, head: &HeaderMap, body: &str) -> Result<Envelope, BadEvent> {
        read(format, head, body.as_bytes(), 10).map(|mut events| events.remove(0))
    }

    #[test]
    fn the_three_modes_of_http_give_the_same_event() {
        let event = r#"{"specversion":"1.0","id":"7","source":"/quakes/ä","type":"quake","time":"2026-01-01T00:00:00Z","data":{"mag":1.50},"ext":1}"#;
        let head = headers(&[
            ("ce-specversion", "1.0"),
            ("ce-id", "7"),
            ("ce-source", "/quakes/%C3%A4"),
            ("ce-type", "quake"),
            ("ce-time", "2026-01-01T00:00:00Z"),
            ("content-type", "application/json"),
        ]);
        assert_eq!(EventFormat::of(&head), Some(EventFormat::Binary));
        let none = HeaderMap::new();
        let seen = [
            one(EventFormat::Structured, &none, event),
            one(EventFormat::Batched, &none, &format!("[{event}]")),
            one(EventFormat::Binary, &head, r#"{"mag":1.50}"#),
            one(EventFormat::Lines, &none, &format!("\n{event}\n\n")),
        ];
        for event in seen {
            let event = event.unwrap();
            assert_eq!(event.attribute(Attribute::Id), Some("7"));
            assert_eq!(event.attribute(Attribute::Source), Some("/quakes/ä"));
            assert_eq!(event.attribute(Attribute::Time), Some("2026-01-01T00:00:00Z"));
            assert_eq!(event.data["mag"].get(), "1.50", "numbers stay as they were written");
        }
    }

    #[test]
    fn what_is_no_event_is_told_with_its_place() {
        let none = HeaderMap::new();
        let good = r#"{"specversion":"1.0","id":"1","source":"s","type":"t"}"#;
        for (format, body, index, words) in [
            (EventFormat::Batched, format!("[{good},{{}}]"), 1, "missing field"),
            (EventFormat::Batched, "{}".to_owned(), 0, "no JSON array"),
            (EventFormat::Structured, good.replace("1.0", "0.3"), 0, "specversion"),
            (EventFormat::Structured, good.replace("\"1\"", "\"\""), 0, "`id` is empty"),
            (EventFormat::Structured, good.replace("\"t\"", "\"t\",\"data_base64\":\"%\""), 0, "base64"),
            (EventFormat::Structured, good.replace("\"t\"", "\"t\",\"data\":[1]"), 0, "no JSON object"),
            (EventFormat::Lines, "{}\n3\n".to_owned(), 1, "no JSON object"),
            (EventFormat::Binary, "{}".to_owned(), 0, "ce-id"),
            (EventFormat::Lines, "{}\n".repeat(11), 10, "more than 10"),
        ] {
            let bad = read(format, &none, body.as_bytes(), 10).unwrap_err();
            assert_eq!(bad.index, index, "{body}");
            assert!(bad.reason.contains(words), "{body}: {bad}");
        }
        let packed = good.replace("\"t\"", "\"t\",\"data_base64\":\"eyJhIjoxfQ==\"");
        assert_eq!(one(EventFormat::Structured, &none, &packed).unwrap().data["a"].get(), "1");
    }
}
