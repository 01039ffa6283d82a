//! Keys: turns what an answer depends on into 32 bytes under which it is kept.

use crate::transport::Headers;
use sha2::{Digest as _, Sha256};

/// Nobody finds two texts with the same one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) struct Key(pub [u8; 32]);

/// The header by which callers ask a product for an earlier version.
pub(super) const AS_OF: &str = "terrane-as-of";

/// The keys of one answer: for everybody, and for callers with the same forwarded headers.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Keys {
    pub public: Key,
    pub private: Key,
}

/// What all answers of a fetch depend on.
#[derive(Debug, Clone)]
pub(crate) struct Prefix {
    public: Sha256,
    private: Sha256,
}

impl Prefix {
    /// By subgraph and version of its data, operation and variables; and the caller's headers.
    pub fn new(subgraph: &str, version: (u64, u64), operation: &[u8], variables: &[u8], headers: &Headers) -> Self {
        let mut public = Sha256::new();
        add(&mut public, subgraph.as_bytes());
        public.update(version.0.to_le_bytes());
        public.update(version.1.to_le_bytes());
        add(&mut public, operation);
        add(&mut public, variables);
        // an answer of another version of the data is another answer, for everybody
        for (name, value) in headers.iter().filter(|(name, _)| name.as_str() == AS_OF) {
            add(&mut public, name.as_str().as_bytes());
            add(&mut public, value.as_bytes());
        }
        let mut private = public.clone();
        private.update([1]);
        for (name, value) in headers.iter() {
            add(&mut private, name.as_str().as_bytes());
            add(&mut private, value.as_bytes());
        }
        public.update([0]);
        Self { public, private }
    }

    /// The keys of the answer for `text`, the representation or nothing, of a fetch with this name.
    pub fn keys(&self, fetch: &[u8], text: &[u8]) -> Keys {
        let finish = |prefix: &Sha256| {
            let mut hasher = prefix.clone();
            add(&mut hasher, fetch);
            hasher.update(text);
            Key(hasher.finalize().into())
        };
        Keys { public: finish(&self.public), private: finish(&self.private) }
    }
}

/// With its length, so that no two lists of texts are the same bytes.
fn add(hasher: &mut Sha256, text: &[u8]) {
    hasher.update((text.len() as u64).to_le_bytes());
    hasher.update(text);
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::transport::compared;
    use http::{HeaderMap, HeaderValue};
    use std::collections::HashSet;

    #[test]
    fn whatever_an_answer_depends_on_makes_another_key() {
        let headers = |value: &'static str| {
            let mut headers = HeaderMap::new();
            headers.insert("authorization", HeaderValue::from_static(value));
            compared(&headers)
        };
        let (ada, bob) = (headers("ada"), headers("bob"));
        let key = |subgraph: &str, version, operation: &str, variables: &str, fetch: &str, text: &str| {
            let prefix = Prefix::new(subgraph, (version, 0), operation.as_bytes(), variables.as_bytes(), &ada);
            prefix.keys(fetch.as_bytes(), text.as_bytes())
        };
        let keys = [
            key("a", 1, "op", "v", "f", "t"),
            key("b", 1, "op", "v", "f", "t"),
            key("a", 2, "op", "v", "f", "t"),
            key("a", 1, "o", "pv", "f", "t"),
            key("a", 1, "op", "", "vf", "t"),
            key("a", 1, "op", "v", "", "ft"),
            key("a", 1, "op", "v", "f", ""),
        ];
        let all: HashSet<Key> = keys.iter().flat_map(|keys| [keys.public, keys.private]).collect();
        assert_eq!(all.len(), 14);
        let of = |headers| Prefix::new("a", (1, 0), b"op", b"v", headers).keys(b"f", b"t");
        assert_eq!(of(&ada).public, of(&bob).public);
        assert_ne!(of(&ada).private, of(&bob).private);
    }
}
