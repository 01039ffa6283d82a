//! Settings of traces: turns the standard environment variables into where spans go, and which traces are sampled.

use std::time::Duration;

/// Where spans are sent, and of which traces. Without an endpoint, none are made.
#[derive(Debug, Clone, PartialEq)]
pub struct TraceSettings {
    /// The collector's address of traces, as `http://collector:4318/v1/traces`.
    pub endpoint: Option<String>,
    /// Headers that the collector asks for.
    pub headers: Vec<(String, String)>,
    /// `service.name` of the spans.
    pub service_name: String,
    /// Which traces are sampled.
    pub sampling: Sampling,
    /// Spans that wait to be sent; more are dropped.
    pub queue: usize,
    /// How long the collector may take for a batch.
    pub timeout: Duration,
}

/// Which traces are sampled.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Sampling {
    /// Whether who asked decides, where they say they are part of a trace.
    pub parent_based: bool,
    /// The part of all (other) traces, from 0 to 1.
    pub ratio: f64,
}

impl TraceSettings {
    /// From the variables of the OpenTelemetry specification: `OTEL_EXPORTER_OTLP_ENDPOINT`,
    /// `OTEL_EXPORTER_OTLP_TRACES_ENDPOINT`, `OTEL_EXPORTER_OTLP_HEADERS`, `OTEL_EXPORTER_OTLP_TIMEOUT`,
    /// `OTEL_SERVICE_NAME`, `OTEL_TRACES_SAMPLER`, `OTEL_TRACES_SAMPLER_ARG`, `OTEL_BSP_MAX_QUEUE_SIZE`,
    /// `OTEL_TRACES_EXPORTER` and `OTEL_SDK_DISABLED`. What is not set is as the specification has it by default, but for
    /// the endpoint: there is none.
    ///
    /// # Errors
    /// The variable that is wrong, and why.
    pub fn from_environment(service: &str, variable: &dyn Fn(&str) -> Option<String>) -> Result<Self, String> {
        let variable = |name: &str| variable(name).filter(|value| !value.trim().is_empty());
        let base = variable("OTEL_EXPORTER_OTLP_ENDPOINT").map(|base| Self::endpoint_of(&base));
        let mut endpoint = variable("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT").or(base);
        let disabled = variable("OTEL_SDK_DISABLED").is_some_and(|value| value.eq_ignore_ascii_case("true"));
        if disabled || variable("OTEL_TRACES_EXPORTER").is_some_and(|value| value == "none") {
            endpoint = None;
        }
        let number = |name: &str, default: u64| match variable(name) {
            Some(text) => text.trim().parse::<u64>().map_err(|_| format!("{name}: write a number, not `{text}`")),
            None => Ok(default),
        };
        let queue = number("OTEL_BSP_MAX_QUEUE_SIZE", 2048)?;
        Ok(Self {
            endpoint,
            headers: headers(variable("OTEL_EXPORTER_OTLP_HEADERS").as_deref().unwrap_or_default())?,
            service_name: variable("OTEL_SERVICE_NAME").unwrap_or_else(|| service.to_owned()),
            sampling: sampling(
                variable("OTEL_TRACES_SAMPLER").as_deref(),
                variable("OTEL_TRACES_SAMPLER_ARG").as_deref(),
            )?,
            queue: usize::try_from(queue).unwrap_or(usize::MAX).clamp(1, 1_000_000),
            timeout: Duration::from_millis(number("OTEL_EXPORTER_OTLP_TIMEOUT", 10_000)?),
        })
    }

    /// The address of traces at a collector (OTLP, "Endpoint URLs for OTLP/HTTP").
    pub fn endpoint_of(base: &str) -> String {
        format!("{}/v1/traces", base.trim_end_matches('/'))
    }
}

