//! Approval: turns the approvers that contracts name for their roles into the levels that a request for access goes through.
//!
//! `firstLevelApprovers` and `secondLevelApprovers` (ODCS, section "Roles") are names separated by commas: `auto`, a role of the
//! product, or a subject; `role:NAME` and `subject:NAME` say which. Where a contract names nobody first, the owner approves.

use crate::dataset::{Dataset, Field, Layer};
use crate::product::{Contract, Product, Role};

/// A level that nobody has to approve.
pub const AUTOMATIC: &str = "auto";
/// Who answers for the product: the owner of its team, and whoever policy lets administer access.
pub const OWNER: &str = "owner";

/// Who approves, level by level. Of each level one approver is enough: `role:NAME`, `subject:NAME` or [`OWNER`]; or it is
/// [`AUTOMATIC`].
pub type Levels = Vec<Vec<String>>;

impl Product {
    /// Names of the roles that can be asked for: those of contracts, without that of callers who have not signed in.
    pub fn requestable_roles(&self) -> Vec<&str> {
        let mut names: Vec<&str> = self.roles_in_contracts().map(|(_, role)| role.role.as_str()).collect();
        names.sort_unstable();
        names.dedup();
        names.retain(|name| *name != "anonymous");
        names
    }

    /// Who approves a request for `role`. A role of several contracts is approved by those of each. None where no contract
    /// names it.
    pub fn approval_of_role(&self, role: &str) -> Option<Levels> {
        let named: Vec<&Role> = self.roles_in_contracts().map(|(_, of)| of).filter(|of| of.role == role).collect();
        (!named.is_empty() && role != "anonymous").then(|| self.levels(&named))
    }

    /// Who approves a request to read fields: the approvers of the least roles that read each. What no role reads, the owner
    /// approves.
    pub fn approval_of_fields<'p>(&'p self, fields: impl IntoIterator<Item = (&'p Dataset, &'p Field)>) -> Levels {
        let mut named: Vec<&Role> = Vec::new();
        let mut unread = false;
        for (dataset, field) in fields {
            let Some(contract) = self.contract_of(dataset) else { continue };
            let masked = |role: &Role| role.masks.iter().any(|m| m.dataset == dataset.name && m.field == field.name);
            let reading: Vec<&Role> = contract
                .roles
                .iter()
                .filter(|role| role.max_classification.is_some_and(|max| max >= field.classification) && !masked(role))
                .collect();
            let least = reading.iter().filter_map(|role| role.max_classification).min();
            unread |= least.is_none();
            for role in reading.into_iter().filter(|role| role.max_classification == least) {
                if !named.iter().any(|known| std::ptr::eq(*known, role)) {
                    named.push(role);
                }
            }
        }
        let mut levels = self.levels(&named);
        if unread {
            levels.retain(|level| level != &[AUTOMATIC]);
            let owner = vec![OWNER.to_owned()];
            if !levels.contains(&owner) {
                levels.push(owner);
            }
        }
        levels
    }

    fn roles_in_contracts(&self) -> impl Iterator<Item = (&Contract, &Role)> {
        let contracts = self.contracts.iter().filter(|contract| contract.layer == Layer::Output);
        contracts.flat_map(|contract| contract.roles.iter().map(move |role| (contract, role)))
    }

    fn levels(&self, roles: &[&Role]) -> Levels {
        let first = roles.iter().map(|role| self.approvers(role.first_approvers.as_deref().unwrap_or(OWNER)));
        let second = roles.iter().filter_map(|role| Some(self.approvers(role.second_approvers.as_deref()?)));
        // equal approvers of both levels are two people
        let mut levels = distinct(first);
        levels.extend(distinct(second));
        // what one of several contracts asks nobody for, the others may ask somebody for
        if levels.iter().any(|level| level != &[AUTOMATIC]) {
            levels.retain(|level| level != &[AUTOMATIC]);
        }
        levels
    }

    /// One level, from the contract's text.
    fn approvers(&self, text: &str) -> Vec<String> {
        if text.trim().eq_ignore_ascii_case(AUTOMATIC) {
            return vec![AUTOMATIC.to_owned()];
        }
        let roles = self.role_names();
        let one = |name: &str| match name {
            OWNER => OWNER.to_owned(),
            _ if name.starts_with("role:") || name.starts_with("subject:") => name.to_owned(),
            _ if roles.iter().any(|role| role == name) => format!("role:{name}"),
            _ => format!("subject:{name}"),
        };
        let names = text.split(',').map(str::trim).filter(|name| !name.is_empty());
        let mut approvers: Vec<String> = names.filter(|name| !name.eq_ignore_ascii_case(AUTOMATIC)).map(one).collect();
        approvers.sort();
        approvers.dedup();
        if approvers.is_empty() { vec![OWNER.to_owned()] } else { approvers }
    }
}

/// `levels` without repeated ones.
fn distinct(levels: impl Iterator<Item = Vec<String>>) -> Levels {
    levels.fold(Levels::new(), |mut levels, level| {
        if !levels.contains(&level) {
            levels.push(level);
        }
        levels
    })
}
