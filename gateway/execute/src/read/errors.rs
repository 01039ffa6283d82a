//! Subgraph errors: turns the `errors` of an answer into failures at positions of the response.

use crate::program::{Program, ReadSet};
use crate::store::{Failure, Store, Value};
use serde::Deserialize;
use serde_json::{Map, Value as Json};

/// One step of an error's path.
#[derive(Debug, Clone, Deserialize)]
#[serde(untagged)]
pub(super) enum Segment {
    Index(usize),
    Key(String),
}

/// An error of a subgraph.
#[derive(Debug)]
pub(super) struct SubgraphError {
    pub failure: Failure,
    pub path: Vec<Segment>,
}

#[derive(Debug, Deserialize)]
struct Raw {
    #[serde(default)]
    message: Option<String>,
    #[serde(default)]
    path: Option<Vec<Segment>>,
    #[serde(default)]
    extensions: Option<Map<String, Json>>,
}

/// Read the list of errors; `None` when it is none.
pub(super) fn parse(subgraph: &str, text: &[u8]) -> Option<Vec<SubgraphError>> {
    let raw: Vec<Raw> = serde_json::from_slice(text).ok()?;
    Some(raw.into_iter().map(|raw| error(subgraph, raw)).collect())
}

fn error(subgraph: &str, raw: Raw) -> SubgraphError {
    let mut extensions = raw.extensions.unwrap_or_default();
    if !extensions.get("code").is_some_and(Json::is_string) {
        extensions.insert("code".to_owned(), "DOWNSTREAM_SERVICE_ERROR".into());
    }
    extensions.insert("serviceName".to_owned(), subgraph.into());
    let message = raw.message.unwrap_or_else(|| format!("subgraph `{subgraph}` reported an error without a message"));
    SubgraphError {
        failure: Failure { message, extensions: Json::Object(extensions).to_string() },
        path: raw.path.unwrap_or_default(),
    }
}

/// Put a failure at the end of `path` below an object, or at the first position on the way that is null. Returns
/// whether there was one.
pub(super) fn put(
    program: &Program,
    store: &mut Store,
    set: &ReadSet,
    object: u32,
    path: &[Segment],
    failure: u32,
) -> bool {
    let Some((Segment::Key(key), mut rest)) = path.split_first() else { return false };
    let Some(field) = set.fields.iter().find(|field| field.key() == key.as_bytes()) else { return false };
    let at = (store.objects[object as usize].slots + field.slot) as usize;
    let mut value = store.slots[at];
    let mut item = None;
    loop {
        match (value, rest.split_first()) {
            (Value::List { start, len }, Some((Segment::Index(i), more))) if *i < len as usize => {
                item = Some(start as usize + i);
                value = store.items[start as usize + i];
                rest = more;
            }
            (Value::Object(inner), Some(_)) => {
                let Some(child) = field.child else { return false };
                return put(program, store, &program.reads[child], inner, rest, failure);
            }
            (Value::Null | Value::Missing, _) => {
                match item {
                    Some(item) => store.items[item] = Value::Error(failure),
                    None => store.slots[at] = Value::Error(failure),
                }
                return true;
            }
            (Value::Error(_), _) => return true,
            _ => return false,
        }
    }
}
