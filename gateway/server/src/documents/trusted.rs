//! Trusted documents: turns files into documents by id.
//!
//! Three forms are read: `{"ID": "text"}` as graphql-codegen and Relay write it, Apollo's manifest of persisted queries
//! (`apollo-persisted-query-manifest`, version 1), and files `ID.graphql`.

use rustc_hash::{FxHashMap, FxHashSet};
use serde::Deserialize;
use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use terrane_graphql::Document;

/// Bytes of all files together at most.
const LARGEST: u64 = 256 * 1024 * 1024;

/// Documents that may run.
#[derive(Debug, Default)]
pub struct TrustedDocuments {
    by_id: FxHashMap<String, Document>,
    texts: FxHashSet<Document>,
}

#[derive(Deserialize)]
struct Manifest {
    version: u32,
    operations: Vec<ManifestOperation>,
}

#[derive(Deserialize)]
struct ManifestOperation {
    id: String,
    body: Document,
}

impl TrustedDocuments {
    /// Read a file, or all files of a folder that end in `.json`, `.graphql` or `.gql`.
    ///
    /// # Errors
    /// What is wrong, and with which file.
    pub fn read(path: &Path) -> Result<Self, String> {
        let mut known = Self::default();
        let mut size = 0;
        for file in files(path).map_err(|error| format!("{}: {error}", path.display()))? {
            let at = |error: &dyn std::fmt::Display| format!("{}: {error}", file.display());
            size += fs::metadata(&file).map_err(|e| at(&e))?.len();
            if size > LARGEST {
                return Err(format!("{}: the documents have more than {LARGEST} bytes", path.display()));
            }
            let text = fs::read_to_string(&file).map_err(|e| at(&e))?;
            if is_json(&file) {
                known.add_json(&text).map_err(|e| at(&e))?;
            } else {
                let id = file.file_stem().and_then(|stem| stem.to_str());
                let id = id.ok_or_else(|| at(&"the file's name is the id, and has to be text"))?;
                known.add(id.to_owned(), text.into()).map_err(|e| at(&e))?;
            }
        }
        Ok(known)
    }

    fn add_json(&mut self, text: &str) -> Result<(), String> {
        let value: serde_json::Value = serde_json::from_str(text).map_err(|e| e.to_string())?;
        if value.get("format").is_some_and(|format| format == "apollo-persisted-query-manifest") {
            let manifest: Manifest = serde_json::from_str(text).map_err(|e| e.to_string())?;
            if manifest.version != 1 {
                return Err(format!("the manifest has version {}; only version 1 is known", manifest.version));
            }
            return manifest.operations.into_iter().try_for_each(|operation| self.add(operation.id, operation.body));
        }
        let documents: BTreeMap<String, Document> = serde_json::from_str(text)
            .map_err(|e| format!("neither `{{\"ID\": \"text\"}}` nor a manifest of persisted queries: {e}"))?;
        documents.into_iter().try_for_each(|(id, document)| self.add(id, document))
    }

    fn add(&mut self, id: String, document: Document) -> Result<(), String> {
        if self.by_id.get(&id).is_some_and(|known| *known != document) {
            return Err(format!("the id `{id}` names two documents"));
        }
        self.texts.insert(document.clone());
        self.by_id.insert(id, document);
        Ok(())
    }

    /// The document of an id; `sha256:` may stand before it (GraphQL over HTTP, appendix on persisted documents).
    pub fn find(&self, id: &str) -> Option<&Document> {
        let plain = || self.by_id.get(id.strip_prefix("sha256:")?);
        self.by_id.get(id).or_else(plain)
    }

    /// Whether a text is that of a document.
    pub fn contains(&self, document: &Document) -> bool {
        self.texts.contains(document)
    }

    /// How many there are.
    pub fn len(&self) -> usize {
        self.by_id.len()
    }
}

/// The files of `path`, in the order of their names.
fn files(path: &Path) -> std::io::Result<Vec<PathBuf>> {
    if !fs::metadata(path)?.is_dir() {
        return Ok(vec![path.to_owned()]);
    }
    let entries = fs::read_dir(path)?.map(|entry| Ok(entry?.path())).collect::<std::io::Result<Vec<PathBuf>>>()?;
    let known = |file: &PathBuf| {
        let extension = file.extension().and_then(|extension| extension.to_str());
        matches!(extension, Some("json" | "graphql" | "gql")) && file.is_file()
    };
    let mut files: Vec<PathBuf> = entries.into_iter().filter(known).collect();
    files.sort();
    Ok(files)
}

fn is_json(file: &Path) -> bool {
    !file.extension().is_some_and(|extension| extension == "graphql" || extension == "gql")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(files: &[(&str, &str)]) -> Result<TrustedDocuments, String> {
        let folder = tempfile::tempdir().unwrap();
        files.iter().for_each(|(name, text)| fs::write(folder.path().join(name), text).unwrap());
        TrustedDocuments::read(folder.path()).map_err(|e| e.replace(folder.path().to_str().unwrap(), "DIR"))
    }

    #[test]
    fn reads_each_form() {
        let manifest = r#"{"format":"apollo-persisted-query-manifest","version":1,
            "operations":[{"id":"b","name":"B","type":"query","body":"query B { b }"}]}"#;
        let known =
            read(&[("a.json", r#"{"a":"{ a }"}"#), ("b.json", manifest), ("c.graphql", "{ c }"), ("d.txt", "x")]);
        let known = known.unwrap();
        let found = |id| known.find(id).map(|document| document.to_string());
        assert_eq!(found("a").as_deref(), Some("{ a }"));
        assert_eq!(found("sha256:b").as_deref(), Some("query B { b }"));
        assert_eq!(found("c").as_deref(), Some("{ c }"));
        assert_eq!((found("d"), known.len()), (None, 3));
        assert!(known.contains(&"{ a }".into()) && !known.contains(&"{ d }".into()));
    }

    #[test]
    fn says_which_file_is_wrong() {
        let wrong = |files: &[(&str, &str)]| read(files).unwrap_err();
        let twice = wrong(&[("a.json", r#"{"a":"{ a }"}"#), ("b.json", r#"{"a":"{ b }"}"#)]);
        assert_eq!(twice, "DIR/b.json: the id `a` names two documents");
        assert!(wrong(&[("a.json", "[1]")]).starts_with("DIR/a.json: neither"));
        let newer = r#"{"format":"apollo-persisted-query-manifest","version":2,"operations":[]}"#;
        assert!(wrong(&[("a.json", newer)]).contains("version 2"));
        assert!(TrustedDocuments::read(Path::new("/nonexistent")).is_err());
    }
}
