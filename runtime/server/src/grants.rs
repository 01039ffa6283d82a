//! Grants at work: turns the policy lines of grants in the database into the role set that a caller has at this moment.
//!
//! A change is heard of by LISTEN, at once in the process that made it; that a grant ends by itself needs nobody: the time is
//! looked at whenever a decision is. Where the database has not been reached for a while, no grant holds: it might have been
//! revoked.

use crate::policies::Policies;
use chrono::Utc;
use sqlx::postgres::PgListener;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;
use terrane_policy::{Caller, GrantLine, Grants, RoleSet, own_roles};
use terrane_store::{ACCESS_CHANNEL, Store, StoreError};
use tokio::sync::watch;
use tokio::time::{Instant, sleep, timeout};

/// A wake-up may be lost with its connection: then there is a look so often.
const LOOK: Duration = Duration::from_secs(5);
/// Between two attempts at a database that is away.
const RETRY: Duration = Duration::from_millis(500);
/// So long after they were last read, grants hold no longer.
const TRUSTED: Duration = Duration::from_secs(30);
/// Timers know no longer times than this.
const LONGEST_WAIT: Duration = Duration::from_secs(24 * 3600);

/// The grants of a product in this process.
#[derive(Debug)]
pub(crate) struct HeldGrants {
    store: Store,
    grants: watch::Sender<Arc<Grants>>,
    started: Instant,
    /// Milliseconds after `started` at which they were last read.
    read_at: AtomicU64,
}

impl HeldGrants {
    /// Read them.
    ///
    /// # Errors
    /// [`StoreError::Database`].
    pub(crate) async fn open(store: Store) -> Result<Arc<Self>, StoreError> {
        let grants = watch::Sender::new(Arc::default());
        let held = Self { store, grants, started: Instant::now(), read_at: AtomicU64::new(0) };
        held.refresh().await?;
        Ok(Arc::new(held))
    }

    /// The roles of a caller now: those of its token, and what it was granted.
    pub(crate) fn roles(&self, caller: &Caller) -> RoleSet {
        let grants = self.grants.borrow();
        match self.is_trusted() {
            true => grants.roles(caller, now()),
            false => own_roles(&caller.roles),
        }
    }

    /// A word for who has which grants now.
    pub(crate) fn state(&self) -> String {
        match self.is_trusted() {
            true => self.grants.borrow().state(now()),
            false => "unknown".to_owned(),
        }
    }

    /// Wait until the roles of `caller` are others than `roles`.
    pub(crate) async fn changed(self: Arc<Self>, caller: Caller, roles: RoleSet) {
        self.wait_until(&caller, |now| *now != roles).await;
    }

    /// Wait until `caller` has lost one of `roles`.
    pub(crate) async fn lost(self: Arc<Self>, caller: Caller, roles: RoleSet) {
        self.wait_until(&caller, |now| roles.iter().any(|role| !now.contains(role))).await;
    }

    async fn wait_until(&self, caller: &Caller, holds: impl Fn(&RoleSet) -> bool) {
        let mut changes = self.grants.subscribe();
        loop {
            let next_end = changes.borrow_and_update().next_end(caller, now());
            if holds(&self.roles(caller)) {
                return;
            }
            let until_end = next_end.map(|end| Duration::from_millis(u64::try_from(end - now()).unwrap_or_default()));
            // who has grants also looks whether they can still be trusted
            let wait = until_end.map_or(LONGEST_WAIT, |until| until.min(LOOK));
            tokio::select! {
                // the sender lives as long as we do
                _ = changes.changed() => {}
                () = sleep(wait) => {}
            }
        }
    }

    /// Read what has changed, if anything has.
    ///
    /// # Errors
    /// [`StoreError::Database`].
    pub(crate) async fn refresh(&self) -> Result<(), StoreError> {
        // what is read is as old as the question
        let asked = self.elapsed();
        let position = self.store.access_position().await?;
        if position != self.grants.borrow().revision() {
            let (position, lines) = self.store.policy_lines().await?;
            let lines = lines.into_iter().map(|line| GrantLine {
                subject: line.subject,
                line: line.line,
                until: line.expires_at.timestamp_millis(),
            });
            let grants = Arc::new(Grants::new(position, lines));
            // of two that read at the same time, the later state stays
            self.grants.send_if_modified(|known| {
                let newer = known.revision() < position;
                if newer {
                    *known = Arc::clone(&grants);
                }
                newer
            });
        }
        self.read_at.fetch_max(asked, Ordering::AcqRel);
        Ok(())
    }

    fn elapsed(&self) -> u64 {
        u64::try_from(self.started.elapsed().as_millis()).unwrap_or(u64::MAX)
    }

    fn is_trusted(&self) -> bool {
        let age = self.elapsed().saturating_sub(self.read_at.load(Ordering::Acquire));
        u128::from(age) < TRUSTED.as_millis()
    }
}

/// Keep them and the policy up to date, and put on record which grants have expired, for ever.
pub(crate) async fn follow(held: Arc<HeldGrants>, policies: Arc<Policies>) {
    loop {
        if let Err(error) = listen(&held, &policies).await {
            tracing::warn!(%error, "changes of access can't be followed; it is tried again");
        }
        sleep(RETRY).await;
    }
}

async fn listen(held: &HeldGrants, policies: &Policies) -> Result<(), StoreError> {
    let what = "listen to changes of access";
    let mut listener = PgListener::connect_with(held.store.control()).await.map_err(StoreError::on(what))?;
    listener.listen(ACCESS_CHANNEL).await.map_err(StoreError::on(what))?;
    loop {
        held.refresh().await?;
        policies.refresh().await?;
        held.store.record_expired().await?;
        // whatever wakes us up, and where a connection was lost with what it was told: there is a look
        if let Ok(Err(error)) = timeout(LOOK, listener.try_recv()).await {
            return Err(StoreError::database(what, error));
        }
    }
}

/// Milliseconds since 1970.
fn now() -> i64 {
    Utc::now().timestamp_millis()
}
