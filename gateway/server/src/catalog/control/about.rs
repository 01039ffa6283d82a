//! About: what a product says of itself beside what its folder says, and other words for it.
//!
//! Each struct is both the fragment that the typed client asks a product for, and the object that the catalog answers
//! with: the two are the same by construction.

use super::super::access::Asked;
use super::super::client::{ClientError, READ_LIMIT, ask, schema};
use super::super::description::{DescriptionInfo, LinkInfo};
use super::super::schema::{asked, refused};
use super::super::timestamp::Timestamp;
use async_graphql::{Context, ID, Object, Result, SimpleObject};
use cynic::{MutationBuilder as _, QueryBuilder as _, QueryFragment, QueryVariables};

/// A link to a document.
#[derive(Debug, Clone, cynic::InputObject, async_graphql::InputObject)]
#[cynic(graphql_type = "LinkInput", schema = "product")]
pub struct LinkInput {
    /// `dataSharingAgreement`, `dataConsumptionAgreement`, `lineageDiagram`, `dataModelDiagram`, `dataDictionary`, ….
    pub kind: String,
    /// Address: `https:`, `http:` or `mailto:`.
    pub url: String,
    /// What it is.
    pub description: Option<String>,
}

/// What a product says of itself, and what its folder says.
#[derive(Debug, Clone, QueryFragment, SimpleObject)]
#[cynic(schema = "product")]
#[graphql(name = "ProductAbout")]
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
#[derive(Debug, Clone, QueryFragment, SimpleObject)]
#[cynic(schema = "product")]
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
#[derive(Debug, Clone, QueryFragment, SimpleObject)]
#[cynic(schema = "product")]
pub struct PutAbout {
    /// Place in the history of all.
    pub position: i32,
    /// `links`, `description`, `dataset` or `field`.
    pub element: String,
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
    pub state: String,
    /// Who put it in.
    pub put_by: Option<String>,
    /// When.
    pub put_at: Timestamp,
}

#[derive(Debug, QueryVariables)]
struct AboutVariables {
    dataset: Option<String>,
}

#[derive(Debug, QueryFragment)]
#[cynic(graphql_type = "Query", schema = "product", variables = "AboutVariables")]
struct ReadAbout {
    #[arguments(dataset: $dataset)]
    about: About,
}

#[derive(Debug, QueryVariables)]
struct HistoryVariables {
    element: Option<String>,
    dataset: Option<String>,
    field: Option<String>,
    first: i32,
}

#[derive(Debug, QueryFragment)]
#[cynic(graphql_type = "Query", schema = "product", variables = "HistoryVariables")]
struct ReadHistory {
    #[arguments(element: $element, dataset: $dataset, field: $field, first: $first)]
    about_history: Vec<PutAbout>,
}

#[derive(Debug, QueryVariables)]
struct LinksVariables {
    links: Option<Vec<LinkInput>>,
}

#[derive(Debug, QueryFragment)]
#[cynic(graphql_type = "Mutation", schema = "product", variables = "LinksVariables")]
struct UpdateLinks {
    #[arguments(links: $links)]
    update_links: PutAbout,
}

#[derive(Debug, QueryVariables)]
struct DescriptionVariables {
    purpose: Option<String>,
    usage: Option<String>,
    limitations: Option<String>,
}

#[derive(Debug, QueryFragment)]
#[cynic(graphql_type = "Mutation", schema = "product", variables = "DescriptionVariables")]
struct UpdateDescription {
    #[arguments(purpose: $purpose, usage: $usage, limitations: $limitations)]
    update_description: PutAbout,
}

#[derive(Debug, QueryVariables)]
struct ElementVariables {
    dataset: String,
    field: Option<String>,
    title: Option<String>,
    description: Option<String>,
}

#[derive(Debug, QueryFragment)]
#[cynic(graphql_type = "Mutation", schema = "product", variables = "ElementVariables")]
struct DescribeElement {
    #[arguments(dataset: $dataset, field: $field, title: $title, description: $description)]
    describe_element: PutAbout,
}

