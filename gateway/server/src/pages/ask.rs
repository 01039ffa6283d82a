//! Asking for access: turns the roles and closed fields of a product into a form, and what was filled in into a request.

use super::access::{Level, approvers};
use super::asked::{Asking, PageError};
use super::frame::Frame;
use serde::Deserialize;
use serde_json::{Value, json};
use terrane_views::text::encode;

const QUERY: &str = "query Ask($id: ID!) {
  product(id: $id) {
    info { name datasets { name title fields { name graphqlName classification readable } } }
    accessRoles { role description held levels { level approvers automatic } }
  }
}";

/// What can be chosen, with what is sent for it.
const DURATIONS: [(&str, &str); 6] =
    [("8h", "8 hours"), ("1d", "1 day"), ("7d", "7 days"), ("30d", "30 days"), ("90d", "90 days"), ("365d", "1 year")];
const USUAL: &str = "30d";

/// What was filled in.
#[derive(Debug, Default, Clone, PartialEq, Eq)]
pub struct Filled {
    /// The role; empty is fields.
    pub role: String,
    /// The fields, as `dataset.field`.
    pub fields: Vec<String>,
    /// What for.
    pub purpose: String,
    /// For how long.
    pub duration: String,
    /// A product that shall read it; empty is the visitor.
    pub subject: String,
}

impl Filled {
    /// From the pairs of a form or query string; pairs that are no part of it are left out.
    pub fn read(pairs: impl Iterator<Item = (String, String)>) -> Self {
        let mut filled = Self::default();
        for (name, value) in pairs {
            let value = value.trim().to_owned();
            match name.as_str() {
                "role" => filled.role = value,
                "field" if !value.is_empty() => filled.fields.push(value),
                "purpose" => filled.purpose = value,
                "for" => filled.duration = value,
                "subject" => filled.subject = value,
                _ => {}
            }
        }
        filled
    }

    /// The variables of the mutation.
    fn variables(&self, product: &str) -> Value {
        let some = |text: &String| (!text.is_empty()).then(|| text.clone());
        json!({
            "product": product,
            "role": some(&self.role),
            "fields": self.role.is_empty().then_some(&self.fields),
            "subject": some(&self.subject),
            "purpose": self.purpose,
            "duration": self.duration,
        })
    }
}

/// The form.
#[derive(askama::Template)]
#[template(path = "ask.html")]
pub struct AskPage {
    frame: Frame,
    signed_in: bool,
    name: String,
    product_href: String,
    action: String,
    refused: Option<String>,
    roles: Vec<RoleChoice>,
    by_fields: bool,
    datasets: Vec<DatasetChoice>,
    purpose: String,
    durations: Vec<DurationChoice>,
    subject: String,
}

struct RoleChoice {
    role: String,
    description: String,
    approval: String,
    held: bool,
    chosen: bool,
}

struct DatasetChoice {
    title: String,
    fields: Vec<FieldChoice>,
}

struct FieldChoice {
    value: String,
    name: String,
    classification: String,
    chosen: bool,
}

struct DurationChoice {
    value: &'static str,
    label: &'static str,
    chosen: bool,
}

#[derive(Deserialize)]
struct Answer {
    product: Option<Product>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Product {
    info: Option<Info>,
    access_roles: Vec<Role>,
}

#[derive(Deserialize)]
struct Info {
    name: String,
    datasets: Vec<Dataset>,
}

#[derive(Deserialize)]
struct Dataset {
    name: String,
    title: Option<String>,
    fields: Vec<Field>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Field {
    name: String,
    graphql_name: String,
    classification: String,
    readable: bool,
}

#[derive(Deserialize)]
struct Role {
    role: String,
    description: Option<String>,
    held: bool,
    levels: Vec<Level>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Requested {
    request_access: Made,
}

#[derive(Deserialize)]
struct Made {
    id: String,
    state: String,
}

/// What came of a request.
pub enum Sent {
    /// Its id, and its state.
    Made(String, String),
    /// Code and text of the refusal.
    Refused(String, String),
}

/// Send a request.
///
/// # Errors
/// [`PageError::Failed`].
pub async fn send(asking: &Asking, product: &str, filled: &Filled) -> Result<Sent, PageError> {
    let mutation = "mutation Ask($product: ID!, $role: String, $fields: [String!], $subject: String, $purpose: String!, \
                    $duration: String!) { requestAccess(product: $product, role: $role, fields: $fields, subject: \
                    $subject, purpose: $purpose, duration: $duration) { id state } }";
    let asked = asking.change::<Requested>(mutation, filled.variables(product)).await?;
    Ok(match (asked.data, asked.error) {
        (Some(made), None) => Sent::Made(made.request_access.id, made.request_access.state),
        (_, Some((code, message))) => Sent::Refused(code, message),
        (None, None) => Sent::Refused(String::new(), "nothing was answered".to_owned()),
    })
}

impl AskPage {
    /// The form for a product, with what was filled in; none where there is no such product, or none that the visitor may
    /// know about.
    ///
    /// # Errors
    /// [`PageError::Failed`].
    pub async fn make(
        asking: &Asking,
        id: &str,
        filled: &Filled,
        refused: Option<String>,
    ) -> Result<Option<Self>, PageError> {
        let asked = asking.ask::<Answer>(QUERY, json!({ "id": id })).await?;
        let Some(Product { info: Some(info), access_roles }) = asked.data.and_then(|data| data.product) else {
            return Ok(None);
        };
        let mut frame = Frame::new(&asking.caller, format!("Ask for access to {}", info.name), "Ask for access");
        frame.section = "access";
        let mut page = Self::of(frame, id, info, access_roles, filled);
        page.signed_in = asking.caller.subject.is_some();
        page.refused = refused;
        Ok(Some(page))
    }

