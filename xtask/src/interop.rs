//! Interop: turns the composition cases and the products' schemas into a comparison with Apollo's composition and gateway.

use anyhow::{Context as _, Result, bail};
use cargo_metadata::MetadataCommand;
use std::env;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

/// The first version of Node with everything that the scripts use.
const LEAST_NODE: u32 = 20;

/// Run the comparisons. Without Node that is a failure, unless it is `optional`.
pub fn run(optional: bool) -> Result<()> {
    let metadata = MetadataCommand::new().no_deps().exec().context("cargo metadata")?;
    let root = PathBuf::from(metadata.workspace_root.as_str());
    let target = PathBuf::from(metadata.target_directory.as_str());
    if let Err(missing) = check_node() {
        if optional {
            eprintln!("interop: {missing}; nothing was compared");
            return Ok(());
        }
        bail!("{missing}; install Node {LEAST_NODE} with npm, or say --optional");
    }
    let folder = target.join("interop");
    install(&root.join("tests/interop"), &folder)?;
    // of the whole workspace: by itself, the program would have other features of its dependencies, and all be built anew
    succeed(Command::new(env!("CARGO")).args(["build", "--workspace", "--bins"]).current_dir(&root))?;
    let terrane = target.join("debug/terrane");
    let schemas = schemas(&root.join("schema/data"))?;
    let products = folder.join("products.json");
    fs::write(&products, subgraph_list(&schemas)?).with_context(|| products.display().to_string())?;

    let command = format!("{} compose --subgraphs {{file}}", terrane.display());
    let mut node = Command::new("node");
    node.arg(root.join("tests/interop/compose.mjs"))
        .args(["--command", &command])
        .args([&root.join("tests/compose"), &products])
        .current_dir(&folder);
    if let Some(checkout) = env::var_os("AUDIT_DIR") {
        node.arg("--suites").arg(root.join(checkout).join("src/test-suites"));
    }
    let compared = succeed(&mut node);
    let served = succeed(
        Command::new("node")
            .arg(root.join("tests/interop/serve.mjs"))
            .arg("--terrane")
            .arg(&terrane)
            .args(&schemas)
            .current_dir(&folder),
    );
    compared.and(served).and(audit(&root, &folder, &terrane))
}

/// Compare over the public federation audit's subgraphs, if `AUDIT_DIR` names a checkout of it with its packages installed.
fn audit(root: &Path, folder: &Path, terrane: &Path) -> Result<()> {
    let Some(checkout) = env::var_os("AUDIT_DIR") else {
        eprintln!("interop: AUDIT_DIR is not set; the public audit's subgraphs were not compared");
        return Ok(());
    };
    let checkout = root.join(checkout);
    let script = root.join("tests/interop/suites.mjs");
    let mut node = Command::new("node");
    node.arg(script).arg("--terrane").arg(terrane).arg("--audit").arg(checkout).current_dir(folder);
    succeed(&mut node)
}

/// Whether Node and npm are there and new enough; if not, what is missing.
fn check_node() -> Result<(), String> {
    let version = |program: &str| {
        let output = Command::new(program).arg("--version").stderr(Stdio::null()).output().ok()?;
        output.status.success().then(|| String::from_utf8_lossy(&output.stdout).trim().to_owned())
    };
    let node = version("node").ok_or("there is no Node")?;
    version("npm").ok_or("there is no npm")?;
    let major = node.trim_start_matches('v').split('.').next().and_then(|major| major.parse::<u32>().ok());
    if major.is_none_or(|major| major < LEAST_NODE) {
        return Err(format!("Node is {node}, older than {LEAST_NODE}"));
    }
    Ok(())
}

/// Install the packages as the lock file pins them, unless that was done for this lock.
fn install(from: &Path, folder: &Path) -> Result<()> {
    fs::create_dir_all(folder).with_context(|| folder.display().to_string())?;
    let lock = fs::read(from.join("package-lock.json")).context("tests/interop/package-lock.json")?;
    let installed = folder.join("installed.json");
    if fs::read(&installed).is_ok_and(|known| known == lock) {
        return Ok(());
    }
    for name in ["package.json", "package-lock.json"] {
        fs::copy(from.join(name), folder.join(name)).with_context(|| format!("copying {name}"))?;
    }
    // No install scripts: none of the packages needs any.
    let arguments = ["ci", "--ignore-scripts", "--no-audit", "--no-fund", "--loglevel=error"];
    succeed(Command::new("npm").args(arguments).current_dir(folder))?;
    fs::write(&installed, lock).with_context(|| installed.display().to_string())
}

/// The products' data schemas, in the order of their names.
fn schemas(folder: &Path) -> Result<Vec<PathBuf>> {
    let entries = fs::read_dir(folder).with_context(|| folder.display().to_string())?;
    let mut files = entries.map(|entry| Ok(entry?.path())).collect::<Result<Vec<PathBuf>>>()?;
    files.retain(|file| file.extension().is_some_and(|extension| extension == "graphql"));
    files.sort();
    Ok(files)
}

/// `[{"name", "url", "sdl"}]`
fn subgraph_list(schemas: &[PathBuf]) -> Result<String> {
    let mut list = Vec::with_capacity(schemas.len());
    for file in schemas {
        let name = file.file_stem().unwrap_or_default().to_string_lossy();
        let sdl = fs::read_to_string(file).with_context(|| file.display().to_string())?;
        list.push(serde_json::json!({ "name": name, "url": format!("http://{name}/"), "sdl": sdl }));
    }
    Ok(serde_json::to_string(&list)?)
}

fn succeed(command: &mut Command) -> Result<()> {
    let program = command.get_program().to_string_lossy().into_owned();
    let status = command.status().with_context(|| program.clone())?;
    if !status.success() {
        bail!("{program}: {status}");
    }
    Ok(())
}
