//! About: turns other words for what the product says of itself into words that hold, with their history.

use super::PortsContext;
use super::guard::{ADMIN, DISCOVER, OBSERVE, internal, refused, require, require_audited};
use super::product::{DescriptionInfo, LinkInfo};
use super::query::bounded;
use async_graphql::{Context, InputObject, Object, Result, SimpleObject};
use chrono::{DateTime, Utc};
use serde_json::json;
use terrane_manifest::{Description, Element, Link, Product, Said};
use terrane_store as store;

/// Links of a product at most.
const MOST_LINKS: usize = 50;
/// Characters of an address at most.
const LONGEST_URL: usize = 2_000;
/// Characters of a name at most: of a kind of link, or a title.
const LONGEST_NAME: usize = 200;
/// Characters of a description at most.
const LONGEST_TEXT: usize = 4_000;
/// What an address may begin with: others could be scripts.
const SCHEMES: [&str; 3] = ["https://", "http://", "mailto:"];

/// A link to a document.
#[derive(InputObject, Debug, Clone)]
pub struct LinkInput {
    /// `dataSharingAgreement`, `dataConsumptionAgreement`, `lineageDiagram`, `dataModelDiagram`, `dataDictionary`, ….
    kind: String,
    /// Address: `https:`, `http:` or `mailto:`.
    url: String,
    /// What it is.
    description: Option<String>,
}

/// What the product says of itself, and what its folder says.
#[derive(SimpleObject, Debug, Clone)]
pub struct About {
    /// Its links.
    pub links: Vec<LinkInfo>,
    /// Those of the folder.
    pub own_links: Vec<LinkInfo>,
    /// Whether the links were put in at run time.
    pub links_put: bool,
    /// Purpose, usage, limitations.
    pub description: DescriptionInfo,
    /// Those of the folder.
    pub own_description: DescriptionInfo,
    /// Whether some of them were put in at run time.
    pub description_put: bool,
    /// The output datasets, or the fields of the one that was asked for, with the dataset itself first.
    pub elements: Vec<AboutElement>,
}

/// What is said of a dataset or field.
#[derive(SimpleObject, Debug, Clone)]
pub struct AboutElement {
    /// The output dataset.
    pub dataset: String,
    /// The field, by its name in the contract; null: the dataset.
    pub field: Option<String>,
    /// Name for people.
    pub title: Option<String>,
    /// The contract's.
    pub own_title: Option<String>,
    /// What it holds.
    pub description: Option<String>,
    /// The contract's.
    pub own_description: Option<String>,
    /// Whether some of that was put in at run time.
    pub is_put: bool,
}

/// Words that were put in.
#[derive(SimpleObject, Debug, Clone)]
pub struct PutAbout {
    /// Place in the history of all.
    pub position: i64,
    /// `links`, `description`, `dataset` or `field`.
    pub element: &'static str,
    /// The dataset, of a dataset or field.
    pub dataset: Option<String>,
    /// The field.
    pub field: Option<String>,
    /// Links that were put in.
    pub links: Option<Vec<LinkInfo>>,
    /// Purpose, usage and limitations that were put in.
    pub words: Option<DescriptionInfo>,
    /// Title of a dataset or field that was put in.
    pub title: Option<String>,
    /// Its description.
    pub description: Option<String>,
    /// `holds`; `folder`: the folder's own was brought back; `replaced`: by what was put in later; `outdated`: the folder was
    /// changed since, and has the last word.
    pub state: &'static str,
    /// Who put it in.
    pub put_by: Option<String>,
    /// When.
    pub put_at: DateTime<Utc>,
}

/// Queries about what is said.
#[derive(Debug, Clone, Copy, Default)]
pub struct AboutQuery;

#[Object]
impl AboutQuery {
    /// What this product says of itself beside what its folder says: links, descriptions, and the words for its output datasets,
    /// or for the fields of `dataset`.
    async fn about(&self, ctx: &Context<'_>, dataset: Option<String>) -> Result<About> {
        let context = require(ctx, DISCOVER)?;
        let put = context.service.store().put_about().await.map_err(internal)?;
        let folder = context.service.product();
        if let Some(name) = dataset.as_deref().filter(|name| folder.outputs().all(|d| d.name != **name)) {
            return Err(no_dataset(folder, name));
        }
        Ok(about(folder, &put, dataset.as_deref()))
    }

