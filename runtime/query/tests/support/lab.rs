//! Lab: turns a product with every type, null and relation into filled tables, and operations on it into answers.

use super::{access, create, load_folder, run, schema};
use serde_json::Value;
use sqlx::{AssertSqlSafe, PgPool};
use std::path::Path;
use std::sync::Arc;
use terrane_manifest::Product;
use terrane_query::{Access, DataSchema};

/// The product, its tables in a database of its own, and its schema.
pub struct Lab {
    pub pool: PgPool,
    pub product: Product,
    pub schema: Arc<DataSchema>,
}

/// A third of the values are null, the others random; the same on every run.
const FILL: &str = "
SELECT setseed(0.5);
INSERT INTO output.stations SELECT 's' || n, CASE WHEN n % 3 = 0 THEN NULL ELSE 'Station \"' || n || E'\"\\n' END,
  CASE WHEN n % 4 > 0 THEN 's' || n / 2 END, (SELECT coalesce(array_agg('s' || n - i), '{}') FROM generate_series(1, n % 4) i)
FROM generate_series(0, 9) n;
INSERT INTO output.readings
SELECT 's' || n % 10, '2024-01-01Z'::timestamptz + n * interval '1 hour 1 second 123 microseconds',
  (ARRAY['north','south','east'])[1 + n % 3],
  n_(n, (random() * 65535 - 32768)::int::smallint), n_(n + 1, (random() * 20 - 10)::int), n_(n + 2, (random() * 1e18)::bigint - 500000000000000000),
  n_(n, (random() * 1e6 - 5e5)::real), n_(n + 1, exp(random() * 200 - 100)), n_(n + 2, (random() * 1e12 - 5e11)::numeric(30,6)),
  n_(n, round((random() * power(10::numeric, (n % 40)))::numeric * 1, n % 30) - n),
  n_(n + 1, random() < 0.5), n_(n + 2, date '0001-01-01' + (random() * 1500000)::int), n_(n, time '00:00' + random() * interval '23:59:59'),
  n_(n + 1, timestamp '1600-01-01' + random() * interval '500 years'), n_(n + 2, md5(random()::text)::uuid),
  n_(n, ('{\"a\": [' || n || ', null, \"x\\u00e9\"]}')::json), n_(n + 1, ('{\"b\": {\"c\": ' || n || '}}')::jsonb),
  n_(n + 2, left(md5(random()::text), 1 + n % 4)::char(4)), n_(n, 'Zoë \\ / \"' || chr(1 + n % 300) || n), n_(n + 1, CASE WHEN n % 2 = 0 THEN 'very good' ELSE 'bad' END),
  n_(n + 2, (SELECT coalesce(array_agg('w' || i ORDER BY i), '{}') FROM generate_series(1, n % 4) i)),
  n_(n, (SELECT coalesce(array_agg(i), '{}') FROM generate_series(1, n % 3) i)),
  n_(n + 1, ARRAY[n / 7.0, -n]::numeric[]), 'secret ' || n
FROM generate_series(1, 300) n;";

/// The same rows as JSON that Postgres builds; times are trimmed as ours are.
const EXPECTED: &str = r#"
SELECT jsonb_build_object('stationCode', station_code, 'takenAt', t_(taken_at AT TIME ZONE 'UTC'), 'region', region,
  'small', small, 'whole', whole, 'big', big::text, 'ratio', ratio, 'exact', exact, 'amount', amount::text, 'free', free::text,
  'open', open, 'day', day::text, 'hour', hour::text, 'localTime', t_(local_time), 'tag', tag::text, 'raw', raw::jsonb, 'doc', doc,
  'code', rtrim(code), 'label', label, 'mood', mood, 'words', to_jsonb(words), 'numbers', to_jsonb(numbers), 'amounts', to_jsonb(amounts::text[]))::text
FROM output.readings ORDER BY station_code, taken_at"#;

const TRIM: &str = r#"CREATE OR REPLACE FUNCTION t_(v timestamp) RETURNS text LANGUAGE sql AS
$$ SELECT regexp_replace(regexp_replace(to_char(v, 'YYYY-MM-DD"T"HH24:MI:SS.US'), '0+$', ''), '\.$', '') || 'Z' $$"#;

const STATIONS: &str = "SELECT jsonb_build_object('code', code, 'name', name, 'parentCode', parent_code, 'near', near)::text \
                        FROM output.stations ORDER BY code";

/// The lab's product folder, checked.
pub fn product() -> Product {
    load_folder(&Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/products/lab"))
}

/// Fill the lab's tables in `output`.
pub async fn fill(pool: &PgPool, product: &Product) {
    let tables: String = product.outputs().map(create).collect();
    let setup = format!(
        "CREATE SCHEMA IF NOT EXISTS output; {tables} CREATE FUNCTION n_(n int, v anyelement) RETURNS anyelement LANGUAGE sql AS \
         $$ SELECT CASE WHEN n % 3 = 0 THEN NULL ELSE v END $$; {FILL}"
    );
    sqlx::raw_sql(AssertSqlSafe(setup)).execute(pool).await.unwrap();
}

/// A lab in a fresh database.
pub async fn lab() -> Lab {
    let pool = PgPool::connect(&terrane_testkit::fresh_database().await).await.unwrap();
    let product = product();
    fill(&pool, &product).await;
    let schema = schema(&product);
    Lab { pool, product, schema }
}

impl Lab {
    pub async fn ask(&self, access: &Arc<Access>, operation: &str, variables: Value, claims: Value) -> Value {
        let (Value::Object(variables), Value::Object(claims)) = (variables, claims) else { panic!("objects") };
        let (sql, response) = run(Some(&self.pool), &self.schema, access, operation, &variables, &claims).await;
        assert!(!sql.contains(';'), "one statement");
        serde_json::from_str(&response.unwrap()).unwrap()
    }

    /// All readings in order of their key, as Postgres writes them.
    pub async fn readings(&self) -> Vec<Value> {
        sqlx::raw_sql(TRIM).execute(&self.pool).await.unwrap();
        self.json(EXPECTED).await
    }

    /// All stations in order of their key, as Postgres writes them.
    pub async fn stations(&self) -> Vec<Value> {
        self.json(STATIONS).await
    }

    async fn json(&self, sql: &'static str) -> Vec<Value> {
        let rows: Vec<String> = sqlx::query_scalar(sql).fetch_all(&self.pool).await.unwrap();
        rows.iter().map(|text| serde_json::from_str(text).unwrap()).collect()
    }

    pub fn reader(&self) -> Arc<Access> {
        access(&self.product, &["reader"])
    }
}
