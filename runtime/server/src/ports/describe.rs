//! Describing: turns the manifest, the caller's access and the current version into the description of the product.

use super::lineage::lineage;
use super::product::{
    AccessMethod, DatasetInfo, DescriptionInfo, FieldInfo, InputPortInfo, LinkInfo, ManagementPortInfo, MemberInfo,
    OutputPortInfo, ProductDescription, QualityRuleInfo, RelationshipInfo, ServiceLevelInfo, SupportInfo, TeamInfo,
};
use super::records::{QualityResult, Version};
use super::said::examples;
use crate::export::Format;
use crate::levels::Level;
use terrane_manifest::{Cardinality, Contract, Dataset, Field, Product, RuleCheck, RuleSeverity};
use terrane_query::{Access, Reading};

/// Describe `product` to a caller with `access`.
pub fn describe(
    product: &Product,
    (sdl, access_state): (&str, String),
    access: &Access,
    version: Option<Version>,
    (quality, levels): (Vec<QualityResult>, &[Level]),
) -> ProductDescription {
    let team = product.team.as_ref();
    ProductDescription {
        id: product.id.clone(),
        name: product.name.clone(),
        version: product.version.clone(),
        status: product.status.clone(),
        kind: product.kind.clone(),
        domain: product.domain.clone(),
        tenant: product.tenant.clone(),
        tags: product.tags.clone(),
        description: DescriptionInfo {
            purpose: product.description.purpose.clone(),
            usage: product.description.usage.clone(),
            limitations: product.description.limitations.clone(),
        },
        owner: team.and_then(|t| t.owner()).map(member),
        team: team.map(|t| TeamInfo {
            name: t.name.clone(),
            description: t.description.clone(),
            members: t.members.iter().map(member).collect(),
        }),
        support: product
            .support
            .iter()
            .map(|s| SupportInfo {
                channel: s.channel.clone(),
                url: s.url.clone(),
                tool: s.tool.clone(),
                scope: s.scope.clone(),
                description: s.description.clone(),
            })
            .collect(),
        links: product.links.iter().map(link).collect(),
        input_ports: product.input_ports.iter().map(input_port).collect(),
        output_ports: output_ports(product),
        management_ports: management_ports(product),
        datasets: product.outputs().map(|d| dataset((product, levels), d, access, version.as_ref())).collect(),
        example_operations: examples(product),
        lineage: lineage(product),
        quality_results: quality,
        access_state,
        updated_at: version.as_ref().map(|v| v.published_at),
        current_version: version,
        sdl: sdl.to_owned(),
    }
}

fn member(member: &terrane_manifest::Member) -> MemberInfo {
    MemberInfo { username: member.username.clone(), name: member.name.clone(), role: member.role.clone() }
}

fn link(link: &terrane_manifest::Link) -> LinkInfo {
    LinkInfo { kind: link.kind.clone(), url: link.url.clone(), description: link.description.clone() }
}

pub(super) fn input_port(port: &terrane_manifest::InputPort) -> InputPortInfo {
    InputPortInfo {
        name: port.name.clone(),
        version: port.version.clone(),
        dataset: port.dataset.clone(),
        contract: port.contract.clone(),
        connector: port.connector.kind().to_owned(),
        source: port.connector.place(),
        schedule: port.schedule.clone(),
    }
}

fn output_ports(product: &Product) -> Vec<OutputPortInfo> {
    let describe = |port: &terrane_manifest::OutputPort| {
        let datasets: Vec<&Dataset> = product.outputs().filter(|d| d.contract == port.contract).collect();
        let access = match port.kind.as_deref() {
            Some("graphql") => {
                vec![AccessMethod {
                    format: "graphql".to_owned(),
                    method: "POST".to_owned(),
                    path: "/graphql".to_owned(),
                }]
            }
            _ => datasets.iter().flat_map(|d| files(d)).collect(),
        };
        OutputPortInfo {
            name: port.name.clone(),
            version: port.version.clone(),
            kind: port.kind.clone(),
            dataset_type: port.dataset_type.clone(),
            description: port.description.clone(),
            contract: port.contract.clone(),
            datasets: datasets.iter().map(|d| d.name.clone()).collect(),
            access,
        }
    };
    product.output_ports.iter().map(describe).collect()
}

fn files(dataset: &Dataset) -> impl Iterator<Item = AccessMethod> {
    Format::ALL.map(Format::ending).into_iter().map(|format| AccessMethod {
        format: format.to_owned(),
        method: "GET".to_owned(),
        path: format!("/output/{}.{format}", dataset.name),
    })
}

fn management_ports(product: &Product) -> Vec<ManagementPortInfo> {
    let describe = |port: &terrane_manifest::ManagementPort| ManagementPortInfo {
        name: port.name.clone(),
        content: port.content.clone(),
        kind: port.kind.clone(),
        url: port.url.clone(),
        description: port.description.clone(),
    };
    product.management_ports.iter().map(describe).collect()
}

