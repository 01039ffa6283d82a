//! Printing: turns a world into the SDL of its monolith or of one of its subgraphs.

use crate::world::{Argument, Base, Field, FieldSet, GraphId, Kind, Presence, Ty, Type, TypeId, World, field_set_text};
use std::fmt::Write as _;

const LINK: &str = "extend schema @link(url: \"https://specs.apollo.dev/federation/v2.9\", import: [\"@key\", \"@shareable\", \
                    \"@external\", \"@requires\", \"@provides\", \"@override\", \"@interfaceObject\"])\n";
const EVERYWHERE: &str = "enum Color { RED GREEN BLUE }\n\
                          input Range { low: Int = 1 high: Int colors: [Color!] = [RED] }\n";

/// The label of progressive overrides.
pub const LABEL: &str = "percent(50)";

/// The name of a subgraph.
pub fn graph_name(graph: GraphId) -> String {
    format!("g{}", graph.0)
}

impl World {
    /// A type as GraphQL writes it.
    pub fn type_text(&self, ty: &Ty) -> String {
        let base = match ty.base {
            Base::Int => "Int",
            Base::Float => "Float",
            Base::String => "String",
            Base::Boolean => "Boolean",
            Base::Id => "ID",
            Base::Color => "Color",
            Base::Range => "Range",
            Base::Type(id) => &self.ty(id).name,
        };
        let mut text = format!("{}{base}{}", "[".repeat(ty.lists.len()), if ty.non_null { "!" } else { "" });
        for non_null in ty.lists.iter().rev() {
            text.push_str(if *non_null { "]!" } else { "]" });
        }
        text
    }

    fn arguments_text(&self, args: &[Argument]) -> String {
        if args.is_empty() {
            return String::new();
        }
        let one = |argument: &Argument| {
            let default = argument.default.map(|default| format!(" = {default}")).unwrap_or_default();
            format!("{}: {}{default}", argument.name, self.type_text(&argument.ty))
        };
        format!("({})", args.iter().map(one).collect::<Vec<_>>().join(", "))
    }

    fn field_text(&self, field: &Field) -> String {
        format!("  {}{}: {}", field.name, self.arguments_text(&field.args), self.type_text(&field.ty))
    }

    /// The fields of a type that clients see.
    pub fn visible_fields(&self, id: TypeId) -> Vec<&Field> {
        let ty = self.ty(id);
        if ty.kind != Kind::Interface {
            let answered = |field: &&Field| !field.owners.is_empty() || field.via.is_some();
            return ty.fields.iter().filter(answered).collect();
        }
        let in_some = |field: &&Field| {
            ty.graphs.iter().any(|(graph, presence)| {
                if presence.interface_object {
                    return field.owners.contains_key(graph);
                }
                self.interface_fields(id, *graph).iter().any(|known| known.name == field.name)
            })
        };
        ty.fields.iter().filter(in_some).collect()
    }

    /// The schema that clients see.
    pub fn monolith_sdl(&self) -> String {
        let mut text = EVERYWHERE.to_owned();
        text.push_str("directive @defer(label: String, if: Boolean! = true) on FRAGMENT_SPREAD | INLINE_FRAGMENT\n");
        for id in self.ids() {
            let ty = self.ty(id);
            if ty.graphs.is_empty() {
                continue;
            }
            if ty.kind == Kind::Union {
                self.print_union(&mut text, id, None);
                continue;
            }
            let _ = writeln!(text, "{} {}{} {{", keyword(ty.kind), ty.name, self.implements_text(id, None));
            for field in self.visible_fields(id) {
                let _ = writeln!(text, "{}", self.field_text(field));
            }
            text.push_str("}\n");
        }
        text
    }

    /// The interfaces that an object type implements in a subgraph, or in any.
    pub fn interfaces_of(&self, id: TypeId, graph: Option<GraphId>) -> Vec<TypeId> {
        let implements = |face: &TypeId| {
            let there = graph.is_none_or(|graph| {
                self.ty(*face).graphs.get(&graph).is_some_and(|presence| !presence.interface_object)
            });
            self.ty(*face).kind == Kind::Interface && there && self.possible(*face, graph).contains(&id)
        };
        self.ids().filter(implements).collect()
    }

    fn implements_text(&self, id: TypeId, graph: Option<GraphId>) -> String {
        let names: Vec<&str> = self.interfaces_of(id, graph).iter().map(|face| self.ty(*face).name.as_str()).collect();
        if names.is_empty() { String::new() } else { format!(" implements {}", names.join(" & ")) }
    }

