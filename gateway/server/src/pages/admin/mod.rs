//! Administration: turns what products let their visitor do into pages, and forms into mutations of the graph.

mod head;
mod index;
mod overview;
mod policy;

pub use head::Outcome;
pub use index::AdminPage;
pub use overview::OverviewPage;
pub use policy::{Draft, PolicyPage};
