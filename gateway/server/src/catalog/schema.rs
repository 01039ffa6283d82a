//! The catalog's schema: `products`, `product(id)` and the control mutations with a product argument.

use super::access::{
    AccessGrant, AccessRequest, AccessRole, Asked, GrantVariables, GrantsVariables, RequestVariables, RequestsVariables,
};
use super::around::{AroundQuery, PortsLoader};
use super::audit::{AuditEntry, AuditLogFilter, AuditVerification, Usage};
use super::brief::{Detail, describe_briefly};
use super::client::{self, ClientError};
use super::control::{
    AboutMutation, AboutQuery, ModelsMutation, ModelsQuery, PolicyMutation, PolicyQuery, PortRight, QualityMutation,
    QualityQuery, SchedulesMutation, SchedulesQuery, SourcesMutation, SourcesQuery, VersionsMutation, VersionsQuery,
};
use super::description::ProductInfo;
use super::find::{ProductFilter, freshness, ranked};
use super::runs::Run;
use super::said::{self, ContractRevision, MetadataMatch, QualityPoint};
use crate::subgraph::{EventSource, SubgraphSource};
use async_graphql::dataloader::{DataLoader, Loader};
use async_graphql::{
    ComplexObject, Context, EmptySubscription, Error, ErrorExtensions as _, ID, MergedObject, Object, Result,
    SDLExportOptions, Schema, SimpleObject,
};
use bytes::Bytes;
use chrono::Utc;
use futures_util::future::join_all;
use http::{HeaderValue, Request, Response, header};
use std::collections::HashMap;
use std::convert::Infallible;
use std::sync::Arc;
use terrane_execute::{Transport, TransportError};

/// The catalog's name in the supergraph.
const NAME: &str = "catalog";

/// Texts that a product is found by at most.
const MATCHES: i32 = 8;

/// The products of the mesh.
pub(super) type Products = Arc<Vec<SubgraphSource>>;

/// A data product of the mesh.
#[derive(SimpleObject, Debug, Clone)]
#[graphql(complex)]
pub struct DataProduct {
    /// Its id: the name of its subgraph.
    pub id: ID,
    /// Whether it answers.
    pub available: bool,
    /// Why it does not.
    pub problem: Option<String>,
    /// What it says of itself, as you may see it.
    pub info: Option<ProductInfo>,
    /// What it was found by, the best first; empty where nothing was searched for.
    pub matches: Vec<MetadataMatch>,
}

#[ComplexObject]
impl DataProduct {
    /// Its newest runs, for those who may see them.
    async fn runs(&self, ctx: &Context<'_>, #[graphql(default = 10)] first: i32) -> Result<Vec<Run>> {
        let source = find(ctx, &self.id)?;
        client::runs(source, caller(ctx), first).await.map_err(refused)
    }

    /// One of its runs, for those who may see them.
    async fn run(&self, ctx: &Context<'_>, id: ID) -> Result<Option<Run>> {
        let source = find(ctx, &self.id)?;
        client::run(source, caller(ctx), &id).await.map_err(refused)
    }

    /// How old its data is beside what it promises: `current`, `late`, `unpromised`, `never` (published), or `unknown`.
    async fn freshness(&self) -> &'static str {
        self.info.as_ref().map_or("unknown", |info| freshness(info, Utc::now()))
    }

    /// What the checks of its newest runs found, in numbers, the newest first.
    async fn quality_trend(&self, ctx: &Context<'_>, #[graphql(default = 30)] first: i32) -> Result<Vec<QualityPoint>> {
        said::trend(find(ctx, &self.id)?, caller(ctx), first).await.map_err(refused)
    }

    /// When which of its contracts came into force, and what changed by it, the newest first.
    async fn contract_revisions(
        &self,
        ctx: &Context<'_>,
        #[graphql(default = 20)] first: i32,
    ) -> Result<Vec<ContractRevision>> {
        said::revisions(find(ctx, &self.id)?, caller(ctx), first).await.map_err(refused)
    }

    /// What you may do with its ports: what a page offers you, and a tool need not try.
    async fn port_rights(&self, ctx: &Context<'_>) -> Result<Vec<PortRight>> {
        asked(ctx, &self.id)?.port_rights().await.map_err(refused)
    }

    /// The roles of it that can be asked for, and who approves them.
    async fn access_roles(&self, ctx: &Context<'_>) -> Result<Vec<AccessRole>> {
        asked(ctx, &self.id)?.roles().await.map_err(refused)
    }
}

/// The catalog's queries.
#[derive(MergedObject, Debug, Default)]
#[graphql(name = "Query")]
pub struct Queries(
    CatalogQuery,
    AroundQuery,
    AboutQuery,
    SourcesQuery,
    VersionsQuery,
    SchedulesQuery,
    ModelsQuery,
    QualityQuery,
    PolicyQuery,
);

