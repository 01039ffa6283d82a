//! Inaccessible elements: checks that what stays visible refers to nothing hidden, and that nothing visible is empty.

use crate::names::{Names, Symbol};
use crate::report::Report;
use crate::schema::{Applied, At, Directive, Kind, Subgraph, SubgraphId};
use crate::supergraph::{MergedField, MergedType, Supergraph};
use apollo_compiler::ast::Value;

/// Reports references to hidden types, hidden required inputs, hidden roots, and types left without children.
pub fn check(supergraph: &Supergraph, subgraphs: &[Subgraph], names: &Names, report: &mut Report) {
    let any = |applied: &[Applied]| applied.iter().any(|one| one.directive == Directive::Inaccessible);
    let is_used = supergraph.types.values().any(|ty| {
        any(&ty.applied)
            || ty.values.values().any(|value| any(&value.applied))
            || ty.fields.values().any(|field| any(&field.applied) || field.args.values().any(|arg| any(&arg.applied)))
    });
    if !is_used {
        return;
    }
    let mut check = Check { supergraph, subgraphs, names, report };
    for directive in supergraph.directives.iter().filter(|directive| !directive.composed) {
        for arg in directive.args.values() {
            let place = format!("@{}({}:)", &names[directive.name], &names[arg.name]);
            check.reference(&place, arg, arg.ty.base, arg.name);
        }
    }
    for ty in supergraph.types.values().filter(|ty| !ty.has(Directive::Inaccessible)) {
        check.ty(ty);
    }
    if supergraph.types.get(&Symbol::QUERY).is_some_and(|query| query.has(Directive::Inaccessible)) {
        let message = "the query root type is @inaccessible";
        check.report.error("QUERY_ROOT_TYPE_INACCESSIBLE", message, "hide its fields instead", &[]);
    }
}

struct Check<'a> {
    supergraph: &'a Supergraph,
    subgraphs: &'a [Subgraph],
    names: &'a Names,
    report: &'a mut Report,
}

