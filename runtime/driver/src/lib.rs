//! Driver: turns the data port's statements and their values into the raw rows of a Postgres server.
//!
//! Rows stay as they came from the socket, and [`Rows`] walks over them; nothing is copied or decoded in between. A
//! [`Reader`] keeps one queue for a few connections ("lanes"). Statements known to be quick travel together: a lane
//! sends all that are waiting and one `Sync`, so that they cost one system call and one wake-up on each side and not
//! one for each. The others get a lane to themselves, and are cancelled when nobody waits for the answer any more.
//!
//! Only reads go through here: a statement that was cut off by another's error, or by a connection that broke, is
//! simply sent again.

mod connection;
mod error;
mod lane;
mod message;
mod queue;
mod reader;
mod replicas;
mod rows;
mod target;

pub use error::DriverError;
pub use reader::{Ask, Reader, ReaderOptions};
pub use replicas::Replicas;
pub use rows::Rows;
pub use target::Target;
