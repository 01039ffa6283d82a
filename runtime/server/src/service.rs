//! Services: turns a product folder, a database and settings into what the ports are served from.

use crate::audit::{self, Audit};
use crate::error::RuntimeError;
use crate::folder::read_folder;
use crate::grants::{self, HeldGrants};
use crate::levels::Levels;
use crate::loader::StepLoader;
use crate::meters::Meters;
use crate::policies::{InForce, PlanKey, PlanQuery, Policies};
use crate::ports::{self, PortsContext, PortsSchema};
use crate::reading::start_reader;
use crate::runs::{RunQueue, attend};
use crate::streams::{Streams, start_streams};
use async_graphql::dataloader::DataLoader;
use futures_util::Stream;
use http::HeaderValue;
use moka::sync::Cache;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, OnceLock, Weak};
use std::time::{Duration, Instant};
use terrane_auth::{AuthError, Authenticator};
use terrane_diagnostics::Diagnostic;
use terrane_driver::Reader;
use terrane_graphql::GraphqlError;
use terrane_ingest::{IngestError, Upstreams};
use terrane_jetstream::NatsSettings;
use terrane_manifest::{InputPort, Product};
use terrane_pipeline::{Applied, Pipeline, PipelineError, PlannedStage};
use terrane_policy::Caller;
use terrane_query::{Access, DataSchema, Missing, Prepared, prepare};
use terrane_store::{Store, StoreError, StoreOptions, Version};
use terrane_telemetry::trace;
use tokio::sync::Semaphore;
use tokio::task::AbortHandle;

/// Files of which the length is kept.
const KEPT_LENGTHS: u64 = 10_000;
/// Until a question to the database for metrics is given up.
const MEASURING: Duration = Duration::from_secs(1);
/// Files that are made at once; each has a connection to the database for itself.
const MOST_EXPORTS: usize = 8;

/// What a product is served from.
#[derive(Debug, Clone)]
pub struct ServiceOptions {
    /// The product folder.
    pub folder: PathBuf,
    /// Its database.
    pub store: StoreOptions,
    /// Who verifies tokens.
    pub authenticator: Authenticator,
    /// Products that it reads from.
    pub upstreams: Upstreams,
}

/// A product that can be served; cheap to clone.
#[derive(Clone)]
pub struct ProductService {
    inner: Arc<Inner>,
}

struct Inner {
    product: Arc<Product>,
    folder: PathBuf,
    warnings: Vec<Diagnostic>,
    store: Store,
    reader: Reader,
    pipeline: Pipeline,
    ports: PortsSchema,
    authenticator: Authenticator,
    meters: OnceLock<Meters>,
    streams: Streams,
    policies: Arc<Policies>,
    grants: Arc<HeldGrants>,
    audit: Arc<Audit>,
    levels: Levels,
    /// What goes on by itself as long as the product is served.
    tasks: [AbortHandle; 3],
    stopping: AtomicBool,
    runs: RunQueue,
    exports: Arc<Semaphore>,
    export_lengths: Cache<String, u64>,
}

impl Drop for Inner {
    fn drop(&mut self) {
        self.tasks.iter().for_each(AbortHandle::abort);
    }
}

impl ProductService {
    /// Read the folder, bring the database up to date, compile the schema.
    ///
    /// # Errors
    /// [`RuntimeError`], with every diagnostic where the folder is wrong.
    pub async fn open(options: ServiceOptions) -> Result<Self, RuntimeError> {
        let (product, warnings) = Self::load(&options.folder)?;
        // a folder that can't be served changes nothing in the database
        let failed = |diagnostics| RuntimeError::Product { path: options.folder.display().to_string(), diagnostics };
        DataSchema::build(&product, &ports::sdl()).map_err(failed)?;
        let store = Store::open(&options.store, &product).await?;
        // a replica may answer with what is no longer so, and nobody would ask again
        let current = options.store.replicas.is_empty();
        let mask_salt = store.mask_salt().await?;
        let policies = Policies::open(store.clone(), Arc::clone(&product), mask_salt, current).await?;
        let reader = start_reader(&options.store, &product)?;
        let pipeline =
            Pipeline::new(store.clone(), product.clone(), options.folder.clone(), Arc::new(options.upstreams));
        let streams = Streams::new(store.clone());
        let grants = HeldGrants::open(store.clone()).await?;
        let retention = tokio::spawn(terrane_stream::remove_old(store.clone(), Arc::clone(&product)));
        let audit = Audit::open(store.clone(), options.store.audit.clone()).await?;
        let keeping = tokio::spawn(audit::follow(Arc::clone(&audit)));
        let granting = tokio::spawn(grants::follow(Arc::clone(&grants), Arc::clone(&policies)));
        let tasks = [retention, keeping, granting].map(|task| task.abort_handle());
        let service = Self {
            inner: Arc::new(Inner {
                product,
                folder: options.folder,
                warnings,
                store,
                reader,
                pipeline,
                ports: ports::schema(),
                authenticator: options.authenticator,
                meters: OnceLock::new(),
                streams,
                policies,
                grants,
                audit,
                levels: Levels::default(),
                tasks,
                stopping: AtomicBool::new(false),
                runs: RunQueue::default(),
                exports: Arc::new(Semaphore::new(MOST_EXPORTS)),
                export_lengths: Cache::new(KEPT_LENGTHS),
            }),
        };
        attend(&service);
        Ok(service)
    }

