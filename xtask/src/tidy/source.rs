//! Source rules: turns each Rust file into breaches of the starred rules of the house style.

use anyhow::{Context as _, Result};
use std::fs;
use std::path::{Path, PathBuf};

const LONGEST_FILE: usize = 500;
const NAMES_THAT_SAY_NOTHING: [&str; 4] = ["utils", "util", "common", "helpers"];

/// Check every Rust file of the workspace.
pub fn check(root: &Path) -> Result<Vec<String>> {
    let mut breaches = Vec::new();
    for folder in ["src", "gateway", "runtime", "crates", "xtask", "bench", "fuzz"] {
        let mut files = Vec::new();
        collect(&root.join(folder), &mut files)?;
        files.sort();
        for file in files {
            let text = fs::read_to_string(&file).with_context(|| file.display().to_string())?;
            let name = file.strip_prefix(root).unwrap_or(&file).to_string_lossy().into_owned();
            breaches.extend(check_file(&name, &text));
        }
    }
    Ok(breaches)
}

fn collect(folder: &Path, files: &mut Vec<PathBuf>) -> Result<()> {
    let Ok(entries) = fs::read_dir(folder) else { return Ok(()) };
    for entry in entries {
        let path = entry?.path();
        if path.is_dir() {
            if path.file_name().is_some_and(|n| n != "target") {
                collect(&path, files)?;
            }
        } else if path.extension().is_some_and(|e| e == "rs") {
            files.push(path);
        }
    }
    Ok(())
}

/// The breaches of one file.
fn check_file(name: &str, text: &str) -> Vec<String> {
    let mut breaches = Vec::new();
    if !text.starts_with("//!") {
        breaches.push(format!("{name}:1: no module doc; start the file with `//!` and what it turns into what"));
    }
    let is_test = name.contains("/tests/") || name.contains("/benches/") || name.ends_with("/tests.rs");
    let stem = name.trim_end_matches("/mod.rs").trim_end_matches(".rs").rsplit('/').next().unwrap_or_default();
    if NAMES_THAT_SAY_NOTHING.contains(&stem) {
        breaches.push(format!("{name}: a module called `{stem}` says nothing about what it holds"));
    }
    if is_test {
        return breaches;
    }
    let production: Vec<&str> = text.lines().take_while(|line| line.trim() != "#[cfg(test)]").collect();
    if production.len() > LONGEST_FILE {
        breaches.push(format!("{name}: {} lines of production code; {LONGEST_FILE} at most", production.len()));
    }
    for (index, line) in production.iter().enumerate() {
        let code = line.split("//").next().unwrap_or_default();
        let at = index + 1;
        // the two words are put together here so that this file does not breach its own rule
        if code.contains(concat!(".unw", "rap()")) {
            breaches.push(format!("{name}:{at}: an unwrap outside of tests; say with `expect` why it can't happen"));
        }
        if code.contains(concat!("uns", "afe {")) || code.contains(concat!("uns", "afe fn")) {
            breaches.push(format!("{name}:{at}: unsafe code"));
        }
        let open_task = ["TO", "DO"].concat();
        if line.contains(&open_task) && !line.contains(&format!("{open_task}(#")) {
            breaches.push(format!("{name}:{at}: a {open_task} without its issue"));
        }
    }
    breaches
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_starred_rule_is_checked() {
        let unwrapping = format!("//! Doc.\nfn f() {{ x{} }}\n", concat!(".unw", "rap()"));
        assert_eq!(check_file("src/a.rs", &unwrapping).len(), 1);
        assert_eq!(check_file("src/a.rs", "fn f() {}\n").len(), 1);
        assert_eq!(check_file("src/utils.rs", "//! Doc.\n").len(), 1);
        assert_eq!(check_file("src/a.rs", &format!("//! Doc.\n{}", "\n".repeat(600))).len(), 1);
        assert_eq!(check_file("src/a.rs", &format!("//! Doc.\n#[cfg(test)]\n{}", "\n".repeat(600))).len(), 0);
        assert_eq!(check_file("crates/a/tests/b.rs", &unwrapping).len(), 0);
        assert_eq!(check_file("src/a.rs", concat!("//! Doc.\nuns", "afe { f() }\n")).len(), 1);
    }
}
