//! What the tests of the folder share: made-up catalogs, a look at the folder with other means than the library's, and
//! a child process that works on the folder until it is stopped.

#![allow(clippy::print_stderr, reason = "a child says why it failed, a skipped test that it was skipped")]
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a helper may fail the test")]

use std::collections::BTreeMap;
use std::fs;
use std::io::{self, Write as _};
use std::os::unix::process::ExitStatusExt as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use jiff::Timestamp;
use oct::base::digest::Sha256Digest;
use oct::base::failure::Classified as _;
use oct::base::member::MemberPath;
use oct::base::progress::Silent;
use oct::catalog::document::Operator;
use oct::catalog::layout::{self, Kind, OPERATORS_PER_PAGE};
use oct::catalog::provenance::Counts;
use oct::catalog::{Validation, Validator, write_operator_page};
use oct::importer::{
    Checkpoint, Checkpoints, Holder, InstallOptions, Locked, NoCheckpoints, Reading, Report, Result, Store, StoreError,
};
use oct::trust::manifest::{Body, FORMAT, File, MANIFEST_FILE, Manifest, VERSION, content_digest};
use oct::trust::{Keyring, SignedManifest, SigningKey, VerifiedManifest};

/// The time of every test.
pub fn now() -> Timestamp {
    "2026-05-06T07:08:09Z".parse().unwrap()
}

/// Secret keys that sign the catalogs of these tests, and nothing else. They are fixed, so that a child process signs
/// the same bytes.
const KEYS: [&str; 2] = [
    "untrusted comment: oct secret key: of the tests\nRWQAAEIyAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA/QcjE2TkK424Az0T0GWnNvB+1HnoqwmVCvl621edi/RGpJavXRZkwTWu2IbdFT4BzEDkStuemlw6odcmXQCk8gx9I89JUPeNidm1rQFSWAfOWwdzfhWhzkbia8FEeD7aEDGo8Xr2O8=\n",
    "untrusted comment: oct secret key: of the tests\nRWQAAEIyAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA6MrXXJWk2dnG2Z5tmQ++7yKWRflDC2um6tBvLO8PbKZikvchPxtkSrmZxIbl/eRevtBEAdciexGCRekrFWdmtJtm26ujZPCof2xrF+bj1dbQ6cGTZOYU/EqZw0OjIXoeKtBLu2Pyllw=\n",
];

fn signing_keys() -> [SigningKey; 2] {
    KEYS.map(|text| SigningKey::parse(text, "a test", || Ok(None)).unwrap())
}

/// A keyring that trusts the catalogs of these tests.
pub fn keyring() -> Keyring {
    Keyring::new(signing_keys().iter().map(|key| key.public().clone()).collect())
}

/// Images of a made-up catalog: few, but of a kilobyte each, so that their file is written in several steps.
const IMAGES: u64 = 300;

