//! Bounds: turns a database's login into the settings under which models run, so that none takes all of the server.

use crate::StoreError;
use sqlx::postgres::PgConnectOptions;
use sqlx::{ConnectOptions as _, Connection as _};

/// Settings of the pipeline's connections: time of a statement, memory of each step of its plan, processes, and time in
/// which a transaction may do nothing. The size of temporary files can be bounded by who may set it, which is the
/// server's superuser, or whom that one lets.
pub async fn of_models(login: &PgConnectOptions) -> Result<Vec<(&'static str, String)>, StoreError> {
    let mut settings = vec![
        ("search_path", "input".to_owned()),
        ("statement_timeout", "30min".to_owned()),
        ("idle_in_transaction_session_timeout", "30min".to_owned()),
        ("work_mem", "64MB".to_owned()),
        ("max_parallel_workers_per_gather", "2".to_owned()),
    ];
    let mut connection = login.connect().await.map_err(StoreError::on("connect to the product's database"))?;
    let may: bool = sqlx::query_scalar("SELECT rolsuper FROM pg_roles WHERE rolname = session_user")
        .fetch_one(&mut connection)
        .await
        .map_err(StoreError::on("look up what the database's user may set"))?;
    connection.close().await.map_err(StoreError::on("close a connection"))?;
    if may {
        settings.push(("temp_file_limit", "20GB".to_owned()));
    }
    Ok(settings)
}
