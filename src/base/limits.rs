//! Limits on what comes from outside, with the attack or the accident that it stops.

/// Bytes of the archive's header (`packaging/FORMAT.md`: at most 1 MiB). Stops a header that would fill the memory before any
/// signature could be checked.
pub const HEADER_BYTES: u64 = 1 << 20;

/// Signatures in one header. Stops a header that costs one Ed25519 verification per 300 bytes; a rotation needs two.
pub const SIGNATURES: usize = 8;

/// Members of an archive. Stops a manifest that exhausts inodes; 30,000 operators are 60 pages.
pub const MEMBERS: usize = 2_048;

/// Bytes of one member once unpacked. Stops a bomb in a single file; 200,000 images are about 100 MB.
pub const MEMBER_BYTES: u64 = 2 << 30;

/// Bytes of one entry of `containers.db`, a line of the file. Stops one line that fills the memory of each reader; the
/// largest of 4,637 real ones has 2 kB.
pub const ENTRY_BYTES: usize = 4 << 20;

/// Bytes of all images under all their digests, before they are merged. Stops a document with 100,000 digests, under
/// each of which it would stand whole; 1,000,000 images have 0.8 GB.
pub const RECORDS_BYTES: u64 = 8 << 30;

/// Bytes of all members together. Stops filling the bastion's disk.
pub const TOTAL_BYTES: u64 = 4 << 30;

/// Unpacked bytes for each byte of the body. Stops a body of a few kilobytes that keeps the CPU busy for minutes;
/// real catalogs stay below 40, and below [`RATIO_FREE_BYTES`] the ratio does not matter.
pub const RATIO: u64 = 400;

/// Unpacked bytes below which [`RATIO`] is not asked for: a tiny catalog may compress well.
pub const RATIO_FREE_BYTES: u64 = 64 << 20;

/// Bytes of an archive's file: body and header. Stops a list that announces what would fill the disk; real ones have 20 MB.
pub const ARCHIVE_BYTES: u64 = TOTAL_BYTES + (2 << 20);

/// Bytes of the list of a folder's archives. Stops a server that never ends its answer; 1,000 archives are 700 kB.
pub const CATALOGS_BYTES: usize = 4 << 20;

/// Archives in that list. Stops one that keeps every command busy; ten years of daily archives are 3,650.
pub const CATALOGS: usize = 4_096;

/// Bytes of a member's path. Stops GNU and PAX long names: a longer one does not fit in a plain tar header.
pub const PATH_BYTES: usize = 100;

/// Window of the decompressor, as a power of two. Stops a frame that asks for gigabytes of memory; `oct` writes at
/// most 2^23.
pub const WINDOW_LOG: u32 = 23;

/// Bytes of the chart index, decompressed. Stops a server that never ends its answer, and a text that takes long to
/// parse; 622 chart versions are 2 MB.
pub const CHART_INDEX_BYTES: usize = 16 << 20;

/// Versions in the chart index. Stops a list of aliases that each stand for one long list; the real index has 622.
pub const CHART_VERSIONS: usize = 100_000;

/// Differing images that `diff` lists; all are counted. Stops a list that fills the memory where two catalogs have
/// nothing in common; within a month some 5,000 of 50,000 change.
pub const DIFF_IMAGES: usize = 10_000;

/// Bytes of the entries of these. Stops a catalog in which all entries are of one document; 10,000 images with four
/// digests each on both sides have 28 MB.
pub const DIFF_BYTES: usize = 32 << 20;

/// Bytes of a key or signature file. Stops reading a disk image that was named by mistake.
pub const KEY_FILE_BYTES: u64 = 16 << 10;

/// Bytes of a file with a password. Stops the same; a password is one line.
pub const PASSWORD_FILE_BYTES: u64 = 4 << 10;

/// Bytes of a file of certificate authorities. Stops the same; all 150 of a system have 250 kB.
pub const CA_FILE_BYTES: u64 = 4 << 20;

/// Bytes of a file with the value of a header. Stops the same; servers accept some 16 kB.
pub const HEADER_FILE_BYTES: u64 = 64 << 10;

/// Bytes of a configuration or policy file. Stops the same; one with every setting has 4 kB.
pub const CONFIG_FILE_BYTES: u64 = 256 << 10;

/// Characters of remote text (an error's detail, a title) that are shown. Stops a text that floods the terminal.
pub const REMOTE_TEXT_CHARS: usize = 300;

/// Bytes of a list of questions. Stops reading a disk image that was named by mistake; the pods of a cluster with
/// 10,000 containers are about 100 MB.
pub const QUESTIONS_BYTES: u64 = 512 << 20;

/// Questions of a list. Stops lines of a few bytes, the answer to each of which takes 3 kB; a large cluster has some 30,000
/// containers.
pub const QUESTIONS: usize = 50_000;

/// Records of a list of questions in JSON or YAML, those within records among them. Stops `[{},{},…`, each of which takes
/// many times its size in memory; a pod has some 5, and a large cluster 20,000 pods.
pub const RECORDS: usize = 150_000;

/// Bytes of all texts that are kept of such a list. Stops names that fill the memory by themselves; those of a large
/// cluster have some 10 MB.
pub const RECORDS_TEXT_BYTES: usize = 48 << 20;

