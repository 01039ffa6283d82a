//! Workbooks: turns a sheet of an XLSX file into rows of a batch.
//!
//! A workbook is a zip of XML. Before it is read, everything in it is unpacked once to nowhere, so that a small file
//! that stands for a very large one is refused; its texts are kept in memory while its rows are read.

use crate::header;
use crate::intake::Intake;
use crate::sink::{Sink, failure};
use crate::spool::spool;
use crate::{Given, IngestError};
use calamine::{DataRef, ExcelDateTime, Reader as _, Xlsx};
use std::borrow::Cow;
use std::fs::File;
use std::io::{BufReader, Read as _, Seek as _, SeekFrom};
use tokio::io::AsyncRead;
use tokio::sync::mpsc;

/// A workbook may not be larger, packed and unpacked.
const LARGEST_FILE: u64 = 64 * 1024 * 1024;
const LARGEST_UNPACKED: u64 = 512 * 1024 * 1024;
/// Files in it at most.
const MOST_FILES: usize = 10_000;
/// Columns of a sheet, by the format.
const MOST_COLUMNS: usize = 16_384;
/// What is said of a workbook that makes its reader panic.
const UNREADABLE: &str = "the workbook cannot be read";
/// Rows handed over at once.
const ROWS: usize = 256;

type Row = Vec<Given<'static>>;

/// Read `body` to its end: the sheet that the contract names, or the first. Its first row names the contract's fields.
///
/// # Errors
/// [`IngestError`]; nothing of the batch may stay then.
pub async fn read(intake: &mut Intake<'_>, body: impl AsyncRead + Unpin) -> Result<(), IngestError> {
    let file = spool(body, LARGEST_FILE).await?;
    let sheet = intake.dataset().ingest.sheet.clone();
    let (sender, mut rows) = mpsc::channel(2);
    let decoding = tokio::task::spawn_blocking(move || decode(file, sheet.as_deref(), &sender));
    let mut waiting: Vec<Row> = rows.recv().await.unwrap_or_default();
    if waiting.is_empty() {
        let reason = failure(decoding, UNREADABLE).await.unwrap_or_else(|| "the sheet is empty".to_owned());
        return Err(IngestError::Malformed { row: 0, reason });
    }
    let names: Vec<String> = waiting.remove(0).iter().map(|cell| cell.shown().unwrap_or_default()).collect();
    let mapping = header::map(intake.dataset(), &names)?;
    let Some(sink) = intake.open(mapping).await? else { return Ok(()) };
    loop {
        for row in &waiting {
            put(sink, row);
        }
        sink.flush().await?;
        match rows.recv().await {
            Some(more) => waiting = more,
            None => break,
        }
    }
    sink.decoded(failure(decoding, UNREADABLE).await).await
}

/// Cells beyond the header have no column.
fn put(sink: &mut Sink<'_>, row: &Row) {
    sink.begin();
    let width = sink.width();
    for column in 0..width {
        sink.put(row.get(column).unwrap_or(&Given::Null));
    }
    if row.iter().skip(width).any(|cell| *cell != Given::Null) {
        sink.spoil(None, None, format!("has a value beyond the {width} columns of the header"));
    }
    sink.end();
}

/// Hand over the rows of the sheet that are not blank, until the end, or until nobody takes them.
fn decode(mut file: File, sheet: Option<&str>, rows: &mpsc::Sender<Vec<Row>>) -> Result<(), String> {
    weigh(&mut file, LARGEST_UNPACKED)?;
    let mut workbook = Xlsx::new(BufReader::new(file)).map_err(|e| e.to_string())?;
    let names = workbook.sheet_names();
    let name = match sheet {
        Some(wanted) => names.iter().find(|n| *n == wanted).ok_or_else(|| format!("there is no sheet `{wanted}`"))?,
        None => names.first().ok_or("the workbook has no sheet")?,
    };
    let (name, epoch) = (name.clone(), if workbook.has_1904_epoch() { Epoch::Of1904 } else { Epoch::Of1900 });
    let mut cells = workbook.worksheet_cells_reader(&name).map_err(|e| e.to_string())?;
    let mut ready = Vec::with_capacity(ROWS);
    let (mut current, mut row): (Option<u32>, Row) = (None, Vec::new());
    loop {
        let cell = cells.next_cell().map_err(|e| e.to_string())?;
        let at = cell.as_ref().map(|c| c.get_position());
        if at.map(|(line, _)| line) != current {
            if row.iter().any(|cell| *cell != Given::Null) {
                ready.push(std::mem::take(&mut row));
            }
            row.clear();
            if (ready.len() >= ROWS || at.is_none())
                && !ready.is_empty()
                && rows.blocking_send(std::mem::take(&mut ready)).is_err()
            {
                return Ok(());
            }
            current = at.map(|(line, _)| line);
        }
        let (Some(cell), Some((_, column))) = (cell, at) else { return Ok(()) };
        let column = column as usize;
        if column >= MOST_COLUMNS {
            return Err(format!("the sheet has more than {MOST_COLUMNS} columns"));
        }
        let value = given(cell.get_value(), epoch);
        if value != Given::Null {
            if row.len() <= column {
                row.resize(column + 1, Given::Null);
            }
            row[column] = value;
        }
    }
}

