//! Tests of [`super`]: one group of cases for each rule of its documentation, and the laws between operators.

use proptest::prelude::*;

use super::*;

const WRONG: char = '!';

/// What a constraint decides on versions, as one text: `+` holds, `-` does not, `!` where it does not parse.
fn decisions(constraint: &str, versions: &[&str]) -> String {
    versions
        .iter()
        .map(|version| match satisfies(constraint, version) {
            Ok(true) => '+',
            Ok(false) => '-',
            Err(_) => WRONG,
        })
        .collect()
}

fn assert_decisions(versions: &[&str], rows: &[(&str, &str)]) {
    for (constraint, expected) in rows {
        assert_eq!(decisions(constraint, versions), *expected, "{constraint:?} on {versions:?}");
    }
}

fn cause(text: &str) -> ConstraintCause {
    Constraint::parse(text).expect_err(text).cause
}

#[test]
fn closed_patterns_compare_by_precedence() {
    assert_decisions(
        &["4.6.1", "4.6.2", "v4.6.2+ocp", "4.6.3", "4.7"],
        &[
            ("4.6.2", "-++--"),
            ("=4.6.2", "-++--"),
            ("= v4.6.2+any", "-++--"),
            ("!=4.6.2", "+--++"),
            (">4.6.2", "---++"),
            (">=4.6.2", "-++++"),
            ("=>4.6.2", "-++++"),
            ("<4.6.2", "+----"),
            ("<=4.6.2", "+++--"),
            ("=<4.6.2", "+++--"),
            ("~4.6.2", "-+++-"),
            ("~>4.6.2", "-+++-"),
            ("^4.6.2", "-++++"),
            ("04.006.2", "-++--"),
        ],
    );
}

#[test]
fn open_patterns_stand_for_a_whole_branch() {
    assert_decisions(
        &["2.9.9", "3.0.0", "3.4.0", "3.4.7", "3.5.0", "4.0.0"],
        &[
            ("3", "-++++-"),
            ("3.x", "-++++-"),
            ("=3.X.8", "-++++-"),
            ("3.4", "--++--"),
            ("3.4.*", "--++--"),
            ("!=3", "+----+"),
            ("!=3.4.x", "++--++"),
            (">3", "-----+"),
            (">3.4", "----++"),
            (">=3", "-+++++"),
            (">=3.4.x", "--++++"),
            ("<3", "+-----"),
            ("<3.4", "++----"),
            ("<=3", "+++++-"),
            ("<=3.4", "++++--"),
            ("~3", "-++++-"),
            ("~3.4.x", "--++--"),
            ("^3", "-++++-"),
            ("^3.4", "--+++-"),
        ],
    );
}

#[test]
fn wholly_open_patterns_are_bound_to_zero() {
    assert_decisions(
        &["0.0.0", "0.0.4", "0.3.0", "5.1.0", "5.2.0-rc.1"],
        &[
            ("*", "++++-"),
            ("x", "++++-"),
            ("vX", "++++-"),
            ("*.5.1", "++++-"),
            ("*-0", "+++++"),
            ("~*", "++++-"),
            (">=*", "++++-"),
            ("!=*", "-+++-"),
            (">*", "-+++-"),
            ("<*", "-----"),
            ("<=*", "++---"),
            ("^*", "+----"),
            ("~0.0.0", "++++-"),
        ],
    );
}

#[test]
fn carets_below_one_are_narrower() {
    assert_decisions(
        &["0.0.2", "0.0.3", "0.1.0", "0.2.5", "0.2.9", "0.3.0", "1.0.0"],
        &[
            ("^0", "++++++-"),
            ("^0.x", "++++++-"),
            ("^0.0", "++-----"),
            ("^0.0.x", "++-----"),
            ("^0.0.3", "-+-----"),
            ("^0.2.5", "---++--"),
            ("^0.2", "---++--"),
            ("^0.2.6", "----+--"),
        ],
    );
}

#[test]
fn a_prerelease_needs_one_named_in_its_own_group() {
    assert_decisions(
        &["1.20.0-alpha", "1.20.0", "1.25.0-rc.1", "1.30.0-0", "1.30.0"],
        &[
            (">=1.20", "-+--+"),
            (">=1.20-0", "+++++"),
            (">=1.20.0-0", "+++++"),
            (">=1.20.x-beta", "-++++"),
            (">=1.20-0 <1.30", "++++-"),
            (">=1.20, <1.30.0-0", "-++--"),
            (">=1.20-0, <1.30-0", "+++--"),
            (">=1.40-0 || >=1.20", "-+--+"),
            (">=1.20 || >=1.30-0", "-+-++"),
            ("!=1.25-rc.1", "++-++"),
            ("!=1.25.0-rc.1", "++-++"),
            ("!=1.20.x", "----+"),
            ("~1.20-0", "++---"),
            ("^1.20.0-beta", "-++++"),
            ("<=1.30.0-0", "++++-"),
        ],
    );
}

