//! Targets: turns a fetch's paths and inputs into representations of the objects there, equal ones once.

use crate::program::{FetchCode, Program};
use crate::read::Target;
use crate::store::{Store, UNKNOWN, Value};
use hashbrown::HashTable;
use rustc_hash::FxHasher;
use std::hash::Hasher;
use terrane_plan::{Fetch, Input, Part, Step, TypeId};

/// The representations of a fetch and whose they are.
#[derive(Debug, Default)]
pub(crate) struct Collected {
    /// JSON texts separated by commas.
    pub bytes: Vec<u8>,
    pub targets: Vec<Target>,
    /// Objects of which a required field is missing: their guarded fields get this value, whatever the answer.
    pub guards: Vec<Guard>,
}

/// An object whose guarded fields have no value.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Guard {
    pub object: u32,
    pub read: usize,
    pub value: Value,
}

/// Objects at the end of the fetch's paths, in the order of the response.
pub(crate) fn objects_at(store: &Store, root: u32, paths: &[Vec<Step>]) -> Vec<u32> {
    let mut found = Vec::new();
    for path in paths {
        descend(store, Value::Object(root), path, &mut found);
    }
    found
}

fn descend(store: &Store, value: Value, path: &[Step], found: &mut Vec<u32>) {
    match value {
        Value::List { start, len } => {
            for i in start..start + len {
                descend(store, store.items[i as usize], path, found);
            }
        }
        Value::Object(object) => {
            let Some((step, rest)) = path.split_first() else {
                found.push(object);
                return;
            };
            let ty = store.objects[object as usize].ty;
            let fits = step.types.as_ref().is_none_or(|types| ty != UNKNOWN && types.contains(TypeId(ty)));
            if fits {
                descend(store, store.slot(object, step.slot.0), rest, found);
            }
        }
        Value::Missing | Value::Null | Value::Error(_) | Value::Leaf { .. } => {}
    }
}

/// Why an object has no representation.
#[derive(Debug)]
pub(crate) enum Lacks {
    /// Something it needs is null.
    Value,
    /// Something it needs failed.
    Failed(u32),
}

/// Write the representations of a fetch's objects. Objects that lack a part of their key are left out; where that part
/// failed, so do the fields of the fetch.
pub(crate) fn collect(program: &Program, fetch: usize, store: &mut Store, root: u32) -> Collected {
    let objects = objects_at(store, root, &program.fetches[fetch].paths);
    collect_objects(program, fetch, store, objects)
}

/// The fields of a fetch fail for an object.
pub(crate) fn fails(program: &Program, fetch: usize, store: &mut Store, object: u32, failure: u32) {
    let code = &program.fetches[fetch];
    let ty = store.objects[object as usize].ty;
    if let Some(number) = input_for(program, &program.plan.fetches[fetch].inputs, ty) {
        let read = code.branches[code.branch_of_input[number]];
        crate::read::fail_target(program, store, &Target { read, objects: vec![object] }, failure);
    }
}

/// The same for objects that are known.
pub(crate) fn collect_objects(program: &Program, fetch: usize, store: &mut Store, objects: Vec<u32>) -> Collected {
    let code: &FetchCode = &program.fetches[fetch];
    let plan: &Fetch = &program.plan.fetches[fetch];
    let mut collected = Collected::default();
    let mut ranges: Vec<(usize, usize)> = Vec::new();
    let mut known: HashTable<usize> = HashTable::new();
    for object in objects {
        let ty = store.objects[object as usize].ty;
        let Some(number) = input_for(program, &plan.inputs, ty) else { continue };
        let input = &plan.inputs[number];
        let read = code.branches[code.branch_of_input[number]];
        let before = collected.bytes.len();
        if before > 0 {
            collected.bytes.push(b',');
        }
        let start = collected.bytes.len();
        let mut writer = Writer::new(program, store);
        let written = writer.representation(&mut collected.bytes, input, object);
        let lacking = writer.lacking;
        let all_guarded = program.reads[read].fields.iter().all(|field| field.guarded);
        let written = match (written, lacking) {
            (Ok(()), Some(Value::Error(failure))) if all_guarded => Err(Lacks::Failed(failure)),
            (Ok(()), Some(_)) if all_guarded => Err(Lacks::Value),
            (written, _) => written,
        };
        if let Err(lacks) = written {
            collected.bytes.truncate(before);
            if let Lacks::Failed(failure) = lacks {
                let target = Target { read, objects: vec![object] };
                crate::read::fail_target(program, store, &target, failure);
            }
            continue;
        }
        collected.guards.extend(lacking.map(|value| Guard { object, read, value }));
        let text = &collected.bytes[start..];
        let hash = hash_of(text);
        let same = known.find(hash, |&i| {
            let (from, to) = ranges[i];
            collected.bytes[from..to] == *text
        });
        if let Some(&i) = same {
            collected.bytes.truncate(before);
            collected.targets[i].objects.push(object);
            continue;
        }
        let i = ranges.len();
        ranges.push((start, collected.bytes.len()));
        known.insert_unique(hash, i, |&i| hash_of(&collected.bytes[ranges[i].0..ranges[i].1]));
        collected.targets.push(Target { read, objects: vec![object] });
    }
    collected
}

