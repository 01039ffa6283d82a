//! Naive: turns rows in memory and what an operation asks of them into what must come out, row by row.
#![allow(dead_code, clippy::unwrap_used)] // each test binary uses a part of it; a test may panic

use serde_json::{Map, Value, json};
use std::cmp::Ordering;
use std::collections::BTreeSet;

/// What a column's values are, in the form of a response.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    Int,
    BigInt,
    /// With six digits after the point.
    Decimal,
    Float,
    /// `String`, and what compares as its text does.
    Text,
    Plain,
    Date,
    Bool,
    Texts,
    Ints,
}

/// How two rows are related: fields here and there, and which of them is a list.
#[derive(Debug, Clone, Copy)]
pub enum Join {
    Equal(&'static str, &'static str),
    ItemsHere(&'static str, &'static str),
    ItemsThere(&'static str, &'static str),
}

pub struct Relation {
    pub name: &'static str,
    pub target: usize,
    pub many: bool,
    pub join: Join,
}

pub struct Type {
    pub name: &'static str,
    pub list: &'static str,
    pub key: &'static [&'static str],
    pub columns: &'static [(&'static str, Kind)],
    pub relations: &'static [Relation],
}

use Kind::{BigInt, Bool, Date, Decimal, Float, Int, Ints, Plain, Text, Texts};

pub const STATION: usize = 0;
pub const READING: usize = 1;

pub static TYPES: [Type; 2] = [
    Type {
        name: "Station",
        list: "stations",
        key: &["code"],
        columns: &[("code", Text), ("name", Text), ("parentCode", Text), ("near", Texts)],
        relations: &[
            Relation { name: "parent", target: STATION, many: false, join: Join::Equal("parentCode", "code") },
            Relation { name: "children", target: STATION, many: true, join: Join::Equal("code", "parentCode") },
            Relation { name: "nearStations", target: STATION, many: true, join: Join::ItemsHere("near", "code") },
            Relation { name: "nearOf", target: STATION, many: true, join: Join::ItemsThere("code", "near") },
            Relation { name: "readings", target: READING, many: true, join: Join::Equal("code", "stationCode") },
        ],
    },
    Type {
        name: "Reading",
        list: "readings",
        key: &["stationCode", "takenAt"],
        columns: &[
            ("stationCode", Text),
            ("takenAt", Plain),
            ("region", Text),
            ("small", Int),
            ("whole", Int),
            ("big", BigInt),
            ("exact", Float),
            ("amount", Decimal),
            ("open", Bool),
            ("day", Date),
            ("tag", Plain),
            ("code", Text),
            ("label", Text),
            ("mood", Text),
            ("words", Texts),
            ("numbers", Ints),
        ],
        relations: &[Relation {
            name: "station",
            target: STATION,
            many: false,
            join: Join::Equal("stationCode", "code"),
        }],
    },
];

pub fn kind(ty: usize, name: &str) -> Option<Kind> {
    TYPES[ty].columns.iter().find(|(n, _)| *n == name).map(|(_, k)| *k)
}

pub fn relation(ty: usize, name: &str) -> Option<&'static Relation> {
    TYPES[ty].relations.iter().find(|r| r.name == name)
}

/// All rows, and the regions whose readings the caller may see.
pub struct World {
    pub rows: [Vec<Value>; 2],
    pub regions: Option<Vec<String>>,
}

impl World {
    fn sees(&self, ty: usize, row: &Value) -> bool {
        let Some(regions) = &self.regions else { return true };
        ty != READING || regions.iter().any(|r| row["region"] == *r)
    }

    pub fn visible(&self, ty: usize) -> Vec<&Value> {
        self.rows[ty].iter().filter(|r| self.sees(ty, r)).collect()
    }

