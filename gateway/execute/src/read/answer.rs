//! Answers: turns `data` of a body into slots of the objects that were asked for, and `errors` into failures of theirs.

use super::errors::{self, SubgraphError};
use super::json::{Cursor, Next, NotJson};
use crate::cache::{AnswerCache, Freshness, Keys};
use crate::program::{LeafKind, Program, ReadField, ReadSet, TypeSource};
use crate::store::{Failure, Store, UNKNOWN, Value, index};
use bytes::Bytes;
use smallvec::SmallVec;

/// What one entity or root of an answer fills.
#[derive(Debug, Clone)]
pub(crate) struct Target {
    /// The selection set by which it is read.
    pub read: usize,
    /// The objects; the first is read into, the others get the same values.
    pub objects: SmallVec<[u32; 4]>,
}

/// What is expected of an answer.
#[derive(Debug)]
pub(crate) struct Answer<'p> {
    pub program: &'p Program,
    pub subgraph: &'p str,
    /// By response key: the targets in the order of the representations. A root fetch has one without a key.
    pub parts: Vec<(Option<&'p [u8]>, Vec<Target>)>,
    /// Whether to note where entities are, to keep them.
    pub keeps: bool,
}

/// What was read.
#[derive(Debug)]
pub(crate) struct Read {
    /// Nothing went wrong, as far as the body tells.
    clean: bool,
    /// By part: where its entities are. Empty for a root fetch, and where nothing is kept.
    entities: Vec<Vec<(usize, usize)>>,
}

impl Read {
    /// Keep the body, or each of its entities, under `keys`, by part.
    pub fn keep(&self, cache: &AnswerCache, body: &Bytes, keys: Vec<Vec<Keys>>, freshness: Freshness) {
        if !self.clean {
            return;
        }
        let mut keys = keys.into_iter().filter(|keys| !keys.is_empty());
        if self.entities.is_empty() {
            let whole = keys.next().into_iter().flatten().map(|keys| (keys, body.clone()));
            return cache.put(whole, freshness);
        }
        // of its own: a slice would keep the whole body
        let text = |&(from, to): &(usize, usize)| Bytes::copy_from_slice(&body[from..to]);
        let parts = keys.zip(&self.entities);
        cache.put(parts.flat_map(|(keys, places)| keys.into_iter().zip(places.iter().map(text))), freshness);
    }
}

/// Read an entity that was kept into the first object of its target. It was read before, so that it is JSON.
pub(crate) fn read_kept(program: &Program, target: &Target, text: &Bytes, store: &mut Store) {
    let answer = Answer { program, subgraph: "", parts: Vec::new(), keeps: false };
    let number = index(store.bodies.len());
    store.bodies.push(text.clone());
    let mut reader = Reader::new(&answer, store, number, text);
    if reader.cursor.peek() == Ok(Next::Object) {
        let read = reader.object_into(&program.reads[target.read], target.objects[0]);
        debug_assert!(read.is_ok(), "what is kept was read before");
    }
}

/// Read a body into the store.
///
/// # Errors
/// Why the body as a whole can't be used. What was read before stays.
pub(crate) fn read(answer: &Answer<'_>, body: &Bytes, store: &mut Store) -> Result<Read, Failure> {
    let broken = |what: &str| {
        let message = format!("the answer of subgraph `{}` {what}", answer.subgraph);
        Failure::new("SUBGRAPH_INVALID_RESPONSE", Some(answer.subgraph), message)
    };
    if std::str::from_utf8(body).is_err() {
        return Err(broken("is not UTF-8"));
    }
    let failures = store.failures.len();
    let number = index(store.bodies.len());
    store.bodies.push(body.clone());
    let mut reader = Reader::new(answer, store, number, body);
    if let Err(NotJson(at)) = reader.top() {
        return Err(broken(&format!("is not JSON of the expected form at byte {at}")));
    }
    let (errors, has_data, entities) = (reader.errors, reader.has_data, reader.entities);
    let clean = errors.is_none() && store.failures.len() == failures;
    let errors = match errors {
        Some((start, end)) => {
            errors::parse(answer.subgraph, &body[start..end]).ok_or_else(|| broken("has malformed `errors`"))?
        }
        None => Vec::new(),
    };
    if errors.is_empty() && !has_data {
        return Err(broken("has neither `data` nor `errors`"));
    }
    for error in errors {
        place(answer, store, error, has_data);
    }
    Ok(Read { clean, entities })
}

