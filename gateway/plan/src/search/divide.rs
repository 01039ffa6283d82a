//! Dividing: turns a value that no single subgraph has all of (or not as early) into the parts that each brings.

use super::choose::own_requests;
use super::cost::{Cost, NEVER};
use super::{Choice, Place, Search, SetRef, Want};

impl Search<'_> {
    /// Divide a want's selections among several choices where that is earlier than any one of them, and takes no more
    /// requests: each brings what needs no request after its own. What may not be needed, for the types that objects turn
    /// out to have, does not count.
    pub(super) fn divide_earlier(
        &mut self,
        want: &Want,
        choices: &[Choice],
        priced: &[(Choice, Cost)],
        place: &Place,
    ) -> Option<Vec<(Choice, SetRef)>> {
        let first = |choice: &Choice| choice.level.max(own_requests(choice));
        let sure = |choice: &Choice, below: &Cost| (first(choice) + below.sure.0, own_requests(choice) + below.sure.1);
        let (earliest, requests) = priced.iter().map(|(choice, below)| sure(choice, below)).min()?;
        let waves = priced.iter().map(|(choice, below)| choice.level + below.waves).min()?;
        if choices.len() < 2 || choices.iter().map(first).min()? >= earliest {
            return None;
        }
        let parts = self.divide(want, choices, place, 0)?;
        let mut divided = (0, 0);
        for (choice, part) in &parts {
            let below = self.cost(*part, &self.place_below(place, choice)?);
            let (at, more) = sure(choice, &below);
            divided = (divided.0.max(at), divided.1 + more);
            if choice.level + below.waves > waves {
                return None;
            }
        }
        let better = parts.len() > 1 && divided.0 < earliest && divided.1 <= requests;
        (better && !self.divides_list(want, &parts)).then_some(parts)
    }

    /// Whether several parts have something of the items of one list. They are put together by position, and that two
    /// subgraphs give a list in one order is a promise not to rely on without need.
    fn divides_list(&self, want: &Want, parts: &[(Choice, SetRef)]) -> bool {
        let field = want.field.as_ref().and_then(|name| self.graph.field_of(want.on, name));
        field.is_some_and(|field| self.graph.field_type(field).is_list())
            || parts.iter().enumerate().any(|(i, (_, a))| parts[..i].iter().any(|(_, b)| self.share_list(*a, *b)))
    }

    fn share_list(&self, a: SetRef, b: SetRef) -> bool {
        let (a, b) = (self.view(a), self.view(b));
        a.items.iter().any(|(index, child)| {
            let Some((_, Some(other))) = b.items.iter().find(|(known, _)| known == index) else { return false };
            let Some(child) = *child else { return false };
            let field = self.slots(a.base)[*index].field();
            field.is_some_and(|field| self.graph.field_type(field).is_list()) || self.share_list(child, *other)
        })
    }

    /// Divide a want's selections among choices none of which resolves all of them (within `waves`): the one that
    /// resolves most of the rest takes its part, until nothing is left that any does. What is left then goes to one that
    /// resolves it later.
    pub(super) fn divide(
        &mut self,
        want: &Want,
        choices: &[Choice],
        place: &Place,
        waves: u32,
    ) -> Option<Vec<(Choice, SetRef)>> {
        if place.subgraph.is_none() && !self.divides_roots {
            return None;
        }
        let mut parts = Vec::new();
        for choice in choices {
            let Some(below) = self.place_below(place, choice) else { continue };
            if let Some(part) = self.resolvable(want.child?, &below, waves) {
                parts.push((choice, part));
            }
        }
        let mut left = Some(want.child?);
        let mut divided: Vec<(Choice, SetRef)> = Vec::new();
        while let Some(rest) = left {
            let mut best: Option<(usize, &Choice, SetRef)> = None;
            for (choice, part) in &parts {
                let Some(takes) = self.both(rest, *part) else { continue };
                let size = self.size(takes);
                if best.as_ref().is_none_or(|(most, ..)| size > *most) {
                    best = Some((size, choice, takes));
                }
            }
            let Some((_, choice, takes)) = best else {
                return self.leave(rest, place, divided);
            };
            divided.push((choice.clone(), takes));
            left = self.minus(rest, takes);
        }
        Some(divided)
    }

    /// Give what is left to the part whose choice resolves it at the least cost.
    fn leave(
        &mut self,
        rest: SetRef,
        place: &Place,
        mut divided: Vec<(Choice, SetRef)>,
    ) -> Option<Vec<(Choice, SetRef)>> {
        let mut best: Option<(Cost, usize)> = None;
        for (i, (choice, _)) in divided.iter().enumerate() {
            let cost = self.cost(rest, &self.place_below(place, choice)?);
            if cost.waves < NEVER && best.is_none_or(|(least, _)| cost < least) {
                best = Some((cost, i));
            }
        }
        let (_, i) = best?;
        divided[i].1 = self.union(divided[i].1, rest)?;
        Some(divided)
    }
}
