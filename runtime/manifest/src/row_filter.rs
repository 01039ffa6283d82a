//! Row filters: turns a role's `rowFilter` predicate into a checked expression over fields, claims and literals.

use sqlparser::ast::{BinaryOperator, Expr, FunctionArg, FunctionArgExpr, FunctionArguments, UnaryOperator, Value};
use sqlparser::dialect::PostgreSqlDialect;
use sqlparser::parser::Parser;
use sqlparser::tokenizer::{Token, Tokenizer, Word};

/// A predicate on a row. Nothing else than these forms can be written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum RowFilter {
    /// All of them hold.
    And(Vec<RowFilter>),
    /// One of them holds.
    Or(Vec<RowFilter>),
    /// It does not hold.
    Not(Box<RowFilter>),
    /// `field op value`.
    Compare {
        /// ODCS name of the field.
        field: String,
        /// Comparison.
        op: CompareOp,
        /// What it is compared with.
        value: Operand,
    },
    /// `field = ANY(:claim.x)`: the claim is a list.
    AnyOf {
        /// ODCS name of the field.
        field: String,
        /// Name of the claim.
        claim: String,
    },
    /// `field IN (…)`.
    In {
        /// ODCS name of the field.
        field: String,
        /// Candidates.
        values: Vec<Operand>,
    },
    /// `field IS NULL`.
    IsNull {
        /// ODCS name of the field.
        field: String,
    },
}

/// A comparison operator.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CompareOp {
    /// `=`
    Eq,
    /// `<>`
    Ne,
    /// `<`
    Lt,
    /// `<=`
    Le,
    /// `>`
    Gt,
    /// `>=`
    Ge,
}

/// A value in a row filter.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Operand {
    /// The caller's claim of that name.
    Claim(String),
    /// Text.
    Text(String),
    /// Whole number.
    Integer(i64),
    /// True or false.
    Boolean(bool),
}

const CLAIM: &str = "terrane_claim";
const ALLOWED: &str = "use comparisons, IN, = ANY(:claim.x), IS NULL, AND, OR and NOT over fields of the dataset";

impl RowFilter {
    /// Read a predicate such as `continent_code = ANY(:claim.continents)`.
    ///
    /// # Errors
    /// What is wrong, as text for a diagnostic.
    pub fn parse(text: &str) -> Result<Self, String> {
        let dialect = PostgreSqlDialect {};
        let tokens = Tokenizer::new(&dialect, text).tokenize().map_err(|e| e.to_string())?;
        let tokens = name_claims(tokens)?;
        let mut parser = Parser::new(&dialect).with_tokens(tokens);
        let expr = parser.parse_expr().map_err(|e| e.to_string())?;
        if parser.peek_token().token != Token::EOF {
            return Err(format!("unexpected `{}` after the predicate", parser.peek_token().token));
        }
        read(&expr)
    }

    /// Names of the fields it reads.
    pub fn fields(&self) -> Vec<&str> {
        match self {
            Self::And(parts) | Self::Or(parts) => parts.iter().flat_map(Self::fields).collect(),
            Self::Not(inner) => inner.fields(),
            Self::Compare { field, .. }
            | Self::AnyOf { field, .. }
            | Self::In { field, .. }
            | Self::IsNull { field } => vec![field],
        }
    }
}

impl RowFilter {
    /// Names of the claims it reads: what it lets through depends on who asks.
    pub fn claims(&self) -> Vec<&str> {
        match self {
            Self::And(parts) | Self::Or(parts) => parts.iter().flat_map(Self::claims).collect(),
            Self::Not(inner) => inner.claims(),
            Self::AnyOf { claim, .. } => vec![claim],
            Self::Compare { value, .. } => claim_of(value).into_iter().collect(),
            Self::In { values, .. } => values.iter().filter_map(claim_of).collect(),
            Self::IsNull { .. } => Vec::new(),
        }
    }
}

fn claim_of(operand: &Operand) -> Option<&str> {
    match operand {
        Operand::Claim(name) => Some(name),
        Operand::Text(_) | Operand::Integer(_) | Operand::Boolean(_) => None,
    }
}

/// `:claim.x` is no SQL: write it as a call, which the parser can read.
fn name_claims(tokens: Vec<Token>) -> Result<Vec<Token>, String> {
    let tokens: Vec<Token> = tokens.into_iter().filter(|t| !matches!(t, Token::Whitespace(_))).collect();
    let mut out = Vec::with_capacity(tokens.len());
    let mut i = 0;
    while i < tokens.len() {
        match &tokens[i..] {
            [Token::Colon, Token::Word(claim), Token::Period, Token::Word(name), ..] if claim.value == "claim" => {
                out.push(Token::Word(Word {
                    value: CLAIM.to_owned(),
                    quote_style: None,
                    keyword: sqlparser::keywords::Keyword::NoKeyword,
                }));
                out.extend([Token::LParen, Token::SingleQuotedString(name.value.clone()), Token::RParen]);
                i += 4;
            }
            [Token::Colon | Token::Placeholder(_), ..] => return Err("a parameter is written `:claim.NAME`".to_owned()),
            [token, ..] => {
                out.push(token.clone());
                i += 1;
            }
            [] => break,
        }
    }
    Ok(out)
}

