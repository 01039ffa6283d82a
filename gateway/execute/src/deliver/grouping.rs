//! Grouping: turns the groups of a plan and the variables of `@defer(if:)` into what is delivered together in one run.

use crate::program::Program;
use smallvec::SmallVec;
use terrane_plan::DeferId;

/// The deliveries of a run. The first is the initial response.
#[derive(Debug)]
pub(crate) struct Grouping {
    /// By group of the plan: its delivery.
    of_group: Vec<usize>,
    /// By delivery: the active fragments whose fields it has.
    pub defers: Vec<SmallVec<[DeferId; 2]>>,
    /// By delivery: the requests that it waits for.
    pub requests: Vec<Vec<usize>>,
    active: Vec<bool>,
}

impl Grouping {
    /// `is_true` tells the values of variables.
    pub fn new(program: &Program, is_true: impl Fn(&str) -> bool) -> Self {
        let deferred = &program.plan.deferred;
        let active = deferred.defers().iter().map(|d| d.variable.as_ref().is_none_or(|v| is_true(v))).collect();
        let mut grouping =
            Self { of_group: Vec::new(), defers: vec![SmallVec::new()], requests: vec![Vec::new()], active };
        for (group, requests) in deferred.groups().iter().zip(&program.group_requests) {
            let defers = grouping.effective(program, &group.defers);
            let known = grouping.defers.iter().position(|known| *known == defers).unwrap_or_else(|| {
                grouping.defers.push(defers);
                grouping.requests.push(Vec::new());
                grouping.defers.len() - 1
            });
            grouping.of_group.push(known);
            grouping.requests[known].extend(requests);
        }
        grouping
    }

    /// The delivery of a group of the plan.
    pub fn delivery(&self, group: u32) -> usize {
        self.of_group[group as usize]
    }

    /// The nearest active fragment that a fragment is in.
    pub fn parent(&self, program: &Program, defer: DeferId) -> Option<DeferId> {
        self.nearest(program, program.plan.deferred.defers()[defer.index()].parent)
    }

    fn nearest(&self, program: &Program, mut at: Option<DeferId>) -> Option<DeferId> {
        while let Some(defer) = at.filter(|defer| !self.active[defer.index()]) {
            at = program.plan.deferred.defers()[defer.index()].parent;
        }
        at
    }

    /// Where a fragment is not deferred after all, its fields are those of the fragment around it.
    fn effective(&self, program: &Program, defers: &[DeferId]) -> SmallVec<[DeferId; 2]> {
        let mut effective: SmallVec<[DeferId; 2]> = SmallVec::new();
        for &defer in defers {
            let Some(active) = self.nearest(program, Some(defer)) else { return SmallVec::new() };
            if !effective.contains(&active) {
                effective.push(active);
            }
        }
        let all = effective.clone();
        effective.retain(|&mut one| !all.iter().any(|&outer| program.plan.deferred.is_within(one, outer)));
        effective.sort_unstable();
        effective
    }
}
