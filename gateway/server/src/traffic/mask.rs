//! Masking: turns a subgraph's answer into one whose errors say no more than clients may read.

use crate::config::{ErrorMessages, ErrorRule};
use bytes::Bytes;
use http::{HeaderValue, Request, Response, header};
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;
use serde_json::{Map, Value};
use std::sync::Arc;
use terrane_execute::Transport;
use tower::{ServiceExt as _, service_fn};

/// An answer, as far as it concerns errors.
#[derive(Deserialize, Serialize)]
struct Answer<'a> {
    #[serde(default, skip_serializing_if = "Option::is_none")]
    errors: Option<Vec<Error>>,
    #[serde(borrow, default, skip_serializing_if = "Option::is_none")]
    data: Option<&'a RawValue>,
}

#[derive(Deserialize, Serialize)]
struct Error {
    #[serde(default)]
    message: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    path: Option<Value>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    extensions: Option<Map<String, Value>>,
}

/// Mask the errors of the subgraph `name` by its rule.
pub fn masked(inner: Transport, name: &str, rule: &ErrorRule) -> Transport {
    if *rule == ErrorRule::default() {
        return inner;
    }
    let (name, rule): (Arc<str>, Arc<ErrorRule>) = (name.into(), Arc::new(rule.clone()));
    Transport::new(service_fn(move |request: Request<Bytes>| {
        let (inner, name, rule) = (inner.clone(), Arc::clone(&name), Arc::clone(&rule));
        async move {
            let answered: Response<Bytes> = inner.oneshot(request).await?;
            let (mut head, body) = answered.into_parts();
            let masked = mask(&name, &rule, &body);
            if let Some(masked) = &masked {
                head.headers.insert(header::CONTENT_LENGTH, HeaderValue::from(masked.len()));
            }
            Ok(Response::from_parts(head, masked.unwrap_or(body)))
        }
    }))
}

/// The answer, or event, with masked errors; nothing where it has none, or the rule hides none.
pub fn mask(name: &str, rule: &ErrorRule, body: &Bytes) -> Option<Bytes> {
    if *rule == ErrorRule::default() {
        return None;
    }
    // the key may be written with escapes
    if !body.windows(7).any(|bytes| bytes == b"errors\"" || bytes.starts_with(b"\\u")) {
        return None;
    }
    let hidden = || format!("subgraph `{name}` reported an error");
    let Ok(mut answer) = serde_json::from_slice::<Answer<'_>>(body) else {
        let nothing = Error { message: hidden(), path: None, extensions: None };
        let answer = Answer { errors: Some(vec![nothing]), data: None };
        return serde_json::to_vec(&answer).ok().map(Bytes::from);
    };
    for error in answer.errors.as_mut()? {
        if rule.messages == ErrorMessages::Mask {
            tracing::warn!(subgraph = name, message = error.message, "an error of a subgraph");
            error.message = hidden();
        }
        if let (Some(kept), Some(extensions)) = (&rule.extensions, &mut error.extensions) {
            extensions.retain(|name, _| kept.contains(name));
        }
    }
    serde_json::to_vec(&answer).ok().map(Bytes::from)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test")]

    use super::*;

    fn masked_text(body: &str) -> Option<String> {
        let rule = ErrorRule { messages: ErrorMessages::Mask, extensions: Some(vec!["code".to_owned()]) };
        mask("a", &rule, &Bytes::from(body.to_owned())).map(|body| String::from_utf8(body.to_vec()).unwrap())
    }

    #[test]
    fn errors_say_no_more_than_clients_may_read() {
        let body = r#"{"data":{"x": 1.50, "errors": "mine"},"errors":[{"message":"at 10.0.0.1","locations":[],"path":["x",0],"extensions":{"code":"X","stack":"…"}}]}"#;
        let expected = r#"{"errors":[{"message":"subgraph `a` reported an error","path":["x",0],"extensions":{"code":"X"}}],"data":{"x": 1.50, "errors": "mine"}}"#;
        assert_eq!(masked_text(body).as_deref(), Some(expected));
        let escaped = body.replace("\"errors\":[", "\"error\\u0073\":[");
        assert_eq!(masked_text(&escaped).as_deref(), Some(expected));
        assert_eq!(masked_text(r#"{"data":{"errors":1}}"#), None);
        assert_eq!(masked_text(r#"{"data":null}"#), None);
        let secret = masked_text(r#"{"errors":[{"message":"secret"}],"errors":[]}"#).unwrap();
        assert!(!secret.contains("secret") && secret.contains("reported an error"));
    }
}
