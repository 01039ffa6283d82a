//! Binaries: turns the places where systems keep Postgres into the newest usable server programs.

use crate::{PostgresError, package};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

/// The oldest major version that the SQL of this project runs on.
const OLDEST: u32 = 15;

/// A directory with working `initdb` and `postgres` programs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Binaries {
    /// Where they are.
    pub directory: PathBuf,
    /// Their version as printed, e.g. `15.18`.
    pub version: String,
    /// The major version.
    pub major: u32,
}

impl Binaries {
    /// The path of one of the programs.
    pub fn program(&self, name: &str) -> PathBuf {
        self.directory.join(name)
    }
}

/// Installed binaries of the newest major, else the fetched package.
pub fn locate(cache: Option<&Path>, progress: &dyn Fn(&str)) -> Result<Binaries, PostgresError> {
    let mut tried = String::new();
    if let Some(dir) = std::env::var_os("TERRANE_POSTGRES_BIN") {
        return probe(Path::new(&dir)).map_err(|why| PostgresError::NoBinaries {
            tried: format!("  1. TERRANE_POSTGRES_BIN={}: {why}", dir.display()),
        });
    }
    let mut found: Vec<Binaries> = Vec::new();
    let places = places();
    for dir in &places {
        match probe(dir) {
            Ok(binaries) => found.push(binaries),
            Err(why) => tried.push_str(&format!("     {}: {why}\n", dir.display())),
        }
    }
    if let Some(best) = found.into_iter().max_by_key(|b| b.major) {
        return Ok(best);
    }
    let tried = format!(
        "  1. DATABASE_URL: not set\n  2. installed servers: none that works in PATH, /usr/lib/postgresql/*/bin, \
         /usr/pgsql-*/bin, Homebrew, MacPorts, Postgres.app\n{tried}"
    );
    match package::obtain(cache, progress).and_then(|dir| probe(&dir)) {
        Ok(binaries) => Ok(binaries),
        Err(why) => Err(PostgresError::NoBinaries { tried: format!("{tried}  3. the server package: {why}") }),
    }
}

/// Directories that hold an `initdb`, in the order in which they are looked at, each once.
fn places() -> Vec<PathBuf> {
    let mut dirs: Vec<PathBuf> = Vec::new();
    if let Some(path) = std::env::var_os("PATH") {
        dirs.extend(std::env::split_paths(&path));
    }
    for (parent, below) in [
        ("/usr/lib/postgresql", "bin"),
        ("/opt/homebrew/opt", "bin"),
        ("/usr/local/opt", "bin"),
        ("/Applications/Postgres.app/Contents/Versions", "bin"),
        ("/opt/local/lib", "bin"),
        ("/usr", "bin"),
    ] {
        let Ok(entries) = std::fs::read_dir(parent) else { continue };
        for entry in entries.flatten() {
            let name = entry.file_name();
            let name = name.to_string_lossy();
            let wanted = match parent {
                "/usr" => name.starts_with("pgsql-"),
                "/opt/homebrew/opt" | "/usr/local/opt" | "/opt/local/lib" => name.starts_with("postgresql"),
                _ => true,
            };
            if wanted {
                dirs.push(entry.path().join(below));
            }
        }
    }
    let mut seen = std::collections::BTreeSet::new();
    dirs.into_iter()
        .filter_map(|dir| dir.join("initdb").canonicalize().ok())
        .filter_map(|program| program.parent().map(Path::to_path_buf))
        .filter(|dir| seen.insert(dir.clone()))
        .collect()
}

/// Accept a directory only if both programs run (which finds missing libraries too) and are new enough.
fn probe(directory: &Path) -> Result<Binaries, String> {
    let mut version = String::new();
    for name in ["initdb", "postgres"] {
        let output = Command::new(directory.join(name))
            .arg("--version")
            .stdin(Stdio::null())
            .output()
            .map_err(|e| format!("`{name} --version`: {e}"))?;
        if !output.status.success() {
            let text = String::from_utf8_lossy(&output.stderr);
            return Err(format!("`{name} --version` failed: {}", text.lines().next().unwrap_or("no output")));
        }
        version = parse_version(&String::from_utf8_lossy(&output.stdout)).ok_or("its version cannot be read")?;
    }
    let major: u32 = version.split('.').next().and_then(|m| m.parse().ok()).ok_or("its version cannot be read")?;
    if major < OLDEST {
        return Err(format!("version {version} is older than {OLDEST}"));
    }
    Ok(Binaries { directory: directory.to_path_buf(), version, major })
}

/// `postgres (PostgreSQL) 15.18 (Debian …)` → `15.18`.
fn parse_version(line: &str) -> Option<String> {
    let after = line.split("(PostgreSQL)").nth(1)?;
    let word = after.split_whitespace().next()?;
    Some(word.chars().take_while(|c| c.is_ascii_digit() || *c == '.').collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_versions_of_releases_and_betas() {
        assert_eq!(parse_version("postgres (PostgreSQL) 15.18 (Debian 15.18-0+deb12u1)\n").unwrap(), "15.18");
        assert_eq!(parse_version("initdb (PostgreSQL) 19beta1").unwrap(), "19");
        assert_eq!(parse_version("mysqld 8"), None);
    }

    #[test]
    fn an_empty_directory_is_refused_with_a_reason() {
        let dir = tempfile::tempdir().unwrap();
        assert!(probe(dir.path()).unwrap_err().contains("initdb --version"));
    }
}
