//! Policy: turns casbin policy lines and a caller's roles into compiled tables of decisions.
//!
//! casbin is the only judge, but it is asked when a policy or a role set changes, never per request: the answer is a
//! [`DecisionTable`]. What no line allows is denied; a deny wins over any allow, of whichever role of the caller.

mod caller;
mod explain;
mod grants;
mod judge;
mod matrix;
mod table;

pub use caller::{ANONYMOUS, Caller, RoleSet};
pub use explain::{Deciding, Explanation};
pub use grants::{GRANTED, GrantLine, Grants, own_roles};
pub use judge::{Policy, PolicyError};
pub use matrix::{render_cells, render_matrix};
pub use table::{DecisionTable, Questions};

/// The casbin model of `policies/model.conf`.
pub const DEFAULT_MODEL: &str = include_str!("../../../policies/model.conf");
