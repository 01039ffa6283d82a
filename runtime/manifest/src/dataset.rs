//! The checked dataset: fields, relationships and quality rules of one ODCS schema object.

use crate::types::{LogicalType, PhysicalType};

/// A Postgres schema of the product's database that models read or write.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Layer {
    /// As received.
    Input,
    /// Standardised.
    Abstraction,
    /// What the contract promises.
    Output,
}

impl Layer {
    /// The schema's name.
    pub fn name(self) -> &'static str {
        match self {
            Self::Input => "input",
            Self::Abstraction => "abstraction",
            Self::Output => "output",
        }
    }

    /// The layer of that name.
    pub fn parse(name: &str) -> Option<Self> {
        [Self::Input, Self::Abstraction, Self::Output].into_iter().find(|l| l.name() == name)
    }
}

/// How sensitive a field is; each level includes those before it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Default)]
pub enum Classification {
    /// Everybody.
    #[default]
    Public,
    /// People of the organisation.
    Internal,
    /// Those who need it.
    Confidential,
    /// Those who answer for it.
    Restricted,
}

impl Classification {
    /// The contract's word.
    pub fn word(self) -> &'static str {
        match self {
            Self::Public => "public",
            Self::Internal => "internal",
            Self::Confidential => "confidential",
            Self::Restricted => "restricted",
        }
    }

    /// The level of that word.
    pub fn parse(word: &str) -> Option<Self> {
        [Self::Public, Self::Internal, Self::Confidential, Self::Restricted].into_iter().find(|c| c.word() == word)
    }
}

/// One table: an ODCS schema object.
#[derive(Debug, Clone, PartialEq)]
pub struct Dataset {
    /// ODCS `name`; policy objects are `NAME.field`.
    pub name: String,
    /// Table in [`Dataset::layer`]'s schema.
    pub table: String,
    /// Which layer it is in.
    pub layer: Layer,
    /// Id of its contract.
    pub contract: String,
    /// Name for people.
    pub business_name: Option<String>,
    /// What it holds.
    pub description: Option<String>,
    /// What one row is.
    pub granularity: Option<String>,
    /// GraphQL object type, for output datasets that are served.
    pub graphql_type: Option<String>,
    /// Names of its root fields: one row and many.
    pub graphql_names: Option<RootNames>,
    /// Columns in table order.
    pub fields: Vec<Field>,
    /// Names of the fields of each key beside the primary one: by these, too, a row is looked up and referred to.
    pub second_keys: Vec<Vec<String>>,
    /// Relationships that a single field cannot carry or that belong to fields; all of them, in contract order.
    pub relationships: Vec<Relationship>,
    /// Rules on the whole dataset and on its fields.
    pub quality: Vec<QualityRule>,
    /// The text search configuration of its searchable fields, one that Postgres ships: custom property `searchLanguage`.
    pub search_language: &'static str,
    /// Indexes beside those of keys and relationships, from the custom property `index`.
    pub indexes: Vec<Index>,
    /// Seconds for which answers may be kept, from the custom property `cacheMaxAge`; none: not at all.
    pub cache_max_age: Option<u32>,
    /// How rows come in, for input datasets: custom property `ingest`.
    pub ingest: crate::ingest::IngestOptions,
    /// Search words.
    pub tags: Vec<String>,
    /// Other names.
    pub synonyms: Vec<String>,
    /// Links.
    pub links: Vec<Link>,
}

/// An index that a contract asks for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Index {
    /// Its columns, the first first; at least one.
    pub columns: Vec<IndexColumn>,
}

/// A column of an [`Index`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct IndexColumn {
    /// ODCS name of the field.
    pub field: String,
    /// From the greatest down.
    pub descending: bool,
    /// Whether rows without a value come first.
    pub nulls_first: bool,
}

/// Root fields of a dataset's GraphQL type.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RootNames {
    /// One row by key: `country`.
    pub one: String,
    /// A connection of rows: `countries`.
    pub many: String,
}

impl Dataset {
    /// The field with ODCS name `name`.
    pub fn field(&self, name: &str) -> Option<&Field> {
        self.fields.iter().find(|f| f.name == name)
    }

