//! Heads: turns a product and what its visitor may do with it into what is on top of every page about running it.

use crate::pages::asked::{Asking, PageError};
use crate::pages::frame::Frame;
use serde::Deserialize;
use serde_json::json;
use terrane_views::text::encode;

const QUERY: &str = "query Head($id: ID!) {
  product(id: $id) { available problem portRights { object action } info { name } }
}";

/// The pages about a product: label, last segment of the address, and the right that opens it.
const PAGES: [(&str, &str, &str, &str); 9] = [
    ("Overview", "", "port:observability", "read"),
    ("Sources", "sources", "port:observability", "read"),
    ("Runs", "runs", "port:observability", "read"),
    ("Versions", "versions", "port:observability", "read"),
    ("Schedules", "schedules", "port:observability", "read"),
    ("Models", "models", "port:observability", "read"),
    ("Quality", "quality", "port:observability", "read"),
    ("Policy", "policy", "port:control", "admin"),
    ("About", "about", "port:control", "admin"),
];

/// What became of the form that led here.
#[derive(Debug, Default, Clone)]
pub struct Outcome {
    /// What was done.
    pub done: Option<String>,
    /// Why it was not.
    pub refused: Option<String>,
}

impl Outcome {
    /// That it was not done.
    pub fn refused(why: &str) -> Self {
        Self { done: None, refused: Some(why.to_owned()) }
    }
}

/// The top of a page about running a product.
#[derive(Debug)]
pub struct Head {
    /// The product.
    pub product: String,
    /// Its name for people.
    pub name: String,
    /// Its page on the marketplace.
    pub product_href: String,
    /// `/admin/PRODUCT`: what the addresses of its pages and forms begin with.
    pub base: String,
    /// The pages that the visitor may open.
    pub tabs: Vec<Tab>,
    /// What became of the form that led here.
    pub outcome: Outcome,
    rights: Vec<Right>,
}

/// A page about a product.
#[derive(Debug)]
pub struct Tab {
    /// Its name.
    pub label: &'static str,
    /// Where it is.
    pub href: String,
    /// Whether it is the one that is shown.
    pub current: bool,
}

/// Something that the visitor may do.
#[derive(Debug, Deserialize)]
pub(super) struct Right {
    pub object: String,
    pub action: String,
}

#[derive(Deserialize)]
struct Answer {
    product: Option<Product>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Product {
    #[serde(default)]
    port_rights: Vec<Right>,
    info: Option<Info>,
}

#[derive(Deserialize)]
struct Info {
    name: String,
}

impl Head {
    /// The head of the page `segment` of a product; none where there is no such product, it does not answer, or the visitor
    /// may do nothing that the page is for.
    ///
    /// # Errors
    /// [`PageError::Failed`].
    pub async fn of(
        asking: &Asking,
        id: &str,
        segment: &str,
        outcome: Outcome,
    ) -> Result<Option<(Frame, Self)>, PageError> {
        let answer = asking.ask::<Answer>(QUERY, json!({ "id": id })).await?;
        let Some(Product { port_rights, info: Some(info) }) = answer.data.and_then(|data| data.product) else {
            return Ok(None);
        };
        let base = format!("/admin/{}", encode(id));
        let tab = |(label, last, _, _): &(&'static str, &str, &str, &str)| Tab {
            label,
            href: if last.is_empty() { base.clone() } else { format!("{base}/{last}") },
            current: *last == segment,
        };
        let open = PAGES.iter().filter(|(_, _, object, action)| may(&port_rights, object, action));
        let tabs: Vec<Tab> = open.map(tab).collect();
        let Some(shown) = tabs.iter().find(|tab| tab.current) else { return Ok(None) };
        let mut frame = Frame::new(&asking.caller, format!("{}: {}", info.name, shown.label), "Running a data product");
        frame.section = "admin";
        let product_href = format!("/marketplace/{}", encode(id));
        let head =
            Self { product: id.to_owned(), name: info.name, product_href, base, tabs, outcome, rights: port_rights };
        Ok(Some((frame, head)))
    }

    /// Whether the visitor may start and cancel runs.
    pub fn may_run(&self) -> bool {
        self.may("port:control", "run")
    }

    /// Whether the visitor may change what the product makes.
    pub fn may_change(&self) -> bool {
        self.may("port:control", "admin")
    }

    /// Whether the visitor may do `action` with `object` of this product.
    pub fn may(&self, object: &str, action: &str) -> bool {
        may(&self.rights, object, action)
    }
}

/// Whether `rights` has one of them.
pub(super) fn may(rights: &[Right], object: &str, action: &str) -> bool {
    rights.iter().any(|right| right.object == object && right.action == action)
}
