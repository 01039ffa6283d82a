//! Conditions: turns `@skip` and `@include` of nested selections into one condition over boolean variables.

use apollo_compiler::Name;
use smallvec::SmallVec;

/// One variable's required value.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Literal {
    /// The variable's name without `$`.
    pub variable: Name,
    /// The value it must have: `true` for `@include`, `false` for `@skip`.
    pub value: bool,
}

/// All of these must hold; sorted, without repeats.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct All(pub SmallVec<[Literal; 1]>);

impl All {
    /// The same with one more literal; `None` when it contradicts.
    #[must_use]
    pub fn with(&self, literal: Literal) -> Option<Self> {
        if self.0.iter().any(|l| l.variable == literal.variable && l.value != literal.value) {
            return None;
        }
        let mut all = self.clone();
        if let Err(at) = all.0.binary_search(&literal) {
            all.0.insert(at, literal);
        }
        Some(all)
    }

    fn implies(&self, other: &Self) -> bool {
        other.0.iter().all(|l| self.0.contains(l))
    }
}

/// Any of these must hold: a selection that occurs several times under different conditions.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Default)]
pub struct Condition {
    /// The alternatives. None means never; one that is empty means always.
    pub any: SmallVec<[All; 1]>,
}

impl Condition {
    /// The condition that always holds.
    pub fn always() -> Self {
        Self::of(All::default())
    }

    /// The condition that `all` holds.
    pub fn of(all: All) -> Self {
        Self { any: SmallVec::from_iter([all]) }
    }

    /// Whether it always holds.
    pub fn is_always(&self) -> bool {
        self.any.iter().any(|all| all.0.is_empty())
    }

    /// Make it hold also where `other` holds. Returns whether it changed.
    pub fn or(&mut self, other: &Self) -> bool {
        let mut changed = false;
        for all in &other.any {
            if self.any.iter().any(|mine| all.implies(mine)) {
                continue;
            }
            self.any.retain(|mine| !mine.implies(all));
            self.any.push(all.clone());
            changed = true;
        }
        if changed {
            self.any.sort();
        }
        changed
    }

    /// Whether it holds for these variable values.
    pub fn holds(&self, value: impl Fn(&str) -> bool) -> bool {
        self.any.iter().any(|all| all.0.iter().all(|l| value(&l.variable) == l.value))
    }
}
