//! One fault hides no other, whatever file or stage it is of.

use std::path::Path;

use super::*;

/// A copy of the profiles and policies that ship, for spoiling.
struct Copy(tempfile::TempDir);

impl Copy {
    fn new() -> Self {
        fn copy(from: &Path, to: &Path) {
            std::fs::create_dir(to).unwrap();
            for item in std::fs::read_dir(from).unwrap() {
                let from = item.unwrap().path();
                let to = to.join(from.file_name().unwrap());
                if from.is_dir() {
                    copy(&from, &to);
                } else {
                    std::fs::copy(&from, &to).unwrap();
                }
            }
        }
        let folder = tempfile::tempdir().unwrap();
        copy(&Path::new(env!("CARGO_MANIFEST_DIR")).join("../../policies"), &folder.path().join("policies"));
        Self(folder)
    }

    fn spoil(&self, file: &str, change: impl FnOnce(String) -> String) {
        let file = self.0.path().join("policies").join(file);
        let good = std::fs::read_to_string(&file).unwrap_or_default();
        std::fs::write(&file, change(good)).unwrap();
    }

    /// What is told of settings with this text, with files as seen from the folder.
    fn told(&self, text: &str) -> Vec<String> {
        let text = format!("guardrails = 'policies/guardrails'\n{text}");
        let faults = match Settings::parse(&self.0.path().join("p.toml"), &text) {
            Ok(settings) => configuration(&settings).map(drop).err().unwrap_or_default(),
            Err(incomplete) => faults(incomplete),
        };
        let folder = format!("{}/", self.0.path().display());
        faults.iter().map(|it| it.to_string().replace(&folder, "")).collect()
    }
}

impl Copy {
    /// What `check` says beside all that is good.
    fn warned(&self, text: &str) -> Vec<String> {
        let text = format!("guardrails = 'policies/guardrails'\n{text}");
        let settings = Settings::parse(&self.0.path().join("p.toml"), &text).unwrap();
        let configuration = configuration(&settings).unwrap();
        let sketches: Vec<Sketch> = configuration.catalog.profiles().iter().map(Sketch::from).collect();
        let (sources, _) = sources(&settings, &sketches);
        let folder = format!("{}/", self.0.path().display());
        let warnings = crate::commands::check::warnings(&settings, &configuration, &sources);
        warnings.iter().map(|it| it.to_string().replace(&folder, "")).collect()
    }
}

#[test]
fn what_is_forgotten_and_may_be_meant_so_is_a_warning_with_its_line() {
    let copy = Copy::new();
    begins(&copy.warned(""), &[]);
    let action = "         Novastraxis::Action::\"createInstance\",\n";
    copy.spoil("apis/novastraxis/access.cedar", |it| {
        assert!(it.contains(action), "{it}");
        it.replace(action, "")
    });
    for cases in ["novastraxis", "novastack"] {
        std::fs::remove_file(copy.0.path().join(format!("policies/apis/{cases}/access.cases.json"))).unwrap();
    }
    let told = copy.warned("[limits.shield]\nrate = 200\nburst = 400\n");
    let expected = [
        "policies/apis/novastack/access.cedar: there are no cases beside these policies",
        "policies/apis/novastraxis/access.cedar: there are no cases beside these policies",
        "policies/apis/novastraxis/api.toml: tier `enterprise` allows 3333 requests in 10 s, but `[limits.shield]` lets only 2400",
        "operation `createInstance` has no permit, so that nobody may ask for it",
    ];
    begins(&told, &expected);
    let line = told[3].split(':').nth(1).unwrap().parse::<usize>().unwrap();
    let document = std::fs::read_to_string(copy.0.path().join("policies/apis/novastraxis/openapi.yaml")).unwrap();
    assert!(document.lines().nth(line - 1).unwrap().contains("operationId: createInstance"), "{told:?}");
}

#[test]
fn guessing_that_nothing_slows_down_is_a_warning() {
    let copy = Copy::new();
    let (no_wait, no_lock) = ("[limits.shield]\nlongest_delay = \"0s\"\n", "[people]\nlockout = \"0s\"\n");
    for one_is_enough in [no_wait, no_lock] {
        begins(&copy.warned(one_is_enough), &[]);
    }
    let told = copy.warned(&format!("{no_wait}{no_lock}"));
    begins(&told, &["p.toml: with `longest_delay = \"0s\"` and `lockout = \"0s\"` only `failures` bounds"]);
}

