//! Schedules: what a product says of when it pulls its input ports, and other times for them.

use super::super::access::Asked;
use super::super::client::{ClientError, READ_LIMIT, ask, schema};
use super::super::schema::{asked, refused};
use super::super::timestamp::Timestamp;
use async_graphql::{Context, ID, Object, Result, SimpleObject};
use cynic::{MutationBuilder as _, QueryBuilder as _, QueryFragment, QueryVariables};

/// When an input port is pulled.
#[derive(Debug, Clone, QueryFragment, SimpleObject)]
#[cynic(schema = "product")]
pub struct Schedule {
    /// The input port.
    pub port: String,
    /// The cron expression in force, of five fields, in UTC; null: it is pulled on demand only.
    pub schedule: Option<String>,
    /// The descriptor's.
    pub declared: Option<String>,
    /// Whether it is also pulled when the product that it reads publishes.
    pub on_publish: bool,
    /// When it was due last.
    pub last_due: Option<Timestamp>,
    /// When it is due next.
    pub next_due: Option<Timestamp>,
    /// Who has changed it from the descriptor's.
    pub changed_by: Option<String>,
    /// When.
    pub changed_at: Option<Timestamp>,
}

#[derive(Debug, QueryFragment)]
#[cynic(graphql_type = "Query", schema = "product")]
struct Schedules {
    schedules: Vec<Schedule>,
}

#[derive(Debug, QueryVariables)]
struct ScheduleVariables {
    port: String,
    schedule: Option<String>,
}

#[derive(Debug, QueryFragment)]
#[cynic(graphql_type = "Mutation", schema = "product", variables = "ScheduleVariables")]
struct SetSchedule {
    #[arguments(port: $port, schedule: $schedule)]
    set_schedule: Schedule,
}

impl Asked<'_> {
    /// When each input port is pulled.
    ///
    /// # Errors
    /// [`ClientError`], as all of these.
    pub async fn schedules(self) -> Result<Vec<Schedule>, ClientError> {
        let data: Schedules = ask(self.source, self.caller, &Schedules::build(()), READ_LIMIT).await?;
        Ok(data.schedules)
    }

    /// Pull a port by another schedule.
    ///
    /// # Errors
    /// [`ClientError`].
    pub async fn set_schedule(self, port: String, schedule: Option<String>) -> Result<Schedule, ClientError> {
        let operation = SetSchedule::build(ScheduleVariables { port, schedule });
        let data: SetSchedule = ask(self.source, self.caller, &operation, READ_LIMIT).await?;
        Ok(data.set_schedule)
    }
}

/// The query for schedules.
#[derive(Debug, Default)]
pub struct SchedulesQuery;

#[Object]
impl SchedulesQuery {
    /// When each input port of a product is pulled; for who may see its runs.
    async fn schedules(&self, ctx: &Context<'_>, product: ID) -> Result<Vec<Schedule>> {
        asked(ctx, &product)?.schedules().await.map_err(refused)
    }
}

/// The mutation of schedules.
#[derive(Debug, Default)]
pub struct SchedulesMutation;

#[Object]
impl SchedulesMutation {
    /// Pull an input port of a product by another cron expression (five fields, UTC) than its descriptor's; `never` turns
    /// that off, null puts the descriptor's in force again. The product decides whether you may.
    async fn set_schedule(
        &self,
        ctx: &Context<'_>,
        product: ID,
        port: String,
        schedule: Option<String>,
    ) -> Result<Schedule> {
        asked(ctx, &product)?.set_schedule(port, schedule).await.map_err(refused)
    }
}