fn headers(text: &str) -> Result<Vec<(String, String)>, String> {
    let pairs = text.split(',').filter(|pair| !pair.trim().is_empty()).map(|pair| {
        let (name, value) = pair.split_once('=').ok_or("OTEL_EXPORTER_OTLP_HEADERS: write NAME=VALUE,NAME=VALUE")?;
        Ok((name.trim().to_owned(), value.trim().to_owned()))
    });
    pairs.collect()
}

fn sampling(name: Option<&str>, argument: Option<&str>) -> Result<Sampling, String> {
    let ratio = || match argument {
        Some(text) => {
            let ratio = text.trim().parse().ok().filter(|ratio| (0.0..=1.0).contains(ratio));
            ratio.ok_or_else(|| format!("OTEL_TRACES_SAMPLER_ARG: write a number from 0 to 1, not `{text}`"))
        }
        None => Ok(1.0),
    };
    let name = name.unwrap_or("parentbased_always_on");
    let (parent_based, kind) = name.strip_prefix("parentbased_").map_or((false, name), |kind| (true, kind));
    let ratio = match kind {
        "always_on" => 1.0,
        "always_off" => 0.0,
        "traceidratio" => ratio()?,
        _ => {
            let known = "always_on, always_off, traceidratio, and these after `parentbased_`";
            return Err(format!("OTEL_TRACES_SAMPLER: `{name}` is not one of {known}"));
        }
    };
    Ok(Sampling { parent_based, ratio })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(variables: &[(&str, &str)]) -> Result<TraceSettings, String> {
        let find =
            |name: &str| variables.iter().find(|(known, _)| *known == name).map(|(_, value)| (*value).to_owned());
        TraceSettings::from_environment("gateway", &find)
    }

    #[test]
    fn the_standard_variables_are_read() {
        let none = read(&[]).unwrap();
        assert_eq!((none.endpoint, none.sampling), (None, Sampling { parent_based: true, ratio: 1.0 }));
        let some = read(&[
            ("OTEL_EXPORTER_OTLP_ENDPOINT", "http://c:4318/"),
            ("OTEL_EXPORTER_OTLP_HEADERS", "a=b, c=d=e"),
            ("OTEL_SERVICE_NAME", "s"),
            ("OTEL_TRACES_SAMPLER", "traceidratio"),
            ("OTEL_TRACES_SAMPLER_ARG", "0.25"),
        ])
        .unwrap();
        assert_eq!(some.endpoint.as_deref(), Some("http://c:4318/v1/traces"));
        assert_eq!(some.headers, [("a".into(), "b".into()), ("c".into(), "d=e".into())]);
        assert_eq!((some.service_name.as_str(), some.sampling.ratio, some.sampling.parent_based), ("s", 0.25, false));
        let endpoint = ("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT", "http://c/x");
        assert_eq!(read(&[endpoint]).unwrap().endpoint.as_deref(), Some("http://c/x"));
        assert_eq!(read(&[endpoint, ("OTEL_SDK_DISABLED", "true")]).unwrap().endpoint, None);
        assert_eq!(read(&[endpoint, ("OTEL_TRACES_EXPORTER", "none")]).unwrap().endpoint, None);
    }

    #[test]
    fn what_is_wrong_is_said_with_the_variables_name() {
        for (name, value) in [
            ("OTEL_TRACES_SAMPLER", "sometimes"),
            ("OTEL_BSP_MAX_QUEUE_SIZE", "many"),
            ("OTEL_EXPORTER_OTLP_HEADERS", "a"),
            ("OTEL_EXPORTER_OTLP_TIMEOUT", "-1"),
        ] {
            assert!(read(&[(name, value)]).unwrap_err().starts_with(name), "{name}");
        }
        let ratio = [("OTEL_TRACES_SAMPLER", "traceidratio"), ("OTEL_TRACES_SAMPLER_ARG", "2")];
        assert!(read(&ratio).unwrap_err().starts_with("OTEL_TRACES_SAMPLER_ARG"));
    }
}
