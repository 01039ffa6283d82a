//! Documents: turns the text of operations into keys that caches find quickly.

use serde::{Deserialize, Deserializer, de};
use std::hash::{BuildHasher as _, Hash, Hasher, RandomState};
use std::ops::Deref;
use std::sync::{Arc, LazyLock};

/// Its seeds are new in every process: nobody can choose texts that all have the same hash.
static HASHER: LazyLock<ahash::RandomState> = LazyLock::new(|| {
    let seed = || RandomState::new().hash_one(0_u8);
    ahash::RandomState::with_seeds(seed(), seed(), seed(), seed())
});

/// The text of a GraphQL document, hashed once. Clones share it, and two clones are equal without a look at their text:
/// so a cache finds the program of a stored document in a time that does not depend on the document's length.
#[derive(Debug, Clone)]
pub struct Document {
    text: Arc<str>,
    hash: u64,
}

impl Document {
    /// A document of `text`; whether that is GraphQL is found out when it is parsed.
    pub fn new(text: impl Into<Arc<str>>) -> Self {
        let text = text.into();
        let hash = HASHER.hash_one(&*text);
        Self { text, hash }
    }
}

impl Deref for Document {
    type Target = str;

    fn deref(&self) -> &str {
        &self.text
    }
}

impl PartialEq for Document {
    fn eq(&self, other: &Self) -> bool {
        self.hash == other.hash && (Arc::ptr_eq(&self.text, &other.text) || self.text == other.text)
    }
}

impl Eq for Document {}

impl Hash for Document {
    fn hash<H: Hasher>(&self, state: &mut H) {
        state.write_u64(self.hash);
    }
}

impl From<&str> for Document {
    fn from(text: &str) -> Self {
        Self::new(text)
    }
}

impl From<String> for Document {
    fn from(text: String) -> Self {
        Self::new(text)
    }
}

impl<'de> Deserialize<'de> for Document {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        struct Text;

        impl de::Visitor<'_> for Text {
            type Value = Document;

            fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str("a string")
            }

            fn visit_str<E: de::Error>(self, text: &str) -> Result<Document, E> {
                Ok(Document::from(text))
            }
        }

        from.deserialize_str(Text)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::HashSet;

    #[test]
    fn equal_texts_are_one_key() {
        let known = HashSet::from([Document::from("{ a }")]);
        assert!(known.contains(&serde_json::from_str::<Document>("\"{ \\u0061 }\"").unwrap()));
        assert!(!known.contains(&Document::from("{ b }")));
        assert!(serde_json::from_str::<Document>("1").is_err());
    }
}
