//! Rights: turns what policy says of the ports into what a page offers its visitor.

use super::PortsContext;
use super::access::{ACCESS_ADMIN, ACCESS_READ};
use super::audit::AUDIT;
use super::guard::{ADMIN, DISCOVER, INGEST, OBSERVE, Permission, RUN};
use async_graphql::{Context, Object, Result, SimpleObject};

/// Something that you may do with the standard ports.
#[derive(SimpleObject, Debug, Clone)]
pub struct PortRight {
    /// The port, as policy names it: `port:control`, `port:audit`, ….
    pub object: &'static str,
    /// What with it: `read`, `run`, `admin`, `write`.
    pub action: &'static str,
}

/// The query for them.
#[derive(Debug, Clone, Copy, Default)]
pub struct RightsQuery;

#[Object]
impl RightsQuery {
    /// What you may do with this product's ports: what a page offers you, and a tool need not try.
    async fn port_rights(&self, ctx: &Context<'_>) -> Result<Vec<PortRight>> {
        let access = &ctx.data::<PortsContext>()?.access;
        let all = [DISCOVER, OBSERVE, RUN, ADMIN, INGEST, ACCESS_READ, ACCESS_ADMIN, AUDIT];
        let held = all.into_iter().filter(|needed| access.allows(needed.object, needed.action));
        Ok(held.map(|Permission { object, action }| PortRight { object, action }).collect())
    }
}
