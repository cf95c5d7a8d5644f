//! Tests of [`super`]: every way of writing a reference, and what is refused.

use proptest::prelude::*;

use super::*;

const HEX: &str = "5f0c2a9d17e84b3690a1c8d7e6f5b4a35f0c2a9d17e84b3690a1c8d7e6f5b4a3";

fn cause(text: &str) -> ReferenceCause {
    ImageReference::parse(text).expect_err(text).cause
}

#[test]
fn every_way_of_writing_is_taken_apart() {
    let digest = format!("sha256:{HEX}");
    for (text, registry, repository, tag, with_digest) in [
        ("quay.io/acme/widget:1.2", "quay.io", "acme/widget", Some("1.2"), false),
        ("quay.io/acme/widget", "quay.io", "acme/widget", None, false),
        ("  quay.io/acme/widget:v1_x\n", "quay.io", "acme/widget", Some("v1_x"), false),
        ("quay.io/acme/widget@D", "quay.io", "acme/widget", None, true),
        ("quay.io/acme/widget:1@D", "quay.io", "acme/widget", Some("1"), true),
        ("docker-pullable://docker.io/library/redis@D", "docker.io", "library/redis", None, true),
        ("docker://reg.example/a:1", "reg.example", "a", Some("1"), false),
        ("bastion:5000/a/b", "bastion:5000", "a/b", None, false),
        ("bastion:5000/a/b/c:2", "bastion:5000", "a/b/c", Some("2"), false),
        ("localhost/a", "localhost", "a", None, false),
        ("[fd00::1]:5000/a", "[fd00::1]:5000", "a", None, false),
        ("[::1]/a", "[::1]", "a", None, false),
        ("Quay.IO/a__b/c.d/e---f_g", "Quay.IO", "a__b/c.d/e---f_g", None, false),
    ] {
        let reference = ImageReference::parse(&text.replace('D', &digest)).expect(text);
        let expected = ImageReference {
            registry: registry.to_owned(),
            repository: repository.to_owned(),
            tag: tag.map(str::to_owned),
            digest: with_digest.then(|| digest.clone()),
        };
        assert_eq!(reference, expected, "{text}");
    }
    for (name, len) in [("sha384", 96), ("sha512", 128)] {
        let text = format!("quay.io/a@{name}:{}", "0".repeat(len));
        assert_eq!(text.parse::<ImageReference>().expect(name).to_string(), text);
    }
}

#[test]
fn names_without_a_registry_are_refused_unless_a_digest_decides() {
    for name in ["redis", "redis:7", "redis:5000", "quay.io", "ä/widget"] {
        assert_eq!(cause(name), ReferenceCause::ShortName, "{name}");
        assert_eq!(cause(&format!("docker://{name}")), ReferenceCause::ShortName, "{name}");
    }
    assert!(ImageReference::parse("redis").expect_err("short").to_string().contains("names no registry"));
    for (text, repository, tag) in
        [("redis@D", "redis", None), ("redis:7@D", "redis", Some("7")), ("acme/widget:1@D", "acme/widget", Some("1"))]
    {
        let text = text.replace('D', &format!("sha256:{HEX}"));
        let reference = ImageReference::parse(&text).expect("a digest decides");
        let parts = (&*reference.registry, &*reference.repository, reference.tag.as_deref());
        assert_eq!(parts, ("", repository, tag));
        assert_eq!(reference.to_string(), text);
        assert!(!reference.has_doubtful_registry());
    }
}

#[test]
fn a_first_component_without_a_dot_may_be_a_registry() {
    for (text, doubtful) in
        [("non_registry/a/b:1", true), ("Acme/widget", true), ("quay.io/a:1", false), ("localhost/a", false)]
    {
        let reference = ImageReference::parse(text).expect(text);
        assert_eq!(reference.has_doubtful_registry(), doubtful, "{text}");
        assert_eq!(reference.to_string(), text);
    }
    assert_eq!(ImageReference::parse("ibmcom/a").expect("registry").registry, "ibmcom");
}

