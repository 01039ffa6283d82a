//! Media types: turns an `accept` header into the response's media type (GraphQL over HTTP, section 6.1).

/// `application/graphql-response+json`, the media type of the GraphQL over HTTP specification.
pub const GRAPHQL_RESPONSE: &str = "application/graphql-response+json; charset=utf-8";
/// `application/json`, for older clients: request errors are answered with status 200.
pub const JSON: &str = "application/json; charset=utf-8";

/// Which of the two a response takes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ResponseMedia {
    /// `application/graphql-response+json`: request errors have status 400.
    GraphqlResponse,
    /// `application/json`: any well-formed GraphQL response has status 200.
    Json,
}

impl ResponseMedia {
    /// The `content-type` header's value.
    pub fn content_type(self) -> &'static str {
        match self {
            Self::GraphqlResponse => GRAPHQL_RESPONSE,
            Self::Json => JSON,
        }
    }
}

/// Choose by the `accept` header: the acceptable type with the highest weight, the first named among equals; without a
/// header, or where only wildcards are named, `application/json`. `None` where neither is acceptable (status 406).
pub fn negotiate(accept: Option<&str>) -> Option<ResponseMedia> {
    let Some(accept) = accept.filter(|a| !a.trim().is_empty()) else { return Some(ResponseMedia::Json) };
    let mut best: Option<(ResponseMedia, u16)> = None;
    for range in accept.split(',') {
        let mut parts = range.split(';').map(str::trim);
        let name = parts.next().unwrap_or_default();
        let media = match name.to_ascii_lowercase().as_str() {
            "application/graphql-response+json" => ResponseMedia::GraphqlResponse,
            // Who takes a response in parts also gets one that has none to come: as JSON.
            "application/json" | "application/*" | "*/*" | "multipart/mixed" => ResponseMedia::Json,
            _ => continue,
        };
        let weight = parts.find_map(|p| p.strip_prefix("q=")).map_or(1000, parse_weight);
        if weight > 0 && best.is_none_or(|(_, w)| weight > w) {
            best = Some((media, weight));
        }
    }
    best.map(|(media, _)| media)
}

/// A quality value in thousandths; unreadable ones count as 1.
fn parse_weight(text: &str) -> u16 {
    text.parse::<f32>().map_or(1000, |q| (q.clamp(0.0, 1.0) * 1000.0) as u16)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn prefers_by_weight_then_order() {
        assert_eq!(negotiate(None), Some(ResponseMedia::Json));
        assert_eq!(negotiate(Some("*/*")), Some(ResponseMedia::Json));
        assert_eq!(negotiate(Some("application/graphql-response+json")), Some(ResponseMedia::GraphqlResponse));
        assert_eq!(
            negotiate(Some("application/json;q=0.5, application/graphql-response+json")),
            Some(ResponseMedia::GraphqlResponse)
        );
        assert_eq!(negotiate(Some("multipart/mixed")), Some(ResponseMedia::Json));
        assert_eq!(negotiate(Some("text/html")), None);
        assert_eq!(negotiate(Some("application/json;q=0")), None);
    }
}
