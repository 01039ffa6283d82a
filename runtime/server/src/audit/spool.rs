//! Spools: turns records into lines of files that are there when the process is killed, until the database has them.
//!
//! A spool is a folder of one process: `lock`, which it holds as long as it lives, and segments of whole lines. A line is
//! written by one `write`, so that it is in the system's memory, or not at all, when the call comes back; it is not waited for
//! the disk. A spool whose lock is free belongs to whoever takes it.

use std::fs::{self, File};
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError};
use uuid::Uuid;

/// The file that says that a spool is in use.
const LOCK: &str = "lock";
/// The ending of segments.
const SEGMENT: &str = "ndjson";

/// Why a record was not taken.
#[derive(Debug, thiserror::Error)]
pub(crate) enum SpoolError {
    /// As much waits as may.
    #[error("{0} bytes of records wait for the database, and no more may")]
    Full(u64),
    /// The file can't be written.
    #[error("the spool at {0} cannot be written: {1}")]
    Io(String, io::Error),
}

/// The spool that this process writes.
#[derive(Debug)]
pub(super) struct Spool {
    folder: PathBuf,
    id: Uuid,
    most: u64,
    open: Mutex<Open>,
    waiting: AtomicU64,
    _lock: File,
}

#[derive(Debug)]
struct Open {
    file: File,
    number: u64,
    /// Bytes of whole lines in it.
    length: u64,
    /// The number of the next record.
    next: u64,
}

/// A segment that nobody writes to any more.
#[derive(Debug)]
pub(super) struct Segment {
    pub(super) spool: Uuid,
    pub(super) path: PathBuf,
}

impl Spool {
    /// A new one under `root`, of at most so many bytes.
    pub(super) fn create(root: &Path, most: u64) -> Result<Self, SpoolError> {
        let id = Uuid::new_v4();
        let folder = root.join(id.to_string());
        let failed = |error| SpoolError::Io(folder.display().to_string(), error);
        fs::create_dir_all(&folder).map_err(failed)?;
        // it is held before it has its name: nobody sees it and takes it for one that was left behind
        let unnamed = folder.join("locking");
        let lock = File::create(&unnamed).map_err(failed)?;
        lock.lock().map_err(failed)?;
        fs::rename(&unnamed, folder.join(LOCK)).map_err(failed)?;
        let file = create(&folder, 1).map_err(failed)?;
        let open = Mutex::new(Open { file, number: 1, length: 0, next: 1 });
        Ok(Self { folder, id, most, open, waiting: AtomicU64::new(0), _lock: lock })
    }

    /// Bytes that wait.
    pub(super) fn waiting(&self) -> u64 {
        self.waiting.load(Ordering::Relaxed)
    }

    /// Whether no more may wait.
    pub(super) fn is_full(&self) -> bool {
        self.waiting() >= self.most
    }

    /// Append a record: a JSON object without its last brace. The spool's name and the record's number in it are put after it.
    pub(super) fn append(&self, mut record: Vec<u8>) -> Result<(), SpoolError> {
        if self.is_full() {
            return Err(SpoolError::Full(self.waiting()));
        }
        record.extend_from_slice(b",\"spool\":\"");
        let mut text = Uuid::encode_buffer();
        record.extend_from_slice(self.id.as_hyphenated().encode_lower(&mut text).as_bytes());
        record.extend_from_slice(b"\",\"seq\":");
        let mut open = self.open.lock().unwrap_or_else(PoisonError::into_inner);
        terrane_graphql::json::write_i64(&mut record, i64::try_from(open.next).unwrap_or(i64::MAX));
        record.extend_from_slice(b"}\n");
        if let Err(error) = open.file.write_all(&record) {
            // a part of the line may be there, and must not be taken for the start of the next
            let length = open.length;
            if open.file.set_len(length).is_err() {
                // what can't be taken back is left behind in a segment of its own
                let _ = self.roll(&mut open);
            }
            return Err(SpoolError::Io(self.folder.display().to_string(), error));
        }
        open.next += 1;
        open.length += record.len() as u64;
        drop(open);
        self.waiting.fetch_add(record.len() as u64, Ordering::Relaxed);
        Ok(())
    }

    /// Close the segment that is written to, and begin the next.
    ///
    /// # Errors
    /// [`SpoolError::Io`]; then the segment goes on.
    pub(super) fn seal(&self) -> Result<(), SpoolError> {
        let mut open = self.open.lock().unwrap_or_else(PoisonError::into_inner);
        if open.length == 0 {
            return Ok(());
        }
        self.roll(&mut open).map_err(|error| SpoolError::Io(self.folder.display().to_string(), error))
    }

    fn roll(&self, open: &mut Open) -> io::Result<()> {
        open.file = create(&self.folder, open.number + 1)?;
        open.number += 1;
        open.length = 0;
        Ok(())
    }

    /// Those segments that are closed, in order.
    pub(super) fn sealed(&self) -> io::Result<Vec<Segment>> {
        let open = self.open.lock().unwrap_or_else(PoisonError::into_inner).number;
        segments(&self.folder, self.id, open)
    }

    /// The database has a segment of this spool.
    pub(super) fn remove(&self, segment: &Segment) -> io::Result<()> {
        let length = fs::metadata(&segment.path)?.len();
        fs::remove_file(&segment.path)?;
        let _ = self.waiting.fetch_update(Ordering::Relaxed, Ordering::Relaxed, |now| Some(now.saturating_sub(length)));
        Ok(())
    }

