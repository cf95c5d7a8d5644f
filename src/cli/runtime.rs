//! What ends a run from outside: SIGINT and SIGTERM, the limit on the size of files; and what a run must not inherit.

use std::future::Future;
use std::io;
use std::process::exit;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, mpsc};
use std::thread;
use std::time::Duration;

use rustix::fs::Mode;
use rustix::process::umask;
use rustix::termios::{OptionalActions, tcgetattr, tcsetattr};
use signal_hook::consts::{SIGINT, SIGTERM, SIGXFSZ};
use signal_hook::flag;
use tokio::signal::unix::{SignalKind, signal};

use super::output::{self, Output};
use super::{Context, documents};
use crate::base::failure::Classified as _;
use crate::base::text;
use crate::ops::Error;

/// Threads that drive requests. Computation has threads of its own.
const WORKERS: usize = 2;
/// How often the thread looks for a signal.
const LOOK: Duration = Duration::from_millis(20);
/// How long the last message may take: nobody may read the pipe that it goes to.
const LAST_WORDS: Duration = Duration::from_secs(1);

/// Whether the command itself ends at a signal.
static IN_HAND: AtomicBool = AtomicBool::new(false);

/// Clears the owner's bits of the umask: this user can read, write and enter every new file and folder. The bits of
/// the others stay.
pub(super) fn open_umask() {
    let inherited = umask(Mode::RWXU);
    umask(inherited & !Mode::RWXU);
}

/// From now on a signal ends the program with a message, a document and the code of the signal; and a file that grows
/// beyond the limit of the shell is an error, not a signal that kills. `hint` says what then remains.
pub(super) fn watch(context: &Context, hint: Option<&'static str>) -> Result<(), Error> {
    let out = context.out;
    let terminal = tcgetattr(io::stderr()).ok();
    let came = Arc::new(AtomicUsize::new(0));
    for number in [SIGINT, SIGTERM] {
        flag::register_usize(number, Arc::clone(&came), number.unsigned_abs() as usize)?;
    }
    // With any handler, the write returns an error instead.
    flag::register(SIGXFSZ, Arc::default())?;
    thread::Builder::new().spawn(move || {
        let number = loop {
            thread::sleep(LOOK);
            match came.swap(0, Ordering::Relaxed) {
                0 => {}
                _ if IN_HAND.load(Ordering::Relaxed) => {}
                number => break number,
            }
        };
        let is_interrupt = number == SIGINT.unsigned_abs() as usize;
        let error = if is_interrupt { Error::Interrupted } else { Error::Terminated };
        // A password prompt may have switched off the echo.
        if let Some(terminal) = terminal {
            let _ = tcsetattr(io::stderr(), OptionalActions::Now, &terminal);
        }
        let code = error.class().exit_code();
        let (said, wait) = mpsc::channel();
        let _ = thread::Builder::new().spawn(move || {
            last_words(out, &error, hint);
            let _ = said.send(());
        });
        let _ = wait.recv_timeout(LAST_WORDS);
        exit(code.into());
    })?;
    Ok(())
}

fn last_words(out: Output, error: &Error, hint: Option<&str>) {
    let failure = documents::failure(error.class(), error.code(), &text::with_causes(error), hint);
    out.stderr.fail(&failure);
    if out.json {
        output::last_document(&documents::error(&failure));
    }
}

/// Runs `work` until it is done, or until SIGINT or SIGTERM.
pub(super) fn until_signal<T>(work: impl Future<Output = Result<T, Error>>) -> Result<T, Error> {
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(WORKERS).enable_all().build()?;
    let result = runtime.block_on(async {
        let mut interrupt = signal(SignalKind::interrupt())?;
        let mut terminate = signal(SignalKind::terminate())?;
        IN_HAND.store(true, Ordering::Relaxed);
        tokio::select! {
            done = work => {
                IN_HAND.store(false, Ordering::Relaxed);
                done
            }
            _ = interrupt.recv() => Err(Error::Interrupted),
            _ = terminate.recv() => Err(Error::Terminated),
        }
    });
    // Do not wait for threads that still compute.
    runtime.shutdown_background();
    result
}
