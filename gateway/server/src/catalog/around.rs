//! Around: turns what products read of each other into who reads whom, and a product into those that it is connected with.
//!
//! Who reads whom is asked of every product, by a question that has a short answer; more is asked only of those that it leads to.

use super::client::{self, ClientError, READ_LIMIT, ask, schema};
use super::description::{InputPortInfo, LineageColumn};
use super::schema::{Products, caller, refused};
use crate::subgraph::SubgraphSource;
use async_graphql::dataloader::{DataLoader, Loader};
use async_graphql::{Context, ID, Object, Result, SimpleObject};
use cynic::{QueryBuilder as _, QueryFragment};
use futures_util::future::join_all;
use http::HeaderValue;
use std::collections::{BTreeSet, HashMap};
use std::convert::Infallible;

/// That a product reads a dataset of another one.
#[derive(SimpleObject, Debug, Clone)]
pub struct ProductRead {
    /// The product that is read.
    pub product: ID,
    /// Its dataset.
    pub dataset: String,
    /// The product that reads it.
    pub by: ID,
}

/// A product that another one is connected with, and where its columns come from.
#[derive(SimpleObject, Debug, Clone)]
pub struct ProductAround {
    /// Its id.
    pub id: String,
    /// Name for people.
    pub name: String,
    /// Where its data comes from.
    pub input_ports: Vec<InputPortInfo>,
    /// Columns of its models, and what the SQL makes them from.
    pub columns: Vec<LineageColumn>,
}

#[derive(Debug, QueryFragment)]
#[cynic(graphql_type = "ProductInfo", schema = "product")]
struct ColumnsInfo {
    id: String,
    name: String,
    input_ports: Vec<InputPortInfo>,
    lineage: ColumnsLineage,
}

#[derive(Debug, QueryFragment)]
#[cynic(graphql_type = "LineageInfo", schema = "product")]
struct ColumnsLineage {
    columns: Vec<LineageColumn>,
}

#[derive(Debug, QueryFragment)]
#[cynic(graphql_type = "Query", schema = "product")]
struct ReadColumns {
    product: ColumnsInfo,
}

async fn columns(source: &SubgraphSource, caller: Option<&HeaderValue>) -> Result<ProductAround, ClientError> {
    let data: ReadColumns = ask(source, caller, &ReadColumns::build(()), READ_LIMIT).await?;
    let ColumnsInfo { id, name, input_ports, lineage } = data.product;
    Ok(ProductAround { id, name, input_ports, columns: lineage.columns })
}

/// Asks each product for its input ports once per request, however many fields want them.
pub struct PortsLoader {
    /// The products.
    pub products: Products,
    /// As whom they are asked.
    pub authorization: Option<HeaderValue>,
}

impl Loader<String> for PortsLoader {
    /// One that does not answer says why, and the others still count.
    type Value = Result<Vec<InputPortInfo>, ClientError>;
    type Error = Infallible;

    async fn load(&self, ids: &[String]) -> Result<HashMap<String, Self::Value>, Infallible> {
        let wanted = self.products.iter().filter(|p| ids.contains(&p.name));
        let asked =
            wanted.map(|p| async { (p.name.clone(), client::input_ports(p, self.authorization.as_ref()).await) });
        Ok(join_all(asked).await.into_iter().collect())
    }
}

/// Which products read which datasets of others, of those that the caller may know about. One that does not answer is one of them.
async fn reads(ctx: &Context<'_>) -> Result<Vec<ProductRead>> {
    let products = ctx.data::<Products>()?;
    let loader = ctx.data::<DataLoader<PortsLoader>>()?;
    let told = match loader.load_many(products.iter().map(|p| p.name.clone())).await {
        Ok(told) => told,
        Err(never) => match never {},
    };
    let known =
        |name: &str| told.get(name).is_some_and(|told| !told.as_ref().is_err_and(|error| error.code == "FORBIDDEN"));
    let mut reads = Vec::new();
    for by in products.iter().map(|p| &p.name) {
        let Some(Ok(ports)) = told.get(by) else { continue };
        let ports = ports.iter().filter(|port| port.connector == "product");
        for source in ports.filter_map(|port| port.source.as_deref()) {
            let Some((product, dataset)) = source.split_once('.') else { continue };
            if known(product) {
                reads.push(ProductRead { product: product.into(), dataset: dataset.to_owned(), by: by.into() });
            }
        }
    }
    Ok(reads)
}

/// The products that `product` reads, over others, and those that read it; without itself.
fn connected<'r>(product: &str, reads: &'r [ProductRead]) -> BTreeSet<&'r str> {
    let mut found = BTreeSet::new();
    for backwards in [true, false] {
        let (mut waiting, mut seen) = (vec![product], BTreeSet::new());
        while let Some(from) = waiting.pop() {
            for read in reads {
                let (near, far) = if backwards { (&read.by, &read.product) } else { (&read.product, &read.by) };
                if near.as_str() == from && seen.insert(far.as_str()) {
                    waiting.push(far.as_str());
                }
            }
        }
        found.extend(seen);
    }
    found.remove(product);
    found
}

/// Queries about who reads whom.
#[derive(Debug, Default)]
pub struct AroundQuery;

#[Object]
impl AroundQuery {
    /// Which products read which datasets of others, of those that you may know about.
    async fn product_reads(&self, ctx: &Context<'_>) -> Result<Vec<ProductRead>> {
        reads(ctx).await
    }

    /// The products that a product reads, over others, and those that read it, as far as you may know about them and they answer:
    /// what is needed to follow columns from one to the next.
    async fn products_around(&self, ctx: &Context<'_>, product: ID) -> Result<Vec<ProductAround>> {
        let products = ctx.data::<Products>()?;
        if products.iter().all(|known| known.name != *product) {
            let message = format!("there is no product `{}`", *product);
            return Err(refused(ClientError { code: "UNKNOWN_PRODUCT".to_owned(), message }));
        }
        let reads = reads(ctx).await?;
        let connected = connected(&product, &reads);
        let asked = products.iter().filter(|p| connected.contains(p.name.as_str())).map(|p| columns(p, caller(ctx)));
        Ok(join_all(asked).await.into_iter().flatten().collect())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_product_is_connected_with_what_it_reads_and_who_reads_it() {
        let read =
            |product: &str, by: &str| ProductRead { product: product.into(), dataset: "d".to_owned(), by: by.into() };
        let reads = [read("a", "b"), read("b", "c"), read("c", "d"), read("a", "x"), read("c", "b"), read("y", "z")];
        assert_eq!(connected("c", &reads), BTreeSet::from(["a", "b", "d"]));
        assert_eq!(connected("x", &reads), BTreeSet::from(["a"]));
        assert_eq!(connected("q", &reads), BTreeSet::new());
    }
}
