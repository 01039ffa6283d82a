//! Telling: turns the texts of records into what they are looked up and summed up by; each text is parsed once for all of it.

use serde::Deserialize;
use serde_json::value::RawValue;
use std::borrow::Cow;

/// A record of the log.
#[derive(Debug)]
pub(super) struct Record<'a> {
    /// As it is written and hashed.
    pub text: &'a str,
    /// What it says; none where that is not what records say.
    pub told: Option<Told<'a>>,
}

/// What a record says.
#[derive(Debug, Deserialize)]
pub(super) struct Told<'a> {
    /// Its place in its spool, where it comes from one.
    pub seq: Option<i64>,
    /// When, in microseconds since 1970.
    pub at: Option<i64>,
    /// Who.
    #[serde(borrow)]
    pub subject: Option<Text<'a>>,
    /// Did what.
    #[serde(borrow)]
    pub action: Option<Text<'a>>,
    /// HTTP status of the answer.
    #[serde(default)]
    pub status: i64,
    /// What the answer says is wrong.
    #[serde(borrow)]
    pub code: Option<Text<'a>>,
    /// Microseconds until the answer began.
    pub us: Option<i64>,
    /// What was read: a list of [`What`]. It is the same text in many records, and so read where it is wanted.
    #[serde(borrow)]
    pub what: Option<&'a RawValue>,
    /// Bytes of the answer.
    #[serde(default)]
    pub bytes: i64,
    /// The version that was read; 0 is the current one.
    #[serde(default)]
    pub version: i64,
    /// Whether it tells of the end of what another record began.
    #[serde(default)]
    pub ends: bool,
}

/// A text of the record, copied only where it is written with escapes.
#[derive(Debug, Deserialize)]
pub(super) struct Text<'a>(#[serde(borrow)] pub Cow<'a, str>);

/// An operation.
#[derive(Debug, Deserialize)]
pub(super) struct What {
    /// The datasets that it reads.
    #[serde(default)]
    pub reads: Vec<Read>,
    /// Rows of its statement.
    #[serde(default)]
    pub rows: i64,
}

/// What is read of a dataset.
#[derive(Debug, Deserialize)]
pub(super) struct Read {
    /// The dataset.
    pub dataset: String,
    /// Fields in clear.
    #[serde(default)]
    pub fields: Vec<String>,
    /// Fields of which a mask was read.
    #[serde(default)]
    pub masked: Vec<String>,
    /// Fields that were denied.
    #[serde(default)]
    pub denied: Vec<String>,
}

impl<'a> Record<'a> {
    /// The record of a text.
    pub fn read(text: &'a str) -> Self {
        Self { text, told: serde_json::from_str(text).ok() }
    }

    /// Those of texts, in their order.
    pub fn all(texts: &'a [String]) -> Vec<Self> {
        texts.iter().map(|text| Self::read(text)).collect()
    }
}

impl<'a> Told<'a> {
    /// Who.
    pub fn subject(&self) -> Option<&str> {
        self.subject.as_ref().map(|text| &*text.0)
    }

    /// Did what.
    pub fn action(&self) -> Option<&str> {
        self.action.as_ref().map(|text| &*text.0)
    }

    /// What the answer says is wrong.
    pub fn code(&self) -> Option<&str> {
        self.code.as_ref().map(|text| &*text.0)
    }

    /// The text of what was read; empty where nothing was.
    pub fn what(&self) -> &'a str {
        self.what.map_or("", RawValue::get)
    }
}