    /// Leave nothing behind, where nothing waits.
    pub(super) fn end(&self) {
        let empty = self.sealed().is_ok_and(|segments| segments.is_empty())
            && self.open.lock().unwrap_or_else(PoisonError::into_inner).length == 0;
        if empty {
            let _ = fs::remove_dir_all(&self.folder);
        }
    }
}

fn create(folder: &Path, number: u64) -> io::Result<File> {
    // zeros, so that the order of names is the order of segments
    File::options().create_new(true).append(true).open(folder.join(format!("{number:016}.{SEGMENT}")))
}

/// The segments of a folder that come before the one with the number `open`.
fn segments(folder: &Path, spool: Uuid, open: u64) -> io::Result<Vec<Segment>> {
    let mut found = Vec::new();
    for entry in fs::read_dir(folder)? {
        let path = entry?.path();
        let number = path.file_stem().and_then(|stem| stem.to_str()).and_then(|stem| stem.parse::<u64>().ok());
        if path.extension().is_some_and(|ending| ending == SEGMENT) && number.is_some_and(|number| number < open) {
            found.push(path);
        }
    }
    found.sort();
    Ok(found.into_iter().map(|path| Segment { spool, path }).collect())
}

/// The spool of a process that has ended.
#[derive(Debug)]
pub(super) struct Orphan {
    folder: PathBuf,
    spool: Uuid,
    _lock: File,
}

impl Orphan {
    /// All under `root` that nobody holds; from now on they are held here.
    pub(super) fn find(root: &Path) -> io::Result<Vec<Self>> {
        let mut found = Vec::new();
        for entry in fs::read_dir(root)? {
            let folder = entry?.path();
            let name = folder.file_name().and_then(|name| name.to_str()).and_then(|name| name.parse::<Uuid>().ok());
            let Some(spool) = name else { continue };
            // gone meanwhile, or made this moment: then it is not ours
            let Ok(lock) = File::options().write(true).open(folder.join(LOCK)) else { continue };
            // somebody else may have taken it over and removed it since it was opened
            if lock.try_lock().is_ok() && folder.join(LOCK).exists() {
                found.push(Self { folder, spool, _lock: lock });
            }
        }
        Ok(found)
    }

    /// Its segments, in order.
    pub(super) fn segments(&self) -> io::Result<Vec<Segment>> {
        segments(&self.folder, self.spool, u64::MAX)
    }

    /// The database has it all.
    pub(super) fn remove(self) -> io::Result<()> {
        fs::remove_dir_all(&self.folder)
    }
}

impl Segment {
    /// Its whole lines, one after the other. A last one that was cut off when the process was killed is left out: nobody had its
    /// answer.
    pub(super) fn text(&self) -> io::Result<String> {
        let mut bytes = fs::read(&self.path)?;
        bytes.truncate(bytes.iter().rposition(|byte| *byte == b'\n').map_or(0, |last| last + 1));
        Ok(String::from_utf8(bytes).unwrap_or_else(|error| String::from_utf8_lossy(error.as_bytes()).into_owned()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lines(segments: &[Segment]) -> Vec<String> {
        let texts: Vec<String> = segments.iter().map(|segment| segment.text().unwrap()).collect();
        texts.iter().flat_map(|text| text.lines()).map(str::to_owned).collect()
    }

    #[test]
    fn what_was_appended_is_found_when_the_process_is_gone() {
        let root = tempfile::tempdir().unwrap();
        let spool = Spool::create(root.path(), 10_000).unwrap();
        spool.append(b"{\"a\":1".to_vec()).unwrap();
        spool.seal().unwrap();
        spool.append(b"{\"a\":2".to_vec()).unwrap();
        assert!(Orphan::find(root.path()).unwrap().is_empty(), "it is in use");
        let sealed = spool.sealed().unwrap();
        assert_eq!(lines(&sealed), [format!("{{\"a\":1,\"spool\":\"{}\",\"seq\":1}}", spool.id)]);
        // killed while it wrote a line
        let (folder, id) = (spool.folder.clone(), spool.id);
        drop(spool);
        let last = folder.join("0000000000000002.ndjson");
        File::options().append(true).open(&last).unwrap().write_all(b"{\"a\":3,\"spool").unwrap();
        let [orphan] = Orphan::find(root.path()).unwrap().try_into().unwrap();
        assert_eq!((orphan.spool, lines(&orphan.segments().unwrap()).len()), (id, 2));
        assert!(Orphan::find(root.path()).unwrap().is_empty(), "it is held here");
        orphan.remove().unwrap();
        assert!(!folder.exists());
    }

    #[test]
    fn no_more_waits_than_may() {
        let root = tempfile::tempdir().unwrap();
        let spool = Spool::create(root.path(), 100).unwrap();
        spool.append(vec![b'{'; 200]).unwrap();
        assert!(matches!(spool.append(b"{".to_vec()), Err(SpoolError::Full(_))));
        spool.seal().unwrap();
        let [segment] = spool.sealed().unwrap().try_into().unwrap();
        spool.remove(&segment).unwrap();
        assert_eq!(spool.waiting(), 0);
        spool.append(b"{\"a\":1".to_vec()).unwrap();
        spool.end();
        assert!(spool.folder.exists(), "something waits in it");
    }
}
