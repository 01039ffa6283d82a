//! Access: turns denied fields into all that speaks of them, in the form in which planning asks.

use apollo_compiler::Name;
use apollo_compiler::schema::ExtendedType;
use rustc_hash::{FxHashMap, FxHashSet};
use std::collections::{BTreeMap, BTreeSet};
use terrane_plan::{Denied, Description, Element, Supergraph};

/// What is denied, and on whose account.
#[derive(Debug, Clone, Default, PartialEq, Eq, Hash)]
pub struct Denials {
    fields: BTreeSet<(String, String)>,
    /// Input fields and enum values by type, with the field they speak of.
    inputs: BTreeMap<(Name, Name), String>,
    /// Arguments, with the field they speak of.
    arguments: BTreeMap<(Name, Name, Name), String>,
}

/// What speaks of fields.
#[derive(Debug, Default)]
pub struct Speaking {
    descriptions: Vec<Description>,
    /// By type of input: those whose values may be in its values.
    within: FxHashMap<Name, Vec<Name>>,
}

/// What a caller may not ask for.
#[derive(Debug, Default)]
pub struct Access {
    /// The same for equal decisions; 0 where nothing is denied.
    pub number: u64,
    fields: FxHashMap<String, FxHashSet<String>>,
    inputs: FxHashMap<Name, FxHashMap<Name, String>>,
    arguments: BTreeMap<(Name, Name, Name), String>,
    /// Types of input in whose values something denied may be.
    touched: FxHashSet<Name>,
}

impl Speaking {
    pub fn new(supergraph: &Supergraph) -> Self {
        let descriptions = supergraph.governance().descriptions.clone();
        let mut within = FxHashMap::default();
        if !descriptions.is_empty() {
            for (name, ty) in &supergraph.api_schema().types {
                if let ExtendedType::InputObject(input) = ty {
                    let inner = input.fields.values().map(|field| field.ty.inner_named_type().clone());
                    within.insert(name.clone(), inner.collect());
                }
            }
        }
        Self { descriptions, within }
    }

    /// `fields` and all that speaks of them.
    pub fn denials(&self, mut fields: BTreeSet<(String, String)>) -> Denials {
        let mut denials = Denials::default();
        let mut figures = BTreeSet::new();
        for description in &self.descriptions {
            let of = |field: &&String| fields.contains(&(description.ty.clone(), (*field).clone()));
            let Some(field) = description.fields.iter().find(of) else { continue };
            let about = format!("{}.{field}", description.ty);
            match &description.element {
                Element::Type(_) => {}
                Element::Member(of, member) => {
                    figures.insert((of.to_string(), member.to_string()));
                    denials.inputs.insert((of.clone(), member.clone()), about);
                }
                Element::Argument(of, field, argument) => {
                    denials.arguments.insert((of.clone(), field.clone(), argument.clone()), about);
                }
            }
        }
        fields.extend(figures);
        denials.fields = fields;
        denials
    }
}

impl Access {
    pub(super) fn new(number: u64, denials: Denials, speaking: &Speaking) -> Self {
        let mut access = Self { number, arguments: denials.arguments, ..Self::default() };
        for (of, field) in denials.fields {
            access.fields.entry(of).or_default().insert(field);
        }
        for ((of, member), about) in denials.inputs {
            access.touched.insert(of.clone());
            access.inputs.entry(of).or_default().insert(member, about);
        }
        let mut grown = !access.touched.is_empty();
        while grown {
            grown = false;
            for (of, inner) in &speaking.within {
                if !access.touched.contains(of) && inner.iter().any(|name| access.touched.contains(name)) {
                    grown = access.touched.insert(of.clone());
                }
            }
        }
        access
    }

    /// Whether nothing is denied.
    pub fn is_open(&self) -> bool {
        self.number == 0
    }

    /// Whether a field may not be selected.
    pub fn denies(&self, of: &str, field: &str) -> bool {
        self.fields.get(of).is_some_and(|fields| fields.contains(field))
    }

    /// The field for whose sake an input field or enum value may not be used.
    pub fn denied_member(&self, of: &str, member: &str) -> Option<&str> {
        self.inputs.get(of)?.get(member).map(String::as_str)
    }

    /// The field for whose sake an argument may not be used.
    pub fn denied_argument(&self, of: &Name, field: &Name, argument: &Name) -> Option<&str> {
        if self.arguments.is_empty() {
            return None;
        }
        self.arguments.get(&(of.clone(), field.clone(), argument.clone())).map(String::as_str)
    }

    /// Whether something denied may be in a value of a type of input.
    pub fn touches(&self, of: &str) -> bool {
        self.touched.contains(of)
    }

    /// Whether some input is denied at all.
    pub fn has_inputs(&self) -> bool {
        !self.touched.is_empty() || !self.arguments.is_empty()
    }
}

impl Denied for &Access {
    fn is_denied(&self, of: &str, field: &str) -> bool {
        self.denies(of, field)
    }
}

/// Every field of every object and interface type that clients see.
pub fn object_fields(supergraph: &Supergraph) -> Vec<(String, String)> {
    let mut fields = Vec::new();
    for (name, of) in &supergraph.api_schema().types {
        let names: Vec<_> = match of {
            ExtendedType::Object(object) => object.fields.keys().collect(),
            ExtendedType::Interface(interface) => interface.fields.keys().collect(),
            _ => continue,
        };
        if !of.is_built_in() {
            fields.extend(names.into_iter().map(|field| (name.to_string(), field.to_string())));
        }
    }
    fields
}