struct Reader<'a, 's> {
    answer: &'a Answer<'a>,
    store: &'s mut Store,
    body: u32,
    cursor: Cursor<'a>,
    errors: Option<(usize, usize)>,
    has_data: bool,
    entities: Vec<Vec<(usize, usize)>>,
}

impl<'a, 's> Reader<'a, 's> {
    fn new(answer: &'a Answer<'a>, store: &'s mut Store, number: u32, body: &'a [u8]) -> Self {
        let entities = match &answer.parts[..] {
            [(None, _)] => Vec::new(),
            parts if answer.keeps => vec![Vec::new(); parts.len()],
            _ => Vec::new(),
        };
        let cursor = Cursor::new(body);
        Self { answer, store, body: number, cursor, errors: None, has_data: false, entities }
    }

    fn top(&mut self) -> Result<(), NotJson> {
        self.cursor.expect(b'{')?;
        if !self.cursor.take(b'}') {
            loop {
                let key = self.cursor.string()?;
                self.cursor.expect(b':')?;
                match key {
                    b"data" if !self.has_data => self.data()?,
                    b"errors" if self.errors.is_none() => {
                        self.cursor.skip_space();
                        let start = self.cursor.at;
                        if self.cursor.skip()? != Next::Null {
                            self.errors = Some((start, self.cursor.at));
                        }
                    }
                    _ => drop(self.cursor.skip()?),
                }
                if self.cursor.take(b'}') {
                    break;
                }
                self.cursor.expect(b',')?;
            }
        }
        self.cursor.skip_space();
        if self.cursor.at < self.cursor.bytes.len() { Err(NotJson(self.cursor.at)) } else { Ok(()) }
    }

    fn data(&mut self) -> Result<(), NotJson> {
        if self.cursor.peek()? == Next::Null {
            self.cursor.skip()?;
            return Ok(());
        }
        self.has_data = true;
        let answer = self.answer;
        if let [(None, targets)] = &answer.parts[..] {
            let first = &targets[0];
            return self.object_into(&answer.program.reads[first.read], first.objects[0]);
        }
        self.cursor.expect(b'{')?;
        if self.cursor.take(b'}') {
            return Ok(());
        }
        loop {
            let key = self.cursor.string()?;
            self.cursor.expect(b':')?;
            match answer.parts.iter().position(|(name, _)| *name == Some(key)) {
                Some(part) if self.cursor.peek()? == Next::Array => self.entities(part, &answer.parts[part].1)?,
                _ => drop(self.cursor.skip()?),
            }
            if self.cursor.take(b'}') {
                return Ok(());
            }
            self.cursor.expect(b',')?;
        }
    }

    /// The entities of one fetch: as many as representations, in their order.
    fn entities(&mut self, part: usize, targets: &'a [Target]) -> Result<(), NotJson> {
        self.cursor.expect(b'[')?;
        if self.cursor.take(b']') {
            return Ok(());
        }
        let mut next = targets.iter();
        loop {
            let (target, value) = (next.next(), self.cursor.peek()?);
            let start = self.cursor.at;
            match (target, value) {
                (Some(target), Next::Object) => {
                    self.object_into(&self.answer.program.reads[target.read], target.objects[0])?;
                }
                _ => drop(self.cursor.skip()?),
            }
            if let (Some(_), Some(places)) = (target, self.entities.get_mut(part)) {
                places.push((start, self.cursor.at));
            }
            if self.cursor.take(b']') {
                return Ok(());
            }
            self.cursor.expect(b',')?;
        }
    }

