//! The checked product: what [`crate::load`] makes of a product folder; plain data for store, pipeline and query.

use crate::connector::Connector;
use crate::dataset::{Dataset, Layer, Link};
use crate::events::{ChangeRules, EventRules};
use crate::model::Model;
use crate::model_test::ModelTest;
use crate::upkeep::{Retention, Retry};
use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

/// A product folder, checked: every reference in it resolves.
#[derive(Debug, Clone, PartialEq)]
pub struct Product {
    /// Stable id: subgraph name, URL segment.
    pub id: String,
    /// Name for people.
    pub name: String,
    /// Semantic version.
    pub version: String,
    /// `proposed`, `draft`, `active`, `deprecated` or `retired`.
    pub status: String,
    /// ODPS `type`: `sourceAligned`, `aggregate` or `consumerAligned`.
    pub kind: Option<String>,
    /// Business area as a path.
    pub domain: Option<String>,
    /// Organisation.
    pub tenant: Option<String>,
    /// Search words.
    pub tags: Vec<String>,
    /// Purpose, usage, limitations.
    pub description: Description,
    /// Who is responsible.
    pub team: Option<Team>,
    /// How to get help.
    pub support: Vec<Support>,
    /// `authoritativeDefinitions`: agreements, diagrams, canonical page.
    pub links: Vec<Link>,
    /// When a failed run is tried again.
    pub retry: Retry,
    /// Which earlier versions are kept.
    pub retention: Retention,
    /// Where data comes from.
    pub input_ports: Vec<InputPort>,
    /// Where data goes.
    pub output_ports: Vec<OutputPort>,
    /// Discovery, control, observability.
    pub management_ports: Vec<ManagementPort>,
    /// Contracts in file order.
    pub contracts: Vec<Contract>,
    /// Models in an order in which each reads only earlier ones.
    pub models: Vec<Model>,
    /// The product's own policy lines (`policy.csv`), each split at its commas: `["p", role, object, action, effect]`
    /// or `["g", role, inherited]`.
    pub policy: Vec<Vec<String>>,
    /// The text that these lines are of, with its comments.
    pub policy_text: String,
    /// The YAML files' text by path, for the discovery port.
    pub sources: BTreeMap<String, String>,
    /// Files under `tests/` by path.
    pub tests: BTreeMap<String, String>,
    /// What the models must make of which rows: the YAML files among [`Product::tests`].
    pub model_tests: Vec<ModelTest>,
}

impl Product {
    /// Every dataset: inputs first, each in contract order.
    pub fn datasets(&self) -> impl Iterator<Item = &Dataset> {
        self.inputs().chain(self.outputs())
    }

    /// Datasets of input contracts.
    pub fn inputs(&self) -> impl Iterator<Item = &Dataset> {
        self.contracts.iter().filter(|c| c.layer == Layer::Input).flat_map(|c| &c.datasets)
    }

    /// Datasets of output contracts.
    pub fn outputs(&self) -> impl Iterator<Item = &Dataset> {
        self.contracts.iter().filter(|c| c.layer == Layer::Output).flat_map(|c| &c.datasets)
    }

    /// The dataset of `layer` called `name`.
    pub fn dataset(&self, layer: Layer, name: &str) -> Option<&Dataset> {
        self.datasets().find(|d| d.layer == layer && d.name == name)
    }

    /// The input port that brings the rows of an input dataset.
    pub fn input_port(&self, dataset: &str) -> Option<&InputPort> {
        self.input_ports.iter().find(|port| port.dataset == dataset)
    }

    /// How the changes of an output dataset leave, by the ports of its contract that say so.
    pub fn change_rules<'p>(&'p self, dataset: &'p Dataset) -> impl Iterator<Item = &'p ChangeRules> {
        let ports = self.output_ports.iter().filter(|port| port.contract == dataset.contract);
        ports.filter_map(|port| port.changes.as_ref())
    }

    /// How long changes of an output dataset are kept: the longest time that one of its ports promises.
    pub fn change_retention(&self, dataset: &Dataset) -> Duration {
        let longest = self.change_rules(dataset).map(|rules| rules.retention).max();
        longest.unwrap_or(ChangeRules::default().retention)
    }

    /// The contract with this id.
    pub fn contract(&self, id: &str) -> Option<&Contract> {
        self.contracts.iter().find(|c| c.id == id)
    }

    /// The contract a dataset belongs to.
    pub fn contract_of(&self, dataset: &Dataset) -> Option<&Contract> {
        self.contract(&dataset.contract)
    }

    /// Every role that a contract names or a policy line mentions, `anonymous` included; sorted.
    pub fn role_names(&self) -> Vec<String> {
        let mut names: Vec<String> = vec!["anonymous".to_owned()];
        names.extend(self.contracts.iter().flat_map(|c| &c.roles).map(|r| r.role.clone()));
        for line in &self.policy {
            let from = if line[0] == "g" { &line[1..] } else { &line[1..2] };
            names.extend(from.iter().cloned());
        }
        names.sort();
        names.dedup();
        names
    }

    /// The roles of `contract` whose row filters decide what a caller with `role` sees: its own, where the contract names
    /// it, and else those that it inherits from.
    pub fn filtering_roles<'p>(&'p self, contract: &'p Contract, role: &'p str) -> Vec<&'p Role> {
        let named = match contract.roles.iter().any(|r| r.role == role) {
            true => BTreeSet::from([role]),
            false => self.roles_of(role),
        };
        contract.roles.iter().filter(|r| named.contains(r.role.as_str())).collect()
    }

    /// `role` and the roles that it inherits by `policy.csv`, directly and through others.
    pub fn roles_of<'r>(&'r self, role: &'r str) -> BTreeSet<&'r str> {
        let mut found = BTreeSet::new();
        let mut waiting = vec![role];
        while let Some(role) = waiting.pop() {
            if found.insert(role) {
                let lines = self.policy.iter().filter(|line| line[0] == "g" && line[1] == role);
                waiting.extend(lines.map(|line| line[2].as_str()));
            }
        }
        found
    }
}

