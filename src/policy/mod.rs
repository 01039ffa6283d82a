//! `terrane policy`: turns product folders and their policies into what is as expected, why something is allowed or not, what
//! a change of them changes, and into the policies of running products.

mod diff;
mod expectations;
mod explain;
mod judged;
mod put;

use anyhow::Result;
use clap::{Args, Subcommand};

/// Test, explain, compare and put in policies.
#[derive(Args)]
pub struct PolicyArguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Compare what the policies decide with what is expected of them; what differs is a failure
    Test(expectations::TestArguments),
    /// Say why somebody may do something with a product, or may not: the lines that decide, or that there is none
    Explain(explain::ExplainArguments),
    /// Say who can do what after a change that they couldn't before, and the reverse
    Diff(diff::DiffArguments),
    /// Put policy lines in at a running product, in the place of its folder's policy.csv, after showing what they change
    Put(put::PutArguments),
}

/// Do so.
pub fn run(arguments: &PolicyArguments) -> Result<()> {
    match &arguments.command {
        Command::Test(arguments) => expectations::run(arguments),
        Command::Explain(arguments) => explain::run(arguments),
        Command::Diff(arguments) => diff::run(arguments),
        Command::Put(arguments) => put::run(arguments),
    }
}
