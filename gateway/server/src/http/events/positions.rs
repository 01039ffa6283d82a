//! Positions: turns how far a reader has come in the feed of each product into one word, and back.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use std::collections::BTreeMap;

/// Characters of a word at most: a header and an address have to hold it.
const LONGEST: usize = 16 * 1024;

/// By product, the last position that was seen. A product that is not in it is read from the oldest event that it keeps.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Positions(BTreeMap<String, i64>);

impl Positions {
    /// Read a word; none where it is none of ours.
    pub fn read(word: &str) -> Option<Self> {
        if word.len() > LONGEST {
            return None;
        }
        let text = String::from_utf8(URL_SAFE_NO_PAD.decode(word.trim()).ok()?).ok()?;
        let mut positions = BTreeMap::new();
        for part in text.split(',').filter(|part| !part.is_empty()) {
            let (product, position) = part.split_once(':')?;
            let position: i64 = position.parse().ok().filter(|position| *position >= 0)?;
            if product.is_empty() || positions.insert(product.to_owned(), position).is_some() {
                return None;
            }
        }
        Some(Self(positions))
    }

    /// The word for it: `countries:12,cities:3`, in base64url.
    pub fn write(&self) -> String {
        let parts: Vec<String> = self.0.iter().map(|(product, position)| format!("{product}:{position}")).collect();
        URL_SAFE_NO_PAD.encode(parts.join(","))
    }

    /// How far the feed of `product` was read.
    pub fn of(&self, product: &str) -> Option<i64> {
        self.0.get(product).copied()
    }

    /// The feed of `product` was read up to `position`.
    pub fn reach(&mut self, product: &str, position: i64) {
        self.0.insert(product.to_owned(), position);
    }

    /// The feed of `product` is read from its oldest event again.
    pub fn forget(&mut self, product: &str) {
        self.0.remove(product);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_word_is_read_as_it_was_written() {
        let mut positions = Positions::default();
        assert_eq!(Positions::read(&positions.write()), Some(positions.clone()));
        positions.reach("countries", 12);
        positions.reach("cities", 3);
        assert_eq!(Positions::read(&positions.write()), Some(positions.clone()));
        assert_eq!(URL_SAFE_NO_PAD.decode(positions.write()).unwrap(), b"cities:3,countries:12");
        let word = |text: &str| URL_SAFE_NO_PAD.encode(text);
        for bad in [word("a"), word("a:-1"), word("a:x"), word("a:1,a:2"), word(":1"), "é".to_owned(), "=".to_owned()]
        {
            assert_eq!(Positions::read(&bad), None, "{bad}");
        }
    }
}
