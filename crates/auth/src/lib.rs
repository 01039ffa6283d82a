//! Authentication: turns an `authorization` header or an API key into a caller (subject, roles, scopes, claims).
//!
//! Bearer tokens are JWTs (RFC 7519): HS256 with a shared secret, or RS256/ES256 (and their larger kin) with the keys
//! of a JWKS document (RFC 7517) that is fetched, kept, and fetched anew when a token names a key it lacks. A token that was
//! verified is known by its digest until it ends or its issuer's keys change.

mod authenticator;
mod issue;
mod issuer;
mod jwks;
mod keys;

pub use authenticator::{AuthError, Authenticator, good_for};
pub use issue::{TokenRequest, issue};
pub use issuer::JwtConfig;
pub use keys::{ApiKey, ApiKeys, Held, PassOn};
