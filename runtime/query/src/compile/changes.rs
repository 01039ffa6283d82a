//! Changes: turns what is wanted of a dataset's changes into one statement over a batch of them.
//!
//! A batch is one bind: a JSON array of the rows before and after, as the outbox has them. The statement makes rows of it,
//! by the columns and types of the contract, and says of each what the caller sees of it: the caller's row filter and
//! filter decide whether it saw the row before and whether it sees it now, and so what has happened in its eyes. Masks and
//! denied fields are those of every statement. What changes in nothing that the caller may see is no change.

use super::mask::Shown;
use super::{Compiler, Fallible, Row, Scope, push_where};
use crate::access::Access;
use crate::bind::Bind;
use crate::catalog::{Column, ColumnId, Entity, EntityId, Member};
use crate::coerce::bad;
use crate::collect::{Budget, Collected};
use crate::compile::export::{ExportRequest, FILTER, readable};
use crate::compile::object::type_name_json;
use crate::given::Given;
use crate::layout::{ChangesMember, Entry, Form, ObjectLayout, ValueLayout};
use crate::params::{Binder, Param, Within};
use crate::schema::DataSchema;
use crate::statement::next_id;
use crate::write::{RowSource, WriteError, cell_json};
use apollo_compiler::ExecutableDocument;
use apollo_compiler::executable::SelectionSet;
use serde_json::{Map, Value};
use std::sync::Arc;
use std::sync::atomic::AtomicU32;
use terrane_graphql::GraphqlError;
use terrane_graphql::json::{write_i64, write_str};
use terrane_manifest::PgType;
use terrane_sql::Sql;

/// A batch of changes as a relation, and what the caller sees of it.
struct Changed {
    /// The change: `p` position, `v` version, `at` time.
    change: Sql,
    /// Whether the caller sees the row now (`now`) and saw it before (`was`).
    seen: Sql,
    /// The row now.
    after: Scope,
    /// The key, which both rows have.
    key: Scope,
    /// From ` FROM` to the end of the statement.
    tail: Sql,
}

impl Changed {
    fn of_change(&self, column: &'static str) -> Sql {
        let mut sql = self.change.clone();
        sql.push(".").ident(column);
        sql
    }

    /// `INSERT`, `UPDATE` or `DELETE` in the eyes of the caller.
    fn operation(&self) -> Sql {
        let mut sql = Sql::lit("CASE WHEN ");
        sql.append(&self.seen).push(".now AND ").append(&self.seen).push(".was THEN 'UPDATE' WHEN ");
        sql.append(&self.seen).push(".now THEN 'INSERT' ELSE 'DELETE' END");
        sql
    }

    /// True where there is a row now, else null.
    fn present(&self) -> Sql {
        let mut sql = Sql::lit("CASE WHEN ");
        sql.append(&self.seen).push(".now THEN TRUE END");
        sql
    }
}

impl<'a> Compiler<'a> {
    /// The root field of a subscription to the changes of `id`.
    pub(super) fn changes(&mut self, id: EntityId, root: &Collected<'a>) -> Fallible<(Sql, Form)> {
        let entity = self.catalog.entity(id);
        if !self.access.sees(entity) {
            let message = format!("these roles may not read `{}`; ask for access", entity.type_name);
            return Err(GraphqlError::new("FORBIDDEN", message));
        }
        let filter = self.argument(root.field(), "filter");
        let changed = self.changed(id, filter.as_ref())?;
        let (mut row, mut members) = (Row::default(), Vec::new());
        let kind = format!("{}Changes", entity.type_name);
        for collected in self.fields(&kind, &root.selections())? {
            let value = match collected.field().name.as_str() {
                "position" => ChangesMember::Position,
                "changes" => ChangesMember::Changes(self.change(id, &changed, &collected.selections(), &mut row)?),
                _ => ChangesMember::Constant(type_name_json(&kind)),
            };
            members.push(Entry { key: collected.key.into(), value });
        }
        let mut sql = Sql::lit("SELECT ");
        sql.append(&row.list()).append(&changed.tail);
        Ok((sql, Form::Changes { key: root.key.into(), members }))
    }

