//! List sizes: checks that `@listSize` stands on lists and names arguments and fields that exist.

use crate::names::{Names, Symbol};
use crate::report::Report;
use crate::schema::{Applied, At, Directive, Field, Subgraph};
use apollo_compiler::ast::Value;

/// Reports `@listSize`s that can't mean anything.
pub fn check(subgraph: &Subgraph, names: &Names, report: &mut Report) {
    for ty in subgraph.types.values() {
        for field in ty.fields.values() {
            for applied in field.applied.iter().filter(|applied| applied.directive == Directive::ListSize) {
                let coordinate = format!("{}.{}", &names[ty.name], &names[field.name]);
                Check { subgraph, names, report: &mut *report, field, coordinate, at: applied.at }.run(applied);
            }
        }
    }
}

struct Check<'a> {
    subgraph: &'a Subgraph,
    names: &'a Names,
    report: &'a mut Report,
    field: &'a Field,
    coordinate: String,
    at: At,
}

impl Check<'_> {
    fn run(&mut self, applied: &Applied) {
        let texts = |name: &str| -> Vec<String> {
            let values = applied.arg(name).and_then(Value::as_list).unwrap_or_default();
            values.iter().filter_map(|value| value.as_str().map(str::to_owned)).collect()
        };
        let sized = texts("sizedFields");
        if sized.is_empty() && self.field.ty.nullable().item().is_none() {
            self.error("LIST_SIZE_APPLIED_TO_NON_LIST", "the field is no list");
        }
        if applied.arg("assumedSize").and_then(Value::to_i32).is_some_and(|size| size < 0) {
            self.error("LIST_SIZE_INVALID_ASSUMED_SIZE", "`assumedSize` is negative");
        }
        for name in texts("slicingArguments") {
            let arg = self.names.find(&name).and_then(|name| self.field.args.get(&name));
            match arg {
                None => self.error("LIST_SIZE_INVALID_SLICING_ARGUMENT", &format!("there is no argument `{name}`")),
                Some(arg) if arg.ty.nullable() != crate::schema::Ty::named(Symbol::INT) => {
                    self.error("LIST_SIZE_INVALID_SLICING_ARGUMENT", &format!("the argument `{name}` is no Int"));
                }
                Some(_) => {}
            }
        }
        for name in sized {
            self.sized_field(&name);
        }
    }

    fn sized_field(&mut self, name: &str) {
        let Some(target) = self.subgraph.types.get(&self.field.ty.base).filter(|target| target.kind.is_composite())
        else {
            return self.error("LIST_SIZE_INVALID_SIZED_FIELD", "the field has no sub-fields to size");
        };
        let field = self.names.find(name).and_then(|name| target.fields.get(&name));
        match field {
            None => self.error("LIST_SIZE_INVALID_SIZED_FIELD", &format!("its type has no field `{name}`")),
            Some(field) if field.ty.nullable().item().is_none() => {
                self.error("LIST_SIZE_APPLIED_TO_NON_LIST", &format!("the sized field `{name}` is no list"));
            }
            Some(_) => {}
        }
    }

    fn error(&mut self, code: &'static str, why: &str) {
        let message = format!("[{}] @listSize on `{}`: {why}", self.subgraph.name, self.coordinate);
        let hint = "correct or remove the directive";
        self.report.error(code, message, hint, &[(self.subgraph.id, self.at)]);
    }
}
