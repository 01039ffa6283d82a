//! Messages: turns a message's headers and payload into the row of an event (CloudEvents 1.0, NATS protocol binding).

use http::{HeaderMap, HeaderName, HeaderValue};
use terrane_manifest::{Attribute, Dataset, EventRules};
use terrane_store::EventRow;
use terrane_stream::events::{BadEvent, EventFormat, read, to_row};

/// What a publisher names a message by.
const MESSAGE_ID: &str = "nats-msg-id";

/// The row of a message of `stream`. A message that is no CloudEvent is plain data, known by the id that its publisher gave it.
///
/// # Errors
/// [`BadEvent`].
pub fn event(
    stream: &str,
    headers: Option<&async_nats::HeaderMap>,
    payload: &[u8],
    dataset: &Dataset,
    rules: &EventRules,
) -> Result<EventRow, BadEvent> {
    let headers = headers.map(plain).unwrap_or_default();
    let text = |name: &str| headers.get(name).and_then(|value| value.to_str().ok());
    let format = match EventFormat::of(&headers) {
        Some(EventFormat::Structured) => EventFormat::Structured,
        _ if headers.contains_key("ce-specversion") => EventFormat::Binary,
        // one value, however many lines it has
        _ => EventFormat::Object,
    };
    let mut envelope =
        read(format, &headers, payload, 1)?.pop().ok_or_else(|| BadEvent::new(0, "the message is empty"))?;
    if let (None, Some(id)) = (envelope.attribute(Attribute::Id), text(MESSAGE_ID)) {
        envelope.attributes.extend([(Attribute::Id, id.to_owned()), (Attribute::Source, format!("nats:{stream}"))]);
    }
    to_row(0, &envelope, dataset, rules)
}

/// The first value of each header. NATS's names have cases.
fn plain(headers: &async_nats::HeaderMap) -> HeaderMap {
    let first = headers.iter().filter_map(|(name, values)| {
        let name = HeaderName::try_from(name.to_string()).ok()?;
        Some((name, HeaderValue::try_from(values.first()?.as_str()).ok()?))
    });
    first.collect()
}
