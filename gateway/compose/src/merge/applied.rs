//! Applied directives: turns the directives on one element in several subgraphs into those of the supergraph.

use super::arguments::same_value;
use super::{Merge, by_frequency};
use crate::schema::{Applied, At, Directive, SubgraphId};
use apollo_compiler::Node;
use apollo_compiler::ast::Value;
use std::sync::Arc;

/// Applications of one directive with their subgraphs.
type Group<'d> = Vec<(SubgraphId, &'d Applied)>;

impl Merge<'_> {
    /// Merges applications: repeatable ones are united, the others combined by the rule of their directive.
    pub fn applied<'d>(
        &mut self,
        coordinate: &str,
        sources: impl Iterator<Item = (SubgraphId, &'d [Applied])>,
    ) -> Vec<Applied> {
        let groups = self.groups(sources);
        for (directive, group) in &groups {
            self.mention_combined(coordinate, *directive, group);
        }
        self.combine_all(coordinate, groups)
    }

    /// The same for elements that are not one and the same.
    pub fn united<'d>(
        &mut self,
        coordinate: &str,
        sources: impl Iterator<Item = (SubgraphId, &'d [Applied])>,
    ) -> Vec<Applied> {
        let groups = self.groups(sources);
        self.combine_all(coordinate, groups)
    }

    fn groups<'d>(&self, sources: impl Iterator<Item = (SubgraphId, &'d [Applied])>) -> Vec<(Directive, Group<'d>)> {
        let mut groups: Vec<(Directive, Group<'d>)> = Vec::new();
        for (subgraph, applied) in sources {
            for one in applied {
                let Some(directive) = self.merged_name(subgraph, one.directive) else { continue };
                match groups.iter_mut().find(|(other, _)| *other == directive) {
                    Some((_, group)) => group.push((subgraph, one)),
                    None => groups.push((directive, vec![(subgraph, one)])),
                }
            }
        }
        groups.sort_by_key(|(directive, _)| self.order(*directive));
        groups
    }

    fn combine_all(&mut self, coordinate: &str, groups: Vec<(Directive, Group<'_>)>) -> Vec<Applied> {
        let mut merged = Vec::new();
        for (directive, group) in groups {
            merged.extend(self.combine(coordinate, directive, &group));
        }
        merged
    }

    /// A hint where arguments are combined, so that no subgraph's own are those of the supergraph.
    fn mention_combined(&mut self, coordinate: &str, directive: Directive, group: &[(SubgraphId, &Applied)]) {
        let combined =
            [Directive::RequiresScopes, Directive::Policy, Directive::Cost, Directive::ListSize].contains(&directive);
        if !combined || group.iter().all(|(_, one)| one.same(group[0].1)) {
            return;
        }
        let at: Vec<(SubgraphId, At)> = group.iter().map(|(subgraph, applied)| (*subgraph, applied.at)).collect();
        let message = format!("different arguments of a directive on `{coordinate}` are combined");
        let hint = "give it the same arguments in all subgraphs, if one of them is meant";
        self.report.warning("MERGED_NON_REPEATABLE_DIRECTIVE_ARGUMENTS", message, hint, &at);
    }

    fn order(&self, directive: Directive) -> (u8, String) {
        match directive {
            Directive::Custom(name) => (1, self.names[name].to_owned()),
            _ => (0, format!("{directive:?}")),
        }
    }

    /// The directive as the supergraph knows it; `None` for those it does not keep.
    fn merged_name(&self, subgraph: SubgraphId, directive: Directive) -> Option<Directive> {
        let Directive::Custom(name) = directive else {
            return (directive != Directive::CacheTag).then_some(directive);
        };
        match &self.names[name] {
            "deprecated" | "specifiedBy" | "oneOf" => Some(directive),
            _ => self.composed.name_in(subgraph, name).map(Directive::Custom),
        }
    }

    fn combine(&mut self, coordinate: &str, directive: Directive, group: &[(SubgraphId, &Applied)]) -> Vec<Applied> {
        let first = Applied { directive, ..group[0].1.clone() };
        match directive {
            Directive::Inaccessible | Directive::Authenticated => vec![first],
            Directive::RequiresScopes => vec![alternatives(&first, "scopes", group)],
            Directive::Policy => vec![alternatives(&first, "policies", group)],
            Directive::Cost => vec![Applied { args: largest("weight", group).into_iter().collect(), ..first }],
            Directive::ListSize => vec![Applied { args: list_size(group), ..first }],
            Directive::Context => group
                .iter()
                .map(|(subgraph, applied)| {
                    let name = applied.arg("name").and_then(Value::as_str).unwrap_or_default();
                    let name = format!("{}__{name}", self.subgraphs_name(*subgraph));
                    Applied { args: vec![(Arc::from("name"), Node::new(Value::String(name)))], ..(*applied).clone() }
                })
                .collect(),
            Directive::Tag => distinct(directive, group),
            Directive::Custom(name) if self.composed.is_repeatable(name) => distinct(directive, group),
            _ => vec![self.most_frequent(coordinate, directive, group)],
        }
    }

    /// For directives that may stand once: the arguments that most subgraphs give.
    fn most_frequent(&mut self, coordinate: &str, directive: Directive, group: &[(SubgraphId, &Applied)]) -> Applied {
        let print = |applied: &Applied| {
            let args = applied.args.iter().map(|(name, value)| format!("{name}: {}", value.serialize().no_indent()));
            args.collect::<Vec<_>>().join(", ")
        };
        let counted = by_frequency(group.iter().map(|(_, applied)| print(applied)));
        if counted.len() > 1 {
            let at: Vec<(SubgraphId, At)> = group.iter().map(|(subgraph, applied)| (*subgraph, applied.at)).collect();
            let message = format!("`{coordinate}` has {} different applications of one directive", counted.len());
            let code = "INCONSISTENT_NON_REPEATABLE_DIRECTIVE_ARGUMENTS";
            self.report.warning(code, message, "agree on one; the most frequent is used", &at);
        }
        let wanted = counted.first().map(|(text, _)| text.as_str()).unwrap_or_default();
        let found =
            group.iter().find(|(_, applied)| print(applied) == wanted).map_or(group[0].1, |(_, applied)| applied);
        Applied { directive, ..found.clone() }
    }
}

fn distinct(directive: Directive, group: &[(SubgraphId, &Applied)]) -> Vec<Applied> {
    let mut kept: Vec<Applied> = Vec::new();
    for (_, applied) in group {
        let one = Applied { directive, ..(*applied).clone() };
        if !kept.iter().any(|other| other.same(&one)) {
            kept.push(one);
        }
    }
    kept
}

/// Requirements in disjunctive form (a list of alternatives, each a list that must hold): all subgraphs' must hold, so
/// each alternative of one is joined with each of the others.
fn alternatives(first: &Applied, arg: &'static str, group: &[(SubgraphId, &Applied)]) -> Applied {
    let mut all: Option<Vec<Vec<Node<Value>>>> = None;
    for (_, applied) in group {
        let lists = applied.arg(arg).and_then(Value::as_list).unwrap_or_default();
        let own: Vec<Vec<Node<Value>>> = lists.iter().map(|list| list.as_list().unwrap_or_default().to_vec()).collect();
        all = Some(match all {
            None => own,
            Some(before) if same_alternatives(&before, &own) => before,
            Some(before) => conjunction(&before, &own),
        });
    }
    let lists = all.unwrap_or_default().into_iter().map(|list| Node::new(Value::List(list))).collect();
    Applied { args: vec![(Arc::from(arg), Node::new(Value::List(lists)))], ..first.clone() }
}

fn same_alternatives(a: &[Vec<Node<Value>>], b: &[Vec<Node<Value>>]) -> bool {
    a.len() == b.len()
        && a.iter().zip(b).all(|(a, b)| a.len() == b.len() && a.iter().zip(b).all(|(a, b)| same_value(a, b)))
}

/// More alternatives than this are no longer multiplied out; the stricter form, everything at once, is used instead.
const MOST_ALTERNATIVES: usize = 1_000;

fn conjunction(a: &[Vec<Node<Value>>], b: &[Vec<Node<Value>>]) -> Vec<Vec<Node<Value>>> {
    let unite = |left: &[Node<Value>], right: &[Node<Value>]| {
        let mut both = left.to_vec();
        both.extend(right.iter().filter(|value| !left.contains(value)).cloned());
        both
    };
    if a.len().saturating_mul(b.len()) > MOST_ALTERNATIVES {
        let flat = |lists: &[Vec<Node<Value>>]| lists.iter().fold(Vec::new(), |all, list| unite(&all, list));
        return vec![unite(&flat(a), &flat(b))];
    }
    let mut product: Vec<Vec<Node<Value>>> = Vec::new();
    for left in a {
        for right in b {
            let both = unite(left, right);
            if !product.contains(&both) {
                product.push(both);
            }
        }
    }
    product
}

fn largest(arg: &'static str, group: &[(SubgraphId, &Applied)]) -> Option<(Arc<str>, Node<Value>)> {
    let numbers = group.iter().filter_map(|(_, applied)| applied.arg(arg)).filter_map(|value| value.to_i32());
    numbers.max().map(|number| (Arc::from(arg), Node::new(Value::Int(number.into()))))
}

/// The largest size, all arguments and fields, and one slicing argument required only where all say so.
fn list_size(group: &[(SubgraphId, &Applied)]) -> Vec<(Arc<str>, Node<Value>)> {
    let mut args: Vec<_> = largest("assumedSize", group).into_iter().collect();
    for name in ["slicingArguments", "sizedFields"] {
        let mut united: Vec<Node<Value>> = Vec::new();
        for value in group.iter().filter_map(|(_, applied)| applied.arg(name)?.as_list()).flatten() {
            if !united.contains(value) {
                united.push(value.clone());
            }
        }
        if !united.is_empty() {
            args.push((Arc::from(name), Node::new(Value::List(united))));
        }
    }
    let one = "requireOneSlicingArgument";
    let given: Vec<bool> = group.iter().filter_map(|(_, applied)| applied.arg(one)?.to_bool()).collect();
    if !given.is_empty() {
        args.push((Arc::from(one), Node::new(Value::Boolean(given.iter().all(|value| *value)))));
    }
    args
}
