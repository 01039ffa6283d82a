//! GraphQL over HTTP: turns request bodies into operations to run, and results and errors into response bytes.
//!
//! Shared by the gateway and the product server: the wire forms of a request ([`Request`]) and of an error
//! ([`GraphqlError`]), the JSON writing primitives of the hot paths ([`json`]), and the choice of the response's media
//! type ([`media`], [`negotiate`]). [`parts`] writes responses that come in parts.

pub mod document;
pub mod error;
pub mod exchange;
pub mod extensions;
pub mod json;
pub mod media;
pub mod negotiate;
pub mod parts;
pub mod request;

pub use document::Document;
pub use error::{GraphqlError, PathSegment};
pub use extensions::{Extensions, PersistedQuery};
pub use request::{Request, RequestError};
