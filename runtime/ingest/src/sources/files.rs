//! Local files: turns a path or pattern below the product folder into a batch.

use super::{Pull, Pulled, batch_mode, choose, read_files};
use crate::receive::{Declared, read};
use crate::{Encoding, IngestError};
use glob::{MatchOptions, Pattern};
use std::path::{Path, PathBuf};
use std::time::UNIX_EPOCH;
use terrane_manifest::PullMode;
use tokio::io::BufReader;

/// Files of one pattern at most.
const MOST_FILES: usize = 100_000;

/// How patterns are read: `*` stops at a folder's border, `**` does not, and hidden files are named or not meant.
pub(super) const MATCHING: MatchOptions =
    MatchOptions { case_sensitive: true, require_literal_separator: true, require_literal_leading_dot: true };

/// Whether `path` stands for more than itself.
pub(super) fn is_pattern(path: &str) -> bool {
    path.contains(['*', '?', '['])
}

pub(super) async fn pull(
    pull: &Pull<'_>,
    path: &str,
    format: Option<&str>,
    mode: PullMode,
) -> Result<Pulled, IngestError> {
    let path = &pull.expand(path)?;
    let (folder, wanted) = (pull.puller.folder.to_path_buf(), path.clone());
    let found = tokio::task::spawn_blocking(move || find(&folder, &wanted)).await;
    let found = found.map_err(|e| pull.failed(e.to_string()))??;
    let position = pull.position(mode == PullMode::Replace).await?;
    let mode_now = batch_mode(mode, position.as_ref());
    let marks: Vec<(String, String)> = found.iter().map(|(name, _, mark)| (name.clone(), mark.clone())).collect();
    let chosen = choose(mode, position.as_ref(), &marks);
    if !chosen.contains(&true) && position.is_some() {
        return Ok(Pulled::Unchanged);
    }
    let mut intake = pull.intake(path, mode_now);
    for ((name, file, _), _) in found.iter().zip(&chosen).filter(|(_, chosen)| **chosen) {
        if found.len() > 1 {
            intake.begin_part(name);
        }
        let failed = |source| IngestError::File { path: name.clone(), source };
        let file = tokio::fs::File::open(file).await.map_err(failed)?;
        let declared = Declared { content_type: format, encoding: Encoding::Identity, name: Some(name) };
        read(&mut intake, &declared, BufReader::with_capacity(64 * 1024, file)).await?;
    }
    pull.finish(intake, read_files(mode, position.as_ref(), marks)).await
}

/// The files, sorted by name, each with what tells its content from another's.
fn find(folder: &Path, wanted: &str) -> Result<Vec<(String, PathBuf, String)>, IngestError> {
    let failed = |source: std::io::Error| IngestError::File { path: wanted.to_owned(), source };
    let invalid = |text: String| failed(std::io::Error::new(std::io::ErrorKind::InvalidInput, text));
    let root = folder.canonicalize().map_err(failed)?;
    let mut paths = Vec::new();
    if is_pattern(wanted) {
        let pattern = format!("{}/{wanted}", Pattern::escape(&root.to_string_lossy()));
        for entry in glob::glob_with(&pattern, MATCHING).map_err(|e| invalid(e.to_string()))? {
            let path = entry.map_err(|e| failed(e.into()))?;
            if path.is_file() {
                paths.push(path);
            }
            if paths.len() > MOST_FILES {
                return Err(invalid(format!("more than {MOST_FILES} files have such names")));
            }
        }
        paths.sort();
        if paths.is_empty() {
            return Err(failed(std::io::Error::new(std::io::ErrorKind::NotFound, "no file has such a name")));
        }
    } else {
        paths.push(root.join(wanted));
    }
    let mut files = Vec::with_capacity(paths.len());
    for path in paths {
        // a link may lead anywhere, but not out of the folder
        let real = path.canonicalize().map_err(failed)?;
        if !real.starts_with(&root) {
            return Err(invalid("it leads out of the product folder".to_owned()));
        }
        let meta = real.metadata().map_err(failed)?;
        let changed = meta.modified().ok().and_then(|t| t.duration_since(UNIX_EPOCH).ok()).unwrap_or_default();
        let name = path.strip_prefix(&root).unwrap_or(&path).to_string_lossy().into_owned();
        files.push((name, real, format!("{}-{}", meta.len(), changed.as_nanos())));
    }
    Ok(files)
}
