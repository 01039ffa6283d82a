//! Pages: turns what the catalog says to a visitor into the view models of the templates.

mod access;
pub mod admin;
mod around;
mod ask;
mod asked;
mod frame;
mod marketplace;
mod mesh;
mod plan;
mod product;
mod standards;

pub use access::{AccessPage, AccessParameters};
pub use ask::{AskPage, Filled, Sent, send};
pub use asked::{Asking, PageError};
pub use frame::{Door, Frame, NotFoundPage, NoticePage, Visitor};
pub use marketplace::{Filters, MarketplacePage};
pub use mesh::{MeshPage, export_mesh};
pub use plan::{NoPlan, PlanPage, explain, visitor};
pub use product::{Shown, export, show};
pub use standards::{base, catalog, dataset, robots, sitemap};
