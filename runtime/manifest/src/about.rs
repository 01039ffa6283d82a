//! About: turns a product and other words for what it says of itself (links, descriptions) into the product that says those.

use crate::dataset::{Dataset, Layer, Link};
use crate::product::{Description, Product};

/// Something that is said of a product.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub enum Element {
    /// The product's links: agreements, diagrams, documents.
    Links,
    /// The product's purpose, usage and limitations.
    Description,
    /// Title and description of an output dataset.
    Dataset(String),
    /// Title and description of a field, by its name in the contract.
    Field {
        /// Its output dataset.
        dataset: String,
        /// Its name.
        field: String,
    },
}

/// What is said of an [`Element`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Said {
    /// Of [`Element::Links`].
    Links(Vec<Link>),
    /// Of [`Element::Description`].
    Description(Description),
    /// Of a dataset or field.
    Words {
        /// Name for people.
        title: Option<String>,
        /// What it holds.
        description: Option<String>,
    },
}

impl Product {
    /// What is said of `element`; none where the product has no such dataset or field.
    pub fn said_of(&self, element: &Element) -> Option<Said> {
        let words = |title: &Option<String>, description: &Option<String>| Said::Words {
            title: title.clone(),
            description: description.clone(),
        };
        Some(match element {
            Element::Links => Said::Links(self.links.clone()),
            Element::Description => Said::Description(self.description.clone()),
            Element::Dataset(name) => {
                let dataset = self.dataset(Layer::Output, name)?;
                words(&dataset.business_name, &dataset.description)
            }
            Element::Field { dataset, field } => {
                let field = self.dataset(Layer::Output, dataset)?.field(field)?;
                words(&field.business_name, &field.description)
            }
        })
    }

    /// The product that says `said` of `element`. Words that are none are as they were; what is no kind of word for the element,
    /// or is said of what is not there, changes nothing.
    #[must_use]
    pub fn saying(mut self, element: &Element, said: &Said) -> Self {
        match (element, said) {
            (Element::Links, Said::Links(links)) => self.links.clone_from(links),
            (Element::Description, Said::Description(said)) => {
                let own = &mut self.description;
                put(&mut own.purpose, &said.purpose);
                put(&mut own.usage, &said.usage);
                put(&mut own.limitations, &said.limitations);
            }
            (Element::Dataset(name), Said::Words { title, description }) => {
                if let Some(dataset) = self.output_mut(name) {
                    put(&mut dataset.business_name, title);
                    put(&mut dataset.description, description);
                }
            }
            (Element::Field { dataset, field }, Said::Words { title, description }) => {
                let known = self.output_mut(dataset).and_then(|d| d.fields.iter_mut().find(|f| f.name == *field));
                if let Some(known) = known {
                    put(&mut known.business_name, title);
                    put(&mut known.description, description);
                }
            }
            _ => {}
        }
        self
    }

    fn output_mut(&mut self, name: &str) -> Option<&mut Dataset> {
        let datasets = self.contracts.iter_mut().flat_map(|contract| &mut contract.datasets);
        datasets.into_iter().find(|d| d.layer == Layer::Output && d.name == name)
    }
}

fn put(own: &mut Option<String>, said: &Option<String>) {
    if said.is_some() {
        own.clone_from(said);
    }
}
