//! Brokers: turns what ports say of JetStream into tasks that read from it and publish to it.

use super::replay::replay;
use super::{Line, intake, lines};
use crate::service::ProductService;
use futures_util::StreamExt as _;
use futures_util::stream::BoxStream;
use serde_json::Map;
use terrane_jetstream::{Consume, NatsSettings, Outgoing, Relay, consume, relay};
use terrane_manifest::{Connector, Layer, Publish};
use terrane_policy::{Caller, RoleSet};
use terrane_query::ExportRequest;

/// Start what a product does with streams, until it stops: publish what events change, read and write JetStream.
pub(crate) fn start(service: &ProductService, nats: Option<&NatsSettings>) {
    if let Some(gather) = intake::gather(service) {
        spawn(service, intake::publish_events(service.clone(), gather));
        spawn(service, replay(service.clone()));
    }
    for port in &service.product().input_ports {
        let Connector::JetStream { stream, subject } = &port.connector else { continue };
        let Some(dataset) = service.product().dataset(Layer::Input, &port.dataset) else { continue };
        let Some(settings) = nats.cloned() else {
            tracing::warn!(port = port.name, "no NATS server is configured: only posted events are taken");
            continue;
        };
        let what = Consume {
            product: service.product().id.clone(),
            store: service.store().clone(),
            dataset: dataset.clone(),
            rules: port.events.clone().unwrap_or_default(),
            stream: stream.clone(),
            subject: subject.clone(),
        };
        spawn(service, async move { consume(&settings, &what).await });
    }
    for dataset in service.product().outputs() {
        for publish in service.product().change_rules(dataset).filter_map(|rules| rules.publish.as_ref()) {
            match nats.cloned() {
                Some(settings) => publish_changes(service, &dataset.name, publish, settings),
                None => {
                    tracing::warn!(dataset = dataset.name, "no NATS server is configured: changes are not published")
                }
            }
        }
    }
}

/// Run a task until the product stops.
fn spawn(service: &ProductService, task: impl Future<Output = ()> + Send + 'static) {
    let stopped = service.streams().stopped();
    tokio::spawn(async move {
        tokio::select! {
            () = task => {}
            () = stopped => {}
        }
    });
}

fn publish_changes(service: &ProductService, dataset: &str, publish: &Publish, settings: NatsSettings) {
    let what = Relay {
        product: service.product().id.clone(),
        store: service.store().clone(),
        dataset: dataset.to_owned(),
        publish: publish.clone(),
    };
    // what the port's role sees is published
    let caller = Caller {
        subject: Some(format!("relay of {dataset}")),
        roles: RoleSet::new([publish.role.as_str()]),
        claims: Map::new(),
        ..Caller::anonymous()
    };
    let (follower, dataset) = (service.clone(), dataset.to_owned());
    let task = async move {
        let changes = |after| outgoing(follower.clone(), caller.clone(), dataset.clone(), after);
        relay(&settings, &what, changes).await;
    };
    spawn(service, task);
}

async fn outgoing(
    service: ProductService,
    caller: Caller,
    dataset: String,
    after: i64,
) -> Result<BoxStream<'static, Outgoing>, String> {
    let dataset = service.product().dataset(Layer::Output, &dataset).ok_or("there is no such dataset")?;
    let request = ExportRequest { dataset, fields: None, filter: None, order: None, limit: None };
    // where the role may see something else, the relay asks again
    let changed = service.access_changed(&caller, &service.access(&caller));
    let lines = lines(&service, &caller, &request, Some(after)).await;
    let lines = lines.map_err(|errors| errors.into_iter().map(|e| e.message).collect::<Vec<_>>().join("; "))?;
    Ok(lines
        .take_until(changed)
        .map(|line| match line {
            Line::Change(json, position) => Outgoing::Change(json, position),
            Line::Position(position) => Outgoing::Position(position),
            Line::Failed(error) => Outgoing::Failed(error.message),
        })
        .boxed())
}
