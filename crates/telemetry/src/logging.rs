//! Logging: turns events into lines on standard error, each with the names of the request that it belongs to.

use crate::along;
use std::fmt;
use std::io::IsTerminal as _;
use tracing::{Event, Subscriber};
use tracing_subscriber::EnvFilter;
use tracing_subscriber::fmt::format::{Format, Writer};
use tracing_subscriber::fmt::{FmtContext, FormatEvent, FormatFields};
use tracing_subscriber::registry::LookupSpan;

/// How log lines look.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LogFormat {
    /// For people.
    Text,
    /// One JSON object a line.
    Json,
}

impl LogFormat {
    /// Text on a terminal, JSON elsewhere; `TERRANE_LOG_FORMAT` decides where it is set.
    pub fn from_environment() -> Self {
        match std::env::var("TERRANE_LOG_FORMAT").as_deref() {
            Ok("json") => Self::Json,
            Ok(_) => Self::Text,
            Err(_) if std::io::stderr().is_terminal() => Self::Text,
            Err(_) => Self::Json,
        }
    }
}

/// What says much and tells nothing: Postgres notes at each start what is there already.
const QUIETER: &str = "sqlx::postgres::notice=warn";

/// Send log lines to standard error. `default` is the filter where `TERRANE_LOG` is not set, e.g. `info`. A second call
/// changes nothing.
pub fn init_logging(format: LogFormat, default: &str) {
    let filter =
        EnvFilter::try_from_env("TERRANE_LOG").unwrap_or_else(|_| EnvFilter::new(format!("{default},{QUIETER}")));
    let builder = tracing_subscriber::fmt().with_env_filter(filter).with_writer(std::io::stderr);
    let set = match format {
        LogFormat::Text => {
            let ansi = std::io::stderr().is_terminal();
            let line = Format::default().with_ansi(ansi);
            builder.with_ansi(ansi).event_format(Named { line, put: after_text }).try_init()
        }
        LogFormat::Json => {
            let line = Format::default().json().flatten_event(true);
            builder.json().event_format(Named { line, put: into_json }).try_init()
        }
    };
    if set.is_err() {
        tracing::debug!("logging is set up already");
    }
}

/// What a line says of the request of the running task, where the event does not say it itself.
fn names(event: &Event<'_>) -> Vec<(&'static str, String)> {
    let Some(along) = along::current() else { return Vec::new() };
    let said = |name: &str| event.metadata().fields().field(name).is_some();
    let id = if said("request_id") { None } else { along.id() };
    let trace = if said("trace_id") { None } else { along.trace.id() };
    [("request_id", id), ("trace_id", trace)].into_iter().filter_map(|(name, value)| Some((name, value?))).collect()
}

/// A form of lines into which the names of a request are put.
struct Named<F> {
    line: F,
    put: fn(&str, &[(&'static str, String)], &mut Writer<'_>) -> fmt::Result,
}

impl<S, N, F> FormatEvent<S, N> for Named<F>
where
    S: Subscriber + for<'a> LookupSpan<'a>,
    N: for<'a> FormatFields<'a> + 'static,
    F: FormatEvent<S, N>,
{
    fn format_event(&self, context: &FmtContext<'_, S, N>, mut out: Writer<'_>, event: &Event<'_>) -> fmt::Result {
        let names = names(event);
        if names.is_empty() {
            return self.line.format_event(context, out, event);
        }
        let mut line = String::new();
        self.line.format_event(context, Writer::new(&mut line), event)?;
        (self.put)(&line, &names, &mut out)
    }
}

/// At the beginning of a JSON object. Ids have no characters that JSON escapes: see `along::is_sane`.
fn into_json(line: &str, names: &[(&'static str, String)], out: &mut Writer<'_>) -> fmt::Result {
    let Some(rest) = line.strip_prefix('{') else { return out.write_str(line) };
    out.write_char('{')?;
    for (name, value) in names {
        write!(out, "\"{name}\":\"{value}\",")?;
    }
    out.write_str(rest)
}

/// At the end of the line.
fn after_text(line: &str, names: &[(&'static str, String)], out: &mut Writer<'_>) -> fmt::Result {
    out.write_str(line.trim_end_matches('\n'))?;
    for (name, value) in names {
        write!(out, " {name}={value:?}")?;
    }
    out.write_char('\n')
}
