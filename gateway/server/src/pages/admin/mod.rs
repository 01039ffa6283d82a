//! Administration: turns what products let their visitor do into pages, and forms into mutations of the graph.

mod about;
mod head;
mod index;
mod models;
mod overview;
mod policy;
mod quality;
mod runs;
mod schedules;
mod sources;
mod versions;

pub use about::{AboutForm, AboutPage, AboutParameters, FilledLink};
pub use head::Outcome;
pub use index::AdminPage;
pub use models::{Edited, ModelPage, ModelsPage};
pub use overview::OverviewPage;
pub use policy::{Draft, PolicyPage};
pub use quality::{QualityPage, RuleFilled, RulePage};
pub use runs::{RunPage, RunPart, RunsPage};
pub use schedules::SchedulesPage;
pub use sources::SourcesPage;
pub use versions::VersionsPage;
