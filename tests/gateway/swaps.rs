//! Swaps under load: graphs and settings that change, break and are repaired, while many connections ask without a pause.

use super::support::{BINARY, Gateway, Subgraph, code, exchange, request};
use axum::Router;
use axum::extract::State;
use axum::routing::post;
use serde_json::{Value, json};
use std::process::Command;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use tokio::io::BufReader;
use tokio::net::TcpStream;
use tokio::sync::Notify;
use tokio::task::JoinSet;

const CONNECTIONS: usize = 50;

const WITHOUT: &str = "type Query { hello: String! number: Int! }";
const WITH: &str = "type Query { hello: String! number: Int! added: Int! }";
const BROKEN: &str = "type Query { hello: Nothing number: Int! }";

/// A subgraph whose SDL the test changes, and which has all fields all the time.
async fn subgraph() -> (Subgraph, Arc<Mutex<&'static str>>) {
    let sdl = Arc::new(Mutex::new(WITHOUT));
    let answer = |State(sdl): State<Arc<Mutex<&'static str>>>, body: String| async move {
        let asked: Value = serde_json::from_str(&body).unwrap();
        let (sdl, query) = (*sdl.lock().unwrap(), asked["query"].as_str().unwrap());
        if query.contains("_service") {
            return json!({"data": {"_service": {"sdl": sdl}}}).to_string();
        }
        json!({"data": fields(query)}).to_string()
    };
    let router = Router::new().route("/graphql", post(answer)).with_state(Arc::clone(&sdl));
    let (_, seen) = Subgraph::router();
    (Subgraph::serve(router, seen).await, sdl)
}

/// The values of a flat selection set's fields, by their keys.
fn fields(query: &str) -> Value {
    let query = query.replace(": ", ":");
    let words = query.split(['{', '}', ' ', ',']);
    let field = |word: &str| {
        let (key, name) = word.split_once(':').unwrap_or((word, word));
        let value = match name {
            "hello" => json!("hello you"),
            "number" => json!(7),
            "added" => json!(1),
            _ => return None,
        };
        Some((key.to_owned(), value))
    };
    words.filter_map(field).collect::<serde_json::Map<String, Value>>().into()
}

/// Connections that ask without a pause, each the next thing when it has the answer.
struct Load {
    asking: JoinSet<usize>,
    state: Arc<LoadState>,
}

#[derive(Default)]
struct LoadState {
    stopping: AtomicBool,
    answered: AtomicUsize,
    answer: Notify,
}

impl Load {
    async fn start(gateway: &Gateway) -> Self {
        let (mut asking, state) = (JoinSet::new(), Arc::<LoadState>::default());
        for number in 0..CONNECTIONS {
            let address = gateway.mesh.base().trim_start_matches("http://").to_owned();
            asking.spawn(ask(address, number, Arc::clone(&state)));
        }
        let mut load = Self { asking, state };
        load.goes_on().await;
        load
    }

    /// Wait for as many more answers as make it sure that requests began after this call.
    async fn goes_on(&mut self) {
        let wanted = self.state.answered.load(Ordering::SeqCst) + 4 * CONNECTIONS;
        loop {
            let next = self.state.answer.notified();
            if self.state.answered.load(Ordering::SeqCst) >= wanted {
                return;
            }
            tokio::select! {
                () = next => {}
                // one that ends before it is told to has found something wrong
                ended = self.asking.join_next() => panic!("a connection stopped asking: {ended:?}"),
            }
        }
    }

    /// Each connection has got the right answer to each of its requests.
    async fn end(mut self) {
        self.state.stopping.store(true, Ordering::SeqCst);
        let mut of_each = 0;
        while let Some(ended) = self.asking.join_next().await {
            of_each += ended.unwrap();
        }
        assert_eq!(of_each, self.state.answered.load(Ordering::SeqCst));
    }
}

/// Ask over one connection that stays open; how many requests were answered.
async fn ask(address: String, number: usize, state: Arc<LoadState>) -> usize {
    let mut stream = BufReader::new(TcpStream::connect(&address).await.unwrap());
    let mut answered = 0;
    while !state.stopping.load(Ordering::SeqCst) {
        // equal ones, which are joined; those of this connection; and those that nobody has asked yet
        let (operation, expected) = match answered % 3 {
            0 => ("{ hello }".to_owned(), json!({"hello": "hello you"})),
            1 => (format!("{{ n{number}: number }}"), json!({(format!("n{number}")): 7})),
            _ => (format!("{{ hello n{number}x{answered}: number }}"), Value::Null),
        };
        let answer = exchange(&mut stream, &request(&operation)).await;
        let expected = match expected {
            Value::Null => json!({"hello": "hello you", (format!("n{number}x{answered}")): 7}),
            expected => expected,
        };
        assert_eq!(answer, json!({"data": expected}), "{operation}");
        answered += 1;
        state.answered.fetch_add(1, Ordering::SeqCst);
        state.answer.notify_waiters();
    }
    answered
}

fn is_there(answer: &Value) -> bool {
    answer["data"]["added"] == 1
}

fn is_gone(answer: &Value) -> bool {
    code(answer) == "GRAPHQL_VALIDATION_FAILED"
}

