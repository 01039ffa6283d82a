//! Manifest: turns the files of a product folder into one checked [`Product`], or all that is wrong with them.
//!
//! Reads the descriptor (ODPS 1.1), the contracts (ODCS 3.2), the SQL models and `policy.csv`. It is pure: the caller
//! brings the files' text. Whatever can be known to be wrong without a database is found here.

mod about;
mod amend;
mod approval;
mod changes;
mod check;
mod connector;
mod contract;
mod descriptor;
mod events;
mod field;
mod index;
mod ingest;
mod key;
mod lineage;
mod mask;
mod materialization;
mod model;
mod model_test;
mod nested;
mod policy_lines;
mod quality;
mod quality_form;
mod relationship;
mod schedule;
mod search;
mod upkeep;
mod yaml;

pub mod dataset;
pub mod names;
pub mod product;
pub mod row_filter;
pub mod types;

pub use about::{Element, Said};
pub use amend::LARGEST_MODEL;
pub use approval::{AUTOMATIC, Levels, OWNER};
pub use changes::{Bump, ContractChange, Use, check_versions, contract_changes, uses};
pub use connector::{Connector, PullMode, without_secrets};
pub use dataset::{
    Cardinality, Classification, Dataset, EnumValue, Expectation, Field, FieldOptions, Index, IndexColumn, Layer, Link,
    Metric, Nested, QualityRule, Relationship, RootNames, RuleCheck, RuleSeverity, Target, Transform,
};
pub use events::{Attribute, ChangeRules, EventRules, Late, Publish};
pub use ingest::{BadRows, Dialect, IngestOptions};
pub use lineage::{ColumnLineage, ColumnRef, Driver, Origins};
pub use mask::{DateUnit, FieldMask, Mask};
pub use materialization::Materialization;
pub use model::{Model, TableRef};
pub use model_test::{ModelTest, Rows};
pub use policy_lines::LineOrigin;
pub use product::{
    Contract, Description, InputPort, ManagementPort, Member, OutputPort, Product, Role, Sla, Support, Team,
};
pub use quality::fill_placeholders;
pub use row_filter::{CompareOp, Operand, RowFilter};
pub use schedule::parse_schedule;
pub use types::{LogicalType, PgType, PhysicalType};
pub use upkeep::{Retention, Retry};

use model_test::read_model_test;
use std::collections::BTreeMap;
use terrane_diagnostics::{Diagnostic, has_errors};

/// The descriptor's path in the folder.
pub const DESCRIPTOR: &str = "dataproduct.odps.yaml";

/// A product without errors, and what is worth changing.
#[derive(Debug, Clone, PartialEq)]
pub struct Loaded {
    /// The checked product.
    pub product: Product,
    /// Findings that stop nothing.
    pub warnings: Vec<Diagnostic>,
}

/// Load a product from its files: path relative to the folder, with `/`, to text. Files of other places are ignored.
///
/// # Errors
/// Every diagnostic, warnings included, when at least one is an error; sorted by place, so the result does not depend on
/// the order of reading.
pub fn load(files: &BTreeMap<String, String>) -> Result<Loaded, Vec<Diagnostic>> {
    let mut findings = Vec::new();
    let product = read_product(files, &mut findings);
    findings.sort_by(|a, b| (&a.locations, a).cmp(&(&b.locations, b)));
    findings.dedup();
    match product {
        Some(product) if !has_errors(&findings) => Ok(Loaded { product, warnings: findings }),
        _ => Err(findings),
    }
}

/// Read a product that was accepted before, without judging it again: what was right once may be wrong by the rules of
/// today, and is still what others rely on. Its models may be missing.
pub fn reread(files: &BTreeMap<String, String>) -> Option<Product> {
    read_product(files, &mut Vec::new())
}

fn read_product(files: &BTreeMap<String, String>, findings: &mut Vec<Diagnostic>) -> Option<Product> {
    let Some(text) = files.get(DESCRIPTOR) else {
        findings.push(
            Diagnostic::error("MANIFEST_NO_DESCRIPTOR", format!("the folder has no `{DESCRIPTOR}`"))
                .with_hint("a product folder starts with its descriptor"),
        );
        return None;
    };
    let descriptor = descriptor::read_descriptor(DESCRIPTOR, text, findings);
    let in_folder = |folder: &'static str, suffix: &'static str| {
        files.iter().filter(move |(path, _)| path.starts_with(folder) && path.ends_with(suffix))
    };
    let contracts =
        in_folder("contracts/", ".odcs.yaml").filter_map(|(path, text)| contract::read_contract(path, text, findings));
    let contracts: Vec<Contract> = contracts.collect();
    let models = model::read_models(files, findings);
    let policy = files.get("policy.csv").map(|text| policy_lines::read_policy(text, findings)).unwrap_or_default();
    let descriptor = descriptor?;
    let sources = in_folder("", ".yaml").filter(|(path, _)| *path == DESCRIPTOR || path.starts_with("contracts/"));
    let mut product = Product {
        id: descriptor.id,
        name: descriptor.name,
        version: descriptor.version,
        status: descriptor.status,
        kind: descriptor.kind,
        domain: descriptor.domain,
        tenant: descriptor.tenant,
        tags: descriptor.tags,
        description: descriptor.description,
        team: descriptor.team,
        support: descriptor.support,
        links: descriptor.links,
        retry: descriptor.retry,
        retention: descriptor.retention,
        input_ports: Vec::new(),
        output_ports: Vec::new(),
        management_ports: descriptor.management_ports,
        contracts,
        models,
        policy: policy.iter().map(|(line, _)| line.clone()).collect(),
        policy_text: files.get("policy.csv").cloned().unwrap_or_default(),
        sources: sources.map(|(path, text)| (path.clone(), text.clone())).collect(),
        tests: in_folder("tests/", "").map(|(path, text)| (path.clone(), text.clone())).collect(),
        model_tests: in_folder("tests/", ".yaml").filter_map(|(p, text)| read_model_test(p, text, findings)).collect(),
    };
    check::resolve_ports(&mut product, descriptor.input_ports, descriptor.output_ports, findings);
    check::check_product(&mut product, files, findings);
    lineage::analyze(&mut product, findings);
    model_test::check_tests(&product, findings);
    policy_lines::check_objects(&product, &policy, findings);
    Some(product)
}
