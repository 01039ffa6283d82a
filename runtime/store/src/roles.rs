//! Roles: turns a product's id into least-privilege database roles, schemas and grants.

use crate::StoreError;
use sqlx::postgres::{PgConnectOptions, PgPool};
use sqlx::{AssertSqlSafe, ConnectOptions as _, Connection as _, Executor as _, PgConnection};
use terrane_sql::Sql;

/// Who a connection acts as.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Role {
    /// Owns the layers; migrates and publishes.
    Owner,
    /// Reads input and what is published, builds the next version; nothing else.
    Pipeline,
    /// Reads output; nothing else.
    Query,
    /// Writes input rows and records; does not read output.
    Control,
}

const ALL: [Role; 4] = [Role::Owner, Role::Pipeline, Role::Query, Role::Control];

/// The product's schemas. `*_next` hold the version that is being built, and what it is built from; earlier ones are in
/// `kept_VERSION`, made when they are needed.
const SCHEMAS: [&str; 9] = [
    "input",
    "abstraction",
    "output",
    "input_next",
    "abstraction_next",
    "output_next",
    "metadata",
    "control",
    "security",
];

impl Role {
    /// The database role's name for a product.
    pub fn name_for(self, product: &str) -> String {
        let suffix = match self {
            Self::Owner => "owner",
            Self::Pipeline => "pipeline",
            Self::Query => "query",
            Self::Control => "control",
        };
        format!("terrane_{product}_{suffix}")
    }
}

/// Create the roles and schemas that are missing. Roles belong to the whole server: two products (or two starts of one)
/// may race for them, and the loser's "exists already" is fine.
pub async fn apply(connect: &PgConnectOptions, product: &str) -> Result<(), StoreError> {
    let mut connection = connect.connect().await.map_err(StoreError::on("connect to the product's database"))?;
    for role in ALL {
        let name = role.name_for(product);
        let known = sqlx::query_scalar::<_, bool>("SELECT EXISTS (SELECT FROM pg_roles WHERE rolname = $1)")
            .bind(&name)
            .fetch_one(&mut connection)
            .await
            .map_err(StoreError::on("look up database roles"))?;
        if !known {
            let mut sql = Sql::lit("CREATE ROLE ");
            sql.ident(&name).push(" NOLOGIN");
            tolerate_existing(run(&mut connection, sql).await)?;
        }
        let mut sql = Sql::lit("GRANT ");
        sql.ident(&name).push(" TO CURRENT_USER");
        tolerate_existing(run(&mut connection, sql).await)?;
    }
    let owner = Role::Owner.name_for(product);
    // what the pipeline builds, the owner publishes
    let mut sql = Sql::lit("GRANT ");
    sql.ident(&Role::Pipeline.name_for(product)).push(" TO ").ident(&owner);
    tolerate_existing(run(&mut connection, sql).await)?;
    for schema in SCHEMAS {
        let mut sql = Sql::lit("CREATE SCHEMA IF NOT EXISTS ");
        sql.ident(schema).push(" AUTHORIZATION ").ident(&owner);
        tolerate_existing(run(&mut connection, sql).await)?;
    }
    let database: String = sqlx::query_scalar("SELECT current_database()::text")
        .fetch_one(&mut connection)
        .await
        .map_err(StoreError::on("look up the database's name"))?;
    let mut sql = Sql::lit("REVOKE ALL ON SCHEMA public FROM PUBLIC;\nGRANT CREATE, TEMPORARY ON DATABASE ");
    sql.ident(&database).push(" TO ").ident(&owner).push(";\nGRANT TEMPORARY ON DATABASE ").ident(&database);
    sql.push(" TO ").ident(&Role::Pipeline.name_for(product));
    tolerate_existing(run(&mut connection, sql).await)?;
    connection.close().await.map_err(StoreError::on("close a connection"))
}

