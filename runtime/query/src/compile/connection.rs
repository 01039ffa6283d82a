//! Connections: turns a paged list field into the query of its page, its count, and their layout.

use super::aggregate::Rows;
use super::object::{equal, type_name_json};
use super::order::{describe, forbidden, order_by};
use super::{Compiler, Fallible, Row, Scope, from_table, push_where};
use crate::catalog::{EntityId, Relation};
use crate::cursor::order_mark;
use crate::given::Given;
use crate::layout::{ConnectionLayout, ConnectionMember, EdgeMember, Entry, ObjectLayout, PageId, PageMember};
use crate::params::{PageSpec, Param, Within};
use apollo_compiler::executable::{Field, SelectionSet};
use terrane_graphql::GraphqlError;
use terrane_manifest::PgType;
use terrane_sql::Sql;

/// The compiled parts of a connection, before it is known whether its rows are the statement's or an array.
pub(super) struct List {
    pub(super) row: Row,
    pub(super) layout: ConnectionLayout,
    pub(super) needs_rows: bool,
    pub(super) total: Option<Sql>,
    pub(super) aggregate: Option<Sql>,
    pub(super) groups: Vec<Sql>,
    from: Sql,
    order: Sql,
    limit: Sql,
}

impl List {
    /// From ` FROM` to the end of the page's query.
    pub(super) fn page_tail(&self) -> Sql {
        let mut sql = self.from.clone();
        sql.append(&self.order).append(&self.limit);
        sql
    }

    /// Whether the statement's rows can be those of the page: nothing else is asked for, and they come in its order.
    pub(super) fn is_plain(&self) -> bool {
        let more = self.total.is_some() || self.aggregate.is_some() || !self.groups.is_empty();
        self.needs_rows && !more && !self.layout.backward
    }

    /// Put page, count and figures into columns of the outer row.
    pub(super) fn into_columns(self, outer: &mut Row) -> ConnectionLayout {
        let mut layout = self.layout.clone();
        if self.needs_rows {
            let mut sql = Sql::lit("ARRAY(SELECT ");
            sql.append(&self.row.record()).append(&self.page_tail()).push(")");
            layout.rows = Some(outer.add(sql));
        }
        layout.total = self.total.map(|sql| outer.add(sql));
        layout.aggregate = self.aggregate.map(|sql| outer.add(sql));
        layout.groups = self.groups.into_iter().map(|sql| outer.add(sql)).collect();
        layout
    }
}

/// The arguments of a list field that shape its page.
struct PageArguments<'a> {
    backward: bool,
    after: Option<Given<'a>>,
    before: Option<Given<'a>>,
    offset: Option<Given<'a>>,
    page: PageId,
}

/// What of a connection's rows the operation wants.
#[derive(Default)]
struct Wanted {
    rows: bool,
    cursor: bool,
    total: bool,
    aggregate: Row,
    groups: Vec<Sql>,
}

