//! Types and dependencies: turns choices into types of fields and arguments, and into what fields require and provide.

use crate::generate::Maker;
use crate::random::Random;
use crate::world::{Argument, Base, Field, FieldSet, GraphId, Kind, Source, Ty, TypeId};

/// A type around a base, with lists and non-null marks.
pub(crate) fn wrap(random: &mut Random, base: Base) -> Ty {
    let lists = match random.below(8) {
        0..=4 => 0,
        5..=6 => 1,
        _ => 2,
    };
    Ty { base, non_null: random.once_in(3), lists: (0..lists).map(|_| random.once_in(3)).collect() }
}

/// A type of leaves.
pub(crate) fn scalar_type(random: &mut Random) -> Ty {
    let base = *random.pick(&[Base::Int, Base::Float, Base::String, Base::Boolean, Base::Id, Base::Color]);
    wrap(random, base)
}

/// Some arguments, mostly none.
pub(crate) fn arguments(random: &mut Random) -> Vec<Argument> {
    let count = if random.once_in(3) { 1 + random.below(2) } else { 0 };
    let choices: [(Ty, Option<&'static str>); 8] = [
        (Ty::of(Base::Int), None),
        (Ty::must(Base::Int), None),
        (Ty::of(Base::String), Some("\"é \\\"x\\\"\"")),
        (Ty::of(Base::Color), Some("GREEN")),
        (Ty { base: Base::Int, non_null: true, lists: vec![false] }, Some("[1, 2]")),
        (Ty::of(Base::Range), None),
        (Ty::of(Base::Range), Some("{high: 3}")),
        (Ty::must(Base::Boolean), Some("true")),
    ];
    let argument = |number| {
        let (ty, default) = random.pick(&choices).clone();
        Argument { name: format!("a{number}"), ty, default }
    };
    (0..count).map(argument).collect()
}

/// Whether a field can be asked without arguments.
fn without_arguments(field: &Field) -> bool {
    field.args.iter().all(|argument| argument.default.is_some() || !argument.ty.non_null)
}

impl Maker {
    /// Lets some fields of entities require earlier fields that other subgraphs answer.
    pub(crate) fn require(&mut self, entities: &[TypeId]) {
        for &id in entities {
            for at in 0..self.world.ty(id).fields.len() {
                let field = &self.world.ty(id).fields[at];
                let alone = field.owners.len() == 1 && field.source == Source::Hash && field.overridden.is_none();
                if !alone || !self.random.once_in(2) {
                    continue;
                }
                let graph = *self.world.ty(id).fields[at].owners.keys().next().expect("it has one");
                let set = self.requirable(id, at, graph);
                let owner = self.ty(id).fields[at].owners.get_mut(&graph).expect("it has one");
                owner.requires = set;
            }
        }
    }

    fn requirable(&mut self, id: TypeId, before: usize, graph: GraphId) -> FieldSet {
        let mut set = FieldSet::new();
        for field in self.world.ty(id).fields[..before].to_vec() {
            let elsewhere = !field.owners.is_empty() && !field.owners.contains_key(&graph);
            // A non-null field that fails takes its object with it, although the client did not ask for it.
            let takes_object = field.fails && field.ty.lists.first().copied().unwrap_or(field.ty.non_null);
            let steady = !takes_object && field.overridden.is_none() && field.source == Source::Hash;
            if !elsewhere || !steady || !without_arguments(&field) || !self.random.once_in(2) || set.len() == 2 {
                continue;
            }
            let Some(composite) = field.ty.composite() else {
                set.push((field.name, Vec::new()));
                continue;
            };
            let ty = self.world.ty(composite);
            if ty.kind != Kind::Object || !ty.plain || !ty.graphs.contains_key(&graph) {
                continue;
            }
            let names: Vec<String> =
                ty.fields.iter().filter(|f| without_arguments(f)).map(|f| f.name.clone()).collect();
            if names.is_empty() {
                continue;
            }
            set.push((field.name, names[..1 + self.random.below(names.len())].to_vec()));
        }
        set
    }

    /// Lets some fields provide leaves of the entities that they give.
    pub(crate) fn provide(&mut self) {
        for id in self.world.ids() {
            for at in 0..self.world.ty(id).fields.len() {
                let field = &self.world.ty(id).fields[at];
                let alone = field.owners.len() == 1 && field.via.is_none() && field.overridden.is_none();
                let entity = field.ty.composite().filter(|ty| {
                    let ty = self.world.ty(*ty);
                    ty.kind == Kind::Object && !ty.keys.is_empty()
                });
                let Some(entity) = entity.filter(|_| alone && self.world.ty(id).kind != Kind::Interface) else {
                    continue;
                };
                let graph = *field.owners.keys().next().expect("it has one");
                let offered = self.world.ty(entity).fields.iter().filter(|offered| {
                    let answered = !offered.owners.is_empty() && !offered.owners.contains_key(&graph);
                    let free = offered.owners.values().all(|owner| owner.requires.is_empty());
                    let leaf = offered.ty.composite().is_none() && offered.source == Source::Hash;
                    answered && free && leaf && offered.args.is_empty() && offered.overridden.is_none()
                });
                let offered: Vec<String> = offered.map(|offered| offered.name.clone()).collect();
                if offered.is_empty() || !self.random.once_in(2) {
                    continue;
                }
                let provided = self.random.some(&offered).into_iter().map(|name| (name, Vec::new())).collect();
                self.ty(id).fields[at].owners.get_mut(&graph).expect("it has one").provides = provided;
            }
        }
    }
}
