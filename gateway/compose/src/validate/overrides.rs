//! Overrides: checks `@override`s against each other and against what the overridden subgraph does with the field.

use crate::names::Names;
use crate::report::Report;
use crate::schema::{Field, Kind, Override, Subgraph, Type};
use rustc_hash::FxHashMap;

/// Reports overrides of oneself, of overrides, on interfaces, and beside directives that contradict them.
pub fn check(subgraphs: &[Subgraph], names: &Names, report: &mut Report) {
    let by_name: FxHashMap<&str, &Subgraph> =
        subgraphs.iter().map(|subgraph| (subgraph.name.as_str(), subgraph)).collect();
    for subgraph in subgraphs {
        for ty in subgraph.types.values() {
            for field in ty.fields.values() {
                if let Some(overrides) = &field.overrides {
                    Check { subgraph, ty, field, overrides, names, report: &mut *report }.run(&by_name);
                }
            }
        }
    }
}

struct Check<'a> {
    subgraph: &'a Subgraph,
    ty: &'a Type,
    field: &'a Field,
    overrides: &'a Override,
    names: &'a Names,
    report: &'a mut Report,
}

impl Check<'_> {
    fn run(&mut self, by_name: &FxHashMap<&str, &Subgraph>) {
        if self.ty.kind == Kind::Interface {
            return self.error(
                "OVERRIDE_ON_INTERFACE",
                "stands on an interface",
                "override the fields of the implementations",
            );
        }
        if *self.overrides.from == *self.subgraph.name {
            let hint = "name the subgraph that had the field so far";
            return self.error("OVERRIDE_FROM_SELF_ERROR", "names its own subgraph", hint);
        }
        if let Some(label) = self.overrides.label.as_deref()
            && !is_label(label)
        {
            let hint = "start with a letter and go on with letters, digits and _-:./, or write percent(0-100)";
            self.error("OVERRIDE_LABEL_INVALID", &format!("has the label {label:?}, which is none"), hint);
        }
        let Some(source) = by_name.get(&*self.overrides.from) else {
            let message = format!(
                "[{}] @override on `{}` names the unknown subgraph `{}`",
                self.subgraph.name,
                self.coordinate(),
                self.overrides.from
            );
            let at = &[(self.subgraph.id, self.overrides.at)];
            self.report.warning(
                "FROM_SUBGRAPH_DOES_NOT_EXIST",
                message,
                "remove the @override if the migration is over",
                at,
            );
            return;
        };
        let overridden = source.types.get(&self.ty.name).and_then(|ty| ty.fields.get(&self.field.name));
        let Some(overridden) = overridden else {
            let message = format!(
                "[{}] @override on `{}` can be removed: [{}] does not have the field",
                self.subgraph.name,
                self.coordinate(),
                source.name
            );
            let at = &[(self.subgraph.id, self.overrides.at)];
            self.report.warning("OVERRIDE_DIRECTIVE_CAN_BE_REMOVED", message, "remove it", at);
            return;
        };
        if overridden.overrides.is_some() {
            let hint = "keep one of the two overrides";
            return self.error(
                "OVERRIDE_SOURCE_HAS_OVERRIDE",
                "takes the field from a subgraph that overrides it as well",
                hint,
            );
        }
        self.check_collision(source, overridden);
    }

    fn check_collision(&mut self, source: &Subgraph, overridden: &Field) {
        let beside = [
            (self.field.external, "@external", self.subgraph),
            (overridden.requires.is_some(), "@requires", source),
            (overridden.provides.is_some(), "@provides", source),
        ];
        for (_, directive, side) in beside.into_iter().filter(|(is, ..)| *is) {
            let text = format!("can't be combined with {directive} on the field in [{}]", side.name);
            let hint = "move the directive's work out of the field first, then override";
            self.error("OVERRIDE_COLLISION_WITH_ANOTHER_DIRECTIVE", &text, hint);
        }
    }

    fn coordinate(&self) -> String {
        format!("{}.{}", &self.names[self.ty.name], &self.names[self.field.name])
    }

    fn error(&mut self, code: &'static str, what: &str, hint: &str) {
        let message = format!(
            "[{}] @override(from: {:?}) on `{}` {what}",
            self.subgraph.name,
            &*self.overrides.from,
            self.coordinate()
        );
        self.report.error(code, message, hint, &[(self.subgraph.id, self.overrides.at)]);
    }
}

/// Labels are `percent(0…100)` or names with a few extra characters.
fn is_label(label: &str) -> bool {
    if let Some(percent) = label.strip_prefix("percent(").and_then(|rest| rest.strip_suffix(')')) {
        let fine = percent.split('.').all(|part| !part.is_empty() && part.bytes().all(|byte| byte.is_ascii_digit()));
        return fine && percent.parse::<f64>().is_ok_and(|value| (0.0..=100.0).contains(&value));
    }
    label.starts_with(|first: char| first.is_ascii_alphabetic())
        && label.chars().all(|c| c.is_ascii_alphanumeric() || "_-:./".contains(c))
}
