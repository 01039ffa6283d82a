//! Masks: turns a role's `masks` into checked ways of showing a part of a field's value instead of the value.

use crate::dataset::{Dataset, Field};
use crate::types::{LogicalType, PgType};
use crate::yaml::Node;
use terrane_diagnostics::Location;

/// What a role sees instead of a field's value.
#[derive(Debug, Clone, PartialEq)]
pub enum Mask {
    /// Nothing: null.
    Null,
    /// A text that is the same for the same value of the field and tells nothing else.
    Hash,
    /// The first and last characters; what is between them is `***`, however long it is.
    Partial {
        /// Characters kept at the start.
        first: u32,
        /// Characters kept at the end.
        last: u32,
    },
    /// The lower bound of the range that the number is in; ranges are this wide.
    Width(serde_json::Number),
    /// The start of the hour, day, month or year.
    Unit(DateUnit),
}

/// What dates and times are cut to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum DateUnit {
    /// Points in time only.
    Hour,
    /// Points in time only.
    Day,
    /// The first day of the month.
    Month,
    /// The first of January.
    Year,
}

impl DateUnit {
    /// The contract's word, which is also that of Postgres' `date_trunc`.
    pub fn word(self) -> &'static str {
        match self {
            Self::Hour => "hour",
            Self::Day => "day",
            Self::Month => "month",
            Self::Year => "year",
        }
    }

    fn parse(word: &str) -> Option<Self> {
        [Self::Hour, Self::Day, Self::Month, Self::Year].into_iter().find(|u| u.word() == word)
    }
}

impl Mask {
    /// The contract's word for its kind.
    pub fn kind(&self) -> &'static str {
        match self {
            Self::Null => "null",
            Self::Hash => "hash",
            Self::Partial { .. } => "partial",
            Self::Width(_) | Self::Unit(_) => "bucket",
        }
    }

    /// Whether it can make null of a value of `field`: always, or where a float is too large to have a bucket.
    pub fn may_null(&self, field: &Field) -> bool {
        let float = matches!(field.physical.base, PgType::Float4 | PgType::Float8);
        matches!(self, Self::Null) || (matches!(self, Self::Width(_)) && float)
    }

    /// How much it hides: by kind, then by how much of the value is left.
    fn hides(&self) -> (u8, f64) {
        match self {
            Self::Partial { first, last } => (0, -(f64::from(*first) + f64::from(*last))),
            Self::Width(width) => (0, width.as_f64().unwrap_or(f64::INFINITY)),
            Self::Unit(unit) => (0, f64::from(*unit as u8)),
            Self::Hash => (1, 0.0),
            Self::Null => (2, 0.0),
        }
    }

    /// The one that hides least: what a caller sees whose roles have several.
    pub fn least<'m>(masks: impl IntoIterator<Item = &'m Mask>) -> Option<&'m Mask> {
        masks.into_iter().min_by(|a, b| {
            let ((kind_a, rest_a), (kind_b, rest_b)) = (a.hides(), b.hides());
            kind_a.cmp(&kind_b).then(rest_a.total_cmp(&rest_b))
        })
    }

    /// Why it cannot stand for values of `field`; `None` when it can.
    fn misfit(&self, field: &Field) -> Option<&'static str> {
        use PgType as P;
        let (base, scalar) = (field.physical.base, !field.physical.array);
        let whole = matches!(base, P::Int2 | P::Int4 | P::Int8);
        match self {
            Self::Null => None,
            _ if !scalar => Some("a list can only be masked with `null`"),
            _ if !field.enumeration.is_empty() => {
                Some("a field with allowed values can only be masked with `null`: any other value is not one of them")
            }
            Self::Hash if matches!(base, P::Text | P::Varchar | P::Char | P::Uuid) => None,
            Self::Hash => Some("`hash` makes text: mask numbers and dates with `bucket` or `null`"),
            Self::Partial { .. } if matches!(base, P::Text | P::Varchar | P::Char) => None,
            Self::Partial { .. } => Some("`partial` keeps characters of a text: use `bucket`, `hash` or `null`"),
            Self::Width(width) if whole && width.as_u64().is_none() => {
                Some("the buckets of whole numbers have a whole `width`")
            }
            Self::Width(_) if whole || matches!(base, P::Numeric | P::Float4 | P::Float8) => None,
            Self::Width(_) => Some("`width` makes buckets of numbers: give dates a `unit`, mask texts with `partial`"),
            Self::Unit(unit) => match field.logical {
                LogicalType::Timestamp => None,
                LogicalType::Date if *unit >= DateUnit::Month => None,
                LogicalType::Date => Some("the `unit` of a date is month or year"),
                _ => Some("`unit` makes buckets of dates and points in time: give numbers a `width`"),
            },
        }
    }
}

/// A mask on a field of a contract's dataset.
#[derive(Debug, Clone, PartialEq)]
pub struct FieldMask {
    /// ODCS name of the dataset.
    pub dataset: String,
    /// ODCS name of the field.
    pub field: String,
    /// What is shown instead of its values.
    pub mask: Mask,
    /// Where the contract says so.
    pub place: Location,
}

const CODE: &str = "FIELD_MASK";

