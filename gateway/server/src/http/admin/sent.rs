//! What is sent: turns a request for a page, or a form, into its visitor, and what came of a form into an answer.

use super::{Taken, shown, take};
use crate::gateway::Gateway;
use crate::http::forms::status;
use crate::http::pages::{failed, notice};
use crate::pages::admin::Outcome;
use crate::pages::{Asking, PageError};
use askama::Template;
use axum::body::Bytes;
use axum::extract::{FromRequest, FromRequestParts, Request};
use axum::http::request::Parts;
use axum::http::{StatusCode, Uri};
use axum::response::{IntoResponse as _, Response};
use serde_json::Value;

/// A visitor who opens a page.
pub struct Visit {
    /// As whom its questions are asked.
    pub asking: Asking,
    gateway: Gateway,
    uri: Uri,
}

impl FromRequestParts<Gateway> for Visit {
    type Rejection = Response;

    async fn from_request_parts(parts: &mut Parts, gateway: &Gateway) -> Result<Self, Response> {
        let asking = Asking::begin(gateway, &parts.headers).await.map_err(|error| failed(gateway, &error))?;
        Ok(Self { asking, gateway: gateway.clone(), uri: parts.uri.clone() })
    }
}

impl Visit {
    /// The page, or that there is none for this visitor.
    pub fn answer<T: Template>(&self, made: Result<Option<T>, PageError>) -> Response {
        shown(&self.gateway, &self.asking, &self.uri, StatusCode::OK, made)
    }
}

/// A form that somebody sent.
pub struct Form {
    gateway: Gateway,
    parts: Parts,
    body: Bytes,
}

impl FromRequest<Gateway> for Form {
    type Rejection = Response;

    async fn from_request(request: Request, gateway: &Gateway) -> Result<Self, Response> {
        let (parts, body) = request.into_parts();
        let request = Request::from_parts(parts.clone(), body);
        let body = Bytes::from_request(request, gateway).await.map_err(|refusal| refusal.into_response())?;
        Ok(Self { gateway: gateway.clone(), parts, body })
    }
}

impl Form {
    /// Take it.
    ///
    /// # Errors
    /// The refusal.
    pub async fn take(&self) -> Result<Taken<'_>, Box<Response>> {
        take(&self.gateway, &self.parts.headers, &self.parts.extensions, &self.body).await
    }

    /// Change something, as who sent the form: `done` makes the answer of what came of it, `again` the page that says why
    /// nothing did.
    pub async fn change<T: Template, F: Future<Output = Result<Option<T>, PageError>>>(
        &self,
        taken: &Taken<'_>,
        (mutation, variables): (&str, Value),
        done: impl FnOnce(&Value) -> Response,
        again: impl FnOnce(Outcome) -> F,
    ) -> Response {
        let asked = match taken.asking.change::<Value>(mutation, variables).await {
            Ok(asked) => asked,
            Err(error) => return failed(&self.gateway, &error),
        };
        match (asked.data, asked.error) {
            (Some(data), None) => done(&data),
            (_, error) => {
                let (code, why) = error.unwrap_or_default();
                self.refused(taken, (&code, why), again).await
            }
        }
    }

    /// The page again, with why nothing was done; a notice where the visitor may not see the page.
    pub async fn refused<T: Template, F: Future<Output = Result<Option<T>, PageError>>>(
        &self,
        taken: &Taken<'_>,
        (code, why): (&str, String),
        again: impl FnOnce(Outcome) -> F,
    ) -> Response {
        match again(Outcome::refused(&why)).await {
            Ok(None) => notice(status(code), "Not taken", vec![why]),
            made => self.answer(taken, status(code), made),
        }
    }

    /// A page that a form led to.
    pub fn answer<T: Template>(
        &self,
        taken: &Taken<'_>,
        status: StatusCode,
        made: Result<Option<T>, PageError>,
    ) -> Response {
        shown(&self.gateway, &taken.asking, &self.parts.uri, status, made)
    }
}
