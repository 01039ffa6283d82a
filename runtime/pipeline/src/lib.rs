//! Pipeline: turns SQL models and input rows into checked, published versions of the output layer.
