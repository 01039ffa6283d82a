//! Streams: turns subscriptions into outputs that come for as long as somebody takes them.
//!
//! `operation` starts what was asked for, `follow` asks for what has changed as the caller sees it, `lines` makes the plain
//! change feed of it. What carries outputs is in `http`.

mod brokers;
mod follow;
mod intake;
mod lines;
mod operation;
mod replay;
mod session;

pub(crate) use brokers::start as start_streams;
pub(crate) use lines::{Line, lines};
pub(crate) use operation::start;
pub(crate) use session::{Session, with_payload};

use crate::audit::Ending;
use crate::service::ProductService;
use bytes::Bytes;
use futures_util::stream::{self, BoxStream};
use futures_util::{Stream, StreamExt as _};
use moka::future::Cache;
use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;
use terrane_graphql::GraphqlError;
use terrane_manifest::{Dataset, EventRules};
use terrane_query::ChangesStatement;
use terrane_store::Store;
use terrane_stream::Feed;
use terrane_stream::events::Writer;
use tokio::sync::{OwnedSemaphorePermit, Semaphore, watch};

/// Streams of one product in this process.
const MOST_STREAMS: usize = 10_000;
/// Bytes of answers that are shared by those who ask the same.
const KEPT_ANSWERS: u64 = 32 * 1024 * 1024;
/// Those who are at the same place ask at about the same time.
const SHARED_FOR: Duration = Duration::from_secs(10);
/// Statements of plain change feeds that are kept.
const KEPT_LINES: u64 = 1_000;
/// Between two signs of life, and between two positions that are told while nothing is seen.
pub(crate) const HEARTBEAT: Duration = Duration::from_secs(10);

/// Why a stream ends before the client leaves it.
pub(crate) const EXPIRED: &str = "the token has expired; sign in and go on";

/// The same, of what is not told to somebody else from then on.
pub(crate) const ACCESS_CHANGED: &str = "what you may see has changed; subscribe again";

/// What a stream says.
#[derive(Debug, Clone)]
pub(crate) enum Output {
    /// A response, and the position up to which it tells of changes.
    Next(Bytes, Option<i64>),
    /// Errors that end it.
    Failed(Vec<GraphqlError>),
    /// The end.
    Complete,
}

/// What a stream says, one after the other.
pub(crate) type Outputs = BoxStream<'static, Output>;

/// What an answer depends on.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
struct AnswerKey {
    statement: u64,
    parameters: Arc<str>,
    after: i64,
    through: i64,
}

/// What a batch of changes is for a caller; none where it sees nothing of it.
type Answer = Option<Arc<[(Bytes, i64)]>>;

/// What the streams of a product share.
pub(crate) struct Streams {
    pub(crate) feed: Feed,
    answers: Cache<AnswerKey, Answer>,
    lines: Cache<String, Arc<ChangesStatement>>,
    places: Arc<Semaphore>,
    stopping: watch::Sender<bool>,
    /// Who stores events, by dataset.
    writers: Mutex<HashMap<String, Writer>>,
}

impl Streams {
    /// The streams over a product's store.
    pub(crate) fn new(store: Store) -> Self {
        let size = |_: &AnswerKey, answer: &Answer| {
            let bytes: usize = answer.iter().flat_map(|parts| parts.iter()).map(|(part, _)| part.len() + 32).sum();
            u32::try_from(bytes + 256).unwrap_or(u32::MAX)
        };
        Self {
            feed: Feed::new(store),
            answers: Cache::builder().weigher(size).max_capacity(KEPT_ANSWERS).time_to_live(SHARED_FOR).build(),
            lines: Cache::new(KEPT_LINES),
            places: Arc::new(Semaphore::new(MOST_STREAMS)),
            stopping: watch::Sender::new(false),
            writers: Mutex::default(),
        }
    }

    /// Who stores the events of a dataset.
    pub(crate) fn writer(&self, service: &ProductService, dataset: &Dataset, rules: &EventRules) -> Writer {
        let mut writers = self.writers.lock().unwrap_or_else(PoisonError::into_inner);
        let start = || Writer::start(service.store().clone(), dataset.clone(), rules.clone());
        writers.entry(dataset.name.clone()).or_insert_with(start).clone()
    }

    /// A place for a stream; none where there are too many.
    pub(crate) fn place(&self) -> Option<OwnedSemaphorePermit> {
        Arc::clone(&self.places).try_acquire_owned().ok()
    }

    /// How many there are.
    pub(crate) fn open(&self) -> usize {
        MOST_STREAMS - self.places.available_permits()
    }

    /// End all of them.
    pub(crate) fn stop(&self) {
        self.stopping.send_replace(true);
    }

    /// Wait until they are to end.
    pub(crate) fn stopped(&self) -> impl Future<Output = ()> + Send + use<> {
        let mut stopping = self.stopping.subscribe();
        async move {
            // an error means that the product is gone
            let _ = stopping.wait_for(|stop| *stop).await;
        }
    }
}

/// `outputs` until the caller's token is no longer good, or the product stops.
pub(crate) fn bounded(
    outputs: Outputs,
    session: &Session,
    stopped: impl Future<Output = ()> + Send + 'static,
) -> Outputs {
    let expired = session.expired();
    let end = stream::once(async move {
        expired.await;
        Output::Failed(vec![GraphqlError::new("UNAUTHENTICATED", EXPIRED)])
    });
    let outputs = stream::select(outputs.chain(stream::once(async { Output::Complete })), end);
    through_last(outputs.boxed(), |output| !matches!(output, Output::Next(..)))
        // without a word: who listens comes again, where it was
        .take_until(stopped)
        .boxed()
}

/// `outputs`, whose number and end are put on record.
pub(crate) fn recorded(outputs: Outputs, ending: Ending) -> Outputs {
    let told = stream::unfold((outputs, ending), |(mut outputs, mut ending)| async move {
        let output = outputs.next().await;
        match &output {
            Some(Output::Next(body, _)) => {
                ending.counts();
                ending.sends(body.len());
            }
            Some(Output::Failed(_) | Output::Complete) | None => ending.finish(),
        }
        output.map(|output| (output, (outputs, ending)))
    });
    told.boxed()
}

/// `items` up to the first that is the last one, and with it.
pub(crate) fn through_last<T: Send + 'static>(
    items: BoxStream<'static, T>,
    is_last: impl Fn(&T) -> bool + Copy + Send + 'static,
) -> impl Stream<Item = T> + Send {
    stream::unfold(Some(items), move |items| async move {
        let mut items = items?;
        let item = items.next().await?;
        let rest = (!is_last(&item)).then_some(items);
        Some((item, rest))
    })
}
