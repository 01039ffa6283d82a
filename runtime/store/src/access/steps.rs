//! Steps of access: asks, approves, denies, grants and ends, each in one transaction with its record, its policy lines and its
//! line in the audit log. Whoever is killed in between leaves nothing of a step.

use super::record::{AccessGrant, AccessRequest, Actor, NewGrant, NewRequest};
use super::{ACCESS_CHANNEL, AccessRefusal, MOST_GRANTS, MOST_WAITING, MOST_WAITING_IN_ALL};
use crate::audit::AuditRecord;
use crate::{Store, StoreError};
use serde_json::json;
use sqlx::postgres::PgConnection;
use sqlx::types::Json;
use sqlx::{Postgres, Transaction};
use uuid::Uuid;

/// The policy object of the audit log's lines.
const OBJECT: &str = "port:access";
/// A level that nobody has to approve.
const AUTOMATIC: &str = "auto";
/// Grants whose end is put on record at once.
const ENDED_AT_ONCE: i64 = 1_000;

/// What is put on record of a step.
struct Event<'e> {
    request: Option<Uuid>,
    grant: Option<Uuid>,
    step: &'static str,
    level: Option<i32>,
    /// None: it came about by itself.
    actor: Option<&'e Actor>,
    reason: Option<&'e str>,
}

impl Store {
    /// Ask for access. Levels that nobody has to approve are passed at once; where there is no other, it is granted.
    ///
    /// # Errors
    /// [`StoreError::Access`] where the same is asked for already, or too much waits.
    pub async fn request_access(&self, new: &NewRequest, actor: &Actor) -> Result<AccessRequest, StoreError> {
        let mut transaction = self.begin_step().await?;
        self.refuse_more(&mut transaction, new).await?;
        let id = Uuid::now_v7();
        let approvers = flat(&new.chain);
        let request: AccessRequest = sqlx::query_as(
            "INSERT INTO security.access_requests (id, subject, requested_by, roles, role, fields, purpose, seconds, chain, \
             level, waits_for, approvers, state) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, 0, '{}', $10, 'pending') \
             RETURNING *",
        )
        .bind(id)
        .bind(&new.subject)
        .bind(&actor.subject)
        .bind(&actor.roles)
        .bind(&new.role)
        .bind(&new.fields)
        .bind(&new.purpose)
        .bind(new.seconds)
        .bind(Json(&new.chain))
        .bind(&approvers)
        .fetch_one(&mut *transaction)
        .await
        .map_err(StoreError::on("put an access request on record"))?;
        let purpose = Some(new.purpose.as_str());
        let asked = Event {
            request: Some(id),
            grant: None,
            step: "requested",
            level: None,
            actor: Some(actor),
            reason: purpose,
        };
        self.put_on_record(&mut transaction, "requestAccess", &asked).await?;
        let request = self.advance(&mut transaction, request, None).await?;
        commit(transaction).await?;
        Ok(request)
    }

    /// Approve the level that a request waits for; after the last one, access is granted.
    ///
    /// # Errors
    /// [`StoreError::Access`] where the actor is not one of the level's approvers, has asked himself, has approved an earlier
    /// level, or the request waits no longer.
    pub async fn approve_access(
        &self,
        id: Uuid,
        actor: &Actor,
        reason: Option<&str>,
    ) -> Result<AccessRequest, StoreError> {
        let mut transaction = self.begin_step().await?;
        let mut request = self.waiting(&mut transaction, id, actor).await?;
        may_decide(&request, actor)?;
        let before: bool = sqlx::query_scalar(
            "SELECT EXISTS (SELECT FROM security.access_events WHERE request_id = $1 AND step = 'approved' AND actor = $2)",
        )
        .bind(id)
        .bind(&actor.subject)
        .fetch_one(&mut *transaction)
        .await
        .map_err(StoreError::on("look up who has approved"))?;
        if before {
            return Err(AccessRefusal::ApprovedBefore.into());
        }
        request.level += 1;
        let level = Some(request.level);
        let approved = Event { request: Some(id), grant: None, step: "approved", level, actor: Some(actor), reason };
        self.put_on_record(&mut transaction, "approveAccess", &approved).await?;
        let request = self.advance(&mut transaction, request, Some(actor)).await?;
        commit(transaction).await?;
        Ok(request)
    }