/// Queries about products, access and records.
#[derive(Debug, Default)]
pub struct CatalogQuery;

#[Object]
impl CatalogQuery {
    /// The products of the mesh that you may know about, those that cannot be reached included. `search` looks into names,
    /// descriptions, datasets, fields, synonyms, tags, domains and owners: accents and capitals don't count, a word is also
    /// found mistyped, by its forms and by its beginning; the best come first, each with what it was found by.
    async fn products(
        &self,
        ctx: &Context<'_>,
        search: Option<String>,
        filter: Option<ProductFilter>,
    ) -> Result<Vec<DataProduct>> {
        let products = ctx.data::<Products>()?;
        let loader = ctx.data::<DataLoader<ProductLoader>>()?;
        // what a filter looks at is in the whole description
        let detail = if filter.is_some() { Detail::Whole } else { Detail::of(ctx) };
        let all = join_all(products.iter().map(|p| entry(loader, &p.name, detail))).await;
        let (filter, now) = (filter.unwrap_or_default(), Utc::now());
        let taken = all.into_iter().flatten().filter(|product| filter.takes(product, now));
        let text = search.as_deref().unwrap_or_default().trim();
        if text.is_empty() {
            return Ok(taken.collect());
        }
        let asked = taken.map(|product| async {
            let told = match find(ctx, &product.id) {
                Ok(source) if product.available => said::search(source, caller(ctx), text, MATCHES).await,
                _ => Err(ClientError { code: "PRODUCT_UNAVAILABLE".to_owned(), message: String::new() }),
            };
            (product, told)
        });
        Ok(ranked(join_all(asked).await, text))
    }

    /// One product; null where there is none of that id, or none that you may know about.
    async fn product(&self, ctx: &Context<'_>, id: ID) -> Result<Option<DataProduct>> {
        if find(ctx, &id).is_err() {
            return Ok(None);
        }
        Ok(entry(ctx.data::<DataLoader<ProductLoader>>()?, &id, Detail::of(ctx)).await)
    }

    /// The newest access requests of a product, or of all: yours, those that you approve, and everybody's where you may see
    /// them. By `id` one of them; by `state` (`pending`, `granted`, `denied`, `withdrawn`); `waiting`: those that you can
    /// approve now. Of all products, those that do not answer are left out.
    async fn access_requests(
        &self,
        ctx: &Context<'_>,
        product: Option<ID>,
        id: Option<String>,
        state: Option<String>,
        #[graphql(default)] waiting: bool,
        #[graphql(default = 50)] first: i32,
    ) -> Result<Vec<AccessRequest>> {
        let variables = RequestsVariables { id, state, waiting, first };
        of_products(ctx, product, |asked| asked.requests(variables.clone())).await
    }

    /// The newest grants of a product, or of all: yours, those that you approved or might have, and everybody's where you may
    /// see them; where `active`, those in force. Of all products, those that do not answer are left out.
    async fn grants(
        &self,
        ctx: &Context<'_>,
        product: Option<ID>,
        subject: Option<String>,
        #[graphql(default = true)] active: bool,
        #[graphql(default = 50)] first: i32,
    ) -> Result<Vec<AccessGrant>> {
        let variables = GrantsVariables { subject, active, first };
        of_products(ctx, product, |asked| asked.grants(variables.clone())).await
    }

    /// Who did what with a product, the newest first, before the position of the last entry that was seen; for who may read
    /// `port:audit` of it.
    async fn audit_log(
        &self,
        ctx: &Context<'_>,
        product: ID,
        filter: Option<AuditLogFilter>,
        before: Option<i64>,
        #[graphql(default = 50)] first: i32,
    ) -> Result<Vec<AuditEntry>> {
        asked(ctx, &product)?.audit_log(filter, before, first).await.map_err(refused)
    }

    /// Whether the audit log of a product is as it was written. `position` and `hash` are what an earlier answer gave, and was
    /// kept elsewhere.
    async fn audit_verification(
        &self,
        ctx: &Context<'_>,
        product: ID,
        position: Option<i64>,
        hash: Option<String>,
    ) -> Result<AuditVerification> {
        asked(ctx, &product)?.audit_verification(position, hash).await.map_err(refused)
    }

    /// What was used of a product and by whom, over the last `days`; for who may read `port:audit` of it.
    async fn usage(
        &self,
        ctx: &Context<'_>,
        product: ID,
        #[graphql(default = 30)] days: i32,
        dataset: Option<String>,
        consumer: Option<String>,
    ) -> Result<Usage> {
        asked(ctx, &product)?.usage(days, dataset, consumer).await.map_err(refused)
    }
}