/// The file at `path` of the catalog with this letter.
fn content(letter: char, path: &MemberPath, operators: usize) -> Vec<u8> {
    let mut out = Vec::new();
    match Kind::of(path).unwrap() {
        Kind::ArchiveJson => {
            write!(out, r#"{{"containers":{IMAGES},"operators":{operators},"charts":1}}"#).unwrap();
        }
        Kind::Containers => {
            let filling = letter.to_string().repeat(1_300);
            let entry = |number| {
                format!(
                    r#""sha256:{number:064x}":{{"_id":"{number:024x}","certified":true,"architecture":"{filling}"}}"#
                )
            };
            write!(out, "{{{}}}", (0..IMAGES).map(entry).collect::<Vec<_>>().join(",\n")).unwrap();
        }
        Kind::Helm => write!(out, "entries:\n  {letter}:\n  - version: 1.0.0\n").unwrap(),
        Kind::OperatorPage { number, size } => {
            let row = |at: usize| Operator {
                csv_name: format!("{letter}.v{}.0.0", number * OPERATORS_PER_PAGE + at).into(),
                ocp_version: "4.16".into(),
                channel_name: "stable".into(),
            };
            write_operator_page(&(0..size).map(row).collect::<Vec<_>>(), number, operators, &mut out).unwrap();
        }
    }
    out
}

/// A small made-up catalog.
pub struct Catalog {
    pub manifest: VerifiedManifest,
    pub files: BTreeMap<String, Vec<u8>>,
}

impl Catalog {
    /// A catalog that is told from others by its letter in every file, and by the number of its files.
    pub fn new(letter: char) -> Self {
        let operators = if letter.is_ascii_uppercase() && (letter as u32).is_multiple_of(2) { 1_200 } else { 700 };
        let mut files = BTreeMap::new();
        for path in layout::paths(operators) {
            let bytes = content(letter, &MemberPath::new(path.clone()).unwrap(), operators);
            files.insert(path, bytes);
        }
        let list: Vec<_> = files
            .iter()
            .map(|(path, bytes)| File {
                path: MemberPath::new(path.clone()).unwrap(),
                size: bytes.len() as u64,
                sha256: Sha256Digest::of(bytes),
            })
            .collect();
        let created = Timestamp::from_second(1_770_000_000 + i64::from(letter as u32) * 3_600).unwrap();
        let manifest = Manifest {
            format: FORMAT.into(),
            version: VERSION,
            created,
            tool: format!("test {letter}"),
            partial: None,
            sources: vec![],
            counts: Counts { containers: IMAGES, digests: IMAGES, operators: operators as u64, charts: 1 },
            body: Body { size: 1, sha256: Sha256Digest::of(b"body") },
            content: content_digest(&list),
            files: list,
        };
        let (text, comment) = (manifest.to_text(), manifest.trusted_comment(MANIFEST_FILE));
        let signatures = signing_keys().map(|key| key.sign(&mut text.as_bytes(), &comment).unwrap());
        let manifest = SignedManifest::new(text, signatures.to_vec()).verify(&keyring()).unwrap();
        Self { manifest, files }
    }

    pub fn validation(&self) -> Validation {
        let mut validator = Validator::new(self.manifest.counts);
        for (path, bytes) in &self.files {
            validator.read(&MemberPath::new(path.clone()).unwrap(), bytes.as_slice()).unwrap();
        }
        validator.finish().unwrap()
    }

    /// Installs it into a locked folder.
    pub fn install(&self, locked: &mut Locked, keep: usize) -> Result<Report> {
        let staging = locked.stage(&self.manifest)?;
        for (path, bytes) in &self.files {
            let mut out = staging.file(&MemberPath::new(path.clone()).unwrap())?;
            for piece in bytes.chunks(100_000) {
                out.write_all(piece).map_err(|error| StoreError::from_io(error).unwrap())?;
            }
            out.finish()?;
        }
        let archive = self.archive();
        staging.finish(self.validation())?.install(&InstallOptions { keep, now: now(), archive })
    }

    /// The name that its archive would have.
    pub fn archive(&self) -> String {
        oct::archive::name::ArchiveName::new(self.manifest.created).to_string()
    }

    /// Whether a folder holds exactly this catalog below `data`.
    pub fn is_in(&self, dir: &Path) -> bool {
        tree(&dir.join("data")) == self.files
    }

    /// Whether the files of its manifest stand in a folder.
    pub fn vouches_in(&self, dir: &Path) -> bool {
        let signed = self.manifest.signed();
        let read = |name: &str| fs::read_to_string(dir.join(name)).unwrap_or_default();
        read("manifest.json") == signed.unverified_text()
            && read("manifest.json.minisig") == signed.signatures()[0]
            && read("manifest.json.minisig.2") == signed.signatures()[1]
            && !dir.join("manifest.json.minisig.3").exists()
    }
}

/// Every file below `data`, read without the library.
pub fn tree(data: &Path) -> BTreeMap<String, Vec<u8>> {
    let mut files = BTreeMap::new();
    let mut pending = vec![(data.to_owned(), String::from("data"))];
    while let Some((path, name)) = pending.pop() {
        let Ok(entries) = fs::read_dir(&path) else { continue };
        for entry in entries {
            let entry = entry.unwrap();
            let name = format!("{name}/{}", entry.file_name().to_str().unwrap());
            if entry.file_type().unwrap().is_dir() {
                pending.push((entry.path(), name));
            } else {
                files.insert(name, fs::read(entry.path()).unwrap_or_default());
            }
        }
    }
    files
}

/// The names in a folder, sorted.
pub fn names(dir: &Path) -> Vec<String> {
    let Ok(entries) = fs::read_dir(dir) else { return vec![] };
    let mut names: Vec<_> = entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
    names.sort_unstable();
    names
}

/// Fails unless the folder holds nothing but what an idle folder holds.
pub fn assert_tidy(dir: &Path, about: &str) {
    for name in names(&dir.join(".oct")) {
        assert!(["history.jsonl", "lock", "previous"].contains(&name.as_str()), "{about}: `.oct/{name}` is left over");
    }
    for version in names(&dir.join(".oct/previous")) {
        assert!(dir.join(".oct/previous").join(&version).join("data").exists(), "{about}: `{version}` is empty");
    }
    for name in names(dir) {
        let expected = name == ".oct" || name == "data" || name.starts_with("manifest.json");
        assert!(expected, "{about}: `{name}` is left over");
    }
}

/// Stops, fails or counts at checkpoints.
#[derive(Default)]
pub struct Meddle {
    /// How often each checkpoint was passed, in the order of the first time.
    pub seen: Mutex<Vec<(Checkpoint, u32)>>,
    /// Is asked at each, with how often it came before.
    pub act: Option<Act>,
}

pub type Act = Box<dyn Fn(Checkpoint, u32) -> io::Result<()> + Send + Sync>;

impl Checkpoints for Meddle {
    fn before(&self, checkpoint: Checkpoint) -> io::Result<()> {
        let count = {
            let mut seen = self.seen.lock().unwrap();
            match seen.iter_mut().find(|(known, _)| *known == checkpoint) {
                Some((_, count)) => {
                    *count += 1;
                    *count - 1
                }
                None => {
                    seen.push((checkpoint, 1));
                    0
                }
            }
        };
        self.act.as_ref().map_or(Ok(()), |act| act(checkpoint, count))
    }
}

impl Meddle {
    pub fn acting(act: impl Fn(Checkpoint, u32) -> io::Result<()> + Send + Sync + 'static) -> Arc<Self> {
        Arc::new(Self { act: Some(Box::new(act)), ..Self::default() })
    }

    /// Every pass of every checkpoint, flat.
    pub fn passes(&self) -> Vec<(Checkpoint, u32)> {
        let seen = self.seen.lock().unwrap();
        seen.iter().flat_map(|(checkpoint, count)| (0..*count).map(|pass| (*checkpoint, pass))).collect()
    }
}

/// How the filesystem is made to look.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Filesystem {
    AsIs,
    NoExchange,
    /// `data` cannot be moved away.
    NoMove,
    /// Neither that nor anything into its place.
    NoMoveAtAll,
}

