//! The tree: turns a plan into text that people read: waves, requests, and why each is there.

use super::operation::indented;
use crate::build::{Part, Step};
use crate::condition::Condition;
use crate::ids::{DeferId, GroupId, NodeId};
use crate::plan::{Candidate, Fetch, QueryPlan};
use std::fmt;

impl fmt::Display for QueryPlan {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.print(f, false)
    }
}

/// A plan with the reasons of its fetches.
struct Explained<'a>(&'a QueryPlan);

impl fmt::Display for Explained<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.print(f, true)
    }
}

impl QueryPlan {
    /// The plan as text, with why each fetch is there; of a plan made with [`crate::PlanOptions::explain`], also which
    /// ways were compared and what each takes.
    pub fn explained(&self) -> String {
        Explained(self).to_string()
    }

    fn print(&self, f: &mut fmt::Formatter<'_>, explain: bool) -> fmt::Result {
        for wave in 0..self.waves() {
            writeln!(f, "wave {}", wave + 1)?;
            for request in self.requests.iter().filter(|request| request.wave == wave) {
                let later = self.group_text(request.group);
                writeln!(f, "  request {}{later}", self.subgraphs[request.subgraph.index()])?;
                for id in &request.fetches {
                    if explain {
                        self.print_reasons(f, &self.fetches[id.index()])?;
                    }
                    self.print_fetch(f, &self.fetches[id.index()])?;
                }
            }
        }
        Ok(())
    }

    /// For which fragments with `@defer` a request is: by label, or by number.
    fn group_text(&self, group: GroupId) -> String {
        let name = |id: &DeferId| {
            let label = self.deferred.defers()[id.index()].label.as_ref();
            label.map_or_else(|| format!("#{}", id.0), |label| format!("\"{label}\""))
        };
        let names: Vec<String> = self.deferred.groups()[group.index()].defers.iter().map(name).collect();
        if names.is_empty() { String::new() } else { format!(" deferred as {}", names.join(" and ")) }
    }

    fn print_reasons(&self, f: &mut fmt::Formatter<'_>, fetch: &Fetch) -> fmt::Result {
        writeln!(f, "    # {}", fetch.reason)?;
        for decided in &fetch.decided {
            let candidates: Vec<String> = decided.candidates.iter().map(|one| self.candidate_text(one)).collect();
            let alone = if candidates.len() == 1 { ", the only way" } else { "" };
            writeln!(f, "    # `{}`: {}{alone}", decided.field, candidates.join("; or "))?;
        }
        Ok(())
    }

    fn candidate_text(&self, candidate: &Candidate) -> String {
        let count = |n: u32, what: &str| if n == 1 { format!("1 {what}") } else { format!("{n} {what}s") };
        let name = candidate.subgraph.map_or("the fetch at hand", |s| &self.subgraphs[s.index()]);
        format!("{name} ({}, {})", count(candidate.requests, "request"), count(candidate.waves, "wave"))
    }

    fn print_fetch(&self, f: &mut fmt::Formatter<'_>, fetch: &Fetch) -> fmt::Result {
        let condition = describe(&fetch.condition);
        if !fetch.is_entity && fetch.paths[0].is_empty() {
            writeln!(f, "    root{condition} {{")?;
        } else {
            let paths: Vec<String> = fetch.paths.iter().map(|path| self.path_text(path)).collect();
            writeln!(f, "    at {}{condition} {{", paths.join(" and "))?;
        }
        for input in &fetch.inputs {
            let parts = parts_text(&input.parts);
            let (atom, entity) = (&self.types[input.atom.index()], &self.types[input.entity.index()]);
            if atom == entity {
                writeln!(f, "      {entity} by {parts}")?;
            } else {
                writeln!(f, "      {atom} as {entity} by {parts}")?;
            }
        }
        for context in &fetch.contexts {
            let above = |s: &crate::plan::ContextSource| format!("{} {} up", parts_text(&s.parts), s.up);
            let sources: Vec<String> = context.sources.iter().map(above).collect();
            writeln!(f, "      ${}: {} from {}", context.variable, context.ty, sources.join(" or "))?;
        }
        f.write_str(&indented(&self.types, fetch, 3))?;
        writeln!(f, "    }}")
    }

    /// `products.@.author|[Book].name`: slots from the root, with the types they are taken of.
    pub fn path_text(&self, path: &[Step]) -> String {
        let mut node: NodeId = self.root;
        let mut text = String::new();
        for step in path {
            let slot = &self.nodes.node(node).slots[step.slot.index()];
            if let Some(types) = &step.types {
                let names: Vec<&str> = types.iter().map(|ty| self.types[ty.index()].as_str()).collect();
                text.push_str(&format!("|[{}]", names.join(", ")));
            }
            if !text.is_empty() {
                text.push('.');
            }
            text.push_str(&slot.key);
            node = slot.child.unwrap_or(node);
        }
        text
    }
}

fn parts_text(parts: &[Part]) -> String {
    let texts: Vec<String> = parts
        .iter()
        .map(|part| {
            let text = match &part.below {
                Some(below) => format!("{} {}", part.name, parts_text(below)),
                None => part.name.to_string(),
            };
            let condition = describe(&part.condition);
            if condition.is_empty() { text } else { format!("({text}{condition})") }
        })
        .collect();
    format!("{{ {} }}", texts.join(" "))
}

fn describe(condition: &Condition) -> String {
    if condition.is_always() {
        return String::new();
    }
    let any: Vec<String> = condition
        .any
        .iter()
        .map(|all| {
            let literals: Vec<String> =
                all.0.iter().map(|l| format!("{}${}", if l.value { "" } else { "!" }, l.variable)).collect();
            literals.join(" and ")
        })
        .collect();
    format!(" if {}", any.join(" or "))
}
