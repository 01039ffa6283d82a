//! Parameters: turns what a statement's binds stand for into the values of one request.

use crate::bind::{Bind, bind_list, bind_scalar};
use crate::catalog::{Catalog, Column, EntityId, KeyId};
use crate::coerce::{Values, bad};
use crate::cursor::decode_cursor;
use crate::given::ValueSource;
use crate::scalar::{Scalar, wire};
use serde_json::{Map, Value};
use terrane_graphql::GraphqlError;
use terrane_manifest::PgType;

/// Rows of a page where the operation does not say.
pub const DEFAULT_PAGE: i64 = 50;
/// The most rows of a page.
pub const MAX_PAGE: i64 = 1000;
/// The most objects an operation may ask for, counting full pages within full pages.
pub const MAX_OBJECTS: i64 = 1_000_000;
/// The most representations of an `_entities` field.
pub const MAX_REPRESENTATIONS: usize = 10_000;

/// What a bind stands for.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Param {
    Value {
        source: ValueSource,
        scalar: Scalar,
        pg: PgType,
        list: bool,
    },
    /// A text to compare with, or the pattern that it makes.
    Text {
        source: ValueSource,
        pattern: Pattern,
    },
    /// A page's size, and one more row where it is asked whether there is another page.
    Limit(usize),
    Offset(ValueSource),
    /// Part `index` of a cursor with `count` parts.
    Cursor {
        source: ValueSource,
        index: usize,
        count: usize,
        mark: u64,
        pg: PgType,
    },
    Claim {
        name: String,
        scalar: Scalar,
        pg: PgType,
        list: bool,
    },
    Literal(Value, Scalar, PgType),
    /// A batch of changes, as JSON.
    Batch,
    /// What a hash of the field with this policy object starts with.
    Salt {
        object: String,
    },
    /// Key part `part` of the representations of group `group` of root `root`.
    Keys {
        root: usize,
        group: usize,
        part: usize,
    },
}

/// What a text is for LIKE.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Pattern {
    /// None: it is compared as it is.
    Given,
    /// A pattern of its own.
    Like,
    /// What a text ends with.
    End,
    /// What is anywhere in a text.
    Part,
}

impl Pattern {
    /// What `text` is compared as. In a pattern that is made of it, `%` and `_` are no wildcards.
    fn apply(self, text: &str) -> Result<String, String> {
        if self == Self::Like {
            // Postgres finds this only when the statement runs
            let escapes = text.len() - text.trim_end_matches('\\').len();
            return match escapes % 2 {
                0 => Ok(text.to_owned()),
                _ => Err("a pattern ends with `\\`, which escapes nothing; write `\\\\` for the character".to_owned()),
            };
        }
        if self == Self::Given {
            return Ok(text.to_owned());
        }
        let mut pattern = String::with_capacity(text.len() + 2);
        pattern.push('%');
        for c in text.chars() {
            if matches!(c, '%' | '_' | '\\') {
                pattern.push('\\');
            }
            pattern.push(c);
        }
        if self == Self::Part {
            pattern.push('%');
        }
        Ok(pattern)
    }
}

/// A page of the operation.
#[derive(Debug, Clone)]
pub(crate) struct PageSpec {
    /// The response key of the list.
    pub(crate) name: String,
    pub(crate) size: Option<ValueSource>,
    pub(crate) argument: &'static str,
    pub(crate) offset: Option<ValueSource>,
    /// Whether the operation asks if there are rows beyond the page.
    pub(crate) looks_ahead: bool,
    /// What multiplies it: the page or the representations it is nested in.
    pub(crate) within: Within,
}

/// What a page is repeated for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Within {
    Root,
    Page(usize),
    Entities(usize),
}

/// The representations of one `_entities` field.
#[derive(Debug, Clone)]
pub(crate) struct EntitiesSpec {
    pub(crate) source: ValueSource,
    pub(crate) groups: Vec<(EntityId, KeyId)>,
}

/// The values of one request: binds for the statement, and what its writer needs beside the rows.
#[derive(Debug, Clone)]
pub struct Bound {
    /// The statement's parameters, in order.
    pub binds: Vec<Bind>,
    pub(crate) pages: Vec<PageBounds>,
    pub(crate) entities: Vec<EntitySlots>,
    /// Up to where a batch of changes goes.
    pub(crate) position: i64,
}

/// The bounds of one page.
#[derive(Debug, Clone, Copy)]
pub(crate) struct PageBounds {
    pub(crate) size: i64,
    pub(crate) has_offset: bool,
}

/// For each representation its group and position there.
#[derive(Debug, Clone, Default)]
pub(crate) struct EntitySlots {
    pub(crate) slots: Vec<(usize, usize)>,
    pub(crate) counts: Vec<usize>,
}

