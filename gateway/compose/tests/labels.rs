//! Composes graphs with progressive overrides: what a choice of labels breaks must be found without trying all choices.

use proptest::prelude::*;
use std::collections::BTreeSet;
use std::fmt::Write as _;
use terrane_compose::{Subgraph, compose};
use terrane_diagnostics::Severity;

const SUBGRAPHS: usize = 3;
const LABELS: usize = 4;
const FITS: &str = "a String takes any text";

/// A field of one of the types, which one subgraph answers and another may be taking over.
#[derive(Debug, Clone)]
struct Field {
    ty: usize,
    /// The type it leads to; a leaf beyond the last.
    to: usize,
    owner: usize,
    /// Who takes it over, and the label.
    taken: Option<(usize, usize)>,
    /// A leaf of the same type that it requires, if that is somewhere else.
    requires: usize,
}

#[derive(Debug, Clone)]
struct Graph {
    fields: Vec<Field>,
    /// By type and subgraph: whether it has a key there, and whether that is resolvable.
    keys: Vec<Vec<Option<bool>>>,
    roots: Vec<(usize, usize)>,
}

fn graph() -> impl Strategy<Value = Graph> {
    let field =
        (0..4usize, 0..6usize, 0..SUBGRAPHS, prop::option::weighted(0.7, (1..SUBGRAPHS, 0..LABELS)), 0..20usize);
    let field = field.prop_map(|(ty, to, owner, taken, requires)| Field { ty, to, owner, taken, requires });
    let keys = prop::collection::vec(
        prop::collection::vec(prop::option::weighted(0.75, prop::bool::weighted(0.9)), SUBGRAPHS),
        4,
    );
    let roots = prop::collection::vec((0..SUBGRAPHS, 0..4usize), 1..3);
    (prop::collection::vec(field, 1..9), keys, roots).prop_map(|(fields, keys, roots)| Graph { fields, keys, roots })
}

impl Graph {
    /// The field that another one requires: both are leaves, and nothing else is done to them where they meet.
    fn required(&self, field: &Field) -> Option<usize> {
        let other = self.fields.get(field.requires)?;
        let meets =
            |at: usize| other.owner == at || other.taken.is_some_and(|(by, _)| (other.owner + by) % SUBGRAPHS == at);
        let fits = field.taken.is_none() && field.ty == other.ty && other.to >= 4 && !meets(field.owner);
        fits.then_some(field.requires)
    }
}

/// What becomes of a progressive override.
#[derive(Clone, Copy)]
enum Choice {
    Kept,
    /// Labels that are on, as bits.
    Made(usize),
}

/// The subgraphs. Where the labels' states are chosen, there are no labels: an override is plain or left out.
fn subgraphs(graph: &Graph, choice: Choice) -> Vec<Subgraph> {
    let write = |at: usize| {
        let mut sdl = String::from(
            "extend schema @link(url: \"https://specs.apollo.dev/federation/v2.9\", import: [\"@key\", \"@shareable\", \
             \"@external\", \"@requires\", \"@override\"])\ntype Query {",
        );
        for (number, (_, ty)) in graph.roots.iter().enumerate().filter(|(_, (owner, _))| *owner == at) {
            write!(sdl, " r{number}: T{ty}").expect(FITS);
        }
        writeln!(sdl, " own{at}: Int }}").expect(FITS);
        for (ty, keys) in graph.keys.iter().enumerate() {
            let key = match keys[at] {
                Some(true) => "@key(fields: \"id\")",
                Some(false) => "@key(fields: \"id\", resolvable: false)",
                None => "",
            };
            write!(sdl, "type T{ty} {key} {{ id: ID! @shareable").expect(FITS);
            for (number, field) in graph.fields.iter().enumerate().filter(|(_, field)| field.ty == ty) {
                let target = if field.to < 4 { format!("T{}", field.to) } else { "Int".to_owned() };
                let mut put = |mark: &str| write!(sdl, " f{number}: {target} {mark}").expect(FITS);
                let taken = field.taken.map(|(by, label)| ((field.owner + by) % SUBGRAPHS, label));
                match (taken, choice) {
                    _ if field.owner == at => match graph.required(field) {
                        Some(other) => put(&format!("@requires(fields: \"f{other}\")")),
                        None => put(""),
                    },
                    (Some((by, label)), Choice::Kept) if by == at => {
                        put(&format!("@override(from: \"s{}\", label: \"l{label}\")", field.owner));
                    }
                    (Some((by, label)), Choice::Made(on)) if by == at && on >> label & 1 == 1 => {
                        put(&format!("@override(from: \"s{}\")", field.owner));
                    }
                    _ => {}
                }
            }
            let required: BTreeSet<usize> =
                graph.fields.iter().filter(|f| f.ty == ty && f.owner == at).filter_map(|f| graph.required(f)).collect();
            for other in required {
                write!(sdl, " f{other}: Int @external").expect(FITS);
            }
            sdl.push_str(" }\n");
        }
        Subgraph { name: format!("s{at}"), url: String::new(), sdl }
    };
    (0..SUBGRAPHS).map(write).collect()
}

