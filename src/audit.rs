//! `terrane audit`: turns what an auditor wants to know into questions to a product of a running mesh, and prints the answers.

use crate::ask::Mesh;
use crate::serve::runtime;
use anyhow::{Context as _, Result, bail};
use clap::{Args, Subcommand};
use serde_json::{Value, json};
use std::io::Write as _;

const ENTRY: &str = "position at subject roles granted credential action object dataset allowed rules code status request \
                     client forwarded clientName version rows bytes ends broken detail hash operations { kind name hash \
                     rows rules ports reads { dataset fields masked denied } }";
const LOG: &str = "query Audit($filter: AuditLogFilter, $before: Int, $first: Int!) { auditLog(filter: $filter, before: \
                   $before, first: $first) { ENTRY } }";
const VERIFY: &str = "query Verify($position: Int, $hash: String) { auditVerification(position: $position, hash: $hash) { \
                      intact entries removedThrough position hash brokenAt broken } }";
const USAGE: &str = "query Usage($days: Int!, $dataset: String, $consumer: String) { usage(days: $days, dataset: $dataset, \
                     consumer: $consumer) { datasets { consumer dataset version requests rows bytes denied lastAt } \
                     deprecated { consumer dataset field requests lastAt } unusedFields { dataset field deprecated } } }";
/// Entries of one question.
const PAGE: u32 = 500;

/// Look at who did what, whether the log is whole, and what is used.
#[derive(Args)]
pub struct AuditArguments {
    #[command(subcommand)]
    command: Command,
    /// The mesh's address
    #[arg(long, global = true, default_value = "http://127.0.0.1:4000", env = "TERRANE_URL", value_name = "URL")]
    url: String,
    /// Who you are: a token of somebody who may read `port:audit`
    #[arg(long, global = true, env = "TERRANE_TOKEN", value_name = "TOKEN", hide_env_values = true)]
    token: Option<String>,
    /// The address is that of the product itself, and not of a mesh in one process
    #[arg(long, global = true)]
    direct: bool,
    /// Print the answer as JSON
    #[arg(long, global = true)]
    json: bool,
}

#[derive(Subcommand)]
enum Command {
    /// Show the newest entries
    Log(LogArguments),
    /// Look whether every entry is as it was written; exit code 1 where one is not
    Verify(VerifyArguments),
    /// Show what is used, by whom, and what nobody uses
    Usage(UsageArguments),
}

#[derive(Args)]
struct LogArguments {
    /// The product's id
    #[arg(value_name = "PRODUCT")]
    product: String,
    /// Only of this subject
    #[arg(long, value_name = "SUBJECT")]
    subject: Option<String>,
    /// Only this action: query, export, runPipeline, …
    #[arg(long, value_name = "ACTION")]
    action: Option<String>,
    /// Only with this output dataset
    #[arg(long, value_name = "DATASET")]
    dataset: Option<String>,
    /// Only with this field: DATASET.FIELD
    #[arg(long, value_name = "FIELD")]
    field: Option<String>,
    /// Only under this request id
    #[arg(long, value_name = "ID")]
    request: Option<String>,
    /// Only what was not, or not wholly, allowed
    #[arg(long)]
    denied: bool,
    /// Only from this moment on (RFC 3339)
    #[arg(long, value_name = "TIME")]
    from: Option<String>,
    /// Only from before this moment
    #[arg(long, value_name = "TIME")]
    until: Option<String>,
    /// How many at most
    #[arg(long, default_value_t = 50, value_name = "N")]
    first: u32,
}

#[derive(Args)]
struct VerifyArguments {
    /// The product's id
    #[arg(value_name = "PRODUCT")]
    product: String,
    /// What an earlier `verify` said, and was kept elsewhere: POSITION:HASH
    #[arg(long, value_name = "POSITION:HASH")]
    expect: Option<String>,
}

#[derive(Args)]
struct UsageArguments {
    /// The product's id
    #[arg(value_name = "PRODUCT")]
    product: String,
    /// Of so many days, today included
    #[arg(long, default_value_t = 30, value_name = "DAYS")]
    days: u32,
    /// Only of this dataset
    #[arg(long, value_name = "DATASET")]
    dataset: Option<String>,
    /// Only by this consumer
    #[arg(long, value_name = "SUBJECT")]
    consumer: Option<String>,
}

/// Ask, and print the answer.
pub fn run(arguments: &AuditArguments) -> Result<()> {
    let token = arguments.token.clone().filter(|token| !token.is_empty());
    let token = token.context(
        "who are you? give --token or TERRANE_TOKEN; `terrane token --subject S --role steward` makes one for the mesh on \
         this machine",
    )?;
    let mesh = Mesh { url: arguments.url.trim_end_matches('/').to_owned(), token };
    let product = match &arguments.command {
        Command::Log(log) => &log.product,
        Command::Verify(verify) => &verify.product,
        Command::Usage(usage) => &usage.product,
    };
    let address = match arguments.direct {
        true => format!("{}/graphql", mesh.url),
        false => format!("{}/products/{product}/graphql", mesh.url),
    };
    match &arguments.command {
        Command::Log(asked) => log(&mesh, &address, asked, arguments.json),
        Command::Verify(asked) => verify(&mesh, &address, asked, arguments.json),
        Command::Usage(asked) => usage(&mesh, &address, asked, arguments.json),
    }
}

