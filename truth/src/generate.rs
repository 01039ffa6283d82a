//! Generation: turns a seed into a world whose subgraphs compose, and whose every operation can be answered.

use crate::random::Random;
use crate::types::{arguments, scalar_type, wrap};
use crate::world::{Base, Field, GraphId, KeyShape, Kind, OBJECTS, Owner, Presence, Source, Ty, Type, TypeId, World};
use std::collections::{BTreeMap, BTreeSet};

/// Makes a world step by step: first which types are where, then who answers what.
pub(crate) struct Maker {
    pub random: Random,
    pub world: World,
    names: u32,
}

/// The world of a seed.
pub fn world(seed: u64) -> World {
    let mut random = Random::new(seed);
    let graphs = 2 + u32::try_from(random.below(4)).expect("it is small");
    let label = random.once_in(2);
    let mut maker = Maker { random, world: World { seed, graphs, types: Vec::new(), label }, names: 0 };
    let everywhere: Vec<GraphId> = maker.world.graph_ids().collect();
    maker.add_type("Query", Kind::Root, &everywhere);
    maker.add_type("Mutation", Kind::Root, &everywhere);
    maker.add_ref(&everywhere);
    let values: Vec<TypeId> = (0..1 + maker.random.below(3)).map(|i| maker.add_value(i)).collect();
    let entities: Vec<TypeId> = (0..2 + maker.random.below(4)).map(|i| maker.add_entity(i)).collect();
    maker.add_interface_object(&entities);
    maker.connect_keys(&entities);
    maker.add_interfaces(&entities, &values);
    maker.add_unions(&entities, &values);
    maker.fill_values(&values);
    maker.fill_entities(&entities);
    maker.fill_interface_objects();
    maker.fill_roots();
    maker.divide_a_value();
    maker.require(&entities);
    maker.provide();
    maker.world
}

impl Maker {
    fn add_type(&mut self, name: &str, kind: Kind, graphs: &[GraphId]) -> TypeId {
        let graphs: BTreeMap<_, _> = graphs.iter().map(|graph| (*graph, Presence::default())).collect();
        let ty =
            Type { name: name.to_owned(), kind, fields: vec![], keys: vec![], graphs, members: vec![], plain: false };
        self.world.types.push(ty);
        TypeId(u32::try_from(self.world.types.len() - 1).expect("there are few types"))
    }

    pub(crate) fn ty(&mut self, id: TypeId) -> &mut Type {
        &mut self.world.types[id.0 as usize]
    }

    fn fresh(&mut self) -> String {
        self.names += 1;
        format!("f{}", self.names)
    }

    fn some_graphs(&mut self) -> Vec<GraphId> {
        let all: Vec<GraphId> = self.world.graph_ids().collect();
        let some = self.random.some(&all);
        if some.is_empty() { vec![*self.random.pick(&all)] } else { some }
    }

    fn add_ref(&mut self, everywhere: &[GraphId]) {
        let id = self.add_type("Ref", Kind::Object, everywhere);
        let owners: BTreeMap<_, _> = everywhere.iter().map(|graph| (*graph, Owner::default())).collect();
        let fields = ["row", "column"].map(|name| key_field(name, Ty::must(Base::Int), owners.clone()));
        self.ty(id).fields = fields.to_vec();
    }

    fn add_value(&mut self, number: usize) -> TypeId {
        let graphs = self.some_graphs();
        let id = self.add_type(&format!("Value{number}"), Kind::Object, &graphs);
        self.ty(id).plain = number == 0 || self.random.once_in(2);
        id
    }

    fn add_entity(&mut self, number: usize) -> TypeId {
        let graphs = self.some_graphs();
        let id = self.add_type(&format!("Entity{number}"), Kind::Object, &graphs);
        let mut shapes = self.random.some(&[KeyShape::Id, KeyShape::Code, KeyShape::Pair, KeyShape::Nested]);
        if shapes.is_empty() {
            shapes.push(KeyShape::Id);
        }
        self.ty(id).keys = shapes;
        id
    }

