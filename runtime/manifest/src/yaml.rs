//! YAML reading: turns a file's text into nodes that are read strictly and report what is wrong with its place.

use serde::de::{DeserializeSeed, Deserializer, Error as _, IgnoredAny, MapAccess, SeqAccess, Visitor};
use serde_norway::Value;
use std::cell::RefCell;
use std::fmt;
use terrane_diagnostics::{Diagnostic, Location};

const MAX_BYTES: usize = 1024 * 1024;
/// The parser's time grows with the square of the depth of `[` and `{`.
const MAX_BRACKETS: usize = 200;

/// A YAML file being read, and what was found wrong with it so far.
pub(crate) struct Source<'a> {
    file: &'a str,
    text: &'a str,
    findings: RefCell<Vec<Diagnostic>>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Step {
    Key(String),
    Index(usize),
}

/// A value in a [`Source`] with its path, from which a finding's place is computed.
#[derive(Clone)]
pub(crate) struct Node<'a> {
    value: &'a Value,
    path: Vec<Step>,
    source: &'a Source<'a>,
}

impl<'a> Source<'a> {
    pub(crate) fn new(file: &'a str, text: &'a str) -> Self {
        Self { file, text, findings: RefCell::new(Vec::new()) }
    }

    /// Parse the text; a syntax error becomes one finding and `None`.
    pub(crate) fn parse(&self) -> Option<Value> {
        if self.text.len() > MAX_BYTES || bracket_depth(self.text) > MAX_BRACKETS {
            self.findings.borrow_mut().push(
                Diagnostic::error("MANIFEST_TOO_LARGE", format!("`{}` is too large or nested too deep", self.file))
                    .at(Location::new(self.file, 1, 1))
                    .with_hint("split it: a file has at most 1 MiB and 200 open brackets"),
            );
            return None;
        }
        match serde_norway::from_str::<Value>(self.text) {
            Ok(value) => Some(value),
            Err(error) => {
                let (line, column) = error.location().map_or((1, 1), |l| (l.line() as u32, l.column() as u32));
                self.findings.borrow_mut().push(
                    Diagnostic::error("MANIFEST_YAML", format!("`{}` is not valid YAML: {error}", self.file))
                        .at(Location::new(self.file, line, column))
                        .with_hint("correct the YAML syntax; every key may occur once"),
                );
                None
            }
        }
    }

    pub(crate) fn root(&'a self, value: &'a Value) -> Node<'a> {
        Node { value, path: Vec::new(), source: self }
    }

    pub(crate) fn into_findings(self) -> Vec<Diagnostic> {
        self.findings.into_inner()
    }

    fn locate(&self, path: &[Step]) -> Location {
        let found = Locator { path }.deserialize(serde_norway::Deserializer::from_str(self.text)).err();
        let place = found.and_then(|e| e.location());
        let (line, column) = place.map_or((1, 1), |l| (l.line() as u32, l.column() as u32));
        Location::new(self.file, line, column)
    }
}

/// How many brackets are open at once, counting those in texts as well: an upper bound is enough.
fn bracket_depth(text: &str) -> usize {
    let (mut depth, mut deepest) = (0usize, 0);
    for byte in text.bytes() {
        match byte {
            b'[' | b'{' => depth += 1,
            b']' | b'}' => depth = depth.saturating_sub(1),
            _ => {}
        }
        deepest = deepest.max(depth);
    }
    deepest
}

impl<'a> Node<'a> {
    fn child(&self, step: Step, value: &'a Value) -> Self {
        let mut path = self.path.clone();
        path.push(step);
        Self { value, path, source: self.source }
    }

    /// The path as people write it: `schema[0].properties[2].name`.
    pub(crate) fn path(&self) -> String {
        let mut text = String::new();
        for step in &self.path {
            match step {
                Step::Key(key) => {
                    if !text.is_empty() {
                        text.push('.');
                    }
                    text.push_str(key);
                }
                Step::Index(index) => text.push_str(&format!("[{index}]")),
            }
        }
        if text.is_empty() { "the document".to_owned() } else { format!("`{text}`") }
    }

    /// Where this value starts.
    pub(crate) fn location(&self) -> Location {
        self.source.locate(&self.path)
    }

