//! `oct diff --only`: what changed for the images, operators and charts of one site.

use std::fs;
use std::io::Write as _;
use std::process::Stdio;

use serde_json::json;

use crate::cli_support::{Desk, Run, server};
use crate::publish::{DAY, NEW_YEAR, bundle_at};

#[test]
fn only_what_is_mine_and_only_where_the_answer_differs() {
    let (desk, server) = (Desk::new(), server(300, 81));
    bundle_at(&desk, &server, "old", NEW_YEAR, &[]).expect(0);
    let truth = server.truth();
    let digest = |at: usize| truth.certified[at].reduced()["image_id"].as_str().map(str::to_owned);
    let with_digest: Vec<usize> =
        (0..truth.certified.len()).filter(|at| digest(*at).is_some_and(|it| !it.is_empty())).collect();
    let (gone, stays) = (with_digest[0], with_digest[1]);
    let (gone_digest, stays_digest) = (digest(gone).unwrap(), digest(stays).unwrap());
    assert!(server.remove(&truth.certified[gone].id));
    // Another one goes that nobody here uses.
    assert!(server.remove(&truth.certified[with_digest[2]].id));
    let new_digest = format!("sha256:{}", "cd".repeat(32));
    server.insert_image(&json!({
        "_id": "65f059f17bed8bd4f99d2011", "creation_date": "2026-01-01T03:04:05+00:00", "certified": true,
        "isv_pid": "made-up", "last_update_date": "2026-01-01T03:04:05+00:00", "architecture": "amd64",
        "image_id": new_digest, "repositories": [{"registry": "registry.example", "repository": "new/image",
            "published": true, "tags": [{"name": "v1"}]}]
    }));
    bundle_at(&desk, &server, "new", NEW_YEAR + DAY, &[]).expect(0);
    let (old, new) = (desk.archive("old"), desk.archive("new"));
    let mine = format!(
        "image quay.io/mine/a@{gone_digest}\nimage quay.io/mine/b@{stays_digest}\nimage quay.io/mine/c@{new_digest}\n\
         image quay.io/mine/d:1\noperator nothing.v1.0.0\nchart nothing 1.0.0\n"
    );
    fs::write(desk.join("mine"), &mine).unwrap();
    desk.run(&["import", &old, "--to", "db"]).expect(0);
    for left in [old.as_str(), "db"] {
        let found = desk.run(&["diff", left, &new, "--only", "mine", "--json"]).expect(1).json();
        assert_eq!((&found["asked"], &found["equal"]), (&json!(6), &json!(false)));
        let changes: Vec<_> = found["changes"].as_array().unwrap().iter().collect();
        assert_eq!(changes.len(), 2, "{found:#}");
        assert_eq!((&changes[0]["change"], &changes[1]["change"]), (&json!("lost"), &json!("gained")));
        assert!(changes[0]["question"].as_str().unwrap().contains(&gone_digest));
        assert_eq!((&changes[0]["old"]["certified"], &changes[0]["new"]["certified"]), (&json!(true), &json!(false)));
        assert!(changes[1]["question"].as_str().unwrap().contains(&new_digest));
    }
    // One catalog alone is compared with the installed one.
    let text = desk.run(&["diff", &new, "--db", "db", "--only", "mine"]).expect(1).out;
    assert!(text.contains("no longer certified  1") && text.contains("certified now"), "{text}");
    let text = desk.run(&["diff", &old, "--db", "db", "--only", "mine"]).expect(0).out;
    assert!(text.contains("Nothing changed for these."), "{text}");
    // From standard input; and what is no question is said.
    let mut child = desk
        .command(&["diff", &old, &new, "--only", "-", "--json"])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    child.stdin.take().unwrap().write_all(format!("{mine}image UPPER/case\n").as_bytes()).unwrap();
    let run: Run = child.wait_with_output().unwrap().into();
    let found = run.expect(1).json();
    assert_eq!((&found["asked"], found["unclear"].as_array().unwrap().len()), (&json!(6), 1));
    desk.run(&["diff", &old, &new, "--only", "nowhere"]).expect(6);
}