/// Whether everything can be answered.
fn is_satisfiable(subgraphs: &[Subgraph]) -> bool {
    match compose(subgraphs) {
        Ok(composition) => {
            let limits = composition.hints.iter().filter(|hint| hint.code == "SATISFIABILITY_LIMIT");
            assert_eq!(limits.count(), 0, "few labels are no reason to give up");
            true
        }
        Err(found) => {
            let errors: Vec<_> = found.iter().filter(|found| found.severity == Severity::Error).collect();
            assert!(errors.iter().all(|found| found.code == "SATISFIABILITY_ERROR"), "{errors:?}");
            false
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 150, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn all_choices_of_labels_are_checked(graph in graph()) {
        let every = (0..1 << LABELS).all(|on| is_satisfiable(&subgraphs(&graph, Choice::Made(on))));
        prop_assert_eq!(is_satisfiable(&subgraphs(&graph, Choice::Kept)), every);
    }
}

#[test]
fn labels_far_apart_do_not_multiply() {
    const MANY: usize = 300;
    let link =
        "extend schema @link(url: \"https://specs.apollo.dev/federation/v2.9\", import: [\"@key\", \"@override\"])\n";
    let (mut a, mut b) = (format!("{link}type Query {{ start: T0 }}\n"), link.to_owned());
    for number in 0..MANY {
        let next = number + 1;
        writeln!(a, "type T{number} @key(fields: \"id\") {{ id: ID! next: T{next} back: T0 }}").expect(FITS);
        let taken = format!("next: T{next} @override(from: \"a\", label: \"l{number}\")");
        writeln!(b, "type T{number} @key(fields: \"id\") {{ id: ID! {taken} }}").expect(FITS);
    }
    for text in [&mut a, &mut b] {
        writeln!(text, "type T{MANY} @key(fields: \"id\") {{ id: ID! }}").expect(FITS);
    }
    let subgraph = |name: &str, sdl: &str| Subgraph { name: name.into(), url: String::new(), sdl: sdl.into() };
    let composed = compose(&[subgraph("a", &a), subgraph("b", &b)]).expect("each label leaves a way");
    assert!(composed.hints.iter().all(|hint| hint.code != "SATISFIABILITY_LIMIT"));

    let hole = b.replace("type T250 @key(fields: \"id\")", "type T250 @key(fields: \"id\", resolvable: false)");
    let found = compose(&[subgraph("a", &a), subgraph("b", &hole)]).expect_err("l250 leads nowhere");
    let message = &found[0].message;
    assert!(message.starts_with("`T250.next` can't be answered in this operation, while "), "{message}");
    assert!(message.contains("`l250` is on"), "{message}");
}

#[test]
fn choices_without_end_end_in_a_hint() {
    const MANY: usize = 24;
    let link = "extend schema @link(url: \"https://specs.apollo.dev/federation/v2.9\", import: [\"@shareable\", \"@override\"])\n";
    let mut subgraphs = Vec::new();
    for number in 0..MANY {
        let root =
            |mark: &str| format!("{link}type Query {{ v: V @shareable {mark} }}\ntype V {{ x: Int @shareable }}\n");
        let taken = root(&format!("@override(from: \"a{number}\", label: \"l{number}\")"));
        subgraphs.push(Subgraph { name: format!("a{number}"), url: String::new(), sdl: root("") });
        subgraphs.push(Subgraph { name: format!("b{number}"), url: String::new(), sdl: taken });
    }
    let composed = compose(&subgraphs).expect("what is tried can be answered");
    assert!(composed.hints.iter().any(|hint| hint.code == "SATISFIABILITY_LIMIT"));
}
