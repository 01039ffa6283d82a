//! Shrinking: turns a failing world and operation into smaller ones that fail in the same way.

use crate::check::{self, Bench, Failure};
use crate::operation::{Operation, Selection};
use crate::world::{Base, GraphId, Kind, Source, TypeId, World};

/// Shrink a failing case as far as it goes with single steps; at most `budget` cases are tried. A mistake of the
/// generator stays as it is: anything smaller would be another mistake.
pub fn shrink(world: World, operation: Operation, failure: Failure, budget: usize) -> (World, Operation, Failure) {
    if failure.kind == check::Kind::Monolith {
        return (world, operation, failure);
    }
    let mut case = Case { world, operation, failure, left: budget };
    loop {
        let before = case.left;
        let smaller = case.operation() | case.world();
        if !smaller || case.left == 0 || case.left == before {
            return (case.world, case.operation, case.failure);
        }
    }
}

struct Case {
    world: World,
    operation: Operation,
    failure: Failure,
    left: usize,
}

/// A field that can have no value is none that the generator makes.
fn is_sound(world: &World) -> bool {
    let mut fields = world.types.iter().flat_map(|ty| &ty.fields).filter(|field| !field.owners.is_empty());
    fields.all(|field| field.ty.composite().is_none() || !world.runtime_types(field).is_empty())
}

fn failure_of(world: &World, operation: &Operation) -> Option<Failure> {
    if !is_sound(world) {
        return None;
    }
    match Bench::new(world.clone()) {
        Ok(bench) => bench.check(operation).err(),
        Err(failure) => Some(failure),
    }
}

impl Case {
    /// Take a candidate over when it fails in the same way.
    fn try_it(&mut self, world: Option<World>, operation: Option<Operation>) -> bool {
        if self.left == 0 {
            return false;
        }
        self.left -= 1;
        let (world, operation) =
            (world.unwrap_or_else(|| self.world.clone()), operation.unwrap_or_else(|| self.operation.clone()));
        let Some(failure) = failure_of(&world, &operation).filter(|failure| failure.kind == self.failure.kind) else {
            return false;
        };
        (self.world, self.operation, self.failure) = (world, operation, failure);
        true
    }

    /// Remove selections, unwrap fragments, drop directives.
    fn operation(&mut self) -> bool {
        let mut smaller = false;
        let mut at = 0;
        while at < count(&self.operation.selections) {
            let changed = [remove, unwrap, plain].iter().any(|change| {
                let mut candidate = self.operation.clone();
                edit(&mut candidate.selections, &mut { at }, *change)
                    && !candidate.selections.is_empty()
                    && self.try_it(None, Some(candidate))
            });
            smaller |= changed;
            at += usize::from(!changed);
        }
        smaller
    }

    /// Simplify fields, remove them, and remove types from subgraphs.
    fn world(&mut self) -> bool {
        let mut smaller = false;
        for id in self.world.ids().collect::<Vec<_>>() {
            let mut at = self.world.ty(id).fields.len();
            while at > 0 {
                at -= 1;
                smaller |= self.field(id, at);
            }
            for graph in self.world.ty(id).graphs.keys().copied().collect::<Vec<_>>() {
                smaller |= self.without(id, graph);
            }
            for member in self.world.ty(id).members.clone() {
                let mut candidate = self.world.clone();
                candidate.types[id.0 as usize].members.retain(|known| *known != member);
                smaller |= self.try_it(Some(candidate), None);
            }
        }
        smaller
    }

