//! About: turns the forms about what a product says of itself into mutations, and their outcome into pages.

use super::sent::{Form, Visit};
use super::{Parameters, Taken};
use crate::gateway::Gateway;
use crate::pages::admin::{AboutForm, AboutPage, AboutParameters, FilledLink};
use axum::Router;
use axum::extract::{Path, Query};
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use serde_json::Value;
use terrane_views::text::encode;

/// The page's routes.
pub fn routes() -> Router<Gateway> {
    Router::new().route("/admin/{product}/about", get(page)).route("/admin/{product}/about/{form}", post(change))
}

async fn page(
    visit: Visit,
    Path(id): Path<String>,
    Query(done): Query<Parameters>,
    Query(parameters): Query<AboutParameters>,
) -> Response {
    visit.answer(AboutPage::make(&visit.asking, &id, &parameters, (done.outcome(), None)).await)
}

/// What one of the page's forms (`links`, `description`, `element`) asks for.
async fn change(Path((id, form_name)): Path<(String, String)>, form: Form) -> Response {
    let taken = match form.take().await {
        Ok(taken) => taken,
        Err(refusal) => return *refusal,
    };
    let Some(filled) = read(&form_name, &taken) else {
        return form.answer(&taken, StatusCode::OK, Ok(None::<AboutPage>));
    };
    let (dataset, place) = match &filled {
        AboutForm::Links(_) => (String::new(), "links"),
        AboutForm::Description(_) => (String::new(), "description"),
        AboutForm::Element { dataset, .. } => (dataset.clone(), "elements"),
    };
    let change = match filled.change(&taken.asking, &id).await {
        Ok(change) => change,
        Err(error) => return form.answer(&taken, StatusCode::OK, Err::<Option<AboutPage>, _>(error)),
    };
    let saved = |_: &Value| {
        let page = format!("/admin/{}/about?done=said&dataset={}#{place}", encode(&id), encode(&dataset));
        (StatusCode::SEE_OTHER, [(header::LOCATION, page)]).into_response()
    };
    let parameters = AboutParameters { dataset: dataset.clone(), ..AboutParameters::default() };
    let again = |outcome| AboutPage::make(&taken.asking, &id, &parameters, (outcome, Some(&filled)));
    form.change(&taken, change, saved, again).await
}

/// What was filled in; none where there is no such form.
fn read(form: &str, taken: &Taken<'_>) -> Option<AboutForm> {
    let own = !taken.text("own").is_empty();
    let text = |name: &str| if own { String::new() } else { taken.text(name).to_owned() };
    Some(match form {
        "links" => AboutForm::Links((!own).then(|| links(&taken.pairs))),
        "description" => AboutForm::Description(["purpose", "usage", "limitations"].map(text)),
        "element" => AboutForm::Element {
            dataset: taken.text("dataset").to_owned(),
            field: taken.text("field").to_owned(),
            title: text("title"),
            description: text("description"),
        },
        _ => return None,
    })
}

/// The links of a form: each is the fields that follow each other, from its kind on. Those that are to be removed, and those in
/// which nothing is filled in, are left out.
fn links(pairs: &[(String, String)]) -> Vec<FilledLink> {
    let removed: Vec<&str> =
        pairs.iter().filter(|(name, _)| name == "remove").map(|(_, number)| number.as_str()).collect();
    let mut links: Vec<FilledLink> = Vec::new();
    for (name, value) in pairs {
        let value = value.trim().to_owned();
        if name == "kind" {
            links.push(FilledLink { kind: value, ..FilledLink::default() });
        } else if let Some(link) = links.last_mut() {
            match name.as_str() {
                "url" => link.url = value,
                "description" => link.description = value,
                _ => {}
            }
        }
    }
    let numbered = (1..).map(|number: usize| number.to_string()).zip(links);
    let kept = numbered.filter(|(number, link)| !removed.contains(&number.as_str()) && *link != FilledLink::default());
    kept.map(|(_, link)| link).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn links_are_read_row_by_row() {
        let body = "kind=a&url=https%3A%2F%2Fa&description=&remove=1&kind=b&url=+https%3A%2F%2Fb+&description=B&kind=&url=&description=";
        let pairs: Vec<_> = url::form_urlencoded::parse(body.as_bytes()).into_owned().collect();
        let kept = FilledLink { kind: "b".to_owned(), url: "https://b".to_owned(), description: "B".to_owned() };
        assert_eq!(links(&pairs), [kept]);
    }
}
