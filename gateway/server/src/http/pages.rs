//! Pages: turns requests of browsers into HTML, and what went wrong into a page that says so.

use super::assets;
use super::standards::{catalog_document, product_document, wants_document};
use crate::gateway::Gateway;
use crate::pages::{
    Asking, Filters, Frame, MarketplacePage, MeshPage, NotFoundPage, NoticePage, PageError, Shown, Visitor, export,
    export_mesh, show,
};
use askama::Template;
use axum::Router;
use axum::extract::{Path, Query, State};
use axum::http::{HeaderMap, StatusCode, Uri, header};
use axum::response::{Html, IntoResponse, Response};
use axum::routing::get;
use terrane_auth::Found;
use terrane_policy::Caller;

/// Sent with every page: nothing of other hosts, no script or style in the markup (Content Security Policy 3).
pub const CONTENT_SECURITY_POLICY: &str = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; \
                                           connect-src 'self'; form-action 'self'; base-uri 'none'; \
                                           frame-ancestors 'none'";

/// The pages' routes.
pub fn routes() -> Router<Gateway> {
    Router::new()
        .route("/", get(marketplace))
        .route("/marketplace/{id}", get(product))
        .route("/marketplace/{id}/{file}", get(diagram))
        .route("/mesh", get(mesh))
        .route("/mesh.mmd", get(mesh_text))
        .route("/mesh.dot", get(mesh_text))
        .route("/graphiql", get(explorer))
        .merge(assets::routes())
        .fallback(nothing)
}

/// `GET /`: the marketplace, or the catalog for machines, as `accept` says.
async fn marketplace(State(gateway): State<Gateway>, headers: HeaderMap, Query(filters): Query<Filters>) -> Response {
    if wants_document(&headers) {
        return catalog_document(&gateway, &headers).await;
    }
    let made = async {
        let asking = Asking::begin(&gateway, &headers).await?;
        MarketplacePage::make(&gateway, &asking, &filters).await
    };
    match made.await {
        Ok(made) => page(StatusCode::OK, &made),
        Err(error) => failed(&gateway, &error),
    }
}

/// `GET /marketplace/{id}`: a product's page, or its description for machines, as `accept` says.
async fn product(State(gateway): State<Gateway>, headers: HeaderMap, Path(id): Path<String>, uri: Uri) -> Response {
    if wants_document(&headers) {
        return product_document(&gateway, &headers, &id, uri.path()).await;
    }
    let asking = match Asking::begin(&gateway, &headers).await {
        Ok(asking) => asking,
        Err(PageError::NoCatalog) => return not_found(&Caller::anonymous(), uri.path()),
        Err(error) => return failed(&gateway, &error),
    };
    match show(&gateway, &asking, &headers, &id).await {
        Ok(Shown::Page(made)) => page(StatusCode::OK, &*made),
        Ok(Shown::Unavailable(problem)) => {
            let frame = Frame::new(&asking.caller, format!("{id} does not answer"), "");
            page(StatusCode::SERVICE_UNAVAILABLE, &NoticePage { frame, lines: vec![problem] })
        }
        Ok(Shown::Nothing) => not_found(&asking.caller, uri.path()),
        Err(error) => failed(&gateway, &error),
    }
}

async fn diagram(
    State(gateway): State<Gateway>,
    headers: HeaderMap,
    Path((id, file)): Path<(String, String)>,
    uri: Uri,
) -> Response {
    let asking = match Asking::begin(&gateway, &headers).await {
        Ok(asking) => asking,
        Err(PageError::NoCatalog) => return not_found(&Caller::anonymous(), uri.path()),
        Err(error) => return failed(&gateway, &error),
    };
    exported(&gateway, &asking, &uri, export(&asking, &id, &file).await)
}

