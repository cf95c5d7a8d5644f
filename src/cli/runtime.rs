//! What ends a run from outside: SIGINT and SIGTERM, the limit on the size of files; and what a run must not inherit.

use std::future::Future;
use std::io;
use std::process::exit;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, LazyLock, mpsc};
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

/// The number of the signal that came; 0 for none.
static CAME: LazyLock<Arc<AtomicUsize>> = LazyLock::new(Arc::default);
/// Whether a thread looks for signals, and ends the program; else the command itself does.
static WATCHED: AtomicBool = AtomicBool::new(false);

/// Clears the owner's bits of the umask: this user can read, write and enter every new file and folder. The bits of
/// the others stay.
pub(super) fn open_umask() {
    let inherited = umask(Mode::RWXU);
    umask(inherited & !Mode::RWXU);
}

/// From now on a signal waits for [`watch`]; and a file that grows beyond the limit of the shell is an error, not a
/// signal that kills.
pub(super) fn catch() -> io::Result<()> {
    for number in [SIGINT, SIGTERM] {
        flag::register_usize(number, Arc::clone(&CAME), number.unsigned_abs() as usize)?;
    }
    // With any handler, the write returns an error instead.
    flag::register(SIGXFSZ, Arc::default()).map(|_| ())
}

/// Why the program ends, if a signal came.
fn came() -> Option<Error> {
    match CAME.load(Ordering::SeqCst) {
        0 => None,
        number if number == SIGINT.unsigned_abs() as usize => Some(Error::Interrupted),
        _ => Some(Error::Terminated),
    }
}

/// Waits for the end of the program if a signal came: it may have caused the result, as where it also ended the
/// program that writes to our stdin.
pub(super) fn end_if_signalled() {
    while WATCHED.load(Ordering::SeqCst) && came().is_some() {
        thread::sleep(LOOK);
    }
}

/// From now on a signal ends the program with a message, a document and the code of the signal. `hint` says what then
/// remains.
pub(super) fn watch(context: &Context, hint: Option<&'static str>) -> Result<(), Error> {
    let out = context.out;
    let terminal = tcgetattr(io::stderr()).ok();
    thread::Builder::new().spawn(move || {
        let error = loop {
            match came().filter(|_| WATCHED.load(Ordering::SeqCst)) {
                Some(error) => break error,
                None => thread::sleep(LOOK),
            }
        };
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
    WATCHED.store(true, Ordering::SeqCst);
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
        WATCHED.store(false, Ordering::SeqCst);
        // A signal that came before these two handlers were installed.
        if let Some(error) = came() {
            return Err(error);
        }
        tokio::select! {
            done = work => {
                WATCHED.store(true, Ordering::SeqCst);
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
