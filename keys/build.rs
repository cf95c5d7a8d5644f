//! Embeds the public keys that lie beside this file.
#![allow(clippy::expect_used, reason = "a build that cannot go on says why and stops")]

use std::path::Path;
use std::{env, fs};

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let folder = Path::new(&env::var("CARGO_MANIFEST_DIR")?).join("keys");
    println!("cargo::rerun-if-changed={}", folder.display());
    let mut names: Vec<String> = fs::read_dir(&folder)?
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
    fs::write(Path::new(&env::var("OUT_DIR")?).join("built_in.rs"), code)?;
    Ok(())
}
