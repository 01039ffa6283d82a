//! `terrane token`: turns a subject and roles into a token for the mesh on this machine.

use crate::mesh::token_secret;
use anyhow::{Context as _, Result, bail};
use clap::Args;
use std::path::PathBuf;
use terrane_auth::{TokenRequest, issue};

/// Make a token.
#[derive(Args)]
pub struct TokenArguments {
    /// Who it stands for
    #[arg(long, default_value = "demo", value_name = "S")]
    subject: String,
    /// A role of it (repeatable), e.g. reader, analyst, steward
    #[arg(long = "role", required = true, value_name = "R")]
    roles: Vec<String>,
    /// A further claim (repeatable): NAME=JSON
    #[arg(long = "claim", value_name = "NAME=JSON")]
    claims: Vec<String>,
    /// Hours that it is valid for
    #[arg(long, default_value_t = 24, value_name = "H")]
    hours: u64,
    /// The state directory whose secret signs it (or TERRANE_JWT_SECRET)
    #[arg(long, default_value = ".terrane", value_name = "DIR")]
    state: PathBuf,
}

/// Print the token, and nothing else.
pub fn run(arguments: &TokenArguments) -> Result<()> {
    let mut claims = serde_json::Map::new();
    for claim in &arguments.claims {
        let Some((name, value)) = claim.split_once('=') else { bail!("--claim `{claim}`: write NAME=JSON") };
        let value = serde_json::from_str(value).with_context(|| format!("--claim `{claim}`: its value is no JSON"))?;
        claims.insert(name.to_owned(), value);
    }
    let request = TokenRequest {
        subject: arguments.subject.clone(),
        roles: arguments.roles.clone(),
        lifetime_seconds: arguments.hours.saturating_mul(3600),
        claims,
    };
    let token = issue(&token_secret(&arguments.state)?, &request)?;
    use std::io::Write as _;
    writeln!(std::io::stdout(), "{token}").context("write the token")
}
