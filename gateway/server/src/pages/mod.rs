//! Pages: turns what the catalog says to a visitor into the view models of the templates.

mod asked;
mod frame;
mod marketplace;
mod product;

pub use asked::{Asking, PageError};
pub use frame::{Frame, NotFoundPage, NoticePage};
pub use marketplace::{Filters, MarketplacePage};
pub use product::{Shown, export, show};
