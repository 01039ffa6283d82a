//! Timestamps: points in time as the standard ports write them, passed on as they are.

use super::client::schema;

/// RFC 3339 text.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, serde::Serialize, serde::Deserialize)]
pub struct Timestamp(pub String);

cynic::impl_scalar!(Timestamp, schema::DateTime);

async_graphql::scalar!(Timestamp, "DateTime", "A point in time (RFC 3339).");
