//! `terrane access`: turns what somebody wants, approves or ends into operations of a running mesh or product, and prints what
//! came of them.

use crate::ask::Mesh;
use crate::serve::runtime;
use anyhow::{Context as _, Result};
use clap::{Args, Subcommand};
use serde_json::{Map, Value, json};
use std::io::Write as _;

const REQUEST: &str = "id subject requestedBy role fields purpose seconds state requestedAt waitsFor approvable levels { \
                       level approvers automatic } steps { step at actor level reason } grant { id state expiresAt }";
const GRANT: &str = "id request subject role fields purpose grantedBy grantedAt expiresAt state endedAt endedBy";

/// Ask for access, and decide what others ask for.
#[derive(Args)]
pub struct AccessArguments {
    #[command(subcommand)]
    command: Command,
    /// The mesh's address
    #[arg(long, global = true, default_value = "http://127.0.0.1:4000", env = "TERRANE_URL", value_name = "URL")]
    url: String,
    /// Who you are: a token, such as `terrane token --subject S --role R` makes
    #[arg(long, global = true, env = "TERRANE_TOKEN", value_name = "TOKEN", hide_env_values = true)]
    token: Option<String>,
    /// The address is that of the product itself, and not of a gateway: the product's id is not looked at
    #[arg(long, global = true)]
    direct: bool,
    /// Print the answer as JSON
    #[arg(long, global = true)]
    json: bool,
}

#[derive(Subcommand)]
enum Command {
    /// Ask for a role of a product, or to read some of its fields
    Request(RequestArguments),
    /// Show access requests, or grants: yours, those that you decide, and all where you may see them
    List(ListArguments),
    /// Approve the level that a request waits for
    Approve(ApproveArguments),
    /// Deny a request, or take back your own
    Deny(EndArguments),
    /// End what was granted: it holds no longer at once
    Revoke(RevokeArguments),
}

#[derive(Args)]
struct RequestArguments {
    /// The product's id
    #[arg(value_name = "PRODUCT")]
    product: String,
    /// The role
    #[arg(long, value_name = "ROLE", required_unless_present = "fields", conflicts_with = "fields")]
    role: Option<String>,
    /// A field to read (repeatable): DATASET.FIELD, by the contract's names
    #[arg(long = "field", value_name = "FIELD")]
    fields: Vec<String>,
    /// What it is for, in a sentence
    #[arg(long, value_name = "TEXT")]
    purpose: String,
    /// For how long: 8h, 30d
    #[arg(long = "for", value_name = "TIME")]
    duration: String,
    /// For a product that shall read this one: product:NAME; for yourself by default
    #[arg(long, value_name = "SUBJECT")]
    subject: Option<String>,
}

#[derive(Args)]
struct ListArguments {
    /// The product's id; all products by default
    #[arg(value_name = "PRODUCT")]
    product: Option<String>,
    /// Only what waits for you
    #[arg(long)]
    waiting: bool,
    /// Only requests in this state: pending, granted, denied or withdrawn
    #[arg(long, value_name = "STATE", conflicts_with_all = ["grants", "waiting"])]
    state: Option<String>,
    /// Grants in force instead of requests
    #[arg(long, conflicts_with = "waiting")]
    grants: bool,
    /// With --grants: those that have ended, too
    #[arg(long, requires = "grants")]
    ended: bool,
    /// How many at most, of each product
    #[arg(long, default_value_t = 50, value_name = "N")]
    first: u16,
}

#[derive(Args)]
struct ApproveArguments {
    /// The product's id
    #[arg(value_name = "PRODUCT")]
    product: String,
    /// The request's id
    #[arg(value_name = "REQUEST")]
    id: String,
    /// Why
    #[arg(long, value_name = "TEXT")]
    reason: Option<String>,
}

#[derive(Args)]
struct EndArguments {
    /// The product's id
    #[arg(value_name = "PRODUCT")]
    product: String,
    /// The request's id
    #[arg(value_name = "REQUEST")]
    id: String,
    /// Why
    #[arg(long, value_name = "TEXT")]
    reason: String,
}

