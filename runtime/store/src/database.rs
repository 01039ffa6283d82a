//! Databases: turns a server and a name into a database that exists.

use crate::StoreError;
use sqlx::postgres::PgConnectOptions;
use sqlx::{AssertSqlSafe, ConnectOptions as _, Connection as _};
use std::str::FromStr as _;
use terrane_sql::Sql;

/// Create the database `name` on the server of `admin_url` unless it exists.
///
/// # Errors
/// [`StoreError::Database`] when the server cannot be reached or its user may not create databases.
pub async fn ensure_database(admin_url: &str, name: &str) -> Result<(), StoreError> {
    let options = PgConnectOptions::from_str(admin_url).map_err(StoreError::on("read the database URL"))?;
    let mut connection = options.connect().await.map_err(StoreError::on("connect to the database server"))?;
    let known = sqlx::query_scalar::<_, bool>("SELECT EXISTS (SELECT FROM pg_database WHERE datname = $1)")
        .bind(name)
        .fetch_one(&mut connection)
        .await
        .map_err(StoreError::on("look up databases"))?;
    if !known {
        let mut sql = Sql::lit("CREATE DATABASE ");
        sql.ident(name);
        let made = sqlx::raw_sql(AssertSqlSafe(sql.into_string())).execute(&mut connection).await;
        match made {
            Err(sqlx::Error::Database(error)) if error.code().is_some_and(|c| c == "42P04" || c == "23505") => {}
            other => other.map(|_| ()).map_err(StoreError::on("create the product's database"))?,
        }
    }
    connection.close().await.map_err(StoreError::on("close a connection"))
}
