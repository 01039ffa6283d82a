//! The way in: turns the products of the mesh into the list of those that the visitor may run.

use super::head::{Right, may};
use crate::pages::asked::{Asking, PageError};
use crate::pages::frame::Frame;
use serde::Deserialize;
use serde_json::json;
use terrane_views::text::encode;

const QUERY: &str = "{ products { id portRights { object action } info { name description { purpose } } } }";

/// Rights that make a product one that the visitor runs, with what each is in words.
const RUNNING: [(&str, &str, &str); 5] = [
    ("port:observability", "read", "see its runs"),
    ("port:control", "run", "run its pipeline"),
    ("port:control", "admin", "change it"),
    ("port:access", "admin", "grant access"),
    ("port:audit", "read", "read its audit log"),
];

/// The page.
#[derive(askama::Template)]
#[template(path = "admin/index.html")]
pub struct AdminPage {
    frame: Frame,
    signed_in: bool,
    products: Vec<Entry>,
}

struct Entry {
    name: String,
    href: String,
    purpose: String,
    /// `You may see its runs, run its pipeline.`
    rights: String,
}

#[derive(Deserialize)]
struct Answer {
    products: Vec<Product>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Product {
    id: String,
    #[serde(default)]
    port_rights: Option<Vec<Right>>,
    info: Option<Info>,
}

#[derive(Deserialize)]
struct Info {
    name: String,
    description: Description,
}

#[derive(Deserialize)]
struct Description {
    purpose: Option<String>,
}

impl AdminPage {
    /// The page as the visitor sees it.
    ///
    /// # Errors
    /// [`PageError::Failed`].
    pub async fn make(asking: &Asking) -> Result<Self, PageError> {
        let mut frame = Frame::new(&asking.caller, "Admin", "The products that you run");
        frame.section = "admin";
        let answer = asking.ask::<Answer>(QUERY, json!({})).await?.into_data()?;
        let products = answer.products.into_iter().filter_map(entry).collect();
        Ok(Self { frame, signed_in: asking.caller.subject.is_some(), products })
    }
}

fn entry(product: Product) -> Option<Entry> {
    let (rights, info) = (product.port_rights?, product.info?);
    let held = RUNNING.iter().filter(|(object, action, _)| may(&rights, object, action));
    let words: Vec<&str> = held.map(|(_, _, word)| *word).collect();
    (!words.is_empty()).then(|| Entry {
        name: info.name,
        href: format!("/admin/{}", encode(&product.id)),
        purpose: info.description.purpose.unwrap_or_default(),
        rights: format!("You may {}.", words.join(", ")),
    })
}
