//! Check: turns a product folder given on the command line into its diagnostics.

use std::collections::BTreeMap;
use std::path::Path;

fn read(root: &Path, folder: &Path, files: &mut BTreeMap<String, String>) {
    for entry in std::fs::read_dir(folder).expect("the folder can be read") {
        let path = entry.expect("entries can be read").path();
        if path.is_dir() {
            read(root, &path, files);
        } else if let Ok(text) = std::fs::read_to_string(&path) {
            let name = path.strip_prefix(root).expect("it is below").to_string_lossy().replace('\\', "/");
            files.insert(name, text);
        }
    }
}

#[allow(clippy::print_stdout)]
fn main() {
    for folder in std::env::args().skip(1) {
        let mut files = BTreeMap::new();
        read(Path::new(&folder), Path::new(&folder), &mut files);
        match terrane_manifest::load(&files) {
            Ok(loaded) => println!(
                "{folder}: product {} with {} datasets\n{}",
                loaded.product.id,
                loaded.product.datasets().count(),
                terrane_diagnostics::render_all(&loaded.warnings)
            ),
            Err(findings) => println!("{folder}:\n{}", terrane_diagnostics::render_all(&findings)),
        }
    }
}
