//! Field sets: checks what `@key`, `@provides` and `@requires` select, and turns them into marks on the fields selected.

use crate::names::{Names, Symbol};
use crate::report::Report;
use crate::schema::{At, FieldSet, Kind, Selection, Subgraph, Type};
use rustc_hash::FxHashSet;

/// Which fields of a subgraph are selected by which kind of directive.
#[derive(Default)]
pub struct Marks {
    keys: FxHashSet<(Symbol, Symbol)>,
    provided: FxHashSet<(Symbol, Symbol)>,
    required: FxHashSet<(Symbol, Symbol)>,
}

impl Marks {
    /// Writes the marks into the subgraph.
    pub fn apply(&self, subgraph: &mut Subgraph) {
        for ty in subgraph.types.values_mut() {
            for field in ty.fields.values_mut() {
                let place = (ty.name, field.name);
                field.in_key = self.keys.contains(&place);
                field.provided = self.provided.contains(&place);
                field.required = self.required.contains(&place);
                field.shareable |= field.in_key || field.provided;
            }
        }
    }
}

/// The codes of one directive.
struct Rules {
    directive: &'static str,
    invalid: &'static str,
    has_args: Option<&'static str>,
    must_be_external: Option<&'static str>,
    with_directive: &'static str,
    is_key: bool,
}

const KEY: Rules = Rules {
    directive: "@key",
    invalid: "KEY_INVALID_FIELDS",
    has_args: Some("KEY_FIELDS_HAS_ARGS"),
    must_be_external: None,
    with_directive: "KEY_DIRECTIVE_IN_FIELDS_ARG",
    is_key: true,
};
const PROVIDES: Rules = Rules {
    directive: "@provides",
    invalid: "PROVIDES_INVALID_FIELDS",
    has_args: Some("PROVIDES_FIELDS_HAS_ARGS"),
    must_be_external: Some("PROVIDES_FIELDS_MISSING_EXTERNAL"),
    with_directive: "PROVIDES_DIRECTIVE_IN_FIELDS_ARG",
    is_key: false,
};
const REQUIRES: Rules = Rules {
    directive: "@requires",
    invalid: "REQUIRES_INVALID_FIELDS",
    has_args: None,
    must_be_external: Some("REQUIRES_FIELDS_MISSING_EXTERNAL"),
    with_directive: "REQUIRES_DIRECTIVE_IN_FIELDS_ARG",
    is_key: false,
};

struct Check<'a> {
    subgraph: &'a Subgraph,
    names: &'a Names,
    report: &'a mut Report,
    rules: &'static Rules,
    on: String,
    text: String,
    at: At,
    marked: &'a mut FxHashSet<(Symbol, Symbol)>,
    implementations: &'a rustc_hash::FxHashMap<Symbol, Vec<Symbol>>,
}

/// Checks all field sets of a subgraph and says what they select.
pub fn check(subgraph: &Subgraph, names: &Names, report: &mut Report) -> Marks {
    let mut marks = Marks::default();
    let implementations = subgraph.implementations();
    let mut run = |rules: &'static Rules, set: &FieldSet, parent: &Type, on: String, marked: &mut _| {
        let text = set.text.to_string();
        let mut check = Check {
            subgraph,
            names,
            report: &mut *report,
            rules,
            on,
            text,
            at: set.at,
            marked,
            implementations: &implementations,
        };
        if let Some(directive) = set.directive.as_deref() {
            check.error(rules.with_directive, &format!("it applies the directive `@{directive}`"));
        }
        let outcome = check.selections(parent, &set.selections, false);
        if let (Some(code), Some(false)) = (rules.must_be_external, outcome) {
            check.missing_external(code);
        }
    };
    for ty in subgraph.types.values() {
        for key in &ty.keys {
            run(&KEY, &key.fields, ty, format!("type `{}`", &names[ty.name]), &mut marks.keys);
        }
        for field in ty.fields.values() {
            let on = format!("field `{}.{}`", &names[ty.name], &names[field.name]);
            if let Some(set) = &field.requires {
                run(&REQUIRES, set, ty, on.clone(), &mut marks.required);
            }
            let target = subgraph.types.get(&field.ty.base).filter(|target| target.kind.is_composite());
            if let (Some(set), Some(target)) = (&field.provides, target) {
                run(&PROVIDES, set, target, on, &mut marks.provided);
            }
        }
    }
    marks
}

