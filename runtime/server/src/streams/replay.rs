//! Replays: turns a product's file of sample events into events that come one after the other, as if they happened now.

use crate::service::ProductService;
use async_compression::tokio::bufread::{GzipDecoder, ZstdDecoder};
use http::HeaderMap;
use std::path::Path;
use std::time::Duration;
use terrane_manifest::{Dataset, EventRules, Layer};
use terrane_stream::events::{EventFormat, WriterError, read, to_row};
use tokio::io::{AsyncRead, AsyncReadExt as _, BufReader};
use tokio::time::sleep;

/// Events that come at once, and the time until the next ones.
const AT_ONCE: usize = 100;
const PAUSE: Duration = Duration::from_millis(250);
/// Events of a file.
const MOST_EVENTS: usize = 1_000_000;
const LARGEST_FILE: u64 = 256 * 1024 * 1024;
/// Between two attempts at a database that is away.
const RETRY: Duration = Duration::from_secs(1);

/// Replay the files that the ports name, where not all of their events are stored yet. One that is started again begins anew:
/// what is stored already is known by its id.
pub(super) async fn replay(service: ProductService) {
    for port in &service.product().input_ports {
        let Some((rules, path)) = port.events.as_ref().and_then(|rules| Some((rules, rules.replay.as_ref()?))) else {
            continue;
        };
        let Some(dataset) = service.product().dataset(Layer::Input, &port.dataset) else { continue };
        if let Err(reason) = replay_file(&service, dataset, rules, path).await {
            tracing::warn!(port = port.name, path, reason, "the sample events can't be replayed");
        }
    }
}

async fn replay_file(
    service: &ProductService,
    dataset: &Dataset,
    rules: &EventRules,
    path: &str,
) -> Result<(), String> {
    let text = contents(&service.folder().join(path)).await.map_err(|error| error.to_string())?;
    let events = read(EventFormat::Lines, &HeaderMap::new(), &text, MOST_EVENTS).map_err(|bad| bad.to_string())?;
    let rows = events.iter().enumerate().map(|(index, event)| to_row(index, event, dataset, rules));
    let rows = rows.collect::<Result<Vec<_>, _>>().map_err(|bad| bad.to_string())?;
    let counts = service.store().event_counts().await.map_err(|error| error.to_string())?;
    let stored = counts.iter().find(|c| c.dataset == dataset.name).map_or(0, |c| c.accepted);
    if usize::try_from(stored).is_ok_and(|stored| stored >= rows.len()) {
        return Ok(());
    }
    let writer = service.streams().writer(service, dataset, rules);
    for some in rows.chunks(AT_ONCE) {
        loop {
            match writer.write(some.to_vec()).await {
                Ok(_) => break,
                Err(WriterError::Bad(bad)) => return Err(bad.to_string()),
                Err(error) => {
                    tracing::debug!(%error, "sample events could not be stored; it is tried again");
                    sleep(RETRY).await;
                }
            }
        }
        sleep(PAUSE).await;
    }
    Ok(())
}

/// A file's bytes, unpacked where its name says so.
async fn contents(path: &Path) -> std::io::Result<Vec<u8>> {
    let file = BufReader::new(tokio::fs::File::open(path).await?);
    let reader: Box<dyn AsyncRead + Unpin + Send> = match path.extension().and_then(|e| e.to_str()) {
        Some("gz") => Box::new(GzipDecoder::new(file)),
        Some("zst") => Box::new(ZstdDecoder::new(file)),
        _ => Box::new(file),
    };
    let mut bytes = Vec::new();
    reader.take(LARGEST_FILE).read_to_end(&mut bytes).await?;
    Ok(bytes)
}
