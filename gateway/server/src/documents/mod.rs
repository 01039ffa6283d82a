//! Documents: turns the id or the hash in a request into the text that it stands for, and refuses what may not run.
//!
//! Two stores answer: [`TrustedDocuments`], read from files, and the cache of those that clients registered themselves
//! (Automatic Persisted Queries, version 1 of Apollo's protocol).

mod trusted;

pub use trusted::TrustedDocuments;

use crate::config::{DocumentsConfig, OtherDocuments};
use arc_swap::ArcSwap;
use moka::sync::Cache;
use sha2::{Digest as _, Sha256};
use std::fmt::Write as _;
use std::path::Path;
use std::sync::Arc;
use terrane_graphql::{Document, GraphqlError, PersistedQuery, Request};

/// What an entry of the cache takes beside its text.
const ENTRY_BYTES: usize = 160;

/// Documents that the log named already.
const NAMED_ONCE: u64 = 10_000;

/// A SHA-256 sum.
pub type Digest = [u8; 32];

/// What is known of documents.
pub struct Documents {
    config: DocumentsConfig,
    trusted: ArcSwap<TrustedDocuments>,
    registered: Cache<Digest, Document>,
    named: Cache<Document, ()>,
}

impl Documents {
    /// Read the trusted documents, if there are any.
    ///
    /// # Errors
    /// What is wrong with their files.
    pub fn new(config: DocumentsConfig) -> Result<Self, String> {
        let trusted = config.trusted.path.as_deref().map(TrustedDocuments::read).transpose()?;
        let registered = Cache::builder()
            .weigher(|_: &Digest, document: &Document| u32::try_from(document.len() + ENTRY_BYTES).unwrap_or(u32::MAX))
            .max_capacity(config.automatic.cache_bytes)
            .build();
        let trusted = ArcSwap::from_pointee(trusted.unwrap_or_default());
        Ok(Self { config, trusted, registered, named: Cache::new(NAMED_ONCE) })
    }

    /// Where the trusted documents are.
    pub fn path(&self) -> Option<&Path> {
        self.config.trusted.path.as_deref()
    }

    /// Read the trusted documents again; what was known stays where they are wrong.
    ///
    /// # Errors
    /// What is wrong with their files.
    pub fn reload(&self) -> Result<usize, String> {
        let Some(path) = &self.config.trusted.path else { return Ok(0) };
        let trusted = TrustedDocuments::read(path)?;
        let count = trusted.len();
        self.trusted.store(Arc::new(trusted));
        Ok(count)
    }

    /// Put the document that `request` names into it, and check that it may run. What comes back is to be registered with
    /// [`Self::register`] once the document has proved to be one that can be run.
    ///
    /// # Errors
    /// The request's error: the document is not known, not the one of its hash, or not trusted.
    pub fn resolve(&self, request: &mut Request) -> Result<Option<Digest>, GraphqlError> {
        let persisted = request.extensions.as_ref().and_then(|extensions| extensions.persisted_query.as_ref());
        let named = request.document_id.is_some() || persisted.is_some();
        if !named && self.config.trusted.others == OtherDocuments::Allow {
            return Ok(None);
        }
        let automatic = persisted.map(automatic_hash).transpose()?;
        match (&request.query, automatic, request.document_id.as_deref()) {
            (Some(document), Some(hash), _) if self.config.automatic.enabled => {
                let digest = self.verify(document, hash)?;
                self.check(document, request.operation_name.as_deref())?;
                Ok(digest)
            }
            (Some(document), ..) => {
                self.check(document, request.operation_name.as_deref())?;
                Ok(None)
            }
            (None, Some(hash), _) => {
                request.query = Some(self.find_by_hash(hash)?);
                Ok(None)
            }
            (None, None, Some(id)) => {
                request.query = Some(self.find_by_id(id)?);
                Ok(None)
            }
            (None, None, None) => Ok(None),
        }
    }

    /// Keep a document under its hash.
    pub fn register(&self, digest: Digest, document: Document) {
        self.registered.insert(digest, document);
    }

    fn find_by_hash(&self, hash: &str) -> Result<Document, GraphqlError> {
        if let Some(trusted) = self.trusted.load().find(hash) {
            return Ok(trusted.clone());
        }
        if !self.config.automatic.enabled {
            // clients know these two messages by heart
            return Err(GraphqlError::new("PERSISTED_QUERY_NOT_SUPPORTED", "PersistedQueryNotSupported"));
        }
        let known = parse_digest(hash).and_then(|digest| self.registered.get(&digest));
        // what was trusted when it was registered need not be any more
        let known = known.filter(|document| !self.is_refused(document));
        known.ok_or_else(|| GraphqlError::new("PERSISTED_QUERY_NOT_FOUND", "PersistedQueryNotFound"))
    }

