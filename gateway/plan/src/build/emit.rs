//! Emitting: turns a decided slot into a field of a fetch's selections, and goes on below it.

use super::draft::{DraftField, DraftSelection, Step};
use super::{Below, Builder, Deps, Emitted, Open, Position, Wanted};
use crate::condition::Condition;
use crate::error::PlanError;
use crate::ids::{NodeId, SelectionId, TypeId, TypeSet};
use crate::search::{Place, Provided, SetRef};
use crate::selection::Source;
use crate::supergraph::Kind;
use apollo_compiler::ast::Type;

/// Types of a fragment group on which a field has the same form in the subgraph.
struct Form {
    on: Vec<TypeId>,
    types: TypeSet,
    ty: Type,
    base: TypeId,
    provided: Provided,
}

impl Builder<'_> {
    /// Select a slot in an open fetch, for `types`, which the fetches `told_by` tell where this one doesn't. Returns the
    /// fetches that bring it and all below it.
    pub(super) fn emit(
        &mut self,
        at: usize,
        open: usize,
        want: &Wanted,
        types: &TypeSet,
        told_by: &Deps,
    ) -> Result<Deps, PlanError> {
        let Open { place, fetch, selection } = self.positions[at].opens[open].clone();
        let (Some(fetch), Some(selection)) = (fetch, selection) else { return Ok(Deps::new()) };
        let mut deps = Deps::from([fetch]);
        let node = self.positions[at].node;
        let slot = self.nodes.node(node).slots[want.slot.index()].clone();
        let Source::Field(_) = slot.source else {
            if self.fetches[fetch.index()].told.or(&want.condition) {
                self.widen(fetch, (at, want.slot), &want.condition)?;
            }
            return Ok(deps);
        };
        for form in self.forms(&place, &slot, types) {
            let index = self.field(at, (selection, node), want, &form, told_by);
            self.positions[at].emitted.push(Emitted { slot: want.slot, types: form.types.clone(), open, field: index });
            let field = &mut self.selections[selection.index()].fields[index];
            let wider = field.condition.or(&want.condition);
            let (child, position) = (field.child, field.position);
            if wider {
                self.widen(fetch, (at, want.slot), &want.condition)?;
            }
            if child.is_some() {
                deps.extend(self.below(position, want)?);
            }
        }
        Ok(deps)
    }

    /// A slot that is already selected: under one more condition, for more selections below it.
    pub(super) fn touch(&mut self, at: usize, emitted: &Emitted, want: &Wanted) -> Result<Deps, PlanError> {
        let Open { fetch, selection, .. } = self.positions[at].opens[emitted.open];
        let (Some(fetch), Some(selection)) = (fetch, selection) else { return Ok(Deps::new()) };
        let field = &mut self.selections[selection.index()].fields[emitted.field];
        let wider = field.condition.or(&want.condition);
        let (child, position) = (field.child, field.position);
        if wider {
            self.widen(fetch, (at, want.slot), &want.condition)?;
        }
        let mut deps = Deps::from([fetch]);
        if child.is_some() {
            deps.extend(self.below(position, want)?);
        }
        Ok(deps)
    }

    fn below(&mut self, position: usize, want: &Wanted) -> Result<Deps, PlanError> {
        let node = self.positions[position].node;
        let wanted = match &want.below {
            Below::Client(set) => {
                let wanted = self.client_wants(set.unwrap_or(SetRef::Operation(node)));
                self.now(position, wanted)
            }
            Below::Part(parts, set) => {
                let view = set.map(|set| self.search.view(set));
                let all = Self::part_wants(parts, &Condition::always());
                let narrow = |(part, want): (&super::Part, Wanted)| match &view {
                    None => Some(want),
                    Some(view) => {
                        view.items.iter().find(|(i, _)| *i == part.index).map(|(_, child)| want.narrowed(*child))
                    }
                };
                parts.iter().zip(all).filter_map(narrow).collect()
            }
        };
        self.resolve(position, 0, wanted)
    }

    /// How a slot is written in a subgraph: on the place's own type, on the type that the client names, or on each
    /// object type.
    fn forms(&self, place: &Place, slot: &crate::selection::Slot, types: &TypeSet) -> Vec<Form> {
        let Some(subgraph) = place.subgraph else { return Vec::new() };
        let name = match slot.source {
            Source::Field(field) => self.graph.field_name(field).clone(),
            _ => return Vec::new(),
        };
        let atoms = self.search.atoms(place);
        let unknown = self.search.is_unknown(place);
        let wanted = if unknown { types.clone() } else { types.and(&atoms) };
        let interface_object = self.graph.is_interface_object(place.local, subgraph);
        let has = |ty: TypeId| {
            self.graph
                .field_of(ty, &name)
                .is_some_and(|f| self.graph.field(f).joins.iter().any(|j| j.subgraph == subgraph))
        };
        let single = if interface_object || (self.covers(&wanted, &atoms) && has(place.local)) {
            Some(place.local)
        } else {
            let covers = |ty: TypeId| {
                self.graph.kind(ty) == Kind::Interface
                    && has(ty)
                    && self
                        .graph
                        .join(ty, subgraph)
                        .is_some_and(|j| !j.interface_object && j.possible.and(&atoms) == wanted)
            };
            Some(slot.on).filter(|&on| covers(on))
        };
        let mut forms: Vec<Form> = Vec::new();
        let ons: Vec<TypeId> = single.map_or_else(|| wanted.iter().collect(), |on| vec![on]);
        for on in ons {
            let Some(field) = self.graph.field_of(on, &name) else { continue };
            let definition = self.graph.field(field);
            let join = definition.joins.iter().find(|j| j.subgraph == subgraph && j.via.is_none());
            let (ty, base) = join.map_or((&definition.ty, definition.base), |j| (&j.ty, j.base));
            let atom = if single.is_some() && !unknown { wanted.iter().next() } else { Some(on) };
            let local = atom.and_then(|atom| self.search.local(&name, atom, place));
            let provided = local.map(|local| local.provided).or_else(|| join.map(|j| j.provides.into_iter().collect()));
            let provided = provided.unwrap_or_default();
            let one = if single.is_some() { wanted.clone() } else { TypeSet::one(on) };
            match forms.iter_mut().find(|f| f.ty == *ty && f.base == base && f.provided == provided) {
                Some(form) => {
                    form.on.push(on);
                    form.types = form.types.or(&one);
                }
                None => forms.push(Form { on: vec![on], types: one, ty: ty.clone(), base, provided }),
            }
        }
        forms
    }

    /// The field of a selection set for a slot in a form, added when it is not there.
    fn field(
        &mut self,
        at: usize,
        (selection, node): (SelectionId, NodeId),
        want: &Wanted,
        form: &Form,
        told_by: &Deps,
    ) -> usize {
        let fields = &self.selections[selection.index()].fields;
        if let Some(known) = fields.iter().position(|f| f.slot == want.slot && f.on == form.on) {
            return known;
        }
        let index = fields.len();
        let child_node = self.nodes.node(node).slots[want.slot.index()].child;
        let mut field = DraftField {
            slot: want.slot,
            on: form.on.clone(),
            ty: form.ty.clone(),
            condition: Default::default(),
            contexts: want.contexts.clone(),
            child: None,
            position: 0,
        };
        if let Some(child_node) = child_node {
            let subgraph = self.selections[selection.index()].subgraph;
            let child = SelectionId::new(self.selections.len());
            self.selections.push(DraftSelection { subgraph, node: child_node, local: form.base, fields: Vec::new() });
            let mut path = self.positions[at].path.clone();
            let all = self.nodes.node(node).possible.is_subset(&form.types);
            let mut told = self.positions[at].told_by.clone();
            if !all {
                told.extend(told_by);
            }
            path.push(Step { types: (!all).then(|| form.types.clone()), slot: want.slot });
            let fetch = self.positions[at].opens.iter().find(|o| o.selection == Some(selection)).and_then(|o| o.fetch);
            let place = Place::new(subgraph, form.base, form.provided.clone());
            let open = Open { place, fetch, selection: Some(child) };
            field.child = Some(child);
            field.position = self.positions.len();
            self.positions.push(Position {
                node: child_node,
                path,
                parent: Some(at),
                told_by: told,
                opens: vec![open],
                emitted: Vec::new(),
            });
        }
        self.selections[selection.index()].fields.push(field);
        index
    }
}
