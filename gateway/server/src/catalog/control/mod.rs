//! Control: what the catalog asks of products' control ports, with the product as an argument. The product decides.

mod rights;

pub use rights::PortRight;
