use std::os::unix::fs::PermissionsExt as _;

use super::*;
use crate::settings::Settings;

fn parse(text: &str) -> Result<Settings, Vec<String>> {
    let read = Settings::parse(Path::new("etc/p.toml"), text).map_err(|it| it.faults);
    read.map_err(|faults| faults.iter().map(Fault::to_string).collect())
}

const FILE: &str = "[[audit.sinks]]\nname = 'a'\nkind = 'file'\npath = 'out/a.jsonl'\n";
const HTTPS: &str = "[[audit.sinks]]\nname = 'b'\nkind = 'https'\nurl = 'https://c.example/in'\nsecret_file = 's'\n";

#[test]
fn what_is_left_out_has_its_default_and_paths_are_beside_the_file() {
    let read = parse(&format!("[audit]\nsync_ms = 7\n{FILE}{HTTPS}")).unwrap();
    assert_eq!((read.sinks.len(), read.audit.sync_ms), (2, 7));
    assert_eq!((read.sinks[0].wants.entries, read.sinks[0].wants.lines), (500, Lines::Json));
    assert_eq!(read.sinks[0].from, From::Beginning);
    assert!(matches!(&read.sinks[0].place, Place::File { path, rotate_bytes: USUAL_BYTES }
        if path == Path::new("etc/out/a.jsonl")));
    assert!(matches!(&read.sinks[1].place, Place::Https { deadline, secret_file, .. }
        if deadline.as_secs() == 5 && secret_file == Path::new("etc/s")));
}

const STREAM: &str =
    "[[audit.sinks]]\nname = 'c'\nkind = 'nats'\nurl = 'tls://n.example'\nsubject = 'p.audit'\nstream = 'S'\n";

#[test]
fn a_stream_needs_no_secret_and_only_who_is_required_has_a_bound() {
    let read = parse(&format!("{STREAM}required = true\n{FILE}")).unwrap();
    assert!(matches!(&read.sinks[0].place, Place::Nats { url, secret_file: None, route, .. }
        if url.host() == Some("n.example") && route.subject == "p.audit" && route.stream == "S"));
    assert_eq!(read.sinks[0].required, Some(Duration::from_mins(1)));
    assert_eq!(read.sinks[1].required, None);
    let read = parse(&format!("{FILE}required = true\nrequired_lag_ms = 1000\n")).unwrap();
    assert_eq!(read.sinks[0].required, Some(Duration::from_secs(1)));
}

#[test]
fn all_faults_of_a_row_are_named_at_once() {
    let named = |text: &str| {
        let faults = parse(text).unwrap_err();
        let own = |it: &String| it.strip_prefix("etc/p.toml:1:1: [[audit.sinks]] `c`: ").unwrap().to_owned();
        faults.iter().map(own).collect::<Vec<_>>()
    };
    let bare = "[[audit.sinks]]\nname = 'c'\nkind = 'nats'\n";
    assert_eq!(named(bare), ["it has no `url`", "it has no `subject`", "it has no `stream`"]);
    let wrong = STREAM.replace("p.audit", "p.>").replace("'S'", "'a.b'").replace("tls:", "nats:");
    let wrong = format!("{wrong}required = true\nrequired_lag_ms = 3600001\npath = 'x'\n");
    assert_eq!(
        named(&wrong),
        [
            "`required_lag_ms` is at most 3600000",
            "`path` means nothing to this kind",
            "`nats://n.example`: entries in the clear could be read by anybody: write `tls`, or a loopback address",
            "`subject` is parts of letters, digits, `-` and `_`, parted by dots, 128 at most",
            "`stream` is 128 letters, digits, `-` and `_` at most",
        ]
    );
    assert_eq!(
        named(&format!("{STREAM}required_lag_ms = 5000")),
        ["`required_lag_ms` means nothing without `required = true`"]
    );
    for url in ["tls://n.example/x", "https://n.example", "n.example", ""] {
        let said = named(&STREAM.replace("tls://n.example", url));
        assert_eq!(said, [format!("`{url}` is not an address such as `tls://nats.example:4222`")]);
    }
}

