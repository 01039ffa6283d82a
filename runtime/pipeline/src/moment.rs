//! Moments: turns how far the inputs have come into views that show them so, for as long as a run builds from them.
//!
//! Rows and events come in while a run builds. Its models read each input through a view in `input_next` that ends at the
//! position which the plan has noted, without batches that were not in yet, so that all datasets of the version are of one moment, whenever and in whatever order
//! they were built. Models that are views outlast the run; before it publishes they are made to read the inputs themselves.

use crate::PipelineError;
use crate::build::replace_view;
use crate::plan::{Action, Plan};
use sqlx::{AssertSqlSafe, Executor as _};
use terrane_manifest::{Materialization, Product};
use terrane_sql::Sql;
use terrane_store::{InputStates, Role, Store, StoreError};

/// Make the views of the inputs as they were when `inputs` was noted.
///
/// # Errors
/// [`PipelineError::Store`].
pub async fn hold(store: &Store, product: &Product, inputs: &InputStates) -> Result<(), PipelineError> {
    let pipeline = Role::Pipeline.name_for(&product.id);
    let mut sql = Sql::new();
    for (table, state) in inputs {
        sql.push("CREATE VIEW ").qualified("input_next", table).push(" AS SELECT * FROM ").qualified("input", table);
        sql.push(" AS t WHERE t._position <= ")
            .integer(state.position)
            .append(&state.without_open())
            .push(";\nGRANT SELECT ON ");
        sql.qualified("input_next", table).push(" TO ").ident(&pipeline).push(";\n");
    }
    let made = store.owner().execute(sqlx::raw_sql(AssertSqlSafe(sql.into_string()))).await;
    made.map(|_| ()).map_err(|error| StoreError::database("hold the inputs as they are", error).into())
}

/// The first input of which rows went or were changed since `inputs` was noted: its view does not show what it showed.
///
/// # Errors
/// [`PipelineError::Store`].
pub async fn lost(store: &Store, inputs: &InputStates) -> Result<Option<String>, PipelineError> {
    let generations = store.input_generations().await?;
    let moved = |table: &str, was: i64| generations.get(table).copied().unwrap_or_default() != was;
    Ok(inputs.iter().find(|(table, state)| moved(table, state.generation)).map(|(table, _)| table.clone()))
}

/// Let go of the moment: models that are views read the inputs as they are from now on.
///
/// # Errors
/// [`PipelineError::Store`], [`PipelineError::Model`].
pub async fn release(store: &Store, product: &Product, plan: &Plan) -> Result<(), PipelineError> {
    let steps = product.models.iter().zip(&plan.steps);
    let views = steps.filter(|(model, _)| model.materialization == Materialization::View);
    let (built, kept): (Vec<_>, Vec<_>) = views.partition(|(_, step)| step.action == Action::Build);
    for (model, _) in built {
        replace_view(store, product, model, plan).await?;
    }
    let mut sql = Sql::new();
    // the later ones may read the earlier ones; of what is published already, these were for this run's models only
    for (model, _) in kept.iter().rev() {
        sql.push("DROP VIEW ").qualified("abstraction_next", &model.name).push(";\n");
    }
    for table in plan.inputs.keys() {
        sql.push("DROP VIEW ").qualified("input_next", table).push(";\n");
    }
    let dropped = store.owner().execute(sqlx::raw_sql(AssertSqlSafe(sql.into_string()))).await;
    dropped.map(|_| ()).map_err(|error| StoreError::database("let the inputs go on", error).into())
}