impl Filesystem {
    /// The error that such a filesystem gives at a checkpoint.
    pub fn refusal(self, checkpoint: Checkpoint) -> Option<io::Error> {
        match (self, checkpoint) {
            (Self::NoExchange, Checkpoint::Exchange) => Some(errno(22)),
            (Self::NoMove, Checkpoint::Exchange | Checkpoint::MoveOldAway) => Some(errno(18)),
            (Self::NoMoveAtAll, Checkpoint::Exchange | Checkpoint::MoveOldAway | Checkpoint::MoveNewIn) => {
                Some(errno(18))
            }
            _ => None,
        }
    }

    pub fn hooks(self) -> Arc<dyn Checkpoints> {
        match self {
            Self::AsIs => Arc::new(NoCheckpoints),
            _ => Meddle::acting(move |checkpoint, _| self.refusal(checkpoint).map_or(Ok(()), Err)),
        }
    }
}

pub fn errno(number: i32) -> io::Error {
    io::Error::from_raw_os_error(number)
}

pub fn holder(command: &str) -> Holder {
    Holder::new(command, now())
}

pub fn try_lock(dir: &Path) -> Result<Locked> {
    Store::open(dir).lock(&holder("oct import"), Duration::ZERO, &Silent)
}

pub fn lock(dir: &Path) -> Locked {
    try_lock(dir).unwrap()
}