    pub fn related(&self, row: &Value, relation: &Relation) -> Vec<&Value> {
        let has = |list: &Value, item: &Value| list.as_array().is_some_and(|l| l.contains(item));
        let joined = |there: &Value| match relation.join {
            Join::Equal(a, b) => !row[a].is_null() && row[a] == there[b],
            Join::ItemsHere(a, b) => has(&row[a], &there[b]),
            Join::ItemsThere(a, b) => has(&there[b], &row[a]),
        };
        self.visible(relation.target).into_iter().filter(|there| joined(there)).collect()
    }

    /// Whether a row fulfils a filter; `None` where SQL does not know.
    pub fn matches(&self, ty: usize, row: &Value, filter: &Value) -> Option<bool> {
        let parts = filter.as_object().unwrap().iter().map(|(name, part)| match name.as_str() {
            "and" => all(part.as_array().unwrap().iter().map(|f| self.matches(ty, row, f))),
            "or" => any(part.as_array().unwrap().iter().map(|f| self.matches(ty, row, f))),
            "not" => self.matches(ty, row, part).map(|b| !b),
            field => match relation(ty, field) {
                Some(relation) => Some(self.quantified(row, relation, part)),
                None => conditions(kind(ty, field).unwrap(), &row[field], part),
            },
        });
        all(parts)
    }

    fn quantified(&self, row: &Value, relation: &Relation, part: &Value) -> bool {
        let related = self.related(row, relation);
        let holds = |filter: &Value, row: &Value| self.matches(relation.target, row, filter) == Some(true);
        if !relation.many {
            return related.iter().any(|r| holds(part, r));
        }
        part.as_object().unwrap().iter().all(|(quantifier, filter)| match quantifier.as_str() {
            "some" => related.iter().any(|r| holds(filter, r)),
            "none" => !related.iter().any(|r| holds(filter, r)),
            _ => related.iter().all(|r| holds(filter, r)),
        })
    }

    /// The value that an entry of `orderBy` orders a row by, with its kind, direction and place of nulls.
    fn order_value<'w>(&'w self, ty: usize, row: &'w Value, entry: &Value) -> (&'w Value, Kind, bool, bool) {
        let entry = entry.as_object().unwrap();
        if let Some(field) = entry.get("field") {
            let (name, kind) = named(ty, field.as_str().unwrap());
            return (&row[name], kind, entry["direction"] == "DESC", entry["nulls"] == "FIRST");
        }
        let (name, inner) = entry.iter().find(|(k, _)| relation(ty, k).is_some()).unwrap();
        let relation = relation(ty, name).unwrap();
        match self.related(row, relation).first() {
            Some(there) => self.order_value(relation.target, there, inner),
            None => {
                let (_, kind, descending, first) = self.order_value(relation.target, &Value::Null, inner);
                (&Value::Null, kind, descending, first)
            }
        }
    }

    /// Rows that match, in order.
    pub fn list<'w>(&'w self, ty: usize, rows: Vec<&'w Value>, filter: &Value, order: &[Value]) -> Vec<&'w Value> {
        let mut found: Vec<&Value> = rows.into_iter().filter(|r| self.matches(ty, r, filter) == Some(true)).collect();
        found.sort_by(|a, b| {
            let by_order = order.iter().map(|entry| {
                let (a, kind, descending, first) = self.order_value(ty, a, entry);
                placed(kind, a, self.order_value(ty, b, entry).0, descending, first)
            });
            let by_key = TYPES[ty].key.iter().map(|k| placed(kind(ty, k).unwrap(), &a[*k], &b[*k], false, false));
            by_order.chain(by_key).find(|o| *o != Ordering::Equal).unwrap_or(Ordering::Equal)
        });
        found
    }
}

/// The column that an enum value names: `STATION_CODE`.
pub fn named(ty: usize, value: &str) -> (&'static str, Kind) {
    *TYPES[ty].columns.iter().find(|(name, _)| enum_value(name) == value).unwrap()
}

