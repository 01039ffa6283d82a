//! Search: turns a contract's words about full-text search into which fields are searched, and in which language.

use crate::types::{PgType, PhysicalType};
use crate::yaml::Node;

/// The text search configurations of every Postgres from version 15 on. `simple` knows no language: words are what they
/// are.
const LANGUAGES: &[&str] = &[
    SIMPLE,
    "arabic",
    "armenian",
    "basque",
    "catalan",
    "danish",
    "dutch",
    "english",
    "finnish",
    "french",
    "german",
    "greek",
    "hindi",
    "hungarian",
    "indonesian",
    "irish",
    "italian",
    "lithuanian",
    "nepali",
    "norwegian",
    "portuguese",
    "romanian",
    "russian",
    "serbian",
    "spanish",
    "swedish",
    "tamil",
    "turkish",
    "yiddish",
];

const SIMPLE: &str = "simple";

/// The custom property `searchable` of a property: only texts can be searched.
pub(crate) fn read_searchable(node: &Node<'_>, name: &str, physical: &PhysicalType) -> bool {
    let Some(flag) = node.custom("searchable") else { return false };
    let is_text = !physical.array && matches!(physical.base, PgType::Text | PgType::Varchar | PgType::Char);
    if !is_text {
        flag.error(
            "FIELD_SEARCH",
            format!("field `{name}` is `searchable`, but no text"),
            "remove it: only text, varchar and char fields are searched",
        );
        return false;
    }
    flag.as_flag()
}

/// The custom property `searchLanguage` of a schema object.
pub(crate) fn read_language(object: &Node<'_>) -> &'static str {
    let Some(node) = object.custom("searchLanguage") else { return SIMPLE };
    let Some(word) = node.as_text() else { return SIMPLE };
    let known = LANGUAGES.iter().find(|l| **l == word).copied();
    known.unwrap_or_else(|| {
        node.error(
            "SEARCH_LANGUAGE",
            format!("`{word}` is no language that can be searched in"),
            &format!("use one of {}", LANGUAGES.join(", ")),
        );
        SIMPLE
    })
}