    /// Read and check a folder.
    ///
    /// # Errors
    /// [`RuntimeError::Folder`] and [`RuntimeError::Product`].
    pub fn load(folder: &Path) -> Result<(Arc<Product>, Vec<Diagnostic>), RuntimeError> {
        let path = folder.display().to_string();
        let files = read_folder(folder).map_err(|source| RuntimeError::Folder { path: path.clone(), source })?;
        let loaded =
            terrane_manifest::load(&files).map_err(|diagnostics| RuntimeError::Product { path, diagnostics })?;
        Ok((Arc::new(loaded.product), loaded.warnings))
    }

    /// `cache-control` of an answer with nothing but data. What somebody sees by a grant is not kept: it may be revoked.
    pub(crate) fn cache_control(&self, caller: &Caller) -> Option<HeaderValue> {
        let granted = || self.inner.grants.roles(caller) != caller.roles;
        self.inner.policies.now().cache_control().filter(|_| !granted()).cloned()
    }

    /// The checked product, as its folder is. What its policy decides is [`Self::access`]'s.
    pub fn product(&self) -> &Product {
        &self.inner.product
    }

    /// The product folder.
    pub(crate) fn folder(&self) -> &Path {
        &self.inner.folder
    }

    /// Findings in the folder that stop nothing.
    pub fn warnings(&self) -> &[Diagnostic] {
        &self.inner.warnings
    }

    /// Its database.
    pub fn store(&self) -> &Store {
        &self.inner.store
    }

    /// What is counted.
    pub fn meters(&self) -> &Meters {
        self.inner.meters.get_or_init(|| Meters::new(&self.inner.product.id))
    }

    /// Runs that wait, and who asked for them.
    pub(crate) fn runs(&self) -> &RunQueue {
        &self.inner.runs
    }

    /// It, without being a reason to serve it.
    pub(crate) fn downgrade(&self) -> WeakService {
        WeakService(Arc::downgrade(&self.inner))
    }

    /// What follows its changes.
    pub(crate) fn streams(&self) -> &Streams {
        &self.inner.streams
    }

    /// How long a token is taken after it has expired.
    pub(crate) fn leeway(&self) -> Duration {
        self.inner.authenticator.leeway()
    }

    /// Runs the data port's statements.
    pub fn reader(&self) -> &Reader {
        &self.inner.reader
    }

    /// Its data port's schema.
    pub fn schema(&self) -> Arc<DataSchema> {
        Arc::clone(self.inner.policies.now().schema())
    }

    /// The caller that an `authorization` header's value stands for.
    ///
    /// # Errors
    /// [`AuthError`].
    pub async fn authenticate(&self, header: Option<&str>) -> Result<Caller, AuthError> {
        let caller = self.inner.authenticator.authenticate(header).await;
        caller.inspect(|caller| _ = audit::note(|draft| draft.caller(caller, header)))
    }

    /// What a caller may do here now, by its roles and what it was granted; compiled when such a role set is first seen.
    pub fn access(&self, caller: &Caller) -> Arc<Access> {
        let roles = self.inner.grants.roles(caller);
        audit::note(|draft| draft.held(&roles));
        self.inner.policies.now().access(&roles)
    }

    /// Whether `access` is what `caller` may do here now.
    pub(crate) fn is_current(&self, caller: &Caller, access: &Access) -> bool {
        access.policy().is(self.inner.policies.now().policy()) && self.inner.grants.roles(caller) == *access.roles()
    }

    /// Wait until what `caller` may do is no longer what `access` is.
    pub(crate) fn access_changed(&self, caller: &Caller, access: &Access) -> impl Future<Output = ()> + Send + use<> {
        let granted = Arc::clone(&self.inner.grants).changed(caller.clone(), access.roles().clone());
        let decided = Arc::clone(&self.inner.policies).changed(access.policy().clone());
        async move {
            tokio::select! {
                () = granted => {}
                () = decided => {}
            }
        }
    }

