//! Manifest: turns the files of a product folder into one checked product description. No IO.