    /// One change.
    fn change(
        &mut self,
        id: EntityId,
        changed: &Changed,
        sets: &[&'a SelectionSet],
        row: &mut Row,
    ) -> Fallible<ObjectLayout> {
        let kind = format!("{}Change", self.catalog.entity(id).type_name);
        let mut layout = ObjectLayout::default();
        for collected in self.fields(&kind, sets)? {
            let scalar = |row: &mut Row, sql: Sql, pg| ValueLayout::Scalar { column: row.add(sql), pg, array: false };
            let value = match collected.field().name.as_str() {
                "operation" => scalar(row, changed.operation(), PgType::Text),
                "position" => scalar(row, changed.of_change("p"), PgType::Int8),
                "version" => scalar(row, changed.of_change("v"), PgType::Int8),
                "at" => scalar(row, changed.of_change("at"), PgType::Timestamptz),
                "key" => {
                    let object = self.change_key(id, changed, &collected.selections(), row)?;
                    ValueLayout::Inline { object, presence: Vec::new() }
                }
                "row" => {
                    let presence = vec![row.add(changed.present())];
                    let object = self.object(id, &changed.after, &collected.selections(), row, Within::Root)?;
                    ValueLayout::Inline { object, presence }
                }
                _ => ValueLayout::Constant(type_name_json(&kind)),
            };
            layout.members.push(Entry { key: collected.key.into(), value });
        }
        Ok(layout)
    }

    fn change_key(
        &mut self,
        id: EntityId,
        changed: &Changed,
        sets: &[&'a SelectionSet],
        row: &mut Row,
    ) -> Fallible<ObjectLayout> {
        let entity = self.catalog.entity(id);
        let kind = format!("{}Key", entity.type_name);
        let mut layout = ObjectLayout::default();
        for collected in self.fields(&kind, sets)? {
            let value = match entity.members.get(collected.field().name.as_str()) {
                Some(Member::Column(column)) => self.column(id, *column, &collected, &changed.key, row)?,
                _ => ValueLayout::Constant(type_name_json(&kind)),
            };
            layout.members.push(Entry { key: collected.key.into(), value });
        }
        Ok(layout)
    }

    fn changed(&mut self, id: EntityId, filter: Option<&Given<'a>>) -> Fallible<Changed> {
        let entity = self.catalog.entity(id);
        let (change, new, old, seen) = (self.alias("c"), self.alias("t"), self.alias("t"), self.alias("s"));
        let (after, before) = (Scope::of_table(entity, &new), Scope::of_table(entity, &old));
        let mut tail = Sql::lit(" FROM jsonb_to_recordset(");
        tail.bind(self.param(Param::Batch)).push("::text::jsonb) AS ").append(&change);
        tail.push("(\"p\" bigint, \"v\" bigint, \"at\" timestamptz, \"o\" jsonb, \"n\" jsonb)");
        for (alias, part) in [(&new, "n"), (&old, "o")] {
            tail.push(" CROSS JOIN LATERAL jsonb_to_record(coalesce(").append(&change).push(".").ident(part);
            tail.push(", '{}'::jsonb)) AS ").append(alias).append(&column_definitions(entity));
        }
        self.own_fields_only = true;
        let mut visible = |scope: &Scope, part: &'static str| -> Fallible<Sql> {
            let mut conditions: Vec<Sql> = self.row_filter(id, scope).into_iter().collect();
            if let Some(filter) = filter {
                conditions.extend(self.filter(id, scope, filter)?);
            }
            let mut sql = change.clone();
            sql.push(".").ident(part).push(" IS NOT NULL");
            for condition in &conditions {
                sql.push(" AND (").append(condition).push(") IS TRUE");
            }
            Ok(sql)
        };
        let (now, was) = (visible(&after, "n"), visible(&before, "o"));
        self.own_fields_only = false;
        tail.push(" CROSS JOIN LATERAL (SELECT ").append(&now?).push(" AS now, ").append(&was?).push(" AS was) AS ");
        tail.append(&seen);
        let mut either = Sql::lit("(");
        either.append(&seen).push(".now OR ").append(&seen).push(".was)");
        let mut differs = Sql::lit("(NOT (");
        differs.append(&seen).push(".now AND ").append(&seen).push(".was)");
        for index in 0..entity.columns.len() as u32 {
            let column = ColumnId(index);
            let shown = (self.shown(entity, column, &after), self.shown(entity, column, &before));
            if let (Shown::Expr(after), Shown::Expr(before)) = shown {
                let cast = comparable(entity.column(column));
                differs.push(" OR (").append(&after).push(")").push(cast);
                differs.push(" IS DISTINCT FROM (").append(&before).push(")").push(cast);
            }
        }
        differs.push(")");
        push_where(&mut tail, &[either, differs]);
        tail.push(" ORDER BY ").append(&change).push(".\"p\"");
        let both = |(after, before): (&Sql, &Sql)| {
            let mut sql = Sql::lit("coalesce(");
            sql.append(after).push(", ").append(before).push(")");
            sql
        };
        let key = Scope { exprs: after.exprs.iter().zip(&before.exprs).map(both).collect() };
        Ok(Changed { change, seen, after, key, tail })
    }
}

/// `("code" text, …)`: the table's columns, by their types without length or scale, as every value fits those.
fn column_definitions(entity: &Entity) -> Sql {
    let mut sql = Sql::lit("(");
    for (index, column) in entity.columns.iter().enumerate() {
        sql.push(if index > 0 { ", " } else { "" }).ident(&column.column).push(" ");
        sql.push(if column.pg == PgType::Char { "bpchar" } else { column.pg.name() });
        sql.push(if column.array { "[]" } else { "" });
    }
    sql.push(")");
    sql
}

/// `json` has no equality.
fn comparable(column: &Column) -> &'static str {
    match (column.pg, column.array) {
        (PgType::Json, false) => "::jsonb",
        (PgType::Json, true) => "::jsonb[]",
        _ => "",
    }
}