pub fn lock_with(dir: &Path, hooks: Arc<dyn Checkpoints>) -> Result<Locked> {
    Store::with_checkpoints(dir, hooks).lock(&holder("oct import"), Duration::ZERO, &Silent)
}

pub fn read(dir: &Path) -> Result<Reading> {
    Store::open(dir).read(&holder("oct status"), Duration::ZERO, &Silent)
}

/// A place for tests that begin anew hundreds of times: in memory where that is possible, since nobody pulls the plug.
pub fn scratch() -> tempfile::TempDir {
    let memory = Path::new("/dev/shm");
    tempfile::tempdir_in(memory).or_else(|_| tempfile::tempdir()).unwrap()
}

/// A folder with these catalogs installed, one after another, to begin from again and again.
pub struct Template {
    parent: tempfile::TempDir,
}

impl Template {
    pub fn new(letters: &str) -> Self {
        let parent = scratch();
        installed(&parent.path().join("db"), 1, letters);
        Self { parent }
    }

    pub fn copy_to(&self, dir: &Path) {
        let mut pending = vec![(self.parent.path().join("db"), dir.to_owned())];
        while let Some((from, to)) = pending.pop() {
            if !from.is_dir() {
                fs::copy(from, to).unwrap();
            } else {
                fs::create_dir_all(&to).unwrap();
                pending.extend(names(&from).into_iter().map(|name| (from.join(&name), to.join(&name))));
            }
        }
    }
}

/// Installs one catalog after another.
pub fn installed(dir: &Path, keep: usize, letters: &str) {
    for letter in letters.chars() {
        Catalog::new(letter).install(&mut lock(dir), keep).unwrap();
    }
}

/// An error with all its causes, as a person sees it.
pub fn words(error: &StoreError) -> String {
    let mut words = error.to_string();
    let mut source = std::error::Error::source(error);
    while let Some(error) = source {
        words.push_str(&format!(": {error}"));
        source = error.source();
    }
    if let Some(hint) = oct::ops::hint::store(error) {
        words.push_str(&format!(" (hint: {hint})"));
    }
    words
}

/// A folder with catalogs installed, one after another.
pub struct Scene {
    pub parent: tempfile::TempDir,
    pub dir: PathBuf,
}

impl Scene {
    pub fn new(letters: &str) -> Self {
        let parent = tempfile::tempdir().unwrap();
        let dir = parent.path().join("db");
        installed(&dir, 9, letters);
        Self { parent, dir }
    }

    pub fn previous(&self) -> Vec<String> {
        lock(&self.dir).previous().unwrap().into_iter().map(|version| version.name).collect()
    }

    /// What a person reads, with the test's own path replaced.
    pub fn words(&self, error: &StoreError) -> String {
        words(error).replace(self.parent.path().to_str().unwrap(), "DIR")
    }
}

/// What a child process is to do, all in one variable of the environment.
#[derive(Debug, Clone)]
pub struct Job {
    pub dir: PathBuf,
    /// `install:B`, `alternate`, `rollback`, `recover` or `status`.
    pub task: String,
    /// Where to kill itself: a checkpoint and how often it passes before.
    pub kill: Option<(Checkpoint, u32)>,
    /// Where to wait, until a file named `go` is there, having made one named `held`.
    pub hold: Option<Checkpoint>,
    pub filesystem: Filesystem,
    /// Milliseconds to wait for the lock.
    pub wait: u64,
}

const VARIABLE: &str = "OCT_TEST_JOB";

impl Job {
    pub fn new(dir: &Path, task: &str) -> Self {
        let filesystem = Filesystem::AsIs;
        Self { dir: dir.to_owned(), task: task.to_owned(), kill: None, hold: None, filesystem, wait: 0 }
    }

    fn encode(&self) -> String {
        let kill = self.kill.map(|(checkpoint, pass)| (checkpoint.name(), pass));
        let hold = self.hold.map(Checkpoint::name);
        let filesystem = format!("{:?}", self.filesystem);
        serde_json::to_string(&(&self.dir, &self.task, kill, hold, filesystem, self.wait)).unwrap()
    }