    /// Wait until `caller` has lost one of the roles of `access`, or something of what it gave of `objects`.
    pub(crate) fn access_lost(
        &self,
        caller: &Caller,
        access: &Arc<Access>,
        objects: &[String],
    ) -> impl Future<Output = ()> + Send + use<> {
        let granted = Arc::clone(&self.inner.grants).lost(caller.clone(), access.roles().clone());
        let decided = Arc::clone(&self.inner.policies).lost(Arc::clone(access), objects.to_vec());
        async move {
            tokio::select! {
                () = granted => {}
                () = decided => {}
            }
        }
    }

    /// The rule by which `access` allows or denies something: a line of its policy, or a grant.
    pub(crate) fn rule(&self, access: &Access, object: &str, action: &'static str) -> Arc<str> {
        self.inner.policies.now().rule(access, object, action)
    }

    /// A word for what decides about access now: the policy, and who has which grants.
    pub(crate) fn access_state(&self) -> String {
        format!("{}.{}", self.inner.grants.state(), self.inner.policies.now().state())
    }

    /// Who asked for what, on record.
    pub(crate) fn audit(&self) -> &Arc<Audit> {
        &self.inner.audit
    }

    /// How its service levels were kept when they were last measured.
    pub(crate) fn levels(&self) -> &Levels {
        &self.inner.levels
    }

    /// Bring into the database what waits to be put on record. For the end of a process; without it, the next one does.
    pub async fn close(&self) {
        self.inner.audit.stop().await;
    }

    /// What callers were granted.
    pub(crate) fn grants(&self) -> &Arc<HeldGrants> {
        &self.inner.grants
    }

    /// The policy in force, and how another one comes to be.
    pub(crate) fn policies(&self) -> &Arc<Policies> {
        &self.inner.policies
    }

    /// The policy in force.
    pub(crate) fn in_force(&self) -> Arc<InForce> {
        Arc::clone(&self.inner.policies.now())
    }

    /// The compiled operation, from the cache where it was compiled before for these roles; of a kept version's tables
    /// where `version` is one that [`Self::keep_schema`] was called for.
    ///
    /// # Errors
    /// The operation's errors; those are not kept.
    pub fn prepare(
        &self,
        text: &str,
        name: Option<&str>,
        access: &Arc<Access>,
        version: Option<i64>,
    ) -> Result<Arc<Prepared>, Vec<GraphqlError>> {
        let now = self.inner.policies.now();
        let plans = now.plans(access);
        let query = PlanQuery { roles: access.roles(), text, name, version };
        if let Some(prepared) = plans.and_then(|plans| plans.get(&query)) {
            self.meters().plans.hit();
            return Ok(prepared);
        }
        let key = PlanKey { roles: access.roles().clone(), text: text.into(), name: name.map(str::to_owned), version };
        let (span, started) = (trace::span("prepare"), Instant::now());
        let schema = self.schema_of(version)?;
        let prepared = prepare(&schema, text, name, access);
        self.meters().plans.miss(started);
        drop(span);
        let prepared = Arc::new(prepared?);
        if let Some(plans) = plans {
            plans.insert(key, prepared.clone());
        }
        Ok(prepared)
    }

    /// Whether the schema of a kept version is ready.
    pub(crate) fn keeps_schema(&self, version: i64) -> bool {
        self.inner.policies.now().kept_schema(version).is_some()
    }

    /// Have the schema of a kept version ready, which lacks what `missing` says.
    ///
    /// # Errors
    /// None for a product that is served: its schema was built before.
    pub(crate) fn keep_schema(&self, version: i64, missing: Vec<Missing>) -> Result<(), Vec<GraphqlError>> {
        let kept = self.in_force().keep_schema(version, missing);
        kept.map_err(|found| found.into_iter().map(|d| GraphqlError::new(d.code, d.message)).collect())
    }

    /// The schema of the current version, or of a kept one for which [`Self::keep_schema`] was called.
    ///
    /// # Errors
    /// `VERSION_CHANGED` where it is kept no longer, because others took its place or another policy holds.
    pub(crate) fn schema_of(&self, version: Option<i64>) -> Result<Arc<DataSchema>, Vec<GraphqlError>> {
        let Some(version) = version else { return Ok(self.schema()) };
        self.inner.policies.now().kept_schema(version).ok_or_else(|| {
            let message = "too many versions are read at once; ask again";
            vec![GraphqlError::new("VERSION_CHANGED", message)]
        })
    }

    /// Permits to make a file.
    pub(crate) fn exports(&self) -> Arc<Semaphore> {
        self.inner.exports.clone()
    }