/// The catalog's mutations.
#[derive(MergedObject, Debug, Default)]
#[graphql(name = "Mutation")]
pub struct Mutations(
    CatalogMutation,
    AboutMutation,
    SourcesMutation,
    VersionsMutation,
    SchedulesMutation,
    ModelsMutation,
    QualityMutation,
    PolicyMutation,
);

/// Mutations of runs and access.
#[derive(Debug, Default)]
pub struct CatalogMutation;

#[Object]
impl CatalogMutation {
    /// Run a product's pipeline; the product decides whether you may. Where `wait` is false, the answer is the run as it
    /// was put into the queue.
    async fn run_pipeline(
        &self,
        ctx: &Context<'_>,
        product: ID,
        #[graphql(default = true)] pull: bool,
        #[graphql(default = true)] wait: bool,
    ) -> Result<Run> {
        client::run_pipeline(find(ctx, &product)?, caller(ctx), pull, wait).await.map_err(refused)
    }

    /// Cancel a run of a product; the product decides whether you may.
    async fn cancel_run(&self, ctx: &Context<'_>, product: ID, id: ID) -> Result<Run> {
        client::cancel_run(find(ctx, &product)?, caller(ctx), &id).await.map_err(refused)
    }

    /// Ask for a role of a product, or to read some of its fields (`dataset.field`), for a purpose and a time (`8h`, `30d`).
    /// `subject` is a product that shall read it, `product:NAME`; without it, you ask for yourself.
    #[allow(clippy::too_many_arguments, reason = "each is an argument of the field")]
    async fn request_access(
        &self,
        ctx: &Context<'_>,
        product: ID,
        role: Option<String>,
        fields: Option<Vec<String>>,
        subject: Option<String>,
        purpose: String,
        duration: String,
    ) -> Result<AccessRequest> {
        let variables = RequestVariables { role, fields, subject, purpose, duration };
        asked(ctx, &product)?.request(variables).await.map_err(refused)
    }

    /// Approve the level that a request waits for, as one of its approvers.
    async fn approve_access(
        &self,
        ctx: &Context<'_>,
        product: ID,
        id: ID,
        reason: Option<String>,
    ) -> Result<AccessRequest> {
        asked(ctx, &product)?.approve(id.0, reason).await.map_err(refused)
    }

    /// Deny a request, as an approver of the level that it waits for; or take back your own.
    async fn deny_access(&self, ctx: &Context<'_>, product: ID, id: ID, reason: String) -> Result<AccessRequest> {
        asked(ctx, &product)?.deny(id.0, reason).await.map_err(refused)
    }

    /// End what was granted on a request, as one of its approvers, as the owner, or as who has it.
    async fn revoke_access(&self, ctx: &Context<'_>, product: ID, id: ID, reason: String) -> Result<AccessGrant> {
        asked(ctx, &product)?.revoke_access(id.0, reason).await.map_err(refused)
    }

    /// Grant a role or fields of a product to somebody else, without a request.
    #[allow(clippy::too_many_arguments, reason = "each is an argument of the field")]
    async fn grant(
        &self,
        ctx: &Context<'_>,
        product: ID,
        subject: String,
        role: Option<String>,
        fields: Option<Vec<String>>,
        purpose: String,
        duration: String,
    ) -> Result<AccessGrant> {
        let variables = GrantVariables { subject, role, fields, purpose, duration };
        asked(ctx, &product)?.grant(variables).await.map_err(refused)
    }

    /// End a grant, by the grant's id.
    async fn revoke(&self, ctx: &Context<'_>, product: ID, id: ID, reason: String) -> Result<AccessGrant> {
        asked(ctx, &product)?.revoke(id.0, reason).await.map_err(refused)
    }
}

pub(super) fn asked<'a>(ctx: &'a Context<'_>, product: &ID) -> Result<Asked<'a>> {
    Ok(Asked { source: find(ctx, product)?, caller: caller(ctx) })
}

/// What a product says; or what all say, without those that don't answer or let the caller ask.
async fn of_products<'a, T, F: Future<Output = Result<Vec<T>, ClientError>>>(
    ctx: &'a Context<'_>,
    product: Option<ID>,
    question: impl Fn(Asked<'a>) -> F,
) -> Result<Vec<T>> {
    if let Some(product) = product {
        return question(asked(ctx, &product)?).await.map_err(refused);
    }
    let products = ctx.data::<Products>()?;
    let all = join_all(products.iter().map(|source| question(Asked { source, caller: caller(ctx) }))).await;
    // who has not signed in, or asked for what can't be, is told so
    let answers = all.iter().any(Result::is_ok);
    let mut found = Vec::new();
    for told in all {
        match told {
            Ok(some) => found.extend(some),
            Err(error) if answers || ["PRODUCT_UNAVAILABLE", "FORBIDDEN"].contains(&error.code.as_str()) => {}
            Err(error) => return Err(refused(error)),
        }
    }
    Ok(found)
}

