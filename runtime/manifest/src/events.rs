//! Events: turns what ports say of streams into rules: how events that come in are taken, and how changes leave.

use crate::dataset::Dataset;
use crate::product::{OutputPort, Product};
use crate::row_filter::RowFilter;
use crate::types::PgType;
use crate::yaml::Node;
use std::time::Duration;
use terrane_diagnostics::{Diagnostic, Location};

/// Longer times than this are no sensible ones.
const LONGEST: Duration = Duration::from_secs(10 * 366 * 86_400);
const DAY: Duration = Duration::from_secs(86_400);

/// How the events of an input port are taken.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EventRules {
    /// Fields that take attributes of an event's envelope.
    pub attributes: Vec<(Attribute, String)>,
    /// The field with the time at which an event has happened.
    pub time: Option<String>,
    /// An event is late that happened so much before the latest one; none is ever late without it.
    pub lateness: Option<Duration>,
    /// What becomes of those.
    pub late: Late,
    /// How long an event's id is known, so that the same event is not stored twice.
    pub duplicates: Duration,
    /// What events change is published at most once in so long: at once after a quiet time, else gathered.
    pub gather: Duration,
    /// A file of the product folder with sample events, one in each line, which are replayed.
    pub replay: Option<String>,
}

impl Default for EventRules {
    fn default() -> Self {
        Self {
            attributes: Vec::new(),
            time: None,
            lateness: None,
            late: Late::Keep,
            duplicates: 7 * DAY,
            gather: Duration::from_secs(1),
            replay: None,
        }
    }
}

impl EventRules {
    /// The field that takes an attribute.
    pub fn field_of(&self, attribute: Attribute) -> Option<&str> {
        self.attributes.iter().find(|(a, _)| *a == attribute).map(|(_, field)| field.as_str())
    }
}

/// An attribute of CloudEvents 1.0 (section 3.1).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Attribute {
    /// `id`
    Id,
    /// `source`
    Source,
    /// `type`
    Type,
    /// `subject`
    Subject,
    /// `time`
    Time,
}

impl Attribute {
    /// All of them.
    pub const ALL: [Self; 5] = [Self::Id, Self::Source, Self::Type, Self::Subject, Self::Time];

    /// The standard's word.
    pub fn word(self) -> &'static str {
        match self {
            Self::Id => "id",
            Self::Source => "source",
            Self::Type => "type",
            Self::Subject => "subject",
            Self::Time => "time",
        }
    }
}

/// What becomes of events that are late.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Late {
    /// They are stored like others, and counted.
    Keep,
    /// They are counted only.
    Drop,
    /// They are refused; those that nobody can be told of are put aside.
    Reject,
}

/// How the changes of an output port leave.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ChangeRules {
    /// How long a reader may be away and still go on where it was.
    pub retention: Duration,
    /// Where they are published.
    pub publish: Option<Publish>,
}

impl Default for ChangeRules {
    fn default() -> Self {
        Self { retention: 7 * DAY, publish: None }
    }
}

/// A subject of a JetStream that changes are published to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Publish {
    /// The stream's name; it is made where it does not exist, and belongs to one dataset.
    pub stream: String,
    /// The subject.
    pub subject: String,
    /// What this role sees is published.
    pub role: String,
}

/// Read the custom property `events` of an input port.
pub(crate) fn read_events(node: &Node<'_>) -> EventRules {
    node.expect_keys(&["attributes", "time", "lateness", "late", "duplicates", "gather", "replay"]);
    let defaults = EventRules::default();
    let mut attributes = Vec::new();
    if let Some(named) = node.get("attributes") {
        named.expect_keys(&Attribute::ALL.map(Attribute::word));
        for attribute in Attribute::ALL {
            attributes.extend(named.text(attribute.word()).map(|field| (attribute, field)));
        }
    }
    let late = match node.text("late").as_deref() {
        None | Some("keep") => Late::Keep,
        Some("drop") => Late::Drop,
        Some("reject") => Late::Reject,
        Some(other) => {
            node.error(
                "PORT_EVENTS",
                format!("`{other}` is nothing to do with late events"),
                "use keep, drop or reject",
            );
            Late::Keep
        }
    };
    let lateness = duration(node, "lateness");
    if lateness.is_some() && !node.has("time") {
        node.error("PORT_EVENTS", "`lateness` needs the field with an event's time", "name the field in `time`");
    }
    EventRules {
        attributes,
        time: node.text("time"),
        lateness,
        late,
        duplicates: duration(node, "duplicates").unwrap_or(defaults.duplicates),
        gather: duration(node, "gather").unwrap_or(defaults.gather),
        replay: node.text("replay").inspect(|path| check_path(node, path)),
    }
}

