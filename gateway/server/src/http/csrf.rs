//! CSRF prevention: turns a request that a browser may have sent unasked, for a page of another origin, into a refusal.

use crate::config::{CsrfConfig, CsrfRefusal};
use http::{HeaderMap, HeaderName, header};
use terrane_graphql::GraphqlError;

/// The settings, checked.
#[derive(Debug, Clone, Default)]
pub struct Csrf {
    refuse: CsrfRefusal,
    headers: Vec<HeaderName>,
    /// Origins whose pages may ask.
    origins: Vec<String>,
    /// Whether these may ask as the visitor.
    credentials: bool,
}

impl Csrf {
    /// From the settings; names that are none are left out: `--check-config` tells them. `origins` are those of `cors`.
    pub fn new(config: &CsrfConfig, origins: &[String]) -> Self {
        let headers = config.headers.iter().filter_map(|name| name.parse().ok()).collect();
        Self { refuse: config.refuse, headers, origins: origins.to_vec(), credentials: false }
    }

    /// The same, where pages of the origins that `cors` names may ask with the visitor's cookies, or may not.
    pub fn with_credentials(self, credentials: bool) -> Self {
        Self { credentials, ..self }
    }

    /// Whether a session's cookie in these headers may speak for its visitor. It may for our own pages, for those that `cors`
    /// lets ask with credentials, and where a link of a foreign page opens one of ours, which only reads. Whatever `refuse`
    /// says: a cookie comes along unasked. It does not depend on `SameSite` either, which counts other ports and
    /// subdomains as ours.
    pub fn takes_cookies(&self, headers: &HeaderMap) -> bool {
        let text = |name: &str| headers.get(name).map(|value| value.to_str().unwrap_or_default());
        let origin = text("origin");
        if self.credentials && origin.is_some_and(|origin| self.origins.iter().any(|known| known == origin)) {
            return true;
        }
        match text("sec-fetch-site") {
            Some("same-origin" | "none") => true,
            Some(_) => {
                let opened = (text("sec-fetch-mode"), text("sec-fetch-dest")) == (Some("navigate"), Some("document"));
                opened && origin.is_none()
            }
            None => origin.is_none_or(|origin| is_own(origin, text("host"))),
        }
    }

    /// Check the head of a request.
    ///
    /// # Errors
    /// `CSRF_PREVENTION` where it is simple (Fetch standard: browsers send it without a preflight request), and one of
    /// those that are refused.
    pub fn check(&self, headers: &HeaderMap) -> Result<(), GraphqlError> {
        let refused = match self.refuse {
            CsrfRefusal::None => false,
            CsrfRefusal::Foreign => self.is_foreign(headers),
            CsrfRefusal::Simple => true,
        };
        if !refused || has_other_content_type(headers) || self.has_header(headers) {
            return Ok(());
        }
        let names: Vec<&str> = self.headers.iter().map(HeaderName::as_str).collect();
        let message = format!(
            "a page of any origin could have sent this request; send the content type application/json, or one of these \
             headers with any value: {}",
            names.join(", ")
        );
        Err(GraphqlError::new("CSRF_PREVENTION", message))
    }

    /// Check the head of a request for a WebSocket. Browsers open one to any origin unasked, and let the page read what
    /// comes, but always say whose page it is.
    ///
    /// # Errors
    /// `CSRF_PREVENTION` where that is one of another origin.
    pub fn check_socket(&self, headers: &HeaderMap) -> Result<(), GraphqlError> {
        if self.refuse == CsrfRefusal::None || !self.is_foreign(headers) {
            return Ok(());
        }
        let message = "a page of another origin asks for a socket; the operator lets it with `cors.origins`";
        Err(GraphqlError::new("CSRF_PREVENTION", message))
    }

    /// Check the head of a form that changes something. Whatever the settings let other pages ask, a form is sent by the
    /// own pages or not taken at all: a browser says which page is behind it, and who is none uses GraphQL.
    ///
    /// # Errors
    /// `CSRF_PREVENTION` where it does not say that it comes from the own pages.
    pub fn check_form(headers: &HeaderMap) -> Result<(), GraphqlError> {
        let text = |name: &str| headers.get(name).and_then(|value| value.to_str().ok());
        let own = match (text("sec-fetch-site"), text("origin")) {
            (Some(site), _) => site == "same-origin",
            (None, Some(origin)) => is_own(origin, text("host")),
            (None, None) => false,
        };
        if own {
            return Ok(());
        }
        let message =
            "this form was not sent by a page of this gateway; a program sends a mutation to /graphql instead";
        Err(GraphqlError::new("CSRF_PREVENTION", message))
    }

