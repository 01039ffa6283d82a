//! Notices: turns what happens to a product (versions, contracts, access, quality) into a numbered feed. They are written by
//! triggers, in the transaction of what they tell.

use crate::{Store, StoreError};
use chrono::{DateTime, Utc};
use serde_json::Value;
use sqlx::FromRow;
use uuid::Uuid;

/// Something that happened.
#[derive(Debug, Clone, PartialEq, FromRow)]
pub struct Notice {
    /// Place in the feed; in the order of commits.
    pub position: i64,
    /// Its own name.
    pub id: Uuid,
    /// When.
    pub at: DateTime<Utc>,
    /// `product`, `version`, `contract`, `access` or `quality`.
    pub kind: String,
    /// What of it: `version.published`, ….
    pub what: String,
    /// Of what: `versions/7`, ….
    pub subject: String,
    /// More.
    pub data: Value,
}

/// Who reads the feed.
#[derive(Debug, Clone, Default)]
pub struct NoticeView {
    /// What the reader is among approvers: `subject:NAME`, `role:NAME`, `owner`.
    pub keys: Vec<String>,
    /// Whether the reader may see everybody's access.
    pub all: bool,
}

impl Store {
    /// The notices after a position that `view` may see, the oldest first; and the position up to which was looked, which is
    /// beyond the last of them where others follow that are not for this reader.
    ///
    /// # Errors
    /// [`StoreError::Database`].
    pub async fn notices(&self, view: &NoticeView, after: i64, limit: i64) -> Result<(Vec<Notice>, i64), StoreError> {
        let last: i64 = sqlx::query_scalar("SELECT coalesce(max(position), 0) FROM control.notices")
            .fetch_one(self.control())
            .await
            .map_err(StoreError::on("read the notices"))?;
        let found: Vec<Notice> = sqlx::query_as(
            "SELECT position, id, at, kind, what, subject, data FROM control.notices WHERE position > $1 AND position <= $2 \
             AND (audience IS NULL OR $3 OR audience && $4) ORDER BY position LIMIT $5",
        )
        .bind(after)
        .bind(last)
        .bind(view.all)
        .bind(&view.keys)
        .bind(limit)
        .fetch_all(self.control())
        .await
        .map_err(StoreError::on("read the notices"))?;
        let full = i64::try_from(found.len()).is_ok_and(|count| count >= limit);
        let seen = match found.last() {
            Some(newest) if full => newest.position,
            _ => last.max(after),
        };
        Ok((found, seen))
    }

    /// The first position that is kept, and the last; none where nothing happened yet.
    ///
    /// # Errors
    /// [`StoreError::Database`].
    pub async fn notice_bounds(&self) -> Result<Option<(i64, i64)>, StoreError> {
        let bounds: (Option<i64>, Option<i64>) =
            sqlx::query_as("SELECT min(position), max(position) FROM control.notices")
                .fetch_one(self.control())
                .await
                .map_err(StoreError::on("read the notices"))?;
        Ok(bounds.0.zip(bounds.1))
    }
}
