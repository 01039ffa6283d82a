//! The mesh: turns the products that a visitor may know about, and what they read of each other, into one picture.

use super::asked::{Asking, PageError};
use super::frame::Frame;
use serde::Deserialize;
use terrane_views::text::{count, encode};
use terrane_views::{Diagram, MeshProduct, MeshRead, draw_mesh, mesh};

const QUERY: &str = "query Mesh {
  products { id info { name domain datasets { name relationships { targetProduct targetDataset } } } }
  productReads { product dataset by }
}";

/// The page.
#[derive(askama::Template)]
#[template(path = "mesh.html")]
pub struct MeshPage {
    frame: Frame,
    text: String,
    diagram: Diagram,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Answer {
    products: Vec<Known>,
    product_reads: Vec<Read>,
}

#[derive(Deserialize)]
struct Known {
    id: String,
    info: Option<Info>,
}

#[derive(Deserialize)]
struct Info {
    name: String,
    domain: Option<String>,
    datasets: Vec<Dataset>,
}

#[derive(Deserialize)]
struct Dataset {
    name: String,
    relationships: Vec<Relationship>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Relationship {
    target_product: Option<String>,
    target_dataset: String,
}

#[derive(Deserialize)]
struct Read {
    product: String,
    dataset: String,
    by: String,
}

async fn ask(asking: &Asking) -> Result<(Vec<MeshProduct>, Vec<MeshRead>), PageError> {
    let answer: Answer = asking.ask(QUERY, serde_json::json!({})).await?.into_data()?;
    let mut reads: Vec<MeshRead> = answer
        .product_reads
        .into_iter()
        .map(|read| MeshRead { product: read.product, dataset: read.dataset, by: read.by, refers: false })
        .collect();
    let known: Vec<String> = answer.products.iter().map(|of| of.id.clone()).collect();
    for of in &answer.products {
        let datasets = of.info.iter().flat_map(|info| &info.datasets);
        for relationship in datasets.flat_map(|dataset| &dataset.relationships) {
            let Some(product) = relationship.target_product.clone().filter(|id| known.contains(id) && *id != of.id)
            else {
                continue;
            };
            let (dataset, by) = (relationship.target_dataset.clone(), of.id.clone());
            // whoever reads it also refers to it: once is enough
            if !reads.iter().any(|r| (&r.product, &r.dataset, &r.by) == (&product, &dataset, &by)) {
                reads.push(MeshRead { product, dataset, by, refers: true });
            }
        }
    }
    let product = |known: Known| {
        let Some(info) = known.info else {
            let (name, domain) = (known.id.clone(), "does not answer".to_owned());
            return MeshProduct { id: known.id, name, domain, datasets: Vec::new() };
        };
        let datasets = info.datasets.into_iter().map(|dataset| dataset.name).collect();
        MeshProduct { id: known.id, name: info.name, domain: info.domain.unwrap_or_default(), datasets }
    };
    Ok((answer.products.into_iter().map(product).collect(), reads))
}

impl MeshPage {
    /// The page as the visitor sees it.
    ///
    /// # Errors
    /// [`PageError::Failed`].
    pub async fn make(asking: &Asking) -> Result<Self, PageError> {
        let (products, reads) = ask(asking).await?;
        let mut frame = Frame::new(&asking.caller, "The mesh", "Which data products read which others");
        frame.section = "mesh";
        let text = format!(
            "{}. A line leads from a dataset to who reads it; in dashes, to who refers to it.",
            count(products.len() as i64, "data product", "data products"),
        );
        let page_of = |id: &str| Some(format!("/marketplace/{}", encode(id)));
        Ok(Self { frame, text, diagram: mesh(&products, &reads, &page_of, "/") })
    }
}

/// The picture for another tool: `mmd` or `dot`; none for another ending.
///
/// # Errors
/// [`PageError::Failed`].
pub async fn export_mesh(asking: &Asking, ending: &str) -> Result<Option<String>, PageError> {
    let (products, reads) = ask(asking).await?;
    Ok(draw_mesh(&products, &reads, ending))
}
