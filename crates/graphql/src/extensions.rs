//! Extensions: turns the `extensions` of a request into the parts that are known, and a map of the others.

use serde::Deserialize;
use serde::de::{Deserializer, MapAccess, Visitor};
use serde_json::{Map, Value};

/// The `extensions` of a request.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Extensions {
    /// `persistedQuery`: names a document by its hash.
    pub persisted_query: Option<PersistedQuery>,
    others: Map<String, Value>,
}

/// A document's hash, as in version 1 of Apollo's protocol.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct PersistedQuery {
    /// Version of the protocol.
    pub version: u32,
    /// SHA-256 sum of the document's text, in hexadecimal digits.
    #[serde(rename = "sha256Hash")]
    pub sha256_hash: String,
}

impl Extensions {
    /// The value of another extension.
    pub fn get(&self, name: &str) -> Option<&Value> {
        self.others.get(name)
    }
}

// By hand, so that the hash is read without a map and a value for each key on the way.
impl<'de> Deserialize<'de> for Extensions {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        struct Parts;

        impl<'de> Visitor<'de> for Parts {
            type Value = Extensions;

            fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str("an object")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Extensions, A::Error> {
                let mut extensions = Extensions::default();
                while let Some(name) = map.next_key::<std::borrow::Cow<'_, str>>()? {
                    if name == "persistedQuery" {
                        extensions.persisted_query = map.next_value()?;
                    } else {
                        extensions.others.insert(name.into_owned(), map.next_value()?);
                    }
                }
                Ok(extensions)
            }
        }

        from.deserialize_map(Parts)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_known_is_read_and_the_rest_is_kept() {
        let read = |text: &str| serde_json::from_str::<Extensions>(text);
        let extensions = read(r#"{"a":{"b":1},"persistedQuery":{"version":1,"sha256Hash":"ab","x":[]}}"#).unwrap();
        assert_eq!(extensions.get("a").unwrap()["b"], 1);
        assert_eq!(extensions.persisted_query.unwrap().sha256_hash, "ab");
        assert_eq!(read("{\"persistedQuery\":null}").unwrap(), Extensions::default());
        for wrong in ["[]", "1", r#"{"persistedQuery":1}"#, r#"{"persistedQuery":{"version":1}}"#] {
            assert!(read(wrong).is_err(), "{wrong}");
        }
    }
}