    /// An object's fields into the slots of `object`. Keys come in the order of the selection as a rule, so the one
    /// after that before is tried first.
    fn object_into(&mut self, set: &'a ReadSet, object: u32) -> Result<(), NotJson> {
        self.cursor.expect(b'{')?;
        if let TypeSource::Fixed(ty) = set.ty {
            self.store.objects[object as usize].ty = ty;
        }
        if self.cursor.take(b'}') {
            return Ok(());
        }
        let mut expected = 0;
        loop {
            match set.fields.get(expected) {
                Some(field) if self.cursor.take_text(&field.quoted) => {
                    self.cursor.expect(b':')?;
                    expected += 1;
                    self.field_into(field, object)?;
                }
                _ => {
                    let key = self.cursor.string()?;
                    self.cursor.expect(b':')?;
                    match set.fields.iter().position(|field| field.key() == key) {
                        Some(i) => {
                            expected = i + 1;
                            self.field_into(&set.fields[i], object)?;
                        }
                        None if key == b"__typename" => self.typename(set, object)?,
                        None => drop(self.cursor.skip()?),
                    }
                }
            }
            if self.cursor.take(b'}') {
                return Ok(());
            }
            self.cursor.expect(b',')?;
        }
    }

    fn field_into(&mut self, field: &'a ReadField, object: u32) -> Result<(), NotJson> {
        let before = self.store.slot(object, field.slot);
        let value = self.value(field, field.depth, before)?;
        self.store.set_slot(object, field.slot, value);
        Ok(())
    }

    fn typename(&mut self, set: &ReadSet, object: u32) -> Result<(), NotJson> {
        if self.cursor.peek()? != Next::String {
            return self.cursor.skip().map(drop);
        }
        let name = self.cursor.string()?;
        if set.ty == TypeSource::Answer
            && let Ok(name) = std::str::from_utf8(name)
            && let Some(ty) = self.answer.program.supergraph.type_by_name(name)
        {
            self.store.objects[object as usize].ty = ty.0;
        }
        Ok(())
    }

    /// A value with `depth` lists around it. `before` is what another fetch found there: objects are filled further.
    fn value(&mut self, field: &'a ReadField, depth: u8, before: Value) -> Result<Value, NotJson> {
        let next = self.cursor.peek()?;
        if next == Next::Null {
            self.cursor.skip()?;
            return Ok(if before == Value::Missing { Value::Null } else { before });
        }
        if depth > 0 {
            return if next == Next::Array { self.list(field, depth, before) } else { self.mismatch("a list") };
        }
        let Some(child) = field.child else { return self.leaf(field, next) };
        if next != Next::Object {
            return self.mismatch("an object");
        }
        let set = &self.answer.program.reads[child];
        let object = match before {
            Value::Object(object) => object,
            _ => self.store.add_object(set.node, UNKNOWN, self.answer.program.slot_counts[set.node as usize]),
        };
        self.object_into(set, object)?;
        Ok(Value::Object(object))
    }

    fn list(&mut self, field: &'a ReadField, depth: u8, before: Value) -> Result<Value, NotJson> {
        self.cursor.expect(b'[')?;
        // Items are collected apart, since the items of inner lists are stored while this one grows.
        let mut items: SmallVec<[Value; 16]> = SmallVec::new();
        if !self.cursor.take(b']') {
            loop {
                let known = match before {
                    Value::List { start, len } if items.len() < len as usize => {
                        self.store.items[start as usize + items.len()]
                    }
                    _ => Value::Missing,
                };
                let item = self.value(field, depth - 1, known)?;
                items.push(item);
                if self.cursor.take(b']') {
                    break;
                }
                self.cursor.expect(b',')?;
            }
        }
        if let Value::List { len, .. } = before
            && len as usize != items.len()
        {
            return Ok(self.failure("a list as long as another subgraph's"));
        }
        let start = index(self.store.items.len());
        self.store.items.extend_from_slice(&items);
        Ok(Value::List { start, len: index(items.len()) })
    }