    /// Deny a request; by who has asked: take it back.
    ///
    /// # Errors
    /// As [`Store::approve_access`].
    pub async fn deny_access(&self, id: Uuid, actor: &Actor, reason: &str) -> Result<AccessRequest, StoreError> {
        let mut transaction = self.begin_step().await?;
        let request = self.waiting(&mut transaction, id, actor).await?;
        let own = [&request.subject, &request.requested_by].contains(&&actor.subject);
        let (step, action) = if own { ("withdrawn", "withdrawAccess") } else { ("denied", "denyAccess") };
        if !own {
            may_decide(&request, actor)?;
        }
        let level = (!own).then_some(request.level + 1);
        let denied = Event { request: Some(id), grant: None, step, level, actor: Some(actor), reason: Some(reason) };
        self.put_on_record(&mut transaction, action, &denied).await?;
        let request = sqlx::query_as(
            "UPDATE security.access_requests SET state = $2, waits_for = '{}', ended_at = clock_timestamp() WHERE id = $1 \
             RETURNING *",
        )
        .bind(id)
        .bind(step)
        .fetch_one(&mut *transaction)
        .await
        .map_err(StoreError::on("end an access request"))?;
        commit(transaction).await?;
        Ok(request)
    }

    /// Grant access that nobody has asked for.
    ///
    /// # Errors
    /// [`StoreError::Access`] where the actor is who would get it.
    pub async fn grant_access(&self, new: &NewGrant, actor: &Actor) -> Result<AccessGrant, StoreError> {
        if new.subject == actor.subject {
            return Err(AccessRefusal::OwnRequest.into());
        }
        let mut transaction = self.begin_step().await?;
        let grant = self.put_grant(&mut transaction, None, new, Some(actor)).await?;
        commit(transaction).await?;
        Ok(grant)
    }

    /// End a grant: from now on it gives nothing.
    ///
    /// # Errors
    /// [`StoreError::Access`] where the actor is neither an approver of it, nor the owner, nor who has it, or it has ended.
    pub async fn revoke_access(&self, id: Uuid, actor: &Actor, reason: &str) -> Result<AccessGrant, StoreError> {
        let mut transaction = self.begin_step().await?;
        let failed = || StoreError::on("end a grant");
        let grant: Option<AccessGrant> = sqlx::query_as("SELECT * FROM security.grants WHERE id = $1 FOR UPDATE")
            .bind(id)
            .fetch_optional(&mut *transaction)
            .await
            .map_err(failed())?;
        let grant = grant.ok_or(AccessRefusal::NoSuchGrant(id))?;
        if grant.subject != actor.subject && !actor.administers && !actor.is_among(&grant.approvers) {
            return Err(AccessRefusal::NotYours.into());
        }
        if let Some(how) = grant.ended_how {
            return Err(AccessRefusal::GrantEnded(how).into());
        }
        let ended: Option<AccessGrant> = sqlx::query_as(
            "UPDATE security.grants SET ended_at = clock_timestamp(), ended_by = $2, ended_how = 'revoked' WHERE id = $1 AND \
             expires_at > clock_timestamp() RETURNING *",
        )
        .bind(id)
        .bind(&actor.subject)
        .fetch_optional(&mut *transaction)
        .await
        .map_err(failed())?;
        let ended = ended.ok_or_else(|| AccessRefusal::GrantEnded("expired".to_owned()))?;
        remove_lines(&mut transaction, &[id]).await?;
        let (request, reason) = (ended.request_id, Some(reason));
        let event = Event { request, grant: Some(id), step: "revoked", level: None, actor: Some(actor), reason };
        self.put_on_record(&mut transaction, "revokeAccess", &event).await?;
        commit(transaction).await?;
        Ok(ended)
    }

