//! One thing changed after signing is one thing too many.

use std::cell::Cell;

use proptest::test_runner::TestRunner;

use super::others::botocore;
use super::*;

/// Every way we know to change a signed request, named, as far as it applies.
fn mutations(sent: &Sent) -> Vec<(String, Sent)> {
    let mut all = Vec::new();
    request(sent, &mut all);
    added_and_doubled(sent, &mut all);
    if sent.is_presigned() {
        query(sent, &mut all);
    } else {
        header(sent, &mut all);
    }
    all
}

fn change(all: &mut Vec<(String, Sent)>, name: &str, sent: &Sent, change: impl FnOnce(&mut Sent)) {
    let mut changed = sent.clone();
    change(&mut changed);
    all.push((name.to_owned(), changed));
}

fn request(sent: &Sent, all: &mut Vec<(String, Sent)>) {
    change(all, "method", sent, |it| it.method = if it.method == "GET" { "PUT" } else { "GET" }.to_owned());
    change(all, "path", sent, |it| it.target = it.target.replacen('/', "/x", 1));
    change(all, "longer path", sent, |it| {
        let (path, query) = it.target.split_once('?').map_or((&*it.target, None), |(path, query)| (path, Some(query)));
        it.target = format!("{path}/x{}", query.map(|it| format!("?{it}")).unwrap_or_default());
    });
    let joint = if sent.target.contains('?') { '&' } else { '?' };
    for extra in ["versionId=1", "x", "acl", "=", "X-Amz-Security-Token=x"] {
        change(all, "added parameter", sent, |it| it.target = format!("{}{joint}{extra}", it.target));
    }
    if let Some((path, query)) = sent.target.split_once('?') {
        for escaped in ["%2B", "%20"].into_iter().filter(|it| query.contains(it)) {
            change(all, "bare plus", sent, |it| it.target = format!("{path}?{}", query.replacen(escaped, "+", 1)));
        }
        let pairs: Vec<&str> = query.split('&').collect();
        for at in 0..pairs.len() {
            let left: Vec<&str> = pairs.iter().enumerate().filter(|(i, _)| *i != at).map(|(_, it)| *it).collect();
            change(all, "lost parameter", sent, |it| it.target = format!("{path}?{}", left.join("&")));
            let mut changed = pairs.clone();
            let more = format!("{}{}0", pairs[at], if pairs[at].contains('=') { "" } else { "=" });
            changed[at] = &more;
            change(all, "changed parameter", sent, |it| it.target = format!("{path}?{}", changed.join("&")));
        }
        let mut values: Vec<&str> = pairs.iter().filter_map(|it| Some(it.split_once('=')?.1)).collect();
        let names: Vec<&str> = pairs.iter().filter_map(|it| Some(it.split_once('=')?.0)).collect();
        let last = values.pop();
        values.splice(0..0, last);
        let swapped: Vec<_> = names.iter().zip(values).map(|(name, value)| format!("{name}={value}")).collect();
        let mut sorted = (swapped.clone(), pairs.iter().map(|it| (*it).to_owned()).collect::<Vec<_>>());
        sorted.0.sort_unstable();
        sorted.1.sort_unstable();
        if sorted.0 != sorted.1 {
            change(all, "values in another order", sent, |it| it.target = format!("{path}?{}", swapped.join("&")));
        }
    }
    change(all, "region", sent, |it| it.region = "eu-west-1".to_owned());
    change(all, "service", sent, |it| it.service = "iam".to_owned());
    change(all, "host", sent, |it| *it.header("host") = "evil.example".to_owned());
    change(all, "host and route", sent, |it| {
        it.host = "evil.example".to_owned();
        *it.header("host") = "evil.example".to_owned();
    });
    change(all, "port", sent, |it| it.header("host").push_str(":8443"));
    change(all, "a day later", sent, |it| it.now = it.now + Duration::from_hours(24 * 8));
    change(all, "a day sooner", sent, |it| it.now = it.now - Duration::from_hours(24));
}