    fn find_by_id(&self, id: &str) -> Result<Document, GraphqlError> {
        if let Some(trusted) = self.trusted.load().find(id) {
            return Ok(trusted.clone());
        }
        let registered = id.strip_prefix("sha256:").and_then(parse_digest).and_then(|d| self.registered.get(&d));
        registered.filter(|document| !self.is_refused(document)).ok_or_else(|| {
            let message = format!("no document has the id `{}`; publish it, or send its text", shortened(id));
            GraphqlError::new("DOCUMENT_NOT_FOUND", message)
        })
    }

    /// The sum of a text that came with its hash; `None` where it is registered already.
    fn verify(&self, document: &Document, hash: &str) -> Result<Option<Digest>, GraphqlError> {
        let mismatch = || {
            let message = "`sha256Hash` is not the SHA-256 sum of `query`, in lower-case hexadecimal digits";
            GraphqlError::new("PERSISTED_QUERY_HASH_MISMATCH", message)
        };
        let said = parse_digest(hash).ok_or_else(mismatch)?;
        if self.registered.get(&said).is_some_and(|known| known == *document) {
            return Ok(None);
        }
        if digest(document) == said { Ok(Some(said)) } else { Err(mismatch()) }
    }

    /// Whether a text is one that others may not send.
    fn is_refused(&self, document: &Document) -> bool {
        let config = &self.config.trusted;
        config.others == OtherDocuments::Reject && (config.require_id || !self.trusted.load().contains(document))
    }

    fn check(&self, document: &Document, name: Option<&str>) -> Result<(), GraphqlError> {
        match self.config.trusted.others {
            OtherDocuments::Allow => Ok(()),
            OtherDocuments::Log => {
                if !self.trusted.load().contains(document) && self.named.get(document).is_none() {
                    self.named.insert(document.clone(), ());
                    let hash = hex(&digest(document));
                    tracing::warn!(hash, operation = name.map(shortened), "a document that is not trusted was run");
                }
                Ok(())
            }
            OtherDocuments::Reject if !self.is_refused(document) => Ok(()),
            OtherDocuments::Reject => {
                let what = if self.config.trusted.require_id {
                    "documents are taken by their id only; send `documentId` instead of `query`"
                } else {
                    "only documents that the operator trusts are run; publish this one with the client's others"
                };
                Err(GraphqlError::new("DOCUMENT_NOT_TRUSTED", what))
            }
        }
    }
}

/// `extensions.persistedQuery.sha256Hash`.
fn automatic_hash(persisted: &PersistedQuery) -> Result<&str, GraphqlError> {
    if persisted.version != 1 {
        let message = "`extensions.persistedQuery.version` has to be 1; no other version is known";
        return Err(GraphqlError::new("BAD_REQUEST", message));
    }
    Ok(&persisted.sha256_hash)
}

/// The SHA-256 sum of a document's text.
pub fn digest(document: &Document) -> Digest {
    Sha256::digest(document.as_bytes()).into()
}

/// Bytes as lower-case hexadecimal digits.
pub fn hex(digest: &Digest) -> String {
    digest.iter().fold(String::with_capacity(64), |mut text, byte| {
        let _ = write!(text, "{byte:02x}");
        text
    })
}

fn parse_digest(text: &str) -> Option<Digest> {
    let bytes = text.as_bytes();
    if bytes.len() != 64 {
        return None;
    }
    let digit = |byte: u8| match byte {
        b'0'..=b'9' => Some(byte - b'0'),
        b'a'..=b'f' => Some(byte - b'a' + 10),
        b'A'..=b'F' => Some(byte - b'A' + 10),
        _ => None,
    };
    let mut digest = [0; 32];
    for (byte, pair) in digest.iter_mut().zip(bytes.as_chunks::<2>().0) {
        *byte = digit(pair[0])? << 4 | digit(pair[1])?;
    }
    Some(digest)
}

