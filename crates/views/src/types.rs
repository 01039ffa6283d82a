//! Types: turns the SDL of a data port into the GraphQL type of each field.

use apollo_compiler::Node;
use apollo_compiler::ast::{Definition, Document, FieldDefinition};
use std::collections::{HashMap, HashSet};

/// The fields of a schema's object types.
#[derive(Debug, Default)]
pub(crate) struct FieldTypes {
    /// By type and field: its type as text, and whether it is selected without a selection of its own.
    fields: HashMap<(String, String), (String, bool)>,
}

impl FieldTypes {
    /// Read SDL; one that does not parse has no types.
    pub(crate) fn read(sdl: &str) -> Self {
        let Ok(document) = Document::parse(sdl, "product.graphql") else { return Self::default() };
        let mut composite = HashSet::new();
        let mut objects: Vec<(&str, &[Node<FieldDefinition>])> = Vec::new();
        for definition in &document.definitions {
            match definition {
                Definition::ObjectTypeDefinition(object) => objects.push((&object.name, &object.fields)),
                Definition::ObjectTypeExtension(object) => objects.push((&object.name, &object.fields)),
                Definition::InterfaceTypeDefinition(interface) => {
                    composite.insert(interface.name.as_str());
                }
                Definition::UnionTypeDefinition(union) => {
                    composite.insert(union.name.as_str());
                }
                _ => {}
            }
        }
        composite.extend(objects.iter().map(|(name, _)| *name));
        let mut fields = HashMap::new();
        for (object, definitions) in objects {
            for field in definitions {
                let needs_argument = field.arguments.iter().any(|a| a.is_required());
                let leaf = !needs_argument && !composite.contains(field.ty.inner_named_type().as_str());
                fields.insert((object.to_owned(), field.name.to_string()), (field.ty.to_string(), leaf));
            }
        }
        Self { fields }
    }

    /// The type of a field as GraphQL writes it.
    pub(crate) fn of(&self, object: &str, field: &str) -> Option<&str> {
        self.get(object, field).map(|(text, _)| text.as_str())
    }

    /// Whether the field can be selected as it is.
    pub(crate) fn is_leaf(&self, object: &str, field: &str) -> bool {
        self.get(object, field).is_some_and(|(_, leaf)| *leaf)
    }

    fn get(&self, object: &str, field: &str) -> Option<&(String, bool)> {
        self.fields.get(&(object.to_owned(), field.to_owned()))
    }
}
