//! SQL fragments: turns identifiers, keywords and binds into statement text that cannot be injected into.
//!
//! [`Sql`] has these ways in: text written in this project's source (`&'static str`), identifiers and literals (always
//! quoted), and whole numbers. Values of callers travel as binds (`$1`, `$2`, …), never as text. So a [`Sql`] is
//! injection-free by type, deterministic, and may be cached and compared as text.

use std::fmt;

/// A piece of a Postgres statement.
#[derive(Clone, Default, PartialEq, Eq, Hash)]
pub struct Sql {
    text: String,
}

impl Sql {
    /// An empty fragment.
    pub fn new() -> Self {
        Self::default()
    }

    /// A fragment of literal text from this project's source.
    pub fn lit(text: &'static str) -> Self {
        Self { text: text.to_owned() }
    }

    /// Append literal text from this project's source.
    pub fn push(&mut self, text: &'static str) -> &mut Self {
        self.text.push_str(text);
        self
    }

    /// Append a quoted identifier.
    pub fn ident(&mut self, name: &str) -> &mut Self {
        self.text.push('"');
        for c in name.chars() {
            match c {
                '"' => self.text.push_str("\"\""),
                '\0' => {}
                other => self.text.push(other),
            }
        }
        self.text.push('"');
        self
    }

    /// Append `"schema"."name"`.
    pub fn qualified(&mut self, schema: &str, name: &str) -> &mut Self {
        self.ident(schema).push(".").ident(name)
    }

    /// Append the bind parameter `$index` (from 1).
    pub fn bind(&mut self, index: usize) -> &mut Self {
        self.text.push('$');
        self.number(index as u64)
    }

    /// Append a number.
    pub fn number(&mut self, value: u64) -> &mut Self {
        use fmt::Write as _;
        write!(self.text, "{value}").expect("a String takes any text");
        self
    }

    /// Append a whole number; a negative one in parentheses.
    pub fn integer(&mut self, value: i64) -> &mut Self {
        if value >= 0 {
            return self.number(value.unsigned_abs());
        }
        self.push("(-").number(value.unsigned_abs()).push(")")
    }

    /// Append another fragment.
    pub fn append(&mut self, other: &Sql) -> &mut Self {
        self.text.push_str(&other.text);
        self
    }

    /// Append a string literal, for the few places where Postgres takes no bind (DDL defaults, comments, roles'
    /// passwords), and for a contract's own constants (ADR 21). Standard-conforming strings: only the quote needs doubling.
    pub fn string_literal(&mut self, value: &str) -> &mut Self {
        self.text.push_str("E'");
        for c in value.chars() {
            match c {
                '\'' => self.text.push_str("''"),
                '\\' => self.text.push_str("\\\\"),
                '\0' => {}
                other => self.text.push(other),
            }
        }
        self.text.push('\'');
        self
    }

    /// Append the fragments with `separator` between them.
    pub fn join<'a>(&mut self, parts: impl IntoIterator<Item = &'a Sql>, separator: &'static str) -> &mut Self {
        for (i, part) in parts.into_iter().enumerate() {
            if i > 0 {
                self.push(separator);
            }
            self.append(part);
        }
        self
    }

    /// A fragment from text that something else has already proven safe: a SELECT statement of a product's own model
    /// that a SQL parser accepted and that runs as a role which can do nothing else, or a type name checked against a
    /// list. The call says so: keep its uses few and each with its reason.
    pub fn from_checked_text(text: impl Into<String>) -> Self {
        Self { text: text.into() }
    }

    /// The statement text.
    pub fn as_str(&self) -> &str {
        &self.text
    }

    /// The statement text, owned.
    pub fn into_string(self) -> String {
        self.text
    }

    /// Whether nothing was appended.
    pub fn is_empty(&self) -> bool {
        self.text.is_empty()
    }
}

impl fmt::Display for Sql {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

impl fmt::Debug for Sql {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn identifiers_cannot_break_out() {
        let mut sql = Sql::lit("SELECT * FROM ");
        sql.qualified("output", "a\"; DROP TABLE x; --").push(" WHERE c = ").bind(1);
        assert_eq!(sql.as_str(), "SELECT * FROM \"output\".\"a\"\"; DROP TABLE x; --\" WHERE c = $1");
    }

    #[test]
    fn string_literals_cannot_break_out() {
        let mut sql = Sql::new();
        sql.string_literal("o'\\'; --");
        assert_eq!(sql.as_str(), "E'o''\\\\''; --'");
    }

    #[test]
    fn numbers_keep_their_sign() {
        let mut sql = Sql::lit("a - ");
        sql.integer(i64::MIN).push(" + ").integer(7);
        assert_eq!(sql.as_str(), "a - (-9223372036854775808) + 7");
    }
}
