//! Providers: turns an issuer's discovery document into addresses to send visitors to, and codes into verified claims
//! (OpenID Connect Core 1.0, section 3.1; Discovery 1.0; RP-Initiated Logout 1.0; RFC 7636; RFC 9207).

use super::config::SignInConfig;
use super::{SignInError, is_safe};
use crate::exchange::{exchange, get};
use crate::issuer::{Issuer, JwtConfig};
use jsonwebtoken::decode_header;
use oauth2::basic::{
    BasicErrorResponse, BasicRevocationErrorResponse, BasicTokenIntrospectionResponse, BasicTokenType,
};
use oauth2::{
    AuthType, AuthUrl, AuthorizationCode, Client, ClientId, ClientSecret, CsrfToken, EndpointNotSet, EndpointSet,
    ExtraTokenFields, PkceCodeChallenge, PkceCodeVerifier, RedirectUrl, Scope, StandardRevocableToken,
    StandardTokenResponse, TokenResponse as _, TokenUrl,
};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use terrane_policy::Caller;
use url::Url;

/// What a provider says of itself, as far as it is needed.
#[derive(Debug, Deserialize)]
struct Metadata {
    issuer: String,
    authorization_endpoint: String,
    token_endpoint: String,
    jwks_uri: String,
    userinfo_endpoint: Option<String>,
    end_session_endpoint: Option<String>,
    token_endpoint_auth_methods_supported: Option<Vec<String>>,
}

#[derive(Debug, Serialize, Deserialize)]
struct IdToken {
    id_token: Option<String>,
}

impl ExtraTokenFields for IdToken {}

type Tokens = StandardTokenResponse<IdToken, BasicTokenType>;
type CodeClient = Client<
    BasicErrorResponse,
    Tokens,
    BasicTokenIntrospectionResponse,
    StandardRevocableToken,
    BasicRevocationErrorResponse,
    EndpointSet,
    EndpointNotSet,
    EndpointNotSet,
    EndpointNotSet,
    EndpointSet,
>;

/// A provider as it was found.
pub(super) struct Provider {
    client: CodeClient,
    client_id: String,
    tokens: Issuer,
    userinfo: Option<String>,
    end_session: Option<Url>,
}

/// A visitor on the way to the provider, and what has to come back with them.
pub(super) struct Sent {
    pub location: Url,
    pub state: String,
    pub nonce: String,
    pub verifier: String,
}

fn unavailable(reason: impl std::fmt::Display) -> SignInError {
    tracing::warn!(%reason, "the provider of sign-in cannot be used");
    SignInError::Unavailable
}

impl Provider {
    /// Ask the issuer.
    pub async fn discover(config: &SignInConfig, redirect: &Url) -> Result<Self, SignInError> {
        let address = format!("{}/.well-known/openid-configuration", config.issuer.trim_end_matches('/'));
        let document = get(&address, None).await.map_err(|error| unavailable(format!("{address}: {error}")))?;
        let said: Metadata =
            serde_json::from_slice(&document).map_err(|error| unavailable(format!("{address}: {error}")))?;
        // Discovery 1.0, section 4.3: exactly the issuer that was asked, or somebody speaks for somebody else
        if said.issuer != config.issuer {
            return Err(unavailable(format!("{address} is of the issuer {}, not {}", said.issuer, config.issuer)));
        }
        let addresses = [Some(&said.authorization_endpoint), Some(&said.token_endpoint), Some(&said.jwks_uri)];
        let more = [said.userinfo_endpoint.as_ref(), said.end_session_endpoint.as_ref()];
        for address in addresses.into_iter().chain(more).flatten() {
            if !Url::parse(address).is_ok_and(|url| is_safe(&url)) {
                return Err(unavailable(format!("{address} is not an address over HTTPS")));
            }
        }
        let tokens = Issuer::new(&JwtConfig {
            jwks_url: Some(said.jwks_uri),
            issuer: Some(said.issuer),
            audience: Some(config.client_id.clone()),
            algorithms: config.algorithms.clone(),
            roles_claim: config.roles_claim.clone(),
            scopes_claim: config.scopes_claim.clone(),
            subject_claim: config.subject_claim.clone(),
            ..JwtConfig::default()
        });
        let mut client = Client::new(ClientId::new(config.client_id.clone()))
            .set_auth_uri(AuthUrl::new(said.authorization_endpoint).map_err(unavailable)?)
            .set_token_uri(TokenUrl::new(said.token_endpoint).map_err(unavailable)?)
            .set_redirect_uri(RedirectUrl::from_url(redirect.clone()));
        if let Some(secret) = &config.client_secret {
            client = client.set_client_secret(ClientSecret::new(secret.clone()));
        }
        // Discovery 1.0, section 3: `client_secret_basic` where it does not say
        let methods = said.token_endpoint_auth_methods_supported;
        if methods.is_some_and(|methods| !methods.iter().any(|method| method == "client_secret_basic")) {
            client = client.set_auth_type(AuthType::RequestBody);
        }
        Ok(Self {
            client,
            client_id: config.client_id.clone(),
            tokens: tokens.map_err(unavailable)?,
            userinfo: said.userinfo_endpoint.filter(|_| config.userinfo),
            end_session: said.end_session_endpoint.and_then(|address| Url::parse(&address).ok()),
        })
    }

