//! Relaying: turns a product's changes into messages of a subject, in order, each once.

use crate::{JetStreamError, NatsSettings};
use async_nats::HeaderMap;
use async_nats::jetstream::Context;
use async_nats::jetstream::context::PublishAckFuture;
use async_nats::jetstream::stream::{Config, LastRawMessageErrorKind, Stream};
use bytes::Bytes;
use futures_util::stream::BoxStream;
use futures_util::{FutureExt as _, StreamExt as _};
use sqlx::{Connection as _, PgConnection};
use std::collections::VecDeque;
use std::time::Duration;
use terrane_manifest::Publish;
use terrane_store::{Store, StoreError};
use tokio::time::sleep;

/// Messages under way.
const UNDER_WAY: usize = 256;
/// Between two attempts at a server that is away, or at being the one that publishes.
const RETRY: Duration = Duration::from_secs(1);
/// The position of a change in its message.
const POSITION: &str = "Terrane-Position";

/// What is published where.
#[derive(Debug, Clone)]
pub struct Relay {
    /// The product's id.
    pub product: String,
    /// Where positions are kept.
    pub store: Store,
    /// The output dataset.
    pub dataset: String,
    /// To where.
    pub publish: Publish,
}

/// What is to be published.
#[derive(Debug, Clone)]
pub enum Outgoing {
    /// A change: its JSON, its position, and `insert`, `update` or `delete`.
    Change(Bytes, i64),
    /// All up to this position was published.
    Position(i64),
    /// The end, with its reason.
    Failed(String),
}

/// Publish for ever; `changes` opens those after a position. Of the processes of a product one publishes, and the others
/// wait for their turn.
pub async fn relay<F>(settings: &NatsSettings, what: &Relay, changes: impl Fn(i64) -> F + Send + Sync)
where
    F: Future<Output = Result<BoxStream<'static, Outgoing>, String>> + Send,
{
    loop {
        if let Err(error) = what.follow(settings, &changes).await {
            tracing::warn!(%error, dataset = what.dataset, subject = what.publish.subject, "changes can't be published; it is tried again");
        }
        sleep(RETRY).await;
    }
}

impl Relay {
    async fn follow<F>(
        &self,
        settings: &NatsSettings,
        changes: &(impl Fn(i64) -> F + Send + Sync),
    ) -> Result<(), JetStreamError>
    where
        F: Future<Output = Result<BoxStream<'static, Outgoing>, String>> + Send,
    {
        let Some(mut turn) = self.take_turn().await? else { return Ok(()) };
        let context = settings.connect(&format!("terrane {}", self.product)).await?;
        let stream = self.stream(&context).await?;
        let kept = self.kept().await?.max(last_position(&stream, &self.publish.subject).await?);
        let floor = self.store.outbox_bounds().await?.floor(&self.dataset);
        if kept < floor {
            tracing::error!(dataset = self.dataset, kept, floor, "changes were removed before they were published");
        }
        let outgoing = changes(kept.max(floor)).await;
        let mut outgoing = outgoing.map_err(JetStreamError::on("follow the changes"))?;
        // each message says which one it follows: after a gap nothing is taken, whoever sends it
        let info = stream.get_info().await.map_err(JetStreamError::on("look at the stream"))?;
        let mut sequence = info.state.last_sequence;
        let mut under_way: VecDeque<(PublishAckFuture, i64)> = VecDeque::new();
        loop {
            let next = match under_way.is_empty() {
                true => outgoing.next().await,
                // nothing more to send: wait for what is under way, and keep up to where that is
                false => match outgoing.next().now_or_never() {
                    Some(next) if under_way.len() < UNDER_WAY => next,
                    Some(next) => {
                        self.settle(&mut under_way, &mut turn).await?;
                        next
                    }
                    None => {
                        self.settle(&mut under_way, &mut turn).await?;
                        continue;
                    }
                },
            };
            match next {
                Some(Outgoing::Change(json, position)) => {
                    let ack = context
                        .publish_with_headers(self.publish.subject.clone(), self.headers(position, sequence), json)
                        .await;
                    sequence += 1;
                    under_way.push_back((ack.map_err(JetStreamError::on("publish a change"))?, position));
                }
                Some(Outgoing::Position(position)) => {
                    self.settle(&mut under_way, &mut turn).await?;
                    self.keep(&mut turn, position).await?;
                }
                Some(Outgoing::Failed(reason)) => {
                    return Err(JetStreamError::Broker { what: "follow the changes", reason });
                }
                None => return Err(JetStreamError::Ended),
            }
        }
    }

