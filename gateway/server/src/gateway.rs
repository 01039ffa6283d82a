//! The gateway's state: turns subgraph sources into the graph that is served, again whenever they change.
//!
//! A source that cannot be read or composed never takes the graph down: what was served keeps being served, and the
//! problem shows in the catalog.

use crate::config::{
    CacheConfig, DemandConfig, ErrorsConfig, IntrospectionConfig, Limits, PolicyMode, RatesConfig, SubscriptionsConfig,
    TrafficConfig,
};
use crate::demand::Demand;
use crate::graph::Graph;
use crate::headers::HeaderRules;
use crate::http::Front;
use crate::meters::{Meters, Refreshed};
use crate::policy::SharedRules;
use crate::rates::Rates;
use crate::subgraph::SubgraphSource;
use crate::subscriptions::Subscriptions;
use crate::traffic::Shed;
use crate::watch::FileWatch;
use arc_swap::{ArcSwap, ArcSwapOption};
use futures_util::future::join_all;
use http::HeaderName;
use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};
use terrane_auth::{ApiKeys, Authenticator, SignIn};
use terrane_compose::{Composer, Subgraph};
use terrane_diagnostics::Diagnostic;
use terrane_execute::cache::AnswerCache;
use tokio::sync::watch;

/// Settings of a gateway, checked.
pub struct GatewaySettings {
    /// Subgraphs to compose, or to reach by other ways than the supergraph says.
    pub sources: Vec<SubgraphSource>,
    /// A supergraph to serve as it is, instead of composing.
    pub supergraph: Option<String>,
    /// The mesh's rules; others can take their place while it runs.
    pub rules: SharedRules,
    /// What becomes of an operation that selects a denied field.
    pub policy_mode: PolicyMode,
    /// Who verifies tokens and API keys.
    pub authenticator: Authenticator,
    /// The keys of machines, and in which header they are sent.
    pub api_keys: Option<(HeaderName, Arc<ApiKeys>)>,
    /// How people sign in with a browser.
    pub sign_in: Option<Arc<SignIn>>,
    /// Bounds.
    pub limits: Limits,
    /// Streams to clients and from subgraphs.
    pub subscriptions: SubscriptionsConfig,
    /// Answers of subgraphs that are kept.
    pub cache: CacheConfig,
    /// Requests at once, and how subgraphs are called.
    pub traffic: TrafficConfig,
    /// What clients read of subgraphs' errors.
    pub errors: ErrorsConfig,
    /// How often may be asked.
    pub rates: RatesConfig,
    /// What operations may cost.
    pub demand: DemandConfig,
    /// Who may ask for the schema.
    pub introspection: IntrospectionConfig,
    /// Whether the explorer is served.
    pub explorer: bool,
    /// What subgraphs are sent of a request's headers.
    pub headers: HeaderRules,
    /// How requests come in and responses go out.
    pub front: Front,
}

impl GatewaySettings {
    /// What a gateway over these subgraphs is without any setting.
    pub fn new(sources: Vec<SubgraphSource>, authenticator: Authenticator) -> Self {
        Self {
            sources,
            supergraph: None,
            rules: SharedRules::default(),
            policy_mode: PolicyMode::default(),
            authenticator,
            api_keys: None,
            sign_in: None,
            limits: Limits::default(),
            subscriptions: SubscriptionsConfig::default(),
            cache: CacheConfig::default(),
            traffic: TrafficConfig::default(),
            errors: ErrorsConfig::default(),
            rates: RatesConfig::default(),
            demand: DemandConfig::default(),
            introspection: IntrospectionConfig::default(),
            explorer: true,
            headers: HeaderRules::default(),
            front: Front::default(),
        }
    }
}

/// A running gateway; cheap to clone.
#[derive(Clone)]
pub struct Gateway {
    pub(crate) inner: Arc<Inner>,
}

pub(crate) struct Inner {
    pub(crate) settings: GatewaySettings,
    pub(crate) subscriptions: Subscriptions,
    pub(crate) cache: Option<Arc<AnswerCache>>,
    pub(crate) rates: Rates,
    pub(crate) shed: Shed,
    pub(crate) demand: Demand,
    graph: ArcSwapOption<Graph>,
    /// The graph of the gateway that this one takes the place of, until there is one.
    former: ArcSwapOption<Graph>,
    problems: ArcSwap<Vec<Diagnostic>>,
    /// The last SDL that each source gave.
    known: Mutex<HashMap<String, String>>,
    /// Keeps what it read of subgraphs that do not change.
    composer: Arc<Mutex<Composer>>,
    /// One refresh at a time.
    refreshing: tokio::sync::Mutex<()>,
    stopping: watch::Sender<bool>,
    pub(crate) meters: Meters,
}

