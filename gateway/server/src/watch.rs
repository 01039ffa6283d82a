//! Watching: turns files into a signal that they changed.
//!
//! They are looked at twice a second, which works alike for files that are written anew, renamed into place, on a network
//! or mounted by Kubernetes (a link that changes its target).

use std::collections::hash_map::DefaultHasher;
use std::fs;
use std::hash::{Hash, Hasher};
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};
use std::time::Duration;

const EVERY: Duration = Duration::from_millis(500);

/// Files, and folders with the files in them, as they were when they were last looked at.
#[derive(Debug)]
pub struct FileWatch {
    /// Each with what it was.
    seen: Vec<(PathBuf, u64)>,
}

impl FileWatch {
    /// Watch `paths` from now on. One that is not there may come.
    pub fn new(paths: Vec<PathBuf>) -> Self {
        Self { seen: stamp(paths) }
    }

    /// Watch these instead. What changed of those that were watched before is still told, also if it was before this call:
    /// so nothing is lost that is written while the files are read.
    pub fn follow(&mut self, paths: Vec<PathBuf>) {
        let known = std::mem::take(&mut self.seen);
        self.seen = stamp(paths);
        for (path, stamp) in &mut self.seen {
            if let Some((_, before)) = known.iter().find(|(other, _)| other == path) {
                *stamp = *before;
            }
        }
    }

    /// Wait until they are other than they were.
    pub async fn changed(&mut self) {
        loop {
            tokio::time::sleep(EVERY).await;
            let paths = self.seen.iter().map(|(path, _)| path.clone()).collect();
            // an error means that the runtime is ending
            let Ok(now) = tokio::task::spawn_blocking(move || stamp(paths)).await else { return };
            if now != self.seen {
                self.seen = now;
                return;
            }
        }
    }
}

fn stamp(paths: Vec<PathBuf>) -> Vec<(PathBuf, u64)> {
    let stamped = |path: PathBuf| {
        let mut hasher = DefaultHasher::new();
        add(&path, &mut hasher);
        if let Ok(entries) = fs::read_dir(&path) {
            let mut inside: Vec<PathBuf> = entries.flatten().map(|entry| entry.path()).collect();
            inside.sort();
            inside.iter().for_each(|path| add(path, &mut hasher));
        }
        (path, hasher.finish())
    };
    paths.into_iter().map(stamped).collect()
}

fn add(path: &Path, hasher: &mut DefaultHasher) {
    path.hash(hasher);
    let metadata = fs::metadata(path).ok();
    let known = metadata.map(|file| (file.ino(), file.len(), file.mtime(), file.mtime_nsec(), file.ctime_nsec()));
    known.hash(hasher);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn each_kind_of_change_is_seen() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("a");
        let mut watch = FileWatch::new(vec![file.clone()]);
        fs::write(&file, "1").unwrap();
        watch.changed().await;
        fs::write(folder.path().join("b"), "2").unwrap();
        fs::rename(folder.path().join("b"), &file).unwrap();
        watch.changed().await;
        fs::remove_file(&file).unwrap();
        watch.changed().await;
        let mut watch = FileWatch::new(vec![folder.path().to_owned()]);
        fs::write(&file, "1").unwrap();
        watch.changed().await;
    }
    #[tokio::test]
    async fn what_changes_before_other_files_are_followed_is_told() {
        let folder = tempfile::tempdir().unwrap();
        let [file, other] = ["a", "b"].map(|name| folder.path().join(name));
        let mut watch = FileWatch::new(vec![file.clone()]);
        fs::write(&file, "1").unwrap();
        watch.follow(vec![other.clone(), file.clone()]);
        watch.changed().await;
        fs::write(&other, "2").unwrap();
        watch.changed().await;
    }
}