    fn headers(&self, position: i64, after: u64) -> HeaderMap {
        let mut headers = HeaderMap::new();
        headers.insert("Nats-Msg-Id", format!("{}/{}/{position}", self.product, self.dataset));
        headers.insert("Nats-Expected-Last-Sequence", after.to_string());
        headers.insert(POSITION, position.to_string());
        headers.insert("ce-specversion", "1.0");
        headers.insert("ce-id", position.to_string());
        headers.insert("ce-source", format!("/products/{}/{}", self.product, self.dataset));
        headers.insert("ce-type", "dev.terrane.change");
        headers.insert("content-type", "application/json");
        headers
    }

    /// Wait until everything under way is in the stream, and keep up to where.
    async fn settle(
        &self,
        under_way: &mut VecDeque<(PublishAckFuture, i64)>,
        turn: &mut PgConnection,
    ) -> Result<(), JetStreamError> {
        let mut last = None;
        while let Some((ack, position)) = under_way.pop_front() {
            ack.await.map_err(JetStreamError::on("publish a change"))?;
            last = Some(position);
        }
        match last {
            Some(position) => self.keep(turn, position).await,
            None => Ok(()),
        }
    }

    /// A connection that holds the lock of who publishes; none where another process has it.
    async fn take_turn(&self) -> Result<Option<PgConnection>, JetStreamError> {
        let what = "take a turn at publishing";
        let connection = self.store.control().acquire().await.map_err(StoreError::on(what))?;
        let mut connection = connection.detach();
        let name = format!("relay {} {} {}", self.dataset, self.publish.stream, self.publish.subject);
        let taken: bool = sqlx::query_scalar("SELECT pg_try_advisory_lock(hashtextextended($1, 0))")
            .bind(name)
            .fetch_one(&mut connection)
            .await
            .map_err(StoreError::on(what))?;
        if taken {
            return Ok(Some(connection));
        }
        connection.close().await.map_err(StoreError::on(what))?;
        Ok(None)
    }

    /// The stream, which is made where it does not exist.
    async fn stream(&self, context: &Context) -> Result<Stream, JetStreamError> {
        let config = Config {
            name: self.publish.stream.clone(),
            subjects: vec![self.publish.subject.clone()],
            ..Config::default()
        };
        context.get_or_create_stream(config).await.map_err(JetStreamError::on("find or make the stream"))
    }

    async fn kept(&self) -> Result<i64, JetStreamError> {
        let kept: Option<i64> = sqlx::query_scalar(
            "SELECT position FROM control.relays WHERE dataset = $1 AND stream = $2 AND subject = $3",
        )
        .bind(&self.dataset)
        .bind(&self.publish.stream)
        .bind(&self.publish.subject)
        .fetch_optional(self.store.control())
        .await
        .map_err(StoreError::on("read up to where changes were published"))?;
        Ok(kept.unwrap_or(0))
    }

    /// Keep the position, by the connection that holds the lock: who has lost it keeps nothing any more.
    async fn keep(&self, turn: &mut PgConnection, position: i64) -> Result<(), JetStreamError> {
        sqlx::query(
            "INSERT INTO control.relays (dataset, stream, subject, position) VALUES ($1, $2, $3, $4) ON CONFLICT (dataset, \
             stream, subject) DO UPDATE SET position = excluded.position",
        )
        .bind(&self.dataset)
        .bind(&self.publish.stream)
        .bind(&self.publish.subject)
        .bind(position)
        .execute(turn)
        .await
        .map_err(StoreError::on("keep up to where changes were published"))?;
        Ok(())
    }
}

/// The position of the last message of a subject; 0 where there is none.
async fn last_position(stream: &Stream, subject: &str) -> Result<i64, JetStreamError> {
    match stream.get_last_raw_message_by_subject(subject).await {
        Ok(message) => {
            let position = message.headers.get(POSITION).and_then(|value| value.as_str().parse().ok());
            Ok(position.unwrap_or(0))
        }
        Err(error) if error.kind() == LastRawMessageErrorKind::NoMessageFound => Ok(0),
        Err(error) => Err(JetStreamError::on("read the last message")(error)),
    }
}
