//! Downloads: turns a streamed response into a file that is whole, or can be gone on with.
//!
//! The bytes go to FILE.part, and the entity tag of what they are part of to FILE.part.etag, until the file is whole.

use anyhow::{Context as _, Result, bail};
use axum::body::Body;
use http::{Response, StatusCode, header};
use http_body_util::BodyExt as _;
use indicatif::{ProgressBar, ProgressStyle};
use serde_json::Value;
use std::ffi::OsString;
use std::fs::{self, File, OpenOptions};
use std::io::{self, IsTerminal as _, Write};
use std::path::{Path, PathBuf};

/// Error bodies are not longer than this.
const LONGEST_ERROR: usize = 64 * 1024;
const BAR: &str = "{msg} {bytes} of {total_bytes} [{bar:30}] {bytes_per_sec} ({elapsed})";
const SPINNER: &str = "{spinner} {msg} {bytes} {bytes_per_sec} ({elapsed})";

/// What is written where.
pub struct Download<'d> {
    /// What it is, for people.
    pub name: &'d str,
    /// The file; `-` is the standard output.
    pub output: &'d Path,
    /// Whether to go on with what is there.
    pub resume: bool,
}

impl Download<'_> {
    /// Refuse what cannot be.
    pub fn check(&self) -> Result<()> {
        if self.resume && self.is_stdout() {
            bail!("--resume needs a file: what went to the standard output is gone; name one with -o");
        }
        Ok(())
    }

    fn is_stdout(&self) -> bool {
        self.output == Path::new("-")
    }

    fn beside(&self, ending: &str) -> PathBuf {
        let mut name: OsString = self.output.as_os_str().to_owned();
        name.push(ending);
        PathBuf::from(name)
    }

    /// How much is there, and of what.
    fn begun(&self) -> Option<(u64, String)> {
        let tag = fs::read_to_string(self.beside(".part.etag")).ok()?;
        let length = fs::metadata(self.beside(".part")).ok()?.len();
        (self.resume && length > 0).then_some((length, tag.trim().to_owned()))
    }
}

/// Ask with the headers given, and write what comes.
pub async fn download<A>(what: &Download<'_>, ask: A) -> Result<()>
where
    A: AsyncFn(&[(&str, String)]) -> Result<Response<Body>>,
{
    let begun = what.begun();
    let headers: Vec<(&str, String)> = match &begun {
        Some((length, tag)) => vec![("range", format!("bytes={length}-")), ("if-range", tag.clone())],
        None => Vec::new(),
    };
    let response = ask(&headers).await?;
    let status = response.status();
    if let (StatusCode::RANGE_NOT_SATISFIABLE, Some((length, tag))) = (status, &begun)
        && text(&response, header::CONTENT_RANGE) == format!("bytes */{length}")
        && text(&response, header::ETAG) == *tag
    {
        // the last byte had come, but not the end
        return finish(what, *length);
    }
    if !status.is_success() {
        bail!("{}", refusal(response).await);
    }
    if what.is_stdout() {
        return copy(what, response, &mut io::stdout().lock(), 0).await.map(|_| ());
    }
    let part = what.beside(".part");
    let resumed = if status == StatusCode::PARTIAL_CONTENT { begun.map_or(0, |(length, _)| length) } else { 0 };
    if resumed == 0 {
        fs::write(what.beside(".part.etag"), text(&response, header::ETAG))
            .with_context(|| format!("write beside {}", what.output.display()))?;
    }
    let mut options = OpenOptions::new();
    let opened = if resumed > 0 { options.append(true).open(&part) } else { File::create(&part) };
    let mut file = opened.with_context(|| format!("write {}", part.display()))?;
    let length = copy(what, response, &mut file, resumed).await.with_context(|| {
        format!("the download broke off; the same command with --resume goes on with {}", part.display())
    })?;
    file.sync_all().with_context(|| format!("write {}", part.display()))?;
    finish(what, length)
}

fn finish(what: &Download<'_>, length: u64) -> Result<()> {
    fs::rename(what.beside(".part"), what.output).with_context(|| format!("write {}", what.output.display()))?;
    // the file is whole: what is left of its making may stay without harm
    let _ = fs::remove_file(what.beside(".part.etag"));
    eprintln!("{}: {length} bytes", what.output.display());
    Ok(())
}

/// Write the body to `out`; gives the length of the file, of which `resumed` bytes were there.
async fn copy(what: &Download<'_>, response: Response<Body>, out: &mut dyn Write, resumed: u64) -> Result<u64> {
    let total = text(&response, header::CONTENT_LENGTH).parse::<u64>().ok().map(|length| length + resumed);
    let progress = progress(what.name, total);
    progress.set_position(resumed);
    let mut body = response.into_body();
    let mut length = resumed;
    let copied = async {
        while let Some(frame) = body.frame().await {
            if let Ok(piece) = frame?.into_data() {
                out.write_all(&piece)?;
                length += piece.len() as u64;
                progress.set_position(length);
            }
        }
        out.flush()?;
        anyhow::Ok(())
    }
    .await;
    progress.finish_and_clear();
    copied.map(|()| length)
}

/// Nothing where nobody watches.
fn progress(name: &str, total: Option<u64>) -> ProgressBar {
    if !io::stderr().is_terminal() {
        return ProgressBar::hidden();
    }
    let (bar, style) = match total {
        Some(total) => (ProgressBar::new(total), BAR),
        None => (ProgressBar::new_spinner(), SPINNER),
    };
    if let Ok(style) = ProgressStyle::with_template(style) {
        bar.set_style(style);
    }
    bar.set_message(name.to_owned());
    bar
}

fn text(response: &Response<Body>, name: header::HeaderName) -> String {
    response.headers().get(name).and_then(|v| v.to_str().ok()).unwrap_or_default().to_owned()
}

/// The server's own words, and what to do.
async fn refusal(response: Response<Body>) -> String {
    let status = response.status();
    let body = http_body_util::Limited::new(response.into_body(), LONGEST_ERROR).collect().await;
    let body = body.map(|b| b.to_bytes()).unwrap_or_default();
    let answer: Value = serde_json::from_slice(&body).unwrap_or_default();
    let error = &answer["error"];
    let said = match (error["code"].as_str(), error["message"].as_str()) {
        (Some(code), Some(message)) => format!("{code}: {message}"),
        _ => format!("the server answered with status {status}"),
    };
    let hint = match status {
        StatusCode::UNAUTHORIZED => "; give a valid token with --token or TERRANE_TOKEN",
        StatusCode::FORBIDDEN => "; read as another role with --role or --token, or leave the field out",
        StatusCode::NOT_FOUND if error.is_null() => {
            "; name a dataset as PRODUCT/DATASET.FORMAT of a mesh, as DATASET.FORMAT of a product with --from"
        }
        StatusCode::SERVICE_UNAVAILABLE => "; try again in a moment",
        _ => "",
    };
    format!("{said}{hint}")
}
