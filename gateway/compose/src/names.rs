//! Names: turns the strings of all subgraphs into small ids, so that the phases compare and hash integers.

use rustc_hash::FxHashMap;
use std::sync::Arc;

/// An interned name. Ids are dense and start at 0; equality of ids is equality of names within one composition.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Symbol(u32);

/// The table behind [`Symbol`].
#[derive(Debug)]
pub struct Names {
    ids: FxHashMap<Arc<str>, Symbol>,
    texts: Vec<Arc<str>>,
}

macro_rules! well_known {
    ($($constant:ident = $text:literal),+ $(,)?) => {
        const WELL_KNOWN: &[&str] = &[$($text),+];
        #[allow(non_camel_case_types, clippy::upper_case_acronyms)]
        enum Slot { $($constant),+ }
        impl Symbol {
            $(#[doc = concat!("`", $text, "`")] pub const $constant: Symbol = Symbol(Slot::$constant as u32);)+
        }
    };
}

well_known! {
    QUERY = "Query",
    MUTATION = "Mutation",
    SUBSCRIPTION = "Subscription",
    TYPENAME = "__typename",
    STRING = "String",
    INT = "Int",
    FLOAT = "Float",
    BOOLEAN = "Boolean",
    ID = "ID",
}

impl Names {
    /// A table that holds the well-known names only.
    pub fn new() -> Self {
        let mut names = Self { ids: FxHashMap::default(), texts: Vec::new() };
        for text in WELL_KNOWN {
            names.intern(text);
        }
        names
    }

    /// How many names there are.
    pub fn len(&self) -> usize {
        self.texts.len()
    }

    /// The id of `text`, a new one if it is new.
    pub fn intern(&mut self, text: &str) -> Symbol {
        if let Some(&id) = self.ids.get(text) {
            return id;
        }
        let id = Symbol(u32::try_from(self.texts.len()).expect("source texts are limited to 4 GiB together"));
        let text: Arc<str> = text.into();
        self.texts.push(text.clone());
        self.ids.insert(text, id);
        id
    }

    /// The id of `text` if any subgraph mentions it.
    pub fn find(&self, text: &str) -> Option<Symbol> {
        self.ids.get(text).copied()
    }

    /// The text of `symbol`.
    pub fn text(&self, symbol: Symbol) -> &str {
        &self.texts[symbol.0 as usize]
    }
}

impl Default for Names {
    fn default() -> Self {
        Self::new()
    }
}

impl std::ops::Index<Symbol> for Names {
    type Output = str;

    fn index(&self, symbol: Symbol) -> &str {
        self.text(symbol)
    }
}