impl<'a> Compiler<'a> {
    /// Compile a list of `id`: the root list, or the rows that `join` (this side's expressions, and the relation) names.
    pub(super) fn list(
        &mut self,
        id: EntityId,
        field: &'a Field,
        sets: &[&'a SelectionSet],
        join: Option<(Vec<Sql>, &Relation)>,
        within: Within,
    ) -> Fallible<List> {
        self.enter()?;
        let entity = self.catalog.entity(id);
        let alias = self.alias("t");
        let scope = Scope::of_table(entity, &alias);
        let mut conditions = match join {
            Some((here, relation)) => equal(here, relation, &scope),
            None => Vec::new(),
        };
        conditions.extend(self.row_filter(id, &scope));
        if let Some(filter) = self.argument(field, "filter") {
            conditions.extend(self.filter(id, &scope, &filter)?);
        }
        let search = self.search(id, &scope, field)?;
        let page = self.page(field, within)?;
        let given_order = self.argument(field, "orderBy");
        let order = self.order(id, &scope, given_order.as_ref(), search.as_ref().map(|s| &s.rank))?;
        conditions.extend(search.map(|s| s.condition));
        let mark = order_mark(&describe(&entity.type_name, &order.columns));
        let mut all = from_table(entity, &alias);
        push_where(&mut all, &conditions);
        for (cursor, before) in [(&page.after, false), (&page.before, true)] {
            if let Some(cursor) = cursor {
                let condition = self.keyset(&order.columns, &cursor.source(), mark, before);
                conditions.push(condition);
            }
        }
        let mut from = from_table(entity, &alias);
        from.append(&order.joins);
        push_where(&mut from, &conditions);
        let mut limit = Sql::lit(" LIMIT ");
        self.push_param(&mut limit, Param::Limit(page.page.0), PgType::Int8, false);
        if let Some(offset) = &page.offset {
            limit.push(" OFFSET ");
            self.push_param(&mut limit, Param::Offset(offset.source()), PgType::Int8, false);
        }
        let mut row = Row::default();
        let mut wanted = Wanted::default();
        let members = self.connection_members(
            &Rows { id, scope: &scope, all: &all },
            sets,
            &mut row,
            (page.page, within),
            &mut wanted,
        )?;
        if (wanted.cursor || page.after.is_some() || page.before.is_some()) && !self.reads_key(entity) {
            let hidden = entity.key.iter().map(|c| entity.column(*c)).find(|c| !self.access.reads(c));
            return Err(forbidden(&entity.type_name, hidden.map_or("", |c| &c.name), "cursors; page with `offset`"));
        }
        let cursor = match wanted.cursor {
            true => order.columns.iter().map(|o| (row.add(o.expr.clone()), o.pg)).collect(),
            false => Vec::new(),
        };
        self.leave();
        Ok(List {
            aggregate: (!wanted.aggregate.exprs.is_empty()).then(|| {
                let mut sql = Sql::lit("(SELECT ");
                sql.append(&wanted.aggregate.record()).append(&all).push(")");
                sql
            }),
            groups: wanted.groups,
            row,
            needs_rows: wanted.rows,
            total: wanted.total.then(|| {
                let mut sql = Sql::lit("(SELECT count(*)");
                sql.append(&all).push(")");
                sql
            }),
            from,
            order: order_by(&order.columns, page.backward),
            limit,
            layout: ConnectionLayout {
                rows: None,
                total: None,
                aggregate: None,
                groups: Vec::new(),
                page: page.page,
                backward: page.backward,
                has_after: page.after.is_some(),
                has_before: page.before.is_some(),
                order_mark: mark,
                cursor,
                members,
            },
        })
    }

    fn page(&mut self, field: &'a Field, within: Within) -> Fallible<PageArguments<'a>> {
        let first = self.argument(field, "first");
        let last = self.argument(field, "last");
        let offset = self.argument(field, "offset");
        if last.is_some() && (first.is_some() || offset.is_some()) {
            return Err(GraphqlError::new(
                "BAD_USER_INPUT",
                "`last` cannot be combined with `first` or `offset`; ask for one page",
            ));
        }
        let backward = last.is_some();
        let id = PageId(self.pages.len());
        self.pages.push(PageSpec {
            name: field.response_key().to_string(),
            size: last.or(first).map(|g| g.source()),
            argument: if backward { "last" } else { "first" },
            offset: offset.as_ref().map(Given::source),
            looks_ahead: false,
            within,
        });
        Ok(PageArguments {
            backward,
            after: self.argument(field, "after"),
            before: self.argument(field, "before"),
            offset,
            page: id,
        })
    }

    fn connection_members(
        &mut self,
        rows: &Rows<'_>,
        sets: &[&'a SelectionSet],
        row: &mut Row,
        (page, within): (PageId, Within),
        wanted: &mut Wanted,
    ) -> Fallible<Vec<Entry<ConnectionMember>>> {
        let Rows { id, scope, .. } = *rows;
        let kind = format!("{}Connection", self.catalog.entity(id).type_name);
        let mut members = Vec::new();
        for collected in self.fields(&kind, sets)? {
            let sets = collected.selections();
            let value = match collected.field().name.as_str() {
                "nodes" => {
                    wanted.rows = true;
                    ConnectionMember::Nodes(self.node(id, &sets, scope, row, page)?)
                }
                "edges" => {
                    wanted.rows = true;
                    ConnectionMember::Edges(self.edge_members(id, &sets, scope, row, page, wanted)?)
                }
                "pageInfo" => {
                    let members = self.page_members(&sets, wanted)?;
                    let ahead =
                        |m: &Entry<PageMember>| matches!(m.value, PageMember::HasNext | PageMember::HasPrevious);
                    self.pages[page.0].looks_ahead |= members.iter().any(ahead);
                    ConnectionMember::PageInfo(members)
                }
                "totalCount" => {
                    wanted.total = true;
                    ConnectionMember::Total
                }
                "aggregate" => ConnectionMember::Aggregate(self.aggregate(rows, &sets, &mut wanted.aggregate)?),
                "groups" => {
                    let (sql, object) = self.groups(rows, &collected, within)?;
                    wanted.groups.push(sql);
                    ConnectionMember::Groups { index: wanted.groups.len() - 1, object }
                }
                _ => ConnectionMember::Constant(type_name_json(&kind)),
            };
            members.push(Entry { key: collected.key.into(), value });
        }
        Ok(members)
    }

    fn node(
        &mut self,
        id: EntityId,
        sets: &[&'a SelectionSet],
        scope: &Scope,
        row: &mut Row,
        page: PageId,
    ) -> Fallible<ObjectLayout> {
        self.object(id, scope, sets, row, Within::Page(page.0))
    }

    fn edge_members(
        &mut self,
        id: EntityId,
        sets: &[&'a SelectionSet],
        scope: &Scope,
        row: &mut Row,
        page: PageId,
        wanted: &mut Wanted,
    ) -> Fallible<Vec<Entry<EdgeMember>>> {
        let kind = format!("{}Edge", self.catalog.entity(id).type_name);
        let mut members = Vec::new();
        for collected in self.fields(&kind, sets)? {
            let value = match collected.field().name.as_str() {
                "cursor" => {
                    wanted.cursor = true;
                    EdgeMember::Cursor
                }
                "node" => EdgeMember::Node(self.node(id, &collected.selections(), scope, row, page)?),
                _ => EdgeMember::Constant(type_name_json(&kind)),
            };
            members.push(Entry { key: collected.key.into(), value });
        }
        Ok(members)
    }

    fn page_members(&mut self, sets: &[&'a SelectionSet], wanted: &mut Wanted) -> Fallible<Vec<Entry<PageMember>>> {
        let mut members = Vec::new();
        for collected in self.fields("PageInfo", sets)? {
            wanted.rows = true;
            let value = match collected.field().name.as_str() {
                "hasNextPage" => PageMember::HasNext,
                "hasPreviousPage" => PageMember::HasPrevious,
                cursor @ ("startCursor" | "endCursor") => {
                    wanted.cursor = true;
                    if cursor == "startCursor" { PageMember::Start } else { PageMember::End }
                }
                _ => PageMember::Constant(type_name_json("PageInfo")),
            };
            members.push(Entry { key: collected.key.into(), value });
        }
        Ok(members)
    }
}
