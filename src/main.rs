//! The `terrane` command: one subcommand per file.

mod access;
mod ask;
mod audit;
mod changes;
mod check;
mod compose;
mod contracts;
mod dev;
mod download;
mod export;
mod gateway;
mod key;
mod mesh;
mod model_tests;
mod new;
mod plan;
mod policy;
mod product;
mod product_plan;
mod progress;
mod recorded;
mod run;
mod serve;
mod token;

use clap::{Parser, Subcommand};
use std::io;
use std::process::ExitCode;

/// Requests allocate many small pieces for a short time: glibc takes twice as long for them.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// A data mesh that speaks GraphQL. Without a command: the whole mesh of ./products in one process.
#[derive(Parser)]
#[command(name = "terrane", version, about, args_conflicts_with_subcommands = true)]
struct Arguments {
    #[command(subcommand)]
    command: Option<Command>,
    #[command(flatten)]
    dev: dev::DevArguments,
}

#[derive(Subcommand)]
enum Command {
    /// Ask for access to a product, and decide what others ask for
    Access(access::AccessArguments),
    /// Look at who did what with a product, whether its audit log is whole, and what is used
    Audit(audit::AuditArguments),
    /// Run the whole mesh of a products folder in one process, on an embedded Postgres (the default)
    Dev(dev::DevArguments),
    /// Run a gateway over subgraphs, or over a composed supergraph
    Gateway(gateway::GatewayArguments),
    /// Run one data product
    Product(product::ProductArguments),
    /// Compose subgraphs into a supergraph
    Compose(compose::ComposeArguments),
    /// Show how an operation is planned over a supergraph, or which SQL a product makes of it
    Plan(plan::PlanArguments),
    /// Test, explain and compare policies
    Policy(policy::PolicyArguments),
    /// Check product folders, that they compose, and what changes for clients
    Check(check::CheckArguments),
    /// Start a new product folder
    New(new::NewArguments),
    /// Write a dataset to a file
    Export(export::ExportArguments),
    /// Run the pipeline of a product of a running mesh
    Run(run::RunArguments),
    /// Make, replace, revoke and list the API keys of machines
    Key(key::KeyArguments),
    /// Make a token for the mesh of this machine
    Token(token::TokenArguments),
}

fn main() -> ExitCode {
    let arguments = Arguments::parse();
    let result = match arguments.command.unwrap_or(Command::Dev(arguments.dev)) {
        Command::Access(arguments) => access::run(&arguments),
        Command::Audit(arguments) => audit::run(&arguments),
        Command::Dev(arguments) => dev::run(&arguments),
        Command::Gateway(arguments) => gateway::run(&arguments),
        Command::Product(arguments) => product::run(&arguments),
        Command::Compose(arguments) => compose::run(&arguments),
        Command::Plan(arguments) => plan::run(&arguments),
        Command::Policy(arguments) => policy::run(&arguments),
        Command::Check(arguments) => check::run(&arguments),
        Command::New(arguments) => new::run(&arguments),
        Command::Export(arguments) => export::run(&arguments),
        Command::Run(arguments) => run::run(&arguments),
        Command::Key(arguments) => key::run(&arguments),
        Command::Token(arguments) => token::run(&arguments),
    };
    match result {
        Ok(()) => ExitCode::SUCCESS,
        // Who reads the output has seen enough of it.
        Err(error) if is_broken_pipe(&error) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("terrane: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn is_broken_pipe(error: &anyhow::Error) -> bool {
    let broken = |cause: &io::Error| cause.kind() == io::ErrorKind::BrokenPipe;
    error.chain().any(|cause| cause.downcast_ref::<io::Error>().is_some_and(broken))
}
