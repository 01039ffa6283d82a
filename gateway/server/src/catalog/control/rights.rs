//! Rights: what a visitor may do with a product's ports.

use super::super::access::Asked;
use super::super::client::{ClientError, READ_LIMIT, ask, schema};
use async_graphql::SimpleObject;
use cynic::{QueryBuilder as _, QueryFragment};

/// Something that you may do with a product's ports.
#[derive(Debug, Clone, QueryFragment, SimpleObject)]
#[cynic(schema = "product")]
pub struct PortRight {
    /// The port, as policy names it: `port:control`, `port:audit`, ….
    pub object: String,
    /// What with it: `read`, `run`, `admin`, `write`.
    pub action: String,
}

#[derive(Debug, QueryFragment)]
#[cynic(graphql_type = "Query", schema = "product")]
struct Rights {
    port_rights: Vec<PortRight>,
}

impl Asked<'_> {
    /// What the caller may do with the product's ports.
    ///
    /// # Errors
    /// [`ClientError`].
    pub async fn port_rights(self) -> Result<Vec<PortRight>, ClientError> {
        let data: Rights = ask(self.source, self.caller, &Rights::build(()), READ_LIMIT).await?;
        Ok(data.port_rights)
    }
}