impl Check<'_> {
    fn ty(&mut self, ty: &MergedType) {
        let hidden = |applied: &[Applied]| applied.iter().any(|one| one.directive == Directive::Inaccessible);
        let all_hidden = match ty.kind {
            Kind::Scalar => false,
            Kind::Union => ty.members.iter().all(|member| self.is_hidden(*member)),
            Kind::Enum => ty.values.values().all(|value| hidden(&value.applied)),
            Kind::Object | Kind::Interface | Kind::Input => ty.fields.values().all(|field| hidden(&field.applied)),
        };
        let name = self.names[ty.name].to_owned();
        if all_hidden {
            let message = format!("`{name}` is visible, but everything in it is @inaccessible");
            let at = self.places(ty.name, None);
            self.report.error(
                "ONLY_INACCESSIBLE_CHILDREN",
                message,
                "hide the type as well, or show a part of it",
                &at,
            );
        }
        for field in ty.fields.values() {
            if field.has(Directive::Inaccessible) {
                self.hidden_field(ty, field);
                continue;
            }
            let coordinate = format!("{name}.{}", &self.names[field.name]);
            self.reference(&coordinate, field, ty.name, field.name);
            self.default_value(&coordinate, field, ty.name, field.name);
            for arg in field.args.values() {
                let place = format!("{coordinate}({}:)", &self.names[arg.name]);
                if !arg.has(Directive::Inaccessible) {
                    self.reference(&place, arg, ty.name, field.name);
                    self.default_value(&place, arg, ty.name, field.name);
                } else if arg.ty.is_non_null() && arg.default.is_none() {
                    self.required(&place, ty.name, field.name);
                }
            }
            self.interface_arguments(ty, field, &coordinate);
        }
    }

    fn hidden_field(&mut self, ty: &MergedType, field: &MergedField) {
        let coordinate = format!("{}.{}", &self.names[ty.name], &self.names[field.name]);
        if ty.kind == Kind::Input && field.ty.is_non_null() && field.default.is_none() {
            self.required(&coordinate, ty.name, field.name);
        }
        for interface in ty.interfaces.iter().filter_map(|name| self.supergraph.types.get(name)) {
            let shown = !interface.has(Directive::Inaccessible);
            let wanted =
                interface.fields.get(&field.name).filter(|wanted| shown && !wanted.has(Directive::Inaccessible));
            if wanted.is_some() {
                let message = format!(
                    "`{coordinate}` is @inaccessible, but implements the visible interface field `{}.{}`",
                    &self.names[interface.name], &self.names[field.name]
                );
                let at = self.places(ty.name, Some(field.name));
                self.report.error("IMPLEMENTED_BY_INACCESSIBLE", message, "hide the interface's field, too", &at);
            }
        }
    }

    fn interface_arguments(&mut self, ty: &MergedType, field: &MergedField, coordinate: &str) {
        let hidden: Vec<Symbol> =
            field.args.values().filter(|arg| arg.has(Directive::Inaccessible)).map(|arg| arg.name).collect();
        for interface in ty.interfaces.iter().filter_map(|name| self.supergraph.types.get(name)) {
            if interface.has(Directive::Inaccessible) {
                continue;
            }
            let Some(wanted) = interface.fields.get(&field.name) else { continue };
            for name in &hidden {
                if wanted.args.get(name).is_some_and(|arg| !arg.has(Directive::Inaccessible)) {
                    let message = format!(
                        "`{coordinate}({}:)` is @inaccessible, but implements a visible argument of `{}`",
                        &self.names[*name], &self.names[interface.name]
                    );
                    let at = self.places(ty.name, Some(field.name));
                    self.report.error(
                        "IMPLEMENTED_BY_INACCESSIBLE",
                        message,
                        "hide the interface's argument, too",
                        &at,
                    );
                }
            }
        }
    }

    /// A default value must not use what clients can't see.
    fn default_value(&mut self, place: &str, field: &MergedField, ty: Symbol, on: Symbol) {
        let Some(default) = &field.default else { return };
        if let Some(hidden) = self.hidden_in_value(default, field.ty.base) {
            let message = format!("the default value of `{place}` uses `{hidden}`, which is @inaccessible");
            let at = self.places(ty, Some(on));
            self.report.error(
                "DEFAULT_VALUE_USES_INACCESSIBLE",
                message,
                "hide it as well, or use a visible value",
                &at,
            );
        }
    }

    fn hidden_in_value(&self, value: &Value, base: Symbol) -> Option<String> {
        let ty = self.supergraph.types.get(&base)?;
        let hidden = |applied: &[Applied]| applied.iter().any(|one| one.directive == Directive::Inaccessible);
        match value {
            Value::List(items) => items.iter().find_map(|item| self.hidden_in_value(item, base)),
            Value::Enum(name) => {
                let found = ty.values.get(&self.names.find(name)?)?;
                hidden(&found.applied).then(|| format!("{}.{name}", &self.names[base]))
            }
            Value::Object(fields) => fields.iter().find_map(|(name, inner)| {
                let field = ty.fields.get(&self.names.find(name)?)?;
                if field.has(Directive::Inaccessible) {
                    return Some(format!("{}.{name}", &self.names[base]));
                }
                self.hidden_in_value(inner, field.ty.base)
            }),
            _ => None,
        }
    }

    fn reference(&mut self, place: &str, field: &MergedField, ty: Symbol, on: Symbol) {
        if self.is_hidden(field.ty.base) {
            let message =
                format!("`{place}` is visible, but its type `{}` is @inaccessible", &self.names[field.ty.base]);
            let at = self.places(ty, Some(on));
            self.report.error("REFERENCED_INACCESSIBLE", message, "hide it as well, or show the type", &at);
        }
    }

    fn required(&mut self, place: &str, ty: Symbol, field: Symbol) {
        let message = format!("`{place}` is @inaccessible but required, so nobody could pass it");
        let at = self.places(ty, Some(field));
        self.report.error("REQUIRED_INACCESSIBLE", message, "make it optional, or show it", &at);
    }

    fn is_hidden(&self, name: Symbol) -> bool {
        self.supergraph.types.get(&name).is_some_and(|ty| ty.has(Directive::Inaccessible))
    }

    fn places(&self, ty: Symbol, field: Option<Symbol>) -> Vec<(SubgraphId, At)> {
        self.supergraph.places(self.subgraphs, ty, field)
    }
}
