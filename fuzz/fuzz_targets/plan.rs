//! Fuzzes planning: turns bytes into an operation over a rich supergraph, plans it, and checks that there is a plan or a
//! limit that says why not.
//!
//! An input that starts with `{`, `q`, `m` or `f` is the operation's text; any other is a list of choices of a walk over
//! the API schema, which gives valid operations far more often than mutated text does.
#![no_main]

mod walk;

use apollo_compiler::ExecutableDocument;
use libfuzzer_sys::{Corpus, fuzz_target};
use std::sync::LazyLock;
use terrane_compose::{Subgraph, compose};
use terrane_plan::{PlanError, PlanOptions, Supergraph, plan};

const SUBGRAPHS: &str = include_str!("../subgraphs.graphql");

/// Longer inputs only make the same things slower to find.
const LONGEST: usize = 8 << 10;

static SUPERGRAPH: LazyLock<Supergraph> = LazyLock::new(|| {
    let subgraph = |section: &str| {
        let (name, sdl) = section.split_once('\n').expect("a subgraph has a name and a schema");
        Subgraph { name: name.to_owned(), url: String::new(), sdl: sdl.to_owned() }
    };
    let subgraphs: Vec<Subgraph> = SUBGRAPHS.split("#>> ").skip(1).map(subgraph).collect();
    let composition = compose(&subgraphs).expect("the subgraphs fit together");
    Supergraph::parse(&composition.supergraph).expect("what composes can be read")
});

fuzz_target!(|data: &[u8]| -> Corpus {
    if data.len() > LONGEST {
        return Corpus::Reject;
    }
    let graph = &*SUPERGRAPH;
    let text = match data.first() {
        None => return Corpus::Reject,
        Some(b'{' | b'q' | b'm' | b'f') => match std::str::from_utf8(data) {
            Ok(text) => text.to_owned(),
            Err(_) => return Corpus::Reject,
        },
        Some(_) => walk::operation(graph.api_schema(), data),
    };
    let Ok(document) = ExecutableDocument::parse_and_validate(graph.api_schema(), &text, "operation.graphql") else {
        return Corpus::Reject;
    };
    let name = document.operations.iter().next().and_then(|operation| operation.name.as_ref()).map(|n| n.as_str());
    let mut options = PlanOptions::default();
    if data.len() % 2 == 0 {
        options.labels.insert("percent(50)".to_owned());
    }
    options.incremental = data.len() % 3 == 0;
    match plan(graph, &document, name, &options) {
        Ok(planned) => {
            // A plan prints, and the same operation has the same plan.
            let again = plan(graph, &document, name, &options).expect("planning does not change its mind");
            assert_eq!(planned.to_string(), again.to_string());
        }
        Err(PlanError::TooLarge { .. } | PlanError::Unsupported(_)) => {}
        Err(error) => panic!("{error}\n{text}"),
    }
    Corpus::Keep
});
