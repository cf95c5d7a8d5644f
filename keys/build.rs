//! Embeds the public keys that lie beside this file.
#![allow(clippy::expect_used, reason = "a build that cannot go on says why and stops")]

use std::path::Path;
use std::{env, fs};

fn main() {
    let folder = Path::new(&env::var("CARGO_MANIFEST_DIR").expect("cargo sets it")).join("keys");
    println!("cargo::rerun-if-changed={}", folder.display());
    let mut names: Vec<String> = fs::read_dir(&folder)
        .expect("the folder of this file can be listed")
        .filter_map(|entry| entry.ok()?.file_name().into_string().ok())
        .filter(|name| name.ends_with(".pub"))
        .collect();
    names.sort();
    let mut code = String::from(
        "/// Name and text of every key in `keys/` at build time.\nconst BUILT_IN: &[(&str, &str)] = &[\n",
    );
    for name in names {
        code += &format!("    ({name:?}, include_str!({:?})),\n", folder.join(&name));
    }
    code += "];\n";
    let target = Path::new(&env::var("OUT_DIR").expect("cargo sets it")).join("built_in.rs");
    fs::write(target, code).expect("the build folder can be written");
}
