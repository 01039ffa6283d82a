//! Files: turns what a caller asks of a dataset into the work that makes the file, and its entity tag.

use super::column::Column;
use super::packing::Packing;
use super::stream::Work;
use super::{Format, Opened};
use crate::service::ProductService;
use serde_json::{Map, Value};
use sha2::{Digest as _, Sha256};
use std::fmt::Write as _;
use terrane_graphql::GraphqlError;
use terrane_query::{Access, DataSchema, ExportRequest};
use terrane_store::Version;
use tokio::sync::OwnedSemaphorePermit;

/// Raised when the bytes of a format change for the same rows: tags of earlier bytes match no more.
const REVISION: u32 = 1;

/// What is asked for.
#[derive(Debug, Clone, Copy)]
pub struct FileRequest<'r> {
    /// Dataset, fields, filter, order, limit.
    pub rows: ExportRequest<'r>,
    /// Its format.
    pub format: Format,
    /// Its content coding.
    pub packing: Packing,
    /// Whether a CSV starts with the mark of UTF-8.
    pub bom: bool,
}

/// A file that can be made.
#[derive(Debug, Clone)]
pub struct File {
    work: Work,
    touched: Vec<String>,
}

impl File {
    /// Compile the request for a caller.
    ///
    /// # Errors
    /// As [`DataSchema::export`].
    pub fn compile(
        schema: &DataSchema,
        access: &Access,
        claims: &Map<String, Value>,
        request: &FileRequest<'_>,
    ) -> Result<Self, Vec<GraphqlError>> {
        let compiled = schema.export(access, claims, &request.rows)?;
        let work = Work {
            columns: compiled.fields.iter().map(|field| Column::of(field)).collect(),
            statement: compiled.sql,
            binds: compiled.binds,
            format: request.format,
            packing: request.packing,
            bom: request.bom,
        };
        Ok(Self { work, touched: compiled.touched })
    }

    /// What of the product it is made of.
    pub fn touched(&self) -> &[String] {
        &self.touched
    }

    /// A strong entity tag (RFC 9110, section 8.8.3): equal tags are equal bytes. It is made of the version and of all
    /// that makes bytes of its rows: the statement (with it the caller's roles) and its values (the filter's and the
    /// claims' that a row filter uses).
    pub fn etag(&self, version: &Version) -> String {
        let mut hash = Sha256::new();
        let made_by = format!("{REVISION} {} {}", env!("CARGO_PKG_VERSION"), version.run_id);
        let form = format!("{:?} {:?} {}", self.work.format, self.work.packing, self.work.bom);
        let values = format!("{:?}", self.work.binds);
        for part in [made_by.as_str(), &form, &self.work.statement, &values] {
            hash.update((part.len() as u64).to_le_bytes());
            hash.update(part);
        }
        let mut tag = format!("\"{}-", version.version);
        for byte in &hash.finalize()[..12] {
            write!(tag, "{byte:02x}").expect("a String takes any text");
        }
        tag + "\""
    }

    /// Start making it.
    ///
    /// # Errors
    /// What the database said; internal.
    pub async fn open(&self, service: &ProductService, permit: OwnedSemaphorePermit) -> Result<Opened, String> {
        self.work.clone().open(service.store().query().clone(), permit).await
    }
}
