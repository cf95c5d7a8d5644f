//! JSON that is well formed, but holds a value that no program can represent. It costs a document one value, and not its
//! page.

/// `body` with a replacement character for each half of a surrogate pair and for bytes that are not UTF-8, and `0` for
/// each number that no `f64` can hold.
pub fn readable(body: &[u8]) -> Vec<u8> {
    let mut bytes = String::from_utf8_lossy(body).into_owned().into_bytes();
    let (mut at, mut in_string) = (0, false);
    while at < bytes.len() {
        at += match bytes[at] {
            b'"' => {
                in_string = !in_string;
                1
            }
            b'\\' if in_string => match surrogate(&bytes[at..]) {
                Some(0xD800..=0xDBFF) if matches!(surrogate(&bytes[at + 6..]), Some(0xDC00..=0xDFFF)) => 12,
                Some(_) => {
                    bytes[at + 2..at + 6].copy_from_slice(b"fffd");
                    6
                }
                None => 2,
            },
            b'-' | b'0'..=b'9' if !in_string => {
                let is_part = |byte: &&u8| matches!(byte, b'0'..=b'9' | b'+' | b'-' | b'.' | b'e' | b'E');
                let length = bytes[at..].iter().take_while(is_part).count();
                let number = &mut bytes[at..at + length];
                let value = std::str::from_utf8(number).ok().and_then(|text| text.parse::<f64>().ok());
                if value.is_some_and(f64::is_infinite) {
                    number.fill(b' ');
                    number[0] = b'0';
                }
                length
            }
            _ => 1,
        };
    }
    bytes
}

/// The half of a surrogate pair at the start of `text`, if an escape for one is there.
fn surrogate(text: &[u8]) -> Option<u32> {
    let digits = text.strip_prefix(b"\\u")?.get(..4)?;
    let code = u32::from_str_radix(std::str::from_utf8(digits).ok()?, 16).ok()?;
    (0xD800..=0xDFFF).contains(&code).then_some(code)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_cannot_be_represented_is_replaced() {
        let same = r#"{"a\\":"\ud83d\ude00 \\ud800 \u00e4 1e999","b":[-1.5e300,0,12],"c\"":"-"}"#;
        assert_eq!(readable(same.as_bytes()), same.as_bytes());
        let odd = r#"{"a":"\ud800x\udc00\ud83d","b":[1e400,-1e999],"c":1e5}"#;
        let expected = r#"{"a":"\ufffdx\ufffd\ufffd","b":[0    ,0     ],"c":1e5}"#;
        assert_eq!(String::from_utf8(readable(odd.as_bytes())).unwrap(), expected);
        assert_eq!(readable(b"\"\xff\""), "\"\u{fffd}\"".as_bytes());
        for cut in 0..odd.len() {
            readable(&odd.as_bytes()[..cut]);
        }
    }
}
