//! The front: turns the settings of requests and responses into what checks and shapes them.

use super::csrf::Csrf;
use super::request_id::RequestIds;
use crate::config::{BatchingConfig, CompressionConfig, CorsConfig, HttpConfig};
use crate::documents::Documents;
use axum::http::HeaderMap;
use std::sync::Arc;
use std::time::Duration;
use terrane_telemetry::trace::Trace;
use terrane_telemetry::{Along, Names};

/// How requests come in and responses go out.
pub struct Front {
    pub(crate) documents: Documents,
    pub(crate) csrf: Csrf,
    pub(crate) cors: CorsConfig,
    pub(crate) batching: BatchingConfig,
    pub(crate) compression: CompressionConfig,
    pub(crate) body_timeout: Duration,
    pub(crate) request_ids: Option<RequestIds>,
    pub(crate) access_log: bool,
}

impl Front {
    /// What goes along with a request, if anything does.
    pub(crate) fn names(&self, headers: &HeaderMap, trace: Trace) -> Option<Along> {
        let ids = self.request_ids.as_ref();
        let request_id = ids.map(|ids| ids.name(headers));
        let names = Names { request_id, header: ids.and_then(RequestIds::forwarded), trace };
        (!names.is_empty()).then(|| Arc::new(names))
    }

    /// Make it of its settings.
    ///
    /// # Errors
    /// What is wrong with the files that they name.
    pub fn new(config: HttpConfig) -> Result<Self, String> {
        Ok(Self {
            csrf: Csrf::new(&config.csrf, &config.cors.origins).with_credentials(config.cors.credentials),
            documents: Documents::new(config.documents).map_err(|e| format!("documents.trusted.path: {e}"))?,
            cors: config.cors,
            batching: config.batching,
            compression: config.compression,
            body_timeout: config.body_timeout,
            request_ids: RequestIds::new(&config.request_id),
            access_log: config.access_log.enabled,
        })
    }
}

impl Default for Front {
    fn default() -> Self {
        Self::new(HttpConfig::default()).expect("the defaults name no files")
    }
}
