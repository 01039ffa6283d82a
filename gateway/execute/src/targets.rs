//! Targets: turns a fetch's paths and inputs into representations of the objects there, equal ones once.

use crate::program::{FetchCode, InputCode, PartCode, Program};
use crate::read::Target;
use crate::store::{Store, UNKNOWN, Value};
use hashbrown::HashTable;
use rustc_hash::FxHasher;
use smallvec::{SmallVec, smallvec};
use std::hash::Hasher;
use terrane_plan::{Step, TypeId, TypeSet};

/// The representations of a fetch and whose they are.
#[derive(Debug, Default)]
pub(crate) struct Collected {
    /// JSON texts separated by commas.
    pub bytes: Vec<u8>,
    pub targets: Vec<Target>,
    /// By target: where its text is.
    pub ranges: Vec<(usize, usize)>,
    /// Objects of which a required field is missing: the slots that need it get this value, whatever the answer.
    pub guards: Vec<Guard>,
}

/// A slot of an object that has no value.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Guard {
    pub object: u32,
    pub slot: u32,
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
pub(crate) fn collect(program: &Program, fetch: usize, holds: &[bool], store: &mut Store, root: u32) -> Collected {
    let objects = objects_at(store, root, &program.fetches[fetch].paths);
    collect_objects(program, fetch, holds, store, objects)
}

/// The fields of a fetch fail for an object.
pub(crate) fn fails(program: &Program, fetch: usize, store: &mut Store, object: u32, failure: u32) {
    let code = &program.fetches[fetch];
    let ty = store.objects[object as usize].ty;
    if let Some(number) = input_for(&code.inputs, ty) {
        let read = code.branches[code.branch_of_input[number]];
        crate::read::fail_target(program, store, &Target { read, objects: smallvec![object] }, failure);
    }
}

/// The same for objects that are known.
pub(crate) fn collect_objects(
    program: &Program,
    fetch: usize,
    holds: &[bool],
    store: &mut Store,
    objects: Vec<u32>,
) -> Collected {
    let code: &FetchCode = &program.fetches[fetch];
    let mut collected = Collected { ranges: Vec::with_capacity(objects.len()), ..Collected::default() };
    let mut known: HashTable<usize> = HashTable::with_capacity(objects.len());
    for object in objects {
        let ty = store.objects[object as usize].ty;
        let Some(number) = input_for(&code.inputs, ty) else { continue };
        let read = code.branches[code.branch_of_input[number]];
        let before = collected.bytes.len();
        if before > 0 {
            collected.bytes.push(b',');
        }
        let start = collected.bytes.len();
        let mut writer = Writer::new(program, store, holds);
        let written = writer.representation(&mut collected.bytes, &code.inputs[number], object);
        let guards = writer.guards;
        let fields = &program.reads[read].fields;
        let guarded =
            !fields.is_empty() && fields.iter().all(|field| guards.iter().any(|(slot, _)| *slot == field.slot));
        if written.is_err() || guarded {
            collected.bytes.truncate(before);
            match written {
                Err(Lacks::Failed(failure)) => {
                    let target = Target { read, objects: smallvec![object] };
                    crate::read::fail_target(program, store, &target, failure);
                }
                Err(Lacks::Value) => {}
                Ok(()) => guards.iter().for_each(|(slot, value)| store.set_slot(object, *slot, *value)),
            }
            continue;
        }
        collected.guards.extend(guards.into_iter().map(|(slot, value)| Guard { object, slot, value }));
        let text = &collected.bytes[start..];
        let hash = hash_of(text);
        let same = known.find(hash, |&i| {
            let (from, to) = collected.ranges[i];
            collected.bytes[from..to] == *text
        });
        if let Some(&i) = same {
            collected.bytes.truncate(before);
            collected.targets[i].objects.push(object);
            continue;
        }
        let i = collected.ranges.len();
        collected.ranges.push((start, collected.bytes.len()));
        known.insert_unique(hash, i, |&i| hash_of(&collected.bytes[collected.ranges[i].0..collected.ranges[i].1]));
        collected.targets.push(Target { read, objects: smallvec![object] });
    }
    collected
}

fn hash_of(bytes: &[u8]) -> u64 {
    let mut hasher = FxHasher::default();
    hasher.write(bytes);
    hasher.finish()
}

/// The input for objects of a type; of unknown type, the one of the interface that stands for it.
fn input_for(inputs: &[InputCode], ty: u32) -> Option<usize> {
    if ty != UNKNOWN
        && let Some(exact) = inputs.iter().position(|input| input.atom == ty)
    {
        return Some(exact);
    }
    let stands = |types: &TypeSet| ty == UNKNOWN || types.contains(TypeId(ty));
    inputs.iter().position(|input| input.stands_for.as_ref().is_some_and(stands))
}

/// Writes representations.
pub(crate) struct Writer<'a> {
    program: &'a Program,
    store: &'a Store,
    holds: &'a [bool],
    /// What a required field has instead of a value.
    lacking: Option<Value>,
    /// The slots that have no value, for want of what they require.
    guards: SmallVec<[(u32, Value); 2]>,
}

impl<'a> Writer<'a> {
    pub fn new(program: &'a Program, store: &'a Store, holds: &'a [bool]) -> Self {
        Self { program, store, holds, lacking: None, guards: SmallVec::new() }
    }

    fn representation(&mut self, out: &mut Vec<u8>, input: &InputCode, object: u32) -> Result<(), Lacks> {
        input.head.write(out);
        let ty = self.store.objects[object as usize].ty;
        let mut keyed = false;
        for part in &input.parts {
            if !self.has(part, ty) {
                continue;
            }
            out.push(b',');
            keyed |= part.key;
            self.lacking = None;
            self.part(out, part, object)?;
            let Some(value) = self.lacking else { continue };
            for slot in &part.guards {
                match self.guards.iter_mut().find(|(known, _)| known == slot) {
                    Some((_, known)) if matches!(value, Value::Error(_)) => *known = value,
                    Some(_) => {}
                    None => self.guards.push((*slot, value)),
                }
            }
        }
        out.push(b'}');
        // Conditions may leave objects of some types out.
        if keyed { Ok(()) } else { Err(Lacks::Value) }
    }

    fn has(&self, part: &PartCode, ty: u32) -> bool {
        (ty == UNKNOWN || part.types.contains(TypeId(ty))) && self.holds[part.condition]
    }

    fn part(&mut self, out: &mut Vec<u8>, part: &PartCode, object: u32) -> Result<(), Lacks> {
        part.prefix.write(out);
        self.value(out, part, self.store.slot(object, part.slot))
    }

    /// Write a value of a part.
    pub fn value(&mut self, out: &mut Vec<u8>, part: &PartCode, value: Value) -> Result<(), Lacks> {
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
            Value::Leaf { body, start, len } => self.store.write_leaf(out, body, start, len),
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
            Value::Object(object) => self.object(out, part, object)?,
        }
        Ok(())
    }

    fn object(&mut self, out: &mut Vec<u8>, part: &PartCode, object: u32) -> Result<(), Lacks> {
        let ty = self.store.objects[object as usize].ty;
        out.push(b'{');
        let mut first = true;
        if part.typename && ty != UNKNOWN {
            out.extend_from_slice(b"\"__typename\":");
            self.program.write_type_name(out, ty);
            first = false;
        }
        for inner in &part.below {
            if !self.has(inner, ty) {
                continue;
            }
            if !first {
                out.push(b',');
            }
            first = false;
            self.part(out, inner, object)?;
        }
        out.push(b'}');
        Ok(())
    }
}