    /// Primary key fields in key order.
    pub fn primary_key(&self) -> Vec<&Field> {
        let mut key: Vec<&Field> = self.fields.iter().filter(|f| f.key_position.is_some()).collect();
        key.sort_by_key(|f| f.key_position);
        key
    }

    /// The policy object of a field of this dataset; what came in has objects of its own.
    pub fn policy_object(&self, field: &Field) -> String {
        match self.layer {
            Layer::Input => format!("input.{}.{}", self.name, field.name),
            _ => format!("{}.{}", self.name, field.name),
        }
    }
}

/// A link to a document about something.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Link {
    /// `dataSharingAgreement`, `lineageDiagram`, ….
    pub kind: String,
    /// Address.
    pub url: String,
    /// What it is.
    pub description: Option<String>,
}

/// One column: an ODCS property.
#[derive(Debug, Clone, PartialEq)]
pub struct Field {
    /// ODCS `name`.
    pub name: String,
    /// Column (`physicalName`, else the name).
    pub column: String,
    /// camelCase name in GraphQL.
    pub graphql_name: String,
    /// Name for people.
    pub business_name: Option<String>,
    /// What it holds.
    pub description: Option<String>,
    /// ODCS type.
    pub logical: LogicalType,
    /// Postgres type.
    pub physical: PhysicalType,
    /// NOT NULL.
    pub required: bool,
    /// UNIQUE.
    pub unique: bool,
    /// Position in the primary key, from 1.
    pub key_position: Option<u32>,
    /// Whether the argument `search` looks into it: custom property `searchable`, on texts only.
    pub searchable: bool,
    /// Allowed values; empty is any.
    pub enumeration: Vec<EnumValue>,
    /// How sensitive it is.
    pub classification: Classification,
    /// Whether it should no longer be used, and why.
    pub deprecated: Option<String>,
    /// The last day on which a deprecated field is promised: custom property `removedAfter`, `2027-06-30`.
    pub removed_after: Option<String>,
    /// Sample values.
    pub examples: Vec<serde_json::Value>,
    /// Bounds of its values.
    pub options: FieldOptions,
    /// Bounds of an array's items.
    pub item_options: Option<FieldOptions>,
    /// Where its values come from.
    pub transform: Transform,
    /// Whether the business depends on it.
    pub critical: bool,
    /// Custom `unitOfMeasure`.
    pub unit: Option<String>,
    /// What its values, or the items of its list, are made of, where the contract says so: they are JSON objects.
    pub nested: Option<Nested>,
    /// Search words.
    pub tags: Vec<String>,
}

/// The shape of JSON objects.
#[derive(Debug, Clone, PartialEq)]
pub struct Nested {
    /// Custom `graphqlType`; made from the names of the type and the field around it where the contract gives none.
    pub graphql_type: Option<String>,
    /// Their members; [`Field::column`] is the JSON key.
    pub fields: Vec<Field>,
}

/// One allowed value.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EnumValue {
    /// The value, as text.
    pub value: String,
    /// Name for people.
    pub label: Option<String>,
    /// What it means.
    pub description: Option<String>,
}

/// `logicalTypeOptions`.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct FieldOptions {
    /// Least value.
    pub minimum: Option<serde_json::Number>,
    /// Greatest value.
    pub maximum: Option<serde_json::Number>,
    /// Values are greater than this.
    pub exclusive_minimum: Option<serde_json::Number>,
    /// Values are less than this.
    pub exclusive_maximum: Option<serde_json::Number>,
    /// Values are multiples of this.
    pub multiple_of: Option<serde_json::Number>,
    /// Least length in characters.
    pub min_length: Option<u32>,
    /// Greatest length in characters.
    pub max_length: Option<u32>,
    /// Regular expression.
    pub pattern: Option<String>,
    /// Format word.
    pub format: Option<String>,
    /// Least number of items.
    pub min_items: Option<u32>,
    /// Greatest number of items.
    pub max_items: Option<u32>,
    /// Items differ.
    pub unique_items: bool,
}

