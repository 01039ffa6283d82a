//! Telling: turns the texts of records into what they are looked up and summed up by; each text is parsed once for all of it.

use serde::Deserialize;
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
    /// When, in microseconds since 1970.
    pub at: Option<i64>,
    /// Who.
    #[serde(borrow)]
    pub subject: Option<Cow<'a, str>>,
    /// Did what.
    #[serde(borrow)]
    pub action: Option<Cow<'a, str>>,
    /// HTTP status of the answer.
    #[serde(default)]
    pub status: i64,
    /// What the answer says is wrong.
    #[serde(borrow)]
    pub code: Option<Cow<'a, str>>,
    /// Microseconds until the answer began.
    pub us: Option<i64>,
    /// What was read.
    #[serde(borrow, default)]
    pub what: Vec<What<'a>>,
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

/// An operation.
#[derive(Debug, Deserialize)]
pub(super) struct What<'a> {
    /// The datasets that it reads.
    #[serde(borrow, default)]
    pub reads: Vec<Read<'a>>,
    /// Rows of its statement.
    #[serde(default)]
    pub rows: i64,
}

/// What is read of a dataset.
#[derive(Debug, Deserialize)]
pub(super) struct Read<'a> {
    /// The dataset.
    #[serde(borrow)]
    pub dataset: Cow<'a, str>,
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
