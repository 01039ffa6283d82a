//! Weights: turns the cost directives of a supergraph into tables by element.

use apollo_compiler::Name;
use rustc_hash::FxHashMap;
use terrane_plan::{Costs, Element, ListSize};

/// What elements weigh and how long lists are.
#[derive(Debug, Default)]
pub struct Weights {
    types: FxHashMap<Name, f64>,
    members: FxHashMap<(Name, Name), f64>,
    arguments: FxHashMap<(Name, Name, Name), f64>,
    sizes: FxHashMap<(Name, Name), ListSize>,
    /// How long lists are of which nothing is said.
    pub list_size: f64,
}

impl Weights {
    pub fn new(costs: &Costs, list_size: f64) -> Self {
        let mut weights = Self { list_size, sizes: costs.sizes.iter().cloned().collect(), ..Self::default() };
        for (element, weight) in &costs.weights {
            match element.clone() {
                Element::Type(name) => weights.types.insert(name, *weight),
                Element::Member(of, name) => weights.members.insert((of, name), *weight),
                Element::Argument(of, field, name) => weights.arguments.insert((of, field, name), *weight),
            };
        }
        weights
    }

    /// A type's weight: its own, or `usual`.
    pub fn ty(&self, name: &Name, usual: f64) -> f64 {
        self.types.get(name).copied().unwrap_or(usual)
    }

    /// A field's or input field's own weight.
    pub fn member(&self, of: &Name, name: &Name) -> Option<f64> {
        self.members.get(&(of.clone(), name.clone())).copied()
    }

    /// An argument's own weight.
    pub fn argument(&self, of: &Name, field: &Name, name: &Name) -> Option<f64> {
        self.arguments.get(&(of.clone(), field.clone(), name.clone())).copied()
    }

    /// What a field says of how long its lists are.
    pub fn size(&self, of: &Name, field: &Name) -> Option<&ListSize> {
        self.sizes.get(&(of.clone(), field.clone()))
    }
}
