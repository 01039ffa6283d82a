//! Multipart requests: turns a form with an operation and files into a request whose variables name the files
//! (the GraphQL multipart request specification).

use crate::ports::{Upload, Uploaded, Uploads};
use axum::body::Body;
use axum::http::{HeaderMap, header};
use futures_util::TryStreamExt as _;
use multer::{Constraints, Field, Multipart, SizeLimit};
use serde_json::{Map, Value};
use std::collections::BTreeMap;
use std::io::{Seek as _, SeekFrom};
use terrane_graphql::Request;
use tokio::io::AsyncWriteExt as _;

/// The operation and the map may not be larger.
const LARGEST_TEXT: u64 = 4 * 1024 * 1024;
const LARGEST_FILE: u64 = 2 * 1024 * 1024 * 1024;
const MOST_FILES: usize = 16;
/// Headers that no form of another page can send without the browser asking first.
const ASKED_FOR: [&str; 4] = ["authorization", "graphql-preflight", "apollo-require-preflight", "x-requested-with"];

/// The form's boundary, where the request is a form.
pub fn boundary(headers: &HeaderMap) -> Option<String> {
    let content_type = headers.get(header::CONTENT_TYPE).and_then(|v| v.to_str().ok())?;
    multer::parse_boundary(content_type).ok()
}

/// Read the form.
///
/// # Errors
/// What is wrong with it, for the client.
pub async fn read(headers: &HeaderMap, boundary: String, body: Body) -> Result<(Request, Uploads), String> {
    if !ASKED_FOR.iter().any(|name| headers.contains_key(*name)) {
        return Err("a form needs the header `graphql-preflight: 1`, which pages of others cannot send".to_owned());
    }
    let limit = SizeLimit::new()
        .per_field(LARGEST_FILE)
        .for_field("operations", LARGEST_TEXT)
        .for_field("map", LARGEST_TEXT)
        .whole_stream(LARGEST_FILE + 2 * LARGEST_TEXT);
    let mut form = Multipart::with_constraints(
        body.into_data_stream().map_err(std::io::Error::other),
        boundary,
        Constraints::new().size_limit(limit),
    );
    let operations = text(&mut form, "operations").await?;
    let mut request = Request::from_json(operations.as_bytes()).map_err(|e| e.to_string())?;
    let map = text(&mut form, "map").await?;
    let map: BTreeMap<String, Vec<String>> =
        serde_json::from_str(&map).map_err(|e| format!("`map` is no map of the form's files to variables: {e}"))?;
    if map.len() > MOST_FILES {
        return Err(format!("a form may have {MOST_FILES} files"));
    }
    let mut uploads = Vec::new();
    while let Some(field) = form.next_field().await.map_err(|e| e.to_string())? {
        let name = field.name().unwrap_or_default().to_owned();
        let Some(paths) = map.get(&name) else { return Err(format!("part `{name}` of the form is not in its `map`")) };
        if uploads.len() >= MOST_FILES {
            return Err(format!("a form may have {MOST_FILES} files"));
        }
        for path in paths {
            place(request.variables.get_or_insert_default(), path, uploads.len())?;
        }
        uploads.push(spool(field).await?);
    }
    match map.len() == uploads.len() {
        true => Ok((request, uploads.into())),
        false => Err("the form's `map` names files that are not in it, or are twice".to_owned()),
    }
}

async fn text(form: &mut Multipart<'_>, name: &str) -> Result<String, String> {
    let field = form.next_field().await.map_err(|e| e.to_string())?;
    match field.filter(|f| f.name() == Some(name)) {
        Some(field) => field.text().await.map_err(|e| e.to_string()),
        None => Err(format!("the form's next part must be `{name}`")),
    }
}

/// Put what stands for a file into the variables, at `variables.a.0.b`, where null is now.
fn place(variables: &mut Map<String, Value>, path: &str, number: usize) -> Result<(), String> {
    let bad = || format!("`{path}` of the form's `map` is no variable that is null");
    let mut steps = path.strip_prefix("variables.").ok_or_else(bad)?.split('.');
    let mut place = variables.get_mut(steps.next().unwrap_or_default()).ok_or_else(bad)?;
    for step in steps {
        place = match place {
            Value::Array(items) => step.parse::<usize>().ok().and_then(|i| items.get_mut(i)),
            Value::Object(members) => members.get_mut(step),
            _ => None,
        }
        .ok_or_else(bad)?;
    }
    if !place.is_null() {
        return Err(bad());
    }
    *place = Value::String(Upload::placeholder(number));
    Ok(())
}

async fn spool(mut field: Field<'_>) -> Result<Uploaded, String> {
    let failed = |error: std::io::Error| {
        tracing::error!(%error, "an uploaded file could not be kept");
        "the file could not be kept".to_owned()
    };
    let name = field.file_name().map(str::to_owned);
    let content_type = field.content_type().map(ToString::to_string);
    let file = tokio::task::spawn_blocking(tempfile::tempfile).await.map_err(|e| failed(e.into()))?;
    let mut file = tokio::fs::File::from_std(file.map_err(failed)?);
    while let Some(piece) = field.chunk().await.map_err(|e| e.to_string())? {
        file.write_all(&piece).await.map_err(failed)?;
    }
    file.flush().await.map_err(failed)?;
    let mut content = file.into_std().await;
    content.seek(SeekFrom::Start(0)).map_err(failed)?;
    Ok(Uploaded { name, content_type, content })
}
