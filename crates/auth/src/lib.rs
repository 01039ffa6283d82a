//! Authentication: turns an `authorization` header into a caller (subject, roles, claims).
//!
//! Bearer tokens are JWTs (RFC 7519): HS256 with a shared secret, or RS256/ES256 (and their larger kin) with the keys
//! of a JWKS document (RFC 7517) that is fetched, kept, and fetched anew when a token names a key it lacks.

mod authenticator;
mod issue;
mod jwks;

pub use authenticator::{AuthError, Authenticator, JwtConfig};
pub use issue::{TokenRequest, issue};
