//! The graph: turns subgraphs into places, the keys that lead to them, and the fields that they answer.

use super::labels::{Condition, LabelId, Labels};
use crate::names::{Names, Symbol};
use crate::schema::{Field, FieldSet, Kind, Map, Selection, Set, Subgraph, SubgraphId, Type};
use crate::supergraph::Supergraph;
use rustc_hash::{FxHashMap, FxHashSet};
use std::sync::Arc;

/// A place by number.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct PlaceId(u32);

/// What `@provides` on the way to a place adds to it; number 0 is nothing.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ProvisionId(u32);

impl ProvisionId {
    /// Nothing.
    pub const NONE: ProvisionId = ProvisionId(0);
}

/// A type in one subgraph.
#[derive(Debug, Clone, Copy)]
pub struct Place<'a> {
    /// The subgraph.
    pub subgraph: &'a Subgraph,
    /// The type there.
    pub ty: &'a Type,
    /// What is provided on top.
    pub provision: ProvisionId,
}

/// A key and the subgraphs that can be entered with it.
#[derive(Debug)]
pub struct Entry<'a> {
    /// The key.
    pub key: &'a FieldSet,
    /// The type that has the key: the entity's own, or an interface that it is an object of elsewhere.
    pub ty: Symbol,
    /// Where it is resolvable.
    pub subgraphs: Vec<SubgraphId>,
}

/// What the checks need to know about all subgraphs.
pub struct Graph<'a> {
    pub supergraph: &'a Supergraph,
    pub names: &'a Names,
    pub subgraphs: &'a [Subgraph],
    by_id: Vec<Option<&'a Subgraph>>,
    places: Vec<Place<'a>>,
    place_ids: FxHashMap<(Symbol, SubgraphId, ProvisionId), PlaceId>,
    provisions: Vec<Vec<&'a Selection>>,
    provision_ids: FxHashMap<Vec<usize>, ProvisionId>,
    entries: FxHashMap<Symbol, Arc<Vec<Entry<'a>>>>,
    runtime: FxHashMap<(SubgraphId, Symbol), Arc<Set<Symbol>>>,
    overridden: FxHashMap<(SubgraphId, Symbol, Symbol), Option<LabelId>>,
    pub labels: Labels,
}

impl<'a> Graph<'a> {
    /// The graph of all subgraphs.
    pub fn new(supergraph: &'a Supergraph, subgraphs: &'a [Subgraph], names: &'a Names) -> Self {
        let labels = Labels::new(supergraph, subgraphs);
        let mut by_id = vec![None; subgraphs.iter().map(|subgraph| subgraph.id.index() + 1).max().unwrap_or(0)];
        for subgraph in subgraphs {
            by_id[subgraph.id.index()] = Some(subgraph);
        }
        Self {
            supergraph,
            names,
            subgraphs,
            by_id,
            places: Vec::new(),
            place_ids: FxHashMap::default(),
            provisions: vec![Vec::new()],
            provision_ids: FxHashMap::default(),
            entries: entries(supergraph, subgraphs),
            runtime: runtime_types(subgraphs),
            overridden: overridden(subgraphs, &labels),
            labels,
        }
    }