impl Gateway {
    /// A gateway that serves nothing yet: see [`Gateway::refresh`].
    pub fn new(settings: GatewaySettings) -> Self {
        let subscriptions = Subscriptions::new(settings.subscriptions, None);
        Self::with(settings, subscriptions)
    }

    /// A gateway that will take the place of another: it knows what that knows of the subgraphs that both have, until they
    /// answer again, and [`Gateway::take_over`] moves the subscriptions.
    pub fn after(settings: GatewaySettings, before: &Self) -> Self {
        let subscriptions = Subscriptions::new(settings.subscriptions, Some(&before.inner.subscriptions));
        let gateway = Self::with(settings, subscriptions);
        gateway.inherit(before);
        gateway
    }

    fn with(settings: GatewaySettings, subscriptions: Subscriptions) -> Self {
        let inner = Inner {
            subscriptions,
            cache: crate::answers::open(&settings.cache, &settings.sources),
            rates: Rates::new(&settings.rates, settings.demand.budget.is_some()),
            shed: Shed::new(settings.traffic.in_flight),
            demand: Demand::new(settings.demand.clone()),
            settings,
            graph: ArcSwapOption::empty(),
            former: ArcSwapOption::empty(),
            problems: ArcSwap::default(),
            known: Mutex::default(),
            composer: Arc::default(),
            refreshing: tokio::sync::Mutex::default(),
            stopping: watch::Sender::new(false),
            meters: Meters::new(),
        };
        Self { inner: Arc::new(inner) }
    }

    /// The graph that is served.
    pub fn graph(&self) -> Option<Arc<Graph>> {
        self.inner.graph.load_full()
    }

    /// The process is about to end: from now on the gateway is not ready for more, and every stream and socket ends, after
    /// saying so to its client.
    pub fn stop(&self) {
        self.inner.stopping.send_replace(true);
        self.inner.subscriptions.stop();
    }

    /// Turns true when the process is about to end. What lasts longer than a request should end then, too.
    pub fn stopping(&self) -> watch::Receiver<bool> {
        self.inner.stopping.subscribe()
    }

    /// What is wrong with the newest state of the sources; empty when it is what is served.
    pub fn problems(&self) -> Arc<Vec<Diagnostic>> {
        self.inner.problems.load_full()
    }

    /// Bring those metrics up to date that are only looked at when somebody asks for them.
    pub fn measure(&self) {
        if let Some(graph) = self.graph() {
            graph.measure();
        }
    }

    /// From now on this is the gateway: open subscriptions go on in its graph.
    pub fn take_over(&self) {
        self.inner.subscriptions.take_over(&self.inner);
    }

    /// The gateway that took this one's place, if any did.
    pub(crate) fn latest(&self) -> Self {
        match self.inner.subscriptions.latest() {
            Some(inner) => Self { inner },
            None => self.clone(),
        }
    }

    /// Wait until all streams and sockets have ended, but no longer than `limit`.
    pub async fn streams_ended(&self, limit: Duration) {
        self.inner.subscriptions.ended(limit).await;
    }

    /// Know what `other` knows of the subgraphs that both have, until they answer again.
    fn inherit(&self, other: &Self) {
        self.inner.former.store(other.graph());
        let known = other.inner.known.lock().expect("nothing panics while it is held").clone();
        let mut own = self.inner.known.lock().expect("nothing panics while it is held");
        let sources = &self.inner.settings.sources;
        own.extend(known.into_iter().filter(|(name, _)| sources.iter().any(|source| source.name == *name)));
    }

    /// Read all sources and serve what they compose to. Whether the served graph changed.
    pub async fn refresh(&self) -> bool {
        let _one = self.inner.refreshing.lock().await;
        let mut problems = Vec::new();
        let sdl = match &self.inner.settings.supergraph {
            Some(sdl) => Some(sdl.clone()),
            None => self.compose(&mut problems).await,
        };
        let changed = match sdl {
            Some(sdl) => self.swap(sdl, &mut problems).await,
            None => false,
        };
        let refreshed = match (changed, problems.is_empty()) {
            (_, false) => Refreshed::Failed,
            (true, true) => Refreshed::Changed,
            (false, true) => Refreshed::Same,
        };
        self.inner.meters.refreshed(refreshed, problems.len());
        for problem in &problems {
            tracing::warn!(code = problem.code, "{}", problem.message);
        }
        self.inner.problems.store(Arc::new(problems));
        changed
    }