impl Check<'_> {
    /// Walks selections on `parent`. The answer is whether every leaf is external itself or below something external;
    /// `None` when something is wrong already.
    fn selections(&mut self, parent: &Type, selections: &[Selection], below_external: bool) -> Option<bool> {
        let mut all_external = Some(true);
        for selection in selections {
            let external = match selection {
                Selection::Field { name, .. } if *name == Symbol::TYPENAME => Some(true),
                Selection::Field { name, aliased, args, children } => {
                    if *aliased {
                        self.error(
                            self.rules.invalid,
                            &format!("the alias on `{}` is not allowed", &self.names[*name]),
                        );
                    }
                    self.field(parent, *name, !args.is_empty(), children, below_external)
                }
                Selection::Fragment { on, children } => self.fragment(parent, *on, children, below_external),
            };
            all_external = all_external.and_then(|all| external.map(|one| all && one));
        }
        all_external
    }

    fn field(
        &mut self,
        parent: &Type,
        name: Symbol,
        with_args: bool,
        children: &[Selection],
        below: bool,
    ) -> Option<bool> {
        let coordinate = format!("{}.{}", &self.names[parent.name], &self.names[name]);
        let Some(field) = parent.fields.get(&name) else {
            self.error(self.rules.invalid, &format!("there is no field `{coordinate}`"));
            return None;
        };
        self.marked.insert((parent.name, name));
        if parent.kind == Kind::Interface {
            let implementations = self.implementations.get(&parent.name).map_or(&[][..], Vec::as_slice);
            self.marked.extend(implementations.iter().map(|implementation| (*implementation, name)));
        }
        if let Some(code) = self.rules.has_args
            && (!field.args.is_empty() || with_args)
        {
            self.error(code, &format!("`{coordinate}` has arguments"));
            return None;
        }
        let target = self.subgraph.types.get(&field.ty.base).filter(|target| target.kind.is_composite());
        if self.rules.is_key && target.is_some_and(|target| matches!(target.kind, Kind::Interface | Kind::Union)) {
            self.error("KEY_FIELDS_SELECT_INVALID_TYPE", &format!("`{coordinate}` is an interface or union"));
            return None;
        }
        let external = below || self.is_external(parent, name);
        match (target, children.is_empty()) {
            (None, true) => Some(external),
            (None, false) => {
                self.error(self.rules.invalid, &format!("`{coordinate}` has no sub-fields to select"));
                None
            }
            (Some(_), true) => {
                self.error(self.rules.invalid, &format!("`{coordinate}` needs a selection of sub-fields"));
                None
            }
            (Some(target), false) => self.selections(target, children, external),
        }
    }

    fn fragment(&mut self, parent: &Type, on: Option<Symbol>, children: &[Selection], below: bool) -> Option<bool> {
        let Some(on) = on else { return self.selections(parent, children, below) };
        let Some(target) = self.subgraph.types.get(&on).filter(|target| target.kind.is_composite()) else {
            self.error(self.rules.invalid, &format!("there is no composite type `{}`", &self.names[on]));
            return None;
        };
        self.selections(target, children, below)
    }

    /// A field of an interface counts as external if an implementation's is.
    fn is_external(&self, parent: &Type, name: Symbol) -> bool {
        let own = parent.fields.get(&name).is_some_and(|field| field.external);
        let implementations = self.implementations.get(&parent.name).map_or(&[][..], Vec::as_slice);
        own || implementations.iter().any(|implementation| {
            self.subgraph
                .types
                .get(implementation)
                .and_then(|ty| ty.fields.get(&name))
                .is_some_and(|field| field.external)
        })
    }

    fn missing_external(&mut self, code: &'static str) {
        // Federation 1 accepted @provides and @requires of fields that are not external; they mean nothing there.
        if !self.subgraph.is_fed1() {
            self.error(code, "it selects a field that is not @external, so it has no effect");
        }
    }

    fn error(&mut self, code: &'static str, why: &str) {
        let message =
            format!("[{}] {}: {}(fields: \"{}\"): {why}", self.subgraph.name, self.on, self.rules.directive, self.text);
        let hint = match code {
            "KEY_FIELDS_SELECT_INVALID_TYPE" => "select fields whose values are scalars, enums or objects",
            "KEY_FIELDS_HAS_ARGS" | "PROVIDES_FIELDS_HAS_ARGS" => "select fields without arguments",
            "PROVIDES_FIELDS_MISSING_EXTERNAL" | "REQUIRES_FIELDS_MISSING_EXTERNAL" => {
                "mark the selected field @external, or don't select it"
            }
            _ => "select existing fields, as in a query",
        };
        self.report.error(code, message, hint, &[(self.subgraph.id, self.at)]);
    }
}