    /// A place by its number.
    pub fn place(&self, id: PlaceId) -> Place<'a> {
        self.places[id.0 as usize]
    }

    /// The place of a type in a subgraph, if the subgraph has the type.
    pub fn find(&mut self, ty: Symbol, subgraph: SubgraphId, provision: ProvisionId) -> Option<PlaceId> {
        if let Some(&id) = self.place_ids.get(&(ty, subgraph, provision)) {
            return Some(id);
        }
        let owner = self.by_id[subgraph.index()]?;
        let definition = owner.types.get(&ty)?;
        let id = PlaceId(u32::try_from(self.places.len()).expect("places are bounded by the size of the input"));
        self.places.push(Place { subgraph: owner, ty: definition, provision });
        self.place_ids.insert((ty, subgraph, provision), id);
        Some(id)
    }

    /// The keys that lead to places of an entity.
    pub fn entries(&self, ty: Symbol) -> Arc<Vec<Entry<'a>>> {
        self.entries.get(&ty).cloned().unwrap_or_default()
    }

    /// The object types that a type of a subgraph may turn out to be there.
    pub fn runtime(&self, subgraph: SubgraphId, ty: Symbol) -> Arc<Set<Symbol>> {
        self.runtime.get(&(subgraph, ty)).cloned().unwrap_or_default()
    }

    /// The field of a place that its subgraph can answer there under conditions, `@requires` left aside.
    pub fn answerable(&self, id: PlaceId, name: Symbol) -> Option<(&'a Field, [Option<Condition>; 2])> {
        let place = self.place(id);
        let field = place.ty.fields.get(&name)?;
        if field.external && self.provided(place, name).is_none() {
            return None;
        }
        let own = field.overrides.as_ref().and_then(|overrides| self.labels.id(overrides.label.as_deref()?));
        let own = own.map(|label| Condition { label, on: true });
        match self.overridden.get(&(place.subgraph.id, place.ty.name, name)) {
            None => Some((field, [own, None])),
            Some(Some(label)) => Some((field, [own, Some(Condition { label: *label, on: false })])),
            Some(None) => None,
        }
    }

    /// Whether another subgraph has taken the field over.
    pub fn is_overridden(&self, place: Place<'_>, name: Symbol) -> bool {
        self.overridden.contains_key(&(place.subgraph.id, place.ty.name, name))
    }

    /// The place that a field of a place leads to; `None` for leaves.
    pub fn target(&mut self, id: PlaceId, name: Symbol) -> Option<PlaceId> {
        let place = self.place(id);
        let field = place.ty.fields.get(&name)?;
        let mut provided = self.provided(place, name).unwrap_or_default();
        provided.extend(field.provides.iter().flat_map(|set| set.selections.iter()));
        let provision = self.provision(provided);
        let target = self.find(field.ty.base, place.subgraph.id, provision)?;
        self.place(target).ty.kind.is_composite().then_some(target)
    }

    fn provision(&mut self, selections: Vec<&'a Selection>) -> ProvisionId {
        if selections.is_empty() {
            return ProvisionId::NONE;
        }
        let address: Vec<usize> = selections.iter().map(|selection| std::ptr::from_ref(*selection).addr()).collect();
        let next = ProvisionId(u32::try_from(self.provisions.len()).expect("provisions are bounded by the input"));
        let id = *self.provision_ids.entry(address).or_insert(next);
        if id == next {
            self.provisions.push(selections);
        }
        id
    }

    /// What is provided below a field of a place; `None` when the field itself is not provided.
    fn provided(&self, place: Place<'a>, name: Symbol) -> Option<Vec<&'a Selection>> {
        if place.provision == ProvisionId::NONE {
            return None;
        }
        let mut below = None;
        self.collect(&self.provisions[place.provision.0 as usize], place, name, &mut below);
        below
    }

    fn collect(
        &self,
        selections: &[&'a Selection],
        place: Place<'a>,
        name: Symbol,
        below: &mut Option<Vec<&'a Selection>>,
    ) {
        for selection in selections {
            match selection {
                Selection::Field { name: selected, children, .. } if *selected == name => {
                    below.get_or_insert_default().extend(children.iter());
                }
                Selection::Field { .. } => {}
                Selection::Fragment { on, children } => {
                    let applies = on.is_none_or(|on| {
                        on == place.ty.name || self.runtime(place.subgraph.id, on).contains(&place.ty.name)
                    });
                    if applies {
                        self.collect(&children.iter().collect::<Vec<_>>(), place, name, below);
                    }
                }
            }
        }
    }
}

/// Resolvable keys per type; an object type can also be entered as one of its interfaces where that is an object.
fn entries<'a>(supergraph: &Supergraph, subgraphs: &'a [Subgraph]) -> FxHashMap<Symbol, Arc<Vec<Entry<'a>>>> {
    let mut own: FxHashMap<Symbol, Entries<'a>> = FxHashMap::default();
    let mut as_object: FxHashMap<Symbol, Entries<'a>> = FxHashMap::default();
    for subgraph in subgraphs {
        for ty in subgraph.types.values() {
            for key in ty.keys.iter().filter(|key| key.resolvable) {
                add(own.entry(ty.name).or_default(), &key.fields, ty.name, subgraph.id);
                if ty.interface_object {
                    add(as_object.entry(ty.name).or_default(), &key.fields, ty.name, subgraph.id);
                }
            }
        }
    }
    if !as_object.is_empty() {
        for ty in supergraph.types.values().filter(|ty| ty.kind == Kind::Object) {
            for entry in ty.interfaces.iter().filter_map(|interface| as_object.get(interface)).flat_map(Map::values) {
                for subgraph in &entry.subgraphs {
                    add(own.entry(ty.name).or_default(), entry.key, entry.ty, *subgraph);
                }
            }
        }
    }
    own.into_iter().map(|(name, entries)| (name, Arc::new(entries.into_values().collect()))).collect()
}

/// The entries of one type by the type that has the key, and the key.
type Entries<'a> = Map<(Symbol, &'a str), Entry<'a>>;

fn add<'a>(entries: &mut Entries<'a>, key: &'a FieldSet, ty: Symbol, subgraph: SubgraphId) {
    let entry = entries.entry((ty, &*key.text)).or_insert_with(|| Entry { key, ty, subgraphs: Vec::new() });
    entry.subgraphs.push(subgraph);
}

fn runtime_types(subgraphs: &[Subgraph]) -> FxHashMap<(SubgraphId, Symbol), Arc<Set<Symbol>>> {
    let mut runtime: FxHashMap<(SubgraphId, Symbol), Set<Symbol>> = FxHashMap::default();
    for subgraph in subgraphs {
        for ty in subgraph.types.values() {
            match ty.kind {
                Kind::Object => {
                    for interface in &ty.interfaces {
                        runtime.entry((subgraph.id, *interface)).or_default().insert(ty.name);
                    }
                }
                Kind::Union => {
                    runtime.entry((subgraph.id, ty.name)).or_default().extend(ty.members.iter().copied());
                }
                _ => {}
            }
        }
    }
    runtime.into_iter().map(|(key, types)| (key, Arc::new(types))).collect()
}

/// Which fields other subgraphs have taken over, and with which label.
fn overridden(subgraphs: &[Subgraph], labels: &Labels) -> FxHashMap<(SubgraphId, Symbol, Symbol), Option<LabelId>> {
    let ids: FxHashMap<&str, SubgraphId> =
        subgraphs.iter().map(|subgraph| (subgraph.name.as_str(), subgraph.id)).collect();
    let mut overridden = FxHashMap::default();
    for ty in subgraphs.iter().flat_map(|subgraph| subgraph.types.values()) {
        for field in ty.fields.values() {
            if let Some(overrides) = &field.overrides
                && let Some(id) = ids.get(&*overrides.from)
            {
                let label = overrides.label.as_deref().and_then(|label| labels.id(label));
                overridden.insert((*id, ty.name, field.name), label);
            }
        }
    }
    overridden
}

/// The set of places as a state: sorted and without repetitions.
pub fn as_state(places: FxHashSet<PlaceId>) -> Arc<[PlaceId]> {
    let mut sorted: Vec<PlaceId> = places.into_iter().collect();
    sorted.sort_unstable();
    sorted.into()
}