/// Refuse what unpacks to more than is allowed, whatever its directory says.
fn weigh(file: &mut File, most: u64) -> Result<(), String> {
    let mut archive =
        zip::ZipArchive::new(BufReader::new(&mut *file)).map_err(|_| "it is no XLSX workbook".to_owned())?;
    if archive.len() > MOST_FILES {
        return Err(format!("the workbook has more than {MOST_FILES} files in it"));
    }
    let mut left = most;
    for index in 0..archive.len() {
        let entry = archive.by_index(index).map_err(|e| e.to_string())?;
        let read = std::io::copy(&mut entry.take(left + 1), &mut std::io::sink()).map_err(|e| e.to_string())?;
        left = left.checked_sub(read).ok_or_else(|| format!("it unpacks to more than {most} bytes"))?;
    }
    drop(archive);
    file.seek(SeekFrom::Start(0)).map(|_| ()).map_err(|e| e.to_string())
}

fn given(cell: &DataRef<'_>, epoch: Epoch) -> Given<'static> {
    let text = |text: &str| if text.is_empty() { Given::Null } else { Given::Text(Cow::Owned(text.to_owned())) };
    match cell {
        DataRef::Empty => Given::Null,
        DataRef::Int(whole) => Given::Int(*whole),
        DataRef::Float(number) => Given::Float(*number),
        DataRef::Bool(flag) => Given::Bool(*flag),
        DataRef::String(value) | DataRef::DateTimeIso(value) | DataRef::DurationIso(value) => text(value),
        DataRef::SharedString(value) => text(value),
        DataRef::Error(error) => text(&error.to_string()),
        DataRef::DateTime(at) => date_time(at, epoch),
    }
}

/// From which day a workbook counts days.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Epoch {
    /// Day 1 is the first of 1900, and there is a 29 February in that year, which never was.
    Of1900,
    /// Day 0 is the first of 1904.
    Of1904,
}

impl Epoch {
    /// Days from 1970-01-01 to the day that the workbook calls `days`; none where that never was.
    fn since_1970(self, days: f64) -> Option<f64> {
        match self {
            Self::Of1904 => Some(days - 24_107.0),
            Self::Of1900 if (60.0..61.0).contains(&days) => None,
            // before the day that never was, days have a number that is one lower than it would be
            Self::Of1900 if (1.0..60.0).contains(&days) => Some(days - 25_568.0),
            Self::Of1900 => Some(days - 25_569.0),
        }
    }
}

/// A count of days, with the time of day as its fraction; a number below one is a time alone.
fn date_time(at: &ExcelDateTime, epoch: Epoch) -> Given<'static> {
    const DAY: f64 = 86_400_000_000.0;
    let days = at.as_f64();
    if at.is_duration() || (0.0..1.0).contains(&days) {
        return Given::Time(millis(days * DAY));
    }
    match epoch.since_1970(days) {
        Some(days) => Given::Timestamp { micros: millis(days * DAY), zoned: false },
        // told of as what it is: a bad value
        None => Given::Text(Cow::Borrowed("1900-02-29")),
    }
}

/// A double holds no more than milliseconds of such a time.
fn millis(micros: f64) -> i64 {
    (micros / 1000.0).round() as i64 * 1000
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::Write as _;

    #[test]
    fn days_are_counted_from_1900_with_a_day_that_never_was_or_from_1904() {
        // from 1970-01-01: 1900-01-01 is day -25567, 1900-03-01 day -25508, 1904-01-02 day -24106
        for (epoch, day, expected) in [
            (Epoch::Of1900, 1.0, Some(-25_567.0)),
            (Epoch::Of1900, 59.0, Some(-25_509.0)),
            (Epoch::Of1900, 60.5, None),
            (Epoch::Of1900, 61.0, Some(-25_508.0)),
            (Epoch::Of1900, 25_569.25, Some(0.25)),
            (Epoch::Of1904, 1.0, Some(-24_106.0)),
            (Epoch::Of1904, 60.0, Some(-24_047.0)),
            (Epoch::Of1904, 24_107.0, Some(0.0)),
        ] {
            assert_eq!(epoch.since_1970(day), expected, "{epoch:?} {day}");
        }
    }

    #[test]
    fn a_workbook_that_stands_for_too_much_is_refused() {
        let mut archive = zip::ZipWriter::new(tempfile::tempfile().unwrap());
        for name in ["xl/sharedStrings.xml", "xl/workbook.xml"] {
            archive.start_file(name, zip::write::SimpleFileOptions::default()).unwrap();
            archive.write_all(&vec![b'0'; 500_000]).unwrap();
        }
        let mut file = archive.finish().unwrap();
        assert!(file.metadata().unwrap().len() < 5_000);
        for (most, fits) in [(1_000_000, true), (999_999, false), (10, false)] {
            file.seek(SeekFrom::Start(0)).unwrap();
            assert_eq!(weigh(&mut file, most).is_ok(), fits, "{most}");
        }
        let mut text = tempfile::tempfile().unwrap();
        text.write_all(b"no zip").unwrap();
        assert!(weigh(&mut text, 100).is_err());
    }
}
