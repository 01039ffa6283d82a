//! Compiling: turns the data fields of an operation into one SQL statement and the layout of its rows.

mod aggregate;
mod changes;
mod connection;
mod entities;
mod export;
mod filter;
mod mask;
mod nested;
mod object;
mod order;
mod search;

pub use changes::ChangesStatement;
pub use export::{ExportRequest, ExportStatement};

use crate::access::Access;
use crate::catalog::{Catalog, Column, ColumnId, Entity, EntityId, KeyId, Root};
use crate::coerce::Values;
use crate::collect::{Budget, Collected, collect};
use crate::given::Given;
use crate::layout::{DeniedId, Entry, Form, RootLayout, ValueLayout};
use crate::params::{EntitiesSpec, PageSpec, Param, Within};
use crate::scalar::casts;
use apollo_compiler::ExecutableDocument;
use apollo_compiler::executable::{Field, SelectionSet};
use std::cell::RefCell;
use std::collections::BTreeSet;
use terrane_graphql::GraphqlError;
use terrane_manifest::PgType;
use terrane_sql::Sql;

pub(crate) type Fallible<T> = Result<T, GraphqlError>;

/// Objects nested in objects, beyond which an operation is refused.
const MAX_DEPTH: usize = 16;

/// A data root field to compile.
pub(crate) struct DataRoot<'d> {
    pub(crate) collected: Collected<'d>,
    pub(crate) kind: DataKind,
}

/// What a data root field is.
#[derive(Debug, Clone, Copy)]
pub(crate) enum DataKind {
    Root(Root),
    Entities,
    /// The changes of a dataset: the one root of a subscription.
    Changes(EntityId),
}

/// What compiling gives.
pub(crate) struct Compiled {
    pub(crate) sql: Sql,
    pub(crate) form: Form,
    pub(crate) params: Vec<Param>,
    pub(crate) pages: Vec<PageSpec>,
    pub(crate) entities: Vec<EntitiesSpec>,
    pub(crate) denied: Vec<String>,
    pub(crate) touched: Vec<String>,
}

/// The state of compiling one operation.
pub(crate) struct Compiler<'a> {
    pub(crate) catalog: &'a Catalog,
    pub(crate) access: &'a Access,
    pub(crate) document: &'a ExecutableDocument,
    pub(crate) values: &'a Values,
    pub(crate) budget: Budget,
    params: Vec<Param>,
    pages: Vec<PageSpec>,
    entities: Vec<EntitiesSpec>,
    denied: Vec<String>,
    /// What the statement uses, or would if the caller might: `dataset.field`, and `dataset.` for its rows.
    touched: RefCell<BTreeSet<String>>,
    aliases: u64,
    depth: usize,
    /// Whether filters may not follow relations.
    own_fields_only: bool,
}

/// The expressions of a SELECT list; the same expression is selected once.
#[derive(Debug, Default)]
struct Row {
    exprs: Vec<Sql>,
}

impl Row {
    fn add(&mut self, expr: Sql) -> usize {
        if let Some(found) = self.exprs.iter().position(|e| *e == expr) {
            return found;
        }
        self.exprs.push(expr);
        self.exprs.len() - 1
    }

    /// `ROW(a, b)`
    fn record(&self) -> Sql {
        let mut sql = Sql::lit("ROW(");
        sql.join(&self.exprs, ", ").push(")");
        sql
    }

    /// `a, b` for a SELECT list.
    fn list(&self) -> Sql {
        let mut sql = Sql::new();
        sql.join(&self.exprs, ", ");
        sql
    }
}

/// SQL expressions of an entity's columns, wherever they come from.
#[derive(Debug, Clone)]
struct Scope {
    exprs: Vec<Sql>,
}

impl Scope {
    fn expr(&self, column: ColumnId) -> &Sql {
        &self.exprs[column.0 as usize]
    }

    fn of_table(entity: &Entity, alias: &Sql) -> Self {
        let column = |c: &Column| {
            let mut sql = alias.clone();
            sql.push(".").ident(&c.column);
            sql
        };
        Self { exprs: entity.columns.iter().map(column).collect() }
    }
}

impl<'a> Compiler<'a> {
    pub(crate) fn new(
        catalog: &'a Catalog,
        access: &'a Access,
        document: &'a ExecutableDocument,
        values: &'a Values,
        budget: Budget,
    ) -> Self {
        Self {
            catalog,
            access,
            document,
            values,
            budget,
            params: Vec::new(),
            pages: Vec::new(),
            entities: Vec::new(),
            denied: Vec::new(),
            touched: RefCell::default(),
            aliases: 0,
            depth: 0,
            own_fields_only: false,
        }
    }

