//! Watched files: turns a change of a file into new rules or keys while the gateway runs, and keeps the last good ones.

use crate::policy::{MeshRules, SharedRules};
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, SystemTime};
use terrane_auth::ApiKeys;

/// Between two looks: a change holds within a second.
const EVERY: Duration = Duration::from_millis(500);

/// A file that is looked at again and again.
pub struct Watched {
    path: PathBuf,
    what: What,
    seen: Option<(SystemTime, u64)>,
    text: String,
}

/// What a file is read as.
enum What {
    Rules(SharedRules),
    Keys(Arc<ApiKeys>),
}

impl Watched {
    /// A file of mesh rules, which replace `rules`.
    ///
    /// # Errors
    /// What is wrong with the file as it is now.
    pub fn rules(path: &Path, rules: &SharedRules) -> Result<Self, String> {
        Self::read(path, What::Rules(rules.clone()))
    }

    /// A file of API keys, which replace `keys`.
    ///
    /// # Errors
    /// What is wrong with the file as it is now.
    pub fn keys(path: &Path, keys: &Arc<ApiKeys>) -> Result<Self, String> {
        Self::read(path, What::Keys(Arc::clone(keys)))
    }

    fn read(path: &Path, what: What) -> Result<Self, String> {
        let named = |error: String| format!("{}: {error}", path.display());
        let text = std::fs::read_to_string(path).map_err(|error| named(error.to_string()))?;
        what.take(&text).map_err(named)?;
        Ok(Self { path: path.to_owned(), what, seen: None, text })
    }

    /// Look at the file once. Whether other rules or keys hold since.
    async fn look(&mut self) -> bool {
        let seen = tokio::fs::metadata(&self.path).await.and_then(|m| Ok((m.modified()?, m.len())));
        // the time of a change can be the same as that of the one before: a file that was changed lately is read again
        let lately = |at: SystemTime| at.elapsed().is_ok_and(|age| age < Duration::from_secs(2));
        if let Ok(seen) = &seen
            && self.seen == Some(*seen)
            && !lately(seen.0)
        {
            return false;
        }
        let text = match seen {
            Ok(seen) => {
                self.seen = Some(seen);
                tokio::fs::read_to_string(&self.path).await
            }
            Err(error) => Err(error),
        };
        self.apply(text)
    }

    fn apply(&mut self, text: io::Result<String>) -> bool {
        let taken = match text {
            Ok(text) if text == self.text => return false,
            Ok(text) => {
                let taken = self.what.take(&text);
                self.text = text;
                taken
            }
            // said once, until it can be read again
            Err(error) if self.text.is_empty() => {
                tracing::debug!(%error, "still unreadable");
                return false;
            }
            Err(error) => {
                self.text.clear();
                Err(error.to_string())
            }
        };
        let (path, file) = (self.path.display(), self.what.name());
        let outcome = if taken.is_ok() { "taken" } else { "refused" };
        metrics::counter!("terrane_gateway_file_changes_total", "file" => file, "outcome" => outcome).increment(1);
        match taken {
            Ok(()) => tracing::info!(%path, file, "the file was changed and holds now"),
            Err(error) => {
                tracing::error!(%path, file, error, "the file was changed and can't be used; the last good one holds")
            }
        }
        outcome == "taken"
    }
}

impl What {
    fn name(&self) -> &'static str {
        match self {
            Self::Rules(_) => "policy",
            Self::Keys(_) => "api_keys",
        }
    }

    fn take(&self, text: &str) -> Result<(), String> {
        match self {
            // a file that is being written is empty for a moment, which must not take the rules away
            Self::Rules(_) if text.trim().is_empty() => {
                return Err("it is empty; a comment says that there are no rules".to_owned());
            }
            Self::Rules(rules) => rules.replace(MeshRules::new(Some(text)).map_err(|error| error.to_string())?),
            Self::Keys(keys) => keys.replace(text).map_err(|error| error.to_string())?,
        }
        Ok(())
    }
}

/// Look at files for ever.
pub async fn watch(mut files: Vec<Watched>) {
    if files.is_empty() {
        return;
    }
    loop {
        tokio::time::sleep(EVERY).await;
        for file in &mut files {
            file.look().await;
        }
    }
}
