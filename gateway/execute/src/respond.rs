//! Responding: turns the store into the bytes of the response, with null propagation and error paths (GraphQL,
//! section 6.4.4).

use crate::deliver::{Grouping, Source};
use crate::program::{Kind, OutField, Output, Program};
use crate::store::{Failure, Store, UNKNOWN, Value};
use apollo_compiler::Name;
use smallvec::SmallVec;
use terrane_graphql::json::write_str;

/// One step of a path in the response.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(crate) enum Segment {
    Key(Name),
    Index(u32),
}

/// The same, while it is written.
#[derive(Debug, Clone, Copy)]
enum Step<'a> {
    Key(&'a Name),
    Index(u32),
}

impl<'a> Step<'a> {
    fn of(segment: &'a Segment) -> Self {
        match segment {
            Segment::Key(key) => Self::Key(key),
            Segment::Index(i) => Self::Index(*i),
        }
    }

    fn owned(self) -> Segment {
        match self {
            Self::Key(key) => Segment::Key(key.clone()),
            Self::Index(i) => Segment::Index(i),
        }
    }
}

/// A null where the type does not allow it: the parent becomes null.
struct Bubble;

/// Write `{"data":…,"errors":…}`; whether there are errors.
pub(crate) fn respond(source: Source<'_>) -> (Vec<u8>, bool) {
    let mut writer = Writer::new(source, None);
    writer.data(source.root);
    let has_errors = writer.error_count > 0;
    (writer.close().0, has_errors)
}

/// What another delivery has at an object.
#[derive(Debug, Clone)]
pub(crate) struct Found {
    pub delivery: usize,
    pub object: u32,
    pub path: Vec<Segment>,
    /// The selection sets of the objects on the path, each with the length of its own path.
    pub nodes: Vec<(u32, usize)>,
}

/// What of the response is written, where it comes in parts.
struct Split<'a> {
    grouping: &'a Grouping,
    delivery: usize,
    /// The object at which the delivery begins: what else it has was found before.
    start: Option<u32>,
    nodes: Vec<(u32, usize)>,
    found: Vec<Found>,
}

/// Writes responses and parts of them.
pub(crate) struct Writer<'a> {
    program: &'a Program,
    store: &'a Store,
    holds: &'a [bool],
    introspection: &'a [Vec<u8>],
    out: Vec<u8>,
    path: Vec<Step<'a>>,
    errors: Vec<u8>,
    error_count: usize,
    max_errors: usize,
    split: Option<Split<'a>>,
}

impl<'a> Writer<'a> {
    /// A writer of the whole response, or of the first delivery.
    pub fn new(source: Source<'a>, grouping: Option<&'a Grouping>) -> Self {
        let split =
            grouping.map(|grouping| Split { grouping, delivery: 0, start: None, nodes: Vec::new(), found: Vec::new() });
        Self {
            program: source.program,
            store: source.store,
            holds: source.holds,
            introspection: source.introspection,
            out: Vec::new(),
            path: Vec::new(),
            errors: Vec::new(),
            error_count: 0,
            max_errors: source.max_errors,
            split,
        }
    }

    /// Write the data of the root.
    pub fn data(&mut self, root: u32) {
        self.out.reserve(self.store.bodies.iter().map(bytes::Bytes::len).sum::<usize>() + 128);
        self.out.extend_from_slice(b"{\"data\":");
        let start = self.out.len();
        if self.object(root).is_err() {
            self.out.truncate(start);
            self.out.extend_from_slice(b"null");
            self.forget(0);
        }
        for &failure in &self.store.general {
            self.error(&self.store.failures[failure as usize], false);
        }
    }

    /// The text of the response, and what other deliveries have.
    pub fn close(self) -> (Vec<u8>, Vec<Found>) {
        let Self { mut out, errors, split, .. } = self;
        if !errors.is_empty() {
            out.extend_from_slice(b",\"errors\":[");
            out.extend_from_slice(&errors);
            out.push(b']');
        }
        out.push(b'}');
        (out, split.map(|split| split.found).unwrap_or_default())
    }

    /// Write what a delivery has at an object; whether it could be.
    pub fn unit(&mut self, unit: &'a Found) -> bool {
        self.path.extend(unit.path.iter().map(Step::of));
        if let Some(split) = &mut self.split {
            (split.delivery, split.start) = (unit.delivery, Some(unit.object));
            split.nodes = unit.nodes[..unit.nodes.len() - 1].to_vec();
        }
        self.object(unit.object).is_ok()
    }

