//! Rows: turns a model and the keys that changed into the rows that went from its table and those that came to it.

use super::{NewRows, Work, failed};
use crate::PipelineError;
use terrane_manifest::{Dataset, Driver, Layer, Materialization, Model};
use terrane_sql::Sql;
use terrane_store::batch_ids;

/// How much of a model is computed anew.
#[derive(Debug, Clone, Copy)]
pub enum Extent<'m> {
    /// The rows of the keys that changed rows of its driver touch.
    Keys(&'m Driver),
    /// Everything.
    All,
}

/// A table that was brought up to date. Rows that went and came are in tables of the connection.
#[derive(Debug, Clone)]
pub struct Refreshed {
    place: usize,
    /// How many went.
    pub gone: i64,
    /// How many came.
    pub come: i64,
}

impl Refreshed {
    /// Whether any row did.
    pub fn has_changed(&self) -> bool {
        self.gone > 0 || self.come > 0
    }

    /// The table of the rows that went, in `pg_temp`.
    pub fn gone_table(&self) -> String {
        format!("gone_{}", self.place)
    }

    /// The table of the rows that came, in `pg_temp`.
    pub fn come_table(&self) -> String {
        format!("come_{}", self.place)
    }
}

/// Compute, compare and write.
pub async fn refresh(
    work: &mut Work<'_>,
    place: usize,
    model: &Model,
    dataset: Option<&Dataset>,
    extent: Extent<'_>,
) -> Result<Refreshed, PipelineError> {
    let fail = |error| failed(model, error);
    let mut extent = extent;
    if let Extent::Keys(driver) = extent {
        let keys = keys_table(place);
        let collect = collect_keys(work, place, driver);
        work.changes.run(collect).await.map_err(fail)?;
        work.changes.let_compute(&keys, false).await.map_err(fail)?;
        // no comparison finds a key without a value
        if work.changes.number(count_nulls(&keys, driver.columns.len())).await.map_err(fail)? > 0 {
            extent = Extent::All;
        }
    }
    let touched = match (extent, &model.materialization) {
        (Extent::Keys(_), Materialization::Incremental { key }) => Some(key.as_slice()),
        _ => None,
    };
    let new = format!("new_{place}");
    work.changes.run(empty_copy(&new, model)).await.map_err(fail)?;
    work.changes.let_compute(&new, true).await.map_err(fail)?;
    work.changes.compute(compute(&new, place, model, dataset, touched)).await.map_err(fail)?;
    let refreshed = Refreshed { place, gone: 0, come: 0 };
    for statement in compare(&new, place, model, &refreshed, touched) {
        work.changes.run(statement).await.map_err(fail)?;
    }
    work.changes.let_compute(&refreshed.come_table(), false).await.map_err(fail)?;
    let gone = work.changes.number(count(&refreshed.gone_table())).await.map_err(fail)?;
    let come = work.changes.number(count(&refreshed.come_table())).await.map_err(fail)?;
    for statement in write(place, model, &refreshed) {
        work.changes.run(statement).await.map_err(fail)?;
    }
    Ok(Refreshed { gone, come, ..refreshed })
}

fn keys_table(place: usize) -> String {
    format!("keys_{place}")
}

/// `k0`, `k1`, … of the table of keys.
fn key_name(index: usize) -> String {
    format!("k{index}")
}

/// The keys of the driver's rows that came, and of those that went.
fn collect_keys(work: &Work<'_>, place: usize, driver: &Driver) -> Sql {
    let mut columns = Sql::new();
    for (i, column) in driver.columns.iter().enumerate() {
        columns.push(if i > 0 { ", t." } else { "t." }).ident(column).push(" AS ").ident(&key_name(i));
    }
    let mut sql = Sql::lit("CREATE TEMP TABLE ");
    sql.ident(&keys_table(place)).push(" ON COMMIT DROP AS SELECT DISTINCT ").append(&columns).push(" FROM ");
    match (driver.table.layer, work.refreshed.get(&driver.table)) {
        (Layer::Input, _) | (_, None) => {
            sql.qualified(driver.table.layer.name(), &driver.table.table).push(" AS t WHERE ");
            sql.append(&came(work.new.get(&driver.table.table).unwrap_or(&NewRows::default())));
        }
        (_, Some(refreshed)) => {
            sql.push("(SELECT * FROM ").qualified("pg_temp", &refreshed.gone_table());
            sql.push(" UNION ALL SELECT * FROM ").qualified("pg_temp", &refreshed.come_table()).push(") AS t");
        }
    }
    sql
}

/// Whether a row of an input is among its new ones: it came after the position that was noted before, or with a batch that
/// was open then.
fn came(rows: &NewRows) -> Sql {
    let closed = rows.now.closed_since(&rows.before);
    let after = rows.before.position;
    let lowest = closed.iter().map(|batch| batch.after).fold(after, i64::min);
    let mut sql = Sql::lit("t._position > ");
    sql.integer(lowest).push(" AND t._position <= ").integer(rows.now.position);
    if !closed.is_empty() {
        sql.push(" AND (t._position > ").integer(after).push(" OR t._batch = ANY (").append(&batch_ids(&closed));
        sql.push("))");
    }
    sql.append(&rows.now.without_open());
    sql
}

fn count_nulls(keys: &str, columns: usize) -> Sql {
    let mut sql = Sql::lit("SELECT count(*) FROM ");
    sql.qualified("pg_temp", keys).push(" AS k WHERE ");
    for i in 0..columns {
        sql.push(if i > 0 { " OR k." } else { "k." }).ident(&key_name(i)).push(" IS NULL");
    }
    sql
}

