//! About: turns what a product says of itself, and what its folder says, into the page on which that is changed.

use super::head::{Head, Outcome};
use crate::pages::asked::{Asking, PageError};
use crate::pages::frame::Frame;
use serde::Deserialize;
use serde_json::{Value, json};
use terrane_views::text::{count, encode, moment, words};
use terrane_views::{Moment, Status};

const QUERY: &str = "query About($id: ID!, $dataset: String) { about(product: $id, dataset: $dataset) {
  links { kind url description } ownLinks { kind url description } linksPut
  description { purpose usage limitations } ownDescription { purpose usage limitations } descriptionPut
  elements { dataset field title ownTitle description ownDescription isPut }
} }";

const HISTORY: &str = "query AboutHistory($id: ID!) { aboutHistory(product: $id, first: 50) {
  element dataset field links { url } words { purpose usage limitations } title description state putBy putAt
} }";

/// Empty rows for links that are added.
const NEW_LINKS: usize = 2;

/// The query string.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default)]
pub struct AboutParameters {
    /// The dataset whose words are shown.
    pub dataset: String,
    /// What its fields are searched for.
    pub q: String,
}

/// The page.
#[derive(askama::Template)]
#[template(path = "admin/about.html")]
pub struct AboutPage {
    frame: Frame,
    head: Head,
    links: Vec<LinkRow>,
    links_put: bool,
    own_links: Vec<String>,
    words: Vec<Text>,
    words_put: bool,
    datasets: Vec<Choice>,
    /// The dataset that is shown; empty: none.
    dataset: String,
    q: String,
    elements: Vec<Element>,
    elements_text: String,
    history: Option<Vec<Entry>>,
}

/// A link, as it can be changed.
struct LinkRow {
    number: usize,
    kind: String,
    url: String,
    description: String,
    new: bool,
}

/// A text of the product, as it can be changed.
struct Text {
    name: &'static str,
    label: &'static str,
    value: String,
    /// What the folder says, where that is something else.
    own: Option<String>,
}

struct Choice {
    name: String,
    href: String,
    current: bool,
}

/// A dataset or field, as it can be changed.
struct Element {
    /// For HTML ids.
    id: String,
    name: String,
    dataset: String,
    field: String,
    title: String,
    description: String,
    own_title: Option<String>,
    own_description: Option<String>,
    put: bool,
    open: bool,
}

struct Entry {
    what: String,
    said: String,
    status: Status,
    by: String,
    at: Option<Moment>,
}

