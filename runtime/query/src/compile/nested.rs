//! Nested objects: turns the selected members of JSON objects into their layout. They are read from the column's JSON when
//! the response is written: the statement does not depend on which of them are selected.

use super::object::type_name_json;
use super::{Compiler, Fallible};
use crate::catalog::{NestedId, NestedKind};
use crate::layout::{Entry, JsonKind, JsonLayout, JsonMember};
use apollo_compiler::executable::SelectionSet;

impl<'a> Compiler<'a> {
    /// The layout of objects of type `id`.
    pub(super) fn nested(&mut self, id: NestedId, sets: &[&'a SelectionSet]) -> Fallible<JsonLayout> {
        self.enter()?;
        let catalog = self.catalog;
        let nested = catalog.nested_type(id);
        let mut members = Vec::new();
        for collected in self.fields(&nested.type_name, sets)? {
            let name = collected.field().name.as_str();
            let value = match nested.fields.iter().find(|f| f.name == name) {
                Some(field) => JsonMember::Field {
                    key: field.key.clone(),
                    kind: match field.kind {
                        NestedKind::Scalar(scalar) => JsonKind::Scalar(scalar),
                        NestedKind::Object(id) => JsonKind::Object(self.nested(id, &collected.selections())?),
                    },
                    list: field.list,
                    required: field.required,
                },
                // validation lets only `__typename` pass beside the type's own fields
                None => JsonMember::Constant(type_name_json(&nested.type_name)),
            };
            members.push(Entry { key: collected.key.into(), value });
        }
        self.leave();
        Ok(JsonLayout { members })
    }
}
