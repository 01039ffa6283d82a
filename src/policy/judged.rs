//! Judged products: turns product folders, and a mesh's rules, into what can be asked who may do what.

use anyhow::{Context as _, Result, bail};
use std::fs;
use std::path::Path;
use std::sync::Arc;
use terrane_manifest::Product;
use terrane_policy::{DEFAULT_MODEL, Explanation, GRANTED, Policy, RoleSet};
use terrane_query::{Access, Verdict, asked};
use terrane_runtime::{ProductService, read_folder};

/// The descriptor by which a folder is a product's.
const DESCRIPTOR: &str = "dataproduct.odps.yaml";
/// The rules of a mesh in the folder of its policies.
const MESH: &str = "mesh.csv";
/// The role that every caller has in the mesh's rules.
const EVERYBODY: &str = "everybody";

/// A product whose policy can be asked.
pub struct Judged {
    /// The product.
    pub product: Arc<Product>,
    policy: Policy,
    /// By line of the policy: what it is made of.
    origins: Vec<String>,
}

impl Judged {
    fn new(product: Arc<Product>) -> Result<Self> {
        let lines = product.policy_lines_with_origins().into_iter();
        let (lines, origins): (Vec<_>, Vec<_>) = lines.map(|(line, origin)| (line, origin.to_string())).unzip();
        let policy = Policy::new(DEFAULT_MODEL, &lines)?;
        Ok(Self { product, policy, origins })
    }

    /// The product as a running mesh judges it: by these lines, each with whether it is one of the product's own and what it
    /// is made of.
    ///
    /// # Errors
    /// A line that is none.
    pub fn in_force(&self, told: Vec<(Vec<String>, bool, String)>) -> Result<Self> {
        // what denies a mask is made of an own line, and is none
        let own = told.iter().filter(|(line, own, _)| *own && line.get(3).is_none_or(|action| action != "mask"));
        let product = Product { policy: own.map(|(line, ..)| line.clone()).collect(), ..(*self.product).clone() };
        let (lines, origins): (Vec<_>, Vec<_>) = told.into_iter().map(|(line, _, origin)| (line, origin)).unzip();
        Ok(Self { product: Arc::new(product), policy: Policy::new(DEFAULT_MODEL, &lines)?, origins })
    }

    /// What is judged, and by what.
    pub fn parts(&self) -> (&Product, &Policy) {
        (&self.product, &self.policy)
    }

    /// The same product where no line allows anything.
    ///
    /// # Errors
    /// None.
    pub fn closed(&self) -> Result<Policy> {
        Ok(Policy::new(DEFAULT_MODEL, &[])?)
    }

    /// Every (object, action) that can be asked.
    pub fn questions(&self) -> Vec<(String, String)> {
        asked(&self.product)
    }

    /// What `roles` get, of everything that is asked by the returned function.
    pub fn verdicts(&self, roles: &RoleSet) -> impl Fn(&str, &str) -> Verdict + use<> {
        let access = Access::compile(&self.product, &self.policy, roles);
        move |object, action| access.verdict(object, action)
    }

    /// Why, with the lines of granted fields at the end.
    pub fn explain(&self, roles: &RoleSet, object: &str, action: &str) -> Result<Explanation> {
        let granted = roles.iter().filter_map(|role| Some((role, role.strip_prefix(GRANTED)?)));
        let lines = granted.map(|(role, object)| ["p", role, object, "read", "allow"].map(str::to_owned).to_vec());
        Ok(self.policy.with(lines)?.explain(roles, object, action))
    }

    /// A line and what it is made of; none for that of a granted field.
    pub fn line(&self, place: usize) -> Option<(String, &str)> {
        Some((self.policy.lines().get(place)?.join(", "), self.origins.get(place)?))
    }
}

