//! Every integration test, in one program.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::print_stderr, reason = "whatever a test meets may fail it")]

mod bounds;
mod check;
mod check_cases;
mod check_from;
mod check_page;
mod check_reports;
mod cli_config;
mod cli_desk;
mod cli_diff;
mod cli_dump;
mod cli_exit_codes;
mod cli_from_db;
mod cli_help;
mod cli_import;
mod cli_schemas;
mod cli_support;
mod conformance;
mod diff_only;
mod docs;
mod fetch;
mod final_faults;
mod forge;
mod format;
mod fuzz;
#[path = "../fuzz/targets.rs"]
mod fuzz_targets;
mod hostile;
mod hostile_owner;
mod import_care;
mod import_faults;
mod install_behaviour;
mod install_crash;
mod install_lock;
mod install_mounts;
mod install_power;
mod install_support;
mod layers;
mod list;
mod monitoring;
mod odd_files;
mod policy;
mod probe;
mod progress;
mod prune;
mod publish;
mod pull;
mod resume;
mod retain;
mod security;
mod signals;
mod status;
mod tls_support;
mod trip;
mod trust;
mod upstream;
mod vectors;

/// The program under test.
const OCT: &str = env!("CARGO_BIN_EXE_oct-under-test");
/// The root of the repository.
const ROOT: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../..");