impl Asked<'_> {
    async fn about(self, dataset: Option<String>) -> Result<About, ClientError> {
        let operation = ReadAbout::build(AboutVariables { dataset });
        Ok(ask::<ReadAbout>(self.source, self.caller, &operation, READ_LIMIT).await?.about)
    }

    async fn about_history(self, variables: HistoryVariables) -> Result<Vec<PutAbout>, ClientError> {
        let operation = ReadHistory::build(variables);
        Ok(ask::<ReadHistory>(self.source, self.caller, &operation, READ_LIMIT).await?.about_history)
    }

    async fn update_links(self, links: Option<Vec<LinkInput>>) -> Result<PutAbout, ClientError> {
        let operation = UpdateLinks::build(LinksVariables { links });
        Ok(ask::<UpdateLinks>(self.source, self.caller, &operation, READ_LIMIT).await?.update_links)
    }

    async fn update_description(self, variables: DescriptionVariables) -> Result<PutAbout, ClientError> {
        let operation = UpdateDescription::build(variables);
        Ok(ask::<UpdateDescription>(self.source, self.caller, &operation, READ_LIMIT).await?.update_description)
    }

    async fn describe_element(self, variables: ElementVariables) -> Result<PutAbout, ClientError> {
        let operation = DescribeElement::build(variables);
        Ok(ask::<DescribeElement>(self.source, self.caller, &operation, READ_LIMIT).await?.describe_element)
    }
}

/// Queries about what products say of themselves.
#[derive(Debug, Default)]
pub struct AboutQuery;

#[Object]
impl AboutQuery {
    /// What a product says of itself beside what its folder says: links, descriptions, and the words for its output datasets, or
    /// for the fields of `dataset`.
    async fn about(&self, ctx: &Context<'_>, product: ID, dataset: Option<String>) -> Result<About> {
        asked(ctx, &product)?.about(dataset).await.map_err(refused)
    }

    /// The words of a product that were put in at run time, the newest first: those for `element` (`links`, `description`,
    /// `dataset`, `field`), or all.
    async fn about_history(
        &self,
        ctx: &Context<'_>,
        product: ID,
        element: Option<String>,
        dataset: Option<String>,
        field: Option<String>,
        #[graphql(default = 50)] first: i32,
    ) -> Result<Vec<PutAbout>> {
        let variables = HistoryVariables { element, dataset, field, first };
        asked(ctx, &product)?.about_history(variables).await.map_err(refused)
    }
}

/// Mutations of what products say of themselves.
#[derive(Debug, Default)]
pub struct AboutMutation;

#[Object]
impl AboutMutation {
    /// Have a product say these links, all of them, in place of its folder's; null: the folder's own are back.
    async fn update_links(&self, ctx: &Context<'_>, product: ID, links: Option<Vec<LinkInput>>) -> Result<PutAbout> {
        asked(ctx, &product)?.update_links(links).await.map_err(refused)
    }

    /// Have a product say another purpose, usage or limitations; null: the folder's own.
    async fn update_description(
        &self,
        ctx: &Context<'_>,
        product: ID,
        purpose: Option<String>,
        usage: Option<String>,
        limitations: Option<String>,
    ) -> Result<PutAbout> {
        let variables = DescriptionVariables { purpose, usage, limitations };
        asked(ctx, &product)?.update_description(variables).await.map_err(refused)
    }

    /// Have a product say another title or description of an output dataset, or of a field of it; null: the contract's own.
    async fn describe_element(
        &self,
        ctx: &Context<'_>,
        product: ID,
        dataset: String,
        field: Option<String>,
        title: Option<String>,
        description: Option<String>,
    ) -> Result<PutAbout> {
        let variables = ElementVariables { dataset, field, title, description };
        asked(ctx, &product)?.describe_element(variables).await.map_err(refused)
    }
}