/// A value of a line: what it is called and where it is.
#[derive(Debug, Clone)]
struct Cell {
    name: String,
    index: usize,
    pg: PgType,
    array: bool,
}

/// One statement over batches of changes, whose rows are written as one JSON object each.
#[derive(Debug)]
pub struct ChangesStatement {
    /// The statement.
    pub sql: Arc<str>,
    /// Tells it from all others of the process.
    pub id: u64,
    /// How long it takes: kept here for whoever runs it.
    pub pace: AtomicU32,
    /// What it uses: `dataset.field`, and `dataset.` for the rows.
    pub touched: Vec<String>,
    /// Its parameters; the batch is empty.
    binds: Vec<Bind>,
    batch: usize,
    /// `operation`, `position`, `version`, `at`.
    head: [usize; 4],
    present: usize,
    key: Vec<Cell>,
    fields: Vec<Cell>,
}

impl DataSchema {
    /// Compile a statement over the changes of a dataset, for a caller with `access` and `claims`. Order and limit of the
    /// request don't count.
    ///
    /// # Errors
    /// As [`DataSchema::export`]; `UNKNOWN_DATASET` also where a dataset has no key, and so no changes.
    pub fn changes(
        &self,
        access: &Access,
        claims: &Map<String, Value>,
        request: &ExportRequest<'_>,
    ) -> Result<ChangesStatement, Vec<GraphqlError>> {
        let (catalog, dataset) = (&self.catalog, request.dataset);
        let of_dataset = |id: &EntityId| catalog.entity(*id).table.as_ref().is_some_and(|t| t.dataset == dataset.name);
        let Some(id) = catalog.ids().find(of_dataset).filter(|id| catalog.entity(*id).has_changes()) else {
            let message = format!("dataset `{}` has no GraphQL type or no key, and so no changes", dataset.name);
            return Err(vec![GraphqlError::new("UNKNOWN_DATASET", message)]);
        };
        let one = |error: GraphqlError| vec![error];
        let fields = readable(access, request).map_err(one)?;
        let values = self.export_values(&ExportRequest { order: None, limit: None, ..*request }).map_err(one)?;
        let document = ExecutableDocument::new();
        let mut compiler = Compiler::new(catalog, access, &document, &values, Budget(1));
        let filter = compiler.export_argument(FILTER);
        let changed = compiler.changed(id, filter.as_ref()).map_err(one)?;
        let mut row = Row::default();
        let head = [changed.operation(), changed.of_change("p"), changed.of_change("v"), changed.of_change("at")];
        let head = head.map(|sql| row.add(sql));
        let present = row.add(changed.present());
        let entity = catalog.entity(id);
        let mut cells = |names: &[&str], scope: &Scope| -> Fallible<Vec<Cell>> {
            let mut cells = Vec::new();
            for name in names {
                let column = entity.column_of_field(name).ok_or_else(|| bad(&format!("`{name}` is no column")))?;
                let described = entity.column(column);
                let sql = match compiler.shown(entity, column, scope) {
                    Shown::Expr(sql) => sql,
                    Shown::Null => Sql::lit("NULL"),
                    Shown::Denied => continue,
                };
                let index = row.add(sql);
                cells.push(Cell { name: (*name).to_owned(), index, pg: described.pg, array: described.array });
            }
            Ok(cells)
        };
        let key: Vec<&str> = entity.key.iter().map(|c| entity.column(*c).field.as_str()).collect();
        let key = cells(&key, &changed.key).map_err(one)?;
        let names: Vec<&str> = fields.iter().map(|f| f.name.as_str()).collect();
        let fields = cells(&names, &changed.after).map_err(one)?;
        let mut sql = Sql::lit("SELECT ");
        sql.append(&row.list()).append(&changed.tail);
        let bound = Binder { catalog, values: &values, claims }.bind(&compiler.params, &[], &[])?;
        let batch = compiler.params.iter().position(|p| *p == Param::Batch).unwrap_or_default();
        let (sql, id, touched, binds) = (sql.into_string().into(), next_id(), compiler.touched(), bound.binds);
        let pace = AtomicU32::new(0);
        Ok(ChangesStatement { sql, id, pace, touched, binds, batch, head, present, key, fields })
    }
}

