//! Store: turns a database into the layers, roles and records of a product.
