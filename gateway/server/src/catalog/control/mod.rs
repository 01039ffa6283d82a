//! Control: what the catalog asks of products' control ports, with the product as an argument. The product decides.

mod about;
mod models;
mod policies;
mod quality;
mod rights;
mod schedules;
mod sources;
mod versions;

pub use about::{AboutMutation, AboutQuery};
pub use models::{ModelsMutation, ModelsQuery};
pub use policies::{PolicyMutation, PolicyQuery};
pub use quality::{QualityMutation, QualityQuery};
pub use rights::PortRight;
pub use schedules::{SchedulesMutation, SchedulesQuery};
pub use sources::{SourcesMutation, SourcesQuery};
pub use versions::{VersionsMutation, VersionsQuery};

use super::client::schema;
use std::time::Duration;

/// How long a product may take for what is planned or changed in its database.
const CHANGE_LIMIT: Duration = Duration::from_secs(60);

cynic::impl_scalar!(serde_json::Value, schema::JSON);