#[test]
fn a_digest_alone_is_a_reference() {
    let digest = format!("sha256:{HEX}");
    for text in [digest.clone(), format!(" {digest}\n"), format!("docker://{digest}")] {
        let reference = ImageReference::parse(&text).expect("a digest");
        assert_eq!((reference.to_string(), reference.repository.as_str()), (digest.clone(), ""));
        assert_eq!(ImageReference::of_digest(&digest).expect("a digest"), reference);
    }
    for text in ["sha256:abc", "SHA256:abc", "sha512:", "sha256:7"] {
        assert!(matches!(cause(text), ReferenceCause::Digest { .. }), "{text}");
    }
    assert!(ImageReference::of_digest("redis").is_err());
    assert_eq!(cause(HEX), ReferenceCause::ShortName);
}

#[test]
fn bad_parts_are_refused_by_name() {
    assert_eq!(cause(" \n"), ReferenceCause::Empty);
    assert_eq!(cause(&"a".repeat(1025)), ReferenceCause::TooLong { len: 1025 });
    assert_eq!(cause("https://quay.io/a"), ReferenceCause::Scheme { scheme: "https".to_owned() });
    for registry in [
        "quay..io", "-a.io", "a.io-", "a.io:", "a.io:80x", ":5000", "a_b.io", "[::1", "[::g]:1", "[::1]5", "a:1:2", ".",
    ] {
        assert_eq!(cause(&format!("{registry}/a")), ReferenceCause::Registry { registry: registry.to_owned() });
    }
    assert_eq!(cause("quay.io/Acme/x"), ReferenceCause::UpperCase { repository: "Acme/x".to_owned() });
    for component in ["", "-a", "a-", "a..b", "a___b", "a._b", "ä", "a b", "_", "a\0b"] {
        assert_eq!(
            cause(&format!("quay.io/x/{component}/y")),
            ReferenceCause::Component { component: component.to_owned() }
        );
    }
    let exact = format!("quay.io/{}", "a".repeat(MAX_REPOSITORY_LEN));
    assert!(ImageReference::parse(&exact).is_ok());
    assert_eq!(cause(&format!("{exact}a")), ReferenceCause::RepositoryTooLong { len: 256 });
    for tag in ["", ".a", "-a", "a/b", "a:b", "a b", "ü"] {
        assert_eq!(cause(&format!("quay.io/a:{tag}")), ReferenceCause::Tag { tag: tag.to_owned() });
    }
    assert!(ImageReference::parse(&format!("quay.io/a:{}", "1".repeat(MAX_TAG_LEN))).is_ok());
    assert!(matches!(cause(&format!("quay.io/a:{}", "1".repeat(129))), ReferenceCause::Tag { .. }));
}

#[test]
fn bad_digests_are_refused_by_their_problem() {
    let short = &HEX[1..];
    for (digest, expected) in [
        (HEX.to_owned(), DigestProblem::NoAlgorithm),
        (String::new(), DigestProblem::NoAlgorithm),
        (format!("md5:{HEX}"), DigestProblem::Algorithm),
        (format!("SHA256:{HEX}"), DigestProblem::Algorithm),
        (format!("sha256:{short}"), DigestProblem::Length { len: 63, expected: 64 }),
        (format!("sha256:{HEX}0"), DigestProblem::Length { len: 65, expected: 64 }),
        (format!("sha512:{HEX}"), DigestProblem::Length { len: 64, expected: 128 }),
        (format!("sha256:{}", HEX.to_uppercase()), DigestProblem::Hex),
        (format!("sha256:{short} "), DigestProblem::Hex),
        (format!("sha256:{HEX}@sha256:{HEX}"), DigestProblem::Hex),
    ] {
        let reason = cause(&format!("quay.io/a@{digest}/"));
        assert!(matches!(reason, ReferenceCause::Digest { .. }), "{digest}");
        assert_eq!(check_digest(&digest), Err(ReferenceCause::Digest { digest, problem: expected }));
    }
}

proptest! {
    #[test]
    fn what_is_printed_reads_the_same(
        text in "(localhost|[a-z0-9]{1,8}\\.[a-z]{2,4})(:[0-9]{1,5})?(/[a-z0-9]{1,5}([._-][a-z0-9]{1,3})?){1,3}(:[A-Za-z0-9_][A-Za-z0-9_.-]{0,9})?(@sha256:[0-9a-f]{64})?"
    ) {
        let reference = ImageReference::parse(&text).expect("made by the grammar");
        prop_assert_eq!(reference.to_string(), text);
    }

    #[test]
    fn no_text_makes_it_panic(text in "([a-z.:/@\\[\\]-]|\\PC){0,60}") {
        let _ = ImageReference::parse(&text);
    }
}
