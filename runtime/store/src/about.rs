//! About: turns other words for what a product says of itself into records with their history, and a product into what it says
//! with those that hold.

use crate::{Store, StoreError, search};
use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};
use sqlx::types::Json;
use sqlx::{FromRow, PgConnection};
use terrane_manifest::{Description, Element, Link, Product, Said};

/// Words as they were put in.
#[derive(Debug, Clone, PartialEq)]
pub struct PutAbout {
    /// Place in the history of all.
    pub position: i64,
    /// What they are about.
    pub element: Element,
    /// The words; none gives way to the folder's own.
    pub said: Option<Said>,
    /// Hash of what the folder says, which they were put in place of.
    pub base: String,
    /// Who put them in.
    pub put_by: Option<String>,
    /// When.
    pub put_at: DateTime<Utc>,
}

impl PutAbout {
    /// Whether the folder still says what these words were put in place of. A folder that was changed since has the last word,
    /// and so has one that says nothing of the element any more.
    pub fn is_based_on(&self, folder: &Product) -> bool {
        base(folder, &self.element).is_some_and(|base| base == self.base)
    }
}

/// `folder` with the words of `put` that are based on it, each element's newest among them once.
pub fn told(folder: &Product, put: &[PutAbout]) -> Product {
    let holding = put.iter().filter(|put| put.is_based_on(folder));
    let said = holding.filter_map(|put| Some((&put.element, put.said.as_ref()?)));
    said.fold(folder.clone(), |product, (element, said)| product.saying(element, said))
}

/// A hash of what the folder says of an element; none where there is none.
fn base(folder: &Product, element: &Element) -> Option<String> {
    let said = Value::from(&folder.said_of(element)?);
    let text = serde_json::to_vec(&said).expect("texts are JSON");
    Some(Sha256::digest(text).iter().map(|byte| format!("{byte:02x}")).collect())
}

/// [`Said`] as it is kept.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
enum Value {
    Links(Vec<KeptLink>),
    Description { purpose: Option<String>, usage: Option<String>, limitations: Option<String> },
    Words { title: Option<String>, description: Option<String> },
}

#[derive(Debug, Clone, Serialize, Deserialize)]
struct KeptLink {
    kind: String,
    url: String,
    description: Option<String>,
}

impl From<&Said> for Value {
    fn from(said: &Said) -> Self {
        match said.clone() {
            Said::Links(links) => Self::Links(
                links.into_iter().map(|Link { kind, url, description }| KeptLink { kind, url, description }).collect(),
            ),
            Said::Description(Description { purpose, usage, limitations }) => {
                Self::Description { purpose, usage, limitations }
            }
            Said::Words { title, description } => Self::Words { title, description },
        }
    }
}

impl From<Value> for Said {
    fn from(value: Value) -> Self {
        match value {
            Value::Links(links) => Self::Links(
                links.into_iter().map(|KeptLink { kind, url, description }| Link { kind, url, description }).collect(),
            ),
            Value::Description { purpose, usage, limitations } => {
                Self::Description(Description { purpose, usage, limitations })
            }
            Value::Words { title, description } => Self::Words { title, description },
        }
    }
}

#[derive(Debug, FromRow)]
struct Row {
    position: i64,
    element: String,
    dataset: Option<String>,
    field: Option<String>,
    value: Option<Json<Value>>,
    base: String,
    put_by: Option<String>,
    put_at: DateTime<Utc>,
}

impl From<Row> for PutAbout {
    fn from(row: Row) -> Self {
        let Row { position, element, dataset, field, value, base, put_by, put_at } = row;
        let element = match (element.as_str(), dataset, field) {
            ("links", ..) => Element::Links,
            (_, Some(dataset), Some(field)) => Element::Field { dataset, field },
            (_, Some(dataset), None) => Element::Dataset(dataset),
            _ => Element::Description,
        };
        Self { position, element, said: value.map(|Json(value)| value.into()), base, put_by, put_at }
    }
}

/// The columns that say which element a record is about.
fn place(element: &Element) -> (&'static str, Option<&str>, Option<&str>) {
    match element {
        Element::Links => ("links", None, None),
        Element::Description => ("description", None, None),
        Element::Dataset(dataset) => ("dataset", Some(dataset.as_str()), None),
        Element::Field { dataset, field } => ("field", Some(dataset.as_str()), Some(field.as_str())),
    }
}

/// The newest words of each element.
pub(crate) async fn newest(connection: &mut PgConnection) -> Result<Vec<PutAbout>, StoreError> {
    let rows: Vec<Row> = sqlx::query_as(
        "SELECT DISTINCT ON (element, dataset, field) * FROM control.put_about ORDER BY element, dataset, field, position DESC",
    )
    .fetch_all(connection)
    .await
    .map_err(StoreError::on("read what was said of the product"))?;
    Ok(rows.into_iter().map(PutAbout::from).collect())
}

impl Store {
    /// The newest words of each element.
    ///
    /// # Errors
    /// [`StoreError::Database`], as of all below.
    pub async fn put_about(&self) -> Result<Vec<PutAbout>, StoreError> {
        let what = "read what was said of the product";
        newest(&mut *self.control().acquire().await.map_err(StoreError::on(what))?).await
    }

    /// The words that were put in, the newest first: of one element, or of all.
    pub async fn about_history(&self, element: Option<&Element>, limit: i64) -> Result<Vec<PutAbout>, StoreError> {
        let (kind, dataset, field) = element.map_or((None, None, None), |element| {
            let (kind, dataset, field) = place(element);
            (Some(kind), dataset, field)
        });
        let rows: Vec<Row> = sqlx::query_as(
            "SELECT * FROM control.put_about WHERE $1::text IS NULL OR (element = $1 AND dataset IS NOT DISTINCT FROM $2 \
             AND field IS NOT DISTINCT FROM $3) ORDER BY position DESC LIMIT $4",
        )
        .bind(kind)
        .bind(dataset)
        .bind(field)
        .bind(limit)
        .fetch_all(self.control())
        .await
        .map_err(StoreError::on("read the history of what was said of the product"))?;
        Ok(rows.into_iter().map(PutAbout::from).collect())
    }

    /// Keep words of an element of the product whose folder is `folder`, and what a search finds of it, at once; none bring
    /// back the folder's own. Nothing is kept where there is no such element.
    pub async fn keep_about(
        &self,
        folder: &Product,
        element: &Element,
        said: Option<&Said>,
        by: Option<&str>,
    ) -> Result<Option<PutAbout>, StoreError> {
        let what = "keep what is said of the product";
        let Some(base) = base(folder, element) else { return Ok(None) };
        let (kind, dataset, field) = place(element);
        let mut transaction = self.owner().begin().await.map_err(StoreError::on(what))?;
        let row: Row = sqlx::query_as(
            "INSERT INTO control.put_about (element, dataset, field, value, base, put_by) VALUES ($1, $2, $3, $4, $5, $6) \
             RETURNING *",
        )
        .bind(kind)
        .bind(dataset)
        .bind(field)
        .bind(said.map(|said| Json(Value::from(said))))
        .bind(base)
        .bind(by)
        .fetch_one(&mut *transaction)
        .await
        .map_err(StoreError::on(what))?;
        search::put(&mut transaction, folder).await?;
        transaction.commit().await.map_err(StoreError::on(what))?;
        Ok(Some(row.into()))
    }
}
