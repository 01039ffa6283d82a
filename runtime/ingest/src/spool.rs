//! Spooling: turns a body into a file without a name, for formats that are read from their end.

use crate::IngestError;
use crate::bounded::Bounded;
use std::fs::File;
use std::io::{Seek as _, SeekFrom};
use tokio::io::{AsyncRead, AsyncWriteExt as _};

/// Write `body`, of at most `most` bytes, to a file that is gone when it is closed.
///
/// # Errors
/// [`IngestError::Body`] when it is longer, or does not end well; [`IngestError::Spool`] when the disk does not take it.
pub async fn spool(body: impl AsyncRead + Unpin, most: u64) -> Result<File, IngestError> {
    let file = tokio::task::spawn_blocking(tempfile::tempfile).await.map_err(|e| IngestError::Spool(e.into()))?;
    let mut file = tokio::fs::File::from_std(file.map_err(IngestError::Spool)?);
    tokio::io::copy(&mut Bounded::new(body, most), &mut file).await.map_err(IngestError::Body)?;
    file.flush().await.map_err(IngestError::Spool)?;
    let mut file = file.into_std().await;
    file.seek(SeekFrom::Start(0)).map_err(IngestError::Spool)?;
    Ok(file)
}
