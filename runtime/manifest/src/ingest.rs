//! Ingest options: turns a dataset's custom property `ingest` into how its rows are taken in.

use crate::yaml::Node;

/// Bad rows that are gone on over, or that a refusal tells of, where the contract does not say.
const DEFAULT_REJECTS: u32 = 100;
/// Bad rows that a batch may have.
const MOST_REJECTS: i64 = 100_000;

/// How rows come into an input dataset.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct IngestOptions {
    /// What a row does to its batch that is not as the contract says.
    pub bad_rows: BadRows,
    /// With [`BadRows::Reject`]: how many a batch may have. With [`BadRows::Refuse`]: how many are told of.
    pub max_rejects: u32,
    /// Whether columns that the contract does not have are passed over instead of refused.
    pub ignore_extra: bool,
    /// How delimited text is written.
    pub dialect: Dialect,
    /// The sheet of a workbook; none is the first.
    pub sheet: Option<String>,
}

/// What becomes of a batch with bad rows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum BadRows {
    /// It is refused.
    Refuse,
    /// They are set aside, and it goes on without them.
    Reject,
}

/// How delimited text is written. What is none here is found out from the text.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Dialect {
    /// Between values.
    pub delimiter: Option<u8>,
    /// Around values; none: quotes are characters like others.
    pub quote: Option<u8>,
    /// Before a quote in a quoted value, where quotes are not doubled.
    pub escape: Option<u8>,
    /// Name of its character encoding, as the WHATWG has them.
    pub encoding: Option<String>,
    /// Whether the first line names the columns.
    pub header: bool,
    /// The columns in order, where there is no header; empty: those of the contract.
    pub columns: Vec<String>,
    /// Words that stand for no value.
    pub nulls: Vec<String>,
    /// Lines before the header or first row that are passed over.
    pub skip_lines: u32,
    /// Lines that start with it are passed over.
    pub comment: Option<u8>,
}

impl Default for Dialect {
    fn default() -> Self {
        Self {
            delimiter: None,
            quote: Some(b'"'),
            escape: None,
            encoding: None,
            header: true,
            columns: Vec::new(),
            nulls: vec![String::new()],
            skip_lines: 0,
            comment: None,
        }
    }
}

impl Default for IngestOptions {
    fn default() -> Self {
        Self {
            bad_rows: BadRows::Refuse,
            max_rejects: DEFAULT_REJECTS,
            ignore_extra: false,
            dialect: Dialect::default(),
            sheet: None,
        }
    }
}

/// Read the property of the dataset at `object`.
pub(crate) fn read_ingest(object: &Node<'_>) -> IngestOptions {
    let mut options = IngestOptions::default();
    let Some(node) = object.custom("ingest") else { return options };
    node.expect_keys(&["onBadRows", "maxRejects", "extraColumns", "csv", "sheet"]);
    let choose = |key: &str, first: &str, second: &str| match node.text(key).as_deref() {
        None => false,
        Some(word) if word == first => false,
        Some(word) if word == second => true,
        Some(word) => {
            node.error("INGEST_OPTIONS", format!("`{key}` is `{word}`"), &format!("use {first} or {second}"));
            false
        }
    };
    if choose("onBadRows", "refuse", "reject") {
        options.bad_rows = BadRows::Reject;
    }
    options.ignore_extra = choose("extraColumns", "refuse", "ignore");
    if let Some(most) = node.integer("maxRejects") {
        match u32::try_from(most) {
            Ok(count) if most <= MOST_REJECTS => options.max_rejects = count,
            _ => node.error(
                "INGEST_OPTIONS",
                format!("`maxRejects` is {most}"),
                &format!("use a number of rows from 0 to {MOST_REJECTS}"),
            ),
        }
    }
    options.sheet = node.text("sheet");
    if let Some(csv) = node.get("csv") {
        options.dialect = read_dialect(&csv);
    }
    options
}

fn read_dialect(node: &Node<'_>) -> Dialect {
    node.expect_keys(&[
        "delimiter",
        "quote",
        "escape",
        "encoding",
        "header",
        "columns",
        "nulls",
        "skipLines",
        "comment",
    ]);
    let byte = |key: &str| {
        let text = node.text(key)?;
        match text.as_bytes() {
            [byte] if byte.is_ascii() && !matches!(byte, b'\n' | b'\r') => Some(*byte),
            _ => {
                node.error("INGEST_OPTIONS", format!("`{key}` is `{text}`"), "use one ASCII character");
                None
            }
        }
    };
    let plain = Dialect::default();
    let quote = match node.text("quote").as_deref() {
        Some("") => None,
        Some(_) => byte("quote"),
        None => plain.quote,
    };
    Dialect {
        delimiter: byte("delimiter"),
        quote,
        escape: byte("escape"),
        encoding: node.text("encoding"),
        header: node.get("header").is_none_or(|n| n.as_flag()),
        columns: node.texts("columns"),
        nulls: if node.has("nulls") { node.texts("nulls") } else { plain.nulls },
        skip_lines: node.integer("skipLines").and_then(|n| u32::try_from(n).ok()).unwrap_or(0),
        comment: byte("comment"),
    }
}
