//! The API schema: turns the merged schema into the SDL that clients see, without inaccessible elements and joins.

use super::join::keyword;
use super::print;
use crate::names::{Names, Symbol};
use crate::schema::{Applied, Directive, Kind};
use crate::supergraph::{MergedField, MergedType, Supergraph};
use std::fmt::Write as _;

const FITS: &str = "a String takes any text";

/// Renders the API schema.
pub fn api_schema(merged: &Supergraph, names: &Names) -> String {
    let mut out = String::with_capacity(8 * 1024);
    let keep = |applied: &Applied| match applied.directive {
        Directive::Custom(name) => matches!(&names[name], "deprecated" | "specifiedBy" | "oneOf"),
        _ => false,
    };
    print::description(merged.description.as_deref(), "", &mut out);
    out.push_str("schema {\n");
    for (operation, root) in
        [("query", Symbol::QUERY), ("mutation", Symbol::MUTATION), ("subscription", Symbol::SUBSCRIPTION)]
    {
        if merged.types.get(&root).is_some_and(is_visible_type) {
            writeln!(out, "  {operation}: {}", &names[root]).expect(FITS);
        }
    }
    out.push_str("}\n");
    for directive in merged.directives.iter().filter(|directive| !directive.composed) {
        out.push('\n');
        print::description(directive.description.as_deref(), "", &mut out);
        write!(out, "directive @{}", &names[directive.name]).expect(FITS);
        print::arguments(&directive.args, names, "", &is_visible, &keep, &mut out);
        let repeatable = if directive.repeatable { " repeatable" } else { "" };
        writeln!(out, "{repeatable} on {}", directive.locations.join(" | ")).expect(FITS);
    }
    for ty in merged.types.values().filter(|ty| is_visible_type(ty)) {
        write_type(ty, merged, names, &keep, &mut out);
    }
    out
}

fn is_visible(field: &MergedField) -> bool {
    !field.has(Directive::Inaccessible)
}

fn is_visible_type(ty: &MergedType) -> bool {
    !ty.has(Directive::Inaccessible)
}

fn write_type(ty: &MergedType, merged: &Supergraph, names: &Names, keep: &dyn Fn(&Applied) -> bool, out: &mut String) {
    out.push('\n');
    print::description(ty.description.as_deref(), "", out);
    write!(out, "{} {}", keyword(ty.kind), &names[ty.name]).expect(FITS);
    let shown = |name: &&Symbol| merged.types.get(*name).is_none_or(is_visible_type);
    for (index, interface) in ty.interfaces.iter().filter(shown).enumerate() {
        out.push_str(if index == 0 { " implements " } else { " & " });
        out.push_str(&names[*interface]);
    }
    print::applied(&ty.applied, names, keep, " ", out);
    match ty.kind {
        Kind::Scalar => out.push('\n'),
        Kind::Union => {
            let members: Vec<&str> = ty.members.iter().filter(shown).map(|member| &names[*member]).collect();
            writeln!(out, " = {}", members.join(" | ")).expect(FITS);
        }
        Kind::Enum => {
            out.push_str(" {\n");
            let hidden = |applied: &[Applied]| applied.iter().any(|one| one.directive == Directive::Inaccessible);
            for (name, value) in ty.values.iter().filter(|(_, value)| !hidden(&value.applied)) {
                print::description(value.description.as_deref(), "  ", out);
                write!(out, "  {}", &names[*name]).expect(FITS);
                print::applied(&value.applied, names, keep, " ", out);
                out.push('\n');
            }
            out.push_str("}\n");
        }
        Kind::Object | Kind::Interface | Kind::Input => {
            out.push_str(" {\n");
            for field in ty.fields.values().filter(|field| is_visible(field)) {
                print::description(field.description.as_deref(), "  ", out);
                out.push_str("  ");
                if field.args.values().any(is_visible) {
                    out.push_str(&names[field.name]);
                    print::arguments(&field.args, names, "  ", &is_visible, keep, out);
                    write!(out, ": {}", field.ty.print(names)).expect(FITS);
                } else {
                    print::input_value(field, names, out);
                }
                print::applied(&field.applied, names, keep, " ", out);
                out.push('\n');
            }
            out.push_str("}\n");
        }
    }
}