/// The products of a path: a folder of products, a product's folder, or a `policy.csv` that takes the place of that of the
/// product in whose folder it is, or in `folder`.
///
/// # Errors
/// What is no product, and what is wrong with one.
pub fn products(path: &Path, folder: Option<&Path>) -> Result<Vec<Judged>> {
    if path.is_file() {
        let of = folder.or_else(|| path.parent().filter(|parent| parent.join(DESCRIPTOR).is_file()));
        let of = of.with_context(|| {
            format!("{} is a file outside of a product's folder: name the folder with --product", path.display())
        })?;
        let mut files = read_folder(of).with_context(|| format!("read {}", of.display()))?;
        let text = fs::read_to_string(path).with_context(|| format!("read {}", path.display()))?;
        files.insert("policy.csv".to_owned(), text);
        let loaded = terrane_manifest::load(&files)
            .map_err(|found| anyhow::anyhow!("{}:\n{}", path.display(), terrane_diagnostics::render_all(&found)))?;
        return Ok(vec![Judged::new(Arc::new(loaded.product))?]);
    }
    if path.join(DESCRIPTOR).is_file() {
        return Ok(vec![Judged::new(ProductService::load(path)?.0)?]);
    }
    let entries = fs::read_dir(path).with_context(|| format!("{} is neither a file nor a folder", path.display()))?;
    let mut folders: Vec<_> = entries.flatten().map(|entry| entry.path()).collect();
    folders.retain(|folder| folder.join(DESCRIPTOR).is_file());
    folders.sort();
    if folders.is_empty() {
        bail!("no product in {}: a product is a folder with a `{DESCRIPTOR}`", path.display());
    }
    folders.iter().map(|folder| Judged::new(ProductService::load(folder)?.0)).collect()
}

/// The rules of a mesh: what they deny of the graph, whatever products allow.
pub struct MeshPolicy {
    policy: Policy,
}

impl MeshPolicy {
    /// Those of a policies folder or a file of rules.
    ///
    /// # Errors
    /// A file that can't be read, a line that is none.
    pub fn load(path: &Path) -> Result<Self> {
        let file = if path.is_dir() { path.join(MESH) } else { path.to_owned() };
        let text = fs::read_to_string(&file).with_context(|| format!("read the mesh's rules {}", file.display()))?;
        let mut lines = Policy::split_lines(&text);
        lines.push(["p", EVERYBODY, "*", "read", "allow"].map(str::to_owned).to_vec());
        let policy = Policy::new(DEFAULT_MODEL, &lines).with_context(|| file.display().to_string())?;
        Ok(Self { policy })
    }

    /// Whether a path is one of mesh rules, and not of products.
    pub fn is_at(path: &Path) -> bool {
        if path.is_dir() { path.join(MESH).is_file() } else { path.file_name().is_some_and(|name| name == MESH) }
    }

    /// Roles that its lines name.
    pub fn roles(&self) -> Vec<&str> {
        self.policy.lines().iter().map(|line| line[1].as_str()).filter(|role| *role != EVERYBODY).collect()
    }

    /// Objects that its lines name as they are.
    pub fn objects(&self) -> impl Iterator<Item = &str> {
        let named = self.policy.lines().iter().filter(|line| line[0] == "p").map(|line| line[2].as_str());
        named.filter(|object| *object != "*")
    }

    /// The lines that deny a field of the graph to `roles`; none where they leave it to the product.
    pub fn denials(&self, roles: &RoleSet, field: &str) -> Vec<String> {
        let all = RoleSet::new(roles.iter().map(str::to_owned).chain([EVERYBODY.to_owned()]));
        let explained = self.policy.explain(&all, field, "read");
        match explained.allowed {
            true => Vec::new(),
            false => explained.deciding.iter().map(|by| self.policy.lines()[by.line].join(", ")).collect(),
        }
    }
}

/// A role set of `a+b`.
pub fn role_set(text: &str) -> RoleSet {
    RoleSet::new(text.split('+').map(str::trim).map(str::to_owned))
}

/// The field of the graph that a policy object is, as `Type.field`.
pub fn graph_field(product: &Product, object: &str) -> Option<String> {
    product.outputs().find_map(|dataset| {
        let field = dataset.fields.iter().find(|field| dataset.policy_object(field) == object)?;
        Some(format!("{}.{}", dataset.graphql_type.as_ref()?, field.graphql_name))
    })
}
