//! Small disks: turns a directory into one that gets full: a small file system of its own where this user may mount one,
//! otherwise a limit on the size of the database's files.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

/// Room for a new cluster, its log and some versions, and for what is in the way.
const SIZE: &str = "size=1100m,mode=755";
/// What is in the way until [`SmallDisk::free`], in bytes: as much as runs over all that was sent need, and their log.
const BALLAST: u64 = 840 << 20;
/// Files of the write-ahead log have 16 MiB; a table may have a little more.
const LARGEST_FILE: &str = "--fsize=20971520";

/// A directory with little room.
#[derive(Debug)]
pub enum SmallDisk {
    /// A file system in memory.
    Mounted(PathBuf),
    /// The database's files are limited.
    Limited,
}

fn run(program: &str, arguments: &[&str]) -> bool {
    let done = Command::new(program).args(arguments).stderr(Stdio::null()).stdout(Stdio::null()).status();
    done.is_ok_and(|status| status.success())
}

impl SmallDisk {
    /// Make `directory` small.
    pub fn new(directory: &Path) -> Self {
        let text = directory.to_str().unwrap();
        if !run("mount", &["-t", "tmpfs", "-o", SIZE, "tmpfs", text]) {
            return Self::Limited;
        }
        let ballast = std::fs::File::create(directory.join("ballast")).unwrap();
        let block = vec![0; 1 << 20];
        for _ in 0..BALLAST >> 20 {
            std::io::Write::write_all(&mut &ballast, &block).unwrap();
        }
        Self::Mounted(directory.to_path_buf())
    }

    /// Limit a database that has just started.
    pub fn limit(&self, pid: &str) {
        if matches!(self, Self::Limited) {
            assert!(run("prlimit", &["--pid", pid, LARGEST_FILE]), "the database's files can be limited");
        }
    }

    /// Make room.
    pub fn free(&self, pid: &str) {
        match self {
            Self::Mounted(directory) => std::fs::remove_file(directory.join("ballast")).unwrap(),
            Self::Limited => assert!(run("prlimit", &["--pid", pid, "--fsize=unlimited"]), "{pid}"),
        }
    }
}

impl Drop for SmallDisk {
    fn drop(&mut self) {
        if let Self::Mounted(directory) = self {
            run("umount", &["-l", directory.to_str().unwrap()]);
            let _ = std::fs::remove_dir_all(directory);
        }
    }
}
