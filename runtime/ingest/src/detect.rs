//! Detection: turns what a sender declares, a file's name and a body's first bytes into its format and packing.

use crate::IngestError;

/// A format that the input port takes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Format {
    /// Delimited values, with commas unless the text says otherwise.
    Csv,
    /// The same with tabs.
    Tsv,
    /// An array of objects, or objects in lines.
    Json,
    /// One JSON object a line.
    Ndjson,
    /// Apache Parquet.
    Parquet,
    /// Apache Arrow IPC, as a file or a stream.
    Arrow,
    /// Apache Avro, as a file with its schema.
    Avro,
    /// A sheet of an Excel workbook.
    Xlsx,
}

impl Format {
    /// By media type, by a file's extension, or by a contract's word. `None` where the word says nothing of a format.
    ///
    /// # Errors
    /// [`IngestError::UnknownFormat`] where it says one that is not taken.
    pub fn parse(word: &str) -> Result<Option<Self>, IngestError> {
        Ok(Some(match media_type(word).as_str() {
            "text/csv" | "application/csv" | "csv" => Self::Csv,
            "text/tab-separated-values" | "tsv" | "tab" => Self::Tsv,
            "application/json" | "text/json" | "json" => Self::Json,
            "application/x-ndjson" | "application/ndjson" | "application/jsonl" | "application/x-jsonlines" => {
                Self::Ndjson
            }
            "application/json-lines" | "ndjson" | "jsonl" => Self::Ndjson,
            "application/vnd.apache.parquet" | "application/x-parquet" | "application/parquet" | "parquet" => {
                Self::Parquet
            }
            "application/vnd.apache.arrow.file" | "application/vnd.apache.arrow.stream" | "arrow" => Self::Arrow,
            "arrows" | "ipc" | "feather" => Self::Arrow,
            "application/avro" | "application/vnd.apache.avro" | "application/avro-binary" | "avro/binary" => {
                Self::Avro
            }
            "avro" => Self::Avro,
            "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet" | "xlsx" => Self::Xlsx,
            // what clients say of a body when nobody told them
            "" | "application/octet-stream" | "binary/octet-stream" | "application/x-www-form-urlencoded" => {
                return Ok(None);
            }
            "text/plain" | "application/gzip" | "application/x-gzip" | "application/zstd" => return Ok(None),
            _ => return Err(IngestError::UnknownFormat(word.to_owned())),
        }))
    }

    /// By a file's name, without what it is packed in.
    pub fn of_name(name: &str) -> Option<Self> {
        let name = name.rsplit('/').next().unwrap_or(name).to_ascii_lowercase();
        let plain = [".gz", ".zst", ".zstd"].iter().find_map(|packed| name.strip_suffix(packed)).unwrap_or(&name);
        let extension = plain.rsplit_once('.')?.1;
        Self::parse(extension).ok().flatten()
    }

    /// By a body's first bytes: text that is not JSON is taken to be CSV.
    pub fn of_bytes(start: &[u8]) -> Self {
        let text = start.strip_prefix(b"\xef\xbb\xbf").unwrap_or(start).trim_ascii_start();
        match start {
            [b'P', b'A', b'R', b'1', ..] => Self::Parquet,
            [b'A', b'R', b'R', b'O', b'W', b'1', ..] | [0xff, 0xff, 0xff, 0xff, ..] => Self::Arrow,
            [b'O', b'b', b'j', 1, ..] => Self::Avro,
            [b'P', b'K', 3, 4, ..] => Self::Xlsx,
            _ if text.starts_with(b"[") || text.starts_with(b"{") => Self::Json,
            _ => Self::Csv,
        }
    }
}

/// How a body is packed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Encoding {
    /// Not at all.
    Identity,
    /// gzip.
    Gzip,
    /// Zstandard.
    Zstd,
}

impl Encoding {
    /// By the `content-encoding` header's value.
    ///
    /// # Errors
    /// [`IngestError::UnknownFormat`].
    pub fn parse(word: Option<&str>) -> Result<Self, IngestError> {
        match word.map(|w| w.trim().to_ascii_lowercase()).as_deref() {
            None | Some("" | "identity") => Ok(Self::Identity),
            Some("gzip" | "x-gzip") => Ok(Self::Gzip),
            Some("zstd") => Ok(Self::Zstd),
            Some(other) => Err(IngestError::UnknownFormat(other.to_owned())),
        }
    }

    /// By a body's first bytes.
    pub fn of_bytes(start: &[u8]) -> Self {
        match start {
            [0x1f, 0x8b, ..] => Self::Gzip,
            [0x28, 0xb5, 0x2f, 0xfd, ..] => Self::Zstd,
            _ => Self::Identity,
        }
    }
}

/// A parameter of a media type: `charset` of `text/csv; charset=utf-8`.
pub fn parameter<'a>(content_type: &'a str, name: &str) -> Option<&'a str> {
    let mut quoted = false;
    let parts = content_type.split(|c: char| {
        quoted ^= c == '"';
        c == ';' && !quoted
    });
    parts.skip(1).find_map(|part| {
        let (key, value) = part.split_once('=')?;
        key.trim().eq_ignore_ascii_case(name).then(|| value.trim().trim_matches('"'))
    })
}

fn media_type(word: &str) -> String {
    word.split(';').next().unwrap_or_default().trim().to_ascii_lowercase()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn formats_are_known_by_declaration_name_and_first_bytes() {
        assert_eq!(Format::parse("text/csv; charset=utf-8; header=absent").unwrap(), Some(Format::Csv));
        assert_eq!(Format::parse("application/octet-stream").unwrap(), None);
        assert!(Format::parse("application/pdf").is_err());
        assert_eq!(Format::of_name("data/a.b/cities.CSV.gz"), Some(Format::Csv));
        assert_eq!(Format::of_name("x.parquet"), Some(Format::Parquet));
        assert_eq!(Format::of_name("README"), None);
        for (bytes, format) in [
            (b"PAR1\x15".as_slice(), Format::Parquet),
            (b"ARROW1\0\0", Format::Arrow),
            (b"\xff\xff\xff\xff\x10\0", Format::Arrow),
            (b"Obj\x01\x04", Format::Avro),
            (b"PK\x03\x04", Format::Xlsx),
            (b"\xef\xbb\xbf [", Format::Json),
            (b"{\"a\":1}\n{", Format::Json),
            (b"a,b\n", Format::Csv),
            (b"", Format::Csv),
        ] {
            assert_eq!(Format::of_bytes(bytes), format, "{bytes:?}");
        }
        assert_eq!(parameter("text/csv; Header=\"absent\"", "header"), Some("absent"));
        assert_eq!(parameter("text/csv; delimiter=\";\"; header=absent", "delimiter"), Some(";"));
        assert_eq!(Encoding::of_bytes(b"\x1f\x8b\x08"), Encoding::Gzip);
    }
}
