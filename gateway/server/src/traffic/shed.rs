//! Shedding: turns requests beyond what runs at the same time into refusals at once, so that the others stay quick.

use terrane_graphql::GraphqlError;
use tokio::sync::{Semaphore, SemaphorePermit};

/// How many operations run at the same time.
pub struct Shed(Option<Semaphore>);

/// A place among those that run; given back when it is dropped.
pub type Place<'a> = Option<SemaphorePermit<'a>>;

impl Shed {
    /// At most `most`; 0 is without bound.
    pub fn new(most: usize) -> Self {
        Self((most > 0).then(|| Semaphore::new(most.min(Semaphore::MAX_PERMITS))))
    }

    /// A place for one more.
    ///
    /// # Errors
    /// `OVERLOADED` where there is none: the client is to try again in a moment.
    pub fn enter(&self) -> Result<Place<'_>, GraphqlError> {
        let Some(places) = &self.0 else { return Ok(None) };
        places.try_acquire().map(Some).map_err(|_| {
            metrics::counter!("terrane_gateway_requests_shed_total").increment(1);
            GraphqlError::new("OVERLOADED", "too many operations run at the same time; try again in a moment")
        })
    }
}
