//! Registers the standard ports' schema for the catalog's typed client.

fn main() {
    cynic_codegen::register_schema("product")
        .from_sdl_file("../../schema/product.graphql")
        .expect("schema/product.graphql is the standard ports' schema")
        .as_default()
        .expect("the schema can be registered");
}