#[track_caller]
fn begins(told: &[String], expected: &[&str]) {
    assert_eq!(told.len(), expected.len(), "{}", told.join("\n"));
    for (told, expected) in told.iter().zip(expected) {
        assert!(told.contains(expected), "{told}\nis not about {expected}");
    }
}

#[test]
fn every_stage_tells_its_faults_in_one_go_and_in_order() {
    let copy = Copy::new();
    copy.spoil("apis/cloudnx/api.toml", |it| it.replace("default_tier = \"", "default_tier = \"gold-"));
    copy.spoil("apis/novastraxis/access.cedar", |it| it + "permit(");
    copy.spoil("apis/novastack/access.cases.json", |_| "{".to_owned());
    copy.spoil("guardrails/mine.cedar", |_| {
        "@id(\"mine\") forbid (principal, action, resource) when { context.nope };".to_owned()
    });
    let told = copy.told(
        "[tls]\ncertificate = 'c.pem'\n[upstreams]\nnope = 'https://a.example'\ncloudnx = 'https://b.example'\n\
         novastack = 'ftp://c.example'\n'cloudnx/nope' = 'https://d.example'\n",
    );
    let expected = [
        "p.toml:2:1: missing field `key`",
        "p.toml:5:8: [upstreams] `nope`: there is no API `nope`",
        "p.toml:7:13: [upstreams] `novastack`: `ftp://c.example` is not an upstream",
        "p.toml:8:18: [upstreams] `cloudnx/nope`: API `cloudnx` has no host `nope`",
        "policies/apis/cloudnx/api.toml:",
        "policies/apis/novastack/access.cases.json:1: not a list of cases",
        "policies/apis/novastraxis/access.cedar:",
        "policies/guardrails/mine.cedar:1:57: for policy `mine`, attribute `nope` in context for ",
    ];
    begins(&told, &expected);
}

#[test]
fn policies_are_held_to_a_document_though_its_profile_is_at_fault() {
    let copy = Copy::new();
    copy.spoil("apis/cloudnx/api.toml", |it| it.replace("default_tier = \"", "default_tier = \"gold-"));
    copy.spoil("apis/cloudnx/access.cedar", |it| {
        it + "@id(\"odd\") permit (principal, action == Cloudnx::Action::\"listVpc\", resource);"
    });
    let told = copy.told("");
    begins(&told, &["cloudnx/access.cedar:", "cloudnx/api.toml:"]);
    assert!(told.concat().contains("did you mean `Cloudnx::Action::\"listVpcs\"`?"), "{told:?}");
}

/// Expects exactly these, in whichever order.
#[track_caller]
fn all(told: &[String], expected: &[&str]) {
    for expected in expected {
        assert!(told.iter().any(|it| it.contains(expected)), "nothing about {expected}:\n{}", told.join("\n"));
    }
    assert_eq!(told.len(), expected.len(), "{}", told.join("\n"));
}

impl Copy {
    /// Puts `new` where `old` stands first.
    #[track_caller]
    fn slip(&self, file: &str, old: &str, new: &str) {
        self.spoil(file, |it| {
            assert!(it.contains(old), "{old}");
            it.replacen(old, new, 1)
        });
    }
}

