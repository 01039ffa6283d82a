//! Fuzzes composition: turns text into subgraphs, composes them, and checks that what composes can be planned over.
//!
//! The text has the form of the cases in `tests/compose`: each subgraph after a line `#>> NAME`.
#![no_main]

use libfuzzer_sys::{Corpus, fuzz_target};
use terrane_compose::{Subgraph, compose};
use terrane_plan::Supergraph;

/// Longer inputs only make the same things slower to find.
const LONGEST: usize = 16 << 10;

fn subgraphs(text: &str) -> Vec<Subgraph> {
    let sections = text.split("#>> ").skip(1).take(6);
    let subgraph = |section: &str| {
        let (name, sdl) = section.split_once('\n').unwrap_or((section, ""));
        Subgraph { name: name.trim().to_owned(), url: String::new(), sdl: sdl.to_owned() }
    };
    sections.map(subgraph).collect()
}

fuzz_target!(|data: &[u8]| -> Corpus {
    if data.len() > LONGEST {
        return Corpus::Reject;
    }
    let Ok(text) = std::str::from_utf8(data) else { return Corpus::Reject };
    let subgraphs = subgraphs(text);
    if subgraphs.is_empty() {
        return Corpus::Reject;
    }
    if let Ok(composition) = compose(&subgraphs) {
        let supergraph = Supergraph::parse(&composition.supergraph);
        assert!(supergraph.is_ok(), "{}\n{}", supergraph.unwrap_err(), composition.supergraph);
    }
    Corpus::Keep
});
