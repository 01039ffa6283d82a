//! The store: answers of subgraphs as flat values that point into the bodies they came in.

use crate::copy::append;
use bytes::Bytes;

/// No type known.
pub(crate) const UNKNOWN: u32 = u32::MAX;

/// A value of a slot or list item.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Value {
    /// Not fetched, or not in the answer.
    Missing,
    Null,
    /// The position failed.
    Error(u32),
    /// JSON text of a scalar in a body.
    Leaf {
        body: u32,
        start: u32,
        len: u32,
    },
    Object(u32),
    /// Items in the store's list.
    List {
        start: u32,
        len: u32,
    },
}

/// An object: values at `slots..`, as many as its selection set has.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Object {
    pub node: u32,
    pub ty: u32,
    pub slots: u32,
}

/// Why a position failed, in the form in which it is written.
#[derive(Debug, Clone)]
pub(crate) struct Failure {
    pub message: String,
    /// JSON object text.
    pub extensions: String,
}

impl Failure {
    pub fn new(code: &str, subgraph: Option<&str>, message: impl Into<String>) -> Self {
        let mut extensions = serde_json::Map::new();
        extensions.insert("code".to_owned(), code.into());
        if let Some(subgraph) = subgraph {
            extensions.insert("serviceName".to_owned(), subgraph.into());
        }
        Self { message: message.into(), extensions: serde_json::Value::Object(extensions).to_string() }
    }
}

/// All values of one response.
#[derive(Debug, Default)]
pub(crate) struct Store {
    pub bodies: Vec<Bytes>,
    pub objects: Vec<Object>,
    pub slots: Vec<Value>,
    pub items: Vec<Value>,
    pub failures: Vec<Failure>,
    /// Failures that belong to no position.
    pub general: Vec<u32>,
}

impl Store {
    /// An empty store with room for this much.
    pub fn with_capacity(objects: usize, slots: usize, items: usize) -> Self {
        Self {
            objects: Vec::with_capacity(objects),
            slots: Vec::with_capacity(slots),
            items: Vec::with_capacity(items),
            ..Self::default()
        }
    }

    /// A new object without values.
    pub fn add_object(&mut self, node: u32, ty: u32, slot_count: usize) -> u32 {
        let slots = index(self.slots.len());
        self.slots.resize(self.slots.len() + slot_count, Value::Missing);
        self.objects.push(Object { node, ty, slots });
        index(self.objects.len() - 1)
    }

    /// A slot of an object.
    pub fn slot(&self, object: u32, slot: u32) -> Value {
        self.slots[(self.objects[object as usize].slots + slot) as usize]
    }

    /// Set a slot of an object.
    pub fn set_slot(&mut self, object: u32, slot: u32, value: Value) {
        let at = self.objects[object as usize].slots + slot;
        self.slots[at as usize] = value;
    }

    /// A value whose objects are its own: those of the given one are copied.
    pub fn duplicate(&mut self, value: Value) -> Value {
        match value {
            Value::Object(object) => {
                let Object { node, ty, slots } = self.objects[object as usize];
                let end = self.objects.get(object as usize + 1).map_or(self.slots.len(), |next| next.slots as usize);
                let copy = self.add_object(node, ty, end - slots as usize);
                for at in 0..index(end) - slots {
                    let own = self.slot(object, at);
                    let own = self.duplicate(own);
                    self.set_slot(copy, at, own);
                }
                Value::Object(copy)
            }
            Value::List { start, len } => {
                let items: Vec<Value> = (start..start + len).map(|i| self.items[i as usize]).collect();
                let items: Vec<Value> = items.into_iter().map(|item| self.duplicate(item)).collect();
                let start = index(self.items.len());
                self.items.extend(items);
                Value::List { start, len }
            }
            other => other,
        }
    }

    /// Note a failure.
    pub fn add_failure(&mut self, failure: Failure) -> u32 {
        self.failures.push(failure);
        index(self.failures.len() - 1)
    }

    /// Write the JSON text of a leaf.
    #[inline]
    pub fn write_leaf(&self, out: &mut Vec<u8>, body: u32, start: u32, len: u32) {
        append(out, &self.bodies[body as usize], start as usize, len as usize);
    }
}

/// An arena position; bodies are limited far below 4 GB.
pub(crate) fn index(position: usize) -> u32 {
    u32::try_from(position).expect("answers are limited far below 2^32 values")
}
