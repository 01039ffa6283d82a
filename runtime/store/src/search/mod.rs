//! Search: turns words that somebody typed into the texts about the product that have them.
//!
//! Postgres' full text search finds a word in its forms and by its beginning. A word that is nowhere is looked for by its
//! trigrams, as one that was mistyped. See `docs/adr/0038-search-is-asked-of-products.md`.

mod fold;
mod texts;

use crate::{Store, StoreError, about};
use fold::{trigrams, words};
use sqlx::{FromRow, PgConnection, PgPool};
use std::collections::{BTreeMap, BTreeSet};
use terrane_manifest::Product;
use texts::{Text, texts};

/// Words of a search that count.
const MOST_WORDS: usize = 12;
/// Texts that are looked at for one search.
const MOST_TEXTS: i64 = 2_000;
/// From this on, a word is taken for another one that was mistyped: the share of trigrams that both have (Dice).
const SIMILAR: f64 = 0.45;
/// Words that a mistyped one may stand for.
const GUESSES: i64 = 3;

/// A text about the product that has words which were searched for.
#[derive(Debug, Clone, PartialEq)]
pub struct TextMatch {
    /// `product`, `dataset` or `field`.
    pub kind: String,
    /// The dataset; none where it is about the product.
    pub dataset: Option<String>,
    /// The field by its name in GraphQL, where it is about one.
    pub field: Option<String>,
    /// `name`, `synonym`, `tag`, `domain`, `owner` or `description`.
    pub place: String,
    /// The text.
    pub text: String,
    /// Words of the search that are in it, or stand for some that are.
    pub words: Vec<String>,
    /// How well it fits; only to be compared with others.
    pub score: f64,
    /// Whether a word was taken for another one that was mistyped.
    pub approximate: bool,
}

#[derive(Debug, FromRow)]
struct Found {
    at: i32,
    position: i32,
    kind: String,
    dataset: Option<String>,
    field: Option<String>,
    place: String,
    text: String,
}

/// Bring the texts up to date with the product of `folder` that is served.
pub(crate) async fn put_now(owner: &PgPool, folder: &Product) -> Result<(), StoreError> {
    let what = "put the texts of a search in place";
    let mut transaction = owner.begin().await.map_err(StoreError::on(what))?;
    put(&mut transaction, folder).await?;
    transaction.commit().await.map_err(StoreError::on(what))
}

/// As [`put_now`], with what else the transaction does: one after the other, each with the words that hold by then.
pub(crate) async fn put(transaction: &mut PgConnection, folder: &Product) -> Result<(), StoreError> {
    let what = "put the texts of a search in place";
    sqlx::query("SELECT pg_advisory_xact_lock(hashtextextended('terrane texts', 0))")
        .execute(&mut *transaction)
        .await
        .map_err(StoreError::on(what))?;
    let put = about::newest(transaction).await?;
    let texts = texts(&about::told(folder, &put));
    let known: Vec<(String, String)> = sqlx::query_as("SELECT text, folded FROM metadata.texts ORDER BY position")
        .fetch_all(&mut *transaction)
        .await
        .map_err(StoreError::on(what))?;
    if known.iter().map(|(text, folded)| (text, folded)).eq(texts.iter().map(|t| (&t.text, &t.folded))) {
        return Ok(());
    }
    sqlx::raw_sql("DELETE FROM metadata.texts; DELETE FROM metadata.words")
        .execute(&mut *transaction)
        .await
        .map_err(StoreError::on(what))?;
    let column = |of: fn(&Text) -> Option<String>| texts.iter().map(of).collect::<Vec<_>>();
    sqlx::query(
        "INSERT INTO metadata.texts (position, kind, dataset, field, place, text, folded) SELECT at, kind, dataset, field, \
         place, text, folded FROM unnest($1::text[], $2::text[], $3::text[], $4::text[], $5::text[], $6::text[]) WITH \
         ORDINALITY AS t(kind, dataset, field, place, text, folded, at)",
    )
    .bind(column(|t| Some(t.kind.to_owned())))
    .bind(column(|t| t.dataset.clone()))
    .bind(column(|t| t.field.clone()))
    .bind(column(|t| Some(t.place.to_owned())))
    .bind(column(|t| Some(t.text.clone())))
    .bind(column(|t| Some(t.folded.clone())))
    .execute(&mut *transaction)
    .await
    .map_err(StoreError::on(what))?;
    let vocabulary: BTreeSet<&str> = texts.iter().flat_map(|t| t.folded.split(' ')).collect();
    // arrays of arrays have one length in Postgres: each word's trigrams come as one text, and none has a tab in it
    let grams: Vec<String> = vocabulary.iter().map(|word| trigrams(word).join("\t")).collect();
    sqlx::query(
        "INSERT INTO metadata.words (word, trigrams) SELECT word, string_to_array(grams, E'\\t') FROM \
         unnest($1::text[], $2::text[]) AS w(word, grams)",
    )
    .bind(vocabulary.into_iter().collect::<Vec<_>>())
    .bind(grams)
    .execute(&mut *transaction)
    .await
    .map_err(StoreError::on(what))?;
    Ok(())
}

