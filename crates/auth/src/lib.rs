//! Authentication: turns an `authorization` header or an API key into a caller (subject, roles, scopes, claims).
//!
//! Bearer tokens are JWTs (RFC 7519): HS256 with a shared secret, or RS256/ES256 (and their larger kin) with the keys
//! of a JWKS document (RFC 7517) that is fetched, kept, and fetched anew when a token names a key it lacks. A token that was
//! verified is known by its digest until it ends or its issuer's keys change.
//!
//! [`SignIn`] is how people sign in with a browser: at a provider of OpenID Connect, with a session in an encrypted cookie.

mod authenticator;
mod exchange;
mod issue;
mod issuer;
mod jwks;
mod keys;
mod sign_in;

pub use authenticator::{AuthError, Authenticator, good_for};
pub use issue::{TokenRequest, issue};
pub use issuer::JwtConfig;
pub use keys::{ApiKey, ApiKeys, Held, KeyState, PassOn, read_keys};
pub use sign_in::{Found, Moved, SessionConfig, SignIn, SignInConfig, SignInError, Visitor};