    fn of(frame: Frame, id: &str, info: Info, roles: Vec<Role>, filled: &Filled) -> Self {
        let role = |role: Role| RoleChoice {
            chosen: !role.held && role.role == filled.role,
            approval: approval(&role.levels),
            description: role.description.unwrap_or_default(),
            held: role.held,
            role: role.role,
        };
        let closed = |dataset: Dataset| DatasetChoice {
            title: dataset.title.unwrap_or_else(|| dataset.name.clone()),
            fields: dataset
                .fields
                .into_iter()
                .filter(|field| !field.readable)
                .map(|field| {
                    let value = format!("{}.{}", dataset.name, field.name);
                    let chosen = filled.fields.contains(&value);
                    FieldChoice { value, name: field.graphql_name, classification: field.classification, chosen }
                })
                .collect(),
        };
        let known = DURATIONS.iter().any(|(value, _)| *value == filled.duration);
        let wanted = if known { filled.duration.as_str() } else { USUAL };
        let page = format!("/marketplace/{}", encode(id));
        Self {
            frame,
            signed_in: false,
            name: info.name,
            action: format!("{page}/access"),
            product_href: page,
            refused: None,
            roles: roles.into_iter().map(role).collect(),
            by_fields: filled.role.is_empty() && !filled.fields.is_empty(),
            datasets: info.datasets.into_iter().map(closed).filter(|of| !of.fields.is_empty()).collect(),
            purpose: filled.purpose.clone(),
            durations: DURATIONS
                .map(|(value, label)| DurationChoice { value, label, chosen: value == wanted })
                .into_iter()
                .collect(),
            subject: filled.subject.clone(),
        }
    }
}

fn approval(levels: &[Level]) -> String {
    let levels: Vec<&Level> = levels.iter().collect();
    match levels.as_slice() {
        [] => "Approved by the owner.".to_owned(),
        [only] if only.automatic => "Granted at once.".to_owned(),
        all => {
            let words: Vec<String> = all.iter().map(|level| approvers(level)).collect();
            format!("Approved by {}.", words.join(", then "))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_filled_in_becomes_the_variables() {
        let pairs = |pairs: &[(&str, &str)]| {
            let owned: Vec<_> = pairs.iter().map(|(a, b)| ((*a).to_owned(), (*b).to_owned())).collect();
            Filled::read(owned.into_iter())
        };
        let fields = pairs(&[
            ("field", "d.a"),
            ("field", ""),
            ("field", "d.b"),
            ("purpose", " why "),
            ("for", "8h"),
            ("x", "y"),
        ]);
        let sent = fields.variables("p");
        assert_eq!(sent["fields"], json!(["d.a", "d.b"]));
        assert_eq!((&sent["role"], &sent["subject"], &sent["purpose"]), (&Value::Null, &Value::Null, &json!("why")));
        // a role is asked for as a whole, whatever fields are ticked
        let role = pairs(&[("role", "analyst"), ("field", "d.a"), ("subject", "product:geography")]).variables("p");
        assert_eq!((&role["role"], &role["fields"]), (&json!("analyst"), &Value::Null));
        assert_eq!(role["subject"], "product:geography");
    }

    #[test]
    fn approval_is_told_in_words() {
        let level = |approvers: &[&str], automatic| Level {
            level: 1,
            approvers: approvers.iter().map(|a| (*a).to_owned()).collect(),
            automatic,
        };
        assert_eq!(approval(&[level(&[], true)]), "Granted at once.");
        let two = [level(&["subject:ada", "role:lead"], false), level(&["owner"], false)];
        assert_eq!(approval(&two), "Approved by ada or anybody with role lead, then the owner.");
    }
}
