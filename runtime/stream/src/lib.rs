//! Stream: turns a product's outbox into ordered changes for any number of readers, and events into input rows.
//!
//! A [`Feed`] is the one reader of the outbox of this process. It is woken by the transactions that write there, reads what
//! is new once, and keeps the last of it. A [`Subscription`] has a position of its own and takes what follows: from what is
//! kept or, where it is further behind, from the database. Nothing is queued for it, so a slow one costs nothing and loses
//! nothing.

mod batch;
pub mod events;
mod feed;
mod retention;
mod ring;
mod subscription;

pub use batch::Batch;
pub use feed::{Feed, FeedError};
pub use retention::{remove_old, remove_once};
pub use subscription::{Step, Subscription};
