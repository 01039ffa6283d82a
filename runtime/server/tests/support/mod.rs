//! Support: turns the product `lab`, which has every type, into a served router over a database of its own.
#![allow(dead_code, clippy::unwrap_used, reason = "each test binary uses a part of it; a test may panic")]

use axum::Router;
use axum::body::{Body, Bytes};
use http::{HeaderMap, Method, Request, StatusCode};
use http_body_util::BodyExt as _;
use serde_json::{Map, Value};
use sqlx::{AssertSqlSafe, PgPool};
use terrane_auth::{Authenticator, JwtConfig, TokenRequest, issue};
use terrane_runtime::{ProductService, RunRequest, RunTrigger, ServiceOptions, StoreOptions, Upstreams, router};
use terrane_testkit::{fresh_database, repository};
use tower::ServiceExt as _;

const SECRET: &str = "a-secret-of-these-tests-with-more-than-32-bytes";

/// `count` rows with values of every type; every eighth has nulls.
pub const ROWS: &str = "INSERT INTO output.readings SELECT 's' || lpad(i::text, 9, '0'), '2026-01-01T00:00:00.25Z'::timestamptz \
    + i * interval '1 hour', CASE i % 3 WHEN 0 THEN 'north' ELSE 'south' END, (i % 30000)::smallint, i, \
    9007199254740993 + i, i / 8.0::real, i / 3.0::float8, -i * 1.000001, i * 1e20::numeric, i % 2 = 0, \
    date '1999-12-31' + i, time '23:59:59.5', '2026-01-01'::timestamp, \
    ('00000000-0000-0000-0000-' || lpad(i::text, 12, '0'))::uuid, '{\"a\": 1}', '{\"b\": [1]}', 'ab', \
    'a \"quoted\", label' || E'\\n' || i, NULLIF('very good', CASE i % 8 WHEN 0 THEN 'very good' END), \
    ARRAY['x', NULL, 'ü,\"'], ARRAY[i, -1], ARRAY[i * 0.5], 'secret ' || i FROM generate_series(1, $1::int) AS i";

pub struct Lab {
    pub service: ProductService,
    pub router: Router,
    /// Its database, as the login that its sessions belong to.
    pub login: PgPool,
}

pub struct Answer {
    pub status: StatusCode,
    pub headers: HeaderMap,
    pub body: Bytes,
}

impl Answer {
    pub fn text(&self) -> String {
        String::from_utf8(self.body.to_vec()).unwrap()
    }

    pub fn header(&self, name: &str) -> &str {
        self.headers.get(name).map_or("", |value| value.to_str().unwrap())
    }

    pub fn code(&self) -> String {
        let body: Value = serde_json::from_slice(&self.body).unwrap();
        body["error"]["code"].as_str().unwrap().to_owned()
    }
}

impl Lab {
    /// The product with `count` readings.
    pub async fn open(count: i32) -> Self {
        let url = fresh_database().await;
        let options = ServiceOptions {
            folder: repository().join("runtime/query/tests/products/lab"),
            store: StoreOptions::new(&url),
            authenticator: Authenticator::new(&JwtConfig { secret: Some(SECRET.to_owned()), ..JwtConfig::default() })
                .unwrap(),
            upstreams: Upstreams::new(),
        };
        let service = ProductService::open(options).await.unwrap();
        let login = PgPool::connect_lazy(&url).unwrap();
        let lab = Self { router: router(service.clone()), service, login };
        lab.publish().await;
        lab.fill(count).await;
        lab
    }

    /// Publish a new version, without rows.
    pub async fn publish(&self) {
        let request = RunRequest { trigger: RunTrigger::Manual, by: None, pull: true };
        let run = self.service.run(&request).await.unwrap();
        assert_eq!(run.state, "succeeded", "{run:?}");
    }

    pub async fn fill(&self, count: i32) {
        let owner = self.service.store().owner();
        sqlx::query("TRUNCATE output.readings").execute(owner).await.unwrap();
        sqlx::query(AssertSqlSafe(ROWS)).bind(count).execute(owner).await.unwrap();
    }

    /// Send, and get the head of the answer.
    pub async fn send(&self, path: &str, token: Option<&str>, headers: &[(&str, &str)]) -> http::Response<Body> {
        let mut request = Request::get(path);
        if let Some(token) = token {
            request = request.header("authorization", format!("Bearer {token}"));
        }
        for (name, value) in headers {
            request = if *name == ":method" {
                request.method(Method::from_bytes(value.as_bytes()).unwrap())
            } else {
                request.header(*name, *value)
            };
        }
        self.router.clone().oneshot(request.body(Body::empty()).unwrap()).await.unwrap()
    }

    /// Send, and get the whole answer.
    pub async fn get(&self, path: &str, token: Option<&str>, headers: &[(&str, &str)]) -> Answer {
        let (parts, body) = self.send(path, token, headers).await.into_parts();
        let body = body.collect().await.unwrap().to_bytes();
        Answer { status: parts.status, headers: parts.headers, body }
    }
}

/// A token with a role and claims.
pub fn token(role: &str, claims: &Value) -> String {
    let claims: Map<String, Value> = claims.as_object().cloned().unwrap_or_default();
    let request =
        TokenRequest { subject: "tester".to_owned(), roles: vec![role.to_owned()], lifetime_seconds: 3600, claims };
    issue(SECRET, &request).unwrap()
}

/// For a query string.
pub fn encoded(text: &str) -> String {
    url::form_urlencoded::byte_serialize(text.as_bytes()).collect()
}
