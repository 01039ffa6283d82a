//! Composes generated subgraphs: neither their order nor what was composed before must matter, and what composes must be
//! valid GraphQL.

use proptest::prelude::*;
use std::fmt::Write as _;
use terrane_compose::{Composer, Subgraph, compose};

/// One type of one subgraph, as choices.
#[derive(Debug, Clone)]
struct Choice {
    ty: usize,
    key: Option<usize>,
    fields: Vec<(usize, usize, u8)>,
    mark: u8,
}

const TYPES: [&str; 3] = ["A", "B", "C"];
const KEYS: [&str; 3] = ["id", "code", "id code"];

fn choice() -> impl Strategy<Value = Choice> {
    let field = (0..5usize, 0..7usize, 0..6u8);
    (0..TYPES.len(), prop::option::weighted(0.8, 0..KEYS.len()), prop::collection::vec(field, 0..4), 0..12u8)
        .prop_map(|(ty, key, fields, mark)| Choice { ty, key, fields, mark })
}

fn subgraph(index: usize, choices: &[Choice]) -> Subgraph {
    let mut sdl =
        "extend schema @link(url: \"https://specs.apollo.dev/federation/v2.7\", import: [\"@key\", \"@shareable\", \
                   \"@external\", \"@requires\", \"@override\", \"@tag\", \"@inaccessible\"])\n"
            .to_owned();
    writeln!(sdl, "enum E {{ X{} Y }}\ninput N {{ y: Int x{index}: Int }}", index % 2)
        .expect("a String takes any text");
    let mut roots = String::new();
    let mut seen = Vec::new();
    for choice in choices {
        if seen.contains(&choice.ty) {
            continue;
        }
        seen.push(choice.ty);
        let name = TYPES[choice.ty];
        let key = choice.key.map_or(String::new(), |key| format!("@key(fields: \"{}\")", KEYS[key]));
        let mark = match choice.mark {
            0 => "@shareable",
            1 => "@tag(name: \"t\")",
            _ => "",
        };
        write!(sdl, "type {name} {key} {mark} {{ id: ID! @shareable code: ID! @shareable")
            .expect("a String takes any text");
        let mut names = Vec::new();
        for (field, ty, mark) in &choice.fields {
            if names.contains(field) {
                continue;
            }
            names.push(*field);
            let ty = ["Int", "Int!", "[Int]", "E", "A", "B", "Int"][*ty];
            let ty = if TYPES.contains(&ty) && ty != name { "Int" } else { ty };
            let mark = match mark {
                0 | 1 => "@shareable".to_owned(),
                2 => format!("@override(from: \"s{}\")", (index + 1) % 3),
                3 => "@inaccessible".to_owned(),
                _ => String::new(),
            };
            write!(sdl, " f{field}(n: N): {ty} {mark}").expect("a String takes any text");
        }
        sdl.push_str(" }\n");
        write!(roots, " {}{index}: {name}", name.to_lowercase()).expect("a String takes any text");
    }
    writeln!(sdl, "type Query {{ r{index}: E{roots} }}").expect("a String takes any text");
    Subgraph { name: format!("s{index}"), url: String::new(), sdl }
}

fn outcome(subgraphs: &[Subgraph]) -> String {
    match compose(subgraphs) {
        Ok(composition) => {
            format!(
                "{}{}{}",
                composition.supergraph,
                composition.api_schema,
                terrane_diagnostics::render_all(&composition.hints)
            )
        }
        Err(found) => terrane_diagnostics::render_all(&found),
    }
}

/// A change of one subgraph.
#[derive(Debug, Clone)]
enum Change {
    Write(usize, Vec<Choice>),
    /// The same in Federation 1.
    WriteOld(usize, Vec<Choice>),
    Break(usize),
    Extend(usize),
    Move(usize),
    Remove(usize),
}

fn change() -> impl Strategy<Value = Change> {
    let choices = || prop::collection::vec(choice(), 1..4);
    prop_oneof![
        5 => (0..4usize, choices()).prop_map(|(index, choices)| Change::Write(index, choices)),
        2 => (0..4usize, choices()).prop_map(|(index, choices)| Change::WriteOld(index, choices)),
        1 => (0..4usize).prop_map(Change::Break),
        1 => (0..4usize).prop_map(Change::Extend),
        1 => (0..4usize).prop_map(Change::Move),
        2 => (0..4usize).prop_map(Change::Remove),
    ]
}

fn apply(change: &Change, subgraphs: &mut Vec<Subgraph>) {
    let mut put = |new: Subgraph| match subgraphs.iter_mut().find(|old| old.name == new.name) {
        Some(old) => *old = new,
        None => subgraphs.insert(0, new),
    };
    let text = |index: usize, sdl: &str| Subgraph { name: format!("s{index}"), url: String::new(), sdl: sdl.into() };
    match change {
        Change::Write(index, choices) => put(subgraph(*index, choices)),
        Change::WriteOld(index, choices) => {
            let sdl = subgraph(*index, choices).sdl;
            let (_, old) = sdl.split_once('\n').expect("the link has a line of its own");
            put(text(*index, &old.replace("@shareable", "").replace("@inaccessible", "")));
        }
        Change::Break(index) => put(text(*index, "type Query { a: Int")),
        Change::Extend(index) => put(text(*index, "extend type A @key(fields: \"id\") { id: ID! @external x: Int }")),
        Change::Move(index) => {
            let old = subgraphs.iter_mut().filter(|old| old.name == format!("s{index}"));
            old.for_each(|old| old.url.push_str("/moved"));
        }
        Change::Remove(index) => subgraphs.retain(|old| old.name != format!("s{index}")),
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 150, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn order_does_not_matter_and_results_are_valid(
        choices in prop::collection::vec(prop::collection::vec(choice(), 1..4), 2..4),
        turn in 0..6usize,
    ) {
        let subgraphs: Vec<Subgraph> = choices.iter().enumerate().map(|(index, choices)| subgraph(index, choices)).collect();
        let mut shuffled = subgraphs.clone();
        shuffled.rotate_left(turn % subgraphs.len());
        if turn >= 3 {
            shuffled.reverse();
        }
        prop_assert_eq!(outcome(&subgraphs), outcome(&shuffled));
        if let Ok(composition) = compose(&subgraphs) {
            for text in [&composition.supergraph, &composition.api_schema] {
                let valid = apollo_compiler::Schema::parse_and_validate(text.as_str(), "rendered.graphql");
                prop_assert!(valid.is_ok(), "{}", text);
            }
        }
    }
    #[test]
    fn what_was_composed_before_does_not_matter(changes in prop::collection::vec(change(), 1..10)) {
        let mut composer = Composer::default();
        let mut subgraphs = Vec::new();
        for change in &changes {
            apply(change, &mut subgraphs);
            prop_assert_eq!(composer.compose(&subgraphs), compose(&subgraphs));
        }
    }
}
