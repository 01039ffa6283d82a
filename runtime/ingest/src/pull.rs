//! Pulling: turns an input port's connector into a batch with everything its source has.

use crate::delimited::Target;
use crate::literal::to_text;
use crate::{Encoding, Format, IngestError, Receive, Upstreams, receive};
use serde_json::Value;
use std::borrow::Cow;
use std::path::Path;
use terrane_manifest::{Connector, Field, InputPort, Layer, Product};
use terrane_store::{Batch, BatchMode, Store};
use tokio::io::BufReader;

/// Replace the port's input dataset by what its source has now.
///
/// # Errors
/// [`IngestError`]; the rows that were there stay then.
pub async fn pull(
    store: &Store,
    product: &Product,
    port: &InputPort,
    folder: &Path,
    upstreams: &Upstreams,
) -> Result<Batch, IngestError> {
    let dataset = product.dataset(Layer::Input, &port.dataset).expect("the manifest checked the port's dataset");
    match &port.connector {
        Connector::File { format, path } => {
            let failed = |source| IngestError::File { path: path.clone(), source };
            let file = tokio::fs::File::open(folder.join(path)).await.map_err(failed)?;
            let encoding = match Path::new(path).extension().and_then(|e| e.to_str()) {
                Some("gz") => Encoding::Gzip,
                Some("zst") => Encoding::Zstd,
                _ => Encoding::Identity,
            };
            let what = Receive {
                format: Format::parse(format)?,
                encoding,
                mode: BatchMode::Replace,
                origin: path,
                from: None,
                key: None,
            };
            receive(store, dataset, &what, BufReader::new(file)).await
        }
        Connector::Product { product: source, dataset: from } => {
            let origin = format!("{source}.{from}");
            let target = Target { store, dataset, origin: &origin, mode: BatchMode::Replace, from: None, key: None };
            pull_product(target, source, from, upstreams).await
        }
        Connector::Push => Err(IngestError::NotPulled(port.name.clone())),
    }
}

/// All pages of one version of another product's dataset; starts again when that product publishes in between.
async fn pull_product(
    target: Target<'_>,
    source: &str,
    from: &str,
    upstreams: &Upstreams,
) -> Result<Batch, IngestError> {
    let upstream = upstreams.get(source).ok_or_else(|| IngestError::UnknownUpstream(source.to_owned()))?;
    let fields: Vec<&Field> = target.dataset.fields.iter().collect();
    let names: Vec<String> = fields.iter().map(|f| f.name.clone()).collect();
    const ATTEMPTS: usize = 5;
    for _ in 0..ATTEMPTS {
        if let Some(batch) = pull_version(target, source, from, upstream, &fields, &names).await? {
            return Ok(batch);
        }
    }
    let reason = format!("dataset `{from}` was published anew during each of {ATTEMPTS} attempts to read it");
    Err(IngestError::Upstream { product: source.to_owned(), reason })
}

/// `None` when the version changed between pages.
async fn pull_version(
    target: Target<'_>,
    source: &str,
    from: &str,
    upstream: &crate::Upstream,
    fields: &[&Field],
    names: &[String],
) -> Result<Option<Batch>, IngestError> {
    let columns: Vec<&str> = fields.iter().map(|f| f.column.as_str()).collect();
    let mut page = upstream.page(source, from, names, None).await?;
    let version = page.version;
    let origin = format!("{}@{version}", target.origin);
    let opened = target.store.open_batch(target.dataset, &columns, &origin, target.mode, None, None).await?;
    let mut writer = match opened {
        Ok(writer) => writer,
        Err(earlier) => return Ok(Some(earlier)),
    };
    loop {
        for row in &page.rows {
            let row_number = writer.rows() + 1;
            let bad = |reason: String| IngestError::Malformed { row: row_number, reason };
            let Value::Array(values) = &row.0 else { return Err(bad("the row is no list of values".to_owned())) };
            if values.len() != fields.len() {
                return Err(bad(format!("{} values for {} columns", values.len(), fields.len())));
            }
            let texts: Result<Vec<Option<Cow<'_, str>>>, String> =
                fields.iter().zip(values).map(|(field, value)| to_text(field, value)).collect();
            writer.push_row(texts.map_err(bad)?.iter().map(Option::as_deref));
        }
        if writer.is_full() {
            writer.send().await?;
        }
        if !page.has_next_page {
            return Ok(Some(writer.finish().await?));
        }
        page = upstream.page(source, from, names, page.end_cursor.take()).await?;
        if page.version != version {
            return Ok(None);
        }
    }
}
