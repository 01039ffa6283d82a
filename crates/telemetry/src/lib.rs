//! Telemetry: turns configuration into log output, metrics and request ids.