    /// An interface that one subgraph knows with all its implementations, and another as an interface object.
    fn add_interface_object(&mut self, entities: &[TypeId]) {
        if self.random.once_in(2) {
            return;
        }
        let all: Vec<GraphId> = self.world.graph_ids().collect();
        let home = *self.random.pick(&all);
        let away = all[(home.0 as usize + 1 + self.random.below(all.len() - 1)) % all.len()];
        let mut members = self.random.some(entities);
        members.truncate(3);
        if members.is_empty() {
            members.push(entities[0]);
        }
        let id = self.add_type("Thing", Kind::Interface, &[home, away]);
        self.ty(id).members.clone_from(&members);
        self.ty(id).keys = vec![KeyShape::Id];
        for graph in [home, away] {
            let presence = Presence { keys: BTreeSet::from([0]), interface_object: graph == away, unresolvable: false };
            self.ty(id).graphs.insert(graph, presence);
        }
        let no_owners = BTreeMap::from([(home, Owner::default()), (away, Owner::default())]);
        self.ty(id).fields.push(key_field("id", Ty::must(Base::Id), no_owners));
        for member in members {
            let ty = self.ty(member);
            ty.graphs.remove(&away);
            let at = ty.keys.iter().position(|key| *key == KeyShape::Id).unwrap_or_else(|| {
                ty.keys.push(KeyShape::Id);
                ty.keys.len() - 1
            });
            ty.graphs.entry(home).or_default().keys.insert(at);
        }
    }

    /// Gives each subgraph of an entity a key that another one has too, so that all of them can be reached from each.
    fn connect_keys(&mut self, entities: &[TypeId]) {
        for &id in entities {
            let Type { keys, mut graphs, .. } = self.world.ty(id).clone();
            let mut connected: Vec<GraphId> =
                graphs.iter().filter(|(_, presence)| !presence.keys.is_empty()).map(|(graph, _)| *graph).collect();
            let order: Vec<GraphId> = graphs.keys().copied().collect();
            for graph in order.into_iter().filter(|graph| !connected.contains(graph)).collect::<Vec<_>>() {
                let shared = if connected.is_empty() {
                    self.random.below(keys.len())
                } else {
                    let near = *self.random.pick(&connected);
                    let known: Vec<usize> = graphs[&near].keys.iter().copied().collect();
                    *self.random.pick(&known)
                };
                let presence = graphs.entry(graph).or_default();
                presence.keys.insert(shared);
                if !connected.is_empty() && self.random.once_in(6) {
                    presence.unresolvable = true;
                    continue;
                }
                presence.keys.extend((0..keys.len()).filter(|_| self.random.once_in(4)));
                connected.push(graph);
            }
            self.ty(id).graphs.clone_from(&graphs);
            for (at, key) in keys.iter().enumerate() {
                let owners: BTreeMap<_, _> = graphs
                    .iter()
                    .filter(|(_, presence)| presence.keys.contains(&at))
                    .map(|(graph, _)| (*graph, Owner::default()))
                    .collect();
                if !owners.is_empty() {
                    self.add_key_fields(id, *key, &owners);
                }
            }
        }
    }

    fn add_key_fields(&mut self, id: TypeId, key: KeyShape, owners: &BTreeMap<GraphId, Owner>) {
        let reference = Base::Type(self.world.named("Ref").expect("every world has it"));
        for name in key.fields() {
            let base = match *name {
                "id" => Base::Id,
                "code" => Base::String,
                "ref" => reference,
                _ => Base::Int,
            };
            self.ty(id).fields.push(key_field(name, Ty::must(base), owners.clone()));
        }
    }

    /// Subgraphs that can answer fields of a type: all but those that only refer to it.
    pub(crate) fn answering(&self, id: TypeId) -> Vec<GraphId> {
        let graphs = self.world.ty(id).graphs.iter();
        graphs.filter(|(_, presence)| !presence.unresolvable).map(|(graph, _)| *graph).collect()
    }