    /// Whether a browser says that a page of another origin is behind the request, and not one of those that may ask
    /// (Fetch Metadata, `sec-fetch-site`; for browsers without that, the Fetch standard's `origin`).
    fn is_foreign(&self, headers: &HeaderMap) -> bool {
        let text = |name: &str| headers.get(name).map(|value| value.to_str().unwrap_or_default());
        let origin = text("origin");
        if origin.is_some_and(|origin| self.origins.iter().any(|known| known == "*" || known == origin)) {
            return false;
        }
        match text("sec-fetch-site") {
            Some(site) => !matches!(site, "same-origin" | "none"),
            None => origin.is_some_and(|origin| !is_own(origin, text("host"))),
        }
    }

    fn has_header(&self, headers: &HeaderMap) -> bool {
        self.headers.iter().any(|name| headers.get(name).is_some_and(|value| !value.is_empty()))
    }
}

/// Whether an origin is that of the host which was asked.
fn is_own(origin: &str, host: Option<&str>) -> bool {
    origin.split_once("://").is_some_and(|(_, of)| Some(of) == host)
}

/// Whether there is a content type that browsers ask about before they send it.
fn has_other_content_type(headers: &HeaderMap) -> bool {
    let Some(value) = headers.get(header::CONTENT_TYPE) else { return false };
    let Ok(text) = value.to_str() else { return false };
    let essence = text.split(';').next().unwrap_or_default().trim().to_ascii_lowercase();
    let simple = ["application/x-www-form-urlencoded", "multipart/form-data", "text/plain"];
    essence.contains('/') && !essence.contains(',') && !simple.contains(&&*essence)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn passes(refuse: CsrfRefusal, headers: &[(&'static str, &'static str)]) -> bool {
        let config = CsrfConfig { refuse, ..CsrfConfig::default() };
        let headers = headers.iter().map(|(name, value)| (name.parse().unwrap(), value.parse().unwrap()));
        Csrf::new(&config, &["https://known.example".to_owned()]).check(&headers.collect()).is_ok()
    }

    #[test]
    fn simple_requests_are_refused() {
        use CsrfRefusal::{None, Simple};
        assert!(!passes(Simple, &[]));
        assert!(!passes(Simple, &[("content-type", "text/plain; x=application/json")]));
        assert!(!passes(Simple, &[("content-type", "multipart/form-data; boundary=x")]));
        assert!(!passes(Simple, &[("content-type", "text/plain, application/json")]));
        assert!(!passes(Simple, &[("content-type", "nonsense")]));
        assert!(passes(Simple, &[("content-type", "application/json; charset=utf-8")]));
        assert!(passes(Simple, &[("apollo-require-preflight", "1")]));
        assert!(!passes(Simple, &[("apollo-require-preflight", "")]));
        assert!(passes(None, &[]));
    }

    #[test]
    fn by_default_only_those_that_say_they_are_foreign() {
        let foreign = |headers: &[(&'static str, &'static str)]| !passes(CsrfRefusal::Foreign, headers);
        assert!(!foreign(&[]));
        assert!(foreign(&[("sec-fetch-site", "cross-site")]));
        assert!(foreign(&[("sec-fetch-site", "same-site"), ("content-type", "text/plain")]));
        assert!(!foreign(&[("sec-fetch-site", "none")]));
        assert!(!foreign(&[("sec-fetch-site", "same-origin"), ("origin", "null")]));
        assert!(foreign(&[("origin", "https://evil.example"), ("host", "graph.example")]));
        assert!(foreign(&[("origin", "null"), ("host", "graph.example")]));
        assert!(!foreign(&[("origin", "https://graph.example"), ("host", "graph.example")]));
        assert!(!foreign(&[("sec-fetch-site", "cross-site"), ("content-type", "application/json")]));
        assert!(!foreign(&[("sec-fetch-site", "cross-site"), ("origin", "https://known.example")]));
    }

    #[test]
    fn forms_are_taken_from_the_own_pages_only() {
        let taken = |headers: &[(&'static str, &'static str)]| {
            let headers = headers.iter().map(|(name, value)| (name.parse().unwrap(), value.parse().unwrap()));
            Csrf::check_form(&headers.collect()).is_ok()
        };
        assert!(taken(&[("sec-fetch-site", "same-origin")]));
        assert!(taken(&[("origin", "http://graph.example:4000"), ("host", "graph.example:4000")]));
        for site in ["cross-site", "same-site", "none", ""] {
            assert!(!taken(&[("sec-fetch-site", site), ("origin", "http://a"), ("host", "a")]), "{site}");
        }
        assert!(!taken(&[("origin", "https://known.example"), ("host", "graph.example")]));
        assert!(!taken(&[("origin", "null"), ("host", "null")]));
        assert!(!taken(&[]));
        // what is asked in advance for other content is no word for a form
        assert!(!taken(&[("content-type", "application/json"), ("apollo-require-preflight", "1")]));
    }

    #[test]
    fn cookies_speak_for_the_visitor_only_where_our_own_pages_ask() {
        let origins = ["https://app.example".to_owned(), "*".to_owned()];
        let csrf = Csrf::new(&CsrfConfig { refuse: CsrfRefusal::None, ..CsrfConfig::default() }, &origins);
        let of = |headers: &[(&'static str, &'static str)]| -> HeaderMap {
            headers.iter().map(|(name, value)| (name.parse().unwrap(), value.parse().unwrap())).collect()
        };
        let ours = [
            of(&[("sec-fetch-site", "same-origin"), ("origin", "https://graph.example")]),
            of(&[("sec-fetch-site", "none"), ("sec-fetch-mode", "navigate")]),
            of(&[("sec-fetch-site", "cross-site"), ("sec-fetch-mode", "navigate"), ("sec-fetch-dest", "document")]),
            of(&[("origin", "https://graph.example"), ("host", "graph.example")]),
            of(&[]),
        ];
        for headers in &ours {
            assert!(csrf.takes_cookies(headers), "{headers:?}");
        }
        let foreign = [
            of(&[("sec-fetch-site", "cross-site"), ("sec-fetch-mode", "no-cors"), ("sec-fetch-dest", "image")]),
            of(&[("sec-fetch-site", "same-site"), ("sec-fetch-mode", "cors"), ("origin", "https://x.graph.example")]),
            of(&[("sec-fetch-site", "cross-site"), ("sec-fetch-mode", "navigate"), ("sec-fetch-dest", "iframe")]),
            of(&[
                ("sec-fetch-site", "cross-site"),
                ("sec-fetch-mode", "navigate"),
                ("sec-fetch-dest", "document"),
                ("origin", "https://evil.example"),
            ]),
            of(&[("origin", "https://evil.example"), ("host", "graph.example")]),
            of(&[("origin", "null"), ("host", "graph.example")]),
            of(&[("origin", "https://app.example"), ("sec-fetch-site", "same-site")]),
        ];
        for headers in &foreign {
            assert!(!csrf.takes_cookies(headers), "{headers:?}");
            assert!(Csrf::check_form(headers).is_err(), "{headers:?}");
        }
        let csrf = csrf.with_credentials(true);
        assert!(csrf.takes_cookies(&foreign[6]));
        assert!(!csrf.takes_cookies(&foreign[4]));
        assert!(Csrf::check_form(&ours[0]).is_ok() && Csrf::check_form(&ours[3]).is_ok());
        assert!(Csrf::check_form(&ours[2]).is_err());
    }

    #[test]
    fn sockets_are_for_the_own_pages_and_those_that_may_ask() {
        let opens = |refuse, origin: &'static str| {
            let csrf =
                Csrf::new(&CsrfConfig { refuse, ..CsrfConfig::default() }, &["https://known.example".to_owned()]);
            let headers = [("host", "graph.example"), ("origin", origin)];
            let headers = headers.map(|(name, value)| (name.parse().unwrap(), value.parse().unwrap()));
            csrf.check_socket(&HeaderMap::from_iter(headers)).is_ok()
        };
        for refuse in [CsrfRefusal::Foreign, CsrfRefusal::Simple] {
            let opened = ["https://graph.example", "https://known.example", "https://evil.example"];
            assert_eq!(opened.map(|origin| opens(refuse, origin)), [true, true, false]);
        }
        assert!(opens(CsrfRefusal::None, "https://evil.example"));
        // no browser, no page
        assert!(Csrf::default().check_socket(&HeaderMap::new()).is_ok());
    }
}
