//! Retention: turns what a product promises into the removal of what is older: changes that were told, ids of events, records of
//! runs.

use std::sync::Arc;
use std::time::Duration;
use terrane_manifest::Product;
use terrane_store::{Store, StoreError};
use tokio::time::{MissedTickBehavior, interval};

/// Between two looks.
const EVERY: Duration = Duration::from_secs(60);
/// Rows that are removed at once: others are not kept waiting for long.
const AT_ONCE: i64 = 5_000;

/// Remove what is older than the product promises, again and again. Any number of processes may do so.
pub async fn remove_old(store: Store, product: Arc<Product>) {
    let mut ticks = interval(EVERY);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        ticks.tick().await;
        if let Err(error) = remove_once(&store, &product).await {
            tracing::warn!(%error, "what is old could not be removed; it is tried again");
        }
    }
}

/// Remove what is older now.
///
/// # Errors
/// [`StoreError::Database`].
pub async fn remove_once(store: &Store, product: &Product) -> Result<(), StoreError> {
    for dataset in product.outputs() {
        let age = product.change_retention(dataset);
        while store.prune_changes(&dataset.name, age, AT_ONCE).await? == AT_ONCE.unsigned_abs() {}
    }
    for port in &product.input_ports {
        let age = port.events.clone().unwrap_or_default().duplicates;
        while store.forget_events(&port.dataset, age, AT_ONCE).await? == AT_ONCE.unsigned_abs() {}
    }
    while store.prune_runs(product.retention.runs, AT_ONCE).await? == AT_ONCE.unsigned_abs() {}
    Ok(())
}