#[derive(Args)]
struct RevokeArguments {
    /// The product's id
    #[arg(value_name = "PRODUCT")]
    product: String,
    /// The id of the request; with --grant, of the grant
    #[arg(value_name = "ID")]
    id: String,
    /// Why
    #[arg(long, value_name = "TEXT")]
    reason: String,
    /// The id is that of a grant, which only the product's owner may end so
    #[arg(long)]
    grant: bool,
}

/// Ask, and print what came of it.
pub fn run(arguments: &AccessArguments) -> Result<()> {
    let token = arguments.token.clone().filter(|token| !token.is_empty());
    let token = token.context(
        "who are you? give --token or TERRANE_TOKEN; `terrane token --subject S --role R` makes one for the mesh on this \
         machine",
    )?;
    let mesh = Mesh { url: arguments.url.trim_end_matches('/').to_owned(), token };
    let (question, grants) = question(&arguments.command);
    let (text, variables) = question.operation(arguments.direct);
    let mut answer = runtime()?.block_on(mesh.ask(&text, &variables))?;
    let told = answer[question.field].take();
    let mut out = std::io::stdout();
    if arguments.json {
        return writeln!(out, "{}", serde_json::to_string_pretty(&told)?).context("write the answer");
    }
    let all = match told {
        Value::Array(all) => all,
        one => vec![one],
    };
    if all.is_empty() {
        eprintln!("{}", if grants { "no grants that you may see" } else { "no access requests that you may see" });
    }
    for one in &all {
        let text = if grants { grant_text(one) } else { request_text(one) };
        writeln!(out, "{text}").context("write the answer")?;
    }
    Ok(())
}

/// A field of the catalog, or of a product's standard ports.
struct Question {
    kind: &'static str,
    field: &'static str,
    product: Option<String>,
    /// Name, type at the gateway, type at a product, value.
    arguments: Vec<(&'static str, &'static str, &'static str, Value)>,
    selection: &'static str,
}

impl Question {
    /// The text of the operation, and its variables.
    fn operation(&self, direct: bool) -> (String, Value) {
        let mut variables = Map::new();
        let (mut declared, mut passed) = (Vec::new(), Vec::new());
        if !direct {
            let of = if self.kind == "query" { "ID" } else { "ID!" };
            declared.push(format!("$product: {of}"));
            passed.push("product: $product".to_owned());
            variables.insert("product".to_owned(), json!(self.product));
        }
        for (name, at_gateway, at_product, value) in &self.arguments {
            declared.push(format!("${name}: {}", if direct { at_product } else { at_gateway }));
            passed.push(format!("{name}: ${name}"));
            variables.insert((*name).to_owned(), value.clone());
        }
        // of which product it is, only the gateway has to say
        let product = if direct { "" } else { "product " };
        let text = format!(
            "{} Access({}) {{ {}({}) {{ {product}{} }} }}",
            self.kind,
            declared.join(", "),
            self.field,
            passed.join(", "),
            self.selection
        );
        (text, Value::Object(variables))
    }
}

/// What a command asks, and whether the answer is grants.
fn question(command: &Command) -> (Question, bool) {
    let text = |name, value: Value| (name, "String", "String", value);
    let id = |value: &String| ("id", "ID!", "String!", json!(value));
    let must = |name, value: &String| (name, "String!", "String!", json!(value));
    let mutation = |field, product: &String, arguments, selection| Question {
        kind: "mutation",
        field,
        product: Some(product.clone()),
        arguments,
        selection,
    };
    match command {
        Command::Request(asked) => {
            let fields = (!asked.fields.is_empty()).then_some(&asked.fields);
            let arguments = vec![
                text("role", json!(asked.role)),
                ("fields", "[String!]", "[String!]", json!(fields)),
                text("subject", json!(asked.subject)),
                must("purpose", &asked.purpose),
                must("duration", &asked.duration),
            ];
            (mutation("requestAccess", &asked.product, arguments, REQUEST), false)
        }
        Command::List(list) => {
            let (field, selection) = if list.grants { ("grants", GRANT) } else { ("accessRequests", REQUEST) };
            let flag = |name, value: bool| (name, "Boolean!", "Boolean!", json!(value));
            let mut arguments = vec![("first", "Int!", "Int!", json!(list.first))];
            match list.grants {
                true => arguments.push(flag("active", !list.ended)),
                false => arguments.extend([text("state", json!(list.state)), flag("waiting", list.waiting)]),
            }
            let product = list.product.clone();
            (Question { kind: "query", field, product, arguments, selection }, list.grants)
        }
        Command::Approve(approve) => {
            let arguments = vec![id(&approve.id), text("reason", json!(approve.reason))];
            (mutation("approveAccess", &approve.product, arguments, REQUEST), false)
        }
        Command::Deny(deny) => {
            let arguments = vec![id(&deny.id), must("reason", &deny.reason)];
            (mutation("denyAccess", &deny.product, arguments, REQUEST), false)
        }
        Command::Revoke(revoke) => {
            let arguments = vec![id(&revoke.id), must("reason", &revoke.reason)];
            let field = if revoke.grant { "revoke" } else { "revokeAccess" };
            (mutation(field, &revoke.product, arguments, GRANT), true)
        }
    }
}

fn word<'v>(value: &'v Value, key: &str) -> &'v str {
    value[key].as_str().unwrap_or_default()
}