    /// Put on record that grants have expired, which give nothing any more since then. How many.
    ///
    /// # Errors
    /// [`StoreError::Database`].
    pub async fn record_expired(&self) -> Result<usize, StoreError> {
        let failed = || StoreError::on("put expired grants on record");
        let any: bool = sqlx::query_scalar(
            "SELECT EXISTS (SELECT FROM security.grants WHERE ended_at IS NULL AND expires_at <= clock_timestamp())",
        )
        .fetch_one(self.control())
        .await
        .map_err(failed())?;
        if !any {
            return Ok(0);
        }
        let mut transaction = self.begin_step().await?;
        let ended: Vec<(Uuid, Option<Uuid>)> = sqlx::query_as(
            "UPDATE security.grants SET ended_at = expires_at, ended_how = 'expired' WHERE id IN (SELECT id FROM \
             security.grants WHERE ended_at IS NULL AND expires_at <= clock_timestamp() ORDER BY expires_at LIMIT $1) \
             RETURNING id, request_id",
        )
        .bind(ENDED_AT_ONCE)
        .fetch_all(&mut *transaction)
        .await
        .map_err(failed())?;
        let ids: Vec<Uuid> = ended.iter().map(|(id, _)| *id).collect();
        remove_lines(&mut transaction, &ids).await?;
        for (grant, request) in &ended {
            let event = Event {
                request: *request,
                grant: Some(*grant),
                step: "expired",
                level: None,
                actor: None,
                reason: None,
            };
            self.put_on_record(&mut transaction, "expireAccess", &event).await?;
        }
        commit(transaction).await?;
        Ok(ended.len())
    }

