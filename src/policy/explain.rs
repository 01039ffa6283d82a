//! `terrane policy explain`: turns a question to a product's policy into the lines that decide it, or into who may instead.

use super::judged::{Judged, MeshPolicy, graph_field, products};
use crate::ask::Mesh;
use crate::serve::runtime;
use anyhow::{Context as _, Result, bail};
use clap::Args;
use serde_json::{Value, json};
use std::fmt::Write as _;
use std::io::Write as _;
use std::path::PathBuf;
use terrane_policy::{GRANTED, RoleSet};
use terrane_query::Verdict;

const GRANTS: &str = "query Grants($product: ID!, $subject: String!) { grants(product: $product, subject: $subject, first: \
                      500) { id role fields purpose grantedBy expiresAt } }";
const LINES: &str = "query Lines($product: ID!) { policyLines(product: $product) { lines { line origin madeOf } } }";
const TEXT: &str = "a String takes any text";

/// Explain a decision.
#[derive(Args)]
pub struct ExplainArguments {
    /// The product's id
    #[arg(value_name = "PRODUCT")]
    product: String,
    /// What of it: DATASET.FIELD by the contract's names, input.DATASET.FIELD, or port:NAME
    #[arg(value_name = "OBJECT")]
    object: String,
    /// What is done with it: read, write, run or admin
    #[arg(long, default_value = "read", value_name = "ACTION")]
    action: String,
    /// A role that is held (repeatable); nobody's by default
    #[arg(long = "role", value_name = "ROLE")]
    roles: Vec<String>,
    /// Who: with --url, what was granted counts as well
    #[arg(long, value_name = "SUBJECT")]
    subject: Option<String>,
    /// A folder with one product folder each, or the product's own
    #[arg(long, default_value = "products", value_name = "DIR")]
    products: PathBuf,
    /// A policies folder, or file of mesh rules, that is asked as well
    #[arg(long, value_name = "PATH")]
    policies: Option<PathBuf>,
    /// A running mesh: the policy lines that hold there count, and what was granted to the subject
    #[arg(long, env = "TERRANE_URL", value_name = "URL")]
    url: Option<String>,
    /// A token that may see the subject's grants (his own, an approver's or an auditor's) and the lines (a steward's or an
    /// auditor's)
    #[arg(long, env = "TERRANE_TOKEN", value_name = "TOKEN", hide_env_values = true)]
    token: Option<String>,
}

/// A grant of the subject.
struct Held {
    id: String,
    /// What it adds to the subject's roles.
    adds: Vec<String>,
    text: String,
}

/// Print why.
pub fn run(arguments: &ExplainArguments) -> Result<()> {
    let all = products(&arguments.products, None)?;
    let known: Vec<String> = all.iter().map(|judged| judged.product.id.clone()).collect();
    let judged = all.into_iter().find(|judged| judged.product.id == arguments.product).with_context(|| {
        format!(
            "there is no product `{}` in {}; there are: {}",
            arguments.product,
            arguments.products.display(),
            known.join(", ")
        )
    })?;
    let (object, action) = (arguments.object.as_str(), arguments.action.as_str());
    if !judged.questions().iter().any(|(o, a)| o == object && a == action) {
        bail!(
            "`{action}` of `{object}` is nothing that can be asked of {}; objects are DATASET.FIELD and \
             input.DATASET.FIELD (read), and port:access, port:audit, port:control, port:discovery, port:input, port:observability (read, \
             write, run, admin)",
            arguments.product
        );
    }
    let (judged, held) = match &arguments.url {
        Some(url) => runtime()?.block_on(running(url, arguments, judged))?,
        None => (judged, Vec::new()),
    };
    let mut roles = arguments.roles.clone();
    if roles.is_empty() && arguments.subject.is_none() {
        roles.push("anonymous".to_owned());
    }
    let roles = RoleSet::new(roles.into_iter().chain(held.iter().flat_map(|grant| grant.adds.clone())));
    let mesh = arguments.policies.as_deref().map(MeshPolicy::load).transpose()?;
    let text = explanation(arguments, &judged, &roles, &held, mesh.as_ref())?;
    write!(std::io::stdout(), "{text}").context("write the explanation")
}