fn count(table: &str) -> Sql {
    let mut sql = Sql::lit("SELECT count(*) FROM ");
    sql.qualified("pg_temp", table);
    sql
}

/// A table with the columns of the model's, and none of its constraints: what breaks one is found by a check, with its key.
fn empty_copy(name: &str, model: &Model) -> Sql {
    let mut sql = Sql::lit("CREATE TEMP TABLE ");
    sql.ident(name).push(" ON COMMIT DROP AS SELECT * FROM ").qualified(model.layer.name(), &model.name);
    sql.push(" WITH NO DATA");
    sql
}

/// The model's rows as they are now, of all keys or those that are touched.
fn compute(new: &str, place: usize, model: &Model, dataset: Option<&Dataset>, touched: Option<&[String]>) -> Sql {
    let mut sql = Sql::lit("INSERT INTO ");
    sql.qualified("pg_temp", new);
    if let Some(dataset) = dataset {
        for (i, field) in dataset.fields.iter().enumerate() {
            sql.push(if i > 0 { ", " } else { " (" }).ident(&field.column);
        }
        sql.push(")\nSELECT ");
        for (i, field) in dataset.fields.iter().enumerate() {
            sql.push(if i > 0 { ", m." } else { "m." }).ident(&field.column);
        }
    } else {
        sql.push("\nSELECT m.*");
    }
    // checked by the manifest: one SELECT over this product's own layers; run as the pipeline role
    sql.push(" FROM (\n").append(&Sql::from_checked_text(model.sql.clone())).push("\n) AS m");
    if let Some(key) = touched {
        sql.push(" WHERE ").append(&is_touched("m.", key, place));
    }
    sql
}

/// Whether a row's key is touched. Each column by itself is compared with a list that is made once, which Postgres takes
/// into the model's own scans and groups; where there are several, they are then compared together.
fn is_touched(alias: &'static str, key: &[String], place: usize) -> Sql {
    let keys = keys_table(place);
    let mut sql = Sql::new();
    for (i, column) in key.iter().enumerate() {
        sql.push(if i > 0 { " AND " } else { "" }).push(alias).ident(column).push(" = ANY (ARRAY(SELECT k.");
        sql.ident(&key_name(i)).push(" FROM ").qualified("pg_temp", &keys).push(" AS k))");
    }
    if key.len() > 1 {
        for (i, column) in key.iter().enumerate() {
            sql.push(if i > 0 { ", " } else { " AND (" }).push(alias).ident(column);
        }
        for i in 0..key.len() {
            sql.push(if i > 0 { ", k." } else { ") IN (SELECT k." }).ident(&key_name(i));
        }
        sql.push(" FROM ").qualified("pg_temp", &keys).push(" AS k)");
    }
    sql
}

/// Fill `gone_N` and `come_N` with the rows that are there and not computed, and the reverse. Rows are compared by all they
/// hold, as often as they are there; `left_N` and `found_N` are the places of those rows.
fn compare(new: &str, place: usize, model: &Model, refreshed: &Refreshed, touched: Option<&[String]>) -> Vec<Sql> {
    let mut old = Sql::lit(
        "SELECT t.ctid AS place, (t.*)::text AS line, row_number() OVER (PARTITION BY (t.*)::text) AS nth FROM ",
    );
    old.qualified(model.layer.name(), &model.name).push(" AS t");
    if let Some(key) = touched {
        old.push(" WHERE ").append(&is_touched("t.", key, place));
    }
    let mut now = Sql::lit(
        "SELECT t.ctid AS place, (t.*)::text AS line, row_number() OVER (PARTITION BY (t.*)::text) AS nth FROM ",
    );
    now.qualified("pg_temp", new).push(" AS t");
    let places = |name: String, of: &Sql, without: &Sql| {
        let mut sql = Sql::lit("CREATE TEMP TABLE ");
        sql.ident(&name).push(" ON COMMIT DROP AS SELECT a.place FROM (").append(of).push(") AS a LEFT JOIN (");
        sql.append(without).push(") AS b ON b.line = a.line AND b.nth = a.nth WHERE b.place IS NULL");
        sql
    };
    let rows = |name: &str, schema: &str, table: &str, places: &str| {
        let mut sql = Sql::lit("CREATE TEMP TABLE ");
        sql.ident(name).push(" ON COMMIT DROP AS SELECT t.* FROM ").qualified(schema, table);
        sql.push(" AS t WHERE t.ctid = ANY (ARRAY(SELECT p.place FROM ").qualified("pg_temp", places).push(" AS p))");
        sql
    };
    let (left, found) = (left_table(place), format!("found_{place}"));
    vec![
        places(left.clone(), &old, &now),
        rows(&refreshed.gone_table(), model.layer.name(), &model.name, &left),
        places(found.clone(), &now, &old),
        rows(&refreshed.come_table(), "pg_temp", new, &found),
    ]
}

/// Places of the rows that go.
fn left_table(place: usize) -> String {
    format!("left_{place}")
}

/// What went goes first: what comes may have its key.
fn write(place: usize, model: &Model, refreshed: &Refreshed) -> Vec<Sql> {
    let mut delete = Sql::lit("DELETE FROM ");
    delete.qualified(model.layer.name(), &model.name).push(" AS t WHERE t.ctid = ANY (ARRAY(SELECT p.place FROM ");
    delete.qualified("pg_temp", &left_table(place)).push(" AS p))");
    let mut insert = Sql::lit("INSERT INTO ");
    insert.qualified(model.layer.name(), &model.name).push(" SELECT * FROM ");
    insert.qualified("pg_temp", &refreshed.come_table());
    vec![delete, insert]
}
