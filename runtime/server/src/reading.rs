//! Reading: turns a store's settings into the reader of its output layer.

use terrane_driver::{DriverError, Reader, ReaderOptions, Replicas, Target};
use terrane_manifest::Product;
use terrane_store::{Role, StoreOptions};

/// `application_name` of a product's reader: by it, what was asked for data is told from what is read and written of records.
fn application(product: &Product) -> String {
    format!("terrane read {}", product.id)
}

/// Start a reader of `product`'s output layer, as the role that can do nothing else.
pub fn start_reader(options: &StoreOptions, product: &Product) -> Result<Reader, DriverError> {
    let role = Role::Query.name_for(&product.id);
    let timeout = options.statement_timeout.as_millis().to_string();
    let name = application(product);
    let settings = [
        ("application_name", name.as_str()),
        ("role", &role),
        ("statement_timeout", &timeout),
        ("default_transaction_read_only", "on"),
        ("search_path", "output"),
    ];
    let target = |url: &String| Target::from_url(url, &settings);
    let mut reader = ReaderOptions::new(target(&options.url)?, options.statement_timeout);
    reader.connections = options.query_connections as usize;
    if !options.replicas.is_empty() {
        let targets = options.replicas.iter().map(target).collect::<Result<_, _>>()?;
        reader.replicas = Some(Replicas { targets, lag: options.replica_lag });
    }
    Ok(Reader::start(reader))
}