fn find<'a>(ctx: &'a Context<'_>, id: &ID) -> Result<&'a SubgraphSource> {
    let products = ctx.data::<Products>()?;
    products.iter().find(|p| p.name == **id).ok_or_else(|| {
        refused(ClientError { code: "UNKNOWN_PRODUCT".to_owned(), message: format!("there is no product `{}`", **id) })
    })
}

pub(super) fn caller<'a>(ctx: &'a Context<'_>) -> Option<&'a HeaderValue> {
    ctx.data_opt::<Authorization>().map(|a| &a.0)
}

pub(super) fn refused(error: ClientError) -> Error {
    let ClientError { code, message } = error;
    Error::new(message).extend_with(move |_, e| e.set("code", code))
}

/// A product as the caller may see it; none where it does not let them discover it.
async fn entry(loader: &DataLoader<ProductLoader>, id: &str, detail: Detail) -> Option<DataProduct> {
    let unavailable = |problem: Option<String>| DataProduct {
        id: id.into(),
        available: false,
        problem,
        info: None,
        matches: Vec::new(),
    };
    match loader.load_one((id.to_owned(), detail)).await {
        Err(never) => match never {},
        Ok(Some(Ok(info))) => {
            Some(DataProduct { id: id.into(), available: true, problem: None, info: Some(info), matches: Vec::new() })
        }
        Ok(Some(Err(error))) if error.code == "FORBIDDEN" => None,
        Ok(Some(Err(error))) => Some(unavailable(Some(error.message))),
        Ok(None) => Some(unavailable(None)),
    }
}

/// The caller's `authorization` header.
struct Authorization(HeaderValue);

/// Asks each product once per request, however many fields want it.
struct ProductLoader {
    products: Products,
    authorization: Option<HeaderValue>,
}

impl Loader<(String, Detail)> for ProductLoader {
    /// One that does not answer says why, and the others still count.
    type Value = Result<ProductInfo, ClientError>;
    type Error = Infallible;

    async fn load(&self, keys: &[(String, Detail)]) -> Result<HashMap<(String, Detail), Self::Value>, Infallible> {
        let source = |key: &(String, Detail)| Some((key.clone(), self.products.iter().find(|p| p.name == key.0)?));
        let asked = keys.iter().filter_map(source).map(|(key, product)| async {
            let told = match key.1 {
                Detail::Whole => client::describe(product, self.authorization.as_ref()).await,
                Detail::Brief => describe_briefly(product, self.authorization.as_ref()).await,
            };
            (key, told)
        });
        Ok(join_all(asked).await.into_iter().collect())
    }
}

type CatalogSchema = Schema<Queries, Mutations, EmptySubscription>;

/// The catalog of `products` as a subgraph in this process.
pub fn source(products: Vec<SubgraphSource>) -> SubgraphSource {
    let products: Products = Arc::new(products);
    let schema = Schema::build(Queries::default(), Mutations::default(), EmptySubscription)
        .enable_federation()
        .limit_depth(24)
        .data(products.clone())
        .finish();
    let sdl = schema.sdl_with_options(SDLExportOptions::new().federation().prefer_single_line_descriptions());
    let transport = Transport::new(tower::service_fn(move |request: Request<Bytes>| {
        answer(schema.clone(), products.clone(), request)
    }));
    let url = format!("http://{NAME}.localhost/graphql");
    SubgraphSource {
        name: NAME.to_owned(),
        url,
        transport,
        sdl: Some(sdl),
        product: false,
        events: EventSource::default(),
    }
}

async fn answer(
    schema: CatalogSchema,
    products: Products,
    request: Request<Bytes>,
) -> Result<Response<Bytes>, TransportError> {
    let authorization = request.headers().get(header::AUTHORIZATION).cloned();
    let broken = |e: serde_json::Error| TransportError::Unreachable(e.to_string());
    let mut operation: async_graphql::Request = serde_json::from_slice(request.body()).map_err(broken)?;
    let ports = PortsLoader { products: products.clone(), authorization: authorization.clone() };
    let loader = ProductLoader { products, authorization: authorization.clone() };
    operation = operation.data(DataLoader::new(loader, tokio::spawn)).data(DataLoader::new(ports, tokio::spawn));
    if let Some(value) = authorization {
        operation = operation.data(Authorization(value));
    }
    let body = serde_json::to_vec(&schema.execute(operation).await).map_err(broken)?;
    Ok(Response::new(Bytes::from(body)))
}