    pub(crate) fn error(&self, code: &'static str, message: impl Into<String>, hint: &str) {
        let finding = Diagnostic::error(code, message).at(self.location()).with_hint(hint);
        self.source.findings.borrow_mut().push(finding);
    }

    pub(crate) fn warn(&self, code: &'static str, message: impl Into<String>, hint: &str) {
        let finding = Diagnostic::warning(code, message).at(self.location()).with_hint(hint);
        self.source.findings.borrow_mut().push(finding);
    }

    /// Report every key that is not in `allowed`, and values that are no mappings.
    pub(crate) fn expect_keys(&self, allowed: &[&str]) {
        let Value::Mapping(map) = self.value else {
            self.error("MANIFEST_TYPE", format!("{} must be a mapping", self.path()), "write `key: value` pairs");
            return;
        };
        for (key, value) in map {
            match key.as_str() {
                Some(key) if allowed.contains(&key) => {}
                Some(key) => self.child(Step::Key(key.to_owned()), value).error(
                    "MANIFEST_UNKNOWN_FIELD",
                    format!("{} has no field `{key}` in the standard", self.path()),
                    &format!("remove it, or move it to `customProperties`; known: {}", allowed.join(", ")),
                ),
                None => {
                    self.error("MANIFEST_TYPE", format!("{} has a key that is not text", self.path()), "quote the key")
                }
            }
        }
    }

    /// The value at `key`; `null` counts as absent.
    pub(crate) fn get(&self, key: &str) -> Option<Node<'a>> {
        let value = self.value.as_mapping()?.get(key)?;
        (!value.is_null()).then(|| self.child(Step::Key(key.to_owned()), value))
    }

    pub(crate) fn has(&self, key: &str) -> bool {
        self.get(key).is_some()
    }

    /// This value as text, or a finding.
    pub(crate) fn as_text(&self) -> Option<String> {
        if let Some(text) = self.value.as_str() {
            return Some(text.to_owned());
        }
        self.error("MANIFEST_TYPE", format!("{} must be text", self.path()), "quote the value");
        None
    }

    pub(crate) fn text(&self, key: &str) -> Option<String> {
        self.get(key)?.as_text()
    }

    /// The text at `key`; when it is missing or empty: a finding and the empty text.
    pub(crate) fn require_text(&self, key: &str) -> String {
        let Some(node) = self.get(key) else {
            self.error("MANIFEST_MISSING_FIELD", format!("{} has no `{key}`", self.path()), &format!("add `{key}: …`"));
            return String::new();
        };
        let text = node.as_text().unwrap_or_default();
        if text.is_empty() && node.value.is_string() {
            node.error("MANIFEST_MISSING_FIELD", format!("{} is empty", node.path()), "give it a value");
        }
        text
    }

    pub(crate) fn flag(&self, key: &str) -> bool {
        self.get(key).is_some_and(|node| node.as_flag())
    }

    /// This value as true or false, or a finding and false.
    pub(crate) fn as_flag(&self) -> bool {
        self.value.as_bool().unwrap_or_else(|| {
            self.error("MANIFEST_TYPE", format!("{} must be true or false", self.path()), "write true or false");
            false
        })
    }

    pub(crate) fn integer(&self, key: &str) -> Option<i64> {
        let node = self.get(key)?;
        let value = node.value.as_i64();
        if value.is_none() {
            node.error("MANIFEST_TYPE", format!("{} must be an integer", node.path()), "write a whole number");
        }
        value
    }

    pub(crate) fn number(&self, key: &str) -> Option<f64> {
        self.get(key)?.as_number()
    }

    pub(crate) fn as_number(&self) -> Option<f64> {
        let value = self.value.as_f64().filter(|v| v.is_finite());
        if value.is_none() {
            self.error("MANIFEST_TYPE", format!("{} must be a number", self.path()), "write a finite number");
        }
        value
    }

    pub(crate) fn list(&self, key: &str) -> Vec<Node<'a>> {
        self.get(key).map(|node| node.items()).unwrap_or_default()
    }

    /// The items of this value, which must be a list.
    pub(crate) fn items(&self) -> Vec<Node<'a>> {
        let Some(items) = self.value.as_sequence() else {
            self.error("MANIFEST_TYPE", format!("{} must be a list", self.path()), "write a list: `- …`");
            return Vec::new();
        };
        items.iter().enumerate().map(|(i, value)| self.child(Step::Index(i), value)).collect()
    }

    pub(crate) fn texts(&self, key: &str) -> Vec<String> {
        self.list(key).iter().filter_map(Node::as_text).collect()
    }

    /// The keys of the mapping at `key`, and what they hold, `null` included.
    pub(crate) fn entries(&self, key: &str) -> Vec<(String, Node<'a>)> {
        let Some(node) = self.get(key) else { return Vec::new() };
        let Some(map) = node.value.as_mapping() else {
            node.error("MANIFEST_TYPE", format!("{} must be a mapping", node.path()), "write `key: value` pairs");
            return Vec::new();
        };
        let named = map.iter().filter_map(|(name, value)| Some((name.as_str()?.to_owned(), value)));
        named.map(|(name, value)| (name.clone(), node.child(Step::Key(name), value))).collect()
    }

    /// One text or a list of them.
    pub(crate) fn one_or_more(&self, key: &str) -> Vec<String> {
        match self.get(key) {
            Some(node) if node.value.is_sequence() => self.texts(key),
            Some(node) => node.as_text().into_iter().collect(),
            None => Vec::new(),
        }
    }

    /// This value as JSON; keys that are no text make it a finding and `null`.
    pub(crate) fn as_json(&self) -> serde_json::Value {
        serde_json::to_value(self.value).unwrap_or_else(|_| {
            self.error("MANIFEST_TYPE", format!("{} cannot be written as JSON", self.path()), "use text keys");
            serde_json::Value::Null
        })
    }

    pub(crate) fn json(&self, key: &str) -> Option<serde_json::Value> {
        self.get(key).map(|n| n.as_json())
    }

    /// The value of the custom property `name` in this node's `customProperties`.
    pub(crate) fn custom(&self, name: &str) -> Option<Node<'a>> {
        self.list("customProperties")
            .into_iter()
            .find(|p| p.value.get("property").and_then(Value::as_str) == Some(name))
            .and_then(|p| p.get("value"))
    }

    /// Check the shape of this node's `customProperties`.
    pub(crate) fn check_custom(&self) {
        for property in self.list("customProperties") {
            property.expect_keys(&["id", "property", "value", "description", "vendor"]);
            property.require_text("property");
        }
    }
}