/// Grant each role what it needs, after the migrations made the tables.
pub async fn grant(owner: &PgPool, product: &str) -> Result<(), StoreError> {
    let (query, pipeline, control) =
        (Role::Query.name_for(product), Role::Pipeline.name_for(product), Role::Control.name_for(product));
    let mut sql = Sql::new();
    sql.push("GRANT USAGE ON SCHEMA output TO ").ident(&query).push(";\n");
    sql.push("GRANT USAGE ON SCHEMA input TO ").ident(&pipeline).push(", ").ident(&control).push(";\n");
    // what has not changed is read where it was published
    sql.push("GRANT USAGE ON SCHEMA input_next, abstraction, output TO ").ident(&pipeline).push(";\n");
    sql.push("GRANT SELECT ON ALL TABLES IN SCHEMA abstraction, output TO ").ident(&pipeline).push(";\n");
    sql.push("GRANT USAGE, CREATE ON SCHEMA abstraction_next, output_next TO ").ident(&pipeline).push(";\n");
    sql.push("GRANT USAGE ON SCHEMA control, metadata, security TO ").ident(&control).push(";\n");
    sql.push("GRANT SELECT, INSERT, UPDATE ON ALL TABLES IN SCHEMA control TO ").ident(&control).push(";\n");
    // of bad rows, the newest are kept
    sql.push("GRANT DELETE ON control.rejects TO ").ident(&control).push(";\n");
    // what is written to the audit log stays as it is
    sql.push("REVOKE UPDATE ON control.audit_blocks, control.outbox FROM ").ident(&control).push(";\n");
    sql.push("REVOKE INSERT, UPDATE ON control.audit_before, control.audit_checkpoints FROM ")
        .ident(&control)
        .push(";\n");
    // notices are written by triggers only
    sql.push("REVOKE INSERT, UPDATE ON control.notices FROM ").ident(&control).push(";\n");
    sql.push("GRANT DELETE ON control.lineage_events, control.rechecks, control.open_batches TO ")
        .ident(&control)
        .push(";\n");
    sql.push("GRANT SELECT, INSERT, UPDATE ON ALL TABLES IN SCHEMA metadata TO ").ident(&control).push(";\n");
    sql.push("GRANT SELECT, INSERT, DELETE ON security.policies TO ").ident(&control).push(";\n");
    sql.push("GRANT SELECT, INSERT, UPDATE ON security.access_requests, security.grants TO ")
        .ident(&control)
        .push(";\n");
    // what was done with access stays on record
    sql.push("GRANT SELECT, INSERT ON security.access_events, security.put_policies TO ").ident(&control).push(";\n");
    // versions that were kept before they could be read
    let kept: Vec<String> =
        sqlx::query_scalar("SELECT nspname::text FROM pg_namespace WHERE nspname ~ '^kept_[0-9]+$'")
            .fetch_all(owner)
            .await
            .map_err(StoreError::on("look up kept versions"))?;
    for schema in &kept {
        sql.push("GRANT USAGE ON SCHEMA ").ident(schema).push(" TO ").ident(&query).push(";\n");
    }
    owner.execute(sqlx::raw_sql(AssertSqlSafe(sql.into_string()))).await.map_err(StoreError::on("grant privileges"))?;
    Ok(())
}

async fn run(connection: &mut PgConnection, sql: Sql) -> Result<(), StoreError> {
    sqlx::raw_sql(AssertSqlSafe(sql.into_string()))
        .execute(connection)
        .await
        .map(|_| ())
        .map_err(StoreError::on("prepare roles and schemas"))
}

/// `duplicate_object`, `duplicate_schema`, `unique_violation` and "tuple concurrently updated" mean that somebody else
/// did the same thing at the same moment.
fn tolerate_existing(result: Result<(), StoreError>) -> Result<(), StoreError> {
    match result {
        Err(StoreError::Database { source: sqlx::Error::Database(error), .. })
            if error.code().is_some_and(|c| ["42710", "42P06", "23505", "XX000"].contains(&c.as_ref())) =>
        {
            Ok(())
        }
        other => other,
    }
}