#[derive(Deserialize)]
struct Answer {
    about: Said,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Said {
    links: Vec<SaidLink>,
    own_links: Vec<SaidLink>,
    links_put: bool,
    description: Words,
    own_description: Words,
    description_put: bool,
    elements: Vec<SaidElement>,
}

#[derive(Deserialize)]
struct SaidLink {
    kind: String,
    url: String,
    description: Option<String>,
}

#[derive(Deserialize)]
struct Words {
    purpose: Option<String>,
    usage: Option<String>,
    limitations: Option<String>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct SaidElement {
    dataset: String,
    field: Option<String>,
    title: Option<String>,
    own_title: Option<String>,
    description: Option<String>,
    own_description: Option<String>,
    is_put: bool,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Histories {
    about_history: Vec<Put>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Put {
    element: String,
    dataset: Option<String>,
    field: Option<String>,
    links: Option<Vec<Value>>,
    words: Option<Words>,
    title: Option<String>,
    description: Option<String>,
    state: String,
    put_by: Option<String>,
    put_at: String,
}

/// A form of the page, as it was filled in.
#[derive(Debug, Clone)]
pub enum AboutForm {
    /// All links; none: the folder's own.
    Links(Option<Vec<FilledLink>>),
    /// Purpose, usage, limitations.
    Description([String; 3]),
    /// Words of a dataset or field.
    Element {
        /// The dataset.
        dataset: String,
        /// The field; empty: the dataset.
        field: String,
        /// What was filled in.
        title: String,
        /// What was filled in.
        description: String,
    },
}

/// A link as it was filled in.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct FilledLink {
    /// What kind of document.
    pub kind: String,
    /// Address.
    pub url: String,
    /// What it is.
    pub description: String,
}

impl AboutForm {
    /// The mutation that does what it asks for, and its variables.
    ///
    /// # Errors
    /// [`PageError::Failed`].
    pub async fn change(&self, asking: &Asking, id: &str) -> Result<(&'static str, Value), PageError> {
        Ok(match self {
            Self::Links(links) => {
                let links = links.as_ref().map(|links| {
                    let link = |l: &FilledLink| json!({ "kind": l.kind, "url": l.url, "description": l.description });
                    links.iter().map(link).collect::<Vec<_>>()
                });
                let mutation = "mutation UpdateLinks($id: ID!, $links: [LinkInput!]) { updateLinks(product: $id, links: \
                                $links) { state } }";
                (mutation, json!({ "id": id, "links": links }))
            }
            Self::Description(texts) => {
                let own = said(asking, id, None).await?.map(|said| said.own_description);
                let own = own.map(|own| [own.purpose, own.usage, own.limitations]).unwrap_or_default();
                let [purpose, usage, limitations] = [0, 1, 2].map(|at| other(&texts[at], own[at].as_deref()));
                let mutation = "mutation UpdateDescription($id: ID!, $purpose: String, $usage: String, $limitations: \
                                String) { updateDescription(product: $id, purpose: $purpose, usage: $usage, limitations: \
                                $limitations) { state } }";
                (mutation, json!({ "id": id, "purpose": purpose, "usage": usage, "limitations": limitations }))
            }
            Self::Element { dataset, field, title, description } => {
                let field = Some(field.as_str()).filter(|field| !field.is_empty());
                let known = said(asking, id, Some(dataset)).await?.map(|said| said.elements).unwrap_or_default();
                let known = known.into_iter().find(|element| element.field.as_deref() == field);
                let (own_title, own_description) = known.map(|k| (k.own_title, k.own_description)).unwrap_or_default();
                let mutation = "mutation DescribeElement($id: ID!, $dataset: String!, $field: String, $title: String, \
                                $description: String) { describeElement(product: $id, dataset: $dataset, field: $field, \
                                title: $title, description: $description) { state } }";
                let (title, description) =
                    (other(title, own_title.as_deref()), other(description, own_description.as_deref()));
                let variables = json!({ "id": id, "dataset": dataset, "field": field, "title": title,
                                        "description": description });
                (mutation, variables)
            }
        })
    }
}

/// What was filled in, where that is something else than the folder's own words.
fn other<'t>(filled: &'t str, own: Option<&str>) -> Option<&'t str> {
    let plain = |text: &str| text.split_whitespace().collect::<Vec<_>>().join(" ");
    Some(filled).filter(|text| !text.is_empty() && own.is_none_or(|own| plain(own) != plain(text)))
}

async fn said(asking: &Asking, id: &str, dataset: Option<&str>) -> Result<Option<Said>, PageError> {
    let asked = asking.ask::<Answer>(QUERY, json!({ "id": id, "dataset": dataset })).await?;
    Ok(asked.data.map(|data| data.about))
}

impl AboutPage {
    /// The page of a product; none where the visitor may not change what it says. `filled` is the form that was refused.
    ///
    /// # Errors
    /// [`PageError::Failed`].
    pub async fn make(
        asking: &Asking,
        id: &str,
        parameters: &AboutParameters,
        (outcome, filled): (Outcome, Option<&AboutForm>),
    ) -> Result<Option<Self>, PageError> {
        let Some((frame, head)) = Head::of(asking, id, "about", outcome).await? else { return Ok(None) };
        let all = said(asking, id, None).await?;
        let all = all.ok_or_else(|| PageError::Failed("the product does not say what it says of itself".to_owned()))?;
        let names: Vec<String> = all.elements.iter().map(|element| element.dataset.clone()).collect();
        let dataset = names.iter().find(|name| **name == parameters.dataset).cloned().unwrap_or_default();
        let elements = match dataset.is_empty() {
            true => Vec::new(),
            false => said(asking, id, Some(&dataset)).await?.map(|said| said.elements).unwrap_or_default(),
        };
        let history = asking.ask::<Histories>(HISTORY, json!({ "id": id })).await?;
        let history = history.data.map(|data| data.about_history.into_iter().map(entry).collect());
        let choices = names.into_iter().map(|name| Choice {
            href: format!("{}/about?dataset={}#elements", head.base, encode(&name)),
            current: name == dataset,
            name,
        });
        let shown = elements.len();
        let elements: Vec<Element> = elements
            .into_iter()
            .filter(|element| found(element, &parameters.q))
            .map(|of| element(of, filled))
            .collect();
        let found = elements.len();
        Ok(Some(Self {
            datasets: choices.collect(),
            links: link_rows(&all.links, filled),
            links_put: all.links_put,
            own_links: all
                .own_links
                .into_iter()
                .map(|link| format!("{}: {}", words(&link.kind, ' '), link.url))
                .collect(),
            words: texts(all.description, &all.own_description, filled),
            words_put: all.description_put,
            dataset,
            q: parameters.q.clone(),
            elements_text: match found == shown {
                true => format!("The dataset and {}.", count(shown.saturating_sub(1) as i64, "field", "fields")),
                false => format!("{found} of {shown} have these words."),
            },
            elements,
            history,
            frame,
            head,
        }))
    }
}

/// Whether a field has what is searched for in its name or words; the dataset itself always has.
fn found(element: &SaidElement, q: &str) -> bool {
    let q = q.trim().to_lowercase();
    let Some(field) = &element.field else { return true };
    let texts = [Some(field), element.title.as_ref(), element.description.as_ref()];
    texts.into_iter().flatten().any(|text| text.to_lowercase().contains(&q))
}

fn link_rows(links: &[SaidLink], filled: Option<&AboutForm>) -> Vec<LinkRow> {
    let said = |link: &SaidLink| FilledLink {
        kind: link.kind.clone(),
        url: link.url.clone(),
        description: link.description.clone().unwrap_or_default(),
    };
    let mut shown: Vec<FilledLink> = match filled {
        Some(AboutForm::Links(Some(links))) => links.clone(),
        _ => links.iter().map(said).collect(),
    };
    let known = shown.len();
    shown.resize(known + NEW_LINKS, FilledLink::default());
    let row = |(at, link): (usize, FilledLink)| {
        let FilledLink { kind, url, description } = link;
        LinkRow { number: at + 1, kind, url, description, new: at >= known }
    };
    shown.into_iter().enumerate().map(row).collect()
}

fn texts(said: Words, own: &Words, filled: Option<&AboutForm>) -> Vec<Text> {
    let values = match filled {
        Some(AboutForm::Description(texts)) => texts.clone().map(Some),
        _ => [said.purpose, said.usage, said.limitations],
    };
    let own = [&own.purpose, &own.usage, &own.limitations];
    let named = [("purpose", "Purpose"), ("usage", "Usage"), ("limitations", "Limitations")];
    let mut texts = Vec::new();
    for (((name, label), value), own) in named.into_iter().zip(values).zip(own) {
        let value = value.unwrap_or_default();
        let own = other(own.as_deref().unwrap_or_default(), Some(&value)).map(str::to_owned);
        texts.push(Text { name, label, value, own });
    }
    texts
}

fn element(of: SaidElement, filled: Option<&AboutForm>) -> Element {
    let (dataset, field) = (of.dataset, of.field.unwrap_or_default());
    let (own_title, own_description) = (of.own_title.unwrap_or_default(), of.own_description.unwrap_or_default());
    let (mut title, mut description) = (of.title.unwrap_or_default(), of.description.unwrap_or_default());
    let mut open = field.is_empty();
    if let Some(AboutForm::Element { dataset: d, field: f, title: t, description: text }) = filled
        && (d, f) == (&dataset, &field)
    {
        (title, description, open) = (t.clone(), text.clone(), true);
    }
    let differs = |own: &str, said: &str| other(own, Some(said)).map(str::to_owned);
    Element {
        id: terrane_views::text::html_id(&format!("{dataset}-{field}")),
        name: if field.is_empty() { format!("Dataset {dataset}") } else { field.clone() },
        own_title: differs(&own_title, &title),
        own_description: differs(&own_description, &description),
        put: of.is_put,
        dataset,
        field,
        title,
        description,
        open,
    }
}

fn entry(put: Put) -> Entry {
    let what = match (put.element.as_str(), &put.dataset, &put.field) {
        ("links", ..) => "Links".to_owned(),
        ("description", ..) => "Description".to_owned(),
        (_, Some(dataset), Some(field)) => format!("Field {field} of {dataset}"),
        (_, Some(dataset), None) => format!("Dataset {dataset}"),
        _ => String::new(),
    };
    let texts = match put.words {
        Some(said) => vec![said.purpose, said.usage, said.limitations],
        None => vec![put.title, put.description],
    };
    let said = match put.links {
        Some(links) => count(links.len() as i64, "link", "links"),
        None => texts.into_iter().flatten().collect::<Vec<_>>().join(" · "),
    };
    let status = match put.state.as_str() {
        "holds" => Status::new("holds", "good"),
        "outdated" => Status::new("not any more: the folder was changed", "warn"),
        "folder" => Status::new("the folder's own", "muted"),
        _ => Status::new("replaced", "muted"),
    };
    let by = put.put_by.unwrap_or_else(|| "somebody without a name".to_owned());
    Entry { what, said, status, by, at: moment(&put.put_at) }
}

#[cfg(test)]
mod tests {
    use super::other;

    #[test]
    fn the_folders_own_words_are_not_put_in_place_of_themselves() {
        assert_eq!(other("Facts of\r\ncountries", Some("Facts of\ncountries")), None);
        assert_eq!(other("", Some("Facts")), None);
        assert_eq!(other("Other facts", Some("Facts")), Some("Other facts"));
        assert_eq!(other("Facts", None), Some("Facts"));
    }
}