impl ChangesStatement {
    /// The parameters for a batch in JSON.
    pub fn bind(&self, batch: String) -> Vec<Bind> {
        let mut binds = self.binds.clone();
        binds[self.batch] = Bind::Text(Some(batch));
        binds
    }

    /// What decides the answer beside the batch: statements and parameters that are equal have equal answers.
    pub fn parameters(&self) -> &[Bind] {
        &self.binds
    }

    /// Append the current row as a JSON object: `operation`, `position`, `version`, `at`, `key`, `row`. Returns its
    /// position.
    ///
    /// # Errors
    /// [`WriteError`] where `rows` are not the answer to this statement.
    pub fn write(&self, rows: &dyn RowSource, out: &mut Vec<u8>) -> Result<i64, WriteError> {
        let unexpected = WriteError::Unexpected("a null in a change");
        let [operation, position, version, at] = self.head;
        let column = |index: usize| rows.column(index).ok_or(WriteError::Unexpected("a null in a change"));
        let number = |index: usize| {
            let bytes = column(index)?.try_into().map_err(|_| WriteError::Truncated)?;
            Ok::<_, WriteError>(i64::from_be_bytes(bytes))
        };
        let word = str::from_utf8(column(operation)?).map_err(|_| WriteError::NotText)?;
        let place = number(position)?;
        out.extend_from_slice(b"{\"operation\":\"");
        out.extend_from_slice(word.as_bytes());
        out.extend_from_slice(b"\",\"position\":\"");
        write_i64(out, place);
        out.extend_from_slice(b"\",\"version\":");
        write_i64(out, number(version)?);
        out.extend_from_slice(b",\"at\":");
        cell_json(out, rows.column(at).ok_or(unexpected)?, PgType::Timestamptz, false)?;
        out.extend_from_slice(b",\"key\":");
        write_cells(&self.key, rows, out)?;
        out.extend_from_slice(b",\"row\":");
        match rows.column(self.present) {
            Some(_) => write_cells(&self.fields, rows, out)?,
            None => out.extend_from_slice(b"null"),
        }
        out.push(b'}');
        Ok(place)
    }
}

fn write_cells(cells: &[Cell], rows: &dyn RowSource, out: &mut Vec<u8>) -> Result<(), WriteError> {
    out.push(b'{');
    for (index, cell) in cells.iter().enumerate() {
        if index > 0 {
            out.push(b',');
        }
        write_str(out, &cell.name);
        out.push(b':');
        match rows.column(cell.index) {
            Some(bytes) => cell_json(out, bytes, cell.pg, cell.array)?,
            None => out.extend_from_slice(b"null"),
        }
    }
    out.push(b'}');
    Ok(())
}
