use super::*;

const GOOD: &str = r#"
[plugin]
name = "region-guard"
version = "1.4.0"
abi = "portcullis:plugin@1.0"
[needs]
phases = ["request"]
headers.read = ["x-region"]
headers.write = ["x-checked"]
[caps]
kv = true
[limits]
cpu_ms = 2
memory = "8MiB"
[run]
when = { path = "/v2/*", methods = ["GET"] }
class = "shaping"
on_error = "skip"
"#;

fn parse(text: &str) -> Result<Manifest, Vec<String>> {
    let read = Manifest::parse(Path::new("plugin.toml"), text, &PluginSettings::default());
    read.map_err(|it| it.iter().map(ToString::to_string).collect())
}

#[test]
fn a_manifest_is_read_whole_and_has_every_default() {
    let read = parse(GOOD).unwrap();
    assert_eq!((read.name.as_str(), read.version.as_str()), ("region-guard", "1.4.0"));
    assert_eq!((read.cpu, read.memory), (Duration::from_millis(2), 8 * 1024 * 1024));
    assert!(read.on_request && read.kv && !read.audit && read.on_error == OnError::Skip);
    let least = "[plugin]\nname = 'a'\nversion = '1'\nabi = 'portcullis:plugin@1.0'\n";
    let read = parse(least).unwrap();
    assert_eq!((read.on_error, read.cpu), (OnError::Deny, Duration::from_millis(5)));
    assert!(!read.on_request && read.reads.is_empty() && read.when == When::default());
}

#[test]
fn every_fault_of_a_manifest_is_told_at_once_with_its_line() {
    let bad = "[plugin]\nname = 'A b'\nversion = 1\n[needs]\nphases = ['request', 'body']\nheaders.read = ['Cookie', \
               'cookie']\nheaders.write = ['content-length']\n[caps]\nkv = 'yes'\nhttp = ['a']\n[limits]\ncpu_ms = 6\n\
               memory = '1GB'\n[run]\non_error = 'skip'\nwhen = { path = 'v2' }\n[extra]\n";
    assert_eq!(
        parse(bad).unwrap_err(),
        [
            "plugin.toml:1:1: [plugin] `abi` is missing",
            "plugin.toml:2:8: [plugin] `name` has 1 to 64 of a-z, 0-9, `-`",
            "plugin.toml:3:11: [plugin] `version` is a text",
            "plugin.toml:5:22: [needs] `phases` names `request` alone",
            "plugin.toml:6:17: [needs.headers] `read` names headers in small letters, such as `x-region`",
            "plugin.toml:6:27: [needs.headers] `read` may not name what shows who calls: nobody is lent that",
            "plugin.toml:7:18: [needs.headers] `write` may not name what the gateway itself says, or goes by",
            "plugin.toml:9:6: [caps] `kv` is `true` or `false`",
            "plugin.toml:10:1: [caps] there is no key `http`",
            "plugin.toml:12:10: [limits] `cpu_ms` is 1 to 5 here",
            "plugin.toml:13:10: [limits] `memory` is such as `\"8MiB\"` or `\"512KiB\"`",
            "plugin.toml:15:12: [run] `on_error` is `deny` where `class` is `security`: skipping it would be a way past it",
            "plugin.toml:16:17: [run.when] `path` begins with `/`, and may end with `*`",
            "plugin.toml:17:2: there is no key `extra`",
        ]
    );
}

#[test]
fn a_plugin_runs_on_the_requests_that_its_manifest_names() {
    let when =
        |path: Option<&str>, methods: &[Method]| When { path: path.map(str::to_owned), methods: methods.to_vec() };
    for (when, method, path, expected) in [
        (when(None, &[]), Method::GET, "/a", true),
        (when(Some("/v2/*"), &[]), Method::GET, "/v2/a", true),
        (when(Some("/v2/*"), &[]), Method::GET, "/v1/a", false),
        (when(Some("/v2"), &[]), Method::GET, "/v2/a", false),
        (when(Some("/v2"), &[Method::PUT]), Method::GET, "/v2", false),
        (when(None, &[Method::PUT, Method::GET]), Method::GET, "/v2", true),
    ] {
        assert_eq!(when.holds(&method, path), expected, "{when:?} {method} {path}");
    }
}