#[test]
fn one_fault_of_an_api_hides_no_other_of_it_in_whichever_file() {
    let copy = Copy::new();
    // An unknown key, an action and a scope.
    copy.slip("apis/novastraxis/api.toml", "title = ", "https_onyl = true\ntitle = ");
    copy.slip("apis/novastraxis/access.cedar", "\"listInstances\"", "\"listInstancez\"");
    copy.slip("apis/cloudnexus/api.toml", "title = ", "https_onyl = true\ntitle = ");
    copy.slip("apis/cloudnexus/api.toml", "scopes = [\"instances:read\"", "scopes = [\"instances:raed\"");
    // A limit and a tier.
    copy.slip("apis/novastack/api.toml", "limit = 60,", "limit = 0,");
    copy.slip("apis/novastack/api.toml", "default_tier = \"level-1\"", "default_tier = \"gold\"");
    // A schema, a scope and an action.
    copy.slip("apis/cloudnexus-servers/openapi.yaml", "type: integer", "type: integre");
    copy.slip("apis/cloudnexus-servers/api.toml", "scopes = [\"servers:read\"", "scopes = [\"servers:raed\"");
    // An action and a case.
    let own = "@id(\"odd\") permit (principal in Gw::Scope::\"audit:read\", action == Portcullis::Action::\"listEntris\", resource);";
    copy.spoil("apis/portcullis/access.cedar", |it| it + own);
    copy.slip("apis/portcullis/access.cases.json", "\"allow\"", "\"deny\"");
    all(
        &copy.told(""),
        &[
            "novastraxis/api.toml:3:1: no such key `https_onyl`",
            "did you mean `Novastraxis::Action::\"listInstances\"`?",
            "cloudnexus/api.toml:3:1: no such key `https_onyl`",
            "cloudnexus/api.toml:71:11: no operation asks for scope `instances:raed`",
            "novastack/api.toml:62:40: `limit` is 0",
            "novastack/api.toml:57:16: `default_tier`: there is no tier `gold`",
            "cloudnexus-servers/openapi.yaml:444:",
            "cloudnexus-servers/api.toml:86:11: no operation asks for scope `servers:raed`",
            "did you mean `Portcullis::Action::\"listEntries\"`?",
            "portcullis/access.cases.json:3:13: case `audit:read is enough for listEntries`: decision is allow",
        ],
    );
}

#[test]
fn neither_a_policy_that_cannot_be_read_nor_a_document_under_another_name_hides_an_action() {
    let copy = Copy::new();
    copy.slip("apis/novastraxis/access.cedar", "\"listInstances\"", "\"listInstancez\"");
    copy.spoil("apis/novastraxis/access.cedar", |it| it + "@id(\"odd\") permt (principal, action, resource);");
    copy.slip("apis/novastack/api.toml", "document = \"openapi.yaml\"", "document = \"openapi.yml\"");
    copy.slip("apis/novastack/access.cedar", "\"listModels\"", "\"listModelz\"");
    all(
        &copy.told(""),
        &[
            "did you mean `Novastraxis::Action::\"listInstances\"`?",
            "novastraxis/access.cedar:",
            "there is no document `openapi.yml`\n  help: did you mean `openapi.yaml`?",
            "did you mean `Novastack::Action::\"listModels\"`?",
        ],
    );
}

#[test]
fn what_cannot_be_known_because_of_a_fault_is_none() {
    let copy = Copy::new();
    copy.spoil("apis/cloudnx/api.openapi.yaml", |it| it.replacen("openapi: ", "openapi: [", 1));
    copy.spoil("guardrails/mine.cedar", |_| {
        "@id(\"mine\") forbid (principal, action == Cloudnx::Action::\"anything\", resource);".to_owned()
    });
    begins(&copy.told("[upstreams]\n'cloudnx/cloudnx.in' = 'https://a.example'\n"), &["cloudnx/api.openapi.yaml:"]);
    begins(&copy.told("apis = 1\n[upstreams]\nnope = 'https://a.example'\n"), &["p.toml:2:8: "]);
}

#[test]
fn a_key_of_the_gateway_that_others_may_read_is_a_fault_as_every_secret_is() {
    use std::fs::Permissions;
    use std::os::unix::fs::PermissionsExt as _;

    let copy = Copy::new();
    let key = copy.0.path().join("key");
    std::fs::write(&key, "secret").unwrap();
    let told = |mode| {
        std::fs::set_permissions(&key, Permissions::from_mode(mode)).unwrap();
        copy.told("[upstream_keys.cloudnx]\naccess_key_id = 'A'\nsecret_file = 'key'\n")
    };
    begins(&told(0o640), &["p.toml:2:1: [upstream_keys] `cloudnx`: `key` has mode 640: others than its owner"]);
    assert!(told(0o600).is_empty());
}
