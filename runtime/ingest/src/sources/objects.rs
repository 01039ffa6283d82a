//! Object stores: turns the objects of a URL in S3, Google Cloud Storage, Azure or a file system into a batch.

use super::cloud;
use super::files::{MATCHING, is_pattern};
use super::{Pull, Pulled, batch_mode, choose, read_files};
use crate::receive::{Declared, read};
use crate::{Encoding, IngestError};
use futures_util::TryStreamExt as _;
use glob::Pattern;
use object_store::path::Path;
use object_store::{ObjectMeta, ObjectStore, ObjectStoreExt as _};
use std::collections::BTreeMap;
use terrane_manifest::PullMode;
use terrane_manifest::without_secrets;
use tokio::io::BufReader;
use tokio_util::io::StreamReader;
use url::Url;

/// Objects of one pattern at most.
const MOST_OBJECTS: usize = 100_000;
/// Variables that object stores know, beside the options of the connector.
const PREFIXES: [&str; 3] = ["AWS_", "GOOGLE_", "AZURE_"];
/// Options whose values are secret.
const SECRET: [&str; 5] = ["secret", "password", "token", "key", "sas"];
/// Characters of an error that are told.
const LONGEST_ERROR: usize = 500;

pub(super) async fn pull(
    pull: &Pull<'_>,
    url: &str,
    options: &BTreeMap<String, String>,
    format: Option<&str>,
    mode: PullMode,
) -> Result<Pulled, IngestError> {
    let shown = without_secrets(url);
    let expanded = pull.expand(url)?;
    let (base, pattern) = split(&expanded);
    let address = Url::parse(base).map_err(|_| pull.failed(format!("`{shown}` is no address")))?;
    if let Some(name) = cloud::unknown_option(&address, options) {
        let hint = "docs/ingest.md says which there are";
        return Err(pull.failed(format!("{shown}: its store has no option `{name}`; {hint}")));
    }
    let variables = pull.puller.environment.iter().filter(|(name, _)| PREFIXES.iter().any(|p| name.starts_with(p)));
    let mut settings: BTreeMap<String, String> =
        variables.map(|(name, value)| (name.to_ascii_lowercase(), value.to_owned())).collect();
    for (name, value) in options {
        settings.insert(name.clone(), pull.expand(value)?);
    }
    let secrets: Vec<String> = settings
        .iter()
        .filter(|(name, _)| SECRET.iter().any(|word| name.contains(word)))
        .map(|(_, value)| value.clone())
        .filter(|value| value.len() >= 4)
        .collect();
    let failed = |e: object_store::Error| pull.failed(format!("{shown}: {}", describe(&e, &secrets)));
    let (store, prefix) = cloud::open(&address, &settings).map_err(failed)?;
    let objects = match pattern {
        Some(pattern) => list(pull, store.as_ref(), &prefix, pattern, failed).await?,
        None => vec![store.head(&prefix).await.map_err(failed)?],
    };
    let position = pull.position(mode == PullMode::Replace).await?;
    let mode_now = batch_mode(mode, position.as_ref());
    let marks: Vec<(String, String)> = objects.iter().map(|o| (o.location.to_string(), mark(o))).collect();
    let chosen = choose(mode, position.as_ref(), &marks);
    if !chosen.contains(&true) && position.is_some() {
        return Ok(Pulled::Unchanged);
    }
    let mut intake = pull.intake(&shown, mode_now);
    for (object, _) in objects.iter().zip(&chosen).filter(|(_, chosen)| **chosen) {
        let name = object.location.to_string();
        if objects.len() > 1 {
            intake.begin_part(&name);
        }
        let content = store.get(&object.location).await.map_err(failed)?;
        // in a list, some stores write a tag without the quotes that it has in a header
        if mark(&content.meta).trim_matches('"') != mark(object).trim_matches('"') {
            return Err(pull.failed(format!("{name} was changed while it was read; pull again")));
        }
        let body = StreamReader::new(content.into_stream().map_err(std::io::Error::other));
        let declared = Declared { content_type: format, encoding: Encoding::Identity, name: Some(&name) };
        read(&mut intake, &declared, BufReader::with_capacity(64 * 1024, body)).await?;
    }
    pull.finish(intake, read_files(mode, position.as_ref(), marks)).await
}

/// The address up to the last folder that is named in full, and the pattern below it.
fn split(url: &str) -> (&str, Option<&str>) {
    let Some(special) = url.find(['*', '?', '[']).filter(|_| is_pattern(url)) else { return (url, None) };
    let folder = url[..special].rfind('/').map_or(0, |at| at + 1);
    (&url[..folder], Some(&url[folder..]))
}

async fn list(
    pull: &Pull<'_>,
    store: &dyn ObjectStore,
    prefix: &Path,
    pattern: &str,
    failed: impl Fn(object_store::Error) -> IngestError,
) -> Result<Vec<ObjectMeta>, IngestError> {
    let below = match prefix.as_ref() {
        "" => pattern.to_owned(),
        folder => format!("{}/{pattern}", Pattern::escape(folder)),
    };
    let wanted = Pattern::new(&below).map_err(|e| pull.failed(e.to_string()))?;
    let mut listed = store.list(Some(prefix));
    let mut objects = Vec::new();
    while let Some(object) = listed.try_next().await.map_err(&failed)? {
        if wanted.matches_with(object.location.as_ref(), MATCHING) {
            objects.push(object);
        }
        if objects.len() > MOST_OBJECTS {
            return Err(pull.failed(format!("more than {MOST_OBJECTS} objects have such names")));
        }
    }
    if objects.is_empty() {
        return Err(pull.failed("no object has such a name"));
    }
    objects.sort_by(|a, b| a.location.cmp(&b.location));
    Ok(objects)
}

/// What tells an object's content from another's.
fn mark(object: &ObjectMeta) -> String {
    match &object.e_tag {
        Some(tag) => tag.clone(),
        None => format!("{}-{}", object.size, object.last_modified.timestamp_micros()),
    }
}

/// What went wrong, without secrets: those that we know, and queries of addresses, which may be signatures.
fn describe(error: &object_store::Error, secrets: &[String]) -> String {
    use object_store::Error;
    let mut text = match error {
        Error::NotFound { path, .. } => format!("there is no object `{path}`"),
        Error::PermissionDenied { .. } => "the store refuses access".to_owned(),
        Error::Unauthenticated { .. } => "the store does not know who asks".to_owned(),
        other => other.to_string(),
    };
    while let Some(start) = text.find('?') {
        let rest = &text[start..];
        let end = rest.find(|c: char| c.is_whitespace() || "\"')>".contains(c)).unwrap_or(rest.len());
        text.replace_range(start..start + end, "\u{2026}");
    }
    for secret in secrets {
        text = text.replace(secret.as_str(), "\u{2026}");
    }
    text.truncate(text.char_indices().nth(LONGEST_ERROR).map_or(text.len(), |(at, _)| at));
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn errors_are_told_without_secrets() {
        let source = "GET https://h/c/x.csv?sv=1&sig=abcd) failed for hunter2".into();
        let error = object_store::Error::Generic { store: "X", source };
        let told = describe(&error, &["hunter2".to_owned()]);
        assert!(told.contains("https://h/c/x.csv") && !told.contains("sig") && !told.contains("hunter2"), "{told}");
    }
}