/// What is asked for or granted.
fn what(value: &Value) -> String {
    let fields: Vec<&str> = value["fields"].as_array().into_iter().flatten().filter_map(Value::as_str).collect();
    match value["role"].as_str() {
        Some(role) => format!("role {role}"),
        None => format!("fields {}", fields.join(", ")),
    }
}

/// ` of PRODUCT`, where the answer says of which.
fn of(value: &Value) -> String {
    value["product"].as_str().map_or_else(String::new, |product| format!(" of {product}"))
}

fn request_text(request: &Value) -> String {
    let mut text = format!(
        "{}  {}  {}{}  for {}: {}",
        word(request, "id"),
        word(request, "state"),
        what(request),
        of(request),
        word(request, "subject"),
        word(request, "purpose")
    );
    for step in request["steps"].as_array().into_iter().flatten() {
        let level = step["level"].as_i64().map_or_else(String::new, |level| format!(" level {level}"));
        let by = step["actor"].as_str().map_or_else(|| "by itself".to_owned(), |actor| format!("by {actor}"));
        let why = step["reason"].as_str().filter(|_| step["step"] != "requested" && step["step"] != "granted");
        let why = why.map_or_else(String::new, |why| format!(": {why}"));
        text += &format!("\n    {}  {}{level} {by}{why}", word(step, "at"), word(step, "step"));
    }
    let waits = request["levels"].as_array().into_iter().flatten().find(|level| level["level"] == request["waitsFor"]);
    if let Some(level) = waits.filter(|_| !request["waitsFor"].is_null()) {
        let approvers: Vec<&str> =
            level["approvers"].as_array().into_iter().flatten().filter_map(Value::as_str).collect();
        let you = if request["approvable"] == true { " (you are one)" } else { "" };
        text += &format!("\n    waits for level {}: {}{you}", level["level"], approvers.join(" or "));
    }
    if let Some(expires) = request["grant"]["expiresAt"].as_str() {
        let grant = &request["grant"];
        text += &format!("\n    grant {}: {}, until {expires}", word(grant, "id"), word(grant, "state"));
    }
    text
}

fn grant_text(grant: &Value) -> String {
    let by = grant["grantedBy"].as_str().unwrap_or("nobody had to approve");
    let ended = grant["endedAt"].as_str().filter(|_| grant["state"] != "active");
    let until = match ended {
        Some(at) => format!("since {at}"),
        None => format!("until {}", word(grant, "expiresAt")),
    };
    format!(
        "{}  {} {until}  {}{}  for {}: {} (granted by {by}; request {})",
        word(grant, "id"),
        word(grant, "state"),
        what(grant),
        of(grant),
        word(grant, "subject"),
        word(grant, "purpose"),
        grant["request"].as_str().unwrap_or("none")
    )
}