    fn add_interfaces(&mut self, entities: &[TypeId], values: &[TypeId]) {
        for number in 0..self.random.below(3) {
            let of = if self.random.once_in(4) { values } else { entities };
            let mut members = self.random.some(of);
            members.truncate(3);
            if members.is_empty() {
                continue;
            }
            let id = self.add_type(&format!("Face{number}"), Kind::Interface, &[]);
            self.ty(id).members.clone_from(&members);
            if members.iter().all(|member| self.world.field(*member, "id").is_some()) && self.random.once_in(2) {
                self.ty(id).fields.push(key_field("id", Ty::must(Base::Id), BTreeMap::new()));
            }
            self.add_interface_fields(id, &members);
            let graphs: Vec<GraphId> = self.world.graph_ids().collect();
            for graph in graphs {
                let possible = !self.world.possible(id, Some(graph)).is_empty();
                if possible && !self.world.interface_fields(id, graph).is_empty() && !self.random.once_in(3) {
                    self.ty(id).graphs.insert(graph, Presence::default());
                }
            }
        }
        if let Some(thing) = self.world.named("Thing") {
            let members = self.world.ty(thing).members.clone();
            self.add_interface_fields(thing, &members);
        }
    }

    /// Fields that every implementation has. Each implementation may have them in other subgraphs.
    fn add_interface_fields(&mut self, id: TypeId, members: &[TypeId]) {
        for _ in 0..1 + self.random.below(2) {
            let (name, args) = (self.fresh(), arguments(&mut self.random));
            let ty = scalar_type(&mut self.random);
            let fails = self.random.once_in(4) && members.iter().all(|member| !self.world.ty(*member).plain);
            let mut field = plain_field(name, ty);
            (field.args, field.fails) = (args, fails);
            self.ty(id).fields.push(field.clone());
            for member in members {
                let graphs = self.answering(*member);
                let is_value = self.world.ty(*member).keys.is_empty();
                let owners = if is_value { graphs } else { self.owners(&graphs) };
                field.owners = owners.into_iter().map(|graph| (graph, Owner::default())).collect();
                self.ty(*member).fields.push(field.clone());
            }
        }
    }

    fn add_unions(&mut self, entities: &[TypeId], values: &[TypeId]) {
        for number in 0..self.random.below(3) {
            let mut members = self.random.some(entities);
            members.extend(self.random.some(values));
            members.truncate(4);
            let id = self.add_type(&format!("Any{number}"), Kind::Union, &[]);
            self.ty(id).members = members;
            let graphs: Vec<GraphId> = self.world.graph_ids().collect();
            for graph in graphs {
                if !self.world.possible(id, Some(graph)).is_empty() && self.random.once_in(2) {
                    self.ty(id).graphs.insert(graph, Presence::default());
                }
            }
        }
    }

    /// One subgraph mostly, sometimes more.
    fn owners(&mut self, graphs: &[GraphId]) -> Vec<GraphId> {
        let first = *self.random.pick(graphs);
        let mut owners = vec![first];
        if self.random.once_in(4) {
            owners.extend(self.random.some(graphs).into_iter().filter(|graph| *graph != first));
        }
        owners
    }

    /// A field that `owners` can answer.
    fn random_field(&mut self, owners: &[GraphId], composite: bool) -> Field {
        let name = self.fresh();
        let candidates: Vec<TypeId> = if composite { self.composites(owners) } else { Vec::new() };
        let ty = if !candidates.is_empty() && self.random.once_in(2) {
            let base = Base::Type(*self.random.pick(&candidates));
            wrap(&mut self.random, base)
        } else {
            scalar_type(&mut self.random)
        };
        let mut field = plain_field(name, ty);
        field.args = arguments(&mut self.random);
        field.fails = self.random.once_in(4);
        field.owners = owners.iter().map(|graph| (*graph, Owner::default())).collect();
        field
    }

    /// Composite types that all `owners` know, and know to have the same object types.
    fn composites(&self, owners: &[GraphId]) -> Vec<TypeId> {
        let fits = |id: &TypeId| {
            let ty = self.world.ty(*id);
            let mut known = owners.iter().map(|graph| self.world.possible(*id, Some(*graph)));
            let first = known.next().unwrap_or_default();
            ty.kind != Kind::Root
                && ty.name != "Ref"
                && ty.name != "Divided"
                && owners.iter().all(|graph| ty.graphs.contains_key(graph))
                && known.all(|other| other == first)
                && !(owners.len() > 1 && owners.iter().any(|g| ty.graphs[g].interface_object))
        };
        self.world.ids().filter(fits).collect()
    }

