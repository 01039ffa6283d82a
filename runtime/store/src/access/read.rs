//! Reading access: turns the records of requests, grants and steps into what one caller may see of them.

use super::record::{AccessEvent, AccessGrant, AccessRequest, PolicyLine, View};
use crate::{Store, StoreError};
use uuid::Uuid;

impl Store {
    /// The lines that are in force, and the position of the last step.
    ///
    /// # Errors
    /// [`StoreError::Database`].
    pub async fn policy_lines(&self) -> Result<(i64, Vec<PolicyLine>), StoreError> {
        let failed = || StoreError::on("read the policy lines of grants");
        let mut transaction = self.control().begin().await.map_err(failed())?;
        // both of the same moment
        sqlx::query("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ, READ ONLY")
            .execute(&mut *transaction)
            .await
            .map_err(failed())?;
        let position = sqlx::query_scalar("SELECT coalesce(max(position), 0) FROM security.access_events")
            .fetch_one(&mut *transaction)
            .await
            .map_err(failed())?;
        let lines = sqlx::query_as(
            "SELECT subject, line, expires_at FROM security.policies WHERE expires_at > clock_timestamp() ORDER BY \
             expires_at, grant_id, line",
        )
        .fetch_all(&mut *transaction)
        .await
        .map_err(failed())?;
        transaction.commit().await.map_err(failed())?;
        Ok((position, lines))
    }

    /// The position of the last step.
    ///
    /// # Errors
    /// [`StoreError::Database`].
    pub async fn access_position(&self) -> Result<i64, StoreError> {
        sqlx::query_scalar("SELECT coalesce(max(position), 0) FROM security.access_events")
            .fetch_one(self.control())
            .await
            .map_err(StoreError::on("read the position of access"))
    }

    /// The newest requests that `view` sees, in one state where it is named; with `waiting`, those that the caller can
    /// approve now.
    ///
    /// # Errors
    /// [`StoreError::Database`].
    pub async fn access_requests(
        &self,
        view: &View,
        state: Option<&str>,
        waiting: bool,
        limit: i64,
    ) -> Result<Vec<AccessRequest>, StoreError> {
        sqlx::query_as(
            "SELECT * FROM security.access_requests AS r WHERE ($3 OR subject = $1 OR requested_by = $1 OR approvers && $2) \
             AND ($4::text IS NULL OR state = $4) AND (NOT $5 OR (state = 'pending' AND waits_for && $2 AND subject <> $1 \
             AND requested_by <> $1 AND NOT EXISTS (SELECT FROM security.access_events AS e WHERE e.request_id = r.id AND \
             e.step = 'approved' AND e.actor = $1))) ORDER BY requested_at DESC, id LIMIT $6",
        )
        .bind(&view.subject)
        .bind(&view.keys)
        .bind(view.all)
        .bind(state)
        .bind(waiting)
        .bind(limit)
        .fetch_all(self.control())
        .await
        .map_err(StoreError::on("read access requests"))
    }

    /// One request, if `view` sees it.
    ///
    /// # Errors
    /// [`StoreError::Database`].
    pub async fn access_request(&self, view: &View, id: Uuid) -> Result<Option<AccessRequest>, StoreError> {
        sqlx::query_as(
            "SELECT * FROM security.access_requests WHERE id = $4 AND ($3 OR subject = $1 OR requested_by = $1 OR approvers \
             && $2)",
        )
        .bind(&view.subject)
        .bind(&view.keys)
        .bind(view.all)
        .bind(id)
        .fetch_optional(self.control())
        .await
        .map_err(StoreError::on("read an access request"))
    }

    /// The newest grants that `view` sees, of one subject where it is named; with `active`, those in force only.
    ///
    /// # Errors
    /// [`StoreError::Database`].
    pub async fn access_grants(
        &self,
        view: &View,
        subject: Option<&str>,
        active: bool,
        limit: i64,
    ) -> Result<Vec<AccessGrant>, StoreError> {
        sqlx::query_as(
            "SELECT * FROM security.grants WHERE ($3 OR subject = $1 OR approvers && $2) AND ($4::text IS NULL OR subject = \
             $4) AND (NOT $5 OR (ended_at IS NULL AND expires_at > clock_timestamp())) ORDER BY granted_at DESC, id LIMIT $6",
        )
        .bind(&view.subject)
        .bind(&view.keys)
        .bind(view.all)
        .bind(subject)
        .bind(active)
        .bind(limit)
        .fetch_all(self.control())
        .await
        .map_err(StoreError::on("read grants"))
    }

    /// The grants that requests led to.
    ///
    /// # Errors
    /// [`StoreError::Database`].
    pub async fn grants_of_requests(&self, requests: &[Uuid]) -> Result<Vec<AccessGrant>, StoreError> {
        sqlx::query_as("SELECT * FROM security.grants WHERE request_id = ANY($1)")
            .bind(requests)
            .fetch_all(self.control())
            .await
            .map_err(StoreError::on("read grants of requests"))
    }

    /// The grant that a request led to.
    ///
    /// # Errors
    /// [`StoreError::Database`].
    pub async fn grant_of_request(&self, request: Uuid) -> Result<Option<AccessGrant>, StoreError> {
        sqlx::query_as("SELECT * FROM security.grants WHERE request_id = $1")
            .bind(request)
            .fetch_optional(self.control())
            .await
            .map_err(StoreError::on("read a grant"))
    }

    /// The steps of requests and of grants, in order.
    ///
    /// # Errors
    /// [`StoreError::Database`].
    pub async fn access_events(&self, requests: &[Uuid], grants: &[Uuid]) -> Result<Vec<AccessEvent>, StoreError> {
        sqlx::query_as(
            "SELECT * FROM security.access_events WHERE request_id = ANY($1) OR grant_id = ANY($2) ORDER BY position",
        )
        .bind(requests)
        .bind(grants)
        .fetch_all(self.control())
        .await
        .map_err(StoreError::on("read the steps of access"))
    }
}