    /// A transaction in which nobody else takes a step.
    async fn begin_step(&self) -> Result<Transaction<'static, Postgres>, StoreError> {
        let failed = || StoreError::on("begin a step of access");
        let mut transaction = self.control().begin().await.map_err(failed())?;
        sqlx::query("SELECT pg_advisory_xact_lock(hashtextextended('terrane access', 0))")
            .execute(&mut *transaction)
            .await
            .map_err(failed())?;
        Ok(transaction)
    }

    async fn refuse_more(&self, connection: &mut PgConnection, new: &NewRequest) -> Result<(), StoreError> {
        let failed = || StoreError::on("look up waiting access requests");
        let same: Option<Uuid> = sqlx::query_scalar(
            "SELECT id FROM security.access_requests WHERE state = 'pending' AND subject = $1 AND role IS NOT DISTINCT FROM \
             $2 AND fields = $3",
        )
        .bind(&new.subject)
        .bind(&new.role)
        .bind(&new.fields)
        .fetch_optional(&mut *connection)
        .await
        .map_err(failed())?;
        if let Some(same) = same {
            return Err(AccessRefusal::RequestExists(same).into());
        }
        let (own, all): (i64, i64) = sqlx::query_as(
            "SELECT count(*) FILTER (WHERE subject = $1), count(*) FROM security.access_requests WHERE state = 'pending'",
        )
        .bind(&new.subject)
        .fetch_one(connection)
        .await
        .map_err(failed())?;
        match own < MOST_WAITING && all < MOST_WAITING_IN_ALL {
            true => Ok(()),
            false => Err(AccessRefusal::TooManyRequests.into()),
        }
    }

    /// A request that waits, locked; an error that says no more than its reader may know.
    async fn waiting(
        &self,
        connection: &mut PgConnection,
        id: Uuid,
        actor: &Actor,
    ) -> Result<AccessRequest, StoreError> {
        let request: Option<AccessRequest> =
            sqlx::query_as("SELECT * FROM security.access_requests WHERE id = $1 FOR UPDATE")
                .bind(id)
                .fetch_optional(connection)
                .await
                .map_err(StoreError::on("look up an access request"))?;
        let request = request.ok_or(AccessRefusal::NoSuchRequest(id))?;
        let own = [&request.subject, &request.requested_by].contains(&&actor.subject);
        if !own && !actor.administers && !actor.is_among(&request.approvers) {
            return Err(not_an_approver(&request).into());
        }
        match request.state.as_str() {
            "pending" => Ok(request),
            ended => Err(AccessRefusal::RequestEnded(ended.to_owned()).into()),
        }
    }

    /// Pass the levels that nobody has to approve, and grant after the last one. `by` has approved last.
    async fn advance(
        &self,
        transaction: &mut Transaction<'static, Postgres>,
        mut request: AccessRequest,
        by: Option<&Actor>,
    ) -> Result<AccessRequest, StoreError> {
        let next = |level: i32| usize::try_from(level).ok().and_then(|level| request.chain.get(level)).cloned();
        let mut level = request.level;
        let mut waits_for = next(level);
        while waits_for.as_ref().is_some_and(|approvers| approvers.as_slice() == [AUTOMATIC]) {
            level += 1;
            let passed = Event {
                request: Some(request.id),
                grant: None,
                step: "approved",
                level: Some(level),
                actor: None,
                reason: Some("the contract asks nobody for it"),
            };
            self.put_on_record(transaction, "approveAccess", &passed).await?;
            waits_for = next(level);
        }
        let done = waits_for.is_none();
        request = sqlx::query_as(
            "UPDATE security.access_requests SET level = $2, waits_for = $3, state = CASE WHEN $4 THEN 'granted' ELSE state \
             END, ended_at = CASE WHEN $4 THEN clock_timestamp() END WHERE id = $1 RETURNING *",
        )
        .bind(request.id)
        .bind(level)
        .bind(waits_for.unwrap_or_default())
        .bind(done)
        .fetch_one(&mut **transaction)
        .await
        .map_err(StoreError::on("put an approval on record"))?;
        if done {
            let new = NewGrant {
                subject: request.subject.clone(),
                role: request.role.clone(),
                fields: request.fields.clone(),
                purpose: request.purpose.clone(),
                seconds: request.seconds,
                approvers: request.approvers.clone(),
            };
            self.put_grant(transaction, Some(request.id), &new, by).await?;
        }
        Ok(request)
    }

    async fn put_grant(
        &self,
        connection: &mut PgConnection,
        request: Option<Uuid>,
        new: &NewGrant,
        by: Option<&Actor>,
    ) -> Result<AccessGrant, StoreError> {
        let failed = || StoreError::on("grant access");
        let many: bool = sqlx::query_scalar("SELECT count(*) >= $1 FROM security.grants WHERE ended_at IS NULL")
            .bind(MOST_GRANTS)
            .fetch_one(&mut *connection)
            .await
            .map_err(failed())?;
        if many {
            return Err(AccessRefusal::TooManyGrants.into());
        }
        let id = Uuid::now_v7();
        let grant: AccessGrant = sqlx::query_as(
            "INSERT INTO security.grants (id, request_id, subject, role, fields, purpose, granted_by, approvers, expires_at) \
             VALUES ($1, $2, $3, $4, $5, $6, $7, $8, clock_timestamp() + make_interval(secs => $9)) RETURNING *",
        )
        .bind(id)
        .bind(request)
        .bind(&new.subject)
        .bind(&new.role)
        .bind(&new.fields)
        .bind(&new.purpose)
        .bind(by.map(|actor| &actor.subject))
        .bind(&new.approvers)
        .bind(new.seconds as f64)
        .fetch_one(&mut *connection)
        .await
        .map_err(failed())?;
        let subject = new.subject.as_str();
        let of_role = new.role.iter().map(|role| vec!["g", subject, role.as_str()]);
        let of_fields = new.fields.iter().map(|field| vec!["p", subject, field.as_str(), "read", "allow"]);
        for line in of_role.chain(of_fields) {
            let line: Vec<String> = line.into_iter().map(str::to_owned).collect();
            sqlx::query("INSERT INTO security.policies (grant_id, subject, line, expires_at) VALUES ($1, $2, $3, $4)")
                .bind(id)
                .bind(&new.subject)
                .bind(line)
                .bind(grant.expires_at)
                .execute(&mut *connection)
                .await
                .map_err(failed())?;
        }
        let reason = Some(new.purpose.as_str());
        let event = Event { request, grant: Some(id), step: "granted", level: None, actor: by, reason };
        self.put_on_record(connection, "grantAccess", &event).await?;
        Ok(grant)
    }

    /// Write a step to its record and to the audit log, and wake up who enforces.
    async fn put_on_record(
        &self,
        connection: &mut PgConnection,
        action: &str,
        event: &Event<'_>,
    ) -> Result<(), StoreError> {
        let roles: &[String] = event.actor.map_or(&[], |actor| &actor.roles);
        sqlx::query(
            "INSERT INTO security.access_events (request_id, grant_id, step, level, actor, actor_roles, reason) VALUES ($1, \
             $2, $3, $4, $5, $6, $7)",
        )
        .bind(event.request)
        .bind(event.grant)
        .bind(event.step)
        .bind(event.level)
        .bind(event.actor.map(|actor| &actor.subject))
        .bind(roles)
        .bind(event.reason)
        .execute(&mut *connection)
        .await
        .map_err(StoreError::on("put a step of access on record"))?;
        let detail = json!({
            "request": event.request, "grant": event.grant, "step": event.step, "level": event.level,
            "reason": event.reason, "automatic": event.actor.is_none(),
        });
        let record = AuditRecord {
            subject: event.actor.map(|actor| actor.subject.as_str()),
            roles: roles.to_vec(),
            action,
            object: OBJECT,
            allowed: true,
            detail: Some(detail),
        };
        self.append_audit(&mut *connection, record, serde_json::Map::new()).await?;
        sqlx::query("SELECT pg_notify($1, '')")
            .bind(ACCESS_CHANNEL)
            .execute(connection)
            .await
            .map(|_| ())
            .map_err(StoreError::on("tell of a step of access"))
    }
}