fn read(expr: &Expr) -> Result<RowFilter, String> {
    match expr {
        Expr::Nested(inner) => read(inner),
        Expr::UnaryOp { op: UnaryOperator::Not, expr } => Ok(RowFilter::Not(Box::new(read(expr)?))),
        Expr::BinaryOp { left, op: BinaryOperator::And, right } => Ok(RowFilter::And(vec![read(left)?, read(right)?])),
        Expr::BinaryOp { left, op: BinaryOperator::Or, right } => Ok(RowFilter::Or(vec![read(left)?, read(right)?])),
        Expr::BinaryOp { left, op, right } => {
            Ok(RowFilter::Compare { field: field(left)?, op: compare_op(op)?, value: operand(right)? })
        }
        Expr::AnyOp { left, compare_op: BinaryOperator::Eq, right, .. } => {
            let right = if let Expr::Nested(inner) = right.as_ref() { inner } else { right };
            match operand(right)? {
                Operand::Claim(claim) => Ok(RowFilter::AnyOf { field: field(left)?, claim }),
                _ => Err("= ANY takes `:claim.NAME`".to_owned()),
            }
        }
        Expr::InList { expr, list, negated } => {
            let filter =
                RowFilter::In { field: field(expr)?, values: list.iter().map(operand).collect::<Result<_, _>>()? };
            Ok(if *negated { RowFilter::Not(Box::new(filter)) } else { filter })
        }
        Expr::IsNull(inner) => Ok(RowFilter::IsNull { field: field(inner)? }),
        Expr::IsNotNull(inner) => Ok(RowFilter::Not(Box::new(RowFilter::IsNull { field: field(inner)? }))),
        other => Err(format!("`{other}` is not allowed here; {ALLOWED}")),
    }
}

fn field(expr: &Expr) -> Result<String, String> {
    match expr {
        Expr::Identifier(ident) => Ok(ident.value.clone()),
        other => Err(format!("`{other}` must be a field; {ALLOWED}")),
    }
}

fn compare_op(op: &BinaryOperator) -> Result<CompareOp, String> {
    Ok(match op {
        BinaryOperator::Eq => CompareOp::Eq,
        BinaryOperator::NotEq => CompareOp::Ne,
        BinaryOperator::Lt => CompareOp::Lt,
        BinaryOperator::LtEq => CompareOp::Le,
        BinaryOperator::Gt => CompareOp::Gt,
        BinaryOperator::GtEq => CompareOp::Ge,
        other => return Err(format!("operator `{other}` is not allowed; {ALLOWED}")),
    })
}

fn operand(expr: &Expr) -> Result<Operand, String> {
    match expr {
        Expr::Value(value) => match &value.value {
            Value::SingleQuotedString(text) => Ok(Operand::Text(text.clone())),
            Value::Boolean(flag) => Ok(Operand::Boolean(*flag)),
            Value::Number(number, _) => integer(&number.to_string()),
            other => Err(format!("`{other}` is not allowed; {ALLOWED}")),
        },
        Expr::UnaryOp { op: UnaryOperator::Minus, expr: inner } => match &**inner {
            Expr::Value(value) if matches!(value.value, Value::Number(..)) => integer(&expr.to_string()),
            _ => Err(format!("`{expr}` must be a literal or `:claim.NAME`")),
        },
        Expr::Function(call) if call.name.to_string() == CLAIM => claim_name(&call.args),
        other => Err(format!("`{other}` must be a literal or `:claim.NAME`")),
    }
}

fn integer(text: &str) -> Result<Operand, String> {
    text.parse().map(Operand::Integer).map_err(|_| format!("`{text}` is no integer of 64 bits"))
}

fn claim_name(args: &FunctionArguments) -> Result<Operand, String> {
    if let FunctionArguments::List(list) = args
        && let [FunctionArg::Unnamed(FunctionArgExpr::Expr(Expr::Value(value)))] = list.args.as_slice()
        && let Value::SingleQuotedString(name) = &value.value
    {
        return Ok(Operand::Claim(name.clone()));
    }
    Err("a claim is written `:claim.NAME`".to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_claims_and_comparisons() {
        assert_eq!(
            RowFilter::parse("continent_code = ANY(:claim.continents)").unwrap(),
            RowFilter::AnyOf { field: "continent_code".into(), claim: "continents".into() }
        );
        let both = RowFilter::parse("(tenant = :claim.tenant AND level <= 3) OR name IS NOT NULL").unwrap();
        assert_eq!(both.fields(), ["tenant", "level", "name"]);
    }

    #[test]
    fn refuses_whatever_could_do_more() {
        for text in [
            "true",
            "a = (SELECT 1)",
            "pg_sleep(1) = 1",
            "a = b",
            "a = 1; DROP TABLE x",
            "a = $1",
            "a = :x",
            "a || 'x' = 'y'",
            "",
        ] {
            assert!(RowFilter::parse(text).is_err(), "{text}");
        }
    }
}
