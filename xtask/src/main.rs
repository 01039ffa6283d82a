//! Development tasks: turns `cargo xtask <task>` into checks of the workspace.

mod interop;
mod tidy;

use anyhow::Result;
use clap::{Parser, Subcommand};

#[derive(Parser)]
#[command(name = "cargo xtask", about = "Development tasks of Terrane")]
struct Command {
    #[command(subcommand)]
    task: Task,
}

#[derive(Subcommand)]
enum Task {
    /// Check the dependency arrows between crates and the starred rules of the house style
    Tidy,
    /// Compare composition and serving with Apollo's, in Node
    Interop {
        /// Succeed where there is no Node
        #[arg(long)]
        optional: bool,
    },
}

fn main() -> Result<()> {
    match Command::parse().task {
        Task::Tidy => tidy::run(),
        Task::Interop { optional } => interop::run(optional),
    }
}
