//! Fuzzes the data port's compiler: turns bytes into an operation's text, and checks that it has one statement with as many
//! binds as it names, or errors with codes.
#![no_main]

mod vault;

use libfuzzer_sys::{Corpus, fuzz_target};
use serde_json::Map;

/// Longer inputs only make the same things slower to find.
const LONGEST: usize = 8 << 10;

fuzz_target!(|data: &[u8]| -> Corpus {
    let Ok(text) = std::str::from_utf8(data) else { return Corpus::Reject };
    if data.len() > LONGEST {
        return Corpus::Reject;
    }
    let coded = |errors: Vec<terrane_graphql::GraphqlError>| assert!(errors.iter().all(|e| !e.code().is_empty()));
    for access in &vault::VAULT.accesses {
        let prepared = match vault::VAULT.schema.prepare(text, None, access) {
            Ok(prepared) => prepared,
            Err(errors) => {
                coded(errors);
                continue;
            }
        };
        let (plan, values) = match prepared.plan(None) {
            Ok(planned) => planned,
            Err(errors) => {
                coded(errors);
                continue;
            }
        };
        let Some(statement) = &plan.statement else { continue };
        match statement.bind(&values, &Map::new()) {
            Ok(bound) => {
                let sql = statement.sql().map_or("", |sql| &**sql);
                assert_eq!(sql.contains(&format!("${}", bound.binds.len())), !bound.binds.is_empty());
                assert!(!sql.contains(&format!("${}", bound.binds.len() + 1)) && !sql.contains([';', '\\']), "{sql}");
            }
            Err(errors) => coded(errors),
        }
    }
    Corpus::Keep
});
