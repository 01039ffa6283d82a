//! Row filters: turns a role's predicate into a condition that every statement on its rows carries.

use crate::params::Param;
use crate::scalar::Scalar;
use terrane_manifest::{CompareOp, Operand, PgType, RowFilter};
use terrane_sql::Sql;

/// A field that a row filter names: its SQL expression and type.
pub(crate) struct FilterField {
    pub(crate) expr: Sql,
    pub(crate) pg: PgType,
}

/// Where fields come from and params go to.
pub(crate) trait FilterContext {
    /// The field of that ODCS name.
    fn field(&self, name: &str) -> Option<FilterField>;
    /// Append a param with its casts.
    fn push(&mut self, sql: &mut Sql, param: Param, pg: PgType, array: bool);
}

/// The condition of `filter`. A field that is not there makes it FALSE: better no rows than rows nobody may see.
pub(crate) fn row_condition(filter: &RowFilter, context: &mut dyn FilterContext) -> Sql {
    condition(filter, context).unwrap_or_else(|| Sql::lit("FALSE"))
}

fn condition(filter: &RowFilter, context: &mut dyn FilterContext) -> Option<Sql> {
    let mut sql = Sql::lit("(");
    match filter {
        RowFilter::And(parts) | RowFilter::Or(parts) => {
            let any = matches!(filter, RowFilter::Or(_));
            let parts: Option<Vec<Sql>> = parts.iter().map(|p| condition(p, context)).collect();
            return Some(combine(&parts?, any));
        }
        RowFilter::Not(inner) => {
            sql.push("NOT ").append(&condition(inner, context)?);
        }
        RowFilter::IsNull { field } => {
            sql.append(&context.field(field)?.expr).push(" IS NULL");
        }
        RowFilter::AnyOf { field, claim } => {
            let FilterField { expr, pg } = context.field(field)?;
            sql.append(&expr).push(" = ANY(");
            context.push(
                &mut sql,
                Param::Claim { name: claim.clone(), scalar: Scalar::of(pg), pg, list: true },
                pg,
                true,
            );
            sql.push(")");
        }
        RowFilter::In { field, values } => {
            let parts: Option<Vec<Sql>> = values.iter().map(|v| compare(field, CompareOp::Eq, v, context)).collect();
            return Some(combine(&parts?, true));
        }
        RowFilter::Compare { field, op, value } => return compare(field, *op, value, context),
    }
    sql.push(")");
    Some(sql)
}

fn compare(field: &str, op: CompareOp, value: &Operand, context: &mut dyn FilterContext) -> Option<Sql> {
    let FilterField { expr, pg } = context.field(field)?;
    let mut sql = Sql::lit("(");
    sql.append(&expr).push(match op {
        CompareOp::Eq => " = ",
        CompareOp::Ne => " <> ",
        CompareOp::Lt => " < ",
        CompareOp::Le => " <= ",
        CompareOp::Gt => " > ",
        CompareOp::Ge => " >= ",
    });
    operand(&mut sql, value, pg, context);
    sql.push(")");
    Some(sql)
}

/// What a field is compared with. The contract's own constants are part of the text where their type is the column's kind:
/// Postgres then plans with them, and nothing is sent for them. What has to be read first, or comes from the caller, is a
/// bind.
fn operand(sql: &mut Sql, value: &Operand, pg: PgType, context: &mut dyn FilterContext) {
    let scalar = Scalar::of(pg);
    let param = match value {
        Operand::Integer(number) if matches!(pg, PgType::Int2 | PgType::Int4 | PgType::Int8) => {
            sql.integer(*number).push("::bigint");
            return;
        }
        Operand::Boolean(flag) if pg == PgType::Bool => {
            sql.push(if *flag { "TRUE" } else { "FALSE" });
            return;
        }
        Operand::Text(text) if matches!(pg, PgType::Text | PgType::Varchar) && !text.contains('\0') => {
            sql.string_literal(text).push("::text");
            return;
        }
        Operand::Claim(name) => Param::Claim { name: name.clone(), scalar, pg, list: false },
        Operand::Text(text) => Param::Literal(text.clone().into(), scalar, pg),
        Operand::Integer(number) => Param::Literal((*number).into(), scalar, pg),
        Operand::Boolean(flag) => Param::Literal((*flag).into(), scalar, pg),
    };
    context.push(sql, param, pg, false);
}

/// `(a AND b)`; of nothing, all is true and any is false.
pub(crate) fn combine(parts: &[Sql], any: bool) -> Sql {
    if parts.is_empty() {
        return Sql::lit(if any { "FALSE" } else { "TRUE" });
    }
    let mut sql = Sql::lit("(");
    sql.join(parts, if any { " OR " } else { " AND " }).push(")");
    sql
}
