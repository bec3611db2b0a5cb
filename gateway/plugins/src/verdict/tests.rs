use std::path::Path;

use super::*;

fn manifest() -> Manifest {
    let text = "[plugin]\nname = 'a'\nversion = '1'\nabi = 'portcullis:plugin@1.0'\n[needs]\nphases = ['request']\n\
                headers.write = ['x-a', 'x-b']\n";
    Manifest::parse(Path::new("plugin.toml"), text, &PluginSettings::default()).unwrap()
}

fn settings() -> PluginSettings {
    PluginSettings { header_ops: 3, header_bytes: 40, reply_bytes: 4, findings: 2, ..PluginSettings::default() }
}

fn set(name: &str, value: &str) -> wire::HeaderOp {
    wire::HeaderOp::Set(wire::Header { name: name.to_owned(), value: value.into() })
}

fn edit(headers: Vec<wire::HeaderOp>) -> Result<Action, BadVerdict> {
    let edit = wire::RequestEdit { headers, path: None, query: None, upstream: None };
    action(wire::RequestAction::Edit(edit), &manifest(), &settings())
}

fn respond(status: u16, headers: &[(&str, &str)], body: &str) -> Result<Action, BadVerdict> {
    let headers = headers.iter().map(|(name, value)| wire::Header { name: (*name).to_owned(), value: (*value).into() });
    let reply = wire::OwnReply { status, headers: headers.collect(), body: body.into() };
    action(wire::RequestAction::Respond(reply), &manifest(), &settings())
}

#[test]
fn headers_that_were_granted_are_changed() {
    let mut headers = HeaderMap::new();
    let append = wire::HeaderOp::Append(wire::Header { name: "x-a".to_owned(), value: b"2".to_vec() });
    let Ok(Action::Edit(edits)) = edit(vec![set("x-a", "1"), append, wire::HeaderOp::Remove("x-b".to_owned())]) else {
        panic!("no edit");
    };
    headers.insert("x-b", HeaderValue::from_static("gone"));
    for edit in edits {
        edit.apply(&mut headers);
    }
    assert_eq!(headers.get_all("x-a").iter().collect::<Vec<_>>(), ["1", "2"]);
    assert!(!headers.contains_key("x-b"));
}

#[test]
fn no_header_is_smuggled_past_its_grant_its_name_or_its_value() {
    let name = |it: &str| it.parse::<HeaderName>().unwrap();
    for (op, why) in [
        (set("content-length", "1"), BadVerdict::Barred(name("content-length"))),
        (set("transfer-encoding", "chunked"), BadVerdict::Barred(name("transfer-encoding"))),
        (set("x-portcullis-tenant", "t"), BadVerdict::Barred(name("x-portcullis-tenant"))),
        (wire::HeaderOp::Remove("x-forwarded-for".to_owned()), BadVerdict::Barred(name("x-forwarded-for"))),
        (set("x-c", "1"), BadVerdict::NotGranted(name("x-c"))),
        (set("X-A", "1"), BadVerdict::BadName("X-A".to_owned())),
        (set("x-a: 1\r\nx-c", "1"), BadVerdict::BadName("x-a: 1  x-c".to_owned())),
        (set("", "1"), BadVerdict::BadName(String::new())),
        (set("x-a", "1\r\nx-c: 2"), BadVerdict::BadValue(name("x-a"))),
        (set("x-a", "1\0"), BadVerdict::BadValue(name("x-a"))),
        (set("x-a", "1\n"), BadVerdict::BadValue(name("x-a"))),
    ] {
        assert_eq!(edit(vec![op]), Err(why));
    }
}

#[test]
fn a_verdict_has_no_more_and_no_longer_changes_than_there_may_be() {
    let four = (0..4).map(|_| set("x-a", "1")).collect();
    assert_eq!(edit(four), Err(BadVerdict::TooManyOps(4, 3)));
    let long = "x".repeat(18);
    assert_eq!(edit(vec![set("x-a", &long), set("x-b", &long)]), Err(BadVerdict::HeadersTooLong(42, 40)));
    let path = wire::RequestEdit { headers: vec![], path: Some("/x".to_owned()), query: None, upstream: None };
    let moved = action(wire::RequestAction::Edit(path), &manifest(), &settings());
    assert_eq!(moved, Err(BadVerdict::Rewrite("path")));
}

#[test]
fn a_reply_is_one_that_ends_a_request_and_frames_itself_nowhere() {
    let Ok(Action::Respond(reply)) = respond(403, &[("content-type", "text/css"), ("x-a", "1")], "no") else {
        panic!("no reply");
    };
    assert_eq!(
        (reply.status.as_u16(), reply.content_type.to_str().unwrap(), reply.headers.len()),
        (403, "text/css", 1)
    );
    for status in [0, 99, 100, 101, 199, 600, 999, u16::MAX] {
        assert_eq!(respond(status, &[], ""), Err(BadVerdict::BadStatus(status)));
    }
    assert_eq!(respond(200, &[], "12345"), Err(BadVerdict::ReplyTooLong(5, 4)));
    assert_eq!(respond(204, &[], "1"), Err(BadVerdict::NoBody(204)));
    for barred in ["content-length", "set-cookie", "connection", "x-request-id"] {
        assert_eq!(respond(200, &[(barred, "1")], ""), Err(BadVerdict::Barred(barred.parse().unwrap())));
    }
    assert_eq!(respond(200, &[("content-type", "a\r\nb")], ""), Err(BadVerdict::BadValue(CONTENT_TYPE)));
}

#[test]
fn findings_are_few_short_and_hold_no_secret() {
    let found = |code: &str, message: &str, controls: &[&str]| wire::Finding {
        code: code.to_owned(),
        severity: wire::Severity::High,
        message: message.to_owned(),
        controls: controls.iter().map(|it| (*it).to_owned()).collect(),
    };
    let read = |all: Vec<wire::Finding>| findings(all.into_iter(), &settings());
    let good = read(vec![found("pan", "4111 1111 1111 1111", &["PCI-DSS-3.4"])]).unwrap();
    assert_eq!((good[0].severity, good[0].message.as_str()), ("high", "[redacted]"));
    assert_eq!(read((0..3).map(|_| found("a", "", &[])).collect()), Err(BadVerdict::TooManyFindings(3, 2)));
    for bad in [found("", "", &[]), found("a b", "", &[]), found("a", &"x".repeat(513), &[]), found("a", "", &["\n"])] {
        assert!(matches!(read(vec![bad]), Err(BadVerdict::BadFinding(_))));
    }
}
