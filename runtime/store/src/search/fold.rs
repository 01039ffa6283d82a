//! Folding: turns a text into its words without accents, case and punctuation, and a word into its trigrams.

use unicode_normalization::UnicodeNormalization as _;
use unicode_normalization::char::is_combining_mark;

/// Characters of a word that count; what is longer is no word that anybody types.
const LONGEST: usize = 64;

/// The words of a text, folded: `Reykjavík` is `reykjavik`, `countryCode` and `country_code` are `country code`.
pub(crate) fn words(text: &str) -> Vec<String> {
    let mut spaced = String::with_capacity(text.len() + 8);
    let mut before = ' ';
    for letter in text.chars() {
        if letter.is_uppercase() && before.is_lowercase() {
            spaced.push(' ');
        }
        spaced.push(letter);
        before = letter;
    }
    let mut folded = String::with_capacity(spaced.len());
    // letters that Unicode does not take apart
    for letter in spaced.nfkd().filter(|letter| !is_combining_mark(*letter)).flat_map(char::to_lowercase) {
        match letter {
            'ß' => folded.push_str("ss"),
            'æ' => folded.push_str("ae"),
            'œ' => folded.push_str("oe"),
            'ø' => folded.push('o'),
            'đ' | 'ð' => folded.push('d'),
            'ł' => folded.push('l'),
            'þ' => folded.push_str("th"),
            'ı' => folded.push('i'),
            letter if letter.is_alphanumeric() => folded.push(letter),
            _ => folded.push(' '),
        }
    }
    folded.split_whitespace().map(|word| word.chars().take(LONGEST).collect()).collect()
}

/// The runs of three characters in a word, with two spaces before it and one behind it, each once, sorted.
pub(crate) fn trigrams(word: &str) -> Vec<String> {
    let padded: Vec<char> = "  ".chars().chain(word.chars()).chain(" ".chars()).collect();
    let mut found: Vec<String> = padded.windows(3).map(|three| three.iter().collect()).collect();
    found.sort();
    found.dedup();
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_have_no_accents_and_no_case() {
        assert_eq!(words("Reykjavík, Łódź & Straße"), ["reykjavik", "lodz", "strasse"]);
        assert_eq!(words("countryCode area_km2 ISO-3166"), ["country", "code", "area", "km2", "iso", "3166"]);
        assert_eq!(words("  …’ "), Vec::<String>::new());
        assert_eq!(words(&"x".repeat(500))[0].len(), LONGEST);
    }

    #[test]
    fn trigrams_are_those_of_the_padded_word() {
        assert_eq!(trigrams("aaa"), ["  a", " aa", "aa ", "aaa"]);
        assert_eq!(trigrams("é").len(), 2);
    }
}