    /// The words that were put in at run time, the newest first: those for `element` (`links`, `description`, `dataset`, `field`),
    /// or all.
    async fn about_history(
        &self,
        ctx: &Context<'_>,
        element: Option<String>,
        dataset: Option<String>,
        field: Option<String>,
        #[graphql(default = 50)] first: i32,
    ) -> Result<Vec<PutAbout>> {
        let context = require(ctx, OBSERVE)?;
        let element = element.map(|element| match (element.as_str(), dataset, field) {
            ("links", None, None) => Ok(Element::Links),
            ("description", None, None) => Ok(Element::Description),
            ("dataset", Some(dataset), None) => Ok(Element::Dataset(dataset)),
            ("field", Some(dataset), Some(field)) => Ok(Element::Field { dataset, field }),
            _ => Err(refused(
                "BAD_USER_INPUT",
                "`element` is links, description, dataset (name `dataset`), or field (name both)",
            )),
        });
        let store = context.service.store();
        let history = store.about_history(element.transpose()?.as_ref(), bounded(first)?).await.map_err(internal)?;
        let newest = store.put_about().await.map_err(internal)?;
        let folder = context.service.product();
        Ok(history.into_iter().map(|put| shown(folder, &newest, put)).collect())
    }
}

/// Mutations of what is said.
#[derive(Debug, Clone, Copy, Default)]
pub struct AboutMutation;

#[Object]
impl AboutMutation {
    /// Have the product say these links, all of them, in place of the folder's; null: the folder's own are back. It says them at
    /// once, in every process. The files of the folder stay as they are.
    async fn update_links(&self, ctx: &Context<'_>, links: Option<Vec<LinkInput>>) -> Result<PutAbout> {
        let detail = json!({ "links": links.as_ref().map(|links| links.iter().map(|l| &l.url).collect::<Vec<_>>()) });
        let context = require_audited(ctx, ADMIN, "updateLinks", Some(detail)).await?;
        let said = links.map(read_links).transpose()?.map(Said::Links);
        keep(context, &Element::Links, said).await
    }

    /// Have the product say another purpose, usage or limitations; null, or nothing but spaces: the folder's own.
    async fn update_description(
        &self,
        ctx: &Context<'_>,
        purpose: Option<String>,
        usage: Option<String>,
        limitations: Option<String>,
    ) -> Result<PutAbout> {
        let detail = json!({ "purpose": purpose, "usage": usage, "limitations": limitations });
        let context = require_audited(ctx, ADMIN, "updateDescription", Some(detail)).await?;
        let said = Description {
            purpose: text("purpose", purpose, LONGEST_TEXT)?,
            usage: text("usage", usage, LONGEST_TEXT)?,
            limitations: text("limitations", limitations, LONGEST_TEXT)?,
        };
        keep(context, &Element::Description, (said != Description::default()).then_some(Said::Description(said))).await
    }

    /// Have the product say another title or description of an output dataset, or of a field of it (by its name in the contract);
    /// null, or nothing but spaces: the contract's own.
    async fn describe_element(
        &self,
        ctx: &Context<'_>,
        dataset: String,
        field: Option<String>,
        title: Option<String>,
        description: Option<String>,
    ) -> Result<PutAbout> {
        let detail = json!({ "dataset": dataset, "field": field, "title": title, "description": description });
        let context = require_audited(ctx, ADMIN, "describeElement", Some(detail)).await?;
        let folder = context.service.product();
        let Some(known) = folder.outputs().find(|d| d.name == dataset) else {
            return Err(no_dataset(folder, &dataset));
        };
        if let Some(name) = field.as_deref().filter(|name| known.field(name).is_none()) {
            return Err(refused("BAD_USER_INPUT", format!("`{dataset}` has no field `{name}` by its contract")));
        }
        let title = text("title", title, LONGEST_NAME)?;
        let description = text("description", description, LONGEST_TEXT)?;
        let element = match field {
            Some(field) => Element::Field { dataset, field },
            None => Element::Dataset(dataset),
        };
        let is_said = title.is_some() || description.is_some();
        keep(context, &element, is_said.then_some(Said::Words { title, description })).await
    }
}

async fn keep(context: &PortsContext, element: &Element, said: Option<Said>) -> Result<PutAbout> {
    let (service, by) = (&context.service, context.caller.subject.as_deref());
    let kept = service.store().keep_about(service.product(), element, said.as_ref(), by).await.map_err(internal)?;
    let kept = kept.ok_or_else(|| refused("BAD_USER_INPUT", "the product has no such dataset or field"))?;
    Ok(shown(service.product(), std::slice::from_ref(&kept), kept.clone()))
}

fn no_dataset(product: &Product, name: &str) -> async_graphql::Error {
    let known: Vec<&str> = product.outputs().map(|d| d.name.as_str()).collect();
    refused("BAD_USER_INPUT", format!("there is no output dataset `{name}`; there are: {}", known.join(", ")))
}

/// What was typed, without space around it; none where nothing was.
fn text(name: &str, text: Option<String>, longest: usize) -> Result<Option<String>> {
    let Some(text) = text.map(|text| text.trim().replace("\r\n", "\n")).filter(|text| !text.is_empty()) else {
        return Ok(None);
    };
    if text.chars().count() > longest {
        return Err(refused("BAD_USER_INPUT", format!("`{name}` is longer than {longest} characters")));
    }
    if text.chars().any(|c| c.is_control() && c != '\n' && c != '\t') {
        return Err(refused("BAD_USER_INPUT", format!("`{name}` has control characters")));
    }
    Ok(Some(text))
}