    fn field(&mut self, id: TypeId, at: usize) -> bool {
        let field = &self.world.ty(id).fields[at];
        let (is_key, name) = (field.source == Source::Key, field.name.clone());
        let owners: Vec<GraphId> = field.owners.keys().copied().collect();
        let mut candidates = Vec::new();
        let mut add = |change: &dyn Fn(&mut World)| {
            let mut candidate = self.world.clone();
            change(&mut candidate);
            copy_fields(&mut candidate);
            candidates.push(candidate);
        };
        add(&|world| {
            world.types[id.0 as usize].fields.remove(at);
            if world.ty(id).kind == Kind::Interface {
                let members = world.ty(id).members.clone();
                members.iter().for_each(|m| world.types[m.0 as usize].fields.retain(|f| f.name != name || is_key));
            }
        });
        if !is_key {
            add(&|world| world.types[id.0 as usize].fields[at].args.clear());
            add(&|world| world.types[id.0 as usize].fields[at].fails = false);
            add(&|world| world.types[id.0 as usize].fields[at].overridden = None);
            add(&|world| world.types[id.0 as usize].fields[at].ty.lists.clear());
            add(&|world| world.types[id.0 as usize].fields[at].ty.non_null = false);
            add(&|world| {
                let ty = &mut world.types[id.0 as usize].fields[at].ty;
                ty.base = if let Base::Type(_) = ty.base { ty.base } else { Base::Int };
            });
            for owner in owners {
                add(&|world| drop(world.types[id.0 as usize].fields[at].owners.remove(&owner)));
                add(&|world| world.types[id.0 as usize].fields[at].owners.entry(owner).or_default().requires.clear());
                add(&|world| world.types[id.0 as usize].fields[at].owners.entry(owner).or_default().provides.clear());
            }
        }
        let before = self.world.monolith_sdl() + &sdls(&self.world);
        candidates.into_iter().any(|candidate| {
            // Every step must change something, or shrinking would not end.
            let after = candidate.monolith_sdl() + &sdls(&candidate);
            let shows = after != before || steps(&candidate) < steps(&self.world);
            shows && self.try_it(Some(candidate), None)
        })
    }

    /// The type is not in the subgraph, and nobody answers it there.
    fn without(&mut self, id: TypeId, graph: GraphId) -> bool {
        let mut candidate = self.world.clone();
        let ty = &mut candidate.types[id.0 as usize];
        ty.graphs.remove(&graph);
        for field in &mut ty.fields {
            field.owners.remove(&graph);
            field.overridden = field.overridden.filter(|(from, _)| *from != graph);
        }
        ty.fields.retain(|field| !field.owners.is_empty() || ty.kind == Kind::Interface || field.via.is_some());
        self.try_it(Some(candidate), None)
    }
}

/// The fields that an interface object answers are the same for every object type.
fn copy_fields(world: &mut World) {
    for id in world.ids() {
        for at in 0..world.ty(id).fields.len() {
            let field = &world.ty(id).fields[at];
            let Some(own) = field.via.and_then(|face| world.field(face, &field.name)).cloned() else { continue };
            let copy = &mut world.types[id.0 as usize].fields[at];
            (copy.ty, copy.args, copy.fails) = (own.ty, own.args, own.fails);
        }
    }
}

fn sdls(world: &World) -> String {
    world.graph_ids().map(|graph| world.subgraph_sdl(graph, true)).collect()
}

/// How many fields may fail: what shrinking reduces without a change of schema.
fn steps(world: &World) -> usize {
    world.types.iter().flat_map(|ty| &ty.fields).filter(|field| field.fails).count()
}

fn count(selections: &[Selection]) -> usize {
    selections.iter().map(|selection| 1 + count(&selection.below)).sum()
}

/// What becomes of a selection: others in its place, or `None` where the change does not apply.
type Change = fn(&Selection) -> Option<Vec<Selection>>;

fn remove(_: &Selection) -> Option<Vec<Selection>> {
    Some(Vec::new())
}

fn unwrap(selection: &Selection) -> Option<Vec<Selection>> {
    selection.fragment.is_some().then(|| selection.below.clone())
}

fn plain(selection: &Selection) -> Option<Vec<Selection>> {
    if selection.directives.is_empty() && selection.fragment != Some(true) {
        return None;
    }
    let fragment = selection.fragment.map(|_| false);
    Some(vec![Selection { directives: Vec::new(), fragment, ..selection.clone() }])
}

/// Change the selection of a number, counted depth first; whether it could be.
fn edit(selections: &mut Vec<Selection>, number: &mut usize, change: Change) -> bool {
    for at in 0..selections.len() {
        if *number == 0 {
            let Some(others) = change(&selections[at]) else { return false };
            if others.is_empty() && selections.len() == 1 {
                return false;
            }
            selections.splice(at..=at, others);
            return true;
        }
        *number -= 1;
        let below = count(&selections[at].below);
        if *number < below {
            return edit(&mut selections[at].below, number, change);
        }
        *number -= below;
    }
    false
}
