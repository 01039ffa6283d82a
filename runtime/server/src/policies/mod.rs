//! Policies at work: turns the folder's policy, and what was put in its place at run time, into what every decision of this
//! process is made by.
//!
//! A change is heard of by LISTEN, at once in the process that made it (see [`crate::grants`], which listens). Everything that
//! follows from a policy is in one value, [`InForce`], which is swapped whole: nothing that was compiled for an earlier policy
//! can be found by a request that came after it. Where the database can't be reached, the policy that was read last stays.

mod composed;
mod effect;
mod in_force;

pub(crate) use composed::{Composed, base};
pub(crate) use effect::{Effect, GrantChange, effect};
pub(crate) use in_force::{InForce, PlanKey, PlanQuery};

use crate::error::RuntimeError;
use arc_swap::{ArcSwap, Guard};
use std::sync::Arc;
use terrane_diagnostics::has_errors;
use terrane_manifest::Product;
use terrane_policy::Policy;
use terrane_query::Access;
use terrane_store::{PutPolicy, Store, StoreError};
use tokio::sync::{Mutex, watch};

/// The policy of a product in this process.
pub(crate) struct Policies {
    store: Store,
    /// As its folder is.
    folder: Arc<Product>,
    mask_salt: String,
    /// Whether answers may be kept at all.
    keeps: bool,
    now: ArcSwap<InForce>,
    swaps: watch::Sender<()>,
    /// Held by who reads and compiles: of two, the later state stays.
    compiling: Mutex<()>,
}

impl Policies {
    /// Read what was put in, and compile what holds.
    ///
    /// # Errors
    /// [`RuntimeError::Store`], [`RuntimeError::Product`] where the data port has no schema, [`RuntimeError::Policy`].
    pub(crate) async fn open(
        store: Store,
        folder: Arc<Product>,
        mask_salt: String,
        keeps: bool,
    ) -> Result<Arc<Self>, RuntimeError> {
        let put = store.put_policy_in_force().await?;
        let first = compile(folder.clone(), mask_salt.clone(), keeps, put).await?;
        let (swaps, compiling) = (watch::Sender::new(()), Mutex::default());
        let now = ArcSwap::from_pointee(first);
        Ok(Arc::new(Self { store, folder, mask_salt, keeps, now, swaps, compiling }))
    }

    /// What holds.
    pub(crate) fn now(&self) -> Guard<Arc<InForce>> {
        self.now.load()
    }

    /// The product as its folder is.
    pub(crate) fn folder(&self) -> &Arc<Product> {
        &self.folder
    }

    /// Wait until another policy than `policy` holds.
    pub(crate) async fn changed(self: Arc<Self>, policy: Policy) {
        let mut swaps = self.swaps.subscribe();
        loop {
            swaps.borrow_and_update();
            if !self.now().policy().is(&policy) {
                return;
            }
            // the sender lives as long as we do
            let _ = swaps.changed().await;
        }
    }

    /// Wait until another policy holds which no longer gives all that `access` gives of `objects`.
    pub(crate) async fn lost(self: Arc<Self>, access: Arc<Access>, objects: Vec<String>) {
        let mut policy = access.policy().clone();
        loop {
            Arc::clone(&self).changed(policy).await;
            let now = self.now();
            if !now.access(access.roles()).still_gives(&access, &objects) {
                return;
            }
            policy = now.policy().clone();
        }
    }

    /// Read what was put in since, and have it hold.
    ///
    /// # Errors
    /// [`StoreError::Database`]; then what held stays.
    pub(crate) async fn refresh(&self) -> Result<(), StoreError> {
        if self.store.policy_position().await? == self.now().position() {
            return Ok(());
        }
        let _one = self.compiling.lock().await;
        let put = self.store.put_policy_in_force().await?;
        if put.as_ref().map_or(0, |put| put.position) == self.now().position() {
            return Ok(());
        }
        match compile(self.folder.clone(), self.mask_salt.clone(), self.keeps, put).await {
            Ok(next) => {
                tracing::info!(state = next.state(), "another policy holds");
                self.now.store(Arc::new(next));
                self.swaps.send_replace(());
            }
            // of a version of Terrane that knows more than this one
            Err(error) => tracing::error!(%error, "the policy that was put in cannot be used: the one before it stays"),
        }
        Ok(())
    }
}

/// Compile what holds, beside the requests.
async fn compile(
    folder: Arc<Product>,
    mask_salt: String,
    keeps: bool,
    put: Option<PutPolicy>,
) -> Result<InForce, RuntimeError> {
    let compiling = move || {
        let composed = Composed::of(&folder, put.as_ref())?;
        if has_errors(&composed.findings) {
            tracing::warn!(
                findings = terrane_diagnostics::render_all(&composed.findings),
                "the policy that was put in names what the folder does not have any more"
            );
        }
        if composed.overtaken {
            tracing::warn!(
                "the folder's policy.csv was changed after a policy was put in its place, which stays in force"
            );
        }
        InForce::new(composed, &folder, &mask_salt, keeps, put)
    };
    let compiled = tokio::task::spawn_blocking(compiling).await;
    compiled.unwrap_or(Err(RuntimeError::Store(StoreError::Interrupted("compile the policy"))))
}
