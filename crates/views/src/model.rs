//! View models: what a product's page shows, as text, in the words of `docs/pages.md`.

/// A state in words; the tone is a CSS class and is never the only thing that tells the state.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Status {
    /// In words.
    pub text: String,
    /// `good`, `warn`, `bad` or `muted`.
    pub tone: &'static str,
}

impl Status {
    /// A state.
    pub fn new(text: impl Into<String>, tone: &'static str) -> Self {
        Self { text: text.into(), tone }
    }
}

/// A moment for people and for machines.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Moment {
    /// `21 November 2026, 03:00 UTC`.
    pub text: String,
    /// RFC 3339.
    pub iso: String,
}

/// A link to a document.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Link {
    /// What is clicked.
    pub label: String,
    /// Where it leads; `http:`, `https:` or `mailto:`.
    pub href: String,
    /// What is there.
    pub description: Option<String>,
}

/// One product, as its page shows it.
#[derive(Debug, Clone)]
pub struct Product {
    /// Name for people.
    pub name: String,
    /// Why it exists.
    pub purpose: String,
    /// Business area.
    pub domain: String,
    /// Semantic version.
    pub version: String,
    /// `source-aligned`, `aggregate`, ….
    pub kind: String,
    /// Its place in its life.
    pub status: Status,
    /// Why it is not, or not as of today, in the graph.
    pub problem: Option<String>,
    /// Who answers for it.
    pub owner: Owner,
    /// The team behind it.
    pub team: Option<String>,
    /// How to use it.
    pub usage: Option<String>,
    /// What it cannot do.
    pub limitations: Option<String>,
    /// Search words.
    pub tags: Vec<String>,
    /// How many used it lately, and how often; none where it does not say.
    pub used: Option<String>,
    /// How old the data is, beside what is promised.
    pub freshness: Status,
    /// When what readers see was published.
    pub updated: Option<Moment>,
    /// When the next run is planned.
    pub next_run: Option<Moment>,
    /// Ways to get help.
    pub contacts: Vec<Contact>,
    /// What provider and consumer agree to.
    pub agreements: Vec<Link>,
    /// Other documents.
    pub links: Vec<Link>,
    /// Service levels.
    pub promises: Vec<Promise>,
    /// All checks in one sentence.
    pub quality_summary: Status,
    /// Quality rules with their latest results.
    pub checks: Vec<Check>,
    /// As whom the visitor reads.
    pub access_text: String,
    /// Output datasets.
    pub datasets: Vec<Dataset>,
    /// Ports of every kind.
    pub ports: Vec<Port>,
    /// Lineage, then model.
    pub diagrams: Vec<Diagram>,
    /// The latest runs, newest first.
    pub runs: Vec<Run>,
    /// Said where there is no run to show.
    pub no_runs_text: String,
    /// Operations to begin with.
    pub examples: Vec<Example>,
    /// Where access is asked for; none where this server has no such page.
    pub access_href: Option<String>,
    /// How long runs took.
    pub durations: Option<Diagram>,
}

/// An operation to begin with.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Example {
    /// Its name in words.
    pub title: String,
    /// What it is for.
    pub description: Option<String>,
    /// Its text.
    pub operation: String,
    /// The explorer with it.
    pub explorer_href: Option<String>,
}

/// When other contracts came into force, and what changed by it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Revision {
    /// Version of the product.
    pub version: String,
    /// From when on.
    pub at: Moment,
    /// `breaking`, `compatible` or `first`.
    pub status: Status,
    /// What changed.
    pub changes: Vec<Change>,
}

/// One change of a contract.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Change {
    /// `breaking`, `addition` or `note`.
    pub status: Status,
    /// `for consumers` or `for those who send to it`.
    pub concerns: &'static str,
    /// What changed.
    pub text: String,
}

/// Rows that the visitor may see, as they see them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Sample {
    /// Names of the fields.
    pub columns: Vec<String>,
    /// A text for each field.
    pub rows: Vec<Vec<String>>,
}

/// Who answers for a product.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Owner {
    /// Name for people.
    pub name: String,
    /// Mail address.
    pub email: Option<String>,
}

/// A way to get help.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Contact {
    /// Channel or person.
    pub label: String,
    /// Address.
    pub href: Option<String>,
    /// What it is for.
    pub description: Option<String>,
}

/// A service level of the contract (ODCS `slaProperties`).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Promise {
    /// Service level.
    pub name: String,
    /// Value and unit.
    pub promised: String,
    /// What it means.
    pub description: String,
    /// What was measured, where it is.
    pub measured: Option<Status>,
}

