//! Every integration test, in one program.

mod check;
mod check_from;
mod cli_diff;
mod cli_from_db;
mod cli_support;
mod fetch;
mod forge;
mod hostile;
mod install_behaviour;
mod install_crash;
mod install_lock;
mod install_mounts;
mod install_power;
mod install_support;
mod layers;
mod resume;
mod status;
mod trip;
mod vectors;
