//! Printing: turns descriptions, values, arguments and applied directives into SDL text.

use crate::names::Names;
use crate::names::Symbol;
use crate::schema::{Applied, Directive, Map};
use crate::supergraph::MergedField;
use std::fmt::Write as _;

/// Writes a description as a block string on lines of its own.
pub fn description(text: Option<&str>, indent: &str, out: &mut String) {
    let Some(text) = text else { return };
    let control = text.chars().any(|c| (c < ' ' && c != '\n' && c != '\t') || c == '\u{7f}');
    if control || text.trim().is_empty() || text.starts_with([' ', '\t', '\n']) || text.ends_with('\n') {
        writeln!(out, "{indent}{}", string(text)).expect("a String takes any text");
        return;
    }
    writeln!(out, "{indent}\"\"\"").expect("a String takes any text");
    for line in text.replace("\"\"\"", "\\\"\"\"").split('\n') {
        if line.is_empty() {
            out.push('\n');
        } else {
            writeln!(out, "{indent}{line}").expect("a String takes any text");
        }
    }
    writeln!(out, "{indent}\"\"\"").expect("a String takes any text");
}

/// A string in quotes with GraphQL's escapes.
pub fn string(text: &str) -> String {
    let mut out = String::with_capacity(text.len() + 2);
    out.push('"');
    for c in text.chars() {
        match c {
            '"' => out.push_str("\\\""),
            '\\' => out.push_str("\\\\"),
            '\n' => out.push_str("\\n"),
            '\r' => out.push_str("\\r"),
            '\t' => out.push_str("\\t"),
            c if c < ' ' || c == '\u{7f}' => write!(out, "\\u{:04X}", c as u32).expect("a String takes any text"),
            c => out.push(c),
        }
    }
    out.push('"');
    out
}

/// What a directive is called in the supergraph.
pub fn directive_name(directive: Directive, names: &Names) -> &str {
    match directive {
        Directive::Custom(name) => &names[name],
        // The cost specification is linked with `@cost` as its own name; its other directive is imported.
        known => Directive::FEDERATION.iter().find(|(_, other, _)| *other == known).map_or("", |(name, ..)| name),
    }
}

/// Writes ` @name(args)` for each applied directive that `keep` accepts.
pub fn applied(all: &[Applied], names: &Names, keep: &dyn Fn(&Applied) -> bool, separator: &str, out: &mut String) {
    for one in all.iter().filter(|one| keep(one)) {
        write!(out, "{separator}@{}", directive_name(one.directive, names)).expect("a String takes any text");
        for (index, (name, value)) in one.args.iter().enumerate() {
            let before = if index == 0 { "(" } else { ", " };
            write!(out, "{before}{name}: {}", value.serialize().no_indent()).expect("a String takes any text");
        }
        if !one.args.is_empty() {
            out.push(')');
        }
    }
}

/// Writes `(a: T = 1, …)`, on several lines when an argument is described. `visible` leaves arguments out.
pub fn arguments(
    args: &Map<Symbol, MergedField>,
    names: &Names,
    indent: &str,
    visible: &dyn Fn(&MergedField) -> bool,
    keep: &dyn Fn(&Applied) -> bool,
    out: &mut String,
) {
    let shown: Vec<&MergedField> = args.values().filter(|arg| visible(arg)).collect();
    if shown.is_empty() {
        return;
    }
    let lines = shown.iter().any(|arg| arg.description.is_some());
    let inner = format!("{indent}  ");
    out.push('(');
    for (index, arg) in shown.iter().enumerate() {
        if lines {
            out.push('\n');
            description(arg.description.as_deref(), &inner, out);
            out.push_str(&inner);
        } else if index > 0 {
            out.push_str(", ");
        }
        input_value(arg, names, out);
        applied(&arg.applied, names, keep, " ", out);
    }
    if lines {
        out.push('\n');
        out.push_str(indent);
    }
    out.push(')');
}

/// Writes `name: Type = default`.
pub fn input_value(field: &MergedField, names: &Names, out: &mut String) {
    write!(out, "{}: {}", &names[field.name], field.ty.print(names)).expect("a String takes any text");
    if let Some(default) = &field.default {
        write!(out, " = {}", default.serialize().no_indent()).expect("a String takes any text");
    }
}
