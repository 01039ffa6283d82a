//! Recomposition: turns changed subgraphs into a new supergraph, with what is known of the unchanged ones.

use crate::names::Names;
use crate::parse::{Bases, Preludes};
use crate::report::{Report, Source};
use crate::schema::{self, SubgraphId};
use crate::{Composition, Subgraph, check, graphs, merge, parse, render, satisfiability, validate};
use rustc_hash::FxHashMap;
use std::sync::Arc;
use terrane_diagnostics::Diagnostic;

/// Composes again and again. Subgraphs that did not change since the last time are not read and validated again, which
/// is most of the work; the result is that of [`compose`](crate::compose), diagnostics and hints included.
#[derive(Debug, Default)]
pub struct Composer {
    names: Names,
    preludes: Preludes,
    known: FxHashMap<String, Known>,
    /// How many names there were when everything had been read anew.
    needed_names: usize,
}

/// A subgraph as it was read and validated.
#[derive(Debug)]
struct Known {
    input: Subgraph,
    source: Arc<Source>,
    found: Vec<Diagnostic>,
    bases: Bases,
    /// Nothing when it can't be parsed.
    subgraph: Option<schema::Subgraph>,
}

/// The names of former texts stay in the table, up to this many times what was needed at first.
const MOST_GROWTH: usize = 4;
/// Fewer names than this are never too many.
const FEW_NAMES: usize = 10_000;

impl Composer {
    /// Composes subgraphs into one graph.
    ///
    /// # Errors
    /// As [`compose`](crate::compose).
    pub fn compose(&mut self, subgraphs: &[Subgraph]) -> Result<Composition, Vec<Diagnostic>> {
        if self.names.len() > self.needed_names.saturating_mul(MOST_GROWTH).max(FEW_NAMES) {
            *self = Self::default();
        }
        let mut report = Report::default();
        let mut known = self.read(&graphs::in_order(subgraphs, &mut report), &mut report);
        // Merging wants the subgraphs in one slice, so they leave their places for as long as it takes.
        let parsed: Vec<schema::Subgraph> = known.iter_mut().filter_map(|known| known.subgraph.take()).collect();
        let bases: Vec<&Bases> = known.iter().map(|known| &known.bases).collect();
        let outcome = finish(&parsed, &bases, &self.names, report);
        let mut parsed = parsed.into_iter().peekable();
        for mut one in known {
            one.subgraph = parsed.next_if(|subgraph| subgraph.name == one.input.name);
            self.known.insert(one.input.name.clone(), one);
        }
        outcome
    }

    /// Takes what is known of unchanged subgraphs and reads the others. What is known of others is forgotten.
    fn read(&mut self, inputs: &[&Subgraph], report: &mut Report) -> Vec<Known> {
        let mut before = std::mem::take(&mut self.known);
        let is_first = before.is_empty();
        let mut all = Vec::with_capacity(inputs.len());
        for (index, input) in inputs.iter().enumerate() {
            let unchanged = before.remove(&input.name).filter(|known| known.input == **input);
            let mut known = unchanged.unwrap_or_else(|| self.read_one(input));
            if let Some(subgraph) = &mut known.subgraph {
                subgraph.id = SubgraphId(u32::try_from(index).expect("there are fewer subgraphs than 4 billion"));
            }
            report.add_source(known.source.clone());
            report.extend(&known.found);
            all.push(known);
        }
        if is_first {
            self.needed_names = self.names.len();
        }
        all
    }

    fn read_one(&mut self, input: &Subgraph) -> Known {
        let source = Arc::new(Source::new(&input.name, &input.sdl));
        let mut report = Report::default();
        report.add_source(source.clone());
        let parsed = parse::parse(input, &mut self.preludes, &mut self.names, &mut report);
        let (subgraph, bases) = match parsed {
            Some((mut subgraph, bases)) => {
                validate::validate(&mut subgraph, &mut self.names, &mut report);
                (Some(subgraph), bases)
            }
            None => (None, Bases::default()),
        };
        Known { input: input.clone(), source, found: report.into_found(), bases, subgraph }
    }
}

/// From subgraphs that are read to the supergraph.
fn finish(
    parsed: &[schema::Subgraph],
    bases: &[&Bases],
    names: &Names,
    mut report: Report,
) -> Result<Composition, Vec<Diagnostic>> {
    parse::check_bases(bases, names, &mut report);
    validate::check_overrides(parsed, names, &mut report);
    if report.has_errors() {
        return Err(report.finish());
    }
    let supergraph = merge::merge(parsed, names, &mut report);
    check::check(&supergraph, parsed, names, &mut report);
    if !report.has_errors() {
        satisfiability::check(&supergraph, parsed, names, &mut report);
    }
    if report.has_errors() {
        return Err(report.finish());
    }
    let graphs = graphs::names(parsed);
    Ok(Composition {
        supergraph: render::supergraph(&supergraph, parsed, &graphs, names),
        api_schema: render::api_schema(&supergraph, names),
        hints: report.finish(),
    })
}
