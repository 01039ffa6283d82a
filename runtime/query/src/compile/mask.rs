//! Masks: turns a column and a mask into the expression that is selected in the column's place.

use super::{Compiler, Scope};
use crate::access::Reading;
use crate::catalog::{Column, ColumnId, Entity};
use crate::params::Param;
use crate::scalar::Scalar;
use serde_json::Value;
use terrane_manifest::{DateUnit, Mask, PgType};
use terrane_sql::Sql;

/// What a selected column is.
pub(super) enum Shown {
    /// This expression, of the column's type.
    Expr(Sql),
    /// Null in every row.
    Null,
    /// Nothing: the caller may not see it.
    Denied,
}

impl Compiler<'_> {
    /// What the caller sees of a column. This is the only way in which a masked column gets into a statement.
    pub(super) fn shown(&mut self, entity: &Entity, column: ColumnId, scope: &Scope) -> Shown {
        let (description, raw) = (entity.column(column), scope.expr(column));
        let access = self.access;
        self.touch(description);
        match access.reading_of(description) {
            Reading::Clear => Shown::Expr(raw.clone()),
            Reading::Denied => Shown::Denied,
            Reading::Masked(mask) => {
                let object = description.object.as_deref().unwrap_or_default();
                self.masked(mask, raw, description.pg, object).map_or(Shown::Null, Shown::Expr)
            }
        }
    }

    /// The columns that order rows of `entity` whose key the caller may not read: what it sees of each row, and so
    /// nothing that it does not see decides which rows a page has. Clear columns come first.
    pub(super) fn visible_order(&mut self, entity: &Entity, scope: &Scope) -> Vec<(ColumnId, Sql)> {
        let ordered = |c: &Column| !c.array && c.scalar.is_ordered();
        let mut columns: Vec<ColumnId> =
            (0..entity.columns.len() as u32).map(ColumnId).filter(|c| ordered(entity.column(*c))).collect();
        columns.sort_by_key(|c| !self.access.reads(entity.column(*c)));
        columns
            .into_iter()
            .filter_map(|column| match self.shown(entity, column, scope) {
                Shown::Expr(sql) => Some((column, sql)),
                Shown::Null | Shown::Denied => None,
            })
            .collect()
    }

    /// `raw`, a column of type `pg`, as `mask` shows it; of the same type. `None` when nothing is left. No value can make
    /// the expression fail.
    pub(super) fn masked(&mut self, mask: &Mask, raw: &Sql, pg: PgType, object: &str) -> Option<Sql> {
        match mask {
            Mask::Null => None,
            Mask::Hash => self.hash(raw, pg, object),
            Mask::Partial { first, last } => Some(partial(raw, *first, *last)),
            Mask::Width(width) => Some(self.width(raw, pg, width)),
            Mask::Unit(unit) => Some(cut(raw, pg, *unit)),
        }
    }

    /// `left(encode(sha256(…), 'hex'), 32)` of salt and value: 128 bits, so that nothing can be appended to a known one.
    /// Without a salt a hash could be looked up in a dictionary: then nothing is shown.
    fn hash(&mut self, raw: &Sql, pg: PgType, object: &str) -> Option<Sql> {
        self.catalog.salt.as_ref()?;
        let mut sql = Sql::lit("left(encode(sha256(convert_to(");
        self.push_param(&mut sql, Param::Salt { object: object.to_owned() }, PgType::Text, false);
        sql.push(" || (").append(raw).push(")::text, 'UTF8')), 'hex'), 32)");
        if pg == PgType::Uuid {
            sql.push("::uuid");
        }
        Some(sql)
    }

    /// `floor(x / width) * width`, in `numeric` and within the type's bounds.
    fn width(&mut self, raw: &Sql, pg: PgType, width: &serde_json::Number) -> Sql {
        let mut step = Sql::new();
        let literal = Param::Literal(Value::String(plain(width)), Scalar::Decimal, PgType::Numeric);
        self.push_param(&mut step, literal, PgType::Numeric, false);
        let mut floor = Sql::lit("floor(");
        floor.append(raw).push("::numeric / ").append(&step).push(") * ").append(&step);
        let mut sql = Sql::new();
        match pg {
            PgType::Int2 => sql.push("greatest(").append(&floor).push(", -32768)::smallint"),
            PgType::Int4 => sql.push("greatest(").append(&floor).push(", -2147483648)::integer"),
            PgType::Int8 => sql.push("greatest(").append(&floor).push(", -9223372036854775808)::bigint"),
            // what is no number, or larger than a bucket's bounds can be, has no bucket
            PgType::Float4 => bounded(&mut sql, raw, " BETWEEN -1e36 AND 1e36 THEN (", &floor).push(")::real END"),
            PgType::Float8 => {
                bounded(&mut sql, raw, " BETWEEN -1e300 AND 1e300 THEN (", &floor).push(")::double precision END")
            }
            _ => sql.push("(").append(&floor).push(")"),
        };
        sql
    }
}

fn bounded<'s>(sql: &'s mut Sql, raw: &Sql, range: &'static str, floor: &Sql) -> &'s mut Sql {
    sql.push("CASE WHEN ").append(raw).push(range).append(floor)
}

/// `width` without an exponent.
fn plain(width: &serde_json::Number) -> String {
    match width.as_f64() {
        Some(float) if !width.is_u64() => {
            let text = format!("{float:.9}");
            text.trim_end_matches('0').trim_end_matches('.').to_owned()
        }
        _ => width.to_string(),
    }
}

/// The first and last characters, where there are more than those; the length of what is between them does not show.
fn partial(raw: &Sql, first: u32, last: u32) -> Sql {
    let mut text = Sql::lit("(");
    text.append(raw).push(")::text");
    let mut sql = Sql::lit("CASE WHEN char_length(");
    sql.append(&text).push(") > ").number(u64::from(first) + u64::from(last)).push(" THEN left(");
    sql.append(&text).push(", ").number(u64::from(first)).push(") || '***' || right(");
    sql.append(&text)
        .push(", ")
        .number(u64::from(last))
        .push(") WHEN ")
        .append(raw)
        .push(" IS NOT NULL THEN '***' END");
    sql
}

/// The start of the unit. The days that have no start of their year within the type's range are before all others.
fn cut(raw: &Sql, pg: PgType, unit: DateUnit) -> Sql {
    let mut sql = Sql::lit("CASE WHEN ");
    sql.append(raw).push(" < '4713-01-01 BC' THEN '-infinity' ");
    if pg == PgType::Date {
        sql.push("WHEN isfinite(").append(raw).push(") THEN ").append(raw).push(" - (extract(");
        sql.push(if unit == DateUnit::Year { "doy" } else { "day" });
        sql.push(" FROM ").append(raw).push(")::integer - 1) ELSE ").append(raw).push(" END");
        return sql;
    }
    sql.push("ELSE date_trunc('").push(unit.word()).push("', ").append(raw);
    sql.push(if pg == PgType::Timestamptz { ", 'UTC') END" } else { ") END" });
    sql
}
