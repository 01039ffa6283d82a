//! As of: turns a header or argument that names a version or a moment into an operation on the tables that readers saw.

use crate::audit;
use crate::operation::{self, Mode, OperationError};
use crate::service::ProductService;
use chrono::{DateTime, Utc};
use http::HeaderMap;
use terrane_graphql::{GraphqlError, Request};
use terrane_manifest::Product;
use terrane_policy::Caller;
use terrane_query::Missing;
use terrane_store::{AsOf, StoreError, Version};

/// The request header that names a version for a whole operation.
pub const HEADER: &str = "terrane-as-of";
/// How often an operation is tried when versions are published, rolled back or dropped in between.
const ATTEMPTS: usize = 5;

/// Why a stream with these headers is refused: what it would tell is of now, not of the version that they name.
pub fn refuse_stream(headers: &HeaderMap) -> Option<String> {
    let asked = headers.contains_key(HEADER);
    asked.then(|| format!("header `{HEADER}`: a stream is of what is published now; ask without one"))
}

/// A version's number, or a moment (RFC 3339).
///
/// # Errors
/// What would be right, in words.
pub fn parse(text: &str) -> Result<AsOf, String> {
    if let Ok(number) = text.parse::<i64>() {
        return Ok(AsOf::Version(number));
    }
    match DateTime::parse_from_rfc3339(text) {
        Ok(time) => Ok(AsOf::Time(time.with_timezone(&Utc))),
        Err(_) => Err(format!("`{text}` is no version; write its number, or a moment such as 2026-01-31T12:00:00Z")),
    }
}

/// Run an operation on the version that `as_of` means; the number of that version, and the body.
///
/// # Errors
/// As [`operation::run`]; also `UNKNOWN_VERSION`, `VERSION_DROPPED`, `VERSION_DIFFERS`.
pub async fn run(
    service: &ProductService,
    caller: &Caller,
    request: &Request,
    mode: Mode,
    as_of: AsOf,
) -> Result<(i64, Vec<u8>), OperationError> {
    for _ in 0..ATTEMPTS {
        let (version, kept) = find(service, as_of).await?;
        let mode = Mode { version: kept, primary: true, ..mode };
        let done = operation::run(service, caller, request, mode).await;
        // what was read is of this version only if it is still where it was
        let now = service.store().version_as_of(AsOf::Version(version.version)).await;
        let stayed = now.as_ref().is_ok_and(|now| now.state == version.state);
        if stayed {
            return done.map(|answered| (version.version, answered.body));
        }
        // dropped, rolled back to, or no longer current: look again where it is
    }
    let message = "versions are published faster than this one can be read; ask again";
    Err(OperationError::Request(vec![GraphqlError::new("VERSION_CHANGED", message)]))
}

/// The version that `as_of` means, and its number where it is not the current one; its schema is ready then.
///
/// # Errors
/// `UNKNOWN_VERSION`, `VERSION_DROPPED`.
pub async fn find(service: &ProductService, as_of: AsOf) -> Result<(Version, Option<i64>), OperationError> {
    let version = service.store().version_as_of(as_of).await.map_err(refused)?;
    if version.state == "current" {
        return Ok((version, None));
    }
    let number = version.version;
    audit::note(|draft| draft.version(number));
    if !service.keeps_schema(number) {
        let (service, version) = (service.clone(), version.clone());
        // a schema takes some milliseconds and a deep stack
        let built = move || service.keep_schema(number, missing(service.product(), &version));
        let built = tokio::task::spawn_blocking(built).await.map_err(|e| OperationError::Internal(e.to_string()))?;
        built.map_err(OperationError::Request)?;
    }
    Ok((version, Some(number)))
}

fn refused(error: StoreError) -> OperationError {
    match error {
        StoreError::UnknownVersion(_) | StoreError::VersionDropped(_) => {
            OperationError::Request(vec![GraphqlError::new(error.code(), error.to_string())])
        }
        error => OperationError::Internal(error.to_string()),
    }
}

/// What today's contracts have and the version has not. A version that was published before its columns were recorded is
/// taken to have them all.
fn missing(product: &Product, version: &Version) -> Vec<Missing> {
    if version.columns.is_empty() {
        return Vec::new();
    }
    let mut missing = Vec::new();
    for dataset in product.outputs() {
        let lacks = |column: Option<&str>, field: Option<&str>, was: Option<&String>| Missing {
            table: dataset.table.clone(),
            column: column.map(str::to_owned),
            dataset: dataset.name.clone(),
            field: field.map(str::to_owned),
            was: was.cloned(),
        };
        let Some(columns) = version.columns.get(&dataset.table) else {
            missing.push(lacks(None, None, None));
            continue;
        };
        for field in &dataset.fields {
            match columns.get(&field.column) {
                None => missing.push(lacks(Some(&field.column), Some(&field.name), None)),
                Some(was) if *was != field.physical.to_string() => {
                    missing.push(lacks(Some(&field.column), Some(&field.name), Some(was)));
                }
                Some(_) => {}
            }
        }
    }
    missing
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_version_is_a_number_or_a_moment() {
        assert_eq!(parse("3"), Ok(AsOf::Version(3)));
        let moment = DateTime::from_timestamp(1_769_860_800, 0).unwrap();
        assert_eq!(parse("2026-01-31T12:00:00Z"), Ok(AsOf::Time(moment)));
        assert_eq!(parse("2026-01-31T13:00:00+01:00"), Ok(AsOf::Time(moment)));
        assert!(parse("yesterday").unwrap_err().contains("write its number"));
    }
}