fn dataset(
    (product, levels): (&Product, &[Level]),
    dataset: &Dataset,
    access: &Access,
    version: Option<&Version>,
) -> DatasetInfo {
    let contract = product.contract_of(dataset);
    let rows = version.and_then(|v| v.datasets.iter().find(|d| d.dataset == dataset.name)).map(|d| d.rows);
    let port = product.output_ports.iter().find(|p| p.contract == dataset.contract);
    let names = dataset.graphql_names.as_ref();
    DatasetInfo {
        name: dataset.name.clone(),
        title: dataset.business_name.clone(),
        description: dataset.description.clone(),
        granularity: dataset.granularity.clone(),
        graphql_type: dataset.graphql_type.clone(),
        graphql_field: names.map(|n| n.one.clone()),
        graphql_list: names.map(|n| n.many.clone()),
        contract: dataset.contract.clone(),
        contract_version: contract.map(|c| c.version.clone()).unwrap_or_default(),
        dataset_type: port.and_then(|p| p.dataset_type.clone()),
        rows,
        fields: dataset.fields.iter().map(|f| field(dataset, f, access)).collect(),
        relationships: dataset.relationships.iter().map(relationship).collect(),
        quality_rules: dataset.quality.iter().map(rule).collect(),
        service_levels: contract.map(|c| service_levels(c, levels)).unwrap_or_default(),
        synonyms: dataset.synonyms.clone(),
        tags: dataset.tags.clone(),
    }
}

fn field(dataset: &Dataset, field: &Field, access: &Access) -> FieldInfo {
    let reading = access.reading(&dataset.policy_object(field));
    let readable = reading == Reading::Clear;
    let examples = field.examples.iter().filter(|_| readable);
    FieldInfo {
        name: field.name.clone(),
        graphql_name: field.graphql_name.clone(),
        title: field.business_name.clone(),
        description: field.description.clone(),
        datatype: field.logical.word().to_owned(),
        physical_type: field.physical.to_string(),
        required: field.required,
        unique: field.unique,
        key_position: field.key_position.and_then(|p| i32::try_from(p).ok()),
        classification: field.classification.word().to_owned(),
        readable,
        mask: match reading {
            Reading::Masked(mask) => Some(mask.kind().to_owned()),
            Reading::Clear | Reading::Denied => None,
        },
        values: field.enumeration.iter().map(|v| v.value.clone()).collect(),
        examples: examples.map(|v| v.as_str().map_or_else(|| v.to_string(), str::to_owned)).collect(),
        unit: field.unit.clone(),
        sources: field.transform.sources.clone(),
        deprecated: field.deprecated.clone(),
        removed_after: field.removed_after.clone(),
    }
}

fn relationship(relationship: &terrane_manifest::Relationship) -> RelationshipInfo {
    let cardinality = match relationship.cardinality {
        Cardinality::ManyToOne => "many-to-one",
        Cardinality::OneToOne => "one-to-one",
    };
    RelationshipInfo {
        fields: relationship.fields.clone(),
        target_product: relationship.target.product.clone(),
        target_dataset: relationship.target.dataset.clone(),
        target_fields: relationship.target.fields.clone(),
        cardinality: cardinality.to_owned(),
        graphql_field: relationship.graphql_field.clone(),
        reverse_field: relationship.reverse_field.clone(),
    }
}

fn rule(rule: &terrane_manifest::QualityRule) -> QualityRuleInfo {
    let kind = match rule.check {
        RuleCheck::Text => "text",
        RuleCheck::Metric { .. } => "library",
        RuleCheck::Sql { .. } => "sql",
    };
    let severity = match rule.severity {
        RuleSeverity::Error => "error",
        RuleSeverity::Warning => "warning",
        RuleSeverity::Info => "info",
    };
    QualityRuleInfo {
        id: rule.id.clone(),
        field: rule.field.clone(),
        kind: kind.to_owned(),
        description: rule.description.clone().or_else(|| rule.name.clone()),
        severity: severity.to_owned(),
        dimension: rule.dimension.clone(),
    }
}

/// What a contract promises, and what was measured of it.
fn service_levels(contract: &Contract, levels: &[Level]) -> Vec<ServiceLevelInfo> {
    let of = |place: usize| levels.iter().find(|level| level.contract == contract.id && level.place == place);
    let promised = contract.sla.iter().enumerate().map(|(place, sla)| ServiceLevelInfo {
        property: sla.property.clone(),
        value: sla.value.as_str().map_or_else(|| sla.value.to_string(), str::to_owned),
        unit: sla.unit.clone(),
        description: sla.description.clone(),
        measured: of(place).and_then(|level| level.measured).map(rounded),
        met: of(place).and_then(|level| level.met),
        budget_left: of(place).and_then(|level| level.budget),
    });
    promised.collect()
}

/// A number with as many digits as mean something.
fn rounded(value: f64) -> String {
    let text = format!("{value:.3}");
    text.trim_end_matches('0').trim_end_matches('.').to_owned()
}