    /// How long the file with this entity tag is, where it was made before.
    pub(crate) fn export_length(&self, etag: &str) -> Option<u64> {
        self.inner.export_lengths.get(etag)
    }

    /// Keep how long a file is.
    pub(crate) fn keep_export_length(&self, etag: &str, length: u64) {
        self.inner.export_lengths.insert(etag.to_owned(), length);
    }

    /// Run an operation of the standard ports.
    pub async fn run_ports(&self, request: async_graphql::Request, context: PortsContext) -> async_graphql::Response {
        let loader = DataLoader::new(StepLoader(self.inner.store.clone()), tokio::spawn);
        self.inner.ports.execute(request.data(loader).data(context)).await
    }

    /// Start a subscription of the standard ports.
    pub(crate) fn stream_ports(
        &self,
        request: async_graphql::Request,
        context: PortsContext,
    ) -> impl Stream<Item = async_graphql::Response> + Send + use<> {
        let loader = DataLoader::new(StepLoader(self.inner.store.clone()), tokio::spawn);
        self.inner.ports.execute_stream(request.data(loader).data(context))
    }

    /// Bring the input rows that came in since into the published version, in place.
    ///
    /// # Errors
    /// As [`Pipeline::apply_changes`].
    pub(crate) async fn apply_changes(&self) -> Result<Applied, PipelineError> {
        self.inner.pipeline.apply_changes().await
    }

    /// Bring those metrics up to date that are only looked at when somebody asks for them. A database that does not
    /// answer leaves those that it knows as they were.
    pub async fn measure(&self) {
        let version = tokio::time::timeout(MEASURING, self.inner.store.current_version()).await;
        let version = version.ok().and_then(Result::ok).flatten();
        self.meters().measure(version.as_ref(), self.inner.reader.waiting());
        let store = &self.inner.store;
        let events = async { Ok::<_, StoreError>((store.events_left().await?, store.events_held().await?)) };
        if let Ok(Ok((left, held))) = tokio::time::timeout(MEASURING, events).await {
            self.meters().unpublished(u64::try_from(left).unwrap_or_default(), held.is_some());
        }
        let _ = tokio::time::timeout(MEASURING, self.service_levels()).await;
        self.inner.audit.measure();
        self.meters().streams(self.inner.streams.open());
        let now = self.inner.policies.now();
        let plans = now.all_plans();
        plans.run_pending_tasks();
        self.meters().plans.measure(plans.entry_count(), plans.weighted_size());
    }

    /// Do what the product's ports say of streams, until it stops: publish what events change, and read from and publish
    /// to JetStream where the address of a NATS server is known. Must be called within a tokio runtime.
    pub fn start_streams(&self, nats: Option<&NatsSettings>) {
        start_streams(self, nats);
    }

    /// The process is about to end: from now on the product is not ready for more.
    pub fn stop(&self) {
        self.inner.stopping.store(true, Ordering::Relaxed);
        self.inner.streams.stop();
    }

    /// Whether the process is about to end.
    pub fn is_stopping(&self) -> bool {
        self.inner.stopping.load(Ordering::Relaxed)
    }

    /// Whether a run is due: nothing is published, or the folder has changed since.
    ///
    /// # Errors
    /// [`PipelineError`].
    pub async fn is_stale(&self) -> Result<bool, PipelineError> {
        self.inner.pipeline.is_stale().await
    }

    /// Runs models, and takes in new ones.
    pub fn pipeline(&self) -> &Pipeline {
        &self.inner.pipeline
    }

    /// The product with what was put in at run time: see [`Pipeline::product_now`].
    pub async fn amended(&self) -> Arc<Product> {
        self.inner.pipeline.product_now().await
    }

    /// What a run would do.
    ///
    /// # Errors
    /// [`PipelineError`].
    pub async fn explain(&self, pull: bool) -> Result<Vec<PlannedStage>, PipelineError> {
        self.inner.pipeline.explain(pull).await
    }

    /// The version that the product which `port` reads has published since the port was pulled, where there is one.
    ///
    /// # Errors
    /// [`IngestError`].
    pub async fn upstream_ahead(&self, port: &InputPort) -> Result<Option<i64>, IngestError> {
        self.inner.pipeline.upstream_ahead(port).await
    }

    /// Make a kept version current.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn rollback(&self, version: i64) -> Result<Version, StoreError> {
        self.inner.store.rollback(&self.inner.product, version).await
    }
}

/// A product as long as somebody else serves it.
pub(crate) struct WeakService(Weak<Inner>);

impl WeakService {
    /// It, if it is still served.
    pub(crate) fn upgrade(&self) -> Option<ProductService> {
        self.0.upgrade().map(|inner| ProductService { inner })
    }
}