    /// Where a visitor is sent to sign in. `quiet`: the provider answers at once, without asking them anything.
    pub fn send(&self, scopes: &[String], max_age: u64, quiet: bool) -> Sent {
        let (challenge, verifier) = PkceCodeChallenge::new_random_sha256();
        let nonce = CsrfToken::new_random().secret().clone();
        let scopes = scopes.iter().filter(|scope| *scope != "openid").map(|scope| Scope::new(scope.clone()));
        let mut request = self
            .client
            .authorize_url(CsrfToken::new_random)
            .add_scope(Scope::new("openid".to_owned()))
            .add_scopes(scopes)
            .set_pkce_challenge(challenge)
            .add_extra_param("nonce", nonce.clone())
            .add_extra_param("max_age", max_age.to_string());
        if quiet {
            request = request.add_extra_param("prompt", "none");
        }
        let (location, state) = request.url();
        Sent { location, state: state.secret().clone(), nonce, verifier: verifier.into_secret() }
    }

    /// Whom the provider vouches for with a code.
    pub async fn redeem(&self, code: String, verifier: String, nonce: &str) -> Result<Caller, SignInError> {
        let exchanged = self
            .client
            .exchange_code(AuthorizationCode::new(code))
            .set_pkce_verifier(PkceCodeVerifier::new(verifier))
            .request_async(&exchange)
            .await;
        let tokens = exchanged.map_err(|error| match error {
            oauth2::RequestTokenError::ServerResponse(said) => {
                tracing::warn!(error = %said.error(), "the provider of sign-in refused a code");
                SignInError::Refused("the provider does not take the code")
            }
            error => unavailable(error),
        })?;
        let id_token = tokens.extra_fields().id_token.as_deref();
        let id_token = id_token.ok_or(SignInError::Refused("the provider gave no ID token"))?;
        let head = decode_header(id_token).map_err(|_| SignInError::Refused("the ID token is no JWT"))?;
        let mut claims = match self.tokens.verify(id_token, &head).await {
            Ok(vouched) => vouched.caller.claims,
            Err(crate::AuthError::Unavailable) => return Err(unavailable("its keys cannot be read")),
            Err(error) => {
                tracing::warn!(%error, "an ID token was refused");
                return Err(SignInError::Refused("the ID token is not good"));
            }
        };
        self.check(&claims, nonce)?;
        if let Some(address) = &self.userinfo {
            let more = get(address, Some(tokens.access_token().secret())).await.map_err(unavailable)?;
            let more: Map<String, Value> = serde_json::from_slice(&more).map_err(unavailable)?;
            // Core 1.0, section 5.3.2: of the same subject, or it is not to be used
            if more.get("sub") != claims.get("sub") {
                return Err(SignInError::Refused("the user info is of somebody else"));
            }
            for (name, value) in more {
                claims.entry(name).or_insert(value);
            }
        }
        Ok(self.tokens.caller(claims))
    }

    /// What an ID token has to say beyond what every token has to (Core 1.0, section 3.1.3.7).
    fn check(&self, claims: &Map<String, Value>, nonce: &str) -> Result<(), SignInError> {
        let text = |name: &str| claims.get(name).and_then(Value::as_str);
        if text("nonce") != Some(nonce) {
            return Err(SignInError::Refused("the ID token is of another sign-in"));
        }
        let several = claims.get("aud").and_then(Value::as_array).is_some_and(|list| list.len() > 1);
        if (several || claims.contains_key("azp")) && text("azp") != Some(&self.client_id) {
            return Err(SignInError::Refused("the ID token was made for another client"));
        }
        let subject = text("sub").is_some_and(|subject| !subject.is_empty() && subject.len() <= 255);
        subject.then_some(()).ok_or(SignInError::Refused("the ID token names nobody"))
    }

    /// Where a visitor is sent to sign out, to come back to `after`; none where the provider has no such page.
    pub fn sign_out(&self, after: &Url) -> Option<Url> {
        let mut location = self.end_session.clone()?;
        let parts = [("client_id", self.client_id.as_str()), ("post_logout_redirect_uri", after.as_str())];
        location.query_pairs_mut().extend_pairs(parts);
        Some(location)
    }
}