    fn fill_values(&mut self, values: &[TypeId]) {
        for &id in values {
            let graphs = self.answering(id);
            let plain = self.world.ty(id).plain;
            for number in 0..1 + self.random.below(3) {
                let mut field = self.random_field(&graphs, !plain && number > 0);
                field.fails &= !plain;
                if plain {
                    field.args.clear();
                }
                self.ty(id).fields.push(field);
            }
        }
    }

    fn fill_entities(&mut self, entities: &[TypeId]) {
        for &id in entities {
            let graphs = self.answering(id);
            for _ in 0..2 + self.random.below(5) {
                let owners = self.owners(&graphs);
                let mut field = self.random_field(&owners, true);
                let others: Vec<GraphId> = graphs.iter().copied().filter(|graph| !owners.contains(graph)).collect();
                let known_to = |graph: &GraphId| {
                    let object = |ty: TypeId| self.world.ty(ty).kind == Kind::Object;
                    field.ty.composite().is_none_or(|ty| object(ty) && self.world.ty(ty).graphs.contains_key(graph))
                };
                let others: Vec<GraphId> = others.into_iter().filter(known_to).collect();
                if owners.len() == 1 && !others.is_empty() && self.random.once_in(5) {
                    field.overridden = Some((*self.random.pick(&others), self.random.once_in(2)));
                }
                self.ty(id).fields.push(field);
            }
        }
    }

    fn fill_interface_objects(&mut self) {
        let Some(id) = self.world.named("Thing") else { return };
        let away = self.world.ty(id).graphs.iter().find(|(_, presence)| presence.interface_object).map(|(g, _)| *g);
        let away = away.expect("it is an interface object in one subgraph");
        for _ in 0..1 + self.random.below(2) {
            let field = self.random_field(&[away], true);
            self.ty(id).fields.push(field.clone());
            for member in self.world.ty(id).members.clone() {
                let inherited = Field { via: Some(id), owners: BTreeMap::new(), ..field.clone() };
                self.ty(member).fields.push(inherited);
            }
        }
    }

    fn fill_roots(&mut self) {
        let graphs: Vec<GraphId> = self.world.graph_ids().collect();
        for graph in &graphs {
            for _ in 0..1 + self.random.below(3) {
                let owners = if self.random.once_in(5) { self.owners(&graphs) } else { vec![*graph] };
                let field = self.random_field(&owners, true);
                self.ty(TypeId(0)).fields.push(field);
            }
            if self.random.once_in(2) {
                let owners = if self.random.once_in(3) { self.owners(&graphs) } else { vec![*graph] };
                let field = self.random_field(&owners, true);
                self.ty(TypeId(1)).fields.push(field);
            }
        }
        let used: BTreeSet<GraphId> =
            self.world.ty(TypeId(1)).fields.iter().flat_map(|field| field.owners.keys().copied()).collect();
        self.ty(TypeId(1)).graphs.retain(|graph, _| used.contains(graph));
    }

    /// A value without a key, reached through a shared root field: each subgraph answers a part of it.
    fn divide_a_value(&mut self) {
        if self.random.once_in(2) {
            return;
        }
        let graphs: Vec<GraphId> = self.world.graph_ids().collect();
        let id = self.add_type("Divided", Kind::Object, &graphs);
        for graph in &graphs {
            let mut owners = vec![*graph];
            if self.random.once_in(3) {
                owners = self.owners(&graphs);
                owners.push(*graph);
            }
            let mut field = self.random_field(&owners, true);
            field.fails = false;
            self.ty(id).fields.push(field);
        }
        let mut root = plain_field(self.fresh(), Ty::of(Base::Type(id)));
        root.owners = graphs.iter().map(|graph| (*graph, Owner::default())).collect();
        self.ty(TypeId(0)).fields.push(root);
    }
}

/// A leaf field that nobody answers yet.
pub(crate) fn plain_field(name: String, ty: Ty) -> Field {
    let source = Source::Hash;
    Field { name, ty, args: vec![], fails: false, source, owners: BTreeMap::new(), overridden: None, via: None }
}

fn key_field(name: &str, ty: Ty, owners: BTreeMap<GraphId, Owner>) -> Field {
    Field { source: Source::Key, owners, ..plain_field(name.to_owned(), ty) }
}

const _: () = assert!(OBJECTS > 1, "numbers have two parts");
