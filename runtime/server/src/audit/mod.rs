//! Audit at work: turns each request into a record that is in a file before the answer goes out, and these files into the
//! chain in the database.
//!
//! `origin` is where a request comes from, `account` what is noted of it on its way, `description` what an operation touches
//! and by which rules, `spool` the files, `keeper` what brings them into the database.

mod account;
mod description;
mod ending;
mod keeper;
mod origin;
mod spool;

pub(crate) use account::{Account, GRAPHQL, note, scope};
pub(crate) use description::{describe_operation, describe_touched, rule};
pub(crate) use ending::Ending;
pub(crate) use keeper::{Audit, KeepError, follow};
pub(crate) use origin::Origin;

use axum::http::{Response, StatusCode};

/// The code of an error, beside a response that has it in its body.
#[derive(Debug, Clone, Copy)]
pub(crate) struct ResponseCode(pub(crate) &'static str);

/// What a client is told whose request can't be put on record.
pub(crate) const UNRECORDED: &str =
    "requests cannot be put on record at the moment, and none is answered without; try again later";
/// Its code.
pub(crate) const UNAVAILABLE: &str = "AUDIT_UNAVAILABLE";

/// The answer to such a request, in the form of both GraphQL errors and the errors of plain requests.
pub(crate) fn refusal() -> Response<axum::body::Body> {
    let error = serde_json::json!({"code": UNAVAILABLE, "message": UNRECORDED});
    let errors = [serde_json::json!({"message": UNRECORDED, "extensions": {"code": UNAVAILABLE}})];
    let body = serde_json::json!({"errors": errors, "error": error}).to_string();
    let mut response = Response::new(axum::body::Body::from(body));
    *response.status_mut() = StatusCode::SERVICE_UNAVAILABLE;
    let json = http::HeaderValue::from_static("application/json");
    response.headers_mut().insert(http::header::CONTENT_TYPE, json);
    response
}
