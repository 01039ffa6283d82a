//! Effects: turns a product's policy before and after a change into every decision that is another one, of every role.
//!
//! Decisions are those that requests are answered by ([`Access`]): of a field also the mask, and of a dataset also which rows,
//! because what roles inherit decides both.

use crate::access::{Access, Reading, questions};
use std::collections::{BTreeMap, BTreeSet};
use terrane_manifest::{Mask, Product, RowFilter};
use terrane_policy::{Policy, RoleSet};

/// The action of a decision about which rows of a dataset are seen.
pub const ROWS: &str = "rows";

/// What a role set gets, in one word.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Verdict {
    /// Nothing.
    Deny,
    /// A field, but not its values.
    Mask,
    /// All of it.
    Allow,
}

impl Verdict {
    /// The word for it.
    pub fn word(self) -> &'static str {
        match self {
            Self::Deny => "deny",
            Self::Mask => "mask",
            Self::Allow => "allow",
        }
    }

    /// The verdict of a word.
    pub fn parse(word: &str) -> Option<Self> {
        [Self::Deny, Self::Mask, Self::Allow].into_iter().find(|verdict| verdict.word() == word)
    }
}

/// What a role set gets, exactly.
#[derive(Debug, Clone, PartialEq)]
pub enum Decided {
    /// Nothing.
    Deny,
    /// A field through a mask.
    Mask(Mask),
    /// All of it.
    Allow,
    /// Of a dataset, the rows for which this holds; none is all rows.
    Rows(Option<RowFilter>),
}

impl Decided {
    /// It in words.
    pub fn words(&self) -> String {
        match self {
            Self::Deny => "deny".to_owned(),
            Self::Mask(mask) => format!("mask {}", mask.kind()),
            Self::Allow => "allow".to_owned(),
            Self::Rows(Some(_)) => "some rows".to_owned(),
            Self::Rows(None) => "all rows".to_owned(),
        }
    }

    /// Whether `after` gives something that this does not. Other rows are taken for more than these, unless these are all.
    pub fn is_widened_by(&self, after: &Self) -> bool {
        match (self, after) {
            (Self::Mask(before), Self::Mask(after)) => before != after && Mask::least([before, after]) == Some(after),
            (Self::Rows(before), Self::Rows(after)) => before.is_some() && before != after,
            (Self::Deny, after) => *after != Self::Deny,
            (before, Self::Allow) => *before != Self::Allow,
            _ => false,
        }
    }
}

impl Access {
    /// What the roles get of a field or port, in one word.
    pub fn verdict(&self, object: &str, action: &str) -> Verdict {
        match self.decided(object, action) {
            Decided::Deny => Verdict::Deny,
            Decided::Mask(_) => Verdict::Mask,
            Decided::Allow | Decided::Rows(_) => Verdict::Allow,
        }
    }

    fn decided(&self, object: &str, action: &str) -> Decided {
        match self.reading(object) {
            Reading::Masked(mask) if action == "read" => Decided::Mask(mask.clone()),
            _ if self.allows(object, action) => Decided::Allow,
            _ => Decided::Deny,
        }
    }
}

/// Everything that a role is decided about: (object, action).
pub fn asked(product: &Product) -> Vec<(String, String)> {
    let mut pairs = questions(product);
    pairs.retain(|(_, action)| action != "mask");
    pairs
}

/// By (object, action): what `roles` get. Which rows are seen is told of datasets of which something is.
pub fn decisions(product: &Product, policy: &Policy, roles: &RoleSet) -> BTreeMap<(String, String), Decided> {
    let access = Access::compile(product, policy, roles);
    let mut decisions: BTreeMap<_, _> = asked(product)
        .into_iter()
        .map(|(object, action)| {
            let decided = access.decided(&object, &action);
            ((object, action), decided)
        })
        .collect();
    for dataset in product.outputs() {
        if dataset.fields.iter().any(|field| access.reading(&dataset.policy_object(field)) != Reading::Denied) {
            let rows = Decided::Rows(access.row_filter(&dataset.name).cloned());
            decisions.insert((dataset.name.clone(), ROWS.to_owned()), rows);
        }
    }
    decisions
}

/// A decision that is another one after a change.
#[derive(Debug, Clone, PartialEq)]
pub struct Change {
    /// Whose.
    pub role: String,
    /// About what: a policy object, or the dataset whose rows it is about.
    pub object: String,
    /// Which action, or [`ROWS`].
    pub action: String,
    /// Before.
    pub before: Decided,
    /// After.
    pub after: Decided,
}

impl Change {
    /// Whether the role gets something that it did not.
    pub fn widens(&self) -> bool {
        self.before.is_widened_by(&self.after)
    }
}

/// What changes for every role that one of the two policies, or a contract, names: what widens first, then in the order of
/// roles, objects and actions. What only one of the products has is denied by the other.
pub fn effect(before: (&Product, &Policy), after: (&Product, &Policy)) -> Vec<Change> {
    let roles: BTreeSet<String> = [before, after].into_iter().flat_map(|(product, _)| product.role_names()).collect();
    let of_one = std::ptr::eq(before.0, after.0) || before.0.contracts == after.0.contracts;
    let mut changes = Vec::new();
    for role in roles {
        let set = RoleSet::new([role.as_str()]);
        // casbin takes its time: a role that is concerned by the same lines has the same decisions
        if of_one && before.1.concerning(&set) == after.1.concerning(&set) {
            continue;
        }
        let [old, new] = [before, after].map(|(product, policy)| decisions(product, policy, &set));
        changes.extend(differences(&role, &old, &new));
    }
    changes.sort_by_key(|change| !change.widens());
    changes
}

fn differences(
    role: &str,
    old: &BTreeMap<(String, String), Decided>,
    new: &BTreeMap<(String, String), Decided>,
) -> Vec<Change> {
    let cells: BTreeSet<&(String, String)> = old.keys().chain(new.keys()).collect();
    let change = |cell: &(String, String)| {
        let (before, after) = (old.get(cell), new.get(cell));
        // rows of which nothing was seen, or is, are told by the fields
        if cell.1 == ROWS && (before.is_none() || after.is_none()) {
            return None;
        }
        let (before, after) = (before.unwrap_or(&Decided::Deny).clone(), after.unwrap_or(&Decided::Deny).clone());
        let (object, action) = cell.clone();
        (before != after).then(|| Change { role: role.to_owned(), object, action, before, after })
    };
    cells.into_iter().filter_map(change).collect()
}
