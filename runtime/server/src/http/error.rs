//! Error responses: turns what went wrong with a plain HTTP request into a status and a JSON body with a code.

use crate::audit::ResponseCode;
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use serde_json::{Value, json};

/// An error for the client. Internal causes are logged where they happen, and never stand in here.
#[derive(Debug)]
pub struct HttpError {
    status: StatusCode,
    code: &'static str,
    message: String,
    more: Option<(&'static str, Value)>,
}

impl HttpError {
    /// An error with a status, a stable code and a text.
    pub fn new(status: StatusCode, code: &'static str, message: impl Into<String>) -> Self {
        Self { status, code, message: message.into(), more: None }
    }

    /// The same with more about it, beside its code and text.
    pub fn with(self, name: &'static str, value: Value) -> Self {
        Self { more: Some((name, value)), ..self }
    }

    /// The face of an internal error.
    pub fn internal(error: impl std::fmt::Display) -> Self {
        tracing::error!(%error, "a request failed");
        let message = "internal error; the operator finds its cause in the log";
        Self::new(StatusCode::INTERNAL_SERVER_ERROR, "INTERNAL_SERVER_ERROR", message)
    }
}

impl From<terrane_auth::AuthError> for HttpError {
    fn from(error: terrane_auth::AuthError) -> Self {
        let status = match error {
            terrane_auth::AuthError::Unavailable => StatusCode::SERVICE_UNAVAILABLE,
            _ => StatusCode::UNAUTHORIZED,
        };
        Self::new(status, "UNAUTHENTICATED", error.to_string())
    }
}

impl IntoResponse for HttpError {
    fn into_response(self) -> Response {
        let mut error = json!({"code": self.code, "message": self.message});
        if let Some((name, value)) = self.more {
            error[name] = value;
        }
        let body = json!({ "error": error }).to_string();
        let mut response = (self.status, [("content-type", "application/json")], body).into_response();
        response.extensions_mut().insert(ResponseCode(self.code));
        response
    }
}
