//! The text of a signature: four lines, in one spelling.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use super::error::TrustError;
use super::key::KeyId;

/// The first line of every signature. minisign does not sign it, so it is fixed.
const UNTRUSTED: &str = "untrusted comment: signature by oct, see the trusted comment";
const TRUSTED: &str = "trusted comment: ";
/// Algorithm of prehashed signatures: Ed25519 over BLAKE2b-512.
pub(super) const PREHASHED: [u8; 2] = *b"ED";
/// Algorithm of signatures over the data themselves.
const LEGACY: [u8; 2] = *b"Ed";

/// A well-formed signature, which nobody has verified.
pub(super) struct Minisig {
    pub(super) key_id: KeyId,
    pub(super) comment: String,
    pub(super) parsed: minisign_verify::Signature,
}

/// The text of a signature.
pub(super) fn compose(key_id: KeyId, signature: &[u8; 64], comment: &str, global: &[u8; 64]) -> String {
    let line = [&PREHASHED[..], &key_id.0, signature].concat();
    format!("{UNTRUSTED}\n{}\n{TRUSTED}{comment}\n{}\n", STANDARD.encode(line), STANDARD.encode(global))
}

/// Reads the text of a signature in a header or beside an installed manifest: exactly as [`compose`] writes it.
pub(super) fn parse(text: &str) -> Result<Minisig, TrustError> {
    let malformed = TrustError::Malformed;
    let body = text.strip_suffix('\n').ok_or(malformed("it does not end with a line break"))?;
    let lines: Vec<&str> = body.split('\n').collect();
    let [untrusted, line, comment, global] = lines[..] else {
        return Err(malformed("it does not have four lines"));
    };
    if untrusted != UNTRUSTED {
        return Err(malformed("its first line is not the one that oct writes"));
    }
    let line = canonical(line).filter(|line| line.len() == 74).ok_or(malformed("its second line is damaged"))?;
    canonical(global).filter(|line| line.len() == 64).ok_or(malformed("its fourth line is damaged"))?;
    let comment = comment.strip_prefix(TRUSTED).ok_or(malformed("it has no trusted comment"))?;
    match line.first_chunk() {
        Some(&PREHASHED) => {}
        Some(&LEGACY) => return Err(TrustError::Legacy),
        _ => return Err(malformed("its algorithm is unknown")),
    }
    let key_id = KeyId(line[2..10].try_into().map_err(|_| malformed("its second line is damaged"))?);
    let parsed = minisign_verify::Signature::decode(text).map_err(|_| malformed("it is damaged"))?;
    Ok(Minisig { key_id, comment: comment.to_owned(), parsed })
}

/// Reads the text of a signature file beside an archive. A transfer in text mode changes the line ends and may drop the
/// last one; minisign accepts such a file, and so does oct.
pub(super) fn parse_sidecar(text: &str) -> Result<Minisig, TrustError> {
    let mut lines: String = text.replace("\r\n", "\n");
    if !lines.ends_with('\n') {
        lines.push('\n');
    }
    parse(&lines)
}

/// Decodes base64 that has exactly one spelling.
fn canonical(text: &str) -> Option<Vec<u8>> {
    STANDARD.decode(text).ok().filter(|bytes| STANDARD.encode(bytes) == text)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn other_line_ends_are_taken_from_a_sidecar_alone() {
        let text = compose(KeyId([7; 8]), &[1; 64], "file:x created:y", &[2; 64]);
        assert_eq!(parse(&text).ok().map(|signature| signature.comment).as_deref(), Some("file:x created:y"));
        for other in
            [text.replace('\n', "\r\n"), text.trim_end().to_owned(), text.replace('\n', "\r\n").trim_end().into()]
        {
            let read = parse_sidecar(&other).ok().map(|signature| (signature.key_id, signature.comment));
            assert_eq!(read, Some((KeyId([7; 8]), "file:x created:y".into())), "{other:?}");
            assert!(parse(&other).is_err(), "{other:?}");
        }
        for wrong in [text.replace('\n', "\r"), format!("{text}\n"), text.replace("see", "sea")] {
            assert!(parse_sidecar(&wrong).is_err(), "{wrong:?}");
        }
    }
}
