//! Pretty: turns diagnostics and their sources into text with the source lines, carets and, where wanted, colours.

use crate::{Diagnostic, Location, Severity};
use std::fmt::Write as _;

/// Of a longer line, only as much is shown around the place.
const WIDTH: usize = 100;

/// All diagnostics with the line of each place, and a closing line that counts. `source` gives the text of a source by
/// its name; places in unknown ones are shown without their line. Colours are those of ANSI terminals.
pub fn pretty<'s>(diagnostics: &[Diagnostic], source: impl Fn(&str) -> Option<&'s str>, colours: bool) -> String {
    let paint = Paint { colours };
    let mut text = String::new();
    for diagnostic in diagnostics {
        let (word, colour) = match diagnostic.severity {
            Severity::Error => ("error", "31"),
            Severity::Warning => ("warning", "33"),
        };
        let head = paint.with(&format!("1;{colour}"), &format!("{word}[{}]", diagnostic.code));
        line(&mut text, &format!("{head}{}", paint.with("1", &format!(": {}", diagnostic.message))));
        for place in &diagnostic.locations {
            let arrow = paint.with("1;34", "  -->");
            line(&mut text, &format!("{arrow} {}:{}:{}", place.source, place.line, place.column));
            if let Some(shown) = source(&place.source).and_then(|sdl| excerpt(sdl, place)) {
                let number = place.line.to_string();
                let margin = " ".repeat(number.len());
                let bar = paint.with("1;34", "|");
                line(&mut text, &format!("{margin} {bar}"));
                line(&mut text, &format!("{} {bar} {}", paint.with("1;34", &number), shown.line));
                let caret = paint.with(&format!("1;{colour}"), "^");
                line(&mut text, &format!("{margin} {bar} {}{caret}", " ".repeat(shown.before)));
            }
        }
        if let Some(hint) = &diagnostic.hint {
            line(&mut text, &format!("{} {hint}", paint.with("1;36", "  = hint:")));
        }
        text.push('\n');
    }
    let errors = diagnostics.iter().filter(|d| d.severity == Severity::Error).count();
    let count = |n: usize, what: &str| format!("{n} {what}{}", if n == 1 { "" } else { "s" });
    line(&mut text, &format!("{}, {}", count(errors, "error"), count(diagnostics.len() - errors, "warning")));
    text
}

fn line(text: &mut String, content: &str) {
    writeln!(text, "{content}").expect("a String takes any text");
}

struct Paint {
    colours: bool,
}

impl Paint {
    fn with(&self, code: &str, text: &str) -> String {
        if self.colours { format!("\u{1b}[{code}m{text}\u{1b}[0m") } else { text.to_owned() }
    }
}

struct Excerpt {
    line: String,
    /// Characters before the place.
    before: usize,
}

/// The line of a place, or the part around it. Control characters become spaces: they would move the caret, or the
/// terminal's state.
fn excerpt(source: &str, place: &Location) -> Option<Excerpt> {
    let line = source.lines().nth(usize::try_from(place.line).ok()?.checked_sub(1)?)?;
    let column = usize::try_from(place.column).ok()?.saturating_sub(1);
    let shown = |c: char| if c.is_control() { ' ' } else { c };
    if line.chars().nth(WIDTH).is_none() {
        return Some(Excerpt { line: line.chars().map(shown).collect(), before: column.min(WIDTH) });
    }
    let start = column.saturating_sub(WIDTH / 2);
    let lead = if start > 0 { "…" } else { "" };
    let tail = if line.chars().nth(start + WIDTH).is_some() { "…" } else { "" };
    let part: String = line.chars().skip(start).take(WIDTH).map(shown).collect();
    Some(Excerpt { line: format!("{lead}{part}{tail}"), before: column - start + lead.chars().count() })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(line: u32, column: u32) -> Diagnostic {
        Diagnostic::error("SOME_CODE", "wrong").at(Location::new("a", line, column)).with_hint("change it")
    }

    #[test]
    fn shows_the_line_with_a_caret_below_the_place() {
        let text = pretty(&[at(2, 3)], |name| (name == "a").then_some("one\n\ttwo three\n"), false);
        assert_eq!(
            text,
            "error[SOME_CODE]: wrong\n  --> a:2:3\n  |\n2 |  two three\n  |   ^\n  = hint: change it\n\n1 error, 0 \
             warnings\n"
        );
    }

    #[test]
    fn shows_a_part_of_a_long_line_and_nothing_of_an_unknown_one() {
        let long = format!("{}X{}", "a".repeat(300), "b".repeat(300));
        let text = pretty(&[at(1, 301)], |_| Some(&long), false);
        let lines: Vec<&str> = text.lines().collect();
        let caret = lines[4].chars().position(|c| c == '^').unwrap();
        assert_eq!(lines[3].chars().nth(caret), Some('X'));
        assert!(lines[3].chars().count() < 120);
        for unknown in [at(9, 1), at(0, 0), at(1, 9999)] {
            assert!(pretty(&[unknown], |_| Some("x"), true).contains("SOME_CODE"));
        }
    }

    #[test]
    fn colours_are_there_only_when_asked_for() {
        assert!(!pretty(&[at(1, 1)], |_| Some("\u{1b}[31mred"), false).contains('\u{1b}'));
        assert!(pretty(&[at(1, 1)], |_| Some("x"), true).contains("\u{1b}[1;31merror"));
    }
}
