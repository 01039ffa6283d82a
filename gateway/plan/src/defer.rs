//! Deferring: turns fragments with `@defer` into groups of fields that are delivered together.
//!
//! This is what the incremental delivery RFC calls deferred fragments and their grouped field sets.

use crate::ids::{DeferId, GroupId, NodeId};
use apollo_compiler::Name;
use smallvec::SmallVec;

/// A fragment with `@defer`, at one place of the operation.
#[derive(Debug, Clone)]
pub struct Defer {
    /// What the client calls it.
    pub label: Option<String>,
    /// The fragment with `@defer` that it is in.
    pub parent: Option<DeferId>,
    /// The selection set that it is in.
    pub node: NodeId,
    /// `if:` is this variable: where that is false, nothing is deferred.
    pub variable: Option<Name>,
}

/// Fields that are delivered together: those that all of some deferred fragments have, and no other selection.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Group {
    /// These fragments; none for the initial response.
    pub defers: SmallVec<[DeferId; 2]>,
}

/// All that is deferred in an operation.
#[derive(Debug, Clone)]
pub struct Deferred {
    pub(crate) defers: Vec<Defer>,
    pub(crate) groups: Vec<Group>,
}

impl Default for Deferred {
    fn default() -> Self {
        Self { defers: Vec::new(), groups: vec![Group::default()] }
    }
}

impl Deferred {
    /// The fragments, by their ids.
    pub fn defers(&self) -> &[Defer] {
        &self.defers
    }

    /// The groups, by their ids; the first is the initial response.
    pub fn groups(&self) -> &[Group] {
        &self.groups
    }

    /// Whether a fragment is in another one.
    pub fn is_within(&self, defer: DeferId, outer: DeferId) -> bool {
        let mut at = self.defers[defer.index()].parent;
        while let Some(parent) = at {
            if parent == outer {
                return true;
            }
            at = self.defers[parent.index()].parent;
        }
        false
    }

    /// The group of a field that is selected in `usages`; none of them stands for a selection that is not deferred.
    /// Fragments within others of them do not count.
    pub(crate) fn group(&mut self, usages: impl Iterator<Item = Option<DeferId>>) -> GroupId {
        let mut defers: SmallVec<[DeferId; 2]> = SmallVec::new();
        for usage in usages {
            let Some(usage) = usage else { return GroupId(0) };
            if !defers.contains(&usage) {
                defers.push(usage);
            }
        }
        let all = defers.clone();
        defers.retain(|&mut defer| !all.iter().any(|&outer| self.is_within(defer, outer)));
        defers.sort_unstable();
        let group = Group { defers };
        let known = self.groups.iter().position(|known| *known == group).unwrap_or_else(|| {
            self.groups.push(group);
            self.groups.len() - 1
        });
        GroupId::new(known)
    }
}
