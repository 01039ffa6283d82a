//! JSON: walks over JSON text (RFC 8259) without building values.

/// How deep values may nest.
const MAX_DEPTH: usize = 256;

/// The text is not JSON, at this byte.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct NotJson(pub usize);

/// What kind of value comes next.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Next {
    Null,
    True,
    False,
    Number,
    String,
    Object,
    Array,
}

/// How many bytes at the beginning a string may have as they are: neither a quote, a backslash nor a control character.
/// Eight at a time: a byte's highest bit is set where it equals one of the former, or is less than 0x20.
fn plain(bytes: &[u8]) -> usize {
    const ONES: u64 = u64::MAX / 255;
    const HIGH: u64 = ONES << 7;
    let is_zero = |word: u64| word.wrapping_sub(ONES) & !word;
    let (chunks, rest) = bytes.as_chunks::<8>();
    for (i, chunk) in chunks.iter().enumerate() {
        let word = u64::from_le_bytes(*chunk);
        let control = word.wrapping_sub(ONES * 0x20) & !word;
        let found = (is_zero(word ^ (ONES * 0x22)) | is_zero(word ^ (ONES * 0x5c)) | control) & HIGH;
        if found != 0 {
            // Borrows only ever reach bytes behind the first found.
            return i * 8 + (found.trailing_zeros() / 8) as usize;
        }
    }
    let special = rest.iter().position(|&byte| byte == b'"' || byte == b'\\' || byte < 0x20);
    bytes.len() - rest.len() + special.unwrap_or(rest.len())
}

/// A place in JSON text. The text is valid UTF-8.
#[derive(Debug)]
pub(crate) struct Cursor<'a> {
    pub bytes: &'a [u8],
    pub at: usize,
}

impl<'a> Cursor<'a> {
    pub fn new(bytes: &'a [u8]) -> Self {
        Self { bytes, at: 0 }
    }

    fn fail<T>(&self) -> Result<T, NotJson> {
        Err(NotJson(self.at))
    }

    pub fn skip_space(&mut self) {
        while let Some(b' ' | b'\n' | b'\r' | b'\t') = self.bytes.get(self.at) {
            self.at += 1;
        }
    }

    /// The kind of the next value; the cursor stays at its first byte.
    pub fn peek(&mut self) -> Result<Next, NotJson> {
        self.skip_space();
        match self.bytes.get(self.at) {
            Some(b'"') => Ok(Next::String),
            Some(b'{') => Ok(Next::Object),
            Some(b'[') => Ok(Next::Array),
            Some(b'-' | b'0'..=b'9') => Ok(Next::Number),
            Some(b'n') => Ok(Next::Null),
            Some(b't') => Ok(Next::True),
            Some(b'f') => Ok(Next::False),
            _ => self.fail(),
        }
    }

    /// Take `byte` where it comes next.
    pub fn take(&mut self, byte: u8) -> bool {
        self.skip_space();
        let there = self.bytes.get(self.at) == Some(&byte);
        self.at += usize::from(there);
        there
    }

    pub fn expect(&mut self, byte: u8) -> Result<(), NotJson> {
        if self.take(byte) { Ok(()) } else { self.fail() }
    }

    fn word(&mut self, word: &[u8]) -> Result<(), NotJson> {
        if self.bytes[self.at..].starts_with(word) {
            self.at += word.len();
            return Ok(());
        }
        self.fail()
    }

    /// Take `text`, which is a whole token, where it comes next.
    pub fn take_text(&mut self, text: &[u8]) -> bool {
        self.skip_space();
        let there = self.bytes[self.at..].starts_with(text);
        self.at += if there { text.len() } else { 0 };
        there
    }

