//! Consuming: turns the messages of a stream into stored events, each once, and acknowledges them when they are committed.

use crate::message::event;
use crate::{JetStreamError, NatsSettings};
use async_nats::jetstream::consumer::pull::{Config, Stream};
use async_nats::jetstream::consumer::{AckPolicy, Consumer, DeliverPolicy};
use async_nats::jetstream::{Context, Message};
use futures_util::StreamExt as _;
use std::time::Duration;
use terrane_manifest::{Dataset, EventRules};
use terrane_store::{EventBatch, EventRow, RejectedEvent, Store, StoreError};
use tokio::time::{Instant, sleep};
use uuid::Uuid;

/// Messages that are stored in one transaction.
const TOGETHER: usize = 1_000;
/// Messages that the server sends before some are acknowledged.
const UNACKNOWLEDGED: i64 = 10_000;
/// A message that is not acknowledged in this time is sent again: those that a process had which was killed.
const ACK_WAIT: Duration = Duration::from_secs(15);
/// Between two attempts at a server that is away.
const RETRY: Duration = Duration::from_secs(1);
/// Between two looks at what need not be known any more.
const FORGET: Duration = Duration::from_secs(30);

/// What is read from where.
#[derive(Debug, Clone)]
pub struct Consume {
    /// The product's id.
    pub product: String,
    /// Where its rows go.
    pub store: Store,
    /// The input dataset.
    pub dataset: Dataset,
    /// How its events are taken.
    pub rules: EventRules,
    /// The stream.
    pub stream: String,
    /// Which of its subjects.
    pub subject: String,
}

/// Read for ever. A server or database that is away is waited for.
pub async fn consume(settings: &NatsSettings, what: &Consume) {
    loop {
        if let Err(error) = what.follow(settings).await {
            tracing::warn!(%error, stream = what.stream, dataset = what.dataset.name, "a stream can't be read; it is tried again");
        }
        sleep(RETRY).await;
    }
}

impl Consume {
    async fn follow(&self, settings: &NatsSettings) -> Result<(), JetStreamError> {
        let context = settings.connect(&format!("terrane {}", self.product)).await?;
        let (consumer, stream) = self.consumer(&context).await?;
        let mut messages: Stream =
            consumer.messages().await.map_err(JetStreamError::on("ask for the messages of the stream"))?;
        let batch = Uuid::now_v7();
        let mut forgotten = Instant::now();
        loop {
            let first = messages.next().await.ok_or(JetStreamError::Ended)?;
            let mut together = vec![first.map_err(JetStreamError::on("read a message"))?];
            // what is there already goes into the same transaction
            while together.len() < TOGETHER {
                match futures_util::FutureExt::now_or_never(messages.next()) {
                    Some(Some(Ok(message))) => together.push(message),
                    _ => break,
                }
            }
            self.store(&together, &stream, batch).await;
            for message in &together {
                // an acknowledgement that is lost brings the message again, which is known then
                if let Err(error) = message.ack().await {
                    tracing::debug!(%error, "a message could not be acknowledged");
                }
            }
            if forgotten.elapsed() > FORGET {
                forgotten = Instant::now();
                self.forget(&consumer, &stream).await;
            }
        }
    }

    /// The durable consumer, and a name of the stream that no other one has: one that is made again has it anew.
    async fn consumer(&self, context: &Context) -> Result<(Consumer<Config>, String), JetStreamError> {
        let stream = context.get_stream(&self.stream).await.map_err(JetStreamError::on("find the stream"))?;
        let name = format!("terrane-{}-{}", self.product, self.dataset.name);
        let config = Config {
            durable_name: Some(name.clone()),
            description: Some(format!("input port {} of product {}", self.dataset.name, self.product)),
            filter_subject: self.subject.clone(),
            deliver_policy: DeliverPolicy::All,
            ack_policy: AckPolicy::Explicit,
            ack_wait: ACK_WAIT,
            max_ack_pending: UNACKNOWLEDGED,
            ..Config::default()
        };
        let consumer = stream.get_or_create_consumer(&name, config).await;
        let consumer = consumer.map_err(JetStreamError::on("make the consumer of the stream"))?;
        let created = stream.cached_info().created.unix_timestamp_nanos();
        Ok((consumer, format!("{}@{created}", self.stream)))
    }

    /// Store the events of these messages. There is no way back: without them none is acknowledged, and later ones must not
    /// go before them.
    async fn store(&self, messages: &[Message], stream: &str, batch: Uuid) {
        let (mut events, mut rejected) = self.read(messages);
        loop {
            let together = EventBatch {
                dataset: &self.dataset,
                rules: &self.rules,
                batch,
                origin: &self.stream,
                stream: Some(stream),
                events: &events,
                rejected: &rejected,
            };
            match self.store.take_events(&together).await {
                Ok(_) => return,
                Err(StoreError::BadRow { reason, .. }) => match self.store.find_bad_event(&self.dataset, &events).await
                {
                    Ok(found) => {
                        let (index, reason) = found.unwrap_or((0, reason));
                        let bad = events.remove(index);
                        rejected.push(self.rejected(bad.sequence, reason, Some(bad.json)));
                    }
                    Err(error) => self.wait(&error).await,
                },
                Err(error) => self.wait(&error).await,
            }
        }
    }

    async fn wait(&self, error: &StoreError) {
        tracing::warn!(%error, dataset = self.dataset.name, "events can't be stored; it is tried again");
        sleep(RETRY).await;
    }

    fn read(&self, messages: &[Message]) -> (Vec<EventRow>, Vec<RejectedEvent>) {
        let (mut events, mut rejected) = (Vec::with_capacity(messages.len()), Vec::new());
        for message in messages {
            let info = message.info().ok();
            let sequence = info.and_then(|info| i64::try_from(info.stream_sequence).ok());
            let read = event(&self.stream, message.headers.as_ref(), &message.payload, &self.dataset, &self.rules);
            match read {
                Ok(event) => events.push(EventRow { sequence, ..event }),
                Err(bad) => {
                    let text = String::from_utf8_lossy(&message.payload).into_owned();
                    rejected.push(self.rejected(sequence, bad.reason, Some(text)));
                }
            }
        }
        (events, rejected)
    }

    fn rejected(&self, sequence: Option<i64>, reason: String, event: Option<String>) -> RejectedEvent {
        tracing::warn!(stream = self.stream, sequence, reason, "an event is put aside");
        RejectedEvent { origin: self.stream.clone(), reason, event, sequence }
    }

    /// Messages that the server has seen acknowledged don't come again.
    async fn forget(&self, consumer: &Consumer<Config>, stream: &str) {
        let Ok(info) = consumer.get_info().await else { return };
        let floor = i64::try_from(info.ack_floor.stream_sequence).unwrap_or(0);
        if let Err(error) = self.store.forget_messages(&self.dataset.name, stream, floor).await {
            tracing::warn!(%error, "messages that are done could not be forgotten; it is tried again");
        }
    }
}