    /// Refresh every `every`, for ever.
    pub async fn watch(self, every: Duration) {
        loop {
            tokio::time::sleep(every).await;
            if self.refresh().await {
                tracing::info!("the graph was recomposed");
            }
        }
    }

    /// Read the trusted documents again whenever their files change, for ever.
    pub async fn watch_documents(self) {
        let front = &self.inner.settings.front;
        let Some(path) = front.documents.path() else { return };
        let mut watch = FileWatch::new(vec![path.to_owned()]);
        loop {
            watch.changed().await;
            match front.documents.reload() {
                Ok(count) => tracing::info!(count, "the trusted documents were read again"),
                Err(reason) => tracing::warn!(reason, "the trusted documents stay as they were"),
            }
        }
    }

    async fn compose(&self, problems: &mut Vec<Diagnostic>) -> Option<String> {
        let sources = &self.inner.settings.sources;
        let fetched = join_all(sources.iter().map(SubgraphSource::fetch_sdl)).await;
        let mut subgraphs = Vec::new();
        {
            let mut known = self.inner.known.lock().expect("nothing panics while it is held");
            for (source, sdl) in sources.iter().zip(fetched) {
                match sdl {
                    Ok(sdl) => {
                        known.insert(source.name.clone(), sdl);
                    }
                    Err(reason) => problems.push(
                        Diagnostic::error("SUBGRAPH_UNREADABLE", reason)
                            .with_hint("its last known schema stays in the graph until it answers again"),
                    ),
                }
                if let Some(sdl) = known.get(&source.name) {
                    let (name, url) = (source.name.clone(), source.url.clone());
                    subgraphs.push(Subgraph { name, url, sdl: sdl.clone() });
                }
            }
        }
        if subgraphs.is_empty() {
            return None;
        }
        let composer = self.inner.composer.clone();
        let composing = move || composer.lock().unwrap_or_else(PoisonError::into_inner).compose(&subgraphs);
        let started = Instant::now();
        let composed = tokio::task::spawn_blocking(composing).await;
        self.inner.meters.composed(started.elapsed());
        match composed {
            Ok(Ok(composition)) => {
                for hint in composition.hints {
                    tracing::debug!(code = hint.code, "{}", hint.message);
                }
                Some(composition.supergraph)
            }
            Ok(Err(diagnostics)) => {
                problems.extend(diagnostics);
                None
            }
            Err(error) => {
                tracing::error!(%error, "composition ended unexpectedly");
                problems.push(Diagnostic::error("COMPOSITION_FAILED", "composition ended unexpectedly"));
                None
            }
        }
    }

    async fn swap(&self, sdl: String, problems: &mut Vec<Diagnostic>) -> bool {
        let before = self.graph();
        if before.as_ref().is_some_and(|graph| graph.sdl() == sdl) {
            return false;
        }
        let settings = &self.inner.settings;
        match Graph::new(sdl, settings, &self.inner.subscriptions, self.inner.cache.clone()) {
            Ok(graph) => {
                self.inner.meters.loaded(graph.sdl());
                let graph = warmed(Arc::new(graph), before.or_else(|| self.inner.former.swap(None))).await;
                self.inner.graph.store(Some(graph));
                self.inner.subscriptions.changed();
                true
            }
            Err(reason) => {
                problems.push(Diagnostic::error("SUPERGRAPH_UNUSABLE", reason));
                false
            }
        }
    }
}

/// `graph`, with the operations of the one before it ready. Those are asked for at once, and planning all of them then
/// would be felt.
async fn warmed(graph: Arc<Graph>, before: Option<Arc<Graph>>) -> Arc<Graph> {
    let Some(before) = before else { return graph };
    let warming = Arc::clone(&graph);
    match tokio::task::spawn_blocking(move || warming.warm(&before)).await {
        Ok(ready) => tracing::debug!(ready, "operations are ready in the new graph"),
        Err(error) => tracing::error!(%error, "preparing operations ended unexpectedly"),
    }
    graph
}