    fn print_union(&self, text: &mut String, id: TypeId, graph: Option<GraphId>) {
        let names: Vec<&str> = self.possible(id, graph).iter().map(|member| self.ty(*member).name.as_str()).collect();
        let _ = writeln!(text, "union {} = {}", self.ty(id).name, names.join(" | "));
    }

    /// The SDL of a subgraph, with federation's directives or, to validate what it is asked, without them but with the
    /// entry for entities.
    pub fn subgraph_sdl(&self, graph: GraphId, federation: bool) -> String {
        let mut text = if federation { format!("{LINK}{EVERYWHERE}") } else { EVERYWHERE.to_owned() };
        let mut entities = Vec::new();
        for id in self.ids() {
            let ty = self.ty(id);
            let Some(presence) = ty.graphs.get(&graph) else { continue };
            let body = match ty.kind {
                Kind::Union => {
                    self.print_union(&mut text, id, Some(graph));
                    continue;
                }
                Kind::Interface if !presence.interface_object => {
                    let fields = self.interface_fields(id, graph);
                    fields.iter().fold(String::new(), |body, field| format!("{body}{}\n", self.field_text(field)))
                }
                _ => self.object_body(id, graph, federation),
            };
            let body = match body.as_str() {
                // What is asked is validated against this text, and a schema needs a field to start from.
                "" if id == TypeId(0) && !federation => "  _unused: Int\n".to_owned(),
                "" => continue,
                _ => body,
            };
            let kind = if presence.interface_object { "type" } else { keyword(ty.kind) };
            let directives = if federation { type_directives(ty, presence) } else { String::new() };
            let implements =
                if ty.kind == Kind::Object { self.implements_text(id, Some(graph)) } else { String::new() };
            let _ = writeln!(text, "{kind} {}{implements}{directives} {{\n{body}}}", ty.name);
            if !presence.keys.is_empty() && kind == "type" {
                entities.push(ty.name.as_str());
            }
        }
        if !federation && !entities.is_empty() {
            let _ = writeln!(text, "scalar _Any\nunion _Entity = {}", entities.join(" | "));
            text.push_str("extend type Query { _entities(representations: [_Any!]!): [_Entity]! }\n");
        }
        text
    }

    fn object_body(&self, id: TypeId, graph: GraphId, federation: bool) -> String {
        let external = self.external(id, graph);
        let mut body = String::new();
        for field in self.ty(id).fields.iter().filter(|field| self.lists(id, field, graph)) {
            body.push_str(&self.field_text(field));
            if federation {
                self.print_field_directives(&mut body, id, field, graph, external.contains(&field.name));
            }
            body.push('\n');
        }
        body
    }

    fn print_field_directives(&self, text: &mut String, id: TypeId, field: &Field, graph: GraphId, external: bool) {
        if external {
            text.push_str(" @external");
            return;
        }
        let provided = self.graph_ids().any(|graph| self.external(id, graph).contains(&field.name));
        if field.owners.len() > 1 || (provided && field.overridden.is_none()) {
            text.push_str(" @shareable");
        }
        let Some(owner) = field.owners.get(&graph) else { return };
        let mut directive = |name: &str, set: &FieldSet| {
            if !set.is_empty() {
                let _ = write!(text, " @{name}(fields: \"{}\")", field_set_text(set));
            }
        };
        directive("requires", &owner.requires);
        directive("provides", &owner.provides);
        if let Some((from, by_label)) = field.overridden {
            let label = if by_label { format!(", label: \"{LABEL}\"") } else { String::new() };
            let _ = write!(text, " @override(from: \"{}\"{label})", graph_name(from));
        }
    }
}

fn keyword(kind: Kind) -> &'static str {
    match kind {
        Kind::Root | Kind::Object => "type",
        Kind::Interface => "interface",
        Kind::Union => "union",
    }
}

fn type_directives(ty: &Type, presence: &Presence) -> String {
    let mut text = String::new();
    for key in &presence.keys {
        let resolvable = if presence.unresolvable { ", resolvable: false" } else { "" };
        let _ = write!(text, " @key(fields: \"{}\"{resolvable})", ty.keys[*key].text());
    }
    if presence.interface_object {
        text.push_str(" @interfaceObject");
    }
    text
}
