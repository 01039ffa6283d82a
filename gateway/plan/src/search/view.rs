//! Views: turns a selection set that no single subgraph can resolve into the parts that each can.
//!
//! A field that several subgraphs share may have selections that are nowhere together: it is then selected in each of
//! them, with the part of its selections that can be resolved from there.

use super::{Place, Search, SetRef, Want};

/// Part of a selection set.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(crate) struct View {
    /// The selection set; never a view itself.
    pub base: SetRef,
    /// Its slots that are in, with the part of their own selections.
    pub items: Vec<(usize, Option<SetRef>)>,
}

impl Search<'_> {
    /// A set as a view: of itself when it is none.
    pub fn view(&self, set: SetRef) -> View {
        match set {
            SetRef::View(id) => self.views[id as usize].clone(),
            base => {
                let slots = self.slots(base);
                let items = slots.iter().enumerate().filter(|(_, slot)| self.counts(base, slot));
                View { base, items: items.map(|(i, slot)| (i, slot.child.map(|c| base.sibling(c)))).collect() }
            }
        }
    }

    /// The reference to a view; none for an empty one.
    fn intern(&mut self, view: View) -> Option<SetRef> {
        if view.items.is_empty() {
            return None;
        }
        if self.view(view.base) == view {
            return Some(view.base);
        }
        let (known, _) = self.views.insert_full(view);
        u32::try_from(known).ok().map(SetRef::View)
    }

    /// What of `set` can be resolved from `place` with at most `waves` requests one after the other.
    pub fn resolvable(&mut self, set: SetRef, place: &Place, waves: u32) -> Option<SetRef> {
        if self.cost(set, place).waves <= waves {
            return Some(set);
        }
        let memo = (set, place.clone(), waves);
        if let Some(known) = self.resolvables.get(&memo) {
            return *known;
        }
        // Until it is known, nothing is: this ends recursion in cyclic graphs.
        self.resolvables.insert(memo.clone(), None);
        let View { base, items } = self.view(set);
        let mut kept = Vec::new();
        for (index, child) in items {
            self.steps += 1;
            if self.within_bounds().is_err() {
                break;
            }
            let slot = &self.slots(base)[index];
            let Some(want) = self.want(slot, child) else { continue };
            if self.cost_of_wants(std::slice::from_ref(&want), place).waves <= waves {
                kept.push((index, child));
            } else if let Some(part) = self.resolvable_below(&want, place, waves) {
                kept.push((index, Some(part)));
            }
        }
        let part = self.intern(View { base, items: kept });
        self.resolvables.insert(memo, part);
        part
    }

    /// What of a want's selections can be resolved by any of its choices together.
    fn resolvable_below(&mut self, want: &Want, place: &Place, waves: u32) -> Option<SetRef> {
        let set = want.child?;
        let mut whole: Option<SetRef> = None;
        for atom in self.wanted_atoms(place, &want.types).iter() {
            for choice in self.choices(want, atom, place) {
                let Some(left) = waves.checked_sub(choice.level) else { continue };
                let Some(below) = self.place_below(place, &choice) else { continue };
                let Some(part) = self.resolvable(set, &below, left) else { continue };
                whole = match whole {
                    Some(whole) => self.union(whole, part),
                    None => Some(part),
                };
            }
        }
        whole
    }

    fn union(&mut self, a: SetRef, b: SetRef) -> Option<SetRef> {
        let (mut a, b) = (self.view(a), self.view(b));
        for (index, child) in b.items {
            match a.items.iter().position(|(i, _)| *i == index) {
                None => a.items.push((index, child)),
                Some(at) => {
                    if let (Some(x), Some(y)) = (a.items[at].1, child) {
                        a.items[at].1 = self.union(x, y);
                    }
                }
            }
        }
        a.items.sort_by_key(|(index, _)| *index);
        self.intern(a)
    }

    /// What is in `a` and not in `b`.
    pub fn minus(&mut self, a: SetRef, b: SetRef) -> Option<SetRef> {
        let (View { base, items }, b) = (self.view(a), self.view(b));
        let mut kept = Vec::new();
        for (index, child) in items {
            match (child, b.items.iter().find(|(i, _)| *i == index)) {
                (child, None) => kept.push((index, child)),
                (Some(child), Some((_, Some(other)))) => {
                    if let Some(rest) = self.minus(child, *other) {
                        kept.push((index, Some(rest)));
                    }
                }
                _ => {}
            }
        }
        self.intern(View { base, items: kept })
    }

    /// What is in both.
    pub fn both(&mut self, a: SetRef, b: SetRef) -> Option<SetRef> {
        let (View { base, items }, b) = (self.view(a), self.view(b));
        let mut kept = Vec::new();
        for (index, child) in items {
            match (child, b.items.iter().find(|(i, _)| *i == index)) {
                // Selections that are on none of the possible types are in every part.
                (Some(child), Some((_, Some(_)))) if self.view(child).items.is_empty() => {
                    kept.push((index, Some(child)));
                }
                (Some(child), Some((_, Some(other)))) => {
                    if let Some(part) = self.both(child, *other) {
                        kept.push((index, Some(part)));
                    }
                }
                (None, Some(_)) => kept.push((index, None)),
                _ => {}
            }
        }
        self.intern(View { base, items: kept })
    }

    /// How many leaves a set has, up to views.
    pub fn size(&self, set: SetRef) -> usize {
        self.view(set).items.iter().map(|(_, child)| child.map_or(1, |child| self.size(child))).sum()
    }
}
