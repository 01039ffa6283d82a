//! Logging: turns events into lines on standard error, each with the names of the request that it belongs to.

use crate::along;
use std::fmt;
use std::io::IsTerminal as _;
use tracing::{Event, Subscriber};
use tracing_subscriber::EnvFilter;
use tracing_subscriber::fmt::format::{Format, Json, Writer};
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

/// Send log lines to standard error. `default` is the filter where `TERRANE_LOG` is not set, e.g. `info`. A second call
/// changes nothing.
pub fn init_logging(format: LogFormat, default: &str) {
    let filter = EnvFilter::try_from_env("TERRANE_LOG").unwrap_or_else(|_| EnvFilter::new(default));
    let builder = tracing_subscriber::fmt().with_env_filter(filter).with_writer(std::io::stderr);
    let set = match format {
        LogFormat::Text => {
            let ansi = std::io::stderr().is_terminal();
            builder.with_ansi(ansi).event_format(TextLines(Format::default().with_ansi(ansi))).try_init()
        }
        LogFormat::Json => {
            builder.json().event_format(JsonLines(Format::default().json().flatten_event(true))).try_init()
        }
    };
    if set.is_err() {
        tracing::debug!("logging is set up already");
    }
}

/// What a line says of the request of the running task, where the event does not say it itself.
fn names(event: &Event<'_>) -> [(&'static str, Option<String>); 2] {
    let Some(along) = along::current() else { return [("request_id", None), ("trace_id", None)] };
    let said = |name: &str| event.metadata().fields().field(name).is_some();
    let id = if said("request_id") { None } else { along.id() };
    let trace = if said("trace_id") { None } else { along.trace.id() };
    [("request_id", id), ("trace_id", trace)]
}

struct JsonLines(Format<Json>);

impl<S, N> FormatEvent<S, N> for JsonLines
where
    S: Subscriber + for<'a> LookupSpan<'a>,
    N: for<'a> FormatFields<'a> + 'static,
{
    fn format_event(&self, context: &FmtContext<'_, S, N>, mut out: Writer<'_>, event: &Event<'_>) -> fmt::Result {
        let names = names(event);
        if names.iter().all(|(_, value)| value.is_none()) {
            return self.0.format_event(context, out, event);
        }
        let mut line = String::new();
        self.0.format_event(context, Writer::new(&mut line), event)?;
        let Some(rest) = line.strip_prefix('{') else { return out.write_str(&line) };
        out.write_char('{')?;
        for (name, value) in names {
            if let Some(value) = value {
                // ids have no characters that JSON escapes: see `along::is_sane`
                write!(out, "\"{name}\":\"{value}\",")?;
            }
        }
        out.write_str(rest)
    }
}

struct TextLines(Format);

impl<S, N> FormatEvent<S, N> for TextLines
where
    S: Subscriber + for<'a> LookupSpan<'a>,
    N: for<'a> FormatFields<'a> + 'static,
{
    fn format_event(&self, context: &FmtContext<'_, S, N>, mut out: Writer<'_>, event: &Event<'_>) -> fmt::Result {
        let names = names(event);
        if names.iter().all(|(_, value)| value.is_none()) {
            return self.0.format_event(context, out, event);
        }
        let mut line = String::new();
        self.0.format_event(context, Writer::new(&mut line), event)?;
        out.write_str(line.trim_end_matches('\n'))?;
        for (name, value) in names {
            if let Some(value) = value {
                write!(out, " {name}={value:?}")?;
            }
        }
        out.write_char('\n')
    }
}
