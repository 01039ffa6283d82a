//! schema.org: turns what a product says to anybody into the markup that search engines for data read (`Dataset`).

use crate::dcat::{Placed, media_type};
use serde_json::{Map, Value, json};

/// A product as `Dataset`, as text that can stand in a `script` element: it ends no element, and begins none.
pub fn markup(placed: &Placed<'_>) -> String {
    let info = placed.info;
    let files = info.output_ports.iter().flat_map(|port| &port.access).filter(|way| way.format != "graphql");
    let downloads = files.map(|way| {
        json!({
            "@type": "DataDownload",
            "encodingFormat": media_type(&way.format).unwrap_or(&way.format),
            "contentUrl": format!("{}/{}", placed.address, way.path.trim_start_matches('/')),
        })
    });
    let measured = info.datasets.iter().flat_map(|dataset| &dataset.fields).filter(|field| field.readable);
    let names = measured.map(|field| field.title.clone().unwrap_or_else(|| field.name.clone()));
    let mut said = Map::from_iter([
        ("@context".to_owned(), json!("https://schema.org/")),
        ("@type".to_owned(), json!("Dataset")),
        ("name".to_owned(), json!(info.name)),
        ("description".to_owned(), json!(info.description.purpose.clone().unwrap_or_else(|| info.name.clone()))),
        ("identifier".to_owned(), json!(info.id)),
        ("url".to_owned(), json!(placed.page)),
        ("version".to_owned(), json!(info.version)),
        ("keywords".to_owned(), json!(info.tags)),
        ("distribution".to_owned(), json!(downloads.collect::<Vec<_>>())),
        ("variableMeasured".to_owned(), json!(names.collect::<Vec<_>>())),
    ]);
    said.extend(info.updated_at.as_ref().map(|at| ("dateModified".to_owned(), json!(at))));
    let team = info.team.as_ref().and_then(|team| team.name.as_ref());
    said.extend(team.map(|name| ("creator".to_owned(), json!({"@type": "Organization", "name": name}))));
    let agreement = info.links.iter().find(|link| link.kind == "dataConsumptionAgreement");
    said.extend(agreement.map(|link| ("usageInfo".to_owned(), json!(link.url))));
    Value::Object(said).to_string().replace('<', "\\u003c").replace('>', "\\u003e").replace('&', "\\u0026")
}