pub fn enum_value(name: &str) -> String {
    name.chars().fold(String::new(), |mut out, c| {
        if c.is_ascii_uppercase() {
            out.push('_');
        }
        out.push(c.to_ascii_uppercase());
        out
    })
}

/// Where a value stands beside another: nulls first or last whatever the direction.
pub fn placed(kind: Kind, a: &Value, b: &Value, descending: bool, nulls_first: bool) -> Ordering {
    match (a.is_null(), b.is_null()) {
        (true, true) => Ordering::Equal,
        (true, false) if nulls_first => Ordering::Less,
        (true, false) => Ordering::Greater,
        (false, true) => placed(kind, b, a, descending, nulls_first).reverse(),
        (false, false) if descending => compare(kind, b, a),
        (false, false) => compare(kind, a, b),
    }
}

/// Two values of one kind that are not null.
pub fn compare(kind: Kind, a: &Value, b: &Value) -> Ordering {
    match kind {
        Int | BigInt | Decimal => exact(a).cmp(&exact(b)),
        Float => a.as_f64().unwrap().total_cmp(&b.as_f64().unwrap()),
        Bool => a.as_bool().cmp(&b.as_bool()),
        Text | Plain | Date => a.as_str().unwrap().cmp(b.as_str().unwrap()),
        Texts | Ints => unreachable!("lists have no order"),
    }
}

/// An exact number in millionths.
pub fn exact(value: &Value) -> i128 {
    let text = value.as_str().map_or_else(|| value.to_string(), str::to_owned);
    let (whole, fraction) = text.split_once('.').unwrap_or((&text, ""));
    let digits: i128 = format!("{}{fraction:0<6}", whole.trim_start_matches('-')).parse().unwrap();
    if text.starts_with('-') { -digits } else { digits }
}

fn all(parts: impl Iterator<Item = Option<bool>>) -> Option<bool> {
    let parts: Vec<_> = parts.collect();
    if parts.contains(&Some(false)) { Some(false) } else { parts.into_iter().all(|p| p == Some(true)).then_some(true) }
}

fn any(parts: impl Iterator<Item = Option<bool>>) -> Option<bool> {
    all(parts.map(|p| p.map(|b| !b))).map(|b| !b)
}

/// What a filter on one value says of it.
pub fn conditions(kind: Kind, value: &Value, given: &Value) -> Option<bool> {
    all(given.as_object().unwrap().iter().map(|(operator, operand)| condition(kind, value, operator, operand)))
}

fn condition(kind: Kind, value: &Value, operator: &str, operand: &Value) -> Option<bool> {
    let known = !value.is_null();
    let items = || operand.as_array().unwrap();
    let text = || (value.as_str().unwrap(), operand.as_str().unwrap());
    match operator {
        "isNull" => Some(value.is_null() == operand.as_bool().unwrap()),
        // a list of nothing is known not to hold a value that is not known
        "in" if items().is_empty() => Some(false),
        "notIn" if items().is_empty() => Some(true),
        _ if !known => None,
        "isEmpty" => Some(value.as_array().unwrap().is_empty() == operand.as_bool().unwrap()),
        "contains" => Some(set(operand).is_subset(&set(value))),
        "containedBy" => Some(set(value).is_subset(&set(operand))),
        "overlaps" => Some(!set(value).is_disjoint(&set(operand))),
        "eq" if matches!(kind, Texts | Ints) => Some(value == operand),
        "in" => Some(items().iter().any(|i| compare(kind, value, i).is_eq())),
        "notIn" => Some(items().iter().all(|i| compare(kind, value, i).is_ne())),
        "startsWith" => Some(text().0.starts_with(text().1)),
        "endsWith" => Some(text().0.ends_with(text().1)),
        "includes" => Some(text().0.contains(text().1)),
        "includesInsensitive" => Some(text().0.to_ascii_lowercase().contains(&text().1.to_ascii_lowercase())),
        comparison => {
            let found = compare(kind, value, operand);
            Some(match comparison {
                "eq" => found.is_eq(),
                "ne" => found.is_ne(),
                "lt" => found.is_lt(),
                "lte" => found.is_le(),
                "gt" => found.is_gt(),
                "gte" => found.is_ge(),
                other => panic!("{other}"),
            })
        }
    }
}

