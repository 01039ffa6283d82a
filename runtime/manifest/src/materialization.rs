//! Materializations: turns the comments at the head of a model into how its result is kept.

use crate::dataset::Layer;
use crate::names::is_sql_name;
use terrane_diagnostics::{Diagnostic, Location};

/// How the result of a model is kept.
#[derive(Debug, Clone, Default, PartialEq, Eq, Hash)]
pub enum Materialization {
    /// As a table that a run makes anew.
    #[default]
    Table,
    /// Not at all: whoever reads it computes it.
    View,
    /// As a table in which only those rows are computed anew whose key new rows of the driving relation touch.
    Incremental {
        /// Columns of the model, at least one.
        key: Vec<String>,
    },
}

impl Materialization {
    /// The word of the comment.
    pub fn word(&self) -> &'static str {
        match self {
            Self::Table => "table",
            Self::View => "view",
            Self::Incremental { .. } => "incremental",
        }
    }
}

/// Most columns of a key.
const LONGEST_KEY: usize = 8;

/// Read `-- materialized: table | view | incremental` and `-- key: column[, column]` from the comments in front of the
/// statement in the model `path` of `layer`. Other comments are for people.
pub(crate) fn read_materialization(
    path: &str,
    layer: Layer,
    text: &str,
    findings: &mut Vec<Diagnostic>,
) -> Materialization {
    let head = text.lines().enumerate().map(|(number, line)| (number as u32 + 1, line.trim()));
    let head = head.take_while(|(_, line)| line.is_empty() || line.starts_with("--"));
    let mut word: Option<(u32, &str)> = None;
    let mut key: Option<(u32, &str)> = None;
    let mut refuse = |line: u32, message: String, hint: &str| {
        let finding = Diagnostic::error("MODEL_MATERIALIZED", message).at(Location::new(path, line, 1));
        findings.push(finding.with_hint(hint));
    };
    for (number, line) in head {
        let Some((name, value)) = line.trim_start_matches('-').trim().split_once(':') else { continue };
        let place = match name.trim_end() {
            "materialized" => &mut word,
            "key" => &mut key,
            _ => continue,
        };
        if place.replace((number, value.trim())).is_some() {
            refuse(number, format!("`{path}` says `{}` twice", name.trim_end()), "say it once");
        }
    }
    let line = word.or(key).map_or(1, |(line, _)| line);
    match (word.map(|(_, word)| word), key) {
        (Some("incremental"), None) => {
            refuse(line, format!("`{path}` is incremental without a key"), "add `-- key: column[, column]` below it");
            Materialization::Table
        }
        (Some("incremental"), Some((line, names))) => {
            let key: Vec<String> = names.split(',').map(|name| name.trim().to_owned()).collect();
            let doubled = key.iter().enumerate().any(|(i, name)| key[..i].contains(name));
            if doubled || key.len() > LONGEST_KEY || !key.iter().all(|name| is_sql_name(name)) {
                refuse(
                    line,
                    format!("`{names}` is no key of `{path}`"),
                    "name up to eight different columns of the model, with commas between them",
                );
                return Materialization::Table;
            }
            Materialization::Incremental { key }
        }
        (Some("view"), None) if layer == Layer::Output => {
            refuse(
                line,
                format!("`{path}` is a view of the output layer"),
                "an output dataset is checked, kept and rolled back as a table; views are for `models/abstraction`",
            );
            Materialization::Table
        }
        (Some("view"), None) => Materialization::View,
        (None | Some("table"), None) => Materialization::Table,
        (Some(other), None) => {
            refuse(line, format!("`{path}` is materialized as `{other}`"), "use table, view or incremental");
            Materialization::Table
        }
        (_, Some((line, _))) => {
            refuse(
                line,
                format!("`{path}` has a key, and is not incremental"),
                "say `-- materialized: incremental` in front of it, or remove the key",
            );
            Materialization::Table
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(layer: Layer, text: &str) -> Result<Materialization, String> {
        let mut findings = Vec::new();
        let read = read_materialization("models/x.sql", layer, text, &mut findings);
        findings.pop().map_or(Ok(read), |finding| Err(finding.message))
    }

    #[test]
    fn the_head_of_a_model_says_how_it_is_kept() {
        let incremental = |names: &[&str]| {
            let key = names.iter().map(|n| (*n).to_owned()).collect();
            Ok(Materialization::Incremental { key })
        };
        assert_eq!(read(Layer::Output, "SELECT 1"), Ok(Materialization::Table));
        assert_eq!(read(Layer::Output, "-- Words.\n-- materialized: table\nSELECT 1"), Ok(Materialization::Table));
        assert_eq!(read(Layer::Abstraction, "\n--materialized: view\nSELECT 1"), Ok(Materialization::View));
        let text = "-- materialized: incremental\n-- key: code, day\n-- one row per day\nSELECT 1";
        assert_eq!(read(Layer::Output, text), incremental(&["code", "day"]));
        // only the head counts
        assert_eq!(read(Layer::Output, "SELECT 1 -- materialized: view\n-- key: a"), Ok(Materialization::Table));
    }

    #[test]
    fn what_cannot_be_meant_is_refused() {
        for text in [
            "-- materialized: sometimes",
            "-- materialized: incremental",
            "-- materialized: incremental\n-- key: a, a",
            "-- materialized: incremental\n-- key: A b",
            "-- materialized: view\n-- key: a",
            "-- key: a",
            "-- materialized: view",
            "-- materialized: table\n-- materialized: table",
        ] {
            assert!(read(Layer::Output, text).is_err(), "{text}");
        }
    }
}
