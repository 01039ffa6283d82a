//! Support: turns a contract's text into an open store with one input dataset.
#![allow(dead_code, clippy::unwrap_used, reason = "each test binary uses a part of it; a test may panic")]

use sqlx::{AssertSqlSafe, Row as _};
use std::collections::BTreeMap;
use terrane_ingest::{Encoding, IngestError, Receive, Taken, receive};
use terrane_manifest::{Dataset, Layer, Product};
use terrane_store::{BatchMode, Store, StoreOptions};
use terrane_testkit::fresh_database;

const DESCRIPTOR: &str = "
apiVersion: v1.1.0
kind: DataProduct
id: lab
name: Lab
version: 1.0.0
status: active
team: {members: [{username: a@example.org, role: owner}]}
inputPorts:
";
const PORT: &str = "  - {name: raw, version: 1.0.0, contractId: raw}\n";
const CONTRACT: &str = "
apiVersion: v3.2.0
kind: DataContract
id: raw
version: 1.0.0
status: active
schema:
  - name: raw
    logicalType: object
";

/// A product with the input dataset `raw`.
pub struct Lab {
    pub url: String,
    pub product: Product,
    pub store: Store,
}

/// A product whose dataset `raw` goes on with `dataset` (YAML below the object, indented by four), fed by `port` (below
/// `inputPorts`), or pushed to.
pub fn product(dataset: &str, port: Option<&str>) -> Product {
    let files = BTreeMap::from([
        ("dataproduct.odps.yaml".to_owned(), format!("{DESCRIPTOR}{}", port.unwrap_or(PORT))),
        ("contracts/raw.odcs.yaml".to_owned(), format!("{CONTRACT}{dataset}")),
    ]);
    terrane_manifest::load(&files).unwrap_or_else(|d| panic!("{d:#?}")).product
}

impl Lab {
    pub async fn open(dataset: &str) -> Self {
        Self::with_port(dataset, None).await
    }

    pub async fn with_port(dataset: &str, port: Option<&str>) -> Self {
        let product = product(dataset, port);
        let url = fresh_database().await;
        let store = Store::open(&StoreOptions::new(&url), &product).await.unwrap();
        Self { url, product, store }
    }

    pub fn dataset(&self) -> &Dataset {
        self.product.dataset(Layer::Input, "raw").unwrap()
    }

    /// Send `body` as `content_type`.
    pub async fn send(&self, content_type: &str, body: &[u8]) -> Result<Taken, IngestError> {
        self.send_as(&Receive { content_type: Some(content_type), ..what() }, body).await
    }

    pub async fn send_as(&self, what: &Receive<'_>, body: &[u8]) -> Result<Taken, IngestError> {
        receive(&self.store, self.dataset(), what, body).await
    }

    /// One column of the rows as text, by `sql` over `input.raw`.
    pub async fn column(&self, sql: &str) -> Vec<Option<String>> {
        let rows = sqlx::query(AssertSqlSafe(sql.to_owned())).fetch_all(self.store.owner()).await.unwrap();
        rows.iter().map(|row| row.get(0)).collect()
    }

    pub async fn count(&self) -> i64 {
        sqlx::query_scalar("SELECT count(*) FROM input.raw").fetch_one(self.store.owner()).await.unwrap()
    }
}

/// Append, without a word about the format.
pub fn what() -> Receive<'static> {
    Receive {
        content_type: None,
        encoding: Encoding::Identity,
        name: None,
        mode: BatchMode::Append,
        origin: "test",
        from: None,
        key: None,
    }
}
