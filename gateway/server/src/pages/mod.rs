//! Pages: turns what the catalog says to a visitor into the view models of the templates.

mod asked;
mod frame;
mod marketplace;
mod product;
mod standards;

pub use asked::{Asking, PageError};
pub use frame::{Door, Frame, NotFoundPage, NoticePage, Visitor};
pub use marketplace::{Filters, MarketplacePage};
pub use product::{Shown, export, show};
pub use standards::{base, catalog, robots, sitemap};
