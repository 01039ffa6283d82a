//! Descriptions: turns an operation or a file into what it touches of the product and by which rules, made once for all
//! requests that are alike.

use crate::service::ProductService;
use serde_json::{Value, json};
use sha2::{Digest as _, Sha256};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use terrane_policy::{GRANTED, own_roles};
use terrane_query::{Access, OperationKind, Plan, Prepared, Reading};

/// Characters of an operation's name that are put on record.
const LONGEST: usize = 256;

/// What a plan touches, as members of a JSON object; kept with the plan.
pub(crate) fn describe_operation(
    service: &ProductService,
    access: &Access,
    (text, prepared): (&str, &Prepared),
    plan: &Plan,
) -> Arc<str> {
    let describe = || {
        let kind = match prepared.kind() {
            OperationKind::Query => "query",
            OperationKind::Mutation => "mutation",
            OperationKind::Subscription => "subscription",
        };
        let digest = Sha256::digest(text.as_bytes());
        let hash: String = digest.iter().take(16).map(|byte| format!("{byte:02x}")).collect();
        let mut what = json!({ "kind": kind, "hash": hash });
        if let Some(name) = prepared.name().filter(|name| name.len() <= LONGEST) {
            what["operation"] = json!(name);
        }
        if let Some(statement) = &plan.statement {
            put_touched(service, access, statement.touched(), &mut what);
        }
        if let Some(ports) = &plan.ports {
            what["ports"] = json!(ports.fields);
        }
        members(&what)
    };
    Arc::clone(plan.described.get_or_init(describe))
}

/// What a file or feed touches, as members of a JSON object.
pub(crate) fn describe_touched(service: &ProductService, access: &Access, kind: &str, touched: &[String]) -> Arc<str> {
    let mut what = json!({ "kind": kind });
    put_touched(service, access, touched, &mut what);
    members(&what)
}

/// The object's text without its braces.
fn members(what: &Value) -> Arc<str> {
    let text = what.to_string();
    Arc::from(text.trim_start_matches('{').strip_suffix('}').unwrap_or_default())
}

#[derive(Default)]
struct Read<'t> {
    fields: Vec<&'t str>,
    masked: Vec<&'t str>,
    denied: Vec<&'t str>,
}

fn put_touched(service: &ProductService, access: &Access, touched: &[String], what: &mut Value) {
    let (mut reads, mut rules): (BTreeMap<&str, Read<'_>>, BTreeSet<Arc<str>>) = Default::default();
    for object in touched {
        let Some((dataset, field)) = object.split_once('.') else { continue };
        let read = reads.entry(dataset).or_default();
        if field.is_empty() {
            continue;
        }
        let (list, action) = match access.reading(object) {
            Reading::Clear => (&mut read.fields, "read"),
            Reading::Masked(_) => (&mut read.masked, "mask"),
            Reading::Denied => (&mut read.denied, "read"),
        };
        list.push(field);
        rules.insert(service.rule(access, object, action));
    }
    let shown = |(dataset, read): (&str, Read<'_>)| {
        let mut shown = json!({ "dataset": dataset, "fields": read.fields });
        for (name, list) in [("masked", read.masked), ("denied", read.denied)] {
            if !list.is_empty() {
                shown[name] = json!(list);
            }
        }
        shown
    };
    what["reads"] = reads.into_iter().map(shown).collect();
    what["rules"] = rules.iter().map(|rule| json!(&**rule)).collect();
}

/// The rule by which `access` allows or denies `action` on a policy object: a line of the policy, or a grant.
pub(crate) fn rule(access: &Access, object: &str, action: &str) -> String {
    let (roles, policy) = (own_roles(access.roles()), access.policy());
    let explained = policy.explain(&roles, object, action);
    let allowed = access.allows(object, action);
    if allowed && !explained.allowed && access.roles().contains(&format!("{GRANTED}{object}")) {
        return format!("grant of {object}");
    }
    let Some(deciding) = explained.deciding.first() else { return format!("no line allows {action} on {object}") };
    let line = policy.lines().get(deciding.line).map(|line| line.join(", ")).unwrap_or_default();
    match deciding.by.as_slice() {
        [first, .., _] => format!("{line} (inherited by {first})"),
        _ => line,
    }
}
