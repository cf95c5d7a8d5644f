//! One set of features of the dependencies for the demo, the tests and the stand-in: see `Cargo.toml`. There is no code.
