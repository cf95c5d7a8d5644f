use proptest::prelude::*;

use super::*;

fn text(json: &[u8]) -> Result<String> {
    let mut reader = Json::new(json);
    assert_eq!(reader.value()?, Value::Text);
    let mut text = String::new();
    reader.take_text(&mut text)?;
    reader.end()?;
    Ok(text)
}

fn passes(json: &[u8]) -> bool {
    let mut reader = Json::new(json);
    reader.value().and_then(|value| reader.skip(value)).and_then(|()| reader.end()).is_ok()
}

#[test]
fn what_is_no_text_reads_as_the_replacement_character() {
    for (json, due) in [
        (&b"\"a\\u00e9\\n\\/\\\"\""[..], "a\u{e9}\n/\""),
        (b"\"\\ud83d\\ude00\"", "\u{1f600}"),
        (b"\"\\ud83dx\"", "\u{fffd}x"),
        (b"\"\\ud83d\\n\"", "\u{fffd}\n"),
        (b"\"\\ud83d\\ud83d\\ude00\"", "\u{fffd}\u{1f600}"),
        (b"\"\\ud83d\\u0041\"", "\u{fffd}A"),
        (b"\"\\ude00\"", "\u{fffd}"),
        (b"\"a\xff\xe2\x82z\"", "a\u{fffd}\u{fffd}\u{fffd}z"),
        (b"\"\xed\xa0\x80\"", "\u{fffd}\u{fffd}\u{fffd}"),
    ] {
        assert_eq!(text(json).unwrap(), due, "{}", String::from_utf8_lossy(json));
    }
}

#[test]
fn the_grammar_is_that_of_json() {
    for good in ["null", " [1,-0,1.5e+9,{}] ", "{\"a\":[],\"a\":{\"b\":true}}", "\"\u{7f}\"", "0", "1E5"] {
        assert!(passes(good.as_bytes()), "{good}");
    }
    for bad in [
        "",
        " ",
        "[",
        "[1,]",
        "[,1]",
        "[1 2]",
        "{\"a\"}",
        "{\"a\":}",
        "{a:1}",
        "{\"a\":1,}",
        "nul",
        "01",
        "1.",
        "-",
        ".5",
        "+1",
        "1e",
        "\"a",
        "\"\n\"",
        "\"\\x\"",
        "\"\\u12g4\"",
        "1 1",
        "[]]",
        "\u{feff}[]",
        "'a'",
        "tru e",
        "NaN",
    ] {
        assert!(!passes(bad.as_bytes()), "{bad}");
    }
}

#[test]
fn errors_name_line_and_column() {
    let mut reader = Json::new(&b"{\n  \"a\": x}"[..]);
    let value = reader.value().unwrap();
    assert_eq!(reader.skip(value).unwrap_err().to_string(), "line 2, column 8: `x` instead of a value");
}

#[test]
fn depth_and_texts_are_bounded() {
    let nested = |depth: usize| format!("{}{}", "[".repeat(depth), "]".repeat(depth));
    assert!(passes(nested(limits::GO_JSON_DEPTH).as_bytes()));
    assert!(!passes(nested(limits::GO_JSON_DEPTH + 1).as_bytes()));
    let long = |length: usize| format!("\"{}\"", "x".repeat(length));
    assert_eq!(text(long(limits::TEXT_BYTES).as_bytes()).unwrap().len(), limits::TEXT_BYTES);
    assert!(matches!(text(long(limits::TEXT_BYTES + 1).as_bytes()), Err(JsonError::Limit { .. })));
    assert!(passes(long(limits::TEXT_BYTES + 1).as_bytes()), "what nobody reads is not kept");
}

#[test]
fn names_differ_in_case_alone() {
    let named = |json: &str, names: &[&str]| {
        let mut reader = Json::new(json.as_bytes());
        reader.value().unwrap();
        reader.name_among(names)
    };
    assert_eq!(named("\"Tags\"", &["name", "tags"]), Some(1));
    assert_eq!(named("\"tag\\u017f\"", &["tags"]), Some(0));
    assert_eq!(named("\"TAG\"", &["tags"]), None);
}

/// Gives its bytes by as few at a time as it is told.
struct Dripping<'a>(&'a [u8], usize);

impl Read for Dripping<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let length = self.1.min(buffer.len());
        self.0.read(&mut buffer[..length])
    }
}

/// What is read of a text or a name in an object, or the error.
fn all_of(mut reader: Json<impl Read>) -> String {
    let (mut first, mut text) = (true, String::new());
    let read = reader.value().and_then(|_| {
        let mut all = Vec::new();
        while reader.key(&mut first)? {
            reader.take_text(&mut text)?;
            all.push(format!("{text:?}"));
            let value = reader.value()?;
            if value == Value::Text {
                reader.take_text(&mut text)?;
            }
            reader.skip(value)?;
            all.push(format!("{value:?} {text:?}"));
        }
        reader.end().map(|()| all.join(", "))
    });
    read.unwrap_or_else(|error| error.to_string())
}

proptest! {
    #[test]
    fn the_end_of_plain_text_is_found_wherever_it_is(bytes in prop::collection::vec(prop_oneof![
        8 => any::<u8>(), 1 => Just(b'"'), 1 => Just(b'\\'), 1 => 0x1eu8..0x22, 1 => 0x7fu8..0x82,
    ], 0..40)) {
        let plain = |byte: &&u8| !matches!(**byte, b'"' | b'\\' | 0..=0x1f);
        prop_assert_eq!(plain_prefix(&bytes), bytes.iter().take_while(plain).count());
    }

    #[test]
    fn where_a_read_ends_does_not_matter(
        pieces in prop::collection::vec(prop::sample::select(vec![
            "\"a\"", ":", ":", ",", "\"\\u00e9\\n tail\"", "true", "null", "fals", "-1.5e3", " \n\t", "[{}]", "}", "\"\\ud83d\\ude00",
        ]), 0..12),
        drip in 1usize..9,
    ) {
        let json = format!("{{{}", pieces.concat());
        prop_assert_eq!(all_of(Json::new(Dripping(json.as_bytes(), drip))), all_of(Json::new(json.as_bytes())));
        let good = format!(r#"{{"k":{{}}, "a\\b":"{0}","n":[1,true]}}"#, "x".repeat(drip * 5));
        prop_assert_eq!(all_of(Json::new(Dripping(good.as_bytes(), drip))), all_of(Json::new(good.as_bytes())));
    }
}