fn added_and_doubled(sent: &Sent, all: &mut Vec<(String, Sent)>) {
    for (name, value) in [
        ("x-amz-copy-source", "/other/secret"),
        ("x-amz-acl", "public-read"),
        ("x-amz-meta-zzzzzz", "1"),
        ("x-amz-security-token", "token"),
        ("x-amz-tagging", ""),
    ] {
        if !sent.has(name) {
            change(all, &format!("added {name}"), sent, |it| it.add(name, value));
        }
    }
    let (mut names, other): (Vec<&str>, _) = (sent.headers.iter().map(|(name, _)| name.as_str()).collect(), "x");
    let line = sent.headers.iter().find(|(name, _)| name == "authorization").map(|(_, line)| line.clone());
    names.retain(|name| {
        *name == "host" || *name == "authorization" || line.as_ref().is_some_and(|it| is_signed(it, name))
    });
    for name in names {
        let value = sent.clone().header(name).clone();
        change(all, &format!("doubled {name}"), sent, |it| it.add(name, &value));
        change(all, &format!("second {name}"), sent, |it| it.add(name, other));
    }
    if sent.has("x-amz-content-sha256") {
        let value = sent.clone().header("x-amz-content-sha256").clone();
        change(all, "doubled hash", sent, |it| it.add("x-amz-content-sha256", &value));
        change(all, "lost hash", sent, |it| it.remove("x-amz-content-sha256"));
        for other in ["UNSIGNED-PAYLOAD", "STREAMING-UNSIGNED-PAYLOAD-TRAILER", &"0".repeat(64)] {
            if value != other {
                change(all, "another hash", sent, |it| other.clone_into(it.header("x-amz-content-sha256")));
            }
        }
    } else if sent.paths == PathMode::Api || sent.is_presigned() {
        let hash = hex::encode(BodyHash::of(b"another body"));
        change(all, "added hash", sent, |it| it.add("x-amz-content-sha256", &hash));
    }
    match sent.judge() {
        Ok(PayloadCheck::Done | PayloadCheck::Sha256(_)) => change(all, "body", sent, |it| it.body.push(b' ')),
        Ok(PayloadCheck::Chunks(_)) => chunks(sent, all),
        Ok(PayloadCheck::Unsigned) | Err(_) => {}
    }
}

/// A body in chunks, changed at every place once.
fn chunks(sent: &Sent, all: &mut Vec<(String, Sent)>) {
    let step = sent.body.len() / 64 + 1;
    for at in (0..sent.body.len()).step_by(step) {
        change(all, "a changed byte of a chunk", sent, |it| it.body[at] ^= 0x41);
    }
    for at in (0..sent.body.len()).step_by(step + 7) {
        change(all, "a lost byte of a chunk", sent, |it| {
            it.body.remove(at);
        });
        change(all, "a cut body", sent, |it| it.body.truncate(at));
    }
    change(all, "something after the last chunk", sent, |it| it.body.extend(b"0\r\n\r\n"));
    change(all, "a chunk before the first", sent, |it| drop(it.body.splice(0..0, *b"1\r\nx\r\n")));
    for other in ["0", "18446744073709551615"] {
        change(all, "another length", sent, |it| other.clone_into(it.header("x-amz-decoded-content-length")));
    }
    if sent.has("x-amz-trailer") {
        change(all, "a trailer that is not announced", sent, |it| it.remove("x-amz-trailer"));
        change(all, "another trailer", sent, |it| "x-amz-checksum-md5".clone_into(it.header("x-amz-trailer")));
    }
}

fn is_signed(line: &str, name: &str) -> bool {
    line.split("SignedHeaders=").nth(1).unwrap().split(',').next().unwrap().split(';').any(|it| it == name)
}

fn header(sent: &Sent, all: &mut Vec<(String, Sent)>) {
    let line = sent.clone().header("authorization").clone();
    let signed = line.split("SignedHeaders=").nth(1).unwrap().split(',').next().unwrap().to_owned();
    let signature = line.rsplit("Signature=").next().unwrap().to_owned();
    let list = |new: String| line.replace(&signed, &new);
    let names: Vec<&str> = signed.split(';').collect();
    let mut lines: Vec<(String, String)> = Vec::new();
    for (at, name) in names.iter().enumerate() {
        let left: Vec<&str> = names.iter().enumerate().filter(|(i, _)| *i != at).map(|(_, it)| *it).collect();
        lines.push((format!("{name} left out"), list(left.join(";"))));
        lines.push((format!("{name} twice"), list(signed.replace(name, &format!("{name};{name}")))));
        change(all, &format!("changed {name}"), sent, |it| it.header(name).push('0'));
        if *name != "host" {
            change(all, &format!("lost {name}"), sent, |it| it.remove(name));
        }
    }
    lines.push(("reversed list".to_owned(), list(names.iter().rev().copied().collect::<Vec<_>>().join(";"))));
    lines.push(("upper-case list".to_owned(), list(signed.to_uppercase())));
    lines.push(("longer list".to_owned(), list(format!("{signed};zzz"))));
    lines.push(("list with an end".to_owned(), list(format!("{signed};"))));
    lines.push(("upper-case signature".to_owned(), line.replace(&signature, &signature.to_uppercase())));
    lines.push(("zero signature".to_owned(), line.replace(&signature, &"0".repeat(64))));
    lines.push(("short signature".to_owned(), line.replace(&signature, signature.split_at(1).1)));
    lines.push(("long signature".to_owned(), format!("{line}0")));
    for at in [0, 31, 63] {
        let mut other = signature.clone().into_bytes();
        other[at] = if other[at] == b'a' { b'b' } else { b'a' };
        lines.push(("one digit".to_owned(), line.replace(&signature, &String::from_utf8(other).unwrap())));
    }
    for (from, to) in [
        ("/20261122/", "/20261121/"),
        ("/in-mum/", "/eu-west-1/"),
        ("/cloudnx/", "/s3/"),
        ("/s3/", "/cloudnx/"),
        ("aws4_request", "aws4_reques"),
        ("aws4_request", "aws4_request/x"),
        ("AWS4-HMAC-SHA256", "AWS4-HMAC-SHA512"),
        ("AWS4-HMAC-SHA256", "AWS4-ECDSA-P256-SHA256"),
        ("Signature=", "signature="),
        ("Credential=", "Credential=A/"),
        ("SignedHeaders=", "Extra=1, SignedHeaders="),
        ("SignedHeaders=", "Credential=x, SignedHeaders="),
        (", Signature", "; Signature"),
    ] {
        if line.contains(from) {
            lines.push((format!("{from} to {to}"), line.replace(from, to)));
        }
    }
    for (name, line) in lines {
        change(all, &name, sent, |it| *it.header("authorization") = line);
    }
    for to in ["20261122T010204Z", "20261121T010203Z", "20261122T010203z", "", "Sun, 22 Nov 2026 01:02:03 GMT"] {
        change(all, "date", sent, |it| to.clone_into(it.header("x-amz-date")));
    }
    change(all, "16 minutes late", sent, |it| it.now = it.now + Duration::from_mins(16));
    change(all, "16 minutes early", sent, |it| it.now = it.now - Duration::from_mins(16));
    change(all, "both places", sent, |it| {
        let joint = if it.target.contains('?') { '&' } else { '?' };
        it.target = format!("{}{joint}X-Amz-Signature={}", it.target, "0".repeat(64));
    });
}

