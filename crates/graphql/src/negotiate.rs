//! Negotiation: turns `accept` and `accept-encoding` into the one of several offers that the client likes best.

use http::HeaderMap;
use http::header::{ACCEPT, ACCEPT_ENCODING, HeaderName};

/// Media type of the offers that `accept` likes best (RFC 9110, section 12.5.1); between equals the first one, which is
/// also taken where nothing is said. `None` where none is acceptable.
pub fn media_type<'o>(headers: &HeaderMap, offers: &[&'o str]) -> Option<&'o str> {
    let wishes = wishes(headers, &ACCEPT);
    if wishes.is_empty() {
        return offers.first().copied();
    }
    best(offers, |offer| {
        let group = offer.split('/').next().unwrap_or_default();
        // the most specific wish decides
        let exact = wishes.iter().filter(|w| w.0 == offer).map(|w| w.1).next_back();
        let grouped = wishes.iter().filter(|w| w.0.strip_suffix("/*") == Some(group)).map(|w| w.1).next_back();
        let any = wishes.iter().filter(|w| w.0 == "*/*").map(|w| w.1).next_back();
        exact.or(grouped).or(any).unwrap_or(0)
    })
}

/// Content coding of the offers that `accept-encoding` likes best (RFC 9110, section 12.5.3); `identity` where nothing
/// else is acceptable or nothing is said.
pub fn coding<'o>(headers: &HeaderMap, offers: &[&'o str]) -> Option<&'o str> {
    let wishes = wishes(headers, &ACCEPT_ENCODING);
    best(offers, |offer| {
        let wish = |name: &str| wishes.iter().filter(|w| w.0 == name).map(|w| w.1).next_back();
        wish(offer).or_else(|| wish("*")).unwrap_or(0)
    })
}

/// The first offer with the highest weight above 0.
fn best<'o>(offers: &[&'o str], weight: impl Fn(&str) -> u32) -> Option<&'o str> {
    let weights = offers.iter().map(|offer| (*offer, weight(offer))).filter(|(_, weight)| *weight > 0);
    weights.fold(None, |best: Option<(&str, u32)>, next| best.filter(|b| b.1 >= next.1).or(Some(next))).map(|b| b.0)
}

/// The parts of a list with weights: what, in lower case, and its `q` in thousandths.
fn wishes(headers: &HeaderMap, name: &HeaderName) -> Vec<(String, u32)> {
    let lines = headers.get_all(name).iter().filter_map(|v| v.to_str().ok());
    lines.flat_map(|line| line.split(',')).filter_map(wish).collect()
}

fn wish(part: &str) -> Option<(String, u32)> {
    let mut pieces = part.split(';').map(str::trim);
    let what = pieces.next().filter(|w| !w.is_empty())?.to_ascii_lowercase();
    let weight = pieces.find_map(|p| p.strip_prefix("q=").or_else(|| p.strip_prefix("Q=")));
    let weight =
        weight.map_or(Some(1.0), |text| text.trim().parse::<f32>().ok()).filter(|q| (0.0..=1.0).contains(q))?;
    Some((what, (weight * 1000.0).round() as u32))
}

#[cfg(test)]
mod tests {
    use super::*;
    use http::HeaderValue;

    fn headers(name: HeaderName, value: &'static str) -> HeaderMap {
        HeaderMap::from_iter([(name, HeaderValue::from_static(value))])
    }

    #[test]
    fn the_best_liked_offer_is_taken() {
        let offers = ["text/csv", "application/json", "application/x-ndjson"];
        for (accept, expected) in [
            ("*/*", Some("text/csv")),
            ("application/json", Some("application/json")),
            ("application/json;q=0.5, application/x-ndjson", Some("application/x-ndjson")),
            ("application/*;q=0.9, text/csv;q=0.1", Some("application/json")),
            ("*/*, text/csv;q=0", Some("application/json")),
            ("text/html, application/xhtml+xml, application/xml;q=0.9, */*;q=0.8", Some("text/csv")),
            ("image/png", None),
            ("text/csv;q=0", None),
        ] {
            assert_eq!(media_type(&headers(ACCEPT, accept), &offers), expected, "{accept}");
        }
        assert_eq!(media_type(&HeaderMap::new(), &offers), Some("text/csv"));
    }

    #[test]
    fn codings_are_taken_only_where_they_are_wished() {
        let offers = ["zstd", "gzip"];
        for (accept, expected) in [
            ("gzip, deflate, br, zstd", Some("zstd")),
            ("gzip", Some("gzip")),
            ("gzip;q=1.0, zstd;q=0.5", Some("gzip")),
            ("*", Some("zstd")),
            ("*, zstd;q=0", Some("gzip")),
            ("identity", None),
            ("br", None),
        ] {
            assert_eq!(coding(&headers(ACCEPT_ENCODING, accept), &offers), expected, "{accept}");
        }
        assert_eq!(coding(&HeaderMap::new(), &offers), None);
    }
}