/// A diagram as text, or that there is none.
fn exported(gateway: &Gateway, asking: &Asking, uri: &Uri, drawn: Result<Option<String>, PageError>) -> Response {
    match drawn {
        Ok(Some(text)) => {
            let plain = [
                (header::CONTENT_TYPE, "text/plain; charset=utf-8"),
                (header::CACHE_CONTROL, "private, no-cache"),
                (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
            ];
            (plain, text).into_response()
        }
        Ok(None) => not_found(&asking.caller, uri.path()),
        Err(error) => failed(gateway, &error),
    }
}

async fn mesh(State(gateway): State<Gateway>, headers: HeaderMap) -> Response {
    let made = async { MeshPage::make(&Asking::begin(&gateway, &headers).await?).await };
    match made.await {
        Ok(made) => page(StatusCode::OK, &made),
        Err(error) => failed(&gateway, &error),
    }
}

/// `GET /mesh.mmd` and `GET /mesh.dot`: the mesh for another tool.
async fn mesh_text(State(gateway): State<Gateway>, headers: HeaderMap, uri: Uri) -> Response {
    let asking = match Asking::begin(&gateway, &headers).await {
        Ok(asking) => asking,
        Err(error) => return failed(&gateway, &error),
    };
    let ending = uri.path().rsplit('.').next().unwrap_or_default();
    exported(&gateway, &asking, &uri, export_mesh(&asking, ending).await)
}

/// The explorer's page. Whoever has a session asks with it, for the browser sends its cookie.
async fn explorer(State(gateway): State<Gateway>, headers: HeaderMap, uri: Uri) -> Response {
    if !gateway.inner.settings.explorer {
        return not_found(&Caller::anonymous(), uri.path());
    }
    let visitor = match gateway.session(&headers) {
        Found::Visitor(visitor) => Visitor::of(&visitor.caller),
        Found::Nobody | Found::Ended => None,
    };
    let page = match visitor {
        Some(visitor) => {
            let name = askama::filters::escape(&visitor.name, askama::filters::Html).map(|name| name.to_string());
            let said = format!("<meta name=\"visitor\" content=\"{}\">", name.unwrap_or_default());
            assets::EXPLORER.replace("<meta name=\"visitor\" content=\"\">", &said)
        }
        None => assets::EXPLORER.to_owned(),
    };
    html(StatusCode::OK, page)
}

/// What nothing else answers: a page for browsers, a line for programs.
async fn nothing(headers: HeaderMap, uri: Uri) -> Response {
    let accept = headers.get(header::ACCEPT).and_then(|v| v.to_str().ok()).unwrap_or_default();
    if accept.contains("text/html") {
        return not_found(&Caller::anonymous(), uri.path());
    }
    let plain = [(header::CONTENT_TYPE, "text/plain; charset=utf-8"), (header::X_CONTENT_TYPE_OPTIONS, "nosniff")];
    (StatusCode::NOT_FOUND, plain, "there is nothing at this address\n").into_response()
}

pub(super) fn not_found(caller: &Caller, path: &str) -> Response {
    let frame = Frame::new(caller, "No such page", "There is nothing at this address");
    page(StatusCode::NOT_FOUND, &NotFoundPage { frame, path: path.to_owned() })
}

/// What is said where the catalog has no answer.
pub(super) fn failed(gateway: &Gateway, error: &PageError) -> Response {
    let problems = gateway.problems();
    let (status, title, mut lines) = match error {
        PageError::Unauthenticated(why) => (
            StatusCode::UNAUTHORIZED,
            "Your token is refused",
            vec![why.clone(), "Without one you see what anyone may see.".to_owned()],
        ),
        PageError::NoGraph => {
            (StatusCode::SERVICE_UNAVAILABLE, "There is no graph yet", vec!["The subgraphs do not compose.".to_owned()])
        }
        PageError::NoCatalog => (
            StatusCode::OK,
            "A GraphQL gateway",
            vec!["This gateway serves a graph without a catalog of data products.".to_owned()],
        ),
        PageError::Failed(why) => {
            tracing::error!(why, "a page of the catalog failed");
            (StatusCode::SERVICE_UNAVAILABLE, "The catalog does not answer", vec!["Try again in a moment.".to_owned()])
        }
    };
    if matches!(error, PageError::NoGraph) {
        lines.extend(problems.iter().map(|p| format!("{}: {}", p.code, p.message)));
    }
    let mut frame = Frame::new(&Caller::anonymous(), title, title);
    frame.explorer = gateway.inner.settings.explorer;
    let mut response = page(status, &NoticePage { frame, lines });
    if status == StatusCode::UNAUTHORIZED {
        response.headers_mut().insert(header::WWW_AUTHENTICATE, header::HeaderValue::from_static("Bearer"));
    }
    response
}

/// A page that only says something.
pub(super) fn notice(status: StatusCode, title: &str, lines: Vec<String>) -> Response {
    page(status, &NoticePage { frame: Frame::new(&Caller::anonymous(), title, title), lines })
}

pub(super) fn page(status: StatusCode, made: &impl Template) -> Response {
    match made.render() {
        Ok(text) => html(status, text),
        Err(error) => {
            tracing::error!(%error, "a page could not be written");
            (StatusCode::INTERNAL_SERVER_ERROR, "the page could not be written\n").into_response()
        }
    }
}

fn html(status: StatusCode, text: String) -> Response {
    let headers = [
        (header::CONTENT_SECURITY_POLICY, CONTENT_SECURITY_POLICY),
        (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
        (header::REFERRER_POLICY, "same-origin"),
        // what it says depends on who asks
        (header::CACHE_CONTROL, "private, no-cache"),
        (header::VARY, "authorization, accept, cookie"),
    ];
    (status, headers, Html(text)).into_response()
}