#[test]
fn terms_are_joined_by_space_or_comma_and_groups_by_bars() {
    assert_decisions(
        &["1.0.0", "1.5.0", "2.0.0", "3.0.0"],
        &[
            (">=1.2 <3", "-++-"),
            (">=1.2,<3", "-++-"),
            ("  >= 1.2\t,\n <  3  ", "-++-"),
            (">=1.2 , <3", "-++-"),
            ("1.0.0 || 3", "+--+"),
            ("1.0.0||3", "+--+"),
            (">1 <3 !=2 || 1.5", "-+--"),
            ("1 1.5", "-+--"),
        ],
    );
}

#[test]
fn hyphen_ranges_are_rewritten_before_anything_else() {
    assert_decisions(
        &["1.0.0", "1.5.0", "2.0.7", "2.1.0", "9.0.0"],
        &[
            ("1.2 - 2.0", "-++--"),
            ("1.2 - 2.0.7", "-++--"),
            ("1.2\t-  2", "-+++-"),
            ("1.2 - 2.0.x || 9", "-++-+"),
            ("1.5, 1.2 - 2", "-+---"),
            ("1.2 - 2, !=1.5", "--++-"),
            ("1 - 1.5 || 2.1 - 9", "++-++"),
            ("1-0 - 2-0", "++++-"),
            ("1-0 - 2.0.7-0", "++---"),
            // The space before a range goes away with it, so its neighbour touches the new operator.
            ("1.5 1.2 - 2", "!!!!!"),
            // A second range in a row, an operator before one, and a hyphen that touches a version.
            ("1 - 2 - 3", "!!!!!"),
            (">1.2 - 2", "!!!!!"),
            ("1.2 -2", "!!!!!"),
            // `|` belongs to the alphabet of a part: the range begins at the `1` and is cut afterwards.
            ("1||2 - 3", "+++++"),
            ("9 ||1.2 - 2", "!!!!!"),
            ("9 || 1.2 - 2", "-++++"),
            // The same range twice: each rewriting takes the first one that is left.
            ("1 - 1.5||1 - 1.5", "!!!!!"),
            ("1 - 1.5 || 1 - 1.5", "++---"),
        ],
    );
}

#[test]
fn what_does_not_parse_says_why() {
    assert_eq!(cause(""), ConstraintCause::Empty);
    assert_eq!(cause(" \t"), ConstraintCause::Empty);
    assert_eq!(cause("1.2 ||"), ConstraintCause::Empty);
    assert_eq!(cause("|| 1.2"), ConstraintCause::Empty);
    for (text, rest) in [
        ("latest", "latest"),
        (">=", ">="),
        (">> 1", ">> 1"),
        ("! 1", "! 1"),
        ("==1", "==1"),
        ("> = 1", "> = 1"),
        ("1, ,2", ",2"),
        ("1,", ""),
        (",1", ",1"),
        (">= v", ">= v"),
        ("V1", "V1"),
        ("1 and 2", "and 2"),
        ("≥1", "≥1"),
    ] {
        assert_eq!(cause(text), ConstraintCause::NoTerm { rest: rest.to_owned() }, "{text}");
    }
    for (text, rest) in [
        ("1.2<3", "<3"),
        ("1.2.3.4", ".4"),
        ("1.", "."),
        ("1.2-", "-"),
        ("1.2.3-a.", "."),
        ("1.2+", "+"),
        ("1.2_3", "_3"),
        ("1\u{b}2", "\u{b}2"),
        ("1\u{a0}2", "\u{a0}2"),
    ] {
        assert_eq!(cause(text), ConstraintCause::NoSeparator { rest: rest.to_owned() }, "{text}");
    }
    for (text, part) in [("1.2x", "2x"), (">=xx", "xx"), ("1|2", "1|2"), ("1.|.3", "|")] {
        let ConstraintCause::Version { cause, .. } = cause(text) else { panic!("{text}") };
        assert_eq!(cause, VersionCause::NotANumber { part: part.to_owned() }, "{text}");
    }
    for text in ["1.2.3-07", "1.2-07", "*-07"] {
        let ConstraintCause::Version { cause, .. } = cause(text) else { panic!("{text}") };
        assert_eq!(cause, VersionCause::LeadingZero { part: "07".to_owned() }, "{text}");
    }
    assert!(matches!(
        cause("^18446744073709551616"),
        ConstraintCause::Version { cause: VersionCause::NumberTooLarge { .. }, .. }
    ));
}

#[test]
fn parts_behind_an_open_one_are_not_looked_at() {
    let versions = ["0.1.0", "1.4.0", "1.5.0"];
    assert_decisions(
        &versions,
        &[("1.x.18446744073709551616", "-++"), ("1.x.7x", "-++"), ("*.|.|", "+++"), ("1.4.x+01", "-+-")],
    );
}

