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
