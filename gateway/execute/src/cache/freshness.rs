//! Freshness: turns the headers of an answer into how long it may be kept, and for whom (RFC 9111, sections 3 and 4.2).

use super::key::AS_OF;
use http::header::{AGE, CACHE_CONTROL, SET_COOKIE, VARY};
use http::{HeaderMap, HeaderName};

/// How long an answer may be kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Freshness {
    /// Seconds from now.
    pub seconds: u32,
    /// For every caller; if not, for those only whose forwarded headers are the same.
    pub public: bool,
}

impl Freshness {
    /// What the headers of an answer say; `authorized` is whether it was asked for with an `authorization` header. `None`
    /// where it may not be kept, which is also what no `cache-control` means: nobody guesses here.
    pub(crate) fn of(headers: &HeaderMap, authorized: bool) -> Option<Self> {
        if headers.contains_key(SET_COOKIE) {
            return None;
        }
        let said = Said::read(headers)?;
        let mut seconds = said.shared.or(said.own)?;
        if let Some(age) = headers.get(AGE) {
            seconds = seconds.saturating_sub(age.to_str().ok()?.trim().parse().ok()?);
        }
        // an answer to a signed-in caller is for others only where it says so (RFC 9111, section 3.5)
        let stated = said.public || said.shared.is_some();
        let public = !said.private && (stated || !authorized) && varies_little(headers)?;
        (seconds > 0).then_some(Self { seconds, public })
    }

    /// What holds for answers made of both.
    pub fn and(self, other: Self) -> Self {
        Self { seconds: self.seconds.min(other.seconds), public: self.public && other.public }
    }
}

/// The directives of `cache-control`.
#[derive(Debug, Default)]
struct Said {
    own: Option<u32>,
    shared: Option<u32>,
    public: bool,
    private: bool,
}

impl Said {
    /// `None` where an answer may not be kept.
    fn read(headers: &HeaderMap) -> Option<Self> {
        let mut said = Self::default();
        for value in headers.get_all(CACHE_CONTROL) {
            for directive in value.to_str().ok()?.split(',') {
                let (name, argument) = directive.trim().split_once('=').unwrap_or((directive.trim(), ""));
                let seconds = || argument.trim_matches('"').parse().ok();
                match name.to_ascii_lowercase().as_str() {
                    "no-store" | "no-cache" => return None,
                    "private" => said.private = true,
                    "public" => said.public = true,
                    "max-age" => said.own = Some(seconds()?),
                    "s-maxage" => said.shared = Some(seconds()?),
                    _ => {}
                }
            }
        }
        Some(said)
    }
}

/// Whether an answer depends on no more of the request than all of ours have in common. `None` where it depends on what
/// can't be told.
fn varies_little(headers: &HeaderMap) -> Option<bool> {
    let mut little = true;
    for value in headers.get_all(VARY) {
        for name in value.to_str().ok()?.split(',') {
            let name = name.trim();
            if name == "*" {
                return None;
            }
            let name: HeaderName = name.parse().ok()?;
            // what asks for an earlier version is part of every key
            let known = ["accept", "accept-encoding", "content-type", "origin", AS_OF];
            little &= known.contains(&name.as_str());
        }
    }
    Some(little)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(authorized: bool, headers: &[(&'static str, &'static str)]) -> Option<(u32, bool)> {
        let headers = headers.iter().map(|(name, value)| (name.parse().unwrap(), value.parse().unwrap()));
        Freshness::of(&headers.collect(), authorized).map(|fresh| (fresh.seconds, fresh.public))
    }

    #[test]
    fn an_answer_is_kept_as_long_and_for_whom_it_says() {
        for (authorized, headers, expected) in [
            (false, &[("cache-control", "max-age=60")][..], Some((60, true))),
            (true, &[("cache-control", "max-age=60")], Some((60, false))),
            (true, &[("cache-control", "Max-Age=\"60\", PUBLIC")], Some((60, true))),
            (true, &[("cache-control", "max-age=60, s-maxage=5")], Some((5, true))),
            (false, &[("cache-control", "max-age=60, private")], Some((60, false))),
            (false, &[("cache-control", "max-age=60"), ("age", "20")], Some((40, true))),
            (false, &[("cache-control", "max-age=60"), ("age", "60")], None),
            (false, &[("cache-control", "max-age=60"), ("age", "old")], None),
            (false, &[("cache-control", "max-age=60"), ("cache-control", "no-store")], None),
            (false, &[("cache-control", "no-cache, max-age=60")], None),
            (false, &[("cache-control", "max-age=x")], None),
            (false, &[("cache-control", "max-age=-1")], None),
            (false, &[("cache-control", "public")], None),
            (false, &[], None),
            (false, &[("cache-control", "max-age=60"), ("set-cookie", "a=b")], None),
            (false, &[("cache-control", "max-age=60"), ("vary", "Accept-Encoding, origin")], Some((60, true))),
            (false, &[("cache-control", "max-age=60"), ("vary", "accept-language")], Some((60, false))),
            (false, &[("cache-control", "max-age=60"), ("vary", "*")], None),
        ] {
            assert_eq!(of(authorized, headers), expected, "{authorized} {headers:?}");
        }
    }
}