/// Report a path that leaves the product folder.
fn check_path(node: &Node<'_>, path: &str) {
    if path.starts_with('/') || path.contains('\\') || path.split('/').any(|s| s == ".." || s.is_empty()) {
        node.error("PORT_PATH", format!("`{path}` leaves the product folder"), "use a path relative to the folder");
    }
}

/// Read the custom property `changes` of an output port.
pub(crate) fn read_changes(node: &Node<'_>) -> ChangeRules {
    node.expect_keys(&["retention", "publish"]);
    let publish = node.get("publish").map(|publish| read_publish(&publish));
    ChangeRules { retention: duration(node, "retention").unwrap_or(ChangeRules::default().retention), publish }
}

fn read_publish(node: &Node<'_>) -> Publish {
    node.expect_keys(&["kind", "stream", "subject", "role"]);
    let kind = node.require_text("kind");
    if !kind.is_empty() && kind != "jetstream" {
        node.error("PORT_CHANGES", "changes are published to a JetStream only", "use `kind: jetstream`");
    }
    let subject = node.require_text("subject");
    if !subject.is_empty() && !is_subject(&subject, false) {
        let message = format!("`{subject}` is no subject to publish to");
        node.error("PORT_CHANGES", message, "use words with dots between them, such as quakes.changes");
    }
    let stream = node.require_text("stream");
    check_stream(node, &stream);
    Publish { stream, subject, role: node.require_text("role") }
}

/// Report what can be no name of a JetStream.
pub(crate) fn check_stream(node: &Node<'_>, name: &str) {
    let plain = |c: char| c.is_ascii_alphanumeric() || c == '-' || c == '_';
    if !name.is_empty() && (name.len() > 200 || !name.chars().all(plain)) {
        node.error("PORT_STREAM", format!("`{name}` is no name of a stream"), "use letters, digits, - and _");
    }
}

/// Whether it is a subject of NATS; with `*` and `>` only where many are meant.
pub(crate) fn is_subject(text: &str, many: bool) -> bool {
    let words: Vec<&str> = text.split('.').collect();
    let plain = |word: &str| !word.is_empty() && word.chars().all(|c| c.is_ascii_graphic() && !"*>\"\\".contains(c));
    let last = words.len() - 1;
    text.len() <= 200
        && words.iter().enumerate().all(|(i, word)| plain(word) || many && (*word == "*" || *word == ">" && i == last))
}

/// Report a port that publishes what a role sees that nobody has, several datasets, or to another one's stream.
pub(crate) fn check_publish(product: &Product, port: &OutputPort, place: &Location, findings: &mut Vec<Diagnostic>) {
    let Some(publish) = port.changes.as_ref().and_then(|changes| changes.publish.as_ref()) else { return };
    let mut report = |message: String, hint: &str| {
        findings.push(Diagnostic::error("PORT_CHANGES", message).at(place.clone()).with_hint(hint));
    };
    if !publish.role.is_empty() && !product.role_names().contains(&publish.role) {
        let message = format!("port `{}` publishes what `{}` sees, which is no role", port.name, publish.role);
        report(message, "name a role of the contract or of `policy.csv`");
    }
    if let Some(contract) = product.contract(&port.contract) {
        // whoever publishes is nobody: a filter on claims would let nothing through, and nobody would be told
        let roles = product.filtering_roles(contract, &publish.role);
        let filters: Vec<&RowFilter> = roles.iter().filter_map(|role| role.row_filter.as_ref()).collect();
        let claim = filters.iter().flat_map(|filter| filter.claims()).next();
        if let Some(claim) = claim.filter(|_| filters.len() == roles.len()) {
            let message = format!(
                "port `{}` publishes what `{}` sees, whose rowFilter reads `:claim.{claim}`: what is published has no \
                 claims, so nothing would be that a claim decides",
                port.name, publish.role
            );
            report(message, "name a role without a rowFilter, or with one that compares fields with constants");
        }
    }
    if product.contract(&port.contract).is_some_and(|contract| contract.datasets.len() > 1) {
        let message = format!("port `{}` publishes the changes of several datasets to one stream", port.name);
        report(message, "write one contract for each dataset whose changes are published");
    }
    let mut others = product.output_ports.iter().filter_map(|other| other.changes.as_ref()?.publish.as_ref());
    if others.any(|other| !other.stream.is_empty() && other.stream == publish.stream) {
        let message = format!("port `{}` publishes to stream `{}`, as another port does", port.name, publish.stream);
        report(message, "name a stream of its own for each port");
    }
}