/// Wait until the log says something `times` times.
async fn until_logged(gateway: &Gateway, load: &mut Load, text: &str, times: usize) {
    while gateway.mesh.output().matches(text).count() < times {
        load.goes_on().await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_request_is_lost_while_graph_and_settings_change_break_and_are_repaired() {
    let (subgraph, sdl) = subgraph().await;
    let gateway = Gateway::over(subgraph, "product: false", &[], "poll_seconds: 1\n").await;
    let mut load = Load::start(&gateway).await;
    let added = json!({"query": "{ added }"});
    let batch = json!([{"query": "{ hello }"}]);
    let configure = |settings: &str| gateway.configure(&format!("poll_seconds: 1\n{settings}"));

    for _ in 0..2 {
        *sdl.lock().unwrap() = WITH;
        gateway.until(added.clone(), is_there).await;
        configure("batching: {enabled: true}\n");
        gateway.until(batch.clone(), |answer| answer[0]["data"]["hello"] == "hello you").await;
        *sdl.lock().unwrap() = WITHOUT;
        gateway.until(added.clone(), is_gone).await;
        configure("");
        gateway.until(batch.clone(), |answer| code(answer) == "BATCHING_NOT_SUPPORTED").await;
    }

    // what is broken is told, and the last good graph goes on
    *sdl.lock().unwrap() = BROKEN;
    until_logged(&gateway, &mut load, "Nothing", 1).await;
    load.goes_on().await;
    assert!(is_gone(&gateway.ask(added.clone()).await));
    // so it does with settings that would bring it down
    configure("batching: {enabled: true}\n");
    until_logged(&gateway, &mut load, "the settings stay as they were", 1).await;
    load.goes_on().await;
    assert_eq!(code(&gateway.ask(batch.clone()).await), "BATCHING_NOT_SUPPORTED");

    *sdl.lock().unwrap() = WITH;
    gateway.until(added, is_there).await;
    // nobody writes them again: what was in their way is gone
    gateway.until(batch, |answer| answer[0]["data"]["hello"] == "hello you").await;
    load.goes_on().await;
    load.end().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_request_is_lost_while_the_file_of_the_supergraph_changes_breaks_and_is_repaired() {
    let (subgraph, _) = subgraph().await;
    let [without, with] = [WITHOUT, WITH].map(|sdl| supergraph(&subgraph.url, sdl));
    let settings = "supergraph: DIR/supergraph.graphql\n";
    let gateway = Gateway::with_settings(subgraph, &[("supergraph.graphql", &without)], settings).await;
    let mut load = Load::start(&gateway).await;
    let added = json!({"query": "{ added }"});
    for round in 1..=2 {
        gateway.write("supergraph.graphql", &with);
        gateway.until(added.clone(), is_there).await;
        gateway.write("supergraph.graphql", "type Query { hello: Nothing }");
        until_logged(&gateway, &mut load, "the settings stay as they were", round).await;
        load.goes_on().await;
        assert!(is_there(&gateway.ask(added.clone()).await));
        gateway.write("supergraph.graphql", &without);
        gateway.until(added.clone(), is_gone).await;
    }
    assert!(gateway.mesh.output().contains("SUPERGRAPH_UNUSABLE"), "{}", gateway.mesh.output());
    load.goes_on().await;
    load.end().await;
}

/// The supergraph of one subgraph.
fn supergraph(url: &str, sdl: &str) -> String {
    let folder = terrane_testkit::state_directory();
    let list = folder.path().join("subgraphs.json");
    std::fs::write(&list, json!([{"name": "a", "url": url, "sdl": sdl}]).to_string()).unwrap();
    let composed = Command::new(BINARY).args(["compose", "--subgraphs"]).arg(&list).output().unwrap();
    assert!(composed.status.success(), "{composed:?}");
    String::from_utf8(composed.stdout).unwrap()
}

/// What has been asked before need not be planned anew when it is asked of the next graph.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn operations_are_ready_in_the_graph_that_takes_over() {
    let (subgraph, sdl) = subgraph().await;
    let gateway = Gateway::over(subgraph, "product: false", &[], "poll_seconds: 1\n").await;
    let known = json!({"query": "{ hello number }"});
    let misses = async || {
        let scrape = gateway.client().get("/metrics").await.text();
        let line = scrape.lines().find(|line| line.starts_with("terrane_plan_cache_misses_total{")).unwrap();
        line.rsplit_once(' ').unwrap().1.parse::<u64>().unwrap()
    };
    let is_known = async || {
        let before = misses().await;
        assert_eq!(gateway.ask(known.clone()).await, json!({"data": {"hello": "hello you", "number": 7}}));
        misses().await == before
    };
    assert!(!is_known().await);
    assert!(is_known().await);
    *sdl.lock().unwrap() = WITH;
    gateway.until(json!({"query": "{ added }"}), is_there).await;
    assert!(is_known().await, "after another graph");
    gateway.configure("poll_seconds: 1\nbatching: {enabled: true}\n");
    gateway.until(json!([{"query": "{ hello }"}]), |answer| answer[0]["data"]["hello"] == "hello you").await;
    assert!(is_known().await, "after other settings");
}
