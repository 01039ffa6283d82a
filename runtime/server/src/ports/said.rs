//! What is said: turns a search, the history of contracts and of quality, and the folder's examples into GraphQL objects.

use super::PortsContext;
use super::guard::internal;
use async_graphql::{Result, SimpleObject};
use chrono::{DateTime, Utc};
use terrane_manifest::{Bump, Layer, Product, contract_changes, reread};
use terrane_store as store;

/// A text about the product that has words which were searched for.
#[derive(SimpleObject, Debug, Clone)]
pub struct MetadataMatch {
    /// `product`, `dataset` or `field`.
    pub kind: String,
    /// The dataset; null where it is about the product.
    pub dataset: Option<String>,
    /// The field by its name in GraphQL, where it is about one.
    pub field: Option<String>,
    /// `name`, `synonym`, `tag`, `domain`, `owner` or `description`.
    pub place: String,
    /// The text.
    pub text: String,
    /// Words of the search that are in it, or stand for some that are; without accents and capitals.
    pub words: Vec<String>,
    /// How well it fits; only to be compared with others.
    pub score: f64,
    /// Whether a word was taken for another one that was mistyped.
    pub approximate: bool,
}

/// What changed when other contracts came into force.
#[derive(SimpleObject, Debug, Clone)]
pub struct ContractRevision {
    /// Version of the product.
    pub version: String,
    /// From when on.
    pub applied_at: DateTime<Utc>,
    /// Whether it broke what consumers or senders relied on.
    pub breaking: bool,
    /// What changed; empty for the first contracts.
    pub changes: Vec<RevisedContract>,
}

/// One change of a contract.
#[derive(SimpleObject, Debug, Clone)]
pub struct RevisedContract {
    /// Id of the contract.
    pub contract: String,
    /// `input` or `output`.
    pub layer: String,
    /// The dataset; null where the whole contract came or went.
    pub dataset: Option<String>,
    /// The field, for changes of one.
    pub field: Option<String>,
    /// Stable code.
    pub code: String,
    /// `breaking`, `addition` or `note`.
    pub severity: String,
    /// What changed.
    pub message: String,
}

/// What the checks of one run found, in numbers.
#[derive(SimpleObject, Debug, Clone)]
pub struct QualityPoint {
    /// When.
    pub at: DateTime<Utc>,
    /// The version that the run published; null where it published none.
    pub version: Option<i64>,
    /// Checks that passed.
    pub passed: i64,
    /// Checks that failed and only warn or inform.
    pub warned: i64,
    /// Checks that failed and keep a version from being published.
    pub failed: i64,
}

/// An operation that the product's folder has as an example.
#[derive(SimpleObject, Debug, Clone)]
pub struct ExampleOperation {
    /// Its file's name.
    pub name: String,
    /// What the comment at its start says.
    pub description: Option<String>,
    /// Its text.
    pub operation: String,
}

impl From<store::TextMatch> for MetadataMatch {
    fn from(found: store::TextMatch) -> Self {
        let store::TextMatch { kind, dataset, field, place, text, words, score, approximate } = found;
        Self { kind, dataset, field, place, text, words, score, approximate }
    }
}

impl From<store::QualityPoint> for QualityPoint {
    fn from(point: store::QualityPoint) -> Self {
        let store::QualityPoint { at, version, passed, warned, failed } = point;
        Self { at, version, passed, warned, failed }
    }
}

/// The newest `first` revisions of the contracts, the newest first.
pub async fn revisions(context: &PortsContext, first: i64) -> Result<Vec<ContractRevision>> {
    // one more, which the oldest is compared with
    let applied = context.service.store().applied_contracts(first + 1).await.map_err(internal)?;
    let wanted = usize::try_from(first).unwrap_or(usize::MAX);
    let compared = tokio::task::spawn_blocking(move || {
        let products: Vec<Option<Product>> = applied.iter().map(|of| reread(&of.sources)).collect();
        let revised = applied.iter().enumerate().take(wanted);
        revised.map(|(at, of)| revision(of, products.get(at + 1), products[at].as_ref())).collect()
    });
    compared.await.map_err(internal)
}

fn revision(
    of: &store::AppliedContracts,
    before: Option<&Option<Product>>,
    after: Option<&Product>,
) -> ContractRevision {
    let changes = match (before.and_then(Option::as_ref), after) {
        (Some(before), Some(after)) => contract_changes(before, after),
        _ => Vec::new(),
    };
    ContractRevision {
        version: of.version.clone(),
        applied_at: of.applied_at,
        breaking: changes.iter().any(|change| change.bump == Bump::Major),
        changes: changes
            .into_iter()
            .map(|change| RevisedContract {
                contract: change.contract,
                layer: if change.layer == Layer::Input { "input" } else { "output" }.to_owned(),
                dataset: change.dataset,
                field: change.field,
                code: change.code.to_owned(),
                severity: match change.bump {
                    Bump::Major => "breaking",
                    Bump::Minor => "addition",
                    Bump::Patch => "note",
                }
                .to_owned(),
                message: change.message,
            })
            .collect(),
    }
}

/// The GraphQL files of the folder's `tests`, by name.
pub fn examples(product: &Product) -> Vec<ExampleOperation> {
    let files = product.tests.iter().filter_map(|(path, text)| {
        let name = path.strip_prefix("tests/")?.strip_suffix(".graphql")?;
        (!name.contains('/')).then_some((name, text))
    });
    let example = |(name, text): (&str, &String)| {
        let comment: Vec<&str> =
            text.lines().map_while(|line| line.strip_prefix('#')).map(|line| line.trim()).collect();
        let operation = text.lines().skip(comment.len()).collect::<Vec<_>>().join("\n");
        ExampleOperation {
            name: name.to_owned(),
            description: Some(comment.join(" ")).filter(|text| !text.is_empty()),
            operation: operation.trim().to_owned(),
        }
    };
    files.map(example).collect()
}
