//! The supergraph document: turns the merged schema into SDL with `@join__*` directives (join specification v0.3–v0.5).

use super::{definitions, print};
use crate::names::{Names, Symbol};
use crate::schema::{self, Applied, Kind, SubgraphId};
use crate::supergraph::{JoinField, JoinType, MergedDirective, MergedField, MergedType, Supergraph};
use std::fmt::Write as _;

const KEEP: &dyn Fn(&Applied) -> bool = &|_| true;
const FITS: &str = "a String takes any text";

struct Writer<'a> {
    out: String,
    names: &'a Names,
    /// Enum value by subgraph id.
    graphs: Vec<&'a str>,
}

/// Renders the supergraph. `graphs` are the enum values of `subgraphs`, in the same order.
pub fn supergraph(merged: &Supergraph, subgraphs: &[schema::Subgraph], graphs: &[String], names: &Names) -> String {
    let mut by_id = vec![""; subgraphs.iter().map(|subgraph| subgraph.id.index() + 1).max().unwrap_or(0)];
    for (subgraph, graph) in subgraphs.iter().zip(graphs) {
        by_id[subgraph.id.index()] = graph;
    }
    let mut writer = Writer { out: String::with_capacity(16 * 1024), names, graphs: by_id };
    let used = crate::merge::used_directives(merged);
    writer.schema(merged);
    for directive in &merged.directives {
        writer.directive(directive);
    }
    for definition in definitions::directives(merged.join, &used) {
        write!(writer.out, "\n{definition}\n").expect(FITS);
    }
    for definition in definitions::types(merged.join, &used) {
        write!(writer.out, "\n{definition}\n").expect(FITS);
    }
    writer.out.push_str("\nenum join__Graph {\n");
    for (subgraph, graph) in subgraphs.iter().zip(graphs) {
        let (name, url) = (print::string(&subgraph.name), print::string(&subgraph.url));
        writeln!(writer.out, "  {graph} @join__graph(name: {name}, url: {url})").expect(FITS);
    }
    writer.out.push_str("}\n");
    for ty in merged.types.values() {
        writer.ty(ty);
    }
    writer.out
}

