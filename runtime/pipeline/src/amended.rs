//! Amended: turns a pipeline of the product folder into one of what holds now: with the models, rules and words that were put in.

use crate::PipelineError;
use crate::content::text_hash;
use crate::run::Pipeline;
use std::collections::BTreeMap;
use std::sync::Arc;
use terrane_diagnostics::Diagnostic;
use terrane_manifest::Product;
use terrane_store::{PutModel, PutRule, told};

impl Pipeline {
    /// The pipeline as it would run now.
    ///
    /// # Errors
    /// [`PipelineError::Put`] where what was put in does not go with the folder any more; [`PipelineError::Store`].
    pub(crate) async fn amended(&self) -> Result<Self, PipelineError> {
        let (models, rules, about) =
            (self.store.put_models().await?, self.store.put_rules().await?, self.store.put_about().await?);
        if models.is_empty() && rules.is_empty() && about.is_empty() {
            return Ok(self.clone());
        }
        let product = told(&amend(&self.product, &models, &rules)?, &about);
        Ok(Self { product: Arc::new(product), ..self.clone() })
    }

    /// The product as it would run now: the folder's, with the models and rules that were put in, and what was said of it.
    ///
    /// # Errors
    /// As those of the runs that it would have.
    pub async fn amended_product(&self) -> Result<Arc<Product>, PipelineError> {
        Ok(self.amended().await?.product)
    }

    /// The product with all that was put in but the model of `path`.
    pub(crate) async fn amended_without(&self, path: &str) -> Result<Product, PipelineError> {
        let mut models = self.store.put_models().await?;
        models.retain(|put| put.path != path);
        amend(&self.product, &models, &self.store.put_rules().await?)
    }

    /// The product with the models and rules that were put in at run time, and what was said of it; without models and rules where
    /// these don't go with the folder any more, which the next run says.
    pub async fn product_now(&self) -> Arc<Product> {
        let error = match self.amended().await {
            Ok(amended) => return amended.product,
            Err(error) => error,
        };
        tracing::warn!(product = %self.product.id, %error, "what was put in at run time cannot be used");
        match self.store.put_about().await {
            Ok(about) => Arc::new(told(&self.product, &about)),
            Err(_) => self.product.clone(),
        }
    }
}

/// `product` with what was put in.
pub(crate) fn amend(product: &Product, models: &[PutModel], rules: &[PutRule]) -> Result<Product, PipelineError> {
    let texts: BTreeMap<String, String> = models
        .iter()
        .filter(|put| is_based_on(product, put))
        .filter_map(|put| Some((put.path.clone(), put.sql.clone()?)))
        .collect();
    let mut product = match texts.is_empty() {
        true => product.clone(),
        false => {
            product.with_models(&texts).map_err(|found| refusal("a model that was put in no longer fits", &found))?
        }
    };
    for put in rules {
        let Some(text) = &put.text else { continue };
        // a dataset that is gone takes its rules along
        if let Ok(rule) = product.read_rule(&put.dataset, put.field.as_deref(), text) {
            product = product.with_rule(&put.dataset, rule);
        }
    }
    Ok(product)
}

/// Whether the folder's text is the one that a model was put in place of.
fn is_based_on(product: &Product, put: &PutModel) -> bool {
    base_of(product, &put.path) == put.base
}

/// The hash of the folder's text of a model.
pub(crate) fn base_of(product: &Product, path: &str) -> Option<String> {
    product.models.iter().find(|model| model.file == path).map(|model| text_hash(&model.sql))
}

/// All that is wrong, under the code of the first.
pub(crate) fn refusal(what: &str, found: &[Diagnostic]) -> PipelineError {
    let errors = found.iter().filter(|d| terrane_diagnostics::has_errors(std::slice::from_ref(*d)));
    let words: Vec<String> = errors.clone().map(|d| d.message.clone()).collect();
    let code = errors.map(|d| d.code).next().unwrap_or("MODEL_SQL");
    PipelineError::Put { code, message: format!("{what}: {}", words.join("; ")) }
}
