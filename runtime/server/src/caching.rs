//! Caching: turns what contracts allow into the `cache-control` of answers (RFC 9111, section 5.2).
//!
//! An answer may be kept for as long as the least of the product's output datasets allows, if each allows it. It is
//! `public` only where everybody may read all there is: else it would show one caller what another one sees.

use http::HeaderValue;
use terrane_manifest::Product;
use terrane_query::{Access, Reading};

/// The header's value; none where nothing may be kept. `everybody` is what callers who have not signed in may read.
pub fn cache_control(product: &Product, everybody: &Access) -> Option<HeaderValue> {
    let ages: Option<Vec<u32>> = product.outputs().map(|dataset| dataset.cache_max_age).collect();
    let seconds = ages?.into_iter().min()?;
    let filtered = product.contracts.iter().flat_map(|contract| &contract.roles).any(|role| role.row_filter.is_some());
    let clear = product.outputs().all(|dataset| {
        dataset.fields.iter().all(|field| everybody.reading(&dataset.policy_object(field)) == Reading::Clear)
    });
    let whose = if clear && !filtered { "public" } else { "private" };
    HeaderValue::try_from(format!("{whose}, max-age={seconds}")).ok()
}
