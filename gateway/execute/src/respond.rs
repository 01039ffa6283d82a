//! Responding: turns the store into the bytes of the response, with null propagation and error paths (GraphQL,
//! section 6.4.4).

use crate::program::{Kind, OutField, Output, Program};
use crate::store::{Failure, Store, UNKNOWN, Value};
use apollo_compiler::Name;
use terrane_graphql::json::write_str;

/// One step of the path to where the writer is.
#[derive(Debug, Clone, Copy)]
enum Segment<'p> {
    Key(&'p Name),
    Index(u32),
}

/// A null where the type does not allow it: the parent becomes null.
struct Bubble;

/// Write `{"data":…,"errors":…}`.
pub(crate) fn respond(
    program: &Program,
    store: &Store,
    root: u32,
    holds: &[bool],
    introspection: &[Vec<u8>],
    max_errors: usize,
) -> Vec<u8> {
    let capacity = store.bodies.iter().map(bytes::Bytes::len).sum::<usize>() + 128;
    let mut writer = Writer {
        program,
        store,
        holds,
        introspection,
        out: Vec::with_capacity(capacity),
        path: Vec::new(),
        errors: Vec::new(),
        error_count: 0,
        max_errors,
    };
    writer.out.extend_from_slice(b"{\"data\":");
    let start = writer.out.len();
    if writer.object(root).is_err() {
        writer.out.truncate(start);
        writer.out.extend_from_slice(b"null");
    }
    for &failure in &store.general {
        writer.error(&store.failures[failure as usize], false);
    }
    let Writer { mut out, errors, .. } = writer;
    if !errors.is_empty() {
        out.extend_from_slice(b",\"errors\":[");
        out.extend_from_slice(&errors);
        out.push(b']');
    }
    out.push(b'}');
    out
}

struct Writer<'a> {
    program: &'a Program,
    store: &'a Store,
    holds: &'a [bool],
    introspection: &'a [Vec<u8>],
    out: Vec<u8>,
    path: Vec<Segment<'a>>,
    errors: Vec<u8>,
    error_count: usize,
    max_errors: usize,
}

impl<'a> Writer<'a> {
    fn object(&mut self, id: u32) -> Result<(), Bubble> {
        let object = self.store.objects[id as usize];
        let output = &self.program.outputs[object.node as usize];
        let list = match object.ty {
            UNKNOWN => output.any.or_else(|| self.common_list(output)),
            ty => output.by_type.get(&ty).copied(),
        };
        let Some(list) = list else {
            self.report_lost_type(object.slots, self.program.slot_counts[object.node as usize]);
            return Err(Bubble);
        };
        let mut before = b'{';
        for field in &output.lists[list] {
            if !self.holds[field.condition] {
                continue;
            }
            self.out.push(before);
            before = b',';
            self.out.extend_from_slice(&field.prefix);
            self.path.push(Segment::Key(&field.key));
            let written = self.field(field, id, object.ty);
            self.path.pop();
            written?;
        }
        if before == b'{' {
            self.out.push(b'{');
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
            let written = list.iter().filter(|field| self.holds[field.condition]);
            written.map(|field| (&field.key, field.slot, field.kind, &field.non_null)).collect::<Vec<_>>()
        });
        let first = lists.next()?;
        let told = first.iter().all(|(_, _, kind, _)| *kind != Kind::Typename);
        (told && lists.all(|other| other == first)).then_some(0)
    }

    fn field(&mut self, field: &'a OutField, object: u32, ty: u32) -> Result<(), Bubble> {
        match field.kind {
            Kind::Typename => {
                self.out.extend_from_slice(&self.program.type_names[ty as usize]);
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
                self.out.extend_from_slice(self.store.leaf(body, start, len));
                Ok(())
            }
            Value::Object(object) => {
                let start = self.out.len();
                if self.object(object).is_ok() {
                    return Ok(());
                }
                self.out.truncate(start);
                self.null(non_null)
            }
            Value::List { start, len } => {
                let begin = self.out.len();
                self.out.push(b'[');
                for i in 0..len {
                    if i > 0 {
                        self.out.push(b',');
                    }
                    self.path.push(Segment::Index(i));
                    let written = self.value(field, self.store.items[(start + i) as usize], level + 1);
                    self.path.pop();
                    if written.is_err() {
                        self.out.truncate(begin);
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
            out.extend_from_slice(b",\"path\":[");
            for (i, segment) in self.path.iter().enumerate() {
                if i > 0 {
                    out.push(b',');
                }
                match segment {
                    Segment::Key(key) => write_str(out, key),
                    Segment::Index(i) => out.extend_from_slice(itoa::Buffer::new().format(*i).as_bytes()),
                }
            }
            out.push(b']');
        }
        out.extend_from_slice(b",\"extensions\":");
        out.extend_from_slice(failure.extensions.as_bytes());
        out.push(b'}');
    }
}