fn read_links(links: Vec<LinkInput>) -> Result<Vec<Link>> {
    if links.len() > MOST_LINKS {
        return Err(refused(
            "BAD_USER_INPUT",
            format!("there are {} links; a product has {MOST_LINKS} at most", links.len()),
        ));
    }
    links.into_iter().map(read_link).collect()
}

fn read_link(link: LinkInput) -> Result<Link> {
    let named = |name: &str, given: Option<String>| {
        given
            .ok_or_else(|| refused("BAD_USER_INPUT", format!("a link has no {name}; write one, or leave the link out")))
    };
    let kind = named("kind", text("kind", Some(link.kind), LONGEST_NAME)?)?;
    let url = named("url", text("url", Some(link.url), LONGEST_URL)?)?;
    let lower = url.to_ascii_lowercase();
    let rest = SCHEMES.iter().find_map(|scheme| lower.strip_prefix(scheme));
    if rest.is_none_or(|rest| rest.is_empty() || rest.chars().any(char::is_whitespace)) {
        let message = format!("`{url}` is no address of a link: begin it with {}, without spaces", SCHEMES.join(", "));
        return Err(refused("BAD_USER_INPUT", message));
    }
    Ok(Link { kind, url, description: text("description", link.description, LONGEST_TEXT)? })
}

/// What is said with what was put in and holds, beside what the folder says.
fn about(folder: &Product, put: &[store::PutAbout], dataset: Option<&str>) -> About {
    let told = store::told(folder, put);
    let is_put = |element: &Element| {
        put.iter().any(|put| put.element == *element && put.said.is_some() && put.is_based_on(folder))
    };
    let mut wanted = Vec::new();
    for known in folder.outputs().filter(|d| dataset.is_none_or(|name| name == d.name)) {
        wanted.push(Element::Dataset(known.name.clone()));
        let fields = known.fields.iter().filter(|_| dataset.is_some());
        wanted.extend(fields.map(|f| Element::Field { dataset: known.name.clone(), field: f.name.clone() }));
    }
    let words = |product: &Product, element: &Element| match product.said_of(element) {
        Some(Said::Words { title, description }) => (title, description),
        _ => (None, None),
    };
    let elements = wanted.iter().map(|element| {
        let ((title, description), (own_title, own_description)) = (words(&told, element), words(folder, element));
        let (_, dataset, field) = named(element);
        let dataset = dataset.unwrap_or_default();
        AboutElement { dataset, field, title, own_title, description, own_description, is_put: is_put(element) }
    });
    About {
        links: told.links.iter().map(link).collect(),
        own_links: folder.links.iter().map(link).collect(),
        links_put: is_put(&Element::Links),
        description: described(&told.description),
        own_description: described(&folder.description),
        description_put: is_put(&Element::Description),
        elements: elements.collect(),
    }
}

fn shown(folder: &Product, newest: &[store::PutAbout], put: store::PutAbout) -> PutAbout {
    let replaced = newest.iter().any(|newest| newest.element == put.element && newest.position > put.position);
    let state = match &put.said {
        _ if replaced => "replaced",
        None => "folder",
        Some(_) if !put.is_based_on(folder) => "outdated",
        Some(_) => "holds",
    };
    let (element, dataset, field) = named(&put.element);
    let (mut links, mut words, mut titled) = (None, None, (None, None));
    match put.said {
        Some(Said::Links(said)) => links = Some(said.iter().map(link).collect()),
        Some(Said::Description(said)) => words = Some(described(&said)),
        Some(Said::Words { title, description }) => titled = (title, description),
        None => {}
    }
    let (title, description) = titled;
    let (position, put_by, put_at) = (put.position, put.put_by, put.put_at);
    PutAbout { position, element, dataset, field, links, words, title, description, state, put_by, put_at }
}

fn named(element: &Element) -> (&'static str, Option<String>, Option<String>) {
    match element {
        Element::Links => ("links", None, None),
        Element::Description => ("description", None, None),
        Element::Dataset(dataset) => ("dataset", Some(dataset.clone()), None),
        Element::Field { dataset, field } => ("field", Some(dataset.clone()), Some(field.clone())),
    }
}

fn link(link: &Link) -> LinkInfo {
    LinkInfo { kind: link.kind.clone(), url: link.url.clone(), description: link.description.clone() }
}

fn described(said: &Description) -> DescriptionInfo {
    DescriptionInfo { purpose: said.purpose.clone(), usage: said.usage.clone(), limitations: said.limitations.clone() }
}