/// Report what the rules name and the dataset has not, or has in another type.
pub(crate) fn check_events(rules: &EventRules, dataset: &Dataset, findings: &mut Vec<Diagnostic>) {
    let mut report = |message: String, hint: &str| {
        let place = Location::new("dataproduct.odps.yaml", 1, 1);
        findings.push(Diagnostic::error("PORT_EVENTS", message).at(place).with_hint(hint));
    };
    for (attribute, name) in &rules.attributes {
        let Some(field) = dataset.field(name) else {
            let message = format!("events of `{}` have no field `{name}` for `{}`", dataset.name, attribute.word());
            report(message, "name a field of the input contract");
            continue;
        };
        let base = field.physical.base;
        let fits = match attribute {
            Attribute::Time => matches!(base, PgType::Timestamp | PgType::Timestamptz | PgType::Text),
            _ => matches!(base, PgType::Text | PgType::Varchar),
        };
        if !fits || field.physical.array {
            let message = format!("field `{name}` of `{}` cannot take `{}`", dataset.name, attribute.word());
            report(message, "use text; for `time`, a timestamp");
        }
    }
    let Some(name) = &rules.time else { return };
    let field = dataset.field(name).filter(|f| !f.physical.array);
    if field.is_none_or(|f| !matches!(f.physical.base, PgType::Timestamp | PgType::Timestamptz)) {
        let message = format!("`{name}` is no timestamp of the events of `{}`", dataset.name);
        report(message, "name a timestamp of the input contract in `time`");
    }
}

/// `30s`, `15m`, `6h`, `7d`.
fn duration(node: &Node<'_>, key: &str) -> Option<Duration> {
    let text = node.text(key)?;
    let parsed = parse_duration(&text).filter(|d| *d <= LONGEST);
    if parsed.is_none() {
        node.error(
            "PORT_DURATION",
            format!("`{key}` is `{text}`, which is no time"),
            "write a number and s, m, h or d: 6h",
        );
    }
    parsed
}

fn parse_duration(text: &str) -> Option<Duration> {
    let (number, unit) = text.split_at_checked(text.len().checked_sub(1)?)?;
    if !number.bytes().all(|b| b.is_ascii_digit()) {
        return None;
    }
    let seconds = match unit {
        "s" => 1,
        "m" => 60,
        "h" => 3600,
        "d" => 86_400,
        _ => return None,
    };
    Some(Duration::from_secs(number.parse::<u64>().ok()?.checked_mul(seconds)?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_have_a_number_and_a_unit() {
        assert_eq!(parse_duration("90s"), Some(Duration::from_secs(90)));
        assert_eq!(parse_duration("7d"), Some(7 * DAY));
        for wrong in ["", "d", "7", "-1d", "1w", "1.5h", "é", "99999999999999999999d"] {
            assert_eq!(parse_duration(wrong), None, "{wrong}");
        }
    }

    #[test]
    fn subjects_are_words_with_dots() {
        assert!(is_subject("quakes.changes", false) && is_subject("quakes.*.>", true));
        for wrong in ["", ".", "a..b", "a b", "a.", "quakes.>"] {
            assert!(!is_subject(wrong, false), "{wrong}");
        }
        assert!(!is_subject("a.>.b", true));
    }
}
