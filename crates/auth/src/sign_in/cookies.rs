//! Cookies: turns texts into encrypted cookies that only this origin gets, and back, under keys that change (RFC 6265bis).

use cookie::time::Duration as CookieDuration;
use cookie::{Cookie, CookieJar, Key, SameSite};
use http::header::{COOKIE, HeaderMap, HeaderValue};
use std::time::Duration;

/// Browsers keep none that is larger, with its name and attributes (RFC 6265, section 6.1).
const LARGEST: usize = 4096;

/// Seals and opens cookies.
pub(super) struct Cookies {
    /// The first seals.
    keys: Vec<Key>,
    secure: bool,
    /// Cookies of a host are those of all its ports: on loopback, other gateways of one machine have others.
    port: Option<u16>,
}

/// What a request has under a name.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Opened {
    Absent,
    /// Not one of ours, or sealed with a key that is gone.
    Unreadable,
    Text(String),
}

impl Cookies {
    pub fn new(secrets: &[String], secure: bool, port: Option<u16>) -> Self {
        let keys = secrets.iter().map(|secret| Key::derive_from(secret.as_bytes())).collect();
        Self { keys, secure, port }
    }

    /// The name of the cookie for something. `__Host-` makes browsers take it only over HTTPS, from this host, for all of it.
    pub fn name(&self, what: &str) -> String {
        match (self.secure, self.port) {
            (true, _) => format!("__Host-terrane-{what}"),
            (false, Some(port)) => format!("terrane-{port}-{what}"),
            (false, None) => format!("terrane-{what}"),
        }
    }

    /// Seal a text; none where that makes more than a browser keeps.
    pub fn seal(&self, name: &str, text: String, lasts: Duration) -> Option<HeaderValue> {
        let mut jar = CookieJar::new();
        jar.private_mut(self.keys.first()?).add((name.to_owned(), text));
        let mut sealed = jar.get(name)?.clone();
        sealed.set_max_age(CookieDuration::seconds(i64::try_from(lasts.as_secs()).ok()?));
        self.written(sealed)
    }

    /// Have the browser forget it.
    pub fn clear(&self, name: &str) -> Option<HeaderValue> {
        let mut gone = Cookie::new(name.to_owned(), "");
        gone.set_max_age(CookieDuration::ZERO);
        self.written(gone)
    }

    fn written(&self, mut cookie: Cookie<'static>) -> Option<HeaderValue> {
        cookie.set_path("/");
        cookie.set_http_only(true);
        cookie.set_same_site(SameSite::Lax);
        cookie.set_secure(self.secure);
        let mut value = HeaderValue::from_str(&cookie.to_string()).ok().filter(|value| value.len() <= LARGEST)?;
        value.set_sensitive(true);
        Some(value)
    }

    /// Open the cookie of a name.
    pub fn open(&self, headers: &HeaderMap, name: &str) -> Opened {
        let mut opened = Opened::Absent;
        for (_, value) in pairs(headers).filter(|(known, _)| *known == name) {
            opened = Opened::Unreadable;
            let sealed = Cookie::new(name.to_owned(), value.to_owned());
            let jar = CookieJar::new();
            if let Some(text) = self.keys.iter().find_map(|key| jar.private(key).decrypt(sealed.clone())) {
                return Opened::Text(text.value().to_owned());
            }
        }
        opened
    }
}

/// Names and values of a request's cookies.
pub(super) fn pairs(headers: &HeaderMap) -> impl Iterator<Item = (&str, &str)> {
    let texts = headers.get_all(COOKIE).iter().filter_map(|value| value.to_str().ok());
    texts.flat_map(|text| text.split(';')).filter_map(|pair| pair.trim().split_once('='))
}

#[cfg(test)]
mod tests {
    use super::*;

    const HOUR: Duration = Duration::from_secs(3600);

    fn cookies(secrets: &[&str]) -> Cookies {
        let secrets: Vec<String> = secrets.iter().map(|letter| letter.repeat(32)).collect();
        Cookies::new(&secrets, true, None)
    }

    fn sent(set: &HeaderValue) -> HeaderMap {
        let pair = set.to_str().unwrap().split(';').next().unwrap();
        HeaderMap::from_iter([(COOKIE, HeaderValue::from_str(&format!("a=b; {pair}; =; c")).unwrap())])
    }

    #[test]
    fn a_cookie_is_for_this_host_alone_and_says_nothing() {
        let cookies = cookies(&["a"]);
        let name = cookies.name("session");
        let set = cookies.seal(&name, "ada".to_owned(), HOUR).unwrap();
        let text = set.to_str().unwrap();
        assert!(text.starts_with("__Host-terrane-session=") && !text.contains("ada"), "{text}");
        let attributes = "; HttpOnly; SameSite=Lax; Secure; Path=/; Max-Age=3600";
        assert!(text.ends_with(attributes), "{text}");
        assert_eq!(cookies.open(&sent(&set), &name), Opened::Text("ada".to_owned()));
        assert_eq!(cookies.open(&HeaderMap::new(), &name), Opened::Absent);
        let gone = cookies.clear(&name).unwrap();
        assert!(gone.to_str().unwrap().contains("Max-Age=0"), "{gone:?}");
    }

    #[test]
    fn keys_change_without_an_end_of_sessions() {
        let (before, after, later) = (cookies(&["a"]), cookies(&["b", "a"]), cookies(&["b"]));
        let name = before.name("session");
        let old = before.seal(&name, "ada".to_owned(), HOUR).unwrap();
        assert_eq!(after.open(&sent(&old), &name), Opened::Text("ada".to_owned()));
        assert_eq!(later.open(&sent(&old), &name), Opened::Unreadable);
        let new = after.seal(&name, "ada".to_owned(), HOUR).unwrap();
        assert_eq!(later.open(&sent(&new), &name), Opened::Text("ada".to_owned()));
    }

    #[test]
    fn what_was_changed_or_moved_is_not_opened() {
        let cookies = cookies(&["a"]);
        let (name, other) = (cookies.name("session"), cookies.name("flow"));
        let set = cookies.seal(&name, "ada".to_owned(), HOUR).unwrap();
        let pair = set.to_str().unwrap().split(';').next().unwrap().to_owned();
        let renamed = HeaderValue::from_str(&pair.replace("-session=", "-flow=")).unwrap();
        assert_eq!(cookies.open(&HeaderMap::from_iter([(COOKIE, renamed)]), &other), Opened::Unreadable);
        let cut = HeaderValue::from_str(&pair[..pair.len() - 5]).unwrap();
        assert_eq!(cookies.open(&HeaderMap::from_iter([(COOKIE, cut)]), &name), Opened::Unreadable);
        assert!(cookies.seal(&name, "x".repeat(4000), HOUR).is_none());
    }
}
