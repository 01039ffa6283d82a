//! Folders: turns names into paths of this repository and into scratch directories.

use std::fs;
use std::io;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};

/// The repository's root.
pub fn repository() -> PathBuf {
    let here = Path::new(env!("CARGO_MANIFEST_DIR"));
    here.ancestors().nth(2).expect("crates/testkit is two folders below the root").to_path_buf()
}

/// One of the shipped products.
pub fn product_folder(name: &str) -> PathBuf {
    repository().join("products").join(name)
}

/// A scratch directory that a server's unprivileged account can reach.
pub fn state_directory() -> tempfile::TempDir {
    let dir = tempfile::Builder::new().prefix("terrane-test-").tempdir().expect("a scratch directory");
    fs::set_permissions(dir.path(), fs::Permissions::from_mode(0o755)).expect("its mode can be set");
    dir
}

/// Copy a folder with all that is in it.
///
/// # Errors
/// Any failure of the file system.
pub fn copy_folder(from: &Path, to: &Path) -> io::Result<()> {
    fs::create_dir_all(to)?;
    for entry in fs::read_dir(from)? {
        let entry = entry?;
        let target = to.join(entry.file_name());
        if entry.file_type()?.is_dir() {
            copy_folder(&entry.path(), &target)?;
        } else {
            fs::copy(entry.path(), target)?;
        }
    }
    Ok(())
}
