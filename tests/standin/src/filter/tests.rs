use serde_json::{Value, json};

use super::*;
use crate::doc::Doc;
use crate::fields::Fields;

fn document() -> Value {
    json!({
        "_id": "5f633ed869d76c83e0e47ba8",
        "architecture": "amd64",
        "certified": true,
        "creation_date": "2021-05-11T16:23:33+00:00",
        "last_update_date": "2021-05-12T00:00:00.500000+00:00",
        "isv_pid": "pid-1",
        "image_id": null,
        "size": 12,
        "repositories": [
            {"registry": "a.example", "published": true, "tags": [{"name": "1"}, {"name": "2"}]},
            {"registry": "b.example", "published": false, "tags": null},
        ],
        "labels": [],
    })
}

fn fields() -> Fields {
    let mut fields = Fields::of_images();
    fields.learn(&document());
    fields.learn(&json!({"labels": [{"key": "x"}], "organization": "x"}));
    fields
}

fn holds(filter: &str) -> bool {
    let expr = parse(filter, &fields()).unwrap_or_else(|error| panic!("{filter}: {error}"));
    expr.holds(&Doc::from_text(document().to_string()).bare())
}

#[test]
fn these_hold() {
    for filter in [
        "certified==true",
        "certified!=false",
        "certified!=null",
        "isv_pid!=null",
        "isv_pid==pid-1",
        "isv_pid=='pid-1'",
        "isv_pid == \"pid-1\"",
        "image_id==null",
        "image_id!=x",
        "docker_image_digest==null",
        "docker_image_digest!=x",
        "architecture=in=(arm64,amd64)",
        "architecture=in=( 'arm64' , \"amd64\" )",
        "architecture=out=(arm64,s390x)",
        "image_id=in=(null,x)",
        "architecture=eq=amd64",
        "architecture=ne=arm64",
        "architecture<arm64",
        "size>11;size<=12",
        "size=gt=11;size=ge=12;size=lt=13;size=le=12",
        "creation_date==2021-05-11T16:23:33Z",
        "creation_date==2021-05-11T16:23:33.000+00:00",
        "creation_date=='2021-05-11T18:23:33+02:00'",
        "creation_date>=2021-05-11T16:23:33Z and creation_date<2021-05-11T16:23:33.000001Z",
        "last_update_date>2021-05-12T00:00:00Z",
        "repositories.registry==b.example",
        "repositories.registry!=c.example",
        "repositories.tags.name==2",
        "repositories.published==false",
        "repositories!=null",
        "labels.key==null",
        "_id==5f633ed869d76c83e0e47ba8",
        "_id>5f633ed869d76c83e0e47ba7",
        "organization==null",
        "certified==false,architecture==amd64",
        "certified==false or architecture==amd64",
        "certified==false;size==1,architecture==amd64",
        "(certified==false or certified==true) and (size==12)",
        "(certified==true)and(size==12)",
        "((certified==true);(size==12,size==13))",
    ] {
        assert!(holds(filter), "{filter}");
    }
}

#[test]
fn these_do_not() {
    for filter in [
        "certified==false",
        "certified==null",
        "isv_pid==null",
        "isv_pid==pid-2",
        "image_id!=null",
        "image_id<x",
        "docker_image_digest>=a",
        "architecture=out=(amd64)",
        "repositories.registry!=b.example",
        "repositories.registry==c.example",
        "repositories.tags.name==3",
        "labels.key!=null",
        "creation_date<2021-05-11T16:23:33Z",
        "certified==false,(architecture==amd64;size==13)",
        "organization==certified-operators",
        "isv_pid=='null'",
    ] {
        assert!(!holds(filter), "{filter}");
    }
}

#[test]
fn these_are_refused() {
    for filter in [
        "",
        "certified",
        "certified=true",
        "certified==",
        "certified==yes",
        "certified<null",
        "nobody==1",
        "repositories.nobody==1",
        "repositories==x",
        "creation_date==yesterday",
        "creation_date<2021-05-11T16:23:33 00:00",
        "size==big",
        "architecture==a b",
        "architecture==amd64 or",
        "architecture==amd64 ; ",
        "architecture=in=amd64",
        "architecture=in=(amd64",
        "architecture=in=()",
        "architecture=like=x",
        "(certified==true",
        "certified==true)",
        "architecture=='amd64",
    ] {
        assert!(parse(filter, &fields()).is_err(), "{filter}");
    }
    assert!(parse(&"(".repeat(100_000), &fields()).is_err());
}
