//! Finding: turns a search and filters into the products that match, the best first, each with what it was found by.

use super::client::ClientError;
use super::description::ProductInfo;
use super::said::MetadataMatch;
use super::schema::DataProduct;
use async_graphql::InputObject;
use chrono::{DateTime, Utc};
use terrane_views::freshness_word;

/// What of a product's matches beside the best one adds to its rank.
const BESIDE: f64 = 0.1;

/// What the products have to be like. What is left out may be anything.
#[derive(InputObject, Debug, Clone, Default)]
pub struct ProductFilter {
    /// Business area, with those below it: `geography` is also `geography/reference-data`.
    domain: Option<String>,
    /// Who answers for it: the owner's account or name.
    owner: Option<String>,
    /// `proposed`, `draft`, `active`, `deprecated` or `retired`.
    status: Option<String>,
    /// A format that it serves: `graphql`, `csv`, `parquet`, ….
    format: Option<String>,
    /// `current`, `late`, `unpromised` or `never`, as `DataProduct.freshness`.
    freshness: Option<String>,
}

impl ProductFilter {
    /// Whether a product is as asked for.
    pub fn takes(&self, product: &DataProduct, now: DateTime<Utc>) -> bool {
        let wants_any = [&self.domain, &self.owner, &self.status, &self.format, &self.freshness];
        let Some(info) = &product.info else { return wants_any.iter().all(|wanted| wanted.is_none()) };
        let is = |wanted: &Option<String>, test: &dyn Fn(&str) -> bool| wanted.as_deref().is_none_or(test);
        let domain = info.domain.as_deref().unwrap_or_default();
        is(&self.domain, &|wanted| {
            domain == wanted || domain.strip_prefix(wanted).is_some_and(|rest| rest.starts_with('/'))
        }) && is(&self.owner, &|wanted| {
            info.owner.as_ref().is_some_and(|o| o.username == wanted || o.name.as_deref() == Some(wanted))
        }) && is(&self.status, &|wanted| info.status == wanted)
            && is(&self.format, &|wanted| {
                info.output_ports.iter().flat_map(|port| &port.access).any(|access| access.format == wanted)
            })
            && is(&self.freshness, &|wanted| freshness(info, now) == wanted)
    }
}

/// How old a product's data is beside what its contracts promise.
pub fn freshness(info: &ProductInfo, now: DateTime<Utc>) -> &'static str {
    let mut levels = info.datasets.iter().flat_map(|dataset| &dataset.service_levels);
    let promised = levels.find(|level| level.property == "frequency");
    let updated = info.updated_at.as_ref().and_then(|at| at.0.parse().ok());
    freshness_word(updated, promised.map(|level| (level.value.as_str(), level.unit.as_deref())), now)
}

/// The products that match, the best first. Where one has all words as they were typed, those are left out in which a word
/// had to be taken for another.
pub fn ranked(products: Vec<(DataProduct, Result<Vec<MetadataMatch>, ClientError>)>, text: &str) -> Vec<DataProduct> {
    let mut found: Vec<(f64, bool, DataProduct)> = Vec::new();
    for (mut product, told) in products {
        match told {
            Ok(matches) if matches.is_empty() => {}
            Ok(matches) => {
                let approximate = matches.iter().any(|one| one.approximate);
                product.matches = matches;
                found.push((rank(&product.matches), approximate, product));
            }
            // one that cannot be asked is still found by what is known of it
            Err(_) if mentions(&product, text) => found.push((0.0, false, product)),
            Err(_) => {}
        }
    }
    let exact = found.iter().any(|(rank, approximate, _)| *rank > 0.0 && !approximate);
    found.retain(|(_, approximate, _)| !(exact && *approximate));
    found.sort_by(|a, b| b.0.total_cmp(&a.0));
    found.into_iter().map(|(_, _, product)| product).collect()
}

fn rank(matches: &[MetadataMatch]) -> f64 {
    let best = matches.iter().map(|one| one.score).fold(0.0, f64::max);
    let all: f64 = matches.iter().map(|one| one.score).sum();
    best + (all - best) * BESIDE
}

fn mentions(product: &DataProduct, text: &str) -> bool {
    let name = product.info.as_ref().map(|info| info.name.to_lowercase()).unwrap_or_default();
    text.split_whitespace().map(str::to_lowercase).all(|word| product.id.contains(&word) || name.contains(&word))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn matched(score: f64, approximate: bool) -> MetadataMatch {
        let (kind, place, text) = ("product".to_owned(), "name".to_owned(), String::new());
        MetadataMatch { kind, dataset: None, field: None, place, text, words: Vec::new(), score, approximate }
    }

    fn product(id: &str) -> DataProduct {
        DataProduct { id: id.into(), available: true, problem: None, info: None, matches: Vec::new() }
    }

    fn refused(code: &str) -> Result<Vec<MetadataMatch>, ClientError> {
        Err(ClientError { code: code.to_owned(), message: String::new() })
    }

    fn ids(products: Vec<DataProduct>) -> Vec<String> {
        products.into_iter().map(|product| product.id.0).collect()
    }

    #[test]
    fn the_best_come_first_and_guesses_only_where_nothing_is_exact() {
        let told = |b: bool| {
            vec![
                (product("a"), Ok(vec![matched(2.0, b), matched(1.0, b)])),
                (product("b"), Ok(vec![matched(9.0, true)])),
                (product("c"), Ok(vec![matched(3.0, b)])),
                (product("d"), Ok(Vec::new())),
            ]
        };
        assert_eq!(ids(ranked(told(false), "x")), ["c", "a"]);
        assert_eq!(ids(ranked(told(true), "x")), ["b", "c", "a"]);
    }

    #[test]
    fn one_that_does_not_answer_is_found_by_its_id() {
        let told = || vec![(product("cities"), refused("PRODUCT_UNAVAILABLE")), (product("x"), refused("OTHER"))];
        assert_eq!(ids(ranked(told(), "Cit")), ["cities"]);
        assert_eq!(ids(ranked(told(), "cit none")), Vec::<String>::new());
    }

    #[test]
    fn a_filter_takes_no_product_of_which_nothing_is_known() {
        let now = Utc::now();
        assert!(ProductFilter::default().takes(&product("a"), now));
        let filter = ProductFilter { status: Some("active".to_owned()), ..ProductFilter::default() };
        assert!(!filter.takes(&product("a"), now));
    }
}
