//! Every integration test, in one program.

mod check;
mod check_from;
mod fetch;
mod install_behaviour;
mod install_crash;
mod install_lock;
mod install_mounts;
mod install_power;
mod install_support;
mod resume;
mod trip;
mod vectors;
