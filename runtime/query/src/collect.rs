//! Collecting: turns selection sets into the fields of one object, merged by response key (GraphQL spec, section 6.3.2).

use crate::coerce::Values;
use apollo_compiler::ExecutableDocument;
use apollo_compiler::ast::{DirectiveList, Value as AstValue};
use apollo_compiler::executable::{Field, Selection, SelectionSet};
use indexmap::IndexMap;
use rustc_hash::FxHashSet;
use terrane_graphql::GraphqlError;

/// A field of an object after merging: its response key and every selection of it.
pub(crate) struct Collected<'d> {
    pub(crate) key: &'d str,
    pub(crate) fields: Vec<&'d Field>,
}

impl<'d> Collected<'d> {
    pub(crate) fn field(&self) -> &'d Field {
        self.fields[0]
    }

    pub(crate) fn selections(&self) -> Vec<&'d SelectionSet> {
        self.fields.iter().map(|f| &f.selection_set).collect()
    }
}

/// Counts visited selections, so that fragments that spread each other cannot multiply without bound.
pub(crate) struct Budget(pub(crate) u32);

/// Collect the fields of `sets` that apply to type `type_name` and that `@skip` and `@include` let through.
pub(crate) fn collect<'d>(
    document: &'d ExecutableDocument,
    values: &Values,
    type_name: &str,
    sets: &[&'d SelectionSet],
    budget: &mut Budget,
) -> Result<Vec<Collected<'d>>, GraphqlError> {
    let mut grouped: IndexMap<&'d str, Vec<&'d Field>> = IndexMap::new();
    let mut spread: FxHashSet<&'d str> = FxHashSet::default();
    let mut stack: Vec<&'d Selection> = Vec::new();
    for set in sets {
        stack.extend(set.selections.iter().rev());
        while let Some(selection) = stack.pop() {
            budget.0 = budget.0.checked_sub(1).ok_or_else(|| {
                GraphqlError::new("OPERATION_TOO_LARGE", "the operation selects too many fields; ask for less at once")
            })?;
            if !applies(selection.directives(), values) {
                continue;
            }
            match selection {
                Selection::Field(field) => grouped.entry(field.response_key().as_str()).or_default().push(field),
                Selection::InlineFragment(fragment) => {
                    if matches(fragment.type_condition.as_ref().map(|n| n.as_str()), type_name) {
                        stack.extend(fragment.selection_set.selections.iter().rev());
                    }
                }
                Selection::FragmentSpread(name) => {
                    let Some(fragment) = name.fragment_def(document) else { continue };
                    if spread.insert(fragment.name.as_str()) && matches(Some(fragment.type_condition()), type_name) {
                        stack.extend(fragment.selection_set.selections.iter().rev());
                    }
                }
            }
        }
    }
    Ok(grouped.into_iter().map(|(key, fields)| Collected { key, fields }).collect())
}

fn matches(condition: Option<&str>, type_name: &str) -> bool {
    // `_Entity` is the only abstract type of the data port, and every entity is one
    condition.is_none_or(|c| c == type_name || c == "_Entity")
}

fn applies(directives: &DirectiveList, values: &Values) -> bool {
    let holds = |name: &str| {
        let argument = directives.get(name)?.specified_argument_by_name("if")?;
        Some(match &**argument {
            AstValue::Boolean(flag) => *flag,
            AstValue::Variable(variable) => values.get(variable.as_str()).is_some_and(|v| v.as_bool() == Some(true)),
            _ => false,
        })
    };
    !holds("skip").unwrap_or(false) && holds("include").unwrap_or(true)
}
