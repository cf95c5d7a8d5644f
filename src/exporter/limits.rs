//! Every limit on what the servers may send and on what the fetch spends, with its unit, what it stops, and a real
//! figure beside it.

use std::time::Duration;

/// Documents of one collection. Stops a catalog that never ends; Red Hat's own images may be a million.
pub const COLLECTION_DOCUMENTS: u64 = 3_000_000;

/// Documents of one collection for each that the server counted at the start, and some more for small ones. Where the
/// server can count, stops an endless catalog much sooner than the limit above, where the server can count.
pub const DOCUMENTS_PER_COUNTED: u64 = 4;
/// The same: documents that are allowed in addition.
pub const DOCUMENTS_BEYOND_COUNT: u64 = 20_000;

/// Bytes of all answers of one collection. Stops filling the disk; a million images are about 1 GB.
pub const COLLECTION_BYTES: u64 = 6 << 30;

/// Answers of one collection. Stops pages that bring nothing; a million images at 50 a page are 20,000.
pub const COLLECTION_PAGES: u64 = 100_000;

/// Documents of one second. Stops a tie with an absurd total (10^9 made 21,000 requests and 5.4 GB); the recorded
/// catalogs have at most a few, a mass import may have thousands.
pub const TIE_DOCUMENTS: u64 = 100_000;

/// Passes by page number until two have to agree. Stops a listing that is never the same twice.
pub const PASSES: u32 = 10;

/// Rounds of looking for a difference between the server's count and what was found. Stops a catalog that keeps
/// changing; one round is enough if it does not change.
pub const ROUNDS: u32 = 10;

/// Share of the time of the walk that evidence may take after its end. Stops a count that stalls from costing more than
/// the documents did.
pub const EVIDENCE_SHARE: f64 = 0.2;
/// The same, in multiples of the slowest answer with documents: what takes not much longer than a page is waited for.
pub const EVIDENCE_ANSWERS: f64 = 1.5;
/// The same, for a walk that is over at once.
pub const EVIDENCE_LEAST: Duration = Duration::from_millis(150);

/// Time for a question that brings documents which the walk cannot have: those without a date, and after a resume those
/// that changed in the meantime. Stops a stall of 60 s; such a question took 0.3 s where the server manages it.
pub const EVIDENCE_PATIENCE: Duration = Duration::from_secs(5);

/// Time for one question of evidence beside the walk. Stops the first form of a count, which may stall for 60 s, from
/// keeping the second one from being tried.
pub const EVIDENCE_TRY: Duration = Duration::from_secs(15);

/// Pages of changes that are looked at. Stops a server that ignores the condition; a few documents change in a minute.
pub const CHANGES_PAGES: u32 = 40;

/// Odd documents that are named, each in a line. Stops a flood of lines; none is known in the recorded data.
pub const NAMED: usize = 20;
