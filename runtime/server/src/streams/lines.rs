//! Lines: turns the changes of a dataset into JSON objects, one for each change, for clients that speak no GraphQL.

use super::Answer;
use super::follow::{Follow, Telling, Told};
use crate::audit::{self, describe_touched};
use crate::service::ProductService;
use bytes::Bytes;
use futures_util::stream::{self, BoxStream};
use futures_util::{Stream, StreamExt as _};
use std::sync::Arc;
use std::sync::atomic::AtomicU32;
use terrane_driver::Rows;
use terrane_graphql::GraphqlError;
use terrane_policy::Caller;
use terrane_query::{Bind, ChangesStatement, ExportRequest, RowSource as _};

/// What a plain change feed says.
#[derive(Debug, Clone)]
pub(crate) enum Line {
    /// A change: its JSON and its position.
    Change(Bytes, i64),
    /// All up to this position was told.
    Position(i64),
    /// The end, with its reason.
    Failed(GraphqlError),
}

/// Follow what `request` asks for as `caller`, after a position or from now on.
///
/// # Errors
/// What is wrong with the request.
pub(crate) async fn lines(
    service: &ProductService,
    caller: &Caller,
    request: &ExportRequest<'_>,
    after: Option<i64>,
) -> Result<BoxStream<'static, Line>, Vec<GraphqlError>> {
    let access = service.access(caller);
    let statement = service.schema().changes(&access, &caller.claims, request)?;
    audit::note(|draft| draft.touches(&describe_touched(service, &access, "changes", &statement.touched)));
    // equal statements share one prepared statement, and the answers to it
    let fields = request.fields.map(|fields| fields.join(","));
    let parameters = format!("{}\n{fields:?}\n{:?}", statement.sql, statement.parameters());
    let kept = service.streams().lines.get_with(parameters.clone(), async { Arc::new(statement) }).await;
    let telling = Arc::new(Lines(kept));
    let follow = Follow::start(service.clone(), &request.dataset.name, after, telling, parameters).await;
    let follow = follow.map_err(|error| vec![error])?;
    let first = Line::Position(follow.position());
    Ok(stream::once(async { first }).chain(stream::unfold(Some(follow), step).flatten()).boxed())
}

type Following = Option<Follow<Lines>>;

/// The lines of the next thing that is told.
async fn step(follow: Following) -> Option<(impl Stream<Item = Line>, Following)> {
    let mut follow = follow?;
    let (lines, follow): (Vec<Line>, Following) = match follow.next().await {
        Ok(Told::Changes(answer, through)) => {
            let changes = answer.iter().flat_map(|parts| parts.iter());
            let mut lines: Vec<Line> = changes.map(|(json, position)| Line::Change(json.clone(), *position)).collect();
            if !matches!(lines.last(), Some(Line::Change(_, last)) if *last == through) {
                lines.push(Line::Position(through));
            }
            (lines, Some(follow))
        }
        Ok(Told::Position(position)) => (vec![Line::Position(position)], Some(follow)),
        Err(error) => (vec![Line::Failed(error)], None),
    };
    Some((stream::iter(lines), follow))
}

struct Lines(Arc<ChangesStatement>);

impl Telling for Lines {
    fn statement(&self) -> (u64, Option<&Arc<str>>, &AtomicU32) {
        (self.0.id, Some(&self.0.sql), &self.0.pace)
    }

    fn binds(&self, batch: String, _: i64) -> Vec<Bind> {
        self.0.bind(batch)
    }

    fn tell(&self, mut rows: Rows, _: i64) -> Result<Answer, String> {
        let mut parts = Vec::new();
        while rows.advance() {
            let mut out = Vec::with_capacity(256);
            let position = self.0.write(&rows, &mut out).map_err(|e| e.to_string())?;
            parts.push((Bytes::from(out), position));
        }
        Ok((!parts.is_empty()).then(|| parts.into()))
    }
}
