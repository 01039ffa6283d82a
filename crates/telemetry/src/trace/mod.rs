//! Traces: turns work into spans of the trace that a request is part of (W3C Trace Context), where traces are exported and
//! this one is sampled; else into nothing.

#[cfg(feature = "export")]
mod client;
#[cfg(feature = "export")]
mod export;
mod settings;

#[cfg(feature = "export")]
pub use export::{Exporting, TraceError, start};
pub use settings::{Sampling, TraceSettings};

use crate::along;
use http::{HeaderMap, HeaderName, HeaderValue};
use opentelemetry::trace::{
    Span as _, SpanBuilder, SpanContext, SpanId, SpanKind, Status, TraceContextExt as _, TraceFlags, TraceId,
    Tracer as _,
};
use opentelemetry::{Context, KeyValue, Value};
use opentelemetry_sdk::trace::{SdkTracer, Span as SdkSpan};
use std::borrow::Cow;
use std::sync::{Arc, OnceLock};
use std::time::SystemTime;

const TRACEPARENT: HeaderName = HeaderName::from_static("traceparent");
const TRACESTATE: HeaderName = HeaderName::from_static("tracestate");

/// Bytes of a `traceparent`.
const LENGTH: usize = 55;

/// Makes spans, where traces are exported.
static TRACER: OnceLock<Tracer> = OnceLock::new();

#[derive(Debug)]
struct Tracer {
    tracer: SdkTracer,
    /// Whether who asked has decided whether their trace is sampled.
    parent_based: bool,
}

/// Which trace some work is part of, and under which of its spans; or none.
#[derive(Debug, Clone, Default)]
pub struct Trace(Option<Arc<Place>>);

#[derive(Debug)]
struct Place {
    context: SpanContext,
    /// `traceparent` and `tracestate`.
    headers: OnceLock<(HeaderValue, Option<HeaderValue>)>,
}

/// A span that ends when it is dropped; nothing where the trace is not sampled.
#[derive(Debug, Default)]
pub struct Span(Option<Box<Open>>);

#[derive(Debug)]
struct Open {
    span: SdkSpan,
    end: Option<SystemTime>,
}

impl Drop for Open {
    fn drop(&mut self) {
        match self.end {
            Some(end) => self.span.end_with_timestamp(end),
            None => self.span.end(),
        }
    }
}

/// Begin with a request that came in: part of the trace that its headers name, or of a new one. Whether it is sampled was
/// decided by who sent it, or is decided now. The name is one of a short list. Where traces are not exported, the trace is only passed on.
pub fn accept<N: Into<Cow<'static, str>>>(name: impl FnOnce() -> N, headers: &HeaderMap) -> (Trace, Span) {
    let parent = read(headers);
    let Some(Tracer { tracer, parent_based }) = TRACER.get() else { return (Trace::of(parent), Span::default()) };
    if *parent_based && parent.as_ref().is_some_and(|parent| !parent.is_sampled()) {
        return (Trace::of(parent), Span::default());
    }
    let above = parent.map(|parent| Context::new().with_remote_span_context(parent)).unwrap_or_default();
    let span = tracer.build_with_context(SpanBuilder::from_name(name()).with_kind(SpanKind::Server), &above);
    let trace = Trace::of(Some(span.span_context().clone()));
    (trace, Span::of(span))
}

/// Whether what the running task does is recorded.
pub fn is_recorded() -> bool {
    TRACER.get().is_some() && along::trace().0.is_some_and(|place| place.context.is_sampled())
}

/// A span of the running task's trace for work in this process.
pub fn span(name: &'static str) -> Span {
    under(&along::trace(), name, SpanKind::Internal)
}

/// A span of the running task's trace for a request to somebody else, and the trace to tell them.
pub fn request(name: &'static str) -> (Trace, Span) {
    let trace = along::trace();
    let span = under(&trace, name, SpanKind::Client);
    (span.trace().unwrap_or(trace), span)
}

/// Begin a trace of this process's own, as of what runs by a schedule; or continue that of the running task.
pub fn begin(name: &'static str) -> Span {
    let trace = along::trace();
    if !trace.is_none() {
        return under(&trace, name, SpanKind::Internal);
    }
    let Some(Tracer { tracer, .. }) = TRACER.get() else { return Span::default() };
    Span::of(tracer.build_with_context(SpanBuilder::from_name(name), &Context::new()))
}

fn under(trace: &Trace, name: &'static str, kind: SpanKind) -> Span {
    let (Some(place), Some(Tracer { tracer, .. })) = (&trace.0, TRACER.get()) else { return Span::default() };
    if !place.context.is_sampled() {
        return Span::default();
    }
    let above = Context::new().with_remote_span_context(place.context.clone());
    Span::of(tracer.build_with_context(SpanBuilder::from_name(name).with_kind(kind), &above))
}

/// Whether a `traceparent` has the form of version 00, with more behind it only in versions to come (section 4.3).
fn has_form(parent: &[u8]) -> bool {
    let fits = |(at, byte): (usize, &u8)| match at {
        2 | 35 | 52 => *byte == b'-',
        _ => matches!(byte, b'0'..=b'9' | b'a'..=b'f'),
    };
    let more = parent.get(LENGTH).is_none_or(|byte| *byte == b'-' && !parent.starts_with(b"00"));
    parent.len() >= LENGTH && more && parent[..LENGTH].iter().enumerate().all(fits)
}

