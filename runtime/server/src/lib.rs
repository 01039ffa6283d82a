//! The product server: turns one product folder and its database into the five standard ports.