impl Store {
    /// The texts about the product that have words of `search`, the best first; none where a word of it is in no text, and
    /// is like no word that is. Words that say nothing (`the`, `of`) don't count beside others.
    ///
    /// # Errors
    /// [`StoreError::Database`].
    pub async fn search_texts(&self, search: &str, limit: usize) -> Result<Vec<TextMatch>, StoreError> {
        let mut typed = words(search);
        typed.truncate(MOST_WORDS);
        typed = self.telling(typed).await?;
        if typed.is_empty() {
            return Ok(Vec::new());
        }
        let mut matches = Matches::default();
        for found in self.texts_with(&typed).await? {
            let word = typed[place(found.at)].clone();
            matches.add(found, word, 1.0, false);
        }
        let missing = typed.iter().filter(|word| !matches.words.contains(*word)).cloned().collect::<Vec<_>>();
        for word in missing {
            let guesses = self.words_like(&word).await?;
            let others: Vec<String> = guesses.iter().map(|(other, _)| other.clone()).collect();
            for found in self.texts_with(&others).await? {
                let similarity = guesses[place(found.at)].1;
                matches.add(found, word.clone(), similarity * 0.5, true);
            }
            if !matches.words.contains(&word) {
                return Ok(Vec::new());
            }
        }
        Ok(matches.best(limit))
    }

    /// The words that tell something; all of them, where none does.
    async fn telling(&self, typed: Vec<String>) -> Result<Vec<String>, StoreError> {
        let telling: Vec<String> = sqlx::query_scalar(
            "SELECT word FROM unnest($1::text[]) WITH ORDINALITY AS w(word, at) WHERE \
             to_tsvector('pg_catalog.english'::regconfig, word) <> ''::tsvector ORDER BY at",
        )
        .bind(&typed)
        .fetch_all(self.control())
        .await
        .map_err(StoreError::on("search the catalog"))?;
        Ok(if telling.is_empty() { typed } else { telling })
    }

    /// The texts with one of the words: in another form, or as a beginning.
    async fn texts_with(&self, words: &[String]) -> Result<Vec<Found>, StoreError> {
        sqlx::query_as(
            "SELECT w.at::integer AS at, t.position, t.kind, t.dataset, t.field, t.place, t.text FROM unnest($1::text[]) \
             WITH ORDINALITY AS w(word, at) CROSS JOIN LATERAL (SELECT to_tsquery('pg_catalog.simple'::regconfig, \
             quote_literal(w.word) || ':*') AS begins) AS b CROSS JOIN LATERAL (SELECT CASE WHEN \
             to_tsvector('pg_catalog.english'::regconfig, w.word) = ''::tsvector THEN b.begins ELSE b.begins || \
             plainto_tsquery('pg_catalog.english'::regconfig, w.word) END AS query) AS q JOIN metadata.texts t ON \
             t.document @@ q.query ORDER BY w.at, t.position LIMIT $2",
        )
        .bind(words)
        .bind(MOST_TEXTS)
        .fetch_all(self.control())
        .await
        .map_err(StoreError::on("search the catalog"))
    }

    /// Words of the texts that `word` may have been meant to be, and how like it they are.
    async fn words_like(&self, word: &str) -> Result<Vec<(String, f64)>, StoreError> {
        if word.chars().count() < 3 {
            return Ok(Vec::new());
        }
        sqlx::query_as(
            "SELECT word, likeness FROM (SELECT word, 2 * (SELECT count(*) FROM unnest(trigrams) AS t WHERE t = ANY ($1)) \
             / (cardinality(trigrams) + cardinality($1))::double precision AS likeness FROM metadata.words WHERE \
             trigrams && $1) AS words WHERE likeness >= $2 ORDER BY likeness DESC, word LIMIT $3",
        )
        .bind(trigrams(word))
        .bind(SIMILAR)
        .bind(GUESSES)
        .fetch_all(self.control())
        .await
        .map_err(StoreError::on("search the catalog"))
    }
}

fn place(ordinal: i32) -> usize {
    usize::try_from(ordinal).unwrap_or(1).saturating_sub(1)
}

#[derive(Default)]
struct Matches {
    by_text: BTreeMap<i32, TextMatch>,
    words: BTreeSet<String>,
}

impl Matches {
    fn add(&mut self, found: Found, word: String, part: f64, approximate: bool) {
        self.words.insert(word.clone());
        let score = weight(&found.kind, &found.place) * part;
        let Found { position, kind, dataset, field, place, text, .. } = found;
        let new = || TextMatch { kind, dataset, field, place, text, words: Vec::new(), score: 0.0, approximate: false };
        let text = self.by_text.entry(position).or_insert_with(new);
        // of several words that one was taken for, the likest counts
        if !text.words.contains(&word) {
            text.words.push(word);
            text.score += score;
        }
        text.approximate |= approximate;
    }

    fn best(self, limit: usize) -> Vec<TextMatch> {
        let mut matches: Vec<TextMatch> = self.by_text.into_values().collect();
        matches.sort_by(|a, b| b.score.total_cmp(&a.score));
        matches.truncate(limit);
        matches
    }
}

/// A name says more than a description, and what is said of the product more than what is said of one field.
fn weight(kind: &str, place: &str) -> f64 {
    let place = match place {
        "name" => 8.0,
        "synonym" => 6.0,
        "tag" | "domain" => 4.0,
        "owner" => 3.0,
        _ => 2.0,
    };
    place
        * match kind {
            "product" => 1.5,
            "dataset" => 1.0,
            _ => 0.6,
        }
}
