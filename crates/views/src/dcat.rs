//! DCAT: turns what products say of themselves into a catalog that other catalogs can take in (W3C DCAT 3, as JSON-LD).
//!
//! A product is a `dcat:Dataset`, each way to get one of its datasets a `dcat:Distribution`, its GraphQL a `dcat:DataService`, a
//! contract what it conforms to (`dct:conformsTo`), an agreement its rights (`dct:rights`), and what the newest checks found are
//! measurements (DQV). Prefixes are in the document itself: nobody has to fetch a context to read it.

use crate::description::{LinkInfo, OutputPortInfo, ProductInfo, SupportInfo};
use serde_json::{Map, Value, json};

/// Its media type.
pub const MEDIA_TYPE: &str = "application/ld+json";

/// A product and where it is.
#[derive(Debug)]
pub struct Placed<'a> {
    /// What it says of itself.
    pub info: &'a ProductInfo,
    /// Its whole address; no slash at the end.
    pub address: String,
    /// The page for people.
    pub page: String,
}

/// A product as a document of its own.
pub fn document(placed: &Placed<'_>) -> Value {
    json!({ "@context": context(), "@graph": [dataset(placed), service(placed)] })
}

/// All products as a catalog at `address`.
pub fn catalog(address: &str, products: &[Placed<'_>]) -> Value {
    let mut catalog = json!({
        "@context": context(),
        "@id": format!("{address}/catalog.jsonld"),
        "@type": "dcat:Catalog",
        "dct:title": "Data products",
        "dct:description": "The data products of this mesh, as far as who asks may know of them",
        "dct:publisher": agent(&publisher(products), address),
        "foaf:homepage": typed(&format!("{address}/"), "foaf:Document"),
        "dcat:dataset": products.iter().map(dataset).collect::<Vec<_>>(),
        "dcat:service": products.iter().map(service).collect::<Vec<_>>(),
    });
    let newest = products.iter().filter_map(|product| product.info.updated_at.as_deref()).max();
    if let (Some(newest), Value::Object(map)) = (newest, &mut catalog) {
        map.insert("dct:modified".to_owned(), moment(newest));
    }
    catalog
}

fn context() -> Value {
    json!({
        "dcat": "http://www.w3.org/ns/dcat#",
        "dct": "http://purl.org/dc/terms/",
        "dqv": "http://www.w3.org/ns/dqv#",
        "foaf": "http://xmlns.com/foaf/0.1/",
        "prov": "http://www.w3.org/ns/prov#",
        "skos": "http://www.w3.org/2004/02/skos/core#",
        "vcard": "http://www.w3.org/2006/vcard/ns#",
        "xsd": "http://www.w3.org/2001/XMLSchema#",
    })
}

/// The tenant of all products, where there is one.
fn publisher(products: &[Placed<'_>]) -> String {
    let mut tenants: Vec<&str> = products.iter().filter_map(|product| product.info.tenant.as_deref()).collect();
    tenants.sort_unstable();
    tenants.dedup();
    match tenants.as_slice() {
        [one] => (*one).to_owned(),
        _ => "The teams of this mesh".to_owned(),
    }
}

/// What names a product for ever: the address that its owner calls canonical, or the one it is found at.
fn identity(placed: &Placed<'_>) -> String {
    let canonical = placed.info.links.iter().find(|link| link.kind == "canonicalUrl").map(|link| link.url.clone());
    canonical.filter(|url| is_address(url)).unwrap_or_else(|| format!("{}#product", placed.address))
}

fn dataset(placed: &Placed<'_>) -> Value {
    let info = placed.info;
    let mut said = Map::new();
    let mut say = |name: &str, value: Value| {
        let empty = value.is_null() || value.as_array().is_some_and(Vec::is_empty);
        if !empty {
            said.insert(name.to_owned(), value);
        }
    };
    say("@id", json!(identity(placed)));
    say("@type", json!("dcat:Dataset"));
    say("dct:identifier", json!(info.id));
    say("dct:title", json!(info.name));
    say("dct:description", json!(info.description.purpose.clone().unwrap_or_else(|| info.name.clone())));
    say("dcat:version", json!(info.version));
    say("dcat:keyword", json!(info.tags));
    say("dcat:theme", info.domain.as_ref().map_or(Value::Null, |domain| theme(domain, &placed.address)));
    say("dct:modified", info.updated_at.as_deref().map_or(Value::Null, moment));
    say("dct:publisher", agent(&owner(info), &placed.address));
    say("dcat:contactPoint", json!(info.support.iter().filter_map(contact).collect::<Vec<_>>()));
    say("dct:rights", json!(agreements(info)));
    say("dct:accessRights", access_rights(info));
    say("dct:accrualPeriodicity", frequency(info));
    say("dct:conformsTo", json!(contracts(placed)));
    say("prov:wasDerivedFrom", json!(sources(info)));
    say("dcat:landingPage", typed(&placed.page, "foaf:Document"));
    say("foaf:page", json!(documents(info)));
    say("dcat:distribution", json!(distributions(placed)));
    say("dqv:hasQualityMeasurement", json!(measurements(placed)));
    Value::Object(said)
}

fn service(placed: &Placed<'_>) -> Value {
    json!({
        "@id": format!("{}/graphql#service", placed.address),
        "@type": "dcat:DataService",
        "dct:title": format!("{} as a GraphQL subgraph", placed.info.name),
        "dct:description": format!("Queries over the datasets of {}", placed.info.name),
        "dcat:endpointURL": link(&format!("{}/graphql", placed.address)),
        "dcat:endpointDescription": link(&format!("{}/discovery/schema.graphql", placed.address)),
        "dct:conformsTo": typed("https://specs.apollo.dev/federation/v2.9", "dct:Standard"),
        "dcat:servesDataset": link(&identity(placed)),
    })
}

fn distributions(placed: &Placed<'_>) -> Vec<Value> {
    let of_port = |port: &OutputPortInfo| {
        let ways = port.access.iter().map(|way| {
            let address = format!("{}/{}", placed.address, way.path.trim_start_matches('/'));
            let mut said = json!({
                "@id": format!("{address}#{}", way.format),
                "@type": "dcat:Distribution",
                "dct:title": format!("{} as {}", placed.info.name, crate::format_label(&way.format)),
                "dcat:accessURL": link(&address),
            });
            if let Value::Object(map) = &mut said {
                if let Some(description) = &port.description {
                    map.insert("dct:description".to_owned(), json!(description));
                }
                if way.format == "graphql" {
                    let service = format!("{}/graphql#service", placed.address);
                    map.insert("dcat:accessService".to_owned(), link(&service));
                } else {
                    map.insert("dcat:downloadURL".to_owned(), link(&address));
                }
                if let Some(kind) = media_type(&way.format) {
                    let known = format!("https://www.iana.org/assignments/media-types/{kind}");
                    map.insert("dcat:mediaType".to_owned(), typed(&known, "dct:MediaType"));
                }
            }
            said
        });
        ways.collect::<Vec<_>>()
    };
    let mut found: Vec<Value> = placed.info.output_ports.iter().flat_map(of_port).collect();
    found.sort_by(|one, other| one["@id"].as_str().cmp(&other["@id"].as_str()));
    found.dedup_by(|one, other| one["@id"] == other["@id"]);
    found
}

fn measurements(placed: &Placed<'_>) -> Vec<Value> {
    let results = placed.info.quality_results.iter().map(|result| {
        let rule = format!("{}#rule-{}-{}", placed.address, encoded(&result.dataset), encoded(&result.rule));
        json!({
            "@type": "dqv:QualityMeasurement",
            "dqv:isMeasurementOf": {"@id": rule, "@type": "dqv:Metric", "skos:definition": result.expected},
            "dqv:value": {"@type": "xsd:boolean", "@value": result.passed.to_string()},
        })
    });
    results.collect()
}

fn contracts(placed: &Placed<'_>) -> Vec<Value> {
    let mut known: Vec<String> = placed.info.datasets.iter().map(|dataset| dataset.contract.clone()).collect();
    known.sort();
    known.dedup();
    let of = |id: String| {
        let address = format!("{}/discovery?format=yaml#{}", placed.address, encoded(&id));
        typed(&address, "dct:Standard")
    };
    known.into_iter().map(of).collect()
}

/// Other products that it is made from, and sources by what they are called.
fn sources(info: &ProductInfo) -> Vec<Value> {
    let named = info.input_ports.iter().map(|port| {
        let (kind, name) = match port.connector.as_str() {
            "product" => ("product", port.source.as_deref().unwrap_or(&port.name)),
            _ => ("contract", port.contract.as_str()),
        };
        link(&format!("urn:terrane:{kind}:{}", encoded(name)))
    });
    named.collect()
}

fn agreements(info: &ProductInfo) -> Vec<Value> {
    let links = info.links.iter().filter(|link| link.kind.ends_with("Agreement") && is_address(&link.url));
    links.map(|known| typed(&known.url, "dct:RightsStatement")).collect()
}

/// What else describes it: its dictionary, drawings of it, and the like.
fn documents(info: &ProductInfo) -> Vec<Value> {
    let other = |kind: &str| kind != "canonicalUrl" && !kind.ends_with("Agreement");
    let links = info.links.iter().filter(|link| other(&link.kind) && is_address(&link.url));
    let document = |known: &LinkInfo| {
        let title = known.description.as_deref().unwrap_or(&known.kind);
        json!({"@id": known.url, "@type": "foaf:Document", "dct:title": title})
    };
    links.map(document).collect()
}

/// Public where every field is; by the European list, which DCAT-AP names.
fn access_rights(info: &ProductInfo) -> Value {
    let mut fields = info.datasets.iter().flat_map(|dataset| &dataset.fields);
    let right = if fields.all(|field| field.classification == "public") { "PUBLIC" } else { "RESTRICTED" };
    let address = format!("http://publications.europa.eu/resource/authority/access-right/{right}");
    typed(&address, "dct:RightsStatement")
}

/// How often it changes, where its contracts promise it.
fn frequency(info: &ProductInfo) -> Value {
    let levels = info.datasets.iter().flat_map(|dataset| &dataset.service_levels);
    let promised = levels.filter(|level| level.property == "frequency" && level.value == "1");
    let word = promised.filter_map(|level| level.unit.as_deref()).find_map(|unit| match unit {
        "h" | "hour" | "hours" => Some("HOURLY"),
        "d" | "day" | "days" => Some("DAILY"),
        "w" | "week" | "weeks" => Some("WEEKLY"),
        "m" | "month" | "months" => Some("MONTHLY"),
        "y" | "year" | "years" => Some("ANNUAL"),
        _ => None,
    });
    let address = word.map(|word| format!("http://publications.europa.eu/resource/authority/frequency/{word}"));
    address.map_or(Value::Null, |address| typed(&address, "dct:Frequency"))
}

fn owner(info: &ProductInfo) -> String {
    let team = info.team.as_ref().and_then(|team| team.name.clone());
    let person = info.owner.as_ref().map(|owner| owner.name.clone().unwrap_or_else(|| owner.username.clone()));
    team.or(person).unwrap_or_else(|| info.name.clone())
}

fn contact(support: &SupportInfo) -> Option<Value> {
    let address = support.url.as_deref().filter(|url| is_address(url) || url.starts_with("mailto:"))?;
    let property = if address.starts_with("mailto:") { "vcard:hasEmail" } else { "vcard:hasURL" };
    Some(json!({"@type": "vcard:Kind", "vcard:fn": support.channel, property: link(address)}))
}

fn theme(domain: &str, address: &str) -> Value {
    let id = format!("{address}#domain-{}", encoded(domain));
    json!({"@id": id, "@type": "skos:Concept", "skos:prefLabel": domain})
}

fn agent(name: &str, address: &str) -> Value {
    json!({"@id": format!("{address}#publisher"), "@type": "foaf:Agent", "foaf:name": name})
}

fn link(address: &str) -> Value {
    json!({ "@id": address })
}

/// A link with what stands there, which DCAT-AP wants to be told.
fn typed(address: &str, class: &str) -> Value {
    json!({ "@id": address, "@type": class })
}

fn moment(text: &str) -> Value {
    json!({"@type": "xsd:dateTime", "@value": text})
}

fn is_address(text: &str) -> bool {
    (text.starts_with("https://") || text.starts_with("http://")) && !text.contains([' ', '<', '>', '"'])
}

fn encoded(text: &str) -> String {
    percent_encoding::utf8_percent_encode(text, percent_encoding::NON_ALPHANUMERIC).to_string()
}

/// The registered media type of a format.
pub(crate) fn media_type(format: &str) -> Option<&'static str> {
    Some(match format {
        "csv" => "text/csv",
        "json" | "graphql" => "application/json",
        "ndjson" => "application/x-ndjson",
        "parquet" => "application/vnd.apache.parquet",
        "arrow" => "application/vnd.apache.arrow.file",
        _ => return None,
    })
}