/// A quality rule (ODCS `quality`) with its latest result.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Check {
    /// Its description, else its id.
    pub rule: String,
    /// `countries` or `countries.code`.
    pub on: String,
    /// ODCS dimension.
    pub dimension: String,
    /// `Not published`, `Flagged` or `Nothing`.
    pub consequence: String,
    /// `passed`, `warning`, `failed`, `not checked` or `for people`.
    pub result: Status,
    /// What was measured.
    pub found: String,
}

/// An output dataset.
#[derive(Debug, Clone)]
pub struct Dataset {
    /// Name in the contract; also part of an HTML id.
    pub name: String,
    /// Name for people.
    pub title: String,
    /// What it holds.
    pub description: String,
    /// Of its contract.
    pub version: String,
    /// `table`, `file`, ….
    pub kind: String,
    /// How many, with thousands separators.
    pub rows: Option<String>,
    /// What one row is.
    pub granularity: Option<String>,
    /// The data dictionary.
    pub fields: Vec<Field>,
    /// Files that the visitor may fetch.
    pub downloads: Vec<Download>,
    /// A sample operation over several lines.
    pub operation: Option<String>,
    /// The explorer with that operation.
    pub explorer_href: Option<String>,
    /// What the operation answers to the visitor; none where it was not asked.
    pub sample: Option<Sample>,
}

/// A file to fetch.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Download {
    /// `CSV`, `JSON`, ….
    pub format: String,
    /// Where it is.
    pub href: String,
}

/// A field of the data dictionary.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Field {
    /// As in GraphQL.
    pub name: String,
    /// GraphQL type, `[String!]`.
    pub data_type: String,
    /// Whether it is part of the key.
    pub key: bool,
    /// Whether every row has a value.
    pub required: bool,
    /// What it holds.
    pub description: String,
    /// `public`, `internal`, `confidential` or `restricted`; also a CSS class.
    pub classification: String,
    /// Whether the visitor may read it.
    pub readable: bool,
    /// Why not.
    pub why: Option<String>,
    /// What the visitor sees instead of its values, in words.
    pub masked: Option<String>,
    /// Where it is asked for, where it is closed.
    pub ask_href: Option<String>,
    /// Sample values.
    pub examples: Option<String>,
    /// What its values refer to.
    pub reference: Option<Reference>,
    /// Why it should no longer be used.
    pub deprecated: Option<String>,
    /// The last day on which it is promised, as text.
    pub removed_after: Option<String>,
}

/// The field of another dataset that a field refers to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Reference {
    /// `continents.code`.
    pub label: String,
    /// Where that is described.
    pub href: String,
}

/// A port of any kind.
#[derive(Debug, Clone)]
pub struct Port {
    /// Name.
    pub name: String,
    /// `Output · GraphQL`, `Input · file`, ….
    pub kind: String,
    /// What it serves.
    pub description: Option<String>,
    /// Where it is.
    pub address: Option<String>,
    /// Text to copy.
    pub snippets: Vec<Snippet>,
}

/// Text to copy.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Snippet {
    /// What it is.
    pub label: String,
    /// The text.
    pub code: String,
}

/// A drawing with its text.
#[derive(Debug, Clone)]
pub struct Diagram {
    /// `lineage` or `model`.
    pub id: String,
    /// Name for people.
    pub title: String,
    /// Markup, every text in it escaped.
    pub svg: String,
    /// The same as text for other tools.
    pub exports: Vec<Export>,
    /// The same as sentences.
    pub lines: Vec<String>,
}

/// A diagram for another tool.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Export {
    /// `Mermaid` or `DOT`.
    pub label: String,
    /// Where it is.
    pub href: String,
}

/// One run of the pipeline.
#[derive(Debug, Clone)]
pub struct Run {
    /// Id.
    pub id: String,
    /// How it ended.
    pub status: Status,
    /// When it began.
    pub started: Moment,
    /// `scheduled · version 7 · 1.2 s`.
    pub summary: String,
    /// What failed.
    pub error: Option<String>,
    /// In order.
    pub steps: Vec<Step>,
}

/// One step of a run.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Step {
    /// Kind and name.
    pub name: String,
    /// How it ended.
    pub status: Status,
    /// How long.
    pub took: String,
    /// How many.
    pub rows: String,
    /// More, in words.
    pub detail: String,
}
