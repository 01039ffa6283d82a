//! Ranges: turns `range` and `if-range` into the part of a representation that is sent (RFC 9110, section 14).

use axum::http::{HeaderMap, header};
use bytes::Bytes;
use futures_util::{Stream, StreamExt as _};

/// The part that is asked for: from a byte to another, both included, or to the end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Range {
    /// The first byte.
    pub first: u64,
    /// The last byte.
    pub last: Option<u64>,
}

impl Range {
    /// The range that is asked for of the representation with the tag `etag`. Several ranges, the last bytes (`-N`), and
    /// what is asked for another representation than this one are not served: the whole is.
    pub fn of(headers: &HeaderMap, etag: &str) -> Option<Self> {
        let text = |name| headers.get(name).and_then(|v: &axum::http::HeaderValue| v.to_str().ok());
        if text(header::IF_RANGE).is_some_and(|tag| tag.trim() != etag) {
            return None;
        }
        let (first, last) = text(header::RANGE)?.trim().strip_prefix("bytes=")?.split_once('-')?;
        let first = first.trim().parse().ok()?;
        let last = match last.trim() {
            "" => None,
            last => Some(last.parse().ok()?),
        };
        last.is_none_or(|last| first <= last).then_some(Self { first, last })
    }

    /// The last byte that there is of the range in `length` bytes; `None` where it starts after them.
    pub fn end(&self, length: u64) -> Option<u64> {
        let end = length.checked_sub(1)?;
        (self.first <= end).then(|| self.last.map_or(end, |last| last.min(end)))
    }
}

/// The bytes `first..=last` of `pieces`; what comes before is made and left out, what comes after is not made.
pub fn slice<E>(
    pieces: impl Stream<Item = Result<Bytes, E>> + Send + 'static,
    first: u64,
    last: u64,
) -> impl Stream<Item = Result<Bytes, E>> + Send {
    let state = (pieces.boxed(), 0u64);
    futures_util::stream::unfold(state, move |(mut pieces, mut place)| async move {
        while place <= last {
            let piece = match pieces.next().await? {
                Ok(piece) => piece,
                Err(error) => return Some((Err(error), (pieces, u64::MAX))),
            };
            let start = place;
            place += piece.len() as u64;
            if place <= first {
                continue;
            }
            let from = usize::try_from(first.saturating_sub(start)).unwrap_or(usize::MAX).min(piece.len());
            let to = usize::try_from(last + 1 - start).unwrap_or(usize::MAX).min(piece.len());
            return Some((Ok(piece.slice(from..to)), (pieces, place)));
        }
        None
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_one_range_of_this_representation_is_served() {
        let headers = |range: &str, if_range: Option<&str>| {
            let mut headers = HeaderMap::new();
            headers.insert(header::RANGE, range.parse().unwrap());
            if let Some(tag) = if_range {
                headers.insert(header::IF_RANGE, tag.parse().unwrap());
            }
            headers
        };
        let of = |range: &str, if_range: Option<&str>| Range::of(&headers(range, if_range), "\"1\"");
        assert_eq!(of("bytes=5-", None), Some(Range { first: 5, last: None }));
        assert_eq!(of("bytes=5-9", Some("\"1\"")), Some(Range { first: 5, last: Some(9) }));
        assert_eq!(of("bytes=5-9", Some("\"2\"")), None);
        for whole in ["bytes=-5", "bytes=9-5", "bytes=1-2,4-5", "rows=1-2", "bytes=a-"] {
            assert_eq!(of(whole, None), None, "{whole}");
        }
        assert_eq!(Range { first: 5, last: None }.end(10), Some(9));
        assert_eq!(Range { first: 5, last: Some(99) }.end(10), Some(9));
        assert_eq!((Range { first: 10, last: None }.end(10), Range { first: 0, last: None }.end(0)), (None, None));
    }

    #[tokio::test]
    async fn slices_do_not_depend_on_the_pieces() {
        let text = b"0123456789";
        for size in 1..=10 {
            for first in 0..10u64 {
                for last in first..10 {
                    let pieces: Vec<_> = text.chunks(size).map(|c| Ok::<_, ()>(Bytes::copy_from_slice(c))).collect();
                    let parts = slice(futures_util::stream::iter(pieces), first, last);
                    let got: Vec<u8> = parts.map(Result::unwrap).collect::<Vec<_>>().await.concat();
                    assert_eq!(got, &text[first as usize..=last as usize], "{size} {first} {last}");
                }
            }
        }
    }
}