    /// Take a string with its quotes: its text is between them, with its escapes.
    pub fn string(&mut self) -> Result<&'a [u8], NotJson> {
        self.expect(b'"')?;
        let start = self.at;
        loop {
            self.at += plain(&self.bytes[self.at..]);
            match self.bytes.get(self.at) {
                Some(b'"') => {
                    self.at += 1;
                    return Ok(&self.bytes[start..self.at - 1]);
                }
                Some(b'\\') => {}
                _ => return self.fail(),
            }
            match self.bytes.get(self.at + 1) {
                Some(b'"' | b'\\' | b'/' | b'b' | b'f' | b'n' | b'r' | b't') => self.at += 2,
                Some(b'u') => {
                    let digits = self.bytes.get(self.at + 2..self.at + 6);
                    if !digits.is_some_and(|d| d.iter().all(u8::is_ascii_hexdigit)) {
                        return self.fail();
                    }
                    self.at += 6;
                }
                _ => return self.fail(),
            }
        }
    }

    /// Take a number. Returns its text and whether it is an integer literal.
    pub fn number(&mut self) -> Result<(&'a [u8], bool), NotJson> {
        let start = self.at;
        let mut integer = true;
        self.at += usize::from(self.bytes.get(self.at) == Some(&b'-'));
        match self.bytes.get(self.at) {
            Some(b'0') => self.at += 1,
            Some(b'1'..=b'9') => self.digits()?,
            _ => return self.fail(),
        }
        if self.bytes.get(self.at) == Some(&b'.') {
            integer = false;
            self.at += 1;
            self.digits()?;
        }
        if let Some(b'e' | b'E') = self.bytes.get(self.at) {
            integer = false;
            self.at += 1;
            self.at += usize::from(matches!(self.bytes.get(self.at), Some(b'+' | b'-')));
            self.digits()?;
        }
        Ok((&self.bytes[start..self.at], integer))
    }

    fn digits(&mut self) -> Result<(), NotJson> {
        let count = self.bytes[self.at..].iter().take_while(|b| b.is_ascii_digit()).count();
        self.at += count;
        if count == 0 { self.fail() } else { Ok(()) }
    }

    /// Take any value.
    pub fn skip(&mut self) -> Result<Next, NotJson> {
        let next = self.peek()?;
        self.skip_at(next, 0)?;
        Ok(next)
    }

    fn skip_at(&mut self, next: Next, depth: usize) -> Result<(), NotJson> {
        if depth > MAX_DEPTH {
            return self.fail();
        }
        match next {
            Next::Null => self.word(b"null"),
            Next::True => self.word(b"true"),
            Next::False => self.word(b"false"),
            Next::Number => self.number().map(drop),
            Next::String => self.string().map(drop),
            Next::Array => {
                self.at += 1;
                if self.take(b']') {
                    return Ok(());
                }
                loop {
                    let next = self.peek()?;
                    self.skip_at(next, depth + 1)?;
                    if self.take(b']') {
                        return Ok(());
                    }
                    self.expect(b',')?;
                }
            }
            Next::Object => {
                self.at += 1;
                if self.take(b'}') {
                    return Ok(());
                }
                loop {
                    self.string()?;
                    self.expect(b':')?;
                    let next = self.peek()?;
                    self.skip_at(next, depth + 1)?;
                    if self.take(b'}') {
                        return Ok(());
                    }
                    self.expect(b',')?;
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn json(depth: u32) -> impl Strategy<Value = serde_json::Value> {
        let leaf = prop_oneof![
            Just(serde_json::Value::Null),
            any::<bool>().prop_map(Into::into),
            any::<i64>().prop_map(Into::into),
            (-1e300f64..1e300).prop_map(Into::into),
            "\\PC*".prop_map(Into::into),
        ];
        leaf.prop_recursive(depth, 64, 6, |inner| {
            prop_oneof![
                prop::collection::vec(inner.clone(), 0..6).prop_map(Into::into),
                prop::collection::btree_map("[a-z\"\\\\]*", inner, 0..6)
                    .prop_map(|m| serde_json::Value::Object(m.into_iter().collect())),
            ]
        })
    }

    #[test]
    fn plain_text_ends_at_the_first_special_byte() {
        for special in (0..0x20).chain([b'"', b'\\']) {
            for at in 0..20 {
                for other in [b' ', b'!', b'#', b'[', b']', 0x7f, 0x80, 0xa2, 0xdc, 0xff] {
                    let mut text = vec![other; 24];
                    text[at] = special;
                    assert_eq!(plain(&text), at, "{special} among {other}");
                    text.truncate(at);
                    assert_eq!(plain(&text), at);
                }
            }
        }
    }

    proptest! {
        #[test]
        fn takes_all_of_what_serde_json_writes(value in json(5)) {
            let text = serde_json::to_string(&value).unwrap();
            let mut cursor = Cursor::new(text.as_bytes());
            prop_assert!(cursor.skip().is_ok());
            prop_assert_eq!(cursor.at, text.len());
        }

        #[test]
        fn agrees_with_serde_json_on_damaged_text(value in json(3), at in any::<prop::sample::Index>(), byte in 0x20u8..0x7f) {
            let mut text = serde_json::to_vec(&value).unwrap();
            let at = at.index(text.len());
            text[at] = byte;
            if let Ok(text) = std::str::from_utf8(&text) {
                let mut cursor = Cursor::new(text.as_bytes());
                let ours = cursor.skip().is_ok() && { cursor.skip_space(); cursor.at == text.len() };
                // serde_json also refuses numbers out of range and lone surrogates, which are JSON all the same.
                let theirs = serde_json::from_str::<&serde_json::value::RawValue>(text).is_ok();
                prop_assert_eq!(ours, theirs, "{}", text);
            }
        }
    }
}
