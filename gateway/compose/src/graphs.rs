//! Graph names: turns subgraph names into their order and into the values of the enum `join__Graph`.

use crate::report::Report;
use crate::schema;
use rustc_hash::FxHashSet;

/// The subgraphs in the order of their names. Names that are empty or given twice are reported.
pub fn in_order<'a>(subgraphs: &'a [crate::Subgraph], report: &mut Report) -> Vec<&'a crate::Subgraph> {
    let mut sorted: Vec<&crate::Subgraph> = subgraphs.iter().collect();
    sorted.sort_by(|a, b| (&a.name, &a.url, &a.sdl).cmp(&(&b.name, &b.url, &b.sdl)));
    for pair in sorted.windows(2).filter(|pair| pair[0].name == pair[1].name) {
        let message = format!("two subgraphs are called `{}`", pair[0].name);
        report.error("DUPLICATE_SUBGRAPH_NAME", message, "give each subgraph a name of its own", &[]);
    }
    if sorted.iter().any(|subgraph| subgraph.name.trim().is_empty()) {
        report.error("INVALID_SUBGRAPH_NAME", "a subgraph has no name", "give each subgraph a name", &[]);
    }
    sorted.dedup_by(|a, b| a.name == b.name);
    sorted
}

/// The enum value of each subgraph: upper case, `_` for what a name may not have, numbered where that makes two equal.
pub fn names(subgraphs: &[schema::Subgraph]) -> Vec<String> {
    let sanitised: Vec<String> = subgraphs.iter().map(|subgraph| sanitise(&subgraph.name)).collect();
    let mut taken: FxHashSet<String> = sanitised.iter().cloned().collect();
    let mut seen: FxHashSet<&str> = FxHashSet::default();
    let repeated: FxHashSet<&str> = sanitised.iter().map(String::as_str).filter(|name| !seen.insert(name)).collect();
    let mut counts = rustc_hash::FxHashMap::<&str, usize>::default();
    let mut names = Vec::with_capacity(sanitised.len());
    for name in &sanitised {
        if !repeated.contains(name.as_str()) {
            names.push(name.clone());
            continue;
        }
        let count = counts.entry(name).or_default();
        let numbered = loop {
            *count += 1;
            let candidate = format!("{name}_{count}");
            if taken.insert(candidate.clone()) {
                break candidate;
            }
        };
        names.push(numbered);
    }
    names
}

fn sanitise(name: &str) -> String {
    let mut out: String =
        name.chars().map(|c| if c.is_ascii_alphanumeric() { c.to_ascii_uppercase() } else { '_' }).collect();
    // Names with two underscores in front are GraphQL's own.
    if out.starts_with("__") {
        out = format!("GRAPH{out}");
    }
    if out.starts_with(|first: char| first.is_ascii_digit()) {
        out.insert(0, '_');
    }
    // A numbered name must not look like one that was numbered because of a collision.
    if out.rsplit_once('_').is_some_and(|(_, tail)| !tail.is_empty() && tail.bytes().all(|byte| byte.is_ascii_digit()))
    {
        out.push('_');
    }
    out
}

#[cfg(test)]
mod tests {
    use super::sanitise;

    #[test]
    fn any_name_has_an_enum_value_that_graphql_takes() {
        let cases = [("a-b", "A_B"), ("7up", "_7UP"), ("a_1", "A_1_"), (")\0\0a", "GRAPH___A"), ("--", "GRAPH__")];
        for (name, value) in cases {
            assert_eq!(sanitise(name), value, "{name:?}");
        }
    }
}