/// Walks to `path` and fails there: the error carries the place, which the parser gives in no other way.
struct Locator<'p> {
    path: &'p [Step],
}

impl<'de> DeserializeSeed<'de> for Locator<'_> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Locator<'_> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a value")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<(), A::Error> {
        let Some((Step::Key(wanted), rest)) = self.path.split_first() else {
            return Err(A::Error::custom("here"));
        };
        while let Some(key) = map.next_key::<Value>()? {
            if key.as_str() == Some(wanted) {
                return map.next_value_seed(Locator { path: rest });
            }
            map.next_value::<IgnoredAny>()?;
        }
        Err(A::Error::custom("here"))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<(), A::Error> {
        let Some((Step::Index(wanted), rest)) = self.path.split_first() else {
            return Err(A::Error::custom("here"));
        };
        for _ in 0..*wanted {
            seq.next_element::<IgnoredAny>()?;
        }
        seq.next_element_seed(Locator { path: rest }).map(|_| ())
    }

    fn visit_bool<E: serde::de::Error>(self, _: bool) -> Result<(), E> {
        Err(E::custom("here"))
    }

    fn visit_i64<E: serde::de::Error>(self, _: i64) -> Result<(), E> {
        Err(E::custom("here"))
    }

    fn visit_u64<E: serde::de::Error>(self, _: u64) -> Result<(), E> {
        Err(E::custom("here"))
    }

    fn visit_f64<E: serde::de::Error>(self, _: f64) -> Result<(), E> {
        Err(E::custom("here"))
    }

    fn visit_str<E: serde::de::Error>(self, _: &str) -> Result<(), E> {
        Err(E::custom("here"))
    }

    fn visit_unit<E: serde::de::Error>(self) -> Result<(), E> {
        Err(E::custom("here"))
    }
}
