//! Delivering: turns the progress of a run into the parts of an incremental response (incremental delivery RFC, "Yield
//! incremental results").
//!
//! A unit is what one delivery has at one object; an instance is a fragment with `@defer` at one object, which is complete
//! when all units of its fields are.

mod grouping;

pub(crate) use grouping::Grouping;

use crate::program::Program;
use crate::respond::{Found, Segment, Writer, write_path};
use crate::store::Store;
use rustc_hash::FxHashMap;
use smallvec::SmallVec;
use terrane_plan::DeferId;

/// What the parts are written from.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Source<'a> {
    pub program: &'a Program,
    pub store: &'a Store,
    pub root: u32,
    pub holds: &'a [bool],
    pub introspection: &'a [Vec<u8>],
    pub max_errors: usize,
    /// By request: whether it is done.
    pub done: &'a [bool],
}

/// The state of an incremental response.
#[derive(Debug)]
pub(crate) struct Delivery {
    pub grouping: Grouping,
    begun: bool,
    units: Vec<Unit>,
    instances: Vec<Instance>,
    /// Instances by fragment and path.
    known: FxHashMap<(DeferId, Vec<Segment>), usize>,
    next_id: u32,
}

#[derive(Debug)]
struct Unit {
    found: Found,
    instances: SmallVec<[usize; 2]>,
    over: bool,
}

#[derive(Debug)]
struct Instance {
    defer: DeferId,
    path: Vec<Segment>,
    /// The selection sets above with the lengths of their paths.
    nodes: Vec<(u32, usize)>,
    /// Its number in the response, once it is announced.
    id: Option<u32>,
    /// How many units are to come.
    left: usize,
    over: bool,
    /// A null in it took its object away.
    failed: bool,
}

/// A part under construction.
#[derive(Debug, Default)]
struct Part {
    pending: Vec<u8>,
    incremental: Vec<u8>,
    completed: Vec<u8>,
}

impl Delivery {
    pub fn new(grouping: Grouping) -> Self {
        Self {
            grouping,
            begun: false,
            units: Vec::new(),
            instances: Vec::new(),
            known: FxHashMap::default(),
            next_id: 0,
        }
    }

    /// Whether there is nothing more to come.
    pub fn is_over(&self) -> bool {
        self.begun && self.instances.iter().all(|instance| instance.over)
    }

    /// The next part, if what is done makes one.
    pub fn next(&mut self, source: Source<'_>) -> Option<Vec<u8>> {
        if self.begun { self.subsequent(source) } else { self.initial(source) }
    }

    fn is_ready(&self, delivery: usize, done: &[bool]) -> bool {
        self.grouping.requests[delivery].iter().all(|&request| done[request])
    }

    fn initial(&mut self, source: Source<'_>) -> Option<Vec<u8>> {
        if !self.is_ready(0, source.done) {
            return None;
        }
        self.begun = true;
        let mut writer = Writer::new(source, Some(&self.grouping));
        writer.data(source.root);
        let (mut out, found) = writer.close();
        self.take_over(source.program, found);
        let mut part = Part::default();
        self.announce(source.program, &mut part);
        out.pop();
        part.finish(out, !self.is_over())
    }

    fn subsequent(&mut self, source: Source<'_>) -> Option<Vec<u8>> {
        let mut part = Part::default();
        let mut progress = true;
        while progress {
            progress = false;
            let mut number = 0;
            while number < self.units.len() {
                let unit = &self.units[number];
                let announced = |&i: &usize| !self.instances[i].over && self.instances[i].id.is_some();
                let ready = !unit.over && self.is_ready(unit.found.delivery, source.done);
                if ready && unit.instances.iter().any(announced) {
                    self.deliver(source, number, &mut part);
                    progress = true;
                }
                number += 1;
            }
            progress |= self.announce(source.program, &mut part);
        }
        if part.incremental.is_empty() && part.completed.is_empty() {
            return None;
        }
        self.units.retain(|unit| !unit.over);
        part.finish(b"{".to_vec(), !self.is_over())
    }

    /// Write one unit, and complete the instances whose last it was.
    fn deliver(&mut self, source: Source<'_>, number: usize, part: &mut Part) {
        self.units[number].over = true;
        let instances: SmallVec<[usize; 2]> =
            self.units[number].instances.iter().copied().filter(|&i| !self.instances[i].over).collect();
        // What is delivered for several fragments is told of the one that is nearest to it.
        let announced = instances.iter().filter(|&&i| self.instances[i].id.is_some());
        let Some(&best) = announced.max_by_key(|&&i| self.instances[i].path.len()) else { return };
        let found = &self.units[number].found;
        let mut writer = Writer::new(source, Some(&self.grouping));
        let written = writer.unit(found);
        let (data, errors, below) = writer.parts();
        if !written {
            for instance in instances {
                (self.instances[instance].over, self.instances[instance].failed) = (true, true);
                if self.instances[instance].id.is_some() {
                    part.complete(self.instances[instance].id, &errors);
                }
            }
            return;
        }
        part.add(&self.instances[best], &found.path, &data, &errors);
        self.take_over(source.program, below);
        for instance in instances {
            self.instances[instance].left -= 1;
            if self.instances[instance].left > 0 {
                continue;
            }
            // One that all was delivered of with others is never announced.
            self.instances[instance].over = true;
            if self.instances[instance].id.is_some() {
                part.complete(self.instances[instance].id, &[]);
            }
        }
    }