    fn decode(text: &str) -> Self {
        type Parts = (PathBuf, String, Option<(String, u32)>, Option<String>, String, u64);
        let (dir, task, kill, hold, filesystem, wait): Parts = serde_json::from_str(text).unwrap();
        let checkpoint = |name: String| Checkpoint::ALL.into_iter().find(|known| known.name() == name).unwrap();
        let filesystems = [Filesystem::AsIs, Filesystem::NoExchange, Filesystem::NoMove, Filesystem::NoMoveAtAll];
        Self {
            dir,
            task,
            kill: kill.map(|(name, pass)| (checkpoint(name), pass)),
            hold: hold.map(checkpoint),
            filesystem: filesystems.into_iter().find(|known| format!("{known:?}") == filesystem).unwrap(),
            wait,
        }
    }

    /// The command that does it: this very program, asked for the test that is no test.
    pub fn command(&self) -> Command {
        let mut command = Command::new(std::env::current_exe().unwrap());
        command.args(["--exact", "install_crash::child", "--nocapture", "--test-threads=1"]);
        self.prepare(&mut command);
        command
    }

    /// Gives the job to a command that runs this program in the end.
    pub fn prepare(&self, command: &mut Command) {
        command.env(VARIABLE, self.encode()).stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::piped());
    }

    pub fn spawn(&self) -> Child {
        self.command().spawn().unwrap()
    }

    pub fn run(&self) -> (ExitStatus, String) {
        finished(self.spawn())
    }
}

/// How a child ended, and what it said.
pub fn finished(child: Child) -> (ExitStatus, String) {
    let output = child.wait_with_output().unwrap();
    (output.status, String::from_utf8(output.stderr).unwrap())
}

pub fn was_killed(status: ExitStatus) -> bool {
    status.signal() == Some(9)
}

/// Does the job that the environment names, and leaves with the exit code of its outcome.
pub fn do_job() {
    let Ok(text) = std::env::var(VARIABLE) else { return };
    let job = Job::decode(&text);
    let Job { kill, hold, filesystem, dir, .. } = job.clone();
    let hooks = Meddle::acting(move |checkpoint, pass| {
        if kill == Some((checkpoint, pass)) {
            let this = rustix::process::getpid();
            rustix::process::kill_process(this, rustix::process::Signal::KILL)?;
        }
        if hold == Some(checkpoint) && pass == 0 {
            fs::write(dir.with_extension("held"), "")?;
            while !dir.with_extension("go").exists() {
                std::thread::sleep(Duration::from_millis(2));
            }
        }
        filesystem.refusal(checkpoint).map_or(Ok(()), Err)
    });
    let outcome = work(&job, hooks);
    if let Err(error) = &outcome {
        eprintln!("{}", words(error));
    }
    std::process::exit(outcome.map_or_else(|error| error.class().exit_code().into(), |()| 0));
}

fn work(job: &Job, hooks: Arc<dyn Checkpoints>) -> Result<()> {
    let store = Store::with_checkpoints(&job.dir, hooks);
    let wait = Duration::from_millis(job.wait);
    if job.task == "status" {
        let reading = store.read(&holder("oct status"), wait, &Silent)?;
        let installed = reading.installed()?.expect("something is installed");
        let manifest = installed.manifest.expect("with a manifest");
        let manifest = manifest.verify(&keyring()).unwrap();
        let findings = reading.verify_files(&manifest);
        assert!(findings.is_intact(), "{findings:?}");
        return Ok(());
    }
    let mut locked = store.lock(&holder(&format!("oct {}", job.task)), wait, &Silent)?;
    match job.task.split_once(':') {
        Some(("install", letter)) => {
            Catalog::new(letter.chars().next().unwrap()).install(&mut locked, 1)?;
        }
        _ if job.task == "rollback" => {
            locked.rollback(now())?;
        }
        _ if job.task == "alternate" => {
            let catalogs = ['A', 'B'].map(Catalog::new);
            for catalog in catalogs.iter().cycle() {
                catalog.install(&mut locked, 1)?;
            }
        }
        _ => assert_eq!(job.task, "recover"),
    }
    Ok(())
}