/// Values for every param.
pub(crate) struct Binder<'a> {
    pub(crate) catalog: &'a Catalog,
    pub(crate) values: &'a Values,
    pub(crate) claims: &'a Map<String, Value>,
}

impl Binder<'_> {
    /// Resolve pages, representations and params.
    pub(crate) fn bind(
        &self,
        params: &[Param],
        pages: &[PageSpec],
        entities: &[EntitiesSpec],
    ) -> Result<Bound, Vec<GraphqlError>> {
        let mut errors = Vec::new();
        let mut keys = Vec::new();
        let mut slots = Vec::new();
        for spec in entities {
            match self.read_representations(spec) {
                Ok((slot, key)) => {
                    slots.push(slot);
                    keys.push(key);
                }
                Err(error) => errors.push(error),
            }
        }
        let sizes = pages.iter().map(|page| self.page_bounds(page)).collect::<Result<Vec<PageBounds>, _>>();
        let sizes = sizes.map_err(|error| vec![error])?;
        if !errors.is_empty() {
            return Err(errors);
        }
        check_cost(pages, &sizes, &slots)?;
        let mut binds = Vec::with_capacity(params.len());
        for param in params {
            let bind = match param {
                Param::Limit(page) => Ok(Bind::Int8(Some(sizes[*page].size + i64::from(pages[*page].looks_ahead)))),
                Param::Keys { root, group, part } => {
                    Ok(std::mem::replace(&mut keys[*root][*group][*part], Bind::Int8(None)))
                }
                other => self.bind_param(other),
            };
            match bind {
                Ok(bind) => binds.push(bind),
                Err(problem) => errors.push(bad(&problem)),
            }
        }
        if errors.is_empty() { Ok(Bound { binds, pages: sizes, entities: slots, position: 0 }) } else { Err(errors) }
    }

    fn bind_param(&self, param: &Param) -> Result<Bind, String> {
        match param {
            Param::Value { source, scalar, pg, list } => bind_typed(&source.resolve(self.values), *scalar, *pg, *list),
            Param::Text { source, pattern } => {
                match bind_typed(&source.resolve(self.values), Scalar::String, PgType::Text, false)? {
                    Bind::Text(Some(text)) => Ok(Bind::Text(Some(pattern.apply(&text)?))),
                    other => Ok(other),
                }
            }
            Param::Batch => Ok(Bind::Text(None)),
            Param::Literal(value, scalar, pg) => bind_typed(value, *scalar, *pg, false),
            Param::Offset(source) => match source.resolve(self.values).as_i64() {
                Some(offset) if offset >= 0 => Ok(Bind::Int8(Some(offset))),
                _ => Err("`offset` must not be negative".to_owned()),
            },
            Param::Cursor { source, index, count, mark, pg } => {
                let value = source.resolve(self.values);
                let parts = value.as_str().and_then(|text| decode_cursor(text, *mark, *count));
                let parts =
                    parts.ok_or("this cursor does not belong to this list and order; use one of its own pages")?;
                crate::cursor::bind_part(&parts[*index], *pg)
            }
            Param::Salt { object } => match &self.catalog.salt {
                Some(salt) => Ok(Bind::Text(Some(salt.prefix(object)))),
                None => Err("hashes are not available".to_owned()),
            },
            Param::Claim { name, scalar, pg, list } => Ok(bind_claim(self.claims, name, *scalar, *pg, *list)),
            Param::Limit(_) | Param::Keys { .. } => unreachable!("bound by `bind`"),
        }
    }

    fn page_bounds(&self, page: &PageSpec) -> Result<PageBounds, GraphqlError> {
        let has_offset = page.offset.as_ref().is_some_and(|o| o.resolve(self.values).as_i64() > Some(0));
        Ok(PageBounds { size: self.page_size(page)?, has_offset })
    }

    fn page_size(&self, page: &PageSpec) -> Result<i64, GraphqlError> {
        let Some(source) = &page.size else { return Ok(DEFAULT_PAGE) };
        let value = source.resolve(self.values);
        if value.is_null() {
            return Ok(DEFAULT_PAGE);
        }
        match value.as_i64() {
            Some(size) if size < 0 => Err(bad(&format!("`{}` must not be negative", page.argument))),
            Some(size) if size > MAX_PAGE => Err(GraphqlError::new(
                "PAGE_TOO_LARGE",
                format!("`{}` is {size}; a page has at most {MAX_PAGE} rows, use cursors for more", page.argument),
            )),
            Some(size) => Ok(size),
            None => Err(bad(&format!("`{}` must be an integer", page.argument))),
        }
    }

    fn read_representations(&self, spec: &EntitiesSpec) -> Result<(EntitySlots, Vec<Vec<Bind>>), GraphqlError> {
        let value = spec.source.resolve(self.values);
        let items = value.as_array().ok_or_else(|| bad("`representations` must be a list"))?;
        if items.len() > MAX_REPRESENTATIONS {
            return Err(GraphqlError::new(
                "TOO_MANY_REPRESENTATIONS",
                format!("{} representations; ask for at most {MAX_REPRESENTATIONS} at once", items.len()),
            ));
        }
        let entities: Vec<_> = spec.groups.iter().map(|(id, _)| self.catalog.entity(*id)).collect();
        let columns: Vec<Vec<&Column>> = entities
            .iter()
            .zip(&spec.groups)
            .map(|(entity, (_, key))| entity.key_of(*key).iter().map(|c| entity.column(*c)).collect())
            .collect();
        let mut keys: Vec<Vec<Bind>> =
            columns.iter().map(|parts| parts.iter().map(|c| Bind::empty_array(wire(c.pg))).collect()).collect();
        let mut slots = EntitySlots { slots: Vec::with_capacity(items.len()), counts: vec![0; entities.len()] };
        for (index, item) in items.iter().enumerate() {
            let kind = item.get("__typename").and_then(Value::as_str).unwrap_or_default();
            let first = entities.iter().position(|e| e.type_name == kind).ok_or_else(|| {
                bad(&format!("representation {index} has the type `{kind}`, which is no entity of this product"))
            })?;
            // the groups of one type are side by side, in the order of its keys
            let group = first + entities[first].key_in(item).0 as usize;
            for (part, column) in columns[group].iter().enumerate() {
                let value = item
                    .get(&column.name)
                    .filter(|v| !v.is_null())
                    .ok_or_else(|| bad(&format!("representation {index} of `{kind}` has no `{}`", column.name)))?;
                let bind = bind_scalar(column.scalar, wire(column.pg), value)
                    .map_err(|e| bad(&format!("representation {index}: `{}`: {e}", column.name)))?;
                keys[group][part].push(bind);
            }
            slots.slots.push((group, slots.counts[group]));
            slots.counts[group] += 1;
        }
        Ok((slots, keys))
    }
}

