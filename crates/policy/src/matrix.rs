//! Matrix: turns a policy into a table of who may do what, for people and for a committed snapshot.

use crate::caller::RoleSet;
use crate::judge::Policy;
use crate::table::Questions;
use std::fmt::Write as _;
use std::sync::Arc;

/// One line per question with `yes` or `-` for each role, aligned; the same policy gives the same text.
pub fn render_matrix(policy: &Policy, roles: &[String], questions: &Arc<Questions>) -> String {
    let tables: Vec<_> = roles.iter().map(|role| policy.decide(&RoleSet::new([role.as_str()]), questions)).collect();
    let width = questions.iter().map(|(object, _)| object.chars().count()).max().unwrap_or(0).max("object".len());
    let mut text = format!("{:width$}  {:6}", "object", "action");
    for role in roles {
        write!(text, "  {role}").expect("a String takes any text");
    }
    text.push('\n');
    for (object, action) in questions.iter() {
        write!(text, "{object:width$}  {action:6}").expect("a String takes any text");
        for (role, table) in roles.iter().zip(&tables) {
            let answer = if table.allows(object, action) { "yes" } else { "-" };
            write!(text, "  {answer:column$}", column = role.chars().count()).expect("a String takes any text");
        }
        text.truncate(text.trim_end().len());
        text.push('\n');
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