fn explanation(
    arguments: &ExplainArguments,
    judged: &Judged,
    roles: &RoleSet,
    held: &[Held],
    mesh: Option<&MeshPolicy>,
) -> Result<String> {
    let (object, action) = (arguments.object.as_str(), arguments.action.as_str());
    let verdict = judged.verdicts(roles)(object, action);
    let who = match &arguments.subject {
        Some(subject) => format!("{subject} ({})", shown(roles)),
        None => shown(roles),
    };
    let may = match verdict {
        Verdict::Allow => "may",
        Verdict::Mask => "sees only through a mask, and may not",
        Verdict::Deny => "may not",
    };
    let mut out = format!("{who} {may} {action} {object} of {}\n", arguments.product);
    // a mask is decided by a line of its own, where no line denies
    let asked = if verdict == Verdict::Mask { "mask" } else { action };
    let explained = judged.explain(roles, object, asked)?;
    for deciding in &explained.deciding {
        match judged.line(deciding.line) {
            Some((line, origin)) => {
                writeln!(out, "  by the line  {line}\n    which is of {origin}").expect(TEXT);
            }
            None => writeln!(out, "  by a granted field").expect(TEXT),
        }
        if let [first, .., last] = deciding.by.as_slice() {
            writeln!(out, "    {first} is held to it as {last}: {}", deciding.by.join(" → ")).expect(TEXT);
        }
        let by = deciding.by.first();
        for grant in held.iter().filter(|grant| by.is_some_and(|by| grant.adds.contains(by))) {
            writeln!(out, "    held by grant {}: {}", grant.id, grant.text).expect(TEXT);
        }
    }
    if verdict == Verdict::Deny && explained.allowed {
        writeln!(
            out,
            "  the field was granted, and the roles see nothing of its dataset: a grant of fields adds to a role"
        )
        .expect(TEXT);
    } else if explained.deciding.is_empty() {
        writeln!(out, "  by no line: what no line allows is denied").expect(TEXT);
    }
    if verdict != Verdict::Allow {
        let others: Vec<String> = judged.product.role_names();
        let others = others
            .iter()
            .filter(|role| judged.verdicts(&RoleSet::new([role.as_str()]))(object, action) == Verdict::Allow);
        let others: Vec<&str> = others.map(String::as_str).collect();
        let others = if others.is_empty() { "none".to_owned() } else { others.join(", ") };
        writeln!(out, "  roles that may: {others}").expect(TEXT);
    }
    let field = graph_field(&judged.product, object).filter(|_| action == "read");
    if let (Some(mesh), Some(field)) = (mesh, field) {
        for line in mesh.denials(roles, &field) {
            writeln!(out, "  the gateway denies {field} to them by the mesh's line  {line}").expect(TEXT);
        }
    }
    Ok(out)
}

/// For reading: roles by name, and granted fields.
fn shown(roles: &RoleSet) -> String {
    let names: Vec<String> = roles
        .iter()
        .map(|role| role.strip_prefix(GRANTED).map_or_else(|| role.to_owned(), |field| format!("granted {field}")))
        .collect();
    if names.is_empty() { "no role".to_owned() } else { names.join(" + ") }
}

/// The product as it is judged in a running mesh, and what was granted to the subject there.
async fn running(url: &str, arguments: &ExplainArguments, judged: Judged) -> Result<(Judged, Vec<Held>)> {
    let token = arguments.token.clone().context("--url needs --token or TERRANE_TOKEN, to see what holds there")?;
    let mesh = Mesh { url: url.trim_end_matches('/').to_owned(), token };
    let judged = match mesh.ask(LINES, &json!({"product": arguments.product})).await {
        Ok(answer) => judged.in_force(lines(&answer)?)?,
        Err(error) => {
            eprintln!("the lines that hold there are not told ({error:#}): explained by those of the folder");
            judged
        }
    };
    let Some(subject) = &arguments.subject else { return Ok((judged, Vec::new())) };
    let answer = mesh.ask(GRANTS, &json!({"product": arguments.product, "subject": subject})).await?;
    let grants = answer["grants"].as_array().context("the mesh told no grants")?;
    Ok((judged, grants.iter().map(held).collect()))
}

/// Each line, whether it is one of the product's own, and what it is made of.
fn lines(answer: &Value) -> Result<Vec<(Vec<String>, bool, String)>> {
    let lines = answer["policyLines"]["lines"].as_array().context("the mesh told no policy lines")?;
    let line = |told: &Value| {
        let word = |key: &str| told[key].as_str().unwrap_or_default();
        let parts = word("line").split(',').map(|part| part.trim().to_owned()).collect();
        (parts, matches!(word("origin"), "folder" | "put"), word("madeOf").to_owned())
    };
    Ok(lines.iter().map(line).collect())
}

fn held(grant: &Value) -> Held {
    let word = |key: &str| grant[key].as_str().unwrap_or_default();
    let fields = grant["fields"].as_array().into_iter().flatten().filter_map(Value::as_str);
    let adds = grant["role"].as_str().map(str::to_owned).into_iter();
    Held {
        id: word("id").to_owned(),
        adds: adds.chain(fields.map(|field| format!("{GRANTED}{field}"))).collect(),
        text: format!("until {}, for: {}", word("expiresAt"), word("purpose")),
    }
}