#[test]
fn every_fault_is_named_with_its_line() {
    let line = |text: &str| format!("etc/p.toml:1:1: [[audit.sinks]] `a`: {text}");
    let known = audit::CLASSES.join("`, `");
    for (more, expected) in [
        ("url = 'https://x.example'", line("`url` means nothing to this kind")),
        ("deadline_ms = 5", line("`deadline_ms` means nothing to this kind")),
        ("rotate_bytes = 1", line("`rotate_bytes` is at least 4096")),
        ("batch_entries = 0", line("`batch_entries` is at least 1")),
        ("batch_entries = 10001", line("`batch_entries` is at most 10000")),
        ("classes = []", line("`classes` names none: leave it out for all")),
        (
            "classes = ['audit.read', 'key.', 'request.complete']",
            line(&format!("`classes` names `key.`, which no entry has; there are `{known}`")),
        ),
    ] {
        assert_eq!(parse(&format!("{FILE}{more}\n")).unwrap_err()[0], expected, "{more}");
    }
    for (text, expected) in [
        (FILE.replace("'a'", "'A.'"), "`A.`: a name is 1 to 64 of `a` to `z`, `0` to `9`, `-` and `_`"),
        (FILE.replace("path", "#"), "`a`: it has no `path`"),
        (HTTPS.replace("secret_file", "#"), "`b`: it has no `secret_file`"),
        (
            HTTPS.replace("https:", "http:"),
            "`b`: `http://c.example/in`: entries in the clear could be read by anybody: write `https`, or a loopback address",
        ),
        (format!("{HTTPS}deadline_ms = 60001"), "`b`: `deadline_ms` is at most 60000"),
    ] {
        assert_eq!(parse(&text).unwrap_err(), [format!("etc/p.toml:1:1: [[audit.sinks]] {expected}")], "{text}");
    }
    for (text, expected) in [
        (format!("{FILE}{FILE}"), "`a`: another one has this name"),
        (format!("{FILE}{}", FILE.replace("'a'", "'c'")), "`c`: `a` has the same place"),
    ] {
        assert_eq!(parse(&text).unwrap_err(), [format!("etc/p.toml:5:1: [[audit.sinks]] {expected}")]);
    }
    assert!(parse(&format!("{FILE}pth = 'x'")).unwrap_err()[0].contains("etc/p.toml:5:1: unknown field `pth`"));
    let many: String =
        (0..17).map(|it| FILE.replace("a'", &format!("a{it}'")).replace("a.jsonl", &format!("{it}"))).collect();
    assert_eq!(parse(&many).unwrap_err(), ["etc/p.toml:65:1: [[audit.sinks]] `a16`: there are at most 16"]);
}

#[test]
fn files_that_cannot_be_used_are_found_before_anything_runs() {
    let folder = tempfile::tempdir().unwrap();
    let at = |name: &str| folder.path().join(name);
    let unusable = |text: &str| {
        let read = Settings::parse(&at("p.toml"), text).unwrap();
        read.sinks[0].unusable(&at("data")).map(|it| it.message)
    };
    assert_eq!(unusable(&FILE.replace("out/", "")), None);
    assert!(unusable(FILE).unwrap().ends_with("out` is no folder"));
    std::fs::create_dir_all(at("data/secrets")).unwrap();
    std::os::unix::fs::symlink(at("data/secrets"), at("link")).unwrap();
    for path in ["data/a.jsonl", "data/secrets/audit.key", "link/audit.key"] {
        let said = unusable(&FILE.replace("out/a.jsonl", path)).unwrap();
        assert!(said.ends_with("lies in the folder `data`"), "{said}");
    }
    assert!(std::process::Command::new("mkfifo").arg(at("pipe")).status().unwrap().success());
    for path in ["pipe", "/dev/full", "/dev/null", "data"] {
        let said = unusable(&FILE.replace("out/a.jsonl", path)).unwrap();
        assert!(said.ends_with("is no regular file"), "{said}");
    }
    std::fs::write(at("data/secrets/key"), "").unwrap();
    std::os::unix::fs::symlink(at("data/secrets/key"), at("key")).unwrap();
    assert!(unusable(&FILE.replace("out/a.jsonl", "key")).unwrap().ends_with("lies in the folder `data`"));
    let local = HTTPS.replace("https:", "http:").replace("c.example", "localhost");
    assert!(unusable(&local).unwrap().contains("No such file"));
    std::fs::write(at("s"), "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw").unwrap();
    let allow = |mode| std::fs::set_permissions(at("s"), std::fs::Permissions::from_mode(mode)).unwrap();
    allow(0o604);
    assert!(unusable(&local).unwrap().contains("has mode 604"));
    allow(0o600);
    assert_eq!(unusable(&local), None);
    std::fs::write(at("s"), "hunter2").unwrap();
    let said = unusable(&local).unwrap();
    assert!(said.contains("a secret is `whsec_`") && !said.contains("hunter2"), "{said}");
}
#[test]
fn one_file_under_two_names_is_found_whether_or_not_it_is_there() {
    let folder = tempfile::tempdir().unwrap();
    let at = |name: &str| folder.path().join(name);
    std::fs::write(at("there"), "").unwrap();
    std::fs::hard_link(at("there"), at("hard")).unwrap();
    std::fs::create_dir(at("out")).unwrap();
    let link = |from: &str, to: &str| std::os::unix::fs::symlink(at(to), at(from)).unwrap();
    link("soft", "there");
    link("loose", "out/absent");
    link("elsewhere", "out");
    let shared = |one: &str, other: &str| {
        let row =
            |name: &str, path: &str| format!("[[audit.sinks]]\nname = '{name}'\nkind = 'file'\npath = '{path}'\n");
        let read = Settings::parse(&at("p.toml"), &(row("a", one) + &row("b", other))).unwrap();
        SinkSettings::sharing(&read.sinks).into_iter().map(|it| it.message).collect::<Vec<_>>()
    };
    for (one, other) in [("there", "hard"), ("there", "soft"), ("out/absent", "loose"), ("out/x", "elsewhere/x")] {
        assert_eq!(shared(one, other), ["[[audit.sinks]] `b`: `a` has the same file by another name"]);
    }
    assert_eq!(shared("there", "out/x"), [""; 0]);
}
