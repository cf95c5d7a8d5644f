//! Running work until it is done or a signal ends it.

use std::future::Future;

use tokio::signal::unix::{SignalKind, signal};

use crate::ops::Error;

/// Threads that drive requests; what computes has threads of its own.
const WORKERS: usize = 2;

/// Runs `work` until it is done, or until SIGINT or SIGTERM.
pub(super) fn until_signal<T>(work: impl Future<Output = Result<T, Error>>) -> Result<T, Error> {
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(WORKERS).enable_all().build()?;
    let result = runtime.block_on(async {
        let mut terminate = signal(SignalKind::terminate())?;
        tokio::select! {
            done = work => done,
            _ = tokio::signal::ctrl_c() => Err(Error::Interrupted),
            _ = terminate.recv() => Err(Error::Interrupted),
        }
    });
    // What still computes must not hold up the end.
    runtime.shutdown_background();
    result
}