    fn leaf(&mut self, field: &ReadField, next: Next) -> Result<Value, NotJson> {
        let start = self.cursor.at;
        let fits = match (&field.leaf, next) {
            (LeafKind::Any, _) => {
                self.cursor.skip()?;
                true
            }
            (LeafKind::Int, Next::Number) => {
                let (text, integer) = self.cursor.number()?;
                integer && is_int(text)
            }
            (LeafKind::Float, Next::Number) => {
                self.cursor.number()?;
                true
            }
            (LeafKind::Id, Next::Number) => self.cursor.number()?.1,
            (LeafKind::String | LeafKind::Id, Next::String) => {
                self.cursor.string()?;
                true
            }
            (LeafKind::Enum(values), Next::String) => {
                let name = self.cursor.string()?;
                values.iter().any(|value| value.as_bytes() == name)
            }
            (LeafKind::Boolean, Next::True | Next::False) => {
                self.cursor.skip()?;
                true
            }
            _ => {
                self.cursor.skip()?;
                false
            }
        };
        if !fits {
            return Ok(self.failure(match &field.leaf {
                LeafKind::Int => "a 32-bit integer",
                LeafKind::Float => "a number",
                LeafKind::String => "a string",
                LeafKind::Boolean => "a boolean",
                LeafKind::Id => "an ID",
                LeafKind::Enum(_) => "a value of the enum",
                LeafKind::Any => "a value",
            }));
        }
        Ok(Value::Leaf { body: self.body, start: index(start), len: index(self.cursor.at - start) })
    }

    fn mismatch(&mut self, expected: &str) -> Result<Value, NotJson> {
        self.cursor.skip()?;
        Ok(self.failure(expected))
    }

    fn failure(&mut self, expected: &str) -> Value {
        let message = format!("subgraph `{}` did not answer {expected} here", self.answer.subgraph);
        let failure = Failure::new("SUBGRAPH_INVALID_RESPONSE", Some(self.answer.subgraph), message);
        Value::Error(self.store.add_failure(failure))
    }
}

fn is_int(text: &[u8]) -> bool {
    std::str::from_utf8(text).is_ok_and(|text| text.parse::<i32>().is_ok())
}

/// Put an error of a subgraph where it belongs: the deepest position of its path that is null.
fn place(answer: &Answer<'_>, store: &mut Store, error: SubgraphError, has_data: bool) {
    let id = store.add_failure(error.failure);
    let mut path = &error.path[..];
    let targets = match (&answer.parts[..], path.first()) {
        ([(None, targets)], _) => &targets[..1],
        (parts, Some(errors::Segment::Key(key))) => {
            let Some((_, targets)) = parts.iter().find(|(name, _)| *name == Some(key.as_bytes())) else {
                store.general.push(id);
                return;
            };
            path = &path[1..];
            match path.first() {
                Some(errors::Segment::Index(at)) if *at < targets.len() => {
                    path = &path[1..];
                    &targets[*at..=*at]
                }
                _ => &targets[..],
            }
        }
        (parts, _) => {
            let all = parts.iter().flat_map(|(_, targets)| targets);
            let failed = all.filter(|target| fail_target(answer.program, store, target, id)).count();
            if failed == 0 {
                store.general.push(id);
            }
            return;
        }
    };
    if path.is_empty() {
        if has_data && answer.parts[0].0.is_none() {
            store.general.push(id);
            return;
        }
        let failed = targets.iter().filter(|target| fail_target(answer.program, store, target, id)).count();
        if failed == 0 {
            store.general.push(id);
        }
        return;
    }
    for target in targets {
        let set = &answer.program.reads[target.read];
        if !errors::put(answer.program, store, set, target.objects[0], path, id) {
            store.general.push(id);
        }
    }
}

/// Every field of a target that has no value failed. Whether there is any.
pub(crate) fn fail_target(program: &Program, store: &mut Store, target: &Target, failure: u32) -> bool {
    let mut failed = false;
    for field in &program.reads[target.read].fields {
        let object = target.objects[0];
        if matches!(store.slot(object, field.slot), Value::Missing | Value::Null) {
            store.set_slot(object, field.slot, Value::Error(failure));
            failed = true;
        }
    }
    failed
}
