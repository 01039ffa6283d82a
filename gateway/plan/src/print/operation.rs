//! Operations: turns the fetches of a request into the GraphQL text that is sent, compact or indented.

use crate::condition::{All, Condition};
use crate::ids::TypeId;
use crate::plan::{Fetch, FetchField, FetchSelection, Variable};
use apollo_compiler::Name;
use apollo_compiler::ast::{OperationType, Value};

/// The operation of a request as one line, and the client's variables in it, in the order of their definition.
pub(crate) fn compact(
    types: &[Name],
    fetches: &[&Fetch],
    client: &[Variable],
    kind: OperationType,
) -> (String, Vec<Name>) {
    let mut printer = Printer { types, out: String::new(), indent: None };
    for fetch in fetches {
        printer.fetch(fetch);
    }
    let body = printer.out;
    let mut used = Vec::new();
    for set in fetches.iter().flat_map(|f| &f.branches) {
        variables_of(set, &mut used);
    }
    let mut definitions: Vec<String> =
        fetches.iter().filter(|f| f.is_entity).map(|f| format!("${}: [_Any!]!", f.variable)).collect();
    let contexts = fetches.iter().flat_map(|f| &f.contexts);
    definitions.extend(contexts.map(|context| format!("${}: {}", context.variable, context.ty)));
    let mut variables = Vec::new();
    for variable in client.iter().filter(|v| used.contains(&v.name)) {
        let mut definition = format!("${}: {}", variable.name, variable.ty);
        if let Some(value) = &variable.default {
            // A default makes a nullable variable usable at a non-null place (GraphQL, section 5.8.5).
            definition.push_str(&format!(" = {}", value.serialize().no_indent()));
        }
        definitions.push(definition);
        variables.push(variable.name.clone());
    }
    let kind = match kind {
        _ if fetches[0].is_entity || !fetches[0].paths[0].is_empty() => "query",
        kind => crate::operation::kind_name(kind),
    };
    let head = match (definitions.is_empty(), kind) {
        (true, "query") => String::new(),
        (true, kind) => kind.to_owned(),
        (false, kind) => format!("{kind}({})", definitions.join(", ")),
    };
    (format!("{head}{{{}}}", body.trim_end()), variables)
}

/// The selections of a fetch, indented, without the operation around them.
pub(crate) fn indented(types: &[Name], fetch: &Fetch, indent: usize) -> String {
    let mut printer = Printer { types, out: String::new(), indent: Some(indent) };
    printer.branches(fetch);
    printer.out
}

struct Printer<'a> {
    types: &'a [Name],
    out: String,
    /// How deep lines are indented; none for one line.
    indent: Option<usize>,
}

impl Printer<'_> {
    fn fetch(&mut self, fetch: &Fetch) {
        if !fetch.is_entity {
            self.branches(fetch);
            return;
        }
        if fetch.key != "_entities" {
            self.out.push_str(&fetch.key);
            self.out.push_str(": ");
        }
        self.out.push_str(&format!("_entities(representations: ${})", fetch.variable));
        self.block(|p| p.branches(fetch));
    }

    fn branches(&mut self, fetch: &Fetch) {
        for branch in &fetch.branches {
            if fetch.is_entity {
                self.word(&format!("... on {}", self.types[branch.local.index()]));
                self.block(|p| p.set(branch));
            } else {
                self.set(branch);
            }
        }
    }

    fn set(&mut self, set: &FetchSelection) {
        if set.typename || set.fields.is_empty() {
            self.word("__typename");
            self.end();
        }
        let mut fragments: Vec<TypeId> = Vec::new();
        for field in &set.fields {
            if field.on == [set.local] {
                self.conditional(field);
                continue;
            }
            for on in &field.on {
                if !fragments.contains(on) {
                    fragments.push(*on);
                }
            }
        }
        for on in fragments {
            self.word(&format!("... on {}", self.types[on.index()]));
            self.block(|p| {
                for field in set.fields.iter().filter(|f| f.on != [set.local] && f.on.contains(&on)) {
                    p.conditional(field);
                }
            });
        }
    }

    fn conditional(&mut self, field: &FetchField) {
        for all in &field.condition.any {
            self.guarded(all, field);
        }
    }

    /// A field under a condition: directives on the field, in fragments where one of each is not enough.
    fn guarded(&mut self, all: &All, field: &FetchField) {
        let mut includes = all.0.iter().filter(|l| l.value);
        let mut skips = all.0.iter().filter(|l| !l.value);
        let mut layers: Vec<String> = Vec::new();
        loop {
            let (include, skip) = (includes.next(), skips.next());
            if include.is_none() && skip.is_none() {
                break;
            }
            let mut layer = String::new();
            if let Some(l) = include {
                layer.push_str(&format!(" @include(if: ${})", l.variable));
            }
            if let Some(l) = skip {
                layer.push_str(&format!(" @skip(if: ${})", l.variable));
            }
            layers.push(layer);
        }
        let own = layers.pop().unwrap_or_default();
        self.layered(&layers, &own, field);
    }

    fn layered(&mut self, layers: &[String], own: &str, field: &FetchField) {
        match layers.split_first() {
            Some((first, rest)) => {
                self.word(&format!("...{first}"));
                self.block(|p| p.layered(rest, own, field));
            }
            None => self.field(own, field),
        }
    }

    fn field(&mut self, directives: &str, field: &FetchField) {
        let mut head = if field.key == field.name { String::new() } else { format!("{}: ", field.key) };
        head.push_str(&field.name);
        if !field.arguments.text().is_empty() {
            head.push_str(&format!("({})", field.arguments.text()));
        }
        head.push_str(directives);
        self.word(&head);
        match &field.child {
            Some(child) => self.block(|p| p.set(child)),
            None => self.end(),
        }
    }

    fn word(&mut self, text: &str) {
        match self.indent {
            Some(depth) => self.out.push_str(&"  ".repeat(depth)),
            None if !self.out.is_empty() && !self.out.ends_with(['{', '}', ' ']) => self.out.push(' '),
            None => {}
        }
        self.out.push_str(text);
    }

    fn end(&mut self) {
        if self.indent.is_some() {
            self.out.push('\n');
        }
    }

    fn block(&mut self, inside: impl FnOnce(&mut Self)) {
        match &mut self.indent {
            Some(depth) => {
                *depth += 1;
                self.out.push_str(" {\n");
                inside(self);
                let depth = self.indent.map_or(0, |depth| depth - 1);
                self.indent = Some(depth);
                self.out.push_str(&"  ".repeat(depth));
                self.out.push_str("}\n");
            }
            None => {
                self.out.push('{');
                inside(self);
                self.out.push('}');
            }
        }
    }
}

fn variables_of(set: &FetchSelection, used: &mut Vec<Name>) {
    for field in &set.fields {
        for argument in &field.arguments.values {
            variables_in(&argument.value, used);
        }
        variables_in_condition(&field.condition, used);
        if let Some(child) = &field.child {
            variables_of(child, used);
        }
    }
}

fn variables_in(value: &Value, used: &mut Vec<Name>) {
    match value {
        Value::Variable(name) => used.push(name.clone()),
        Value::List(items) => items.iter().for_each(|item| variables_in(item, used)),
        Value::Object(fields) => fields.iter().for_each(|(_, value)| variables_in(value, used)),
        _ => {}
    }
}

fn variables_in_condition(condition: &Condition, used: &mut Vec<Name>) {
    used.extend(condition.any.iter().flat_map(|all| &all.0).map(|l| l.variable.clone()));
}