impl Writer<'_> {
    fn schema(&mut self, merged: &Supergraph) {
        print::description(merged.description.as_deref(), "", &mut self.out);
        self.out.push_str("schema\n  @link(url: \"https://specs.apollo.dev/link/v1.0\")\n");
        let (major, minor) = merged.join;
        writeln!(self.out, "  @link(url: \"https://specs.apollo.dev/join/v{major}.{minor}\", for: EXECUTION)")
            .expect(FITS);
        for link in &merged.links {
            write!(self.out, "  @link(url: {}", print::string(&link.url)).expect(FITS);
            if let Some(prefix) = &link.prefix {
                write!(self.out, ", as: {}", print::string(prefix)).expect(FITS);
            }
            for (index, (name, local)) in link.imports.iter().enumerate() {
                self.out.push_str(if index == 0 { ", import: [" } else { ", " });
                if name == local {
                    self.out.push_str(&print::string(name));
                } else {
                    write!(self.out, "{{name: {}, as: {}}}", print::string(name), print::string(local)).expect(FITS);
                }
            }
            if !link.imports.is_empty() {
                self.out.push(']');
            }
            if let Some(purpose) = link.purpose {
                write!(self.out, ", for: {purpose}").expect(FITS);
            }
            self.out.push_str(")\n");
        }
        print::applied(&merged.applied, self.names, KEEP, "  ", &mut self.out);
        if !merged.applied.is_empty() {
            self.out.push('\n');
        }
        self.out.push_str("{\n");
        for (operation, root) in
            [("query", Symbol::QUERY), ("mutation", Symbol::MUTATION), ("subscription", Symbol::SUBSCRIPTION)]
        {
            if merged.types.contains_key(&root) {
                writeln!(self.out, "  {operation}: {}", &self.names[root]).expect(FITS);
            }
        }
        self.out.push_str("}\n");
    }

    fn directive(&mut self, directive: &MergedDirective) {
        self.out.push('\n');
        print::description(directive.description.as_deref(), "", &mut self.out);
        write!(self.out, "directive @{}", &self.names[directive.name]).expect(FITS);
        print::arguments(&directive.args, self.names, "", &|_| true, KEEP, &mut self.out);
        let repeatable = if directive.repeatable { " repeatable" } else { "" };
        writeln!(self.out, "{repeatable} on {}", directive.locations.join(" | ")).expect(FITS);
    }

    fn ty(&mut self, ty: &MergedType) {
        self.out.push('\n');
        print::description(ty.description.as_deref(), "", &mut self.out);
        let keyword = keyword(ty.kind);
        write!(self.out, "{keyword} {}", &self.names[ty.name]).expect(FITS);
        for (index, interface) in ty.interfaces.iter().enumerate() {
            self.out.push_str(if index == 0 { " implements " } else { " & " });
            self.out.push_str(&self.names[*interface]);
        }
        for (graph, interface) in &ty.join_interfaces {
            let (graph, interface) = (self.graph(*graph), &self.names[*interface]);
            write!(self.out, "\n  @join__implements(graph: {graph}, interface: \"{interface}\")").expect(FITS);
        }
        for join in &ty.joins {
            self.join_type(join);
        }
        for (graph, member) in &ty.join_members {
            let (graph, member) = (self.graph(*graph), &self.names[*member]);
            write!(self.out, "\n  @join__unionMember(graph: {graph}, member: \"{member}\")").expect(FITS);
        }
        print::applied(&ty.applied, self.names, KEEP, "\n  ", &mut self.out);
        match ty.kind {
            Kind::Scalar => self.out.push('\n'),
            Kind::Union => {
                let members: Vec<&str> = ty.members.iter().map(|member| &self.names[*member]).collect();
                writeln!(self.out, "\n = {}", members.join(" | ")).expect(FITS);
            }
            Kind::Enum => self.values(ty),
            Kind::Object | Kind::Interface | Kind::Input => {
                self.out.push_str("\n{\n");
                for field in ty.fields.values() {
                    self.field(field);
                }
                self.out.push_str("}\n");
            }
        }
    }

    fn join_type(&mut self, join: &JoinType) {
        write!(self.out, "\n  @join__type(graph: {}", self.graph(join.graph)).expect(FITS);
        if let Some(key) = &join.key {
            write!(self.out, ", key: {}", print::string(key)).expect(FITS);
        }
        if join.extension {
            self.out.push_str(", extension: true");
        }
        if !join.resolvable {
            self.out.push_str(", resolvable: false");
        }
        if join.interface_object {
            self.out.push_str(", isInterfaceObject: true");
        }
        self.out.push(')');
    }

    fn values(&mut self, ty: &MergedType) {
        self.out.push_str("\n{\n");
        for (name, value) in &ty.values {
            print::description(value.description.as_deref(), "  ", &mut self.out);
            write!(self.out, "  {}", &self.names[*name]).expect(FITS);
            for graph in &value.joins {
                let graph = self.graph(*graph);
                write!(self.out, " @join__enumValue(graph: {graph})").expect(FITS);
            }
            print::applied(&value.applied, self.names, KEEP, " ", &mut self.out);
            self.out.push('\n');
        }
        self.out.push_str("}\n");
    }

    fn field(&mut self, field: &MergedField) {
        print::description(field.description.as_deref(), "  ", &mut self.out);
        self.out.push_str("  ");
        if field.args.is_empty() {
            print::input_value(field, self.names, &mut self.out);
        } else {
            self.out.push_str(&self.names[field.name]);
            print::arguments(&field.args, self.names, "  ", &|_| true, KEEP, &mut self.out);
            write!(self.out, ": {}", field.ty.print(self.names)).expect(FITS);
        }
        for join in &field.joins {
            self.join_field(join);
        }
        print::applied(&field.applied, self.names, KEEP, " ", &mut self.out);
        self.out.push('\n');
    }

    fn join_field(&mut self, join: &JoinField) {
        let mut args: Vec<String> = Vec::new();
        let mut text = |name: &str, value: Option<&str>| {
            args.extend(value.map(|value| format!("{name}: {}", print::string(value))))
        };
        text("requires", join.requires.as_deref());
        text("provides", join.provides.as_deref());
        text("type", join.ty.map(|ty| ty.print(self.names)).as_deref());
        text("override", join.overrides.as_deref());
        text("overrideLabel", join.label.as_deref());
        if let Some(graph) = join.graph {
            args.insert(0, format!("graph: {}", self.graph(graph)));
        }
        if join.external {
            args.push("external: true".to_owned());
        }
        if join.used_overridden {
            args.push("usedOverridden: true".to_owned());
        }
        if !join.context_arguments.is_empty() {
            let contexts = join.context_arguments.iter().map(|argument| {
                format!(
                    "{{context: {}, name: \"{}\", type: \"{}\", selection: {}}}",
                    print::string(&argument.context),
                    &self.names[argument.name],
                    argument.ty.print(self.names),
                    print::string(&argument.selection)
                )
            });
            args.push(format!("contextArguments: [{}]", contexts.collect::<Vec<_>>().join(", ")));
        }
        self.out.push_str(" @join__field");
        if !args.is_empty() {
            write!(self.out, "({})", args.join(", ")).expect(FITS);
        }
    }

    fn graph(&self, id: SubgraphId) -> String {
        self.graphs[id.index()].to_owned()
    }
}

/// The keyword that defines a kind of type.
pub fn keyword(kind: Kind) -> &'static str {
    match kind {
        Kind::Scalar => "scalar",
        Kind::Object => "type",
        Kind::Interface => "interface",
        Kind::Union => "union",
        Kind::Enum => "enum",
        Kind::Input => "input",
    }
}
