//! The overview: turns the state of a product's pipeline into the first page about running it.

use super::head::{Head, Outcome};
use crate::pages::asked::{Asking, PageError};
use crate::pages::frame::Frame;

/// The page.
#[derive(askama::Template)]
#[template(path = "admin/overview.html")]
pub struct OverviewPage {
    frame: Frame,
    head: Head,
}

impl OverviewPage {
    /// The page of a product; none where the visitor may not see it.
    ///
    /// # Errors
    /// [`PageError::Failed`].
    pub async fn make(asking: &Asking, id: &str, outcome: Outcome) -> Result<Option<Self>, PageError> {
        let head = Head::of(asking, id, "", outcome).await?;
        Ok(head.map(|(frame, head)| Self { frame, head }))
    }
}
