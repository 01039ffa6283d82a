//! Sources: turns an input port's connector into a batch with what its source has, or has anew.
//!
//! How far a source was read is kept in the transaction that makes its rows count. A pull whose source has nothing new
//! changes nothing; where the contract has changed since, or somebody else has replaced the rows, all is read again.

mod cloud;
mod environment;
mod files;
mod http;
mod objects;
mod postgres;
mod product;

pub use cloud::open as open_objects;
pub use environment::{Environment, expand};

use crate::intake::{Intake, Taken, Target};
use crate::{IngestError, Upstreams};
use serde_json::Value;
use std::hash::{DefaultHasher, Hash as _, Hasher as _};
use std::path::Path;
use terrane_manifest::{Connector, Dataset, InputPort, Layer, Product, PullMode};
use terrane_store::{BatchMode, Store};

/// What came of a pull.
#[derive(Debug, Clone, PartialEq)]
pub enum Pulled {
    /// There is nothing new at the source.
    Unchanged,
    /// A batch with what it has.
    Taken(Taken),
}

impl Pulled {
    /// Rows that came in.
    pub fn rows(&self) -> u64 {
        match self {
            Self::Unchanged => 0,
            Self::Taken(taken) => taken.batch.rows,
        }
    }

    /// Bytes that were read; none where there were no bodies to count.
    pub fn bytes(&self) -> Option<u64> {
        match self {
            Self::Unchanged => None,
            Self::Taken(taken) => Some(taken.bytes).filter(|bytes| *bytes > 0),
        }
    }

    /// What is worth telling of it, in words without values.
    pub fn describe(&self) -> Option<String> {
        match self {
            Self::Unchanged => Some("the source has not changed".to_owned()),
            Self::Taken(taken) => taken.describe(),
        }
    }
}

/// What a pull needs besides its port.
pub struct Puller<'a> {
    /// The database.
    pub store: &'a Store,
    /// The product.
    pub product: &'a Product,
    /// Its folder.
    pub folder: &'a Path,
    /// Products that it reads from.
    pub upstreams: &'a Upstreams,
    /// Where `${VAR}` comes from.
    pub environment: &'a Environment,
}

impl Puller<'_> {
    /// Bring the port's input dataset up to what its source has.
    ///
    /// # Errors
    /// [`IngestError`]; the rows that were there stay then.
    pub async fn pull(&self, port: &InputPort) -> Result<Pulled, IngestError> {
        let dataset =
            self.product.dataset(Layer::Input, &port.dataset).expect("the manifest checked the port's dataset");
        let pull = Pull { puller: self, port, dataset };
        match &port.connector {
            Connector::File { format, path, mode } => files::pull(&pull, path, format.as_deref(), *mode).await,
            Connector::Http { url, headers, format } => http::pull(&pull, url, headers, format.as_deref()).await,
            Connector::Objects { url, options, format, mode } => {
                objects::pull(&pull, url, options, format.as_deref(), *mode).await
            }
            Connector::Postgres { url, query, cursor } => postgres::pull(&pull, url, query, cursor.as_deref()).await,
            Connector::Product { product, dataset } => product::pull(&pull, product, dataset).await,
            Connector::Push | Connector::JetStream { .. } => Err(IngestError::NotPulled(port.name.clone())),
        }
    }
}

impl Puller<'_> {
    /// The version that the product which `port` reads has published since the port was pulled, where there is one.
    ///
    /// # Errors
    /// [`IngestError`]; [`IngestError::NotPulled`] where the port reads no other product.
    pub async fn upstream_ahead(&self, port: &InputPort) -> Result<Option<i64>, IngestError> {
        let Connector::Product { product, .. } = &port.connector else {
            return Err(IngestError::NotPulled(port.name.clone()));
        };
        let dataset =
            self.product.dataset(Layer::Input, &port.dataset).expect("the manifest checked the port's dataset");
        product::ahead(&Pull { puller: self, port, dataset }, product).await
    }
}

/// A pull of one port.
struct Pull<'a> {
    puller: &'a Puller<'a>,
    port: &'a InputPort,
    dataset: &'a Dataset,
}

impl<'a> Pull<'a> {
    /// How far the source was read; none where it has to be read from its start. `alone`: only its own rows may be there.
    async fn position(&self, alone: bool) -> Result<Option<Value>, IngestError> {
        let kept =
            self.puller.store.source_position(&self.port.name, &self.dataset.name, &self.contract(), alone).await?;
        Ok(kept)
    }

    /// An intake for what is read now; `position` is how far that is.
    fn intake<'i>(&'i self, origin: &'i str, mode: BatchMode) -> Intake<'i> {
        let target = Target { store: self.puller.store, dataset: self.dataset, origin, mode, from: None, key: None };
        Intake::new(target)
    }

    /// Make what was read count, with how far that is.
    async fn finish(&self, mut intake: Intake<'_>, position: Value) -> Result<Pulled, IngestError> {
        intake.keep(&self.port.name, serde_json::json!({ "contract": self.contract(), "position": position }));
        intake.finish().await.map(Pulled::Taken)
    }

    /// The text with what the environment has for its variables.
    fn expand(&self, text: &str) -> Result<String, IngestError> {
        expand(text, self.puller.environment)
    }

    fn failed(&self, reason: impl Into<String>) -> IngestError {
        IngestError::Source { port: self.port.name.clone(), reason: reason.into() }
    }

    /// What the rows of a batch depend on besides the source: another contract, and all is read again.
    fn contract(&self) -> String {
        let mut hasher = DefaultHasher::new();
        format!("{:?}{:?}{:?}", self.dataset.fields, self.dataset.ingest, self.port.connector).hash(&mut hasher);
        format!("{:016x}", hasher.finish())
    }
}

/// What a batch of files does with the rows that are there: files are added only to what was read from such files.
fn batch_mode(mode: PullMode, position: Option<&Value>) -> BatchMode {
    match (mode, position) {
        (PullMode::Append, Some(_)) => BatchMode::Append,
        _ => BatchMode::Replace,
    }
}

/// Which of the files that there are now (by name, with what tells one content from another) are to be read: all or
/// none of them where they are the whole dataset, those with new names where they are added.
fn choose(mode: PullMode, position: Option<&Value>, files: &[(String, String)]) -> Vec<bool> {
    let known = |name: &str| position.and_then(|p| p["files"][name].as_str());
    match mode {
        PullMode::Replace => {
            let count = position.and_then(|p| p["files"].as_object()).map_or(0, serde_json::Map::len);
            let same = position.is_some()
                && count == files.len()
                && files.iter().all(|(name, mark)| known(name) == Some(mark.as_str()));
            vec![!same; files.len()]
        }
        PullMode::Append => files.iter().map(|(name, _)| known(name).is_none()).collect(),
    }
}

/// The position after `files` were read, beside those that were read before where they are added.
fn read_files(mode: PullMode, position: Option<&Value>, files: Vec<(String, String)>) -> Value {
    let mut all = match (mode, position.and_then(|p| p["files"].as_object())) {
        (PullMode::Append, Some(earlier)) => earlier.clone(),
        _ => serde_json::Map::new(),
    };
    for (name, mark) in files {
        all.entry(name).or_insert(Value::String(mark));
    }
    serde_json::json!({ "files": all })
}