/// Read the custom property `masks` of `role`, whose contract has `datasets`.
pub(crate) fn read_masks(role: &Node<'_>, datasets: &[Dataset]) -> Vec<FieldMask> {
    let mut masks: Vec<FieldMask> = Vec::new();
    let Some(list) = role.custom("masks") else { return masks };
    for node in list.items() {
        let Some(mask) = read_mask(&node, datasets) else { continue };
        if masks.iter().any(|m| (&m.dataset, &m.field) == (&mask.dataset, &mask.field)) {
            let message = format!("{} masks `{}.{}` a second time", node.path(), mask.dataset, mask.field);
            node.error(CODE, message, "a role has one mask for a field");
            continue;
        }
        masks.push(mask);
    }
    masks
}

fn read_mask(node: &Node<'_>, datasets: &[Dataset]) -> Option<FieldMask> {
    node.expect_keys(&["field", "kind", "first", "last", "width", "unit"]);
    let name = node.require_text("field");
    let kind = node.require_text("kind");
    let (dataset, field) = find(node, &name, datasets)?;
    let mask = read_kind(node, &kind)?;
    if let Some(problem) = mask.misfit(field) {
        let message = format!("{} of a {} does not fit `{name}`: {problem}", node.path(), field.physical);
        node.error(CODE, message, "choose a mask for the field's type");
        return None;
    }
    if field.key_position.is_some() && mask == Mask::Null {
        let message = format!("{} makes the key `{name}` null", node.path());
        node.error(CODE, message, "leave the key out of the role's classification, or mask it with `hash`");
        return None;
    }
    Some(FieldMask { dataset: dataset.name.clone(), field: field.name.clone(), mask, place: node.location() })
}

/// The field called `FIELD` or `DATASET.FIELD`.
fn find<'d>(node: &Node<'_>, name: &str, datasets: &'d [Dataset]) -> Option<(&'d Dataset, &'d Field)> {
    let in_dataset = |d: &'d Dataset| {
        let field = name.strip_prefix(&d.name).and_then(|rest| rest.strip_prefix('.')).unwrap_or(name);
        d.field(field).map(|f| (d, f))
    };
    let mut found = datasets.iter().filter_map(in_dataset);
    let (first, second) = (found.next(), found.next());
    if name.is_empty() || (first.is_some() && second.is_none()) {
        return first;
    }
    let problem = if first.is_none() { "is no field of this contract" } else { "is a field of several datasets" };
    node.error(CODE, format!("`{name}` of {} {problem}", node.path()), "name it FIELD or DATASET.FIELD");
    None
}

fn read_kind(node: &Node<'_>, kind: &str) -> Option<Mask> {
    let takes: &[&str] = match kind {
        "partial" => &["first", "last"],
        "bucket" => &["width", "unit"],
        _ => &[],
    };
    for key in ["first", "last", "width", "unit"].into_iter().filter(|k| node.has(k) && !takes.contains(k)) {
        node.error(CODE, format!("{} has a `{key}`, which `{kind}` does not take", node.path()), "remove it");
    }
    match kind {
        "null" => Some(Mask::Null),
        "hash" => Some(Mask::Hash),
        "partial" => read_partial(node),
        "bucket" => read_bucket(node),
        "" => None,
        other => {
            let message = format!("{} has the unknown kind `{other}`", node.path());
            node.error(CODE, message, "use null, hash, partial or bucket");
            None
        }
    }
}

fn read_partial(node: &Node<'_>) -> Option<Mask> {
    let count = |key: &str| node.integer(key).map_or(Some(0), |n| u32::try_from(n).ok().filter(|n| *n <= 1000));
    match (count("first"), count("last")) {
        (Some(first), Some(last)) if first + last > 0 => Some(Mask::Partial { first, last }),
        _ => {
            let message = format!("{} does not say how many characters are kept", node.path());
            node.error(CODE, message, "give `first`, `last` or both, up to 1000");
            None
        }
    }
}

fn read_bucket(node: &Node<'_>) -> Option<Mask> {
    let mask = match (node.has("width"), node.text("unit")) {
        (true, None) => {
            let width = node.number("width").filter(|w| (1e-9..=1e15).contains(w));
            let number = if let Some(serde_json::Value::Number(n)) = node.json("width") { Some(n) } else { None };
            width.and(number).map(Mask::Width)
        }
        (false, Some(word)) => DateUnit::parse(&word).map(Mask::Unit),
        _ => None,
    };
    if mask.is_none() {
        node.error(
            CODE,
            format!("{} does not say how wide its buckets are", node.path()),
            "give numbers a `width` above zero, up to 10^15; give dates a `unit`: hour, day, month or year",
        );
    }
    mask
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_least_mask_of_several_roles_wins() {
        let width = |w: u64| Mask::Width(w.into());
        let (two, four) = (Mask::Partial { first: 2, last: 0 }, Mask::Partial { first: 0, last: 4 });
        for (masks, least) in [
            (vec![Mask::Null, Mask::Hash], Mask::Hash),
            (vec![Mask::Hash, two.clone(), Mask::Null], two.clone()),
            (vec![two, four.clone()], four),
            (vec![width(1000), width(10)], width(10)),
            (vec![Mask::Unit(DateUnit::Year), Mask::Unit(DateUnit::Month)], Mask::Unit(DateUnit::Month)),
        ] {
            assert_eq!(Mask::least(&masks), Some(&least));
            assert_eq!(Mask::least(masks.iter().rev()), Some(&least));
        }
        assert_eq!(Mask::least([]), None);
    }
}