#[test]
fn limits_are_the_librarys() {
    let groups = |n: usize| vec!["1"; n].join("||");
    assert!(Constraint::parse(&groups(MAX_CONSTRAINT_GROUPS)).is_ok());
    assert_eq!(cause(&groups(33)), ConstraintCause::TooManyGroups { count: 33 });
    let padded = |n: usize| format!("1{}", " ".repeat(n - 1));
    assert!(Constraint::parse(&padded(MAX_CONSTRAINT_LEN)).is_ok());
    assert_eq!(cause(&padded(513)), ConstraintCause::TooLong { len: 513 });
    let long = format!("1.2.3-{}", "a".repeat(260));
    assert!(matches!(cause(&long), ConstraintCause::Version { cause: VersionCause::TooLong { len: 266 }, .. }));
}

#[test]
fn a_version_that_does_not_parse_is_a_crash_too() {
    let crash = satisfies(">=1.2", "1.25.x").expect_err("wildcard");
    assert_eq!(crash.to_string(), "`1.25.x` is not a version: `x` is not a number");
    let crash = satisfies("= >1", "1.25.x").expect_err("both");
    assert_eq!(
        crash.to_string(),
        "`= >1` is not a version constraint: there is no version, with or without an operator, at `= >1`"
    );
    let crash = satisfies("<1.07-05", "1").expect_err("zero");
    assert_eq!(
        crash.to_string(),
        "`<1.07-05` is not a version constraint: in `1.07-05`, the pre-release number `05` has a leading zero"
    );
}

/// A closed release in a small world, so that equal and neighbouring ones are met often.
fn release() -> impl Strategy<Value = String> {
    (0..4u8, 0..4u8, 0..4u8).prop_map(|(a, b, c)| format!("{a}.{b}.{c}"))
}

/// A release or a pre-release.
fn version() -> impl Strategy<Value = String> {
    (release(), prop_oneof![Just(""), Just("-0"), Just("-rc.1"), Just("-rc.2")]).prop_map(|(r, p)| r + p)
}

/// A pattern with at least its major number.
fn pattern() -> impl Strategy<Value = String> {
    prop_oneof![
        version(),
        (0..4u8).prop_map(|a| a.to_string()),
        (0..4u8, 0..4u8).prop_map(|(a, b)| format!("{a}.{b}.x"))
    ]
}

fn term() -> impl Strategy<Value = String> {
    let op = prop::sample::select(vec!["", "=", "!=", ">", ">=", "=>", "<", "<=", "=<", "~", "~>", "^"]);
    (op, pattern()).prop_map(|(op, pattern)| format!("{op}{pattern}"))
}

fn holds(constraint: &str, version: &str) -> bool {
    satisfies(constraint, version).expect(constraint)
}

proptest! {
    #[test]
    fn opposite_operators_never_agree_on_a_release(pattern in pattern(), version in release()) {
        for (op, opposite) in [("=", "!="), (">", "<="), (">=", "<")] {
            prop_assert_ne!(holds(&format!("{op}{pattern}"), &version), holds(&format!("{opposite}{pattern}"), &version));
        }
    }

    #[test]
    fn bars_are_or(left in term(), right in term(), version in version()) {
        let either = holds(&left, &version) || holds(&right, &version);
        prop_assert_eq!(holds(&format!("{left} || {right}"), &version), either);
    }

    #[test]
    fn commas_and_spaces_are_and(left in term(), right in term(), version in release()) {
        let both = holds(&left, &version) && holds(&right, &version);
        prop_assert_eq!(holds(&format!("{left}, {right}"), &version), both);
        prop_assert_eq!(holds(&format!("{left} {right}"), &version), both);
    }

    #[test]
    fn a_hyphen_range_is_two_terms(low in pattern(), high in pattern(), version in version()) {
        let terms = holds(&format!(">={low}, <={high}"), &version);
        prop_assert_eq!(holds(&format!("{low} - {high}"), &version), terms);
    }

    #[test]
    fn tildes_and_carets_are_ranges(a in 1..4u64, b in 0..4u64, c in 0..4u64, version in version()) {
        let ranges = [
            (format!("~{a}.{b}.{c}"), format!(">={a}.{b}.{c}, <{a}.{}.0", b + 1)),
            (format!("~{a}.{b}"), format!(">={a}.{b}.0, <{a}.{}.0", b + 1)),
            (format!("^{a}.{b}.{c}"), format!(">={a}.{b}.{c}, <{}.0.0", a + 1)),
            (format!("^0.{a}.{c}"), format!(">=0.{a}.{c}, <0.{}.0", a + 1)),
            (format!("^0.0.{a}"), format!("0.0.{a}")),
        ];
        for (short, long) in ranges {
            prop_assert_eq!(holds(&short, &version), holds(&long, &version), "{} {}", short, long);
        }
    }

    #[test]
    fn no_text_makes_it_panic(text in "([0-9.xv*|<>=!~^, -]|\\PC){0,40}") {
        let _ = satisfies(&text, "1.2.3");
    }
}
