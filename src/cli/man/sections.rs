//! The sections of a man page that do not follow from the definition of the flags alone.

use clap::{ArgAction, Command};
use roff::{Roff, bold, roman};

use super::super::flags::DB_VARIABLE;

/// What an entry is about, so that it stands in the pages of the commands that it concerns, and in the page of `oct`.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Concerns {
    /// Every command.
    All,
    /// Those that send requests.
    Network,
    /// Those that open a secret key or make one.
    SecretKey,
    /// Those that ask which keys are trusted.
    Trust,
    /// Those that work on the installed catalog.
    Folder,
    /// Those that fetch the catalog.
    Fetch,
    /// `oct pull`.
    Pull,
}

impl Concerns {
    fn command(self, command: &Command) -> bool {
        let has = |id: &str| command.get_arguments().any(|arg| arg.get_id() == id);
        let is = |name: &str| command.get_name() == name;
        let this = match self {
            Self::All => true,
            Self::Network => has("ca_cert"),
            Self::SecretKey => has("secret_key") || has("no_password"),
            Self::Trust => has("key") || is("trust") || has("system"),
            Self::Folder => command.get_arguments().any(|arg| arg.get_env().is_some_and(|name| name == DB_VARIABLE)),
            Self::Fetch => has("fresh"),
            Self::Pull => is("pull"),
        };
        this || is("oct")
    }
}

/// Variables that are no flag's.
const VARIABLES: [(Concerns, &str, &str); 11] = [
    (
        Concerns::SecretKey,
        "OCT_KEY_PASSWORD_FILE",
        "A file with the password of the secret key in its first line, mode 0600.",
    ),
    (
        Concerns::SecretKey,
        "CREDENTIALS_DIRECTORY",
        "systemd's folder of credentials: `oct.key` is the secret key, `oct.password` its password, `oct.next.key` a second key that signs as well.",
    ),
    (
        Concerns::Network,
        "HTTPS_PROXY, HTTP_PROXY, ALL_PROXY, NO_PROXY",
        "The proxy, and the hosts that are asked without it. An invalid setting is an error.",
    ),
    (
        Concerns::Fetch,
        "SOURCE_DATE_EPOCH",
        "The creation time of the archive in seconds since 1970, for a reproducible archive.",
    ),
    (Concerns::Fetch, "CACHE_DIRECTORY", "systemd's cache folder, in the place of $XDG_CACHE_HOME/oct."),
    (Concerns::Fetch, "XDG_CACHE_HOME", "Where a fetch that was interrupted is kept; ~/.cache where it is not set."),
    (
        Concerns::All,
        "XDG_CONFIG_HOME",
        "Where the user's configuration, trusted keys and secret key are; ~/.config where it is not set.",
    ),
    (
        Concerns::All,
        "XDG_STATE_HOME",
        "Where oct notes the last import, and the newest list that was seen; ~/.local/state where it is not set.",
    ),
    (Concerns::All, "NO_COLOR", "No colours, if it is set and not empty."),
    (Concerns::All, "TERM", "`dumb`: no colours and no progress bar."),
    (Concerns::All, "COLUMNS", "The width of tables and of text on a terminal."),
];

const FILES: [(Concerns, &str, &str); 12] = [
    (Concerns::All, "/etc/oct/config.toml", "The defaults of flags for everybody on this host."),
    (Concerns::All, "$XDG_CONFIG_HOME/oct/config.toml", "The defaults of flags for this user."),
    (Concerns::Trust, "/etc/oct/policy.toml", "Rules that no flag loosens. It belongs to root."),
    (Concerns::Trust, "/etc/oct/trusted.d/*.pub", "Keys that are trusted by everybody on this host."),
    (Concerns::Trust, "$XDG_CONFIG_HOME/oct/trusted.d/*.pub", "Keys that this user trusts."),
    (
        Concerns::SecretKey,
        "oct.key, $XDG_CONFIG_HOME/oct/oct.key",
        "The secret key, where --secret-key names no other.",
    ),
    (Concerns::Fetch, "$XDG_CACHE_HOME/oct", "What an interrupted fetch has received, for the next run."),
    (Concerns::Folder, "DIR/data", "The catalog, as certsuite reads it."),
    (Concerns::Folder, "DIR/manifest.json, DIR/manifest.json.minisig", "What is installed, and its signatures."),
    (
        Concerns::Folder,
        "DIR/.oct",
        "The lock, the history and the replaced catalogs. Nothing in it has to be deleted by hand.",
    ),
    (Concerns::Pull, ".oct-pull.json, $XDG_STATE_HOME/oct/pull.json", "When the newest list of each key was written."),
    (Concerns::Pull, "catalogs.json, catalogs.json.minisig", "The signed list of the archives of a site."),
];