fn log(mesh: &Mesh, address: &str, asked: &LogArguments, as_json: bool) -> Result<()> {
    let text = LOG.replace("ENTRY", ENTRY);
    let filter = json!({
        "subject": asked.subject, "action": asked.action, "dataset": asked.dataset, "field": asked.field,
        "request": asked.request, "allowed": asked.denied.then_some(false), "from": asked.from, "until": asked.until,
    });
    let mut entries: Vec<Value> = Vec::new();
    let runtime = runtime()?;
    let mut before = Value::Null;
    while entries.len() < asked.first as usize {
        let first = (asked.first - entries.len() as u32).min(PAGE);
        let variables = json!({"filter": filter, "before": before, "first": first});
        let mut answer = runtime.block_on(mesh.ask_at(address, &text, &variables))?;
        let Value::Array(page) = answer["auditLog"].take() else { bail!("the answer has no entries") };
        let full = page.len() == first as usize;
        entries.extend(page);
        before = entries.last().map_or(Value::Null, |last| last["position"].clone());
        if !full {
            break;
        }
    }
    if as_json {
        return print(&serde_json::to_string_pretty(&entries)?);
    }
    if entries.is_empty() {
        eprintln!("no entries that this is true of");
    }
    entries.iter().try_for_each(|entry| print(&line(entry)))
}

fn word<'v>(value: &'v Value, key: &str) -> &'v str {
    value[key].as_str().unwrap_or_default()
}

/// An entry in a line: who, what, how much, whether.
fn line(entry: &Value) -> String {
    let who = entry["subject"].as_str().unwrap_or("anonymous");
    let mut text = format!("{}  {}  {who}  {}", entry["position"], word(entry, "at"), word(entry, "action"));
    for operation in entry["operations"].as_array().into_iter().flatten() {
        for read in operation["reads"].as_array().into_iter().flatten() {
            let names = |key: &str| {
                let names: Vec<&str> = read[key].as_array().into_iter().flatten().filter_map(Value::as_str).collect();
                names.join(",")
            };
            text += &format!("  {}({})", word(read, "dataset"), names("fields"));
            for (key, is) in [("masked", names("masked")), ("denied", names("denied"))] {
                if !is.is_empty() {
                    text += &format!(" {key}: {is}");
                }
            }
        }
        if let Some(rows) = operation["rows"].as_i64().filter(|rows| *rows > 0) {
            text += &format!("  {rows} rows");
        }
    }
    if !entry["detail"].is_null() {
        text += &format!("  {}", entry["detail"]);
    }
    if entry["ends"] == true {
        text += if entry["broken"] == true { "  (broken off)" } else { "  (end)" };
    }
    text += if entry["allowed"] == true { "  allowed" } else { "  DENIED" };
    let rules = entry["rules"].as_array().into_iter().flatten();
    let of_operations = entry["operations"].as_array().into_iter().flatten();
    let of_operations = of_operations.flat_map(|operation| operation["rules"].as_array().into_iter().flatten());
    for rule in rules.chain(of_operations).filter_map(Value::as_str) {
        text += &format!("\n    by {rule}");
    }
    text
}

fn verify(mesh: &Mesh, address: &str, asked: &VerifyArguments, as_json: bool) -> Result<()> {
    let expected = asked.expect.as_deref().map(|text| {
        let (position, hash) = text.split_once(':').context("--expect is POSITION:HASH")?;
        Ok::<_, anyhow::Error>((position.parse::<i64>().context("--expect is POSITION:HASH")?, hash.to_owned()))
    });
    let (position, hash) = expected.transpose()?.unzip();
    let variables = json!({"position": position, "hash": hash});
    let answer = runtime()?.block_on(mesh.ask_at(address, VERIFY, &variables))?;
    let found = &answer["auditVerification"];
    if as_json {
        print(&serde_json::to_string_pretty(found)?)?;
    }
    if found["intact"] == true {
        if !as_json {
            print(&format!(
                "the log of {} is as it was written: {} entries, up to {}:{}",
                asked.product,
                found["entries"],
                found["position"],
                word(found, "hash")
            ))?;
        }
        return Ok(());
    }
    bail!("the log of {} is broken at position {}: {}", asked.product, found["brokenAt"], word(found, "broken"))
}

fn usage(mesh: &Mesh, address: &str, asked: &UsageArguments, as_json: bool) -> Result<()> {
    let variables = json!({"days": asked.days, "dataset": asked.dataset, "consumer": asked.consumer});
    let answer = runtime()?.block_on(mesh.ask_at(address, USAGE, &variables))?;
    let found = &answer["usage"];
    if as_json {
        return print(&serde_json::to_string_pretty(found)?);
    }
    let all = |key: &str| found[key].as_array().cloned().unwrap_or_default();
    for line in all("datasets") {
        let version = line["version"].as_i64().map_or_else(String::new, |version| format!(" (version {version})"));
        print(&format!(
            "{}  {}{version}  {} requests  {} rows  {} denied  last {}",
            word(&line, "consumer"),
            word(&line, "dataset"),
            line["requests"],
            line["rows"],
            line["denied"],
            word(&line, "lastAt")
        ))?;
    }
    for line in all("deprecated") {
        let (who, dataset, field) = (word(&line, "consumer"), word(&line, "dataset"), word(&line, "field"));
        print(&format!("deprecated: {who} uses {dataset}.{field}, last {}", word(&line, "lastAt")))?;
    }
    let unused: Vec<String> =
        all("unusedFields").iter().map(|f| format!("{}.{}", word(f, "dataset"), word(f, "field"))).collect();
    if !unused.is_empty() {
        print(&format!("nobody used: {}", unused.join(", ")))?;
    }
    Ok(())
}

fn print(text: &str) -> Result<()> {
    writeln!(std::io::stdout(), "{text}").context("write the answer")
}
