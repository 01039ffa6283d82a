//! Rendering: turns diagnostics into the text a terminal shows.

use crate::{Diagnostic, Severity};
use std::fmt::Write as _;

/// One diagnostic as text: a headline, its places, its hint. Ends with a newline; no colours.
pub fn render(diagnostic: &Diagnostic) -> String {
    let word = match diagnostic.severity {
        Severity::Error => "error",
        Severity::Warning => "warning",
    };
    let mut text = format!("{word}[{}]: {}\n", diagnostic.code, diagnostic.message);
    for place in &diagnostic.locations {
        writeln!(text, "  --> {}:{}:{}", place.source, place.line, place.column).expect("a String takes any text");
    }
    if let Some(hint) = &diagnostic.hint {
        writeln!(text, "  = hint: {hint}").expect("a String takes any text");
    }
    text
}

/// All of them, and a closing line that counts errors and warnings.
pub fn render_all(diagnostics: &[Diagnostic]) -> String {
    let mut text: String = diagnostics.iter().map(render).collect();
    let errors = diagnostics.iter().filter(|d| d.severity == Severity::Error).count();
    let warnings = diagnostics.len() - errors;
    writeln!(text, "{errors} errors, {warnings} warnings").expect("a String takes any text");
    text
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Location;

    #[test]
    fn says_what_where_and_what_to_do() {
        let found = Diagnostic::error("INVALID_FIELD_SHARING", "field `T.a` is in `x` and `y`")
            .at(Location::new("x", 3, 2))
            .with_hint("mark it @shareable in both");
        assert_eq!(
            render_all(&[found]),
            "error[INVALID_FIELD_SHARING]: field `T.a` is in `x` and `y`\n  --> x:3:2\n  = hint: mark it @shareable in \
             both\n1 errors, 0 warnings\n"
        );
    }
}
