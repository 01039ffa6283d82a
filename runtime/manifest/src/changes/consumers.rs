//! Consumers: turns the products of a mesh into who uses which field of a product.

use crate::connector::Connector;
use crate::product::Product;

/// That a product uses a field of another one.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Use {
    /// The product whose field it is.
    pub product: String,
    /// Its dataset.
    pub dataset: String,
    /// The field.
    pub field: String,
    /// Who uses it, and how: `geography (input port countries)`.
    pub by: String,
}

/// What `consumer` uses of other products: the fields that its input ports read, and those that its relationships refer
/// to.
pub fn uses(consumer: &Product) -> Vec<Use> {
    let mut found = Vec::new();
    for port in &consumer.input_ports {
        let Connector::Product { product, dataset } = &port.connector else { continue };
        let Some(read) = consumer.inputs().find(|d| d.name == port.dataset) else { continue };
        found.extend(read.fields.iter().map(|field| Use {
            product: product.clone(),
            dataset: dataset.clone(),
            field: field.name.clone(),
            by: format!("{} (input port {})", consumer.id, port.name),
        }));
    }
    for dataset in consumer.outputs() {
        for relationship in &dataset.relationships {
            let Some(product) = relationship.target.product.as_ref().filter(|id| **id != consumer.id) else { continue };
            found.extend(relationship.target.fields.iter().map(|field| Use {
                product: product.clone(),
                dataset: relationship.target.dataset.clone(),
                field: field.clone(),
                by: format!("{} (relationship of {})", consumer.id, dataset.name),
            }));
        }
    }
    found.sort();
    found.dedup();
    found
}
