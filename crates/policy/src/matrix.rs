//! Matrix: turns a policy into a table of who may do what, for people and for a committed snapshot.

use crate::caller::RoleSet;
use crate::judge::Policy;
use crate::table::Questions;
use std::fmt::Write as _;
use std::sync::Arc;

/// One line per question with `yes` or `-` for each role, aligned; the same policy gives the same text.
pub fn render_matrix(policy: &Policy, roles: &[String], questions: &Arc<Questions>) -> String {
    let tables: Vec<_> = roles.iter().map(|role| policy.decide(&RoleSet::new([role.as_str()]), questions)).collect();
    let pairs: Vec<(String, String)> = questions.iter().map(|(o, a)| (o.to_owned(), a.to_owned())).collect();
    render_cells(roles, &pairs, |role, object, action| if tables[role].allows(object, action) { "yes" } else { "-" })
}

/// One line per (object, action) with what `cell` says for each role (by its index in `roles`), aligned.
pub fn render_cells<'c>(
    roles: &[String],
    pairs: &[(String, String)],
    cell: impl Fn(usize, &str, &str) -> &'c str,
) -> String {
    let width = pairs.iter().map(|(object, _)| object.chars().count()).max().unwrap_or(0).max("object".len());
    let cells: Vec<Vec<&str>> = pairs
        .iter()
        .map(|(object, action)| (0..roles.len()).map(|role| cell(role, object, action)).collect())
        .collect();
    let columns: Vec<usize> = roles
        .iter()
        .enumerate()
        .map(|(role, name)| {
            let widest = cells.iter().map(|row| row[role].chars().count()).max().unwrap_or(0);
            widest.max(name.chars().count())
        })
        .collect();
    let mut text = String::new();
    let mut line = |object: &str, action: &str, row: &[&str]| {
        let start = text.len();
        write!(text, "{object:width$}  {action:6}").expect("a String takes any text");
        for (word, column) in row.iter().zip(&columns) {
            write!(text, "  {word:column$}").expect("a String takes any text");
        }
        text.truncate(start + text[start..].trim_end().len());
        text.push('\n');
    };
    line("object", "action", &roles.iter().map(String::as_str).collect::<Vec<_>>());
    for ((object, action), row) in pairs.iter().zip(&cells) {
        line(object, action, row);
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::DEFAULT_MODEL;

    #[test]
    fn shows_who_may_do_what() {
        let policy = Policy::new(DEFAULT_MODEL, &Policy::split_lines("p, reader, d.a, read, allow")).unwrap();
        let questions = Questions::new([("d.a".into(), "read".into()), ("d.secret".into(), "read".into())]);
        assert_eq!(
            render_matrix(&policy, &["anonymous".into(), "reader".into()], &questions),
            "object    action  anonymous  reader\nd.a       read    -          yes\nd.secret  read    -          -\n"
        );
    }
}
