//! Reporting: turns findings of the phases (subgraph and byte offset) into diagnostics (name, line and column).

use crate::schema::{At, SubgraphId};
use std::sync::{Arc, OnceLock};
use terrane_diagnostics::{Diagnostic, Location, Severity};

/// A source text and, once somebody asks for a place in it, where its lines start.
#[derive(Debug)]
pub struct Source {
    name: String,
    text: String,
    lines: OnceLock<Vec<u32>>,
}

impl Source {
    /// The text of a subgraph of this name.
    pub fn new(name: &str, text: &str) -> Self {
        Self { name: name.to_owned(), text: text.to_owned(), lines: OnceLock::new() }
    }
}

/// Collects diagnostics. Sources are registered in the order of their subgraph ids.
#[derive(Default)]
pub struct Report {
    sources: Vec<Arc<Source>>,
    found: Vec<Diagnostic>,
}

/// More findings than this of one code are summed up in one line: a 10 MB input must not produce a 1 GB answer.
const MOST_PER_CODE: usize = 1_000;

impl Report {
    /// Registers the text of the next subgraph id.
    pub fn add_source(&mut self, source: Arc<Source>) {
        self.sources.push(source);
    }

    /// Adds what another report found.
    pub fn extend(&mut self, found: &[Diagnostic]) {
        self.found.extend_from_slice(found);
    }

    /// Everything found, as it was found.
    pub fn into_found(self) -> Vec<Diagnostic> {
        self.found
    }

    /// An error with its places, most important first.
    pub fn error(&mut self, code: &'static str, message: impl Into<String>, hint: &str, at: &[(SubgraphId, At)]) {
        self.push(Diagnostic::error(code, message), hint, at);
    }

    /// An error whose place is known as line and column already.
    pub fn error_at_line(
        &mut self,
        code: &'static str,
        message: impl Into<String>,
        hint: &str,
        subgraph: SubgraphId,
        place: Option<(usize, usize)>,
    ) {
        let mut diagnostic = Diagnostic::error(code, message);
        if let (Some((line, column)), Some(source)) = (place, self.sources.get(subgraph.index())) {
            diagnostic = diagnostic.at(Location::new(&source.name, line as u32, column as u32));
        }
        self.push(diagnostic, hint, &[]);
    }

    /// A warning with its places.
    pub fn warning(&mut self, code: &'static str, message: impl Into<String>, hint: &str, at: &[(SubgraphId, At)]) {
        self.push(Diagnostic::warning(code, message), hint, at);
    }

    fn push(&mut self, mut diagnostic: Diagnostic, hint: &str, at: &[(SubgraphId, At)]) {
        if !hint.is_empty() {
            diagnostic = diagnostic.with_hint(hint);
        }
        for &(subgraph, at) in at {
            if let Some(location) = self.locate(subgraph, at) {
                diagnostic = diagnostic.at(location);
            }
        }
        self.found.push(diagnostic);
    }

    fn locate(&self, subgraph: SubgraphId, at: At) -> Option<Location> {
        let source = self.sources.get(subgraph.index())?;
        let offset = at.offset()?;
        let lines = source.lines.get_or_init(|| {
            let breaks = source.text.bytes().enumerate().filter(|(_, byte)| *byte == b'\n');
            std::iter::once(0).chain(breaks.map(|(index, _)| index as u32 + 1)).collect()
        });
        let line = lines.partition_point(|&start| start <= offset).max(1);
        let start = lines[line - 1] as usize;
        let column = source.text.get(start..offset as usize).map_or(1, |text| text.chars().count() + 1);
        Some(Location::new(&source.name, line as u32, column as u32))
    }

    /// Whether an error was reported so far.
    pub fn has_errors(&self) -> bool {
        terrane_diagnostics::has_errors(&self.found)
    }

    /// Everything found, errors first, in an order that depends on the content only.
    pub fn finish(self) -> Vec<Diagnostic> {
        let mut found = self.found;
        found.sort_by(|a, b| {
            (a.severity, a.code, &a.locations, &a.message).cmp(&(b.severity, b.code, &b.locations, &b.message))
        });
        found.dedup();
        let mut kept: Vec<Diagnostic> = Vec::with_capacity(found.len().min(MOST_PER_CODE));
        let mut run = 0;
        for diagnostic in found {
            let same =
                kept.last().is_some_and(|last| last.code == diagnostic.code && last.severity == diagnostic.severity);
            run = if same { run + 1 } else { 1 };
            match run {
                _ if run < MOST_PER_CODE => kept.push(diagnostic),
                MOST_PER_CODE => {
                    let text = "more findings of this kind are left out";
                    kept.push(match diagnostic.severity {
                        Severity::Error => Diagnostic::error(diagnostic.code, text),
                        Severity::Warning => Diagnostic::warning(diagnostic.code, text),
                    });
                }
                _ => {}
            }
        }
        kept
    }
}