fn hash_of(bytes: &[u8]) -> u64 {
    let mut hasher = FxHasher::default();
    hasher.write(bytes);
    hasher.finish()
}

/// The input for objects of a type; of unknown type, the one of the interface that stands for it.
fn input_for(program: &Program, inputs: &[Input], ty: u32) -> Option<usize> {
    if ty != UNKNOWN
        && let Some(exact) = inputs.iter().position(|input| input.atom.0 == ty)
    {
        return Some(exact);
    }
    inputs.iter().position(|input| {
        input.atom == input.entity
            && program.supergraph.has_interface_object(input.atom)
            && (ty == UNKNOWN || program.supergraph.possible_types(input.atom).contains(TypeId(ty)))
    })
}

/// Writes representations.
pub(crate) struct Writer<'a> {
    program: &'a Program,
    store: &'a Store,
    /// What a required field has instead of a value.
    lacking: Option<Value>,
}

impl<'a> Writer<'a> {
    pub fn new(program: &'a Program, store: &'a Store) -> Self {
        Self { program, store, lacking: None }
    }

    fn representation(&mut self, out: &mut Vec<u8>, input: &Input, object: u32) -> Result<(), Lacks> {
        out.extend_from_slice(b"{\"__typename\":");
        out.extend_from_slice(&self.program.type_names[input.entity.index()]);
        self.parts(out, &input.parts, object, false)?;
        out.push(b'}');
        Ok(())
    }

    fn parts(&mut self, out: &mut Vec<u8>, parts: &[Part], object: u32, mut first: bool) -> Result<(), Lacks> {
        let ty = self.store.objects[object as usize].ty;
        for part in parts {
            if ty != UNKNOWN && !part.types.contains(TypeId(ty)) {
                continue;
            }
            let value = self.store.slot(object, part.slot.0);
            if !first {
                out.push(b',');
            }
            first = false;
            out.push(b'"');
            out.extend_from_slice(part.name.as_bytes());
            out.extend_from_slice(b"\":");
            self.value(out, part, value)?;
        }
        Ok(())
    }

    /// Write a value of a part.
    pub fn value(&mut self, out: &mut Vec<u8>, part: &Part, value: Value) -> Result<(), Lacks> {
        match value {
            Value::Missing | Value::Null if part.key => return Err(Lacks::Value),
            Value::Error(failure) if part.key => return Err(Lacks::Failed(failure)),
            Value::Null => out.extend_from_slice(b"null"),
            Value::Missing => {
                self.lacking.get_or_insert(Value::Null);
                out.extend_from_slice(b"null");
            }
            Value::Error(_) => {
                self.lacking = Some(value);
                out.extend_from_slice(b"null");
            }
            Value::Leaf { body, start, len } => out.extend_from_slice(self.store.leaf(body, start, len)),
            Value::List { start, len } => {
                out.push(b'[');
                for i in 0..len {
                    if i > 0 {
                        out.push(b',');
                    }
                    self.value(out, part, self.store.items[(start + i) as usize])?;
                }
                out.push(b']');
            }
            Value::Object(object) => {
                out.push(b'{');
                let mut first = true;
                let ty = self.store.objects[object as usize].ty;
                if part.typename && ty != UNKNOWN {
                    out.extend_from_slice(b"\"__typename\":");
                    out.extend_from_slice(&self.program.type_names[ty as usize]);
                    first = false;
                }
                self.parts(out, part.below.as_deref().unwrap_or_default(), object, first)?;
                out.push(b'}');
            }
        }
        Ok(())
    }
}
