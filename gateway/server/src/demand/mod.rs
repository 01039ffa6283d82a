//! Demand: turns the estimated cost of an operation and a caller's budget into an admission or a refusal.

mod estimate;
mod weights;

pub use estimate::{Estimate, NotSliced};
pub use weights::Weights;

use crate::config::{DemandConfig, DemandMode, DemandReport};
use crate::rates::{Keyed, Wait, Who};
use bytes::Bytes;
use std::num::NonZeroU32;
use terrane_graphql::{GraphqlError, Request};

/// Callers whose budgets are known at the same time.
const KNOWN: u64 = 100_000;

/// Demand control of a gateway.
pub struct Demand {
    config: DemandConfig,
    budget: Option<Keyed<Who>>,
}

/// What an operation is charged with.
#[derive(Debug, Clone, Copy)]
pub struct Charge {
    estimated: f64,
    most: f64,
    /// Whether the response's `extensions` have it.
    reported: bool,
}

/// Why an operation is not admitted.
#[derive(Debug)]
pub enum Refused {
    /// It costs too much, whoever asks.
    TooExpensive(GraphqlError),
    /// The caller has spent its budget.
    Spent(GraphqlError, Wait),
}

impl Demand {
    pub fn new(config: DemandConfig) -> Self {
        let budget = config.budget.as_ref().map(|budget| Keyed::new(budget, KNOWN));
        Self { config, budget }
    }

    /// Whether costs are estimated.
    pub fn is_on(&self) -> bool {
        self.config.mode != DemandMode::Off
    }

    /// Charge `who` with what a request costs by `estimated`.
    ///
    /// # Errors
    /// [`Refused`], if dear operations are refused.
    pub fn charge(&self, estimated: Result<f64, NotSliced>, request: &Request, who: &Who) -> Result<Charge, Refused> {
        let enforced = self.config.mode == DemandMode::Enforce;
        let estimated = match estimated {
            Ok(cost) => cost,
            Err(_) if !enforced => 0.0,
            Err(NotSliced { field, found }) => return Err(Refused::TooExpensive(not_sliced(&field, found))),
        };
        metrics::histogram!("terrane_graphql_cost", "server" => "gateway").record(estimated);
        let most = self.config.max_cost;
        if estimated > most {
            self.count("too_expensive");
            if enforced {
                return Err(Refused::TooExpensive(too_expensive(estimated, most)));
            }
        }
        if let Some(budget) = &self.budget {
            let amount = NonZeroU32::new(estimated.ceil() as u32).unwrap_or(NonZeroU32::MIN);
            if let Err(wait) = budget.take(who, amount) {
                self.count("budget");
                if enforced {
                    return Err(Refused::Spent(spent(estimated, wait), wait));
                }
            }
        }
        Ok(Charge { estimated, most, reported: self.reports(request) })
    }

    fn count(&self, why: &'static str) {
        let mode = if self.config.mode == DemandMode::Enforce { "enforce" } else { "measure" };
        metrics::counter!("terrane_graphql_cost_exceeded_total", "why" => why, "mode" => mode).increment(1);
    }

    fn reports(&self, request: &Request) -> bool {
        let asked = || request.extensions.as_ref().and_then(|all| all.get("cost")).and_then(|one| one.as_bool());
        match self.config.report {
            DemandReport::Never => false,
            DemandReport::Asked => asked() == Some(true),
            DemandReport::Always => true,
        }
    }
}

impl Charge {
    /// The value of the `graphql-cost` header.
    pub fn header(&self) -> String {
        format!("estimated={}, limit={}", self.estimated, self.most)
    }

    /// The response with the cost in its `extensions`, if it is reported.
    pub fn report(&self, body: Bytes) -> Bytes {
        let Some(open) = body.strip_suffix(b"}").filter(|_| self.reported) else { return body };
        let cost =
            format!(",\"extensions\":{{\"cost\":{{\"estimated\":{},\"limit\":{}}}}}}}", self.estimated, self.most);
        [open, cost.as_bytes()].concat().into()
    }
}

fn too_expensive(estimated: f64, most: f64) -> GraphqlError {
    let message = format!(
        "the operation costs about {estimated}; at most {most} is taken: ask for fewer fields or shorter lists"
    );
    with_cost(GraphqlError::new("COST_TOO_HIGH", message), estimated)
}

fn spent(estimated: f64, wait: Wait) -> GraphqlError {
    let message = match wait.0 {
        std::time::Duration::MAX => format!("the operation costs about {estimated}, more than your budget ever holds"),
        _ => {
            format!("your budget is spent; this operation, which costs about {estimated}, fits in {} s", wait.seconds())
        }
    };
    with_cost(GraphqlError::new("COST_BUDGET_SPENT", message), estimated)
}

fn not_sliced(field: &str, found: usize) -> GraphqlError {
    let message = format!("`{field}` must be cut by exactly one of its slicing arguments; {found} are given");
    GraphqlError::new("COST_SLICING_ARGUMENT", message)
}

fn with_cost(mut error: GraphqlError, estimated: f64) -> GraphqlError {
    error.extensions.insert("estimated".to_owned(), estimated.into());
    error
}
