//! `terrane policy put`: turns a file of policy lines into what they change at a running product, and then into those that hold.

use super::diff::line;
use crate::ask::Mesh;
use crate::serve::runtime;
use anyhow::{Context as _, Result, bail};
use clap::Args;
use serde_json::{Value, json};
use std::fs;
use std::io::{BufRead as _, Write as _};
use std::path::PathBuf;

const PREVIEW: &str = "state locksOut widening narrowing changedGrants diagnostics { severity code message hint line } changes { \
                       role object action before after widens } grants { subject role fields changes lostWith inVain }";

/// Put a policy in.
#[derive(Args)]
pub struct PutArguments {
    /// The product's id
    #[arg(value_name = "PRODUCT")]
    product: String,
    /// The lines, as in a product folder's policy.csv
    #[arg(value_name = "FILE", required_unless_present = "back", conflicts_with = "back")]
    file: Option<PathBuf>,
    /// Bring the folder's own lines back
    #[arg(long)]
    back: bool,
    /// Why, in a sentence
    #[arg(long, value_name = "TEXT")]
    reason: String,
    /// Don't ask whether what is shown is meant
    #[arg(long)]
    yes: bool,
    /// The mesh's address
    #[arg(long, default_value = "http://127.0.0.1:4000", env = "TERRANE_URL", value_name = "URL")]
    url: String,
    /// Who you are: a token of somebody who may do `admin` on the product's `port:control`
    #[arg(long, env = "TERRANE_TOKEN", value_name = "TOKEN", hide_env_values = true)]
    token: String,
    /// The address is that of the product itself, and not of a gateway: the product's id is not looked at
    #[arg(long)]
    direct: bool,
}

/// Show what changes, ask, and put it in.
pub fn run(arguments: &PutArguments) -> Result<()> {
    let text = arguments
        .file
        .as_ref()
        .map(|file| fs::read_to_string(file).with_context(|| format!("read the policy lines {}", file.display())));
    let text = text.transpose()?;
    let mesh = Mesh { url: arguments.url.trim_end_matches('/').to_owned(), token: arguments.token.clone() };
    let runtime = runtime()?;
    let (declared, passed) = match arguments.direct {
        true => ("$text: String", "text: $text"),
        false => ("$product: ID!, $text: String", "product: $product, text: $text"),
    };
    let query = format!("query Effect({declared}) {{ policyPreview({passed}) {{ {PREVIEW} }} }}");
    let mut variables = json!({ "text": text });
    if !arguments.direct {
        variables["product"] = json!(arguments.product);
    }
    let answer = runtime.block_on(mesh.ask(&query, &variables))?;
    let preview = &answer["policyPreview"];
    refuse(preview)?;
    write!(std::io::stdout(), "{}", effect(preview, &arguments.product)).context("write what changes")?;
    if !arguments.yes && !is_meant()? {
        bail!("nothing was put in");
    }
    let state = if arguments.direct { "String" } else { "ID" };
    let mutation = format!(
        "mutation Put({declared}, $reason: String!, $expected: {state}) {{ putPolicy({passed}, reason: $reason, expected: \
         $expected) {{ position }} }}"
    );
    variables["reason"] = json!(arguments.reason);
    variables["expected"] = preview["state"].clone();
    let put = runtime.block_on(mesh.ask(&mutation, &variables))?;
    let position = &put["putPolicy"]["position"];
    writeln!(std::io::stdout(), "put in as number {position}; it holds everywhere within a second")
        .context("write what was done")
}

/// What can't be put in is not asked about.
fn refuse(preview: &Value) -> Result<()> {
    let found = preview["diagnostics"].as_array().into_iter().flatten();
    let errors: Vec<String> = found.filter(|found| found["severity"] == "error").map(finding).collect();
    if !errors.is_empty() {
        bail!("these lines can't be put in:\n{}", errors.join("\n"));
    }
    if preview["locksOut"] == true {
        bail!(
            "no role could do `admin` on `port:control` any more, and so nobody could put in another policy; keep a line `p, \
             ROLE, port:control, admin, allow`"
        );
    }
    Ok(())
}

fn finding(found: &Value) -> String {
    let place = found["line"].as_i64().map(|line| format!("line {line}: ")).unwrap_or_default();
    let hint = found["hint"].as_str().map(|hint| format!(" ({hint})")).unwrap_or_default();
    format!("  {place}{}{hint}", word(found, "message"))
}

fn word<'v>(value: &'v Value, key: &str) -> &'v str {
    value[key].as_str().unwrap_or_default()
}

fn words(value: &Value) -> String {
    value.as_array().into_iter().flatten().filter_map(Value::as_str).collect::<Vec<_>>().join(", ")
}

/// What changes, a line each.
fn effect(preview: &Value, product: &str) -> String {
    let mut out = String::new();
    let list = |key: &str| preview[key].as_array().cloned().unwrap_or_default();
    let changes = list("changes");
    for change in &changes {
        let cell = (word(change, "role"), word(change, "action"), word(change, "object"), product);
        out += &line(cell, (word(change, "before"), word(change, "after")), change["widens"] == true);
        out.push('\n');
    }
    let (more, less) =
        (preview["widening"].as_i64().unwrap_or_default(), preview["narrowing"].as_i64().unwrap_or_default());
    let left = more + less - i64::try_from(changes.len()).unwrap_or(i64::MAX);
    if left > 0 {
        out += &format!("and {left} more\n");
    }
    for grant in list("grants") {
        let end = if grant["inVain"] == true { "; it gives nothing any more" } else { "" };
        out += &match grant["role"].as_str() {
            Some(role) => {
                format!("grant of {role} to {}: {} decisions change{end}\n", word(&grant, "subject"), grant["changes"])
            }
            None => format!(
                "grant of {} to {}: no longer given with {}{end}\n",
                words(&grant["fields"]),
                word(&grant, "subject"),
                words(&grant["lostWith"])
            ),
        };
    }
    format!("{out}{more} more can be done, {less} less or otherwise\n")
}

/// Whether who sits there says so.
fn is_meant() -> Result<bool> {
    write!(std::io::stdout(), "Put it in? [y/N] ").context("ask")?;
    std::io::stdout().flush().context("ask")?;
    let mut answer = String::new();
    std::io::stdin().lock().read_line(&mut answer).context("read the answer")?;
    Ok(["y", "yes"].contains(&answer.trim().to_lowercase().as_str()))
}
