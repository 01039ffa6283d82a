//! Texts: turns a product into all that is said of it and can be searched for, each with its place.

use super::fold::words;
use std::collections::HashSet;
use terrane_manifest::{Dataset, Field, Product};

/// A text about a product.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Text {
    /// `product`, `dataset` or `field`.
    pub kind: &'static str,
    pub dataset: Option<String>,
    /// Its name in GraphQL.
    pub field: Option<String>,
    /// `name`, `synonym`, `tag`, `domain`, `owner` or `description`.
    pub place: &'static str,
    pub text: String,
    /// Its words, folded, with a space between.
    pub folded: String,
}

/// All texts of a product that whoever may know about it may know: its values are none of them.
pub(super) fn texts(product: &Product) -> Vec<Text> {
    let mut texts = Texts::default();
    texts.about(("product", None, None));
    texts.add("name", [&product.name, &product.id]);
    texts.add("tag", &product.tags);
    texts.add("domain", &product.domain);
    let team = product.team.as_ref();
    texts.add("owner", team.into_iter().flat_map(|team| &team.name));
    let owner = team.and_then(|team| team.owner());
    texts.add("owner", owner.into_iter().flat_map(|owner| owner.name.iter().chain([&owner.username])));
    let said = &product.description;
    texts.add("description", [&said.purpose, &said.usage, &said.limitations].into_iter().flatten());
    for dataset in product.outputs() {
        add_dataset(&mut texts, dataset);
    }
    texts.found
}

fn add_dataset(texts: &mut Texts, dataset: &Dataset) {
    texts.about(("dataset", Some(&dataset.name), None));
    texts.add("name", dataset.business_name.iter().chain([&dataset.name]).chain(&dataset.graphql_type));
    texts.add("synonym", &dataset.synonyms);
    texts.add("tag", &dataset.tags);
    texts.add("description", dataset.description.iter().chain(&dataset.granularity));
    for field in &dataset.fields {
        add_field(texts, dataset, field);
    }
}

fn add_field(texts: &mut Texts, dataset: &Dataset, field: &Field) {
    texts.about(("field", Some(&dataset.name), Some(&field.graphql_name)));
    texts.add("name", field.business_name.iter().chain([&field.name, &field.graphql_name]));
    texts.add("tag", &field.tags);
    texts.add("description", &field.description);
}

#[derive(Default)]
struct Texts {
    about: (&'static str, Option<String>, Option<String>),
    /// What was added about it, by place and words: `country_code` and `countryCode` are one.
    seen: HashSet<(&'static str, String)>,
    found: Vec<Text>,
}

impl Texts {
    fn about(&mut self, (kind, dataset, field): (&'static str, Option<&str>, Option<&str>)) {
        self.about = (kind, dataset.map(str::to_owned), field.map(str::to_owned));
        self.seen.clear();
    }

    fn add<'t>(&mut self, place: &'static str, texts: impl IntoIterator<Item = &'t String>) {
        for text in texts {
            let words = words(text);
            let mut folded = words.join(" ");
            if folded.is_empty() || !self.seen.insert((place, folded.clone())) {
                continue;
            }
            // a name is also typed in one
            if place == "name" && words.len() > 1 {
                folded = format!("{folded} {}", words.concat());
            }
            let (kind, dataset, field) = self.about.clone();
            self.found.push(Text { kind, dataset, field, place, text: text.clone(), folded });
        }
    }
}
