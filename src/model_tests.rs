//! Model tests of `terrane check`: turns product folders with tests into their outcome, on a Postgres that is gone afterwards.

use crate::serve::runtime;
use anyhow::{Context as _, Result, bail};
use terrane_manifest::Product;
use terrane_postgres::{Options, Server};
use terrane_runtime::{ensure_database, run_model_tests};

/// Run the model tests of `products`, say what they show, and fail where one differs.
pub fn run<'p>(products: impl IntoIterator<Item = &'p Product>) -> Result<()> {
    let tested: Vec<&Product> = products.into_iter().filter(|product| !product.model_tests.is_empty()).collect();
    if tested.is_empty() {
        return Ok(());
    }
    let state = tempfile::Builder::new().prefix("terrane-check-").tempdir().context("make a folder for the tests")?;
    // nobody needs this database after a crash, and never that of `DATABASE_URL`
    let options = Options { external: None, durable: false, ..Options::from_environment(state.path()) };
    let server = Server::obtain(&options, &|line| eprintln!("{line}"))?;
    let tested = runtime()?.block_on(test_all(&server, &tested));
    server.stop();
    tested
}

async fn test_all(server: &Server, products: &[&Product]) -> Result<()> {
    let mut failed = 0;
    for product in products {
        let database = format!("check_{}", product.id);
        ensure_database(&server.admin_url(), &database).await?;
        let outcomes = run_model_tests(&server.url(&database), product).await;
        for outcome in outcomes.with_context(|| format!("model tests of {}", product.id))? {
            let what = outcome.description.as_deref().unwrap_or_default();
            let verdict = if outcome.differences.is_empty() { "ok  " } else { "FAIL" };
            eprintln!("{verdict} {}/{}  {what}", product.id, outcome.file);
            for difference in &outcome.differences {
                eprintln!("     {difference}");
            }
            failed += usize::from(!outcome.differences.is_empty());
        }
    }
    if failed > 0 {
        bail!("{failed} model tests failed");
    }
    Ok(())
}