    /// Data, errors separated by commas, and what other deliveries have.
    pub fn parts(self) -> (Vec<u8>, Vec<u8>, Vec<Found>) {
        (self.out, self.errors, self.split.map(|split| split.found).unwrap_or_default())
    }

    /// How much of other deliveries was found so far.
    fn found(&self) -> usize {
        self.split.as_ref().map_or(0, |split| split.found.len())
    }

    /// What was found below an object that is null after all.
    fn forget(&mut self, before: usize) {
        if let Some(split) = &mut self.split {
            split.found.truncate(before);
        }
    }

    fn is_delivered(&self, field: &OutField) -> bool {
        self.split.as_ref().is_none_or(|split| split.grouping.delivery(field.group) == split.delivery)
    }

    /// Whether a field is part of the delivery that is written. If not, its object has something for another one; `known`
    /// are those that are noted.
    fn is_now(&mut self, field: &OutField, object: u32, known: &mut SmallVec<[usize; 2]>) -> bool {
        let Some(split) = &mut self.split else { return true };
        let delivery = split.grouping.delivery(field.group);
        if delivery == split.delivery {
            return true;
        }
        if split.start != Some(object) && !known.contains(&delivery) {
            known.push(delivery);
            let (path, nodes) = (self.path.iter().map(|step| step.owned()).collect(), split.nodes.clone());
            split.found.push(Found { delivery, object, path, nodes });
        }
        false
    }

    fn object(&mut self, id: u32) -> Result<(), Bubble> {
        if let Some(split) = &mut self.split {
            split.nodes.push((self.store.objects[id as usize].node, self.path.len()));
        }
        let written = self.fields(id);
        if let Some(split) = &mut self.split {
            split.nodes.pop();
        }
        written
    }

    fn fields(&mut self, id: u32) -> Result<(), Bubble> {
        let object = self.store.objects[id as usize];
        let output = &self.program.outputs[object.node as usize];
        let list = match object.ty {
            UNKNOWN => output.any.or_else(|| self.common_list(output)),
            ty => output.list_of(ty),
        };
        let Some(list) = list else {
            self.report_lost_type(object.slots, self.program.slot_counts[object.node as usize]);
            return Err(Bubble);
        };
        let mut known = SmallVec::new();
        if object.ty == UNKNOWN && self.split.is_some() {
            // Who tells the type may be asked for another delivery: then that has the fields of any type.
            for field in output.lists.iter().flatten().filter(|field| self.holds[field.condition]) {
                self.is_now(field, id, &mut known);
            }
        }
        let opening = self.out.len();
        for field in &output.lists[list] {
            if !self.holds[field.condition] || (self.split.is_some() && !self.is_now(field, id, &mut known)) {
                continue;
            }
            field.prefix.write(&mut self.out);
            // What can't fail needs no path.
            let slot = if field.kind == Kind::Leaf { self.store.slot(id, field.slot) } else { Value::Missing };
            if let Value::Leaf { body, start, len } = slot {
                self.store.write_leaf(&mut self.out, body, start, len);
                continue;
            }
            self.path.push(Step::Key(&field.key));
            let written = self.field(field, id, object.ty);
            self.path.pop();
            written?;
        }
        match self.out.get_mut(opening) {
            // The comma of the first field.
            Some(comma) => *comma = b'{',
            None => self.out.push(b'{'),
        }
        self.out.push(b'}');
        Ok(())
    }

    /// An object whose type nobody told is null: because of the failure of what would have told it, where there is one.
    fn report_lost_type(&mut self, first: u32, count: usize) {
        let slots = &self.store.slots[first as usize..first as usize + count];
        let failed =
            slots.iter().find_map(|value| if let Value::Error(failure) = value { Some(*failure) } else { None });
        if let Some(failure) = failed {
            self.error(&self.store.failures[failure as usize], true);
        }
    }

