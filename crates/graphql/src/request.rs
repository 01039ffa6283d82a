//! Requests: turns a JSON body or a query string's parts into an operation to run (GraphQL over HTTP, section 5).

use crate::{Document, Extensions};
use serde::de::{DeserializeOwned, IgnoredAny};
use serde::{Deserialize, Deserializer};
use serde_json::{Map, Value};

/// A GraphQL request as it came in. `query` may be absent where a persisted document is named in `documentId` or in
/// `extensions`.
#[derive(Debug, Clone, Default, PartialEq, Deserialize)]
pub struct Request {
    /// The document's text.
    #[serde(default)]
    pub query: Option<Document>,
    /// Names a document that the server knows; clients also send it as `id` or `doc_id`.
    #[serde(default, rename = "documentId", alias = "id", alias = "doc_id", deserialize_with = "text_or_nothing")]
    pub document_id: Option<String>,
    /// Which operation of the document runs.
    #[serde(default, rename = "operationName")]
    pub operation_name: Option<String>,
    /// Variable values by name.
    #[serde(default)]
    pub variables: Option<Map<String, Value>>,
    /// Protocol extensions.
    #[serde(default)]
    pub extensions: Option<Extensions>,
}

/// Why a request could not be read. All are the client's: status 400.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
pub enum RequestError {
    /// Not JSON, or not of the request's form.
    #[error("the request body is not a GraphQL request: {0}; send a JSON object with a `query` string")]
    Malformed(String),
    /// Neither `query` nor a persisted operation.
    #[error("the request has no `query`; send the operation's text in it")]
    NoQuery,
}

impl RequestError {
    /// The error code of the response.
    pub fn code(&self) -> &'static str {
        "BAD_REQUEST"
    }
}

impl Request {
    /// Read a JSON body.
    ///
    /// # Errors
    /// [`RequestError::Malformed`] when it is not a JSON object of the request's form.
    pub fn from_json(body: &[u8]) -> Result<Self, RequestError> {
        // serde would read an array as the struct's fields in order
        if body.iter().find(|b| !b.is_ascii_whitespace()) != Some(&b'{') {
            return Err(RequestError::Malformed("not a JSON object".to_owned()));
        }
        serde_json::from_slice(body).map_err(|e| RequestError::Malformed(e.to_string()))
    }

    /// Read the parts of a GET request's query string: `query`, `documentId`, `operationName`, `variables` and
    /// `extensions` (the last two JSON-encoded).
    ///
    /// # Errors
    /// [`RequestError::Malformed`] when `variables` or `extensions` are no JSON objects.
    pub fn from_parts<'a>(parts: impl Iterator<Item = (&'a str, &'a str)>) -> Result<Self, RequestError> {
        let mut request = Self::default();
        for (name, value) in parts {
            match name {
                "query" => request.query = Some(value.into()),
                "documentId" | "id" | "doc_id" if !value.is_empty() => request.document_id = Some(value.to_owned()),
                "operationName" if !value.is_empty() => request.operation_name = Some(value.to_owned()),
                "variables" => request.variables = object(name, value)?,
                "extensions" => request.extensions = object(name, value)?,
                _ => {}
            }
        }
        Ok(request)
    }

    /// The operation's text.
    ///
    /// # Errors
    /// [`RequestError::NoQuery`] when there is none.
    pub fn text(&self) -> Result<&str, RequestError> {
        self.query.as_deref().ok_or(RequestError::NoQuery)
    }

    /// The same as a key.
    ///
    /// # Errors
    /// [`RequestError::NoQuery`] when there is none.
    pub fn document(&self) -> Result<&Document, RequestError> {
        self.query.as_ref().ok_or(RequestError::NoQuery)
    }
}

/// A text; anything else is another protocol's, such as the number of a message, and names no document.
fn text_or_nothing<'de, D: Deserializer<'de>>(from: D) -> Result<Option<String>, D::Error> {
    #[derive(Deserialize)]
    #[serde(untagged)]
    enum Id {
        Text(String),
        Other(IgnoredAny),
    }
    Ok(match Id::deserialize(from)? {
        Id::Text(text) => Some(text),
        Id::Other(IgnoredAny) => None,
    })
}

fn object<T: DeserializeOwned>(name: &str, value: &str) -> Result<Option<T>, RequestError> {
    if value.is_empty() {
        return Ok(None);
    }
    serde_json::from_str(value).map_err(|e| RequestError::Malformed(format!("`{name}`: {e}")))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_json_and_refuses_other_forms() {
        let request = Request::from_json(br#"{"query":"{a}","variables":{"x":1},"operationName":null}"#).unwrap();
        assert_eq!(request.text().unwrap(), "{a}");
        assert_eq!(request.variables.unwrap()["x"], 1);
        let id = |body: &str| Request::from_json(body.as_bytes()).unwrap().document_id;
        assert_eq!(id(r#"{"documentId":"a"}"#).as_deref(), Some("a"));
        assert_eq!([id(r#"{"id":1}"#), id(r#"{"id":null}"#), id(r#"{"id":{"a":[]}}"#)], [None, None, None]);
        assert!(Request::from_json(b"[]").is_err());
        assert!(Request::from_json(br#"{"query":1}"#).is_err());
        assert_eq!(Request::from_json(b"{}").unwrap().text(), Err(RequestError::NoQuery));
    }

    #[test]
    fn reads_query_strings() {
        let request = Request::from_parts([("query", "{a}"), ("variables", "{\"x\":1}")].into_iter()).unwrap();
        assert_eq!(request.variables.unwrap()["x"], 1);
        assert!(Request::from_parts([("variables", "1")].into_iter()).is_err());
    }
}