    /// Compile the data roots of an operation.
    pub(crate) fn compile(mut self, roots: &[DataRoot<'a>]) -> Fallible<Compiled> {
        let (sql, form) = match roots {
            [only] => self.compile_single(only)?,
            several => self.compile_record(several)?,
        };
        let touched = self.touched();
        let (sql, params) = drop_unused(sql, self.params);
        Ok(Compiled { sql, form, params, pages: self.pages, entities: self.entities, denied: self.denied, touched })
    }

    /// One root: its rows are the statement's rows, where its form allows.
    fn compile_single(&mut self, root: &DataRoot<'a>) -> Fallible<(Sql, Form)> {
        let key = root.collected.key.into();
        match root.kind {
            DataKind::Root(Root::Lookup(id, key_id)) if self.lookup_denied(id, key_id).is_none() => {
                let (row, object, tail) = self.lookup(id, key_id, &root.collected)?;
                let mut sql = Sql::lit("SELECT ");
                sql.append(&row.list()).append(&tail);
                Ok((sql, Form::Row { key, object }))
            }
            DataKind::Root(Root::List(id)) if self.access.sees(self.catalog.entity(id)) => {
                let list = self.list(id, root.collected.field(), &root.collected.selections(), None, Within::Root)?;
                if !list.is_plain() {
                    let mut row = Row::default();
                    let layout = list.into_columns(&mut row);
                    let value = RootLayout::Value(ValueLayout::Connection(layout));
                    return Ok(select_record(&row, vec![Entry { key, value }]));
                }
                let mut sql = Sql::lit("SELECT ");
                sql.append(&list.row.list()).append(&list.page_tail());
                Ok((sql, Form::Rows { key, connection: list.layout }))
            }
            DataKind::Entities => {
                let groups = self.entity_groups(&root.collected)?;
                Ok(groups.into_form(key))
            }
            DataKind::Changes(id) => self.changes(id, &root.collected),
            _ => self.compile_record(std::slice::from_ref(root)),
        }
    }

    /// Several roots: one row with a record, or an array of records, for each.
    fn compile_record(&mut self, roots: &[DataRoot<'a>]) -> Fallible<(Sql, Form)> {
        let mut row = Row::default();
        let mut entries = Vec::with_capacity(roots.len());
        for root in roots {
            let value = match root.kind {
                DataKind::Entities => {
                    let groups = self.entity_groups(&root.collected)?;
                    groups.into_root(&mut row)
                }
                DataKind::Changes(_) => {
                    return Err(GraphqlError::new("BAD_REQUEST", "a subscription has one root field"));
                }
                DataKind::Root(Root::Lookup(id, key)) => RootLayout::Value(match self.lookup_denied(id, key) {
                    Some(label) => ValueLayout::Denied(self.deny(label)),
                    None => {
                        let (inner, object, tail) = self.lookup(id, key, &root.collected)?;
                        let mut sql = Sql::lit("(SELECT ");
                        sql.append(&inner.record()).append(&tail).push(")");
                        ValueLayout::Record { column: row.add(sql), object }
                    }
                }),
                DataKind::Root(Root::List(id)) => RootLayout::Value(match self.access.sees(self.catalog.entity(id)) {
                    false => ValueLayout::Denied(self.deny(self.catalog.entity(id).type_name.clone())),
                    true => {
                        let sets = root.collected.selections();
                        let list = self.list(id, root.collected.field(), &sets, None, Within::Root)?;
                        ValueLayout::Connection(list.into_columns(&mut row))
                    }
                }),
            };
            entries.push(Entry { key: root.collected.key.into(), value });
        }
        Ok(select_record(&row, entries))
    }

    /// The part of a key that the caller may not read, and so not look up by.
    fn lookup_denied(&self, id: EntityId, key: KeyId) -> Option<String> {
        let entity = self.catalog.entity(id);
        entity.key_of(key).iter().for_each(|c| self.touch(entity.column(*c)));
        let hidden = entity.key_of(key).iter().find(|c| !self.access.reads(entity.column(**c)))?;
        Some(format!("{}.{}", entity.type_name, entity.column(*hidden).name))
    }

    /// A row by its key: its columns, its layout, and the statement from FROM on.
    fn lookup(
        &mut self,
        id: EntityId,
        key: KeyId,
        root: &Collected<'a>,
    ) -> Fallible<(Row, crate::layout::ObjectLayout, Sql)> {
        let catalog = self.catalog;
        let entity = catalog.entity(id);
        let alias = self.alias("t");
        let scope = Scope::of_table(entity, &alias);
        let mut conditions = Vec::new();
        for key in entity.key_of(key) {
            let column = entity.column(*key);
            let argument = root.field().specified_argument_by_name(&column.name);
            let given = argument.and_then(|a| Given::of(a, self.values));
            let source = given
                .map(|g| g.source())
                .ok_or_else(|| GraphqlError::new("BAD_USER_INPUT", format!("argument `{}` is missing", column.name)))?;
            let mut sql = scope.expr(*key).clone();
            sql.push(" = ");
            let param = Param::Value { source, scalar: column.scalar, pg: column.pg, list: false };
            self.push_param(&mut sql, param, column.pg, false);
            conditions.push(sql);
        }
        conditions.extend(self.row_filter(id, &scope));
        let mut row = Row::default();
        let object = self.object(id, &scope, &root.selections(), &mut row, Within::Root)?;
        let mut tail = from_table(entity, &alias);
        push_where(&mut tail, &conditions);
        Ok((row, object, tail))
    }

    /// The fields of an object of type `type_name`.
    fn fields(&mut self, type_name: &str, sets: &[&'a SelectionSet]) -> Fallible<Vec<Collected<'a>>> {
        collect(self.document, self.values, type_name, sets, &mut self.budget)
    }

    fn argument(&self, field: &'a Field, name: &str) -> Option<Given<'a>> {
        let argument = field.specified_argument_by_name(name)?;
        Given::of(argument, self.values).filter(|g| !g.is_null())
    }

    fn alias(&mut self, prefix: &'static str) -> Sql {
        let mut sql = Sql::lit(prefix);
        sql.number(self.aliases);
        self.aliases += 1;
        sql
    }

    /// Note that a column is used, in whichever way.
    fn touch(&self, column: &Column) {
        if let Some(object) = &column.object
            && !self.touched.borrow().contains(object)
        {
            self.touched.borrow_mut().insert(object.clone());
        }
    }

    /// Note that rows of a dataset are.
    fn touch_rows(&self, dataset: &str) {
        self.touched.borrow_mut().insert(format!("{dataset}."));
    }

    /// What was noted, in order.
    fn touched(&self) -> Vec<String> {
        self.touched.borrow().iter().cloned().collect()
    }

    fn deny(&mut self, label: String) -> DeniedId {
        self.denied.push(label);
        DeniedId(self.denied.len() - 1)
    }

    /// Append `$n` with the casts of a column of type `pg`; equal params share one bind.
    fn push_param(&mut self, sql: &mut Sql, param: Param, pg: PgType, array: bool) {
        let index = self.param(param);
        sql.bind(index);
        let (first, second) = casts(pg, array);
        sql.push("::").push(first);
        if let Some(second) = second {
            sql.push("::").push(second);
        }
    }

    /// The bind of `param`, from 1.
    fn param(&mut self, param: Param) -> usize {
        if let Some(index) = self.params.iter().position(|p| *p == param) {
            return index + 1;
        }
        self.params.push(param);
        self.params.len()
    }

    fn enter(&mut self) -> Fallible<()> {
        self.depth += 1;
        if self.depth > MAX_DEPTH {
            return Err(GraphqlError::new(
                "OPERATION_TOO_DEEP",
                format!("objects are nested deeper than {MAX_DEPTH} levels; ask in several operations"),
            ));
        }
        Ok(())
    }

    fn leave(&mut self) {
        self.depth -= 1;
    }
}

/// Leave out the params that no part of the statement uses, and number the others anew. A list of which only the count is
/// wanted has such: one text must always have the same number of binds, as it is prepared once.
fn drop_unused(sql: Sql, params: Vec<Param>) -> (Sql, Vec<Param>) {
    let text = sql.as_str();
    let mut numbers: Vec<Option<usize>> = vec![None; params.len()];
    let mut used = Vec::new();
    let mut out = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(start) = rest.find('$') {
        let digits = rest[start + 1..].bytes().take_while(u8::is_ascii_digit).count();
        let end = start + 1 + digits;
        out.push_str(&rest[..=start]);
        let index: Option<usize> = rest[start + 1..end].parse::<usize>().ok().and_then(|n| n.checked_sub(1));
        match index.and_then(|i| Some((i, numbers.get_mut(i)?))) {
            Some((index, number)) => {
                let next = number.get_or_insert_with(|| {
                    used.push(index);
                    used.len()
                });
                out.push_str(&next.to_string());
            }
            None => out.push_str(&rest[start + 1..end]),
        }
        rest = &rest[end..];
    }
    if used.len() == params.len() {
        return (sql, params);
    }
    out.push_str(rest);
    let mut params: Vec<Option<Param>> = params.into_iter().map(Some).collect();
    let kept = used.iter().filter_map(|index| params[*index].take()).collect();
    // the same text with other numbers after its `$`
    (Sql::from_checked_text(out), kept)
}

fn select_record(row: &Row, entries: Vec<Entry<RootLayout>>) -> (Sql, Form) {
    if row.exprs.is_empty() {
        return (Sql::new(), Form::Nothing(entries));
    }
    let mut sql = Sql::lit("SELECT ");
    sql.append(&row.list());
    (sql, Form::Record(entries))
}

/// ` FROM "output"."table" AS t0`
fn from_table(entity: &Entity, alias: &Sql) -> Sql {
    let mut sql = Sql::lit(" FROM ");
    push_table(&mut sql, entity);
    sql.push(" AS ").append(alias);
    sql
}

fn push_table(sql: &mut Sql, entity: &Entity) {
    let table = entity.table.as_ref().expect("stubs have no rows to read");
    sql.qualified(&table.schema, &table.name);
}

fn push_where(sql: &mut Sql, conditions: &[Sql]) {
    if !conditions.is_empty() {
        sql.push(" WHERE ").join(conditions, " AND ");
    }
}