    /// Make units and instances of what the writer left out.
    fn take_over(&mut self, program: &Program, found: Vec<Found>) {
        for found in found {
            let mut instances = SmallVec::new();
            for &defer in &self.grouping.defers[found.delivery] {
                let node = program.plan.deferred.defers()[defer.index()].node.0;
                let Some(at) = found.nodes.iter().rposition(|(known, _)| *known == node) else { continue };
                let path = found.path[..found.nodes[at].1].to_vec();
                let known = *self.known.entry((defer, path.clone())).or_insert_with(|| {
                    let nodes = found.nodes[..=at].to_vec();
                    self.instances.push(Instance { defer, path, nodes, id: None, left: 0, over: false, failed: false });
                    self.instances.len() - 1
                });
                self.instances[known].left += 1;
                instances.push(known);
            }
            self.units.push(Unit { found, instances, over: false });
        }
    }

    /// Announce instances whose surroundings are delivered. Where these failed, there is nothing to announce.
    /// Whether it changed anything.
    fn announce(&mut self, program: &Program, part: &mut Part) -> bool {
        let mut changed = false;
        for i in 0..self.instances.len() {
            if self.instances[i].id.is_some() || self.instances[i].over {
                continue;
            }
            match self.around(program, i) {
                Some(outer) if self.instances[outer].failed => {
                    (self.instances[i].over, self.instances[i].failed) = (true, true);
                }
                Some(outer) if !self.instances[outer].over => continue,
                _ => {
                    self.instances[i].id = Some(self.next_id);
                    self.next_id += 1;
                    let label = program.plan.deferred.defers()[self.instances[i].defer.index()].label.as_deref();
                    part.announce(&self.instances[i], label);
                }
            }
            changed = true;
        }
        changed
    }

    /// The instance of the nearest fragment around one that has any.
    fn around(&self, program: &Program, instance: usize) -> Option<usize> {
        let Instance { path, nodes, defer, .. } = &self.instances[instance];
        let mut outer = self.grouping.parent(program, *defer);
        while let Some(parent) = outer {
            let node = program.plan.deferred.defers()[parent.index()].node.0;
            let len = nodes.iter().rev().find(|(known, _)| *known == node).map(|(_, len)| *len);
            if let Some(&known) = len.and_then(|len| self.known.get(&(parent, path[..len].to_vec()))) {
                return Some(known);
            }
            outer = self.grouping.parent(program, parent);
        }
        None
    }
}

impl Part {
    fn next(list: &mut Vec<u8>, id: Option<u32>) -> &mut Vec<u8> {
        list.extend_from_slice(if list.is_empty() { b"{\"id\":\"" } else { b",{\"id\":\"" });
        list.extend_from_slice(itoa::Buffer::new().format(id.unwrap_or_default()).as_bytes());
        list.push(b'"');
        list
    }

    fn announce(&mut self, instance: &Instance, label: Option<&str>) {
        let out = Self::next(&mut self.pending, instance.id);
        out.extend_from_slice(b",\"path\":");
        write_path(out, &instance.path);
        if let Some(label) = label {
            out.extend_from_slice(b",\"label\":");
            terrane_graphql::json::write_str(out, label);
        }
        out.push(b'}');
    }

    fn add(&mut self, instance: &Instance, path: &[Segment], data: &[u8], errors: &[u8]) {
        let out = Self::next(&mut self.incremental, instance.id);
        if path.len() > instance.path.len() {
            out.extend_from_slice(b",\"subPath\":");
            write_path(out, &path[instance.path.len()..]);
        }
        out.extend_from_slice(b",\"data\":");
        out.extend_from_slice(data);
        Self::errors(out, errors);
        out.push(b'}');
    }

    fn complete(&mut self, id: Option<u32>, errors: &[u8]) {
        let out = Self::next(&mut self.completed, id);
        Self::errors(out, errors);
        out.push(b'}');
    }

    fn errors(out: &mut Vec<u8>, errors: &[u8]) {
        if !errors.is_empty() {
            out.extend_from_slice(b",\"errors\":[");
            out.extend_from_slice(errors);
            out.push(b']');
        }
    }

    /// The part's text after `out`, which is an object without its closing brace.
    fn finish(self, mut out: Vec<u8>, has_next: bool) -> Option<Vec<u8>> {
        let lists: [(&[u8], Vec<u8>); 3] = [
            (b"\"pending\":[", self.pending),
            (b"\"incremental\":[", self.incremental),
            (b"\"completed\":[", self.completed),
        ];
        for (name, list) in lists.into_iter().filter(|(_, list)| !list.is_empty()) {
            if out.len() > 1 {
                out.push(b',');
            }
            out.extend_from_slice(name);
            out.extend_from_slice(&list);
            out.push(b']');
        }
        out.extend_from_slice(if has_next { b",\"hasNext\":true}" } else { b",\"hasNext\":false}" });
        Some(out)
    }
}
