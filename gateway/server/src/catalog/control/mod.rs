//! Control: what the catalog asks of products' control ports, with the product as an argument. The product decides.

mod policies;
mod rights;

pub use policies::{PolicyMutation, PolicyQuery};
pub use rights::PortRight;