    /// What to write where nobody told the type: conditions may leave what is the same for every type, so that the type
    /// was never asked for.
    fn common_list(&self, output: &Output) -> Option<usize> {
        let mut lists = output.lists.iter().map(|list| {
            let written = list.iter().filter(|field| self.holds[field.condition] && self.is_delivered(field));
            let mut written: Vec<_> =
                written.map(|field| (field.slot, &field.key, field.kind, &field.non_null)).collect();
            // Only the order may depend on the type.
            written.sort_by_key(|(slot, ..)| *slot);
            written
        });
        let first = lists.next()?;
        let told = first.iter().all(|(_, _, kind, _)| *kind != Kind::Typename);
        (told && lists.all(|other| other == first)).then_some(0)
    }

    fn field(&mut self, field: &'a OutField, object: u32, ty: u32) -> Result<(), Bubble> {
        match field.kind {
            Kind::Typename => {
                self.program.write_type_name(&mut self.out, ty);
                Ok(())
            }
            Kind::Introspection => {
                let text = self.introspection.get(field.slot as usize).filter(|text| !text.is_empty());
                self.out.extend_from_slice(text.map_or(b"null", |text| &text[..]));
                Ok(())
            }
            Kind::Denied => {
                let message = format!("you may not see `{}`; ask its owner for access", field.coordinate);
                self.error(&Failure::new("FORBIDDEN", None, message), true);
                self.null(field.non_null[0])
            }
            Kind::Leaf | Kind::Object => self.value(field, self.store.slot(object, field.slot), 0),
        }
    }

    fn value(&mut self, field: &'a OutField, value: Value, level: usize) -> Result<(), Bubble> {
        let non_null = field.non_null.get(level).copied().unwrap_or(false);
        match value {
            Value::Missing | Value::Null => {
                if non_null {
                    let message = format!("null for non-null `{}`", field.coordinate);
                    self.error(&Failure::new("NULL_FOR_NON_NULL", None, message), true);
                }
                self.null(non_null)
            }
            Value::Error(failure) => {
                self.error(&self.store.failures[failure as usize], true);
                self.null(non_null)
            }
            Value::Leaf { body, start, len } => {
                self.store.write_leaf(&mut self.out, body, start, len);
                Ok(())
            }
            Value::Object(object) => {
                let (start, found) = (self.out.len(), self.found());
                if self.object(object).is_ok() {
                    return Ok(());
                }
                self.out.truncate(start);
                self.forget(found);
                self.null(non_null)
            }
            Value::List { start, len } => {
                let (begin, found) = (self.out.len(), self.found());
                self.out.push(b'[');
                for i in 0..len {
                    if i > 0 {
                        self.out.push(b',');
                    }
                    self.path.push(Step::Index(i));
                    let written = self.value(field, self.store.items[(start + i) as usize], level + 1);
                    self.path.pop();
                    if written.is_err() {
                        self.out.truncate(begin);
                        self.forget(found);
                        return self.null(non_null);
                    }
                }
                self.out.push(b']');
                Ok(())
            }
        }
    }

    fn null(&mut self, non_null: bool) -> Result<(), Bubble> {
        if non_null {
            return Err(Bubble);
        }
        self.out.extend_from_slice(b"null");
        Ok(())
    }

    fn error(&mut self, failure: &Failure, with_path: bool) {
        self.error_count += 1;
        if self.error_count > self.max_errors {
            return;
        }
        let out = &mut self.errors;
        out.extend_from_slice(if out.is_empty() { &b"{\"message\":"[..] } else { b",{\"message\":" });
        write_str(out, &failure.message);
        if with_path {
            out.extend_from_slice(b",\"path\":");
            write_steps(out, self.path.iter().copied());
        }
        out.extend_from_slice(b",\"extensions\":");
        out.extend_from_slice(failure.extensions.as_bytes());
        out.push(b'}');
    }
}

/// Write a path as a JSON list.
pub(crate) fn write_path(out: &mut Vec<u8>, path: &[Segment]) {
    write_steps(out, path.iter().map(Step::of));
}

fn write_steps<'s>(out: &mut Vec<u8>, steps: impl Iterator<Item = Step<'s>>) {
    out.push(b'[');
    for (i, step) in steps.enumerate() {
        if i > 0 {
            out.push(b',');
        }
        match step {
            Step::Key(key) => write_str(out, key),
            Step::Index(i) => out.extend_from_slice(itoa::Buffer::new().format(i).as_bytes()),
        }
    }
    out.push(b']');
}
