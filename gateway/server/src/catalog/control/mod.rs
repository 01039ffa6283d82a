//! Control: what the catalog asks of products' control ports, with the product as an argument. The product decides.

mod about;
mod rights;
mod sources;

pub use about::{AboutMutation, AboutQuery};
pub use rights::PortRight;
pub use sources::{SourcesMutation, SourcesQuery};