/// A claim that is absent or of another type is null: then no predicate on it holds.
fn bind_claim(claims: &Map<String, Value>, name: &str, scalar: Scalar, pg: PgType, list: bool) -> Bind {
    let value = claims.get(name).unwrap_or(&Value::Null);
    bind_typed(value, scalar, pg, list)
        .or_else(|_| bind_typed(&Value::Null, scalar, pg, list))
        .unwrap_or_else(|_| Bind::empty_array(wire(pg)))
}

fn bind_typed(value: &Value, scalar: Scalar, pg: PgType, list: bool) -> Result<Bind, String> {
    let bind = if list { bind_list(scalar, wire(pg), value)? } else { bind_scalar(scalar, wire(pg), value)? };
    if pg != PgType::Float4 {
        return Ok(bind);
    }
    // a `real` column is compared as double precision: round as the column does, so that equal is equal
    let round = |v: Option<f64>| v.map(|v| f64::from(v as f32));
    Ok(match bind {
        Bind::Float8(value) => Bind::Float8(round(value)),
        Bind::Float8Array(values) => Bind::Float8Array(values.into_iter().map(round).collect()),
        other => other,
    })
}

/// Estimate how many objects the operation asks for: every page full, within every full page around it.
fn check_cost(pages: &[PageSpec], sizes: &[PageBounds], entities: &[EntitySlots]) -> Result<(), Vec<GraphqlError>> {
    let mut totals: Vec<i64> = Vec::with_capacity(pages.len());
    let mut outers: Vec<i64> = Vec::with_capacity(pages.len());
    for (page, size) in pages.iter().zip(sizes) {
        let outer = match page.within {
            Within::Root => 1,
            Within::Page(outer) => totals[outer],
            Within::Entities(root) => entities[root].slots.len() as i64,
        };
        outers.push(outer.max(1));
        totals.push(outer.max(1).saturating_mul(size.size.max(1)));
    }
    let total = totals.iter().fold(0i64, |a, b| a.saturating_add(*b));
    if total <= MAX_OBJECTS {
        return Ok(());
    }
    let dearest = (0..pages.len()).max_by_key(|page| totals[*page]).unwrap_or_default();
    let rest = total.saturating_sub(totals[dearest]);
    let fits = (MAX_OBJECTS - rest.min(MAX_OBJECTS)) / outers[dearest];
    let page = &pages[dearest];
    let advice = if fits > 0 {
        format!("`{}: {fits}` on `{}` would fit", page.argument, page.name)
    } else {
        format!("`{}` is asked for {} times: take smaller pages of what it is in", page.name, outers[dearest])
    };
    let message = format!("the operation may ask for {total} objects; at most {MAX_OBJECTS} are allowed: {advice}");
    let mut error = GraphqlError::new("OPERATION_TOO_EXPENSIVE", message);
    error.extensions.insert("estimate".to_owned(), total.into());
    error.extensions.insert("limit".to_owned(), MAX_OBJECTS.into());
    Err(vec![error])
}