/// How a field's values are made.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Transform {
    /// `layer.table.column` it is made from.
    pub sources: Vec<String>,
    /// Expression.
    pub logic: Option<String>,
    /// For people.
    pub description: Option<String>,
}

/// How many rows of the target belong to a row here, and back.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Cardinality {
    /// Many rows here refer to one there.
    ManyToOne,
    /// One row here refers to one there, and is the only one.
    OneToOne,
}

/// A foreign key of a dataset.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Relationship {
    /// Names of the referring fields here.
    pub fields: Vec<String>,
    /// Whether the one referring field is an array, of which each item refers.
    pub each_item: bool,
    /// What is referred to.
    pub target: Target,
    /// How many to how many.
    pub cardinality: Cardinality,
    /// Field here that follows it.
    pub graphql_field: Option<String>,
    /// Field on the target that follows it back.
    pub reverse_field: Option<String>,
    /// For people, from the custom property `description`.
    pub description: Option<String>,
}

/// What a [`Relationship`] refers to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Target {
    /// Id of the other product; none is this product.
    pub product: Option<String>,
    /// Name of the dataset there.
    pub dataset: String,
    /// Names of the referred fields there, in the order of [`Relationship::fields`].
    pub fields: Vec<String>,
    /// GraphQL type there.
    pub graphql_type: String,
}

/// What a failed rule does.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RuleSeverity {
    /// Blocks the publish.
    Error,
    /// Publishes and flags.
    Warning,
    /// Only shown.
    Info,
}

/// One quality rule.
#[derive(Debug, Clone, PartialEq)]
pub struct QualityRule {
    /// Id, unique in the contract; made from its place where the contract gives none.
    pub id: String,
    /// Name for people.
    pub name: Option<String>,
    /// What it demands.
    pub description: Option<String>,
    /// The field it is on; none is the dataset.
    pub field: Option<String>,
    /// How it is checked.
    pub check: RuleCheck,
    /// What a failure does.
    pub severity: RuleSeverity,
    /// `accuracy`, `completeness`, ….
    pub dimension: Option<String>,
    /// `operational`, `regulatory`.
    pub business_impact: Option<String>,
    /// Cron expression of a re-check.
    pub schedule: Option<String>,
}

/// How a rule is checked.
#[derive(Debug, Clone, PartialEq)]
pub enum RuleCheck {
    /// For people only.
    Text,
    /// A metric of the standard's library.
    Metric {
        /// Which.
        metric: Metric,
        /// What its value is compared with.
        expected: Expectation,
        /// Whether the value is a percentage of rows instead of a count.
        percent: bool,
    },
    /// A query that gives one number.
    Sql {
        /// Exactly one SELECT; `{object}` and `{property}` (and `${table}`, `${column}`) stand for the table and column.
        query: String,
        /// What its value is compared with.
        expected: Expectation,
    },
}

/// Metrics of ODCS.
#[derive(Debug, Clone, PartialEq)]
pub enum Metric {
    /// Rows in which the field is null.
    NullValues,
    /// Rows in which the field is null or one of these values.
    MissingValues(Vec<serde_json::Value>),
    /// Rows in which the field is not null and not valid.
    InvalidValues {
        /// Regular expression of valid values.
        pattern: Option<String>,
        /// List of valid values.
        valid_values: Vec<serde_json::Value>,
    },
    /// Rows whose values in these fields were seen in an earlier row.
    DuplicateValues(Vec<String>),
    /// Rows.
    RowCount,
}

/// The operator of a rule.
#[derive(Debug, Clone, PartialEq)]
pub enum Expectation {
    /// `=`
    Be(serde_json::Value),
    /// `<>`
    NotBe(serde_json::Value),
    /// `>`
    GreaterThan(f64),
    /// `>=`
    GreaterOrEqual(f64),
    /// `<`
    LessThan(f64),
    /// `<=`
    LessOrEqual(f64),
    /// Between, both included.
    Between(f64, f64),
    /// Outside of both.
    NotBetween(f64, f64),
}