fn query(sent: &Sent, all: &mut Vec<(String, Sent)>) {
    let value = |name: &str| sent.target.split(name).nth(1).unwrap().split('&').next().unwrap().to_owned();
    let (expires, signature) = (value("X-Amz-Expires="), value("X-Amz-Signature="));
    for to in ["0", "604801", "-1", "", "1e9"] {
        let to = format!("X-Amz-Expires={to}");
        change(all, "lifetime", sent, |it| it.target = it.target.replace(&format!("X-Amz-Expires={expires}"), &to));
    }
    change(all, "upper-case signature", sent, |it| {
        it.target = it.target.replace(&signature, &signature.to_uppercase());
    });
    change(all, "zero signature", sent, |it| it.target = it.target.replace(&signature, &"0".repeat(64)));
    change(all, "16 minutes early", sent, |it| it.now = it.now - Duration::from_mins(16));
    let lived = Duration::from_secs(expires.parse().unwrap());
    change(all, "expired", sent, |it| it.now = it.now + lived);
    change(all, "in clear", sent, |it| it.tls = false);
    change(all, "both places", sent, |it| it.add("authorization", "AWS4-HMAC-SHA256 Credential=x"));
    for name in ["Algorithm", "Credential", "Date", "Expires", "SignedHeaders", "Signature"] {
        let (from, to) = (format!("X-Amz-{name}="), format!("x-amz-{}=", name.to_lowercase()));
        change(all, "another spelling", sent, |it| it.target = it.target.replace(&from, &to));
    }
}

/// Gives how many there were. A change that leaves the signature as it was in upper case, digits only, is none.
fn none_is_accepted(name: &str, sent: &Sent) -> usize {
    let all = mutations(sent);
    for (how, changed) in &all {
        let same = changed.target == sent.target
            && changed.headers == sent.headers
            && changed.method == sent.method
            && changed.body == sent.body
            && (changed.now, changed.tls) == (sent.now, sent.tls)
            && (&changed.host, &changed.region, &changed.service) == (&sent.host, &sent.region, &sent.service);
        assert!(same || changed.judge().is_err(), "{name}: {how} is accepted: {changed:#?}");
    }
    all.len()
}

#[test]
fn no_request_of_botocore_is_accepted_once_it_is_changed() {
    let tried: usize = botocore().iter().map(|(name, sent)| none_is_accepted(name, sent)).sum();
    assert!(tried > 700, "{tried}");
}

#[test]
fn no_request_is_accepted_once_it_is_changed() {
    let (mut runner, tried) = (TestRunner::default(), Cell::new(0));
    let judged = runner.run(&oracle::requests(), |sent| {
        tried.set(tried.get() + none_is_accepted("generated", &sent));
        Ok(())
    });
    judged.unwrap_or_else(|why| panic!("{why}"));
    let tried = tried.get();
    eprintln!("campaign: changed requests: {tried} tried, none accepted");
    assert!(tried > 40 * usize::try_from(runner.config().cases).unwrap(), "{tried}");
}

#[test]
fn parameters_in_another_order_are_the_same_request() {
    let mut sent = oracle::signed(&oracle::Plain::api("GET", "/a?x=1&y=2&z", b""));
    sent.target = "/a?z=&y=2&&x=1".to_owned();
    assert!(sent.judge().is_ok());
}
