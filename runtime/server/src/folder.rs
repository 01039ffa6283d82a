//! Folders: turns a product folder on disk into the text files that the manifest reads.

use std::collections::BTreeMap;
use std::fs;
use std::io;
use std::path::Path;

/// Larger files are data, not descriptions; the manifest reads none of them.
const LARGEST_TEXT: u64 = 4 * 1024 * 1024;
const DEEPEST: usize = 6;

/// Every text file that describes the product, by its path relative to `folder` with `/` between the parts. Symbolic
/// links are followed (a mounted ConfigMap is made of them); names that start with `.` and the `data` folder are not
/// read.
///
/// # Errors
/// Any failure to read a file or folder.
pub fn read_folder(folder: &Path) -> io::Result<BTreeMap<String, String>> {
    let mut files = BTreeMap::new();
    read(folder, "", 0, &mut files)?;
    Ok(files)
}

fn read(folder: &Path, prefix: &str, depth: usize, files: &mut BTreeMap<String, String>) -> io::Result<()> {
    if depth > DEEPEST {
        return Ok(());
    }
    for entry in fs::read_dir(folder)? {
        let path = entry?.path();
        let Some(name) = path.file_name().and_then(|n| n.to_str()) else { continue };
        let relative = if prefix.is_empty() { name.to_owned() } else { format!("{prefix}/{name}") };
        if name.starts_with('.') || relative == "data" {
            continue;
        }
        let meta = fs::metadata(&path)?;
        if meta.is_dir() {
            read(&path, &relative, depth + 1, files)?;
        } else if meta.len() <= LARGEST_TEXT
            && let Ok(text) = fs::read_to_string(&path)
        {
            files.insert(relative, text);
        }
    }
    Ok(())
}