/// Exit codes, as the README has them.
const EXIT: [(&str, &str); 9] = [
    ("0", "Done; the answer is yes."),
    ("1", "The answer is no."),
    ("2", "Usage."),
    ("3", "The source: unreachable, refused, incomplete or inconsistent. No archive was written."),
    ("4", "Verification: signature, checksum, format or hostile content. Nothing was installed."),
    (
        "5",
        "Policy: older than installed, too old, partial over a full catalog, less than the archive it would replace, \
         or other files in the place of the catalog.",
    ),
    ("6", "This host: disk space, permission, lock held, key file."),
    ("130", "Interrupted, by SIGINT."),
    ("143", "Terminated, by SIGTERM."),
];

/// Adds EXIT STATUS, ENVIRONMENT, FILES, and what the help says at its end.
pub(super) fn add(page: &mut Roff, command: &Command) {
    section(page, "EXIT STATUS", EXIT.into_iter().map(|(code, text)| (code.to_owned(), text.to_owned())));
    let flags = command.get_arguments().filter_map(|arg| {
        let flag = arg.get_long().map_or_else(|| arg.get_id().to_string().to_uppercase(), |long| format!("--{long}"));
        let text = match arg.get_action() {
            ArgAction::SetTrue => format!("{flag}, if it is 1, yes or true."),
            ArgAction::Count => format!("{flag}, as often as it says."),
            _ => format!("The default of {flag}."),
        };
        Some((arg.get_env()?.to_string_lossy().into_owned(), text))
    });
    section(page, "ENVIRONMENT", flags.chain(chosen(&VARIABLES, command)));
    section(page, "FILES", chosen(&FILES, command));
    let help = command.get_after_help().map(ToString::to_string).unwrap_or_default();
    for paragraph in help.split("\n\n") {
        let (title, rest) = paragraph.split_once(':').unwrap_or((paragraph, ""));
        if ["Exit codes", "Environment", ""].contains(&title) {
            continue;
        }
        page.control("SH", [&*title.to_uppercase()]);
        // Examples stand as they are typed.
        let as_typed = rest.starts_with('\n');
        if as_typed {
            page.control("nf", []);
        }
        let rest = if as_typed { rest.trim_start_matches('\n').to_owned() } else { sentence(rest) };
        rest.lines().for_each(|line| _ = page.text([roman(line.strip_prefix("  ").unwrap_or(line))]));
        if as_typed {
            page.control("fi", []);
        }
    }
    page.control("SH", ["SEE ALSO"]);
    page.text([roman(match command.get_name() {
        "oct" => "The guide: /usr/share/doc/oct/GUIDE.md. What is promised: /usr/share/doc/oct/SECURITY.md.",
        _ => "oct(1). The guide: /usr/share/doc/oct/GUIDE.md.",
    })]);
}

fn chosen(table: &'static [(Concerns, &str, &str)], command: &Command) -> impl Iterator<Item = (String, String)> {
    let chosen = table.iter().filter(|(concerns, ..)| concerns.command(command));
    chosen.map(|(_, name, text)| ((*name).to_owned(), (*text).to_owned()))
}

fn section(page: &mut Roff, title: &str, entries: impl Iterator<Item = (String, String)>) {
    page.control("SH", [title]);
    for (name, text) in entries {
        page.control("TP", []);
        page.text([bold(name)]);
        page.text([roman(text)]);
    }
}

/// `text`, which follows a colon, as a sentence of its own.
fn sentence(text: &str) -> String {
    let mut letters = text.trim_start().chars();
    let first = letters.next();
    first.into_iter().flat_map(char::to_uppercase).chain(letters).collect()
}