/// Bytes of a list of questions in YAML. Stops the same, and a text that takes long to parse; the pods of a cluster with
/// 1,000 containers are about 10 MB.
pub const QUESTIONS_YAML_BYTES: u64 = 64 << 20;

/// Bytes of a list of questions in UTF-16. Stops a text that is in memory twice; PowerShell writes lists of a few MB so.
pub const QUESTIONS_UTF_16_BYTES: u64 = 64 << 20;

/// Bytes of one text of a document that is stored. Stops a text that fills the memory by itself; a digest has 71, a tag
/// at most 128, a repository's path at most 255.
pub const TEXT_BYTES: usize = 64 << 10;

/// Keys of `containers.db`. Stops a file of empty entries, each of which takes many times its size in memory; 200,000
/// images stand under some 400,000 digests, a million of Red Hat's own under 2,000,000.
pub const DIGESTS: u64 = 4_000_000;

/// Bytes of `containers.db` for each of its keys, on the average of all but the first [`DIGESTS_OF_ANY_SIZE`]. Stops a
/// file of empty entries, which takes many times as long to read as real ones; the smallest recorded entry has 392
/// bytes with its key.
pub const BYTES_PER_DIGEST: u64 = 200;
/// Keys for which [`BYTES_PER_DIGEST`] does not count: a small file of empty entries does no harm.
pub const DIGESTS_OF_ANY_SIZE: u64 = 100_000;

/// Keys of a folder's `containers.db` that stand there more than once. Stops a file of nothing else, whose keys would be
/// kept in memory; real ones have none.
pub const REPEATED: usize = 100_000;

/// Remarks on entries of a folder. Stops a file of millions of odd ones.
pub const REMARKS: usize = 100;

/// Entries of `containers.db` that are `null`, each of which `check` remembers. Stops a file of such entries; real ones
/// have none.
pub const NULL_ENTRIES: usize = 10_000;

/// Bytes of `archive.json`. Stops a file that fills the memory; three numbers take 60.
pub const ARCHIVE_JSON_BYTES: u64 = 64 << 10;

/// Bytes of one operator page. Stops a page that fills the memory; 500 bundles are some 60 kB.
pub const OPERATOR_PAGE_BYTES: u64 = 16 << 20;

/// Bundles on one operator page. Stops a page of empty bundles, each of which takes many times its size in memory; `oct`
/// and the old tool write 500.
pub const OPERATOR_PAGE_ROWS: usize = 50_000;

/// Bundles on all operator pages together. Stops many tiny pages, each of which repeats all rows of the page before;
/// the catalog has some 30,000.
pub const OPERATORS: u64 = 1_000_000;

/// Bytes of text of all these bundles. Stops the same with long texts; 30,000 bundles have 2 MB.
pub const OPERATOR_BYTES: u64 = 128 << 20;

/// Repositories and tags of one entry of `containers.db`. Stops an entry with millions of empty ones, each of which
/// takes many times its size in memory; real entries have fewer than 1,000.
pub const ENTRY_ITEMS: usize = 100_000;

/// Fields of one object in a file of the layout. Stops millions of them, each of which is compared with all known names; a
/// whole document of the catalog has some 60.
pub const FIELDS: usize = 100_000;

/// Values within values in a folder's JSON, which is Go's own limit. Stops what certsuite does not read.
pub const GO_JSON_DEPTH: usize = 10_000;

/// Depth at which `serde_json` refuses JSON: documents, manifests, claims. Stops a few megabytes of brackets from using
/// up the stack. `serde_json` enforces it, and a test checks that; it skips unknown values without recursion.
pub const JSON_DEPTH: usize = 128;

/// Values within values in YAML: the chart index and lists of questions. Stops nested lists, which the parser looks
/// through at each word; the real index has 6.
pub const YAML_DEPTH: usize = 255;

/// Values in the chart index, keys and lists among them. Stops `[a,a,…`, which takes many times its size in memory; the
/// real index has some 25,000.
pub const YAML_NODES: usize = 1_000_000;

/// Values that the decoder visits in the chart index; a value counts at each visit. Stops many fields of one mapping
/// that many aliases name; the real index takes some 20,000.
pub const YAML_STEPS: u64 = 4_000_000;

/// How many of these visits may go through an alias. Stops aliases of long lists; the real index has none, and yaml.v3
/// takes 396,000 at most.
pub const YAML_ALIASED: u64 = 300_000;

/// Merges (`<<`) within merges. Stops a chain that uses up the stack; the real index has none.
pub const YAML_MERGES: u32 = 32;

#[cfg(test)]
mod tests {
    use super::*;

    /// The depth from which on `read` refuses nested lists.
    fn depth(read: impl Fn(&str) -> bool) -> usize {
        (1..1_000).find(|depth| !read(&format!("{}{}", "[".repeat(*depth), "]".repeat(*depth)))).unwrap()
    }

    #[test]
    fn the_reader_of_json_keeps_the_depth() {
        assert_eq!(depth(|text| serde_json::from_str::<serde_json::Value>(text).is_ok()), JSON_DEPTH);
    }
}
