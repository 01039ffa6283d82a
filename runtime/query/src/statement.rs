//! Statements: a compiled data operation; turns variables into binds and rows into a response.

use crate::bind::Bind;
use crate::catalog::Catalog;
use crate::coerce::Values;
use crate::compile::Compiled;
use crate::layout::Form;
use crate::params::{Binder, Bound, EntitiesSpec, PageSpec, Param};
use crate::schema::DataSchema;
use crate::write::{RowSource, WriteError, Writer};
use serde_json::{Map, Value};
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, AtomicU64, AtomicUsize, Ordering};
use terrane_graphql::GraphqlError;

/// Room is not made for larger responses before they are there.
const LARGEST_ROOM: usize = 1024 * 1024;

/// Statements of this process so far.
static MADE: AtomicU64 = AtomicU64::new(0);

/// A number that no other statement of this process has.
pub(crate) fn next_id() -> u64 {
    MADE.fetch_add(1, Ordering::Relaxed)
}

/// The data fields of an operation as one SQL statement and the layout of its rows. Cheap to share between requests.
pub struct Statement {
    schema: Arc<DataSchema>,
    id: u64,
    pace: AtomicU32,
    /// Bytes of the last answer.
    size: AtomicUsize,
    sql: Arc<str>,
    form: Form,
    params: Vec<Param>,
    pages: Vec<PageSpec>,
    entities: Vec<EntitiesSpec>,
    denied: Vec<String>,
    touched: Vec<String>,
}

impl Statement {
    pub(crate) fn new(schema: Arc<DataSchema>, compiled: Compiled) -> Self {
        Self {
            schema,
            id: next_id(),
            pace: AtomicU32::new(0),
            size: AtomicUsize::new(0),
            sql: compiled.sql.into_string().into(),
            form: compiled.form,
            params: compiled.params,
            pages: compiled.pages,
            entities: compiled.entities,
            denied: compiled.denied,
            touched: compiled.touched,
        }
    }

    /// The statement's text; the same operation, shape of variables and access give the same text. `None` when every
    /// data field is denied or constant, so that nothing needs to be asked: then write without rows.
    pub fn sql(&self) -> Option<&Arc<str>> {
        (!self.sql.is_empty()).then_some(&self.sql)
    }

    /// Tells this statement from all others of the process: what it is prepared under.
    pub fn id(&self) -> u64 {
        self.id
    }

    /// What it uses of the product, or would if the caller might, whether it selects it, filters, orders or counts by it:
    /// `dataset.field` by the contract's names, and `dataset.` for its rows. Sorted.
    pub fn touched(&self) -> &[String] {
        &self.touched
    }

    /// How long the statement takes, in microseconds: kept here for whoever runs it; 0 until then.
    pub fn pace(&self) -> &AtomicU32 {
        &self.pace
    }

    /// A buffer for a response, with room for one as large as the last.
    pub fn buffer(&self) -> Vec<u8> {
        let last = self.size.load(Ordering::Relaxed).min(LARGEST_ROOM);
        Vec::with_capacity(last + last / 8 + 256)
    }

    pub(crate) fn params(&self) -> &[Param] {
        &self.params
    }

    /// The parameters for one request: coerced `values` of [`crate::Prepared::plan`], and the caller's `claims` for row
    /// filters.
    ///
    /// # Errors
    /// Request errors: values out of bounds, cursors of other lists, representations without keys, pages so large that
    /// the operation is too expensive.
    pub fn bind(&self, values: &Values, claims: &Map<String, Value>) -> Result<Bound, Vec<GraphqlError>> {
        let catalog: &Catalog = &self.schema.catalog;
        Binder { catalog, values, claims }.bind(&self.params, &self.pages, &self.entities)
    }

    /// What [`Statement::bind`] gave, with a batch of changes in JSON, which go up to `position`.
    pub fn bind_changes(&self, bound: &Bound, batch: String, position: i64) -> Bound {
        let mut bound = Bound { position, ..bound.clone() };
        for (bind, param) in bound.binds.iter_mut().zip(&self.params) {
            if *param == Param::Batch {
                *bind = Bind::Text(Some(batch));
                break;
            }
        }
        bound
    }

    /// Append the data fields as one JSON object: `{"countries":…}`. Returns field errors (FORBIDDEN at its path).
    ///
    /// # Errors
    /// [`WriteError`] when `rows` are not the answer to this statement; the buffer then holds a part of the object.
    pub fn write(
        &self,
        bound: &Bound,
        rows: &mut dyn RowSource,
        out: &mut Vec<u8>,
    ) -> Result<Vec<GraphqlError>, WriteError> {
        // `Form::Row`, `Rows` and `EntityRows` have one root, which is written straight into the response
        let single = match &self.form {
            Form::Row { key, .. }
            | Form::Rows { key, .. }
            | Form::EntityRows { key, .. }
            | Form::Changes { key, .. } => Some(key),
            Form::Nothing(_) | Form::Record(_) => None,
        };
        out.push(b'{');
        if let Some(key) = single {
            key.write(out, true);
            let errors = Writer::new(bound, &self.denied).write(&self.form, rows, out, |_, _| {})?;
            out.push(b'}');
            self.size.store(out.len(), Ordering::Relaxed);
            return Ok(errors);
        }
        let mut first = true;
        let mut value = Vec::new();
        let errors = Writer::new(bound, &self.denied).write(&self.form, rows, &mut value, |key, json| {
            key.write(out, first);
            out.append(json);
            first = false;
        })?;
        out.push(b'}');
        Ok(errors)
    }

    /// The data fields apart, by response key in response order, for operations that also have fields of other ports.
    ///
    /// # Errors
    /// As [`Statement::write`].
    pub fn write_fields(&self, bound: &Bound, rows: &mut dyn RowSource) -> Result<Fields, WriteError> {
        let mut fields = Vec::new();
        let mut value = Vec::new();
        let errors = Writer::new(bound, &self.denied).write(&self.form, rows, &mut value, |key, json| {
            fields.push((key.to_string(), std::mem::take(json)));
        })?;
        Ok(Fields { fields, errors })
    }
}

/// Root fields apart.
pub struct Fields {
    /// Response keys with their JSON.
    pub fields: Vec<(String, Vec<u8>)>,
    /// Field errors.
    pub errors: Vec<GraphqlError>,
}
