//! Administration: turns what products let their visitor do into pages, and forms into mutations of the graph.

mod about;
mod head;
mod index;
mod overview;
mod sources;

pub use about::{AboutForm, AboutPage, AboutParameters, FilledLink};
pub use head::Outcome;
pub use index::AdminPage;
pub use overview::OverviewPage;
pub use sources::SourcesPage;