/// The place that the headers name. A `tracestate` that is wrong is left out (section 3.3.2.1).
fn read(headers: &HeaderMap) -> Option<SpanContext> {
    let parent = headers.get(TRACEPARENT)?;
    if !has_form(parent.as_bytes()) || parent.as_bytes().starts_with(b"ff") {
        return None;
    }
    let parent = parent.to_str().ok()?;
    let trace = TraceId::from_hex(parent.get(3..35)?).ok()?;
    let span = SpanId::from_hex(parent.get(36..52)?).ok()?;
    let flags = TraceFlags::new(u8::from_str_radix(parent.get(53..LENGTH)?, 16).ok()?) & TraceFlags::SAMPLED;
    let state = headers.get(TRACESTATE).and_then(|state| state.to_str().ok()?.parse().ok()).unwrap_or_default();
    let context = SpanContext::new(trace, span, flags, true, state);
    context.is_valid().then_some(context)
}

impl Trace {
    fn of(context: Option<SpanContext>) -> Self {
        let context = context.filter(SpanContext::is_valid);
        Self(context.map(|context| Arc::new(Place { context, headers: OnceLock::new() })))
    }

    /// Whether the work is part of no trace.
    pub fn is_none(&self) -> bool {
        self.0.is_none()
    }

    /// The trace's id: 32 hexadecimal digits.
    pub fn id(&self) -> Option<String> {
        self.0.as_ref().map(|place| place.context.trace_id().to_string())
    }

    /// Tell a server of the trace: `traceparent` and `tracestate` (W3C Trace Context, section 3).
    pub fn write(&self, headers: &mut HeaderMap) {
        let Some(place) = &self.0 else { return };
        let (parent, state) = place.headers.get_or_init(|| rendered(&place.context));
        headers.insert(TRACEPARENT, parent.clone());
        match state {
            Some(state) => headers.insert(TRACESTATE, state.clone()),
            None => headers.remove(TRACESTATE),
        };
    }
}

fn rendered(context: &SpanContext) -> (HeaderValue, Option<HeaderValue>) {
    let sampled = u8::from(context.is_sampled());
    let parent = format!("00-{}-{}-{sampled:02x}", context.trace_id(), context.span_id());
    let parent = HeaderValue::try_from(parent).expect("hexadecimal digits can stand in a header");
    let state = context.trace_state().header();
    (parent, HeaderValue::try_from(state).ok().filter(|state| !state.is_empty()))
}

impl Span {
    fn of(span: SdkSpan) -> Self {
        Self(span.is_recording().then(|| Box::new(Open { span, end: None })))
    }

    /// Whether something is recorded: if not, making values for it is in vain.
    pub fn is_recording(&self) -> bool {
        self.0.is_some()
    }

    /// Note an attribute.
    pub fn set(&mut self, key: &'static str, value: impl Into<Value>) {
        if let Some(open) = &mut self.0 {
            open.span.set_attribute(KeyValue::new(key, value));
        }
    }

    /// The work failed; `why` is one of a short list, and nothing that a caller gave.
    pub fn fail(&mut self, why: &'static str) {
        if let Some(open) = &mut self.0 {
            open.span.set_attribute(KeyValue::new("error.type", why));
            open.span.set_status(Status::error(why));
        }
    }

    /// The work has ended now; what is noted later says more about it.
    pub fn ended(&mut self) {
        if let Some(open) = &mut self.0 {
            open.end = Some(SystemTime::now());
        }
    }

    /// The trace, for work under this span; nothing where nothing is recorded.
    pub fn trace(&self) -> Option<Trace> {
        self.0.as_ref().map(|open| Trace::of(Some(open.span.span_context().clone())))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn passed(parent: &str, state: Option<&str>) -> Vec<String> {
        let mut headers = HeaderMap::new();
        headers.insert(TRACEPARENT, parent.parse().unwrap());
        state.map(|state| headers.insert(TRACESTATE, state.parse().unwrap()));
        let (trace, span) = accept(|| "test", &headers);
        assert!(!span.is_recording());
        let mut sent = HeaderMap::new();
        trace.write(&mut sent);
        let shown = sent.iter().map(|(name, value)| format!("{name}: {}", value.to_str().unwrap()));
        shown.collect()
    }

    #[test]
    fn a_trace_is_passed_on_where_nothing_is_exported() {
        let parent = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";
        let expected = [format!("traceparent: {parent}"), "tracestate: a=1,b=2".to_owned()];
        assert_eq!(passed(parent, Some("a=1,b=2")), expected);
        assert_eq!(passed(parent, None), expected[..1]);
        let longer = parent.replace("00-", "01-") + "-x";
        assert_eq!(passed(&longer, None), expected[..1]);
        let (zeros, sign) = ("0".repeat(32), parent.replace("0af", "+af"));
        let wrong = [
            "",
            "x",
            &parent.replace("00-", "ff-"),
            "00-1-2-01",
            &format!("00-{zeros}-b7ad6b7169203331-01"),
            &sign,
            &format!("{parent}-x"),
        ];
        for wrong in wrong {
            assert_eq!(passed(wrong, Some("a=1")), [""; 0], "{wrong}");
        }
    }
}