/// Whether the actor may approve or deny the level that a request waits for.
fn may_decide(request: &AccessRequest, actor: &Actor) -> Result<(), AccessRefusal> {
    if [&request.subject, &request.requested_by].contains(&&actor.subject) {
        return Err(AccessRefusal::OwnRequest);
    }
    if !actor.is_among(&request.waits_for) {
        return Err(not_an_approver(request));
    }
    Ok(())
}

fn not_an_approver(request: &AccessRequest) -> AccessRefusal {
    AccessRefusal::NotAnApprover { level: request.level + 1, approvers: request.waits_for.join(", ") }
}

/// The approvers of all levels.
fn flat(chain: &[Vec<String>]) -> Vec<String> {
    let mut all: Vec<String> = chain.iter().flatten().filter(|name| *name != AUTOMATIC).cloned().collect();
    all.sort();
    all.dedup();
    all
}

async fn remove_lines(connection: &mut PgConnection, grants: &[Uuid]) -> Result<(), StoreError> {
    sqlx::query("DELETE FROM security.policies WHERE grant_id = ANY($1)")
        .bind(grants)
        .execute(connection)
        .await
        .map(|_| ())
        .map_err(StoreError::on("remove the policy lines of a grant"))
}

async fn commit(transaction: Transaction<'static, Postgres>) -> Result<(), StoreError> {
    transaction.commit().await.map_err(StoreError::on("put a step of access on record"))
}