/// A client's own word, not longer than a log line or a message should be.
fn shortened(text: &str) -> String {
    text.chars().take(100).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::{AutomaticConfig, TrustedConfig};
    use serde_json::{Value, json};

    fn documents(others: OtherDocuments, require_id: bool, automatic: bool) -> Documents {
        let file = tempfile::NamedTempFile::with_suffix(".json").unwrap();
        std::fs::write(file.path(), r#"{"known":"{ known }"}"#).unwrap();
        let trusted = TrustedConfig { path: Some(file.path().to_owned()), others, require_id };
        let automatic = AutomaticConfig { enabled: automatic, ..AutomaticConfig::default() };
        Documents::new(DocumentsConfig { automatic, trusted }).unwrap()
    }

    /// What becomes of a request: the text that runs, or the code of its refusal.
    fn ask(documents: &Documents, request: &Value) -> String {
        let mut request: Request = serde_json::from_value(request.clone()).unwrap();
        match documents.resolve(&mut request) {
            Err(error) => error.code().to_owned(),
            Ok(digest) => {
                let document = request.query.unwrap_or_else(|| "".into());
                digest.into_iter().for_each(|digest| documents.register(digest, document.clone()));
                document.to_string()
            }
        }
    }

    fn by_hash(text: &str) -> Value {
        json!({"persistedQuery": {"version": 1, "sha256Hash": hex(&digest(&text.into()))}})
    }

    #[test]
    fn documents_are_registered_by_their_hash() {
        let documents = documents(OtherDocuments::Allow, false, true);
        let named = json!({"extensions": by_hash("{ new }")});
        assert_eq!(ask(&documents, &named), "PERSISTED_QUERY_NOT_FOUND");
        let other = json!({"query": "{ other }", "extensions": by_hash("{ new }")});
        assert_eq!(ask(&documents, &other), "PERSISTED_QUERY_HASH_MISMATCH");
        assert_eq!(ask(&documents, &json!({"query": "{ new }", "extensions": by_hash("{ new }")})), "{ new }");
        assert_eq!(ask(&documents, &named), "{ new }");
        assert_eq!(ask(&documents, &other), "PERSISTED_QUERY_HASH_MISMATCH");
        let id = format!("sha256:{}", hex(&digest(&"{ new }".into())));
        assert_eq!(ask(&documents, &json!({"documentId": id})), "{ new }");
        let newer = json!({"extensions": {"persistedQuery": {"version": 2, "sha256Hash": "a"}}});
        assert_eq!(ask(&documents, &newer), "BAD_REQUEST");
    }

    #[test]
    fn without_registration_only_trusted_documents_have_a_hash() {
        let documents = documents(OtherDocuments::Allow, false, false);
        let named = json!({"extensions": {"persistedQuery": {"version": 1, "sha256Hash": "known"}}});
        assert_eq!(ask(&documents, &named), "{ known }");
        assert_eq!(ask(&documents, &json!({"extensions": by_hash("{ new }")})), "PERSISTED_QUERY_NOT_SUPPORTED");
        assert_eq!(ask(&documents, &json!({"query": "{ new }", "extensions": by_hash("{ new }")})), "{ new }");
    }

    #[test]
    fn others_are_refused_where_the_operator_says_so() {
        let documents = documents(OtherDocuments::Reject, false, true);
        assert_eq!(ask(&documents, &json!({"id": "known"})), "{ known }");
        assert_eq!(ask(&documents, &json!({"query": "{ known }"})), "{ known }");
        assert_eq!(ask(&documents, &json!({"documentId": "nope"})), "DOCUMENT_NOT_FOUND");
        let new = json!({"query": "{ new }", "extensions": by_hash("{ new }")});
        assert_eq!(ask(&documents, &new), "DOCUMENT_NOT_TRUSTED");
        assert_eq!(ask(&documents, &json!({"query": "{ new }"})), "DOCUMENT_NOT_TRUSTED");
        let strict = self::documents(OtherDocuments::Reject, true, true);
        assert_eq!(ask(&strict, &json!({"query": "{ known }"})), "DOCUMENT_NOT_TRUSTED");
        assert_eq!(ask(&strict, &json!({"doc_id": "known"})), "{ known }");
    }

    #[test]
    fn registered_documents_are_bounded_in_bytes() {
        let automatic = AutomaticConfig { enabled: true, cache_bytes: 10_000 };
        let documents = Documents::new(DocumentsConfig { automatic, ..DocumentsConfig::default() }).unwrap();
        for number in 0..1_000_u32 {
            let document = Document::from(format!("{{ field{number} }}"));
            documents.register(digest(&document), document);
        }
        documents.registered.run_pending_tasks();
        assert!(documents.registered.weighted_size() <= 10_000 && documents.registered.entry_count() > 0);
    }
}