fn set(list: &Value) -> BTreeSet<String> {
    list.as_array().unwrap().iter().map(Value::to_string).collect()
}

/// A figure of a column over rows, in the form of a response; floating-point results are compared by the caller with care.
pub fn figure(function: &str, kind: Kind, values: &[&Value]) -> Value {
    let known: Vec<&Value> = values.iter().copied().filter(|v| !v.is_null()).collect();
    match function {
        "distinct" => json!(known.iter().map(|v| v.to_string()).collect::<BTreeSet<_>>().len()),
        "min" => known.iter().copied().min_by(|a, b| compare(kind, a, b)).cloned().unwrap_or(Value::Null),
        "max" => known.iter().copied().max_by(|a, b| compare(kind, a, b)).cloned().unwrap_or(Value::Null),
        _ if known.is_empty() => Value::Null,
        "sum" if kind == Float => json!(known.iter().map(|v| v.as_f64().unwrap()).sum::<f64>()),
        "sum" => {
            let sum: i128 = known.iter().map(|v| exact(v)).sum();
            let (whole, fraction) = (sum.abs() / 1_000_000, sum.abs() % 1_000_000);
            let sign = if sum < 0 { "-" } else { "" };
            json!(if kind == Decimal { format!("{sign}{whole}.{fraction:06}") } else { format!("{sign}{whole}") })
        }
        _ => {
            let numbers: Vec<f64> = known.iter().map(|v| float(kind, v)).collect();
            let mean = numbers.iter().sum::<f64>() / numbers.len() as f64;
            if function == "avg" {
                return json!(mean);
            }
            if numbers.len() < 2 {
                return Value::Null;
            }
            let squares: f64 = numbers.iter().map(|n| (n - mean).powi(2)).sum();
            json!((squares / (numbers.len() - 1) as f64).sqrt())
        }
    }
}

fn float(kind: Kind, value: &Value) -> f64 {
    if kind == Float { value.as_f64().unwrap() } else { exact(value) as f64 / 1e6 }
}

/// Rows in groups, with the values of their keys: `by` names columns, maybe with a span of time.
pub fn groups<'w>(ty: usize, rows: &[&'w Value], by: &[Value]) -> Vec<(Map<String, Value>, Vec<&'w Value>)> {
    let mut groups: Vec<(Map<String, Value>, Vec<&Value>)> = Vec::new();
    for row in rows {
        let keys: Map<String, Value> = by
            .iter()
            .map(|part| {
                let (name, _) = named(ty, part["field"].as_str().unwrap());
                (name.to_owned(), bucketed(&row[name], part.get("bucket")))
            })
            .collect();
        match groups.iter_mut().find(|(k, _)| *k == keys) {
            Some((_, rows)) => rows.push(row),
            None => groups.push((keys, vec![row])),
        }
    }
    groups
}

fn bucketed(value: &Value, bucket: Option<&Value>) -> Value {
    use chrono::Datelike as _;
    let (Some(text), Some(bucket)) = (value.as_str(), bucket) else { return value.clone() };
    let day = chrono::NaiveDate::parse_from_str(text, "%Y-%m-%d").unwrap();
    let start = match bucket.as_str().unwrap() {
        "YEAR" => day.with_ordinal(1),
        "QUARTER" => day.with_day(1).and_then(|d| d.with_month(d.month0() / 3 * 3 + 1)),
        "MONTH" => day.with_day(1),
        "WEEK" => Some(day - chrono::Days::new(u64::from(day.weekday().num_days_from_monday()))),
        _ => Some(day),
    };
    json!(start.unwrap().format("%Y-%m-%d").to_string())
}
