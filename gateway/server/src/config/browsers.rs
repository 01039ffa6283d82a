//! Settings for browsers: turns the `csrf` and `cors` sections into what pages of other origins may do.

use schemars::JsonSchema;
use serde::Deserialize;

/// Prevention of cross-site request forgery. A POST has to be JSON in any case, which no page can send to another origin
/// unasked; this is about requests that browsers send without asking first.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct CsrfConfig {
    /// Which simple requests are refused.
    pub refuse: CsrfRefusal,
    /// A request with one of these headers isn't simple: browsers ask the server before they send it.
    pub headers: Vec<String>,
}

impl Default for CsrfConfig {
    fn default() -> Self {
        let headers = ["x-apollo-operation-name", "apollo-require-preflight", "graphql-require-preflight"];
        Self { refuse: CsrfRefusal::default(), headers: headers.map(str::to_owned).to_vec() }
    }
}

/// Which simple requests are refused: those with neither a content type that browsers ask about nor one of the headers.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum CsrfRefusal {
    /// Those that a browser sends for a page of another origin, as it says itself.
    #[default]
    Foreign,
    /// All, as for browsers that say nothing of the page.
    Simple,
    /// None.
    None,
}

/// Pages of other origins that may ask (Fetch standard, CORS protocol). Without origins there is none.
#[derive(Debug, Clone, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct CorsConfig {
    /// Origins, such as `https://app.example.com`; `*` alone is any.
    pub origins: Vec<String>,
    /// Request headers that pages may set; empty: those that the browser asks for.
    pub headers: Vec<String>,
    /// Response headers that pages may read.
    pub expose_headers: Vec<String>,
    /// Whether cookies and client certificates go along; not with the origin `*`.
    pub credentials: bool,
    /// Seconds that a browser may keep the answer to its question.
    pub max_age_seconds: Option<u64>,
}
