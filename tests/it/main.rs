//! Every integration test, in one program.

mod fetch;
mod forge;
mod hostile;
mod install_behaviour;
mod install_crash;
mod install_mounts;
mod install_power;
mod install_support;
mod status;
mod vectors;
