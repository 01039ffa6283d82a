//! Rows: turns a dataset, columns and a cursor into a page of rows, through the data port and its policy.

use crate::as_of;
use crate::operation::{Mode, OperationError};
use crate::ports::PortsContext;
use crate::ports::guard::{internal, refused};
use crate::ports::records::RowPage;
use async_graphql::{Error, Result};
use serde_json::{Map, Value, json};
use std::fmt::Write as _;
use terrane_graphql::{GraphqlError, Request};
use terrane_manifest::names::is_graphql_name;
use terrane_manifest::{Dataset, Field, Layer};
use terrane_query::Reading;
use terrane_store::AsOf;

/// How often the newest version is read anew when it is replaced meanwhile.
const ATTEMPTS: usize = 5;

/// One page; `columns` are the contract's names, all readable ones by default.
pub async fn page(
    context: &PortsContext,
    name: &str,
    columns: Option<&[String]>,
    first: i32,
    after: Option<&str>,
    as_of: Option<AsOf>,
) -> Result<RowPage> {
    let service = &context.service;
    let product = service.product();
    let Some(dataset) = product.dataset(Layer::Output, name).filter(|d| d.graphql_names.is_some()) else {
        let known: Vec<&str> = product.outputs().map(|d| d.name.as_str()).collect();
        return Err(refused(
            "UNKNOWN_DATASET",
            format!("there is no dataset `{name}`; there are: {}", known.join(", ")),
        ));
    };
    let fields = fields(context, dataset, columns)?;
    let request = Request {
        query: Some(operation_text(dataset, &fields).into()),
        variables: Some(Map::from_iter([
            ("first".to_owned(), json!(first)),
            ("after".to_owned(), after.map_or(Value::Null, Value::from)),
        ])),
        ..Request::default()
    };
    // a publish in between would mix versions: what is read is of one version, whatever is published meanwhile
    let answered = match as_of {
        Some(as_of) => as_of::run(service, &context.caller, &request, Mode::default(), as_of).await,
        None => newest(context, &request).await?,
    };
    let (version, body) = match answered {
        Ok(answered) => answered,
        Err(OperationError::Request(errors)) => {
            let error = errors.into_iter().next();
            return Err(error.map_or_else(
                || internal("an operation was refused without an error"),
                |e| refused(e.code(), &e.message),
            ));
        }
        Err(OperationError::NotAQuery) => return Err(internal("a page was asked for by a mutation")),
        Err(OperationError::Internal(error)) => return Err(internal(error)),
    };
    let answer: Value = serde_json::from_slice(&body).map_err(internal)?;
    if let Some(error) = answer["errors"].get(0) {
        let code = error["extensions"]["code"].as_str().unwrap_or("BAD_USER_INPUT");
        return Err(refused(code, error["message"].as_str().unwrap_or_default()));
    }
    let list = &answer["data"]["list"];
    let rows = list["nodes"].as_array().into_iter().flatten().map(|node| row(node, &fields)).collect();
    Ok(RowPage {
        version,
        columns: fields.iter().map(|f| f.name.clone()).collect(),
        rows,
        end_cursor: list["pageInfo"]["endCursor"].as_str().map(str::to_owned),
        has_next_page: list["pageInfo"]["hasNextPage"].as_bool().unwrap_or_default(),
    })
}

/// The same of the newest version. One that is replaced, or whose record is, while it is read is read again.
async fn newest(
    context: &PortsContext,
    request: &Request,
) -> Result<std::result::Result<(i64, Vec<u8>), OperationError>, Error> {
    let mut attempt = 0;
    loop {
        attempt += 1;
        let as_of = AsOf::Version(version(context).await?);
        let answered = as_of::run(&context.service, &context.caller, request, Mode::default(), as_of).await;
        let gone = |errors: &[GraphqlError]| {
            errors.iter().any(|e| e.code() == "UNKNOWN_VERSION" || e.code() == "VERSION_DROPPED")
        };
        match &answered {
            Err(OperationError::Request(errors)) if attempt < ATTEMPTS && gone(errors) => {}
            _ => return Ok(answered),
        }
    }
}

async fn version(context: &PortsContext) -> Result<i64, Error> {
    let version = context.service.store().current_version().await.map_err(internal)?;
    version.map(|v| v.version).ok_or_else(|| refused("NOT_PUBLISHED", "nothing is published yet; run the pipeline"))
}

fn fields<'a>(context: &PortsContext, dataset: &'a Dataset, names: Option<&[String]>) -> Result<Vec<&'a Field>, Error> {
    let readable = |field: &&Field| context.access.reading(&dataset.policy_object(field)) != Reading::Denied;
    let Some(names) = names else { return Ok(dataset.fields.iter().filter(readable).collect()) };
    let mut fields = Vec::with_capacity(names.len());
    for name in names {
        let Some(field) = dataset.field(name) else {
            return Err(refused("BAD_USER_INPUT", format!("dataset `{}` has no field `{name}`", dataset.name)));
        };
        if !readable(&field) {
            let object = dataset.policy_object(field);
            return Err(refused("FORBIDDEN", format!("your roles do not allow `read` on `{object}`")));
        }
        fields.push(field);
    }
    Ok(fields)
}

/// The names in it are of the schema; values travel as variables.
fn operation_text(dataset: &Dataset, fields: &[&Field]) -> String {
    let list = dataset.graphql_names.as_ref().map_or("", |names| names.many.as_str());
    let mut text = format!(
        "query Rows($first: Int, $after: String) {{ list: {list}(first: $first, after: $after) {{ nodes {{ __typename"
    );
    for field in fields {
        text.push(' ');
        push_field(&mut text, field);
    }
    text.push_str(" } pageInfo { endCursor hasNextPage } } }");
    text
}

/// A field with everything in its objects, where members have their names of JSON if GraphQL can have those.
fn push_field(text: &mut String, field: &Field) {
    text.push_str(&field.graphql_name);
    let Some(nested) = &field.nested else { return };
    text.push_str(" {");
    for member in &nested.fields {
        let alias = if is_graphql_name(&member.column) { &member.column } else { &member.graphql_name };
        write!(text, " {alias}: ").expect("a String takes any text");
        push_field(text, member);
    }
    text.push_str(" }");
}

fn row(node: &Value, fields: &[&Field]) -> Value {
    Value::Array(fields.iter().map(|f| node[&f.graphql_name].clone()).collect())
}
