//! Reads: turns a product's input ports into which datasets of other products it reads, and nothing else.

use super::describe::input_port;
use super::guard::{DISCOVER, require};
use super::product::InputPortInfo;
use async_graphql::{Context, Object, Result};

/// The query for them.
#[derive(Debug, Clone, Copy, Default)]
pub struct ReadsQuery;

#[Object]
impl ReadsQuery {
    /// The input ports alone: what a catalog needs of each product to know who reads whom.
    async fn input_ports(&self, ctx: &Context<'_>) -> Result<Vec<InputPortInfo>> {
        let context = require(ctx, DISCOVER)?;
        Ok(context.service.product().input_ports.iter().map(input_port).collect())
    }
}
