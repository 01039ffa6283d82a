//! Caching at clients: turns what subgraphs allow to keep into what a response says of itself (RFC 9111, section 5.2).
//!
//! The least of what the answers in it allow, and nothing where one of them allows nothing or something failed. `public` is
//! only what was made for nobody in particular: a caller who is known, or sent anything that subgraphs get, has it alone.

use crate::gateway::Gateway;
use http::header::{AUTHORIZATION, CACHE_CONTROL, VARY};
use http::{HeaderMap, HeaderValue};
use terrane_execute::cache::Freshness;
use terrane_policy::Caller;

/// Say of a response for how long it may be kept, and for whom.
pub fn tell(
    gateway: &Gateway,
    caller: &Caller,
    forwarded: &HeaderMap,
    freshness: Option<Freshness>,
    headers: &mut HeaderMap,
) {
    let Some(Freshness { seconds, public }) = freshness else { return };
    let vary = if public && caller.subject.is_none() && forwarded.is_empty() { vary(gateway) } else { None };
    let whose = if vary.is_some() { "public" } else { "private" };
    if let Ok(value) = HeaderValue::try_from(format!("{whose}, max-age={seconds}")) {
        headers.insert(CACHE_CONTROL, value);
    }
    if let Some(vary) = vary {
        headers.append(VARY, vary);
    }
}

/// The headers that make a response another one; `None` where they can't be told.
fn vary(gateway: &Gateway) -> Option<HeaderValue> {
    let settings = &gateway.inner.settings;
    let mut names = vec![AUTHORIZATION.as_str(), "accept"];
    names.extend(settings.api_keys.as_ref().map(|(name, _)| name.as_str()));
    names.extend(settings.sign_in.as_ref().map(|_| "cookie"));
    for name in settings.headers.names()? {
        if !names.contains(&name.as_str()) {
            names.push(name.as_str());
        }
    }
    HeaderValue::try_from(names.join(", ")).ok()
}
