//! Issuing: turns a subject and roles into a signed demo or service token (HS256).

use crate::AuthError;
use jsonwebtoken::{Algorithm, EncodingKey, Header, encode, get_current_timestamp};
use serde_json::{Map, Value, json};

/// What a token says.
#[derive(Debug, Clone, Default)]
pub struct TokenRequest {
    /// `sub`.
    pub subject: String,
    /// `roles`.
    pub roles: Vec<String>,
    /// Life in seconds.
    pub lifetime_seconds: u64,
    /// More claims; they do not replace the standard ones.
    pub claims: Map<String, Value>,
}

/// Sign a token with the shared secret of the mesh.
///
/// # Errors
/// [`AuthError::Config`] when the secret cannot be used.
pub fn issue(secret: &str, request: &TokenRequest) -> Result<String, AuthError> {
    let now = get_current_timestamp();
    let mut claims = request.claims.clone();
    claims.insert("sub".to_owned(), json!(request.subject));
    claims.insert("roles".to_owned(), json!(request.roles));
    claims.insert("iat".to_owned(), json!(now));
    claims.insert("exp".to_owned(), json!(now + request.lifetime_seconds));
    encode(&Header::new(Algorithm::HS256), &claims, &EncodingKey::from_secret(secret.as_bytes()))
        .map_err(|e| AuthError::Config(e.to_string()))
}