/// Purpose, usage and limitations of a product or contract.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Description {
    /// Why it exists.
    pub purpose: Option<String>,
    /// How to use it.
    pub usage: Option<String>,
    /// What it cannot do.
    pub limitations: Option<String>,
}

/// The people behind a product.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Team {
    /// Name.
    pub name: Option<String>,
    /// What the team does.
    pub description: Option<String>,
    /// People.
    pub members: Vec<Member>,
}

impl Team {
    /// The member whose role is `owner`.
    pub fn owner(&self) -> Option<&Member> {
        self.members.iter().find(|m| m.role.as_deref().is_some_and(|r| r.eq_ignore_ascii_case("owner")))
    }
}

/// One person of a [`Team`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Member {
    /// Account or mail address.
    pub username: String,
    /// Name for people.
    pub name: Option<String>,
    /// What the person does: `owner`, `data steward`, ….
    pub role: Option<String>,
}

/// A way to get help.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Support {
    /// Channel name.
    pub channel: String,
    /// Address.
    pub url: Option<String>,
    /// `email`, `slack`, `ticket`, ….
    pub tool: Option<String>,
    /// `interactive`, `announcements`, `issues`, ….
    pub scope: Option<String>,
    /// What it is for.
    pub description: Option<String>,
}

/// Where one input dataset comes from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct InputPort {
    /// Name of the port.
    pub name: String,
    /// Version of the expectation.
    pub version: String,
    /// Id of the input contract.
    pub contract: String,
    /// Name of the input dataset (in layer input).
    pub dataset: String,
    /// How the data is got.
    pub connector: Connector,
    /// Cron expression (5 fields) of the pull.
    pub schedule: Option<String>,
    /// Whether it is pulled whenever the product that it reads publishes: custom property `trigger: upstream`.
    pub on_publish: bool,
    /// How events are taken, where the port says so.
    pub events: Option<EventRules>,
    /// Search words.
    pub tags: Vec<String>,
}

/// One way an output contract is served.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OutputPort {
    /// Name of the port.
    pub name: String,
    /// Version of the promise.
    pub version: String,
    /// `graphql`, `file`, ….
    pub kind: Option<String>,
    /// What it serves.
    pub description: Option<String>,
    /// Id of the output contract.
    pub contract: String,
    /// Ids and versions of input contracts it is made from.
    pub input_contracts: Vec<(String, String)>,
    /// Custom `datasetType`.
    pub dataset_type: Option<String>,
    /// How changes leave, where the port says so.
    pub changes: Option<ChangeRules>,
    /// Search words.
    pub tags: Vec<String>,
}

/// A port for managing the product.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ManagementPort {
    /// Name.
    pub name: String,
    /// `discoverability`, `control` or `observability`.
    pub content: String,
    /// `rest`, `topic`, ….
    pub kind: Option<String>,
    /// Address.
    pub url: Option<String>,
    /// Topic.
    pub channel: Option<String>,
    /// What it serves.
    pub description: Option<String>,
}

/// An ODCS contract of the product.
#[derive(Debug, Clone, PartialEq)]
pub struct Contract {
    /// Path relative to the product folder.
    pub file: String,
    /// Id that ports refer to.
    pub id: String,
    /// Name for people.
    pub name: Option<String>,
    /// Semantic version.
    pub version: String,
    /// Lifecycle state.
    pub status: Option<String>,
    /// Whether input ports or output ports refer to it.
    pub layer: Layer,
    /// Purpose, usage, limitations.
    pub description: Description,
    /// `authoritativeDefinitions`.
    pub links: Vec<Link>,
    /// `servers`, as written.
    pub servers: Vec<serde_json::Value>,
    /// Roles and what they may see.
    pub roles: Vec<Role>,
    /// Service levels.
    pub sla: Vec<Sla>,
    /// Its datasets.
    pub datasets: Vec<Dataset>,
}

/// A role that a contract names.
#[derive(Debug, Clone, PartialEq)]
pub struct Role {
    /// Name, as it is in a caller's token.
    pub role: String,
    /// `read` or `write`.
    pub access: Option<String>,
    /// What it is for.
    pub description: Option<String>,
    /// The highest classification it may read.
    pub max_classification: Option<crate::dataset::Classification>,
    /// Which rows it may read, by caller's claims; none is every row.
    pub row_filter: Option<crate::row_filter::RowFilter>,
    /// Fields of which it sees a part only.
    pub masks: Vec<crate::mask::FieldMask>,
    /// Who approves a request for it first.
    pub first_approvers: Option<String>,
    /// Who approves it second.
    pub second_approvers: Option<String>,
}

/// One service level.
#[derive(Debug, Clone, PartialEq)]
pub struct Sla {
    /// `availability`, `latency`, ….
    pub property: String,
    /// Its value.
    pub value: serde_json::Value,
    /// Unit of the value.
    pub unit: Option<String>,
    /// `dataset.field` it is about.
    pub element: Option<String>,
    /// `regulatory`, `analytics` or `operational`.
    pub driver: Option<String>,
    /// For people.
    pub description: Option<String>,
}
