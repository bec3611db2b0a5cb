//! Who a caller is, is what was proved, whatever the request says.
#![expect(clippy::expect_used, reason = "what fails here must fail the test")]

use std::time::Duration;

use acceptance::{Key, Refusal, Request, World, told, until};
use serde_json::{Value, json};

const NSX: &str = "api.novastraxis.com";
const NEXUS: &str = "api.cloudnexus.io";
const LIST: &str = "/v2/compute/instances";

fn lines<'a>(seen: &'a Value, name: &str) -> Vec<&'a str> {
    let lines = seen["headers"].as_array().expect("headers").iter();
    lines.filter(|it| it[0] == name).filter_map(|it| it[1].as_str()).collect()
}

#[test]
fn nobody_can_say_for_the_gateway_who_is_calling() {
    let world = World::start();
    let key = world.key("novastraxis", &["compute"]);
    let forged = [
        "X-Portcullis-Tenant",
        "X-PORTCULLIS-CALLER",
        "x-portcullis-scopes",
        "x_portcullis_tenant",
        "X-Portcullis_Tenant",
        "X_Portcullis_Caller",
        "X-Portcullis-Identity",
        "x_portcullis_identity",
        "X-Portcullis_Identity",
        "X-Portcullis-Anything-Else",
        "X-Forwarded-For",
        "X-Forwarded-Proto",
        "X-Forwarded-Host",
        "X-Forwarded-Port",
        "X_Forwarded_For",
        "Forwarded",
        "X-Real-IP",
        "X-Client-IP",
        "True-Client-IP",
        "X-Original-URL",
        "X-Rewrite-URL",
        "X-HTTP-Method-Override",
        "X-Method-Override",
        "X_Request_Id",
        "Proxy-Authorization",
        "Proxy",
        "X-Amz-Security-Token",
        "X-Amz-Date",
        "X-Amz-Content-Sha256",
    ];
    let request = forged.iter().fold(Request::get(NSX, LIST).bearer(&key.text), |it, name| it.header(name, "forged"));
    let answer = world.permits("novastraxis", &request, 200);
    let seen = world.clouds.saw("novastraxis", answer.says("x-request-id")).expect("a sighting");
    assert!(!seen.to_string().contains("forged"), "the cloud was told what the caller said: {seen:#}");
    assert!(!seen.to_string().contains(&key.text), "the credential went on: {seen:#}");
    assert_eq!(lines(&seen, "x-portcullis-tenant"), [key.tenant.as_str()]);
    assert_eq!(lines(&seen, "x-portcullis-caller"), [key.id.as_str()]);
    assert_eq!(lines(&seen, "x-portcullis-scopes"), ["compute"]);
    assert_eq!(lines(&seen, "x-portcullis-identity").len(), 1);
    assert_eq!(lines(&seen, "x-forwarded-for"), ["127.0.0.1"]);
    assert_eq!(lines(&seen, "x-forwarded-proto"), ["https"]);
    let entry = world.gateway.entries().of(answer.says("x-request-id"));
    assert_eq!(entry["request"]["source"], "127.0.0.1", "{entry:#}");
    assert!(!entry.to_string().contains("forged"), "{entry:#}");
}

#[test]
fn an_address_list_looks_at_the_address_and_not_at_what_is_said_of_it() {
    let world = World::start();
    let tenant = world.tenant("novastraxis");
    let far = world.key_with("novastraxis", &tenant, &["compute"], &["--allow", "203.0.113.0/24"]);
    let refusal = Refusal { status: 403, code: "forbidden", step: "authorize", reason: "ip_not_allowed" };
    let request = Request::get(NSX, LIST).bearer(&far.text);
    world.refuses("novastraxis", &request, refusal);
    world.refuses(
        "novastraxis",
        &request.header("X-Forwarded-For", "203.0.113.7").header("X-Real-IP", "203.0.113.7"),
        refusal,
    );
    let other = world.new_tenant("near");
    let near = world.key_with("novastraxis", &other, &["compute"], &["--allow", "127.0.0.0/8"]);
    world.permits("novastraxis", &Request::get(NSX, LIST).bearer(&near.text), 200);
}

#[test]
fn a_revoked_key_opens_nothing_once_the_command_is_answered_even_on_its_open_connection() {
    let world = World::start();
    let key = world.key("novastraxis", &["compute"]);
    let request = Request::get(NSX, LIST).bearer(&key.text);
    let mut connection = world.gateway.door().secure(NSX);
    let _ = connection.ask(&request).expect(200);
    let _ = world.gateway.json(&["api-keys", "revoke", &key.id]);
    let answer = connection.ask(&request).expect(401);
    let words = told("novastraxis", &answer);
    let unknown = world.ask(&Request::get(NSX, LIST).bearer("nsx_live_nobodyhasthiskey")).expect(401);
    assert_eq!(words.message, told("novastraxis", &unknown).message, "a revoked key is told from an unknown one");
    let entry = world.gateway.entries().of(answer.says("x-request-id"));
    assert_eq!(entry["auth"]["key"], key.id.as_str(), "{entry:#}");
}

#[test]
fn an_expired_key_opens_nothing() {
    let world = World::start();
    let key = world.key_with("novastraxis", &world.tenant("novastraxis"), &["compute"], &["--expires", "2s"]);
    let request = Request::get(NSX, LIST).bearer(&key.text);
    let answer = until("the key to expire", Duration::from_secs(20), || {
        let answer = world.ask(&request);
        (answer.status == 401).then_some(answer)
    });
    let entry = world.gateway.entries().of(answer.says("x-request-id"));
    assert_eq!(entry["decision"]["step"], "authenticate", "{entry:#}");
}

#[test]
fn a_suspended_tenant_is_refused_until_it_is_resumed() {
    let world = World::start();
    let key = world.key("novastraxis", &["compute"]);
    let request = Request::get(NSX, LIST).bearer(&key.text);
    let _ = world.ask(&request).expect(200);
    let _ = world.gateway.json(&["tenants", "suspend", &key.tenant]);
    world.gateway.catch_up();
    let answer = world.ask(&request).expect(403);
    let entry = world.gateway.entries().of(answer.says("x-request-id"));
    assert_eq!((&entry["decision"]["step"], &entry["tenant"]), (&json!("authorize"), &json!(key.tenant)), "{entry:#}");
    let _ = world.gateway.json(&["tenants", "resume", &key.tenant]);
    world.gateway.catch_up();
    let _ = world.ask(&request).expect(200);
}

#[test]
fn exactly_one_credential_is_shown_and_never_in_the_address() {
    let world = World::start();
    let key = world.key("novastraxis", &["compute"]);
    let bearer = format!("Bearer {}", key.text);
    let get = || Request::get(NSX, LIST);
    for (request, status) in [
        (get().header("Authorization", &bearer).header("Authorization", &bearer), 400),
        (get().header("Authorization", &format!("{bearer}, {bearer}")), 401),
        (get().header("Authorization", &format!("Basic {}", key.text)), 401),
        (get().header("Authorization", "Bearer "), 401),
        (get().header("Authorization", &key.text), 401),
        (get().header("Authorization", &format!("Bearer {} ", "a".repeat(10_000))), 400),
        (get().header("Authorization", &format!("{bearer}\t")), 200),
        (Request::get(NSX, &format!("{LIST}?api_key={}", key.text)), 400),
        (Request::get(NSX, &format!("{LIST}?api_key={}", key.text)).header("Authorization", &bearer), 400),
    ] {
        let answer = world.ask(&request);
        assert_eq!(answer.status, status, "{request:?}: {answer}");
        assert!(!answer.text().contains(&key.text), "the key came back");
        assert_eq!(world.gateway.entries().of(answer.says("x-request-id"))["status"], status);
    }
}

#[test]
fn the_account_that_is_named_is_the_one_of_the_key() {
    let world = World::start();
    let key = world.key("cloudnexus-servers", &["servers:read"]);
    let get = || Request::get(NEXUS, "/v2/servers").bearer(&key.text);
    for (request, status) in [
        (get(), 400),
        (get().header("X-CloudNexus-Id", ""), 400),
        (get().header("X-CloudNexus-Id", "somebody-else"), 403),
        (get().header("X-CloudNexus-Id", &key.tenant).header("X-CloudNexus-Id", &key.tenant), 400),
        (get().header("X-CloudNexus-Id", &key.tenant).header("X-CloudNexus-Id", "somebody-else"), 400),
        (get().header("X_CloudNexus_Id", &key.tenant), 400),
        (get().header("X-CloudNexus-Id", &key.tenant).header("X_CloudNexus_Id", "somebody-else"), 200),
    ] {
        let answer = world.ask(&request);
        assert_eq!(answer.status, status, "{request:?}: {answer}");
        if status == 200 {
            let seen = world.clouds.saw("cloudnexus-servers", answer.says("x-request-id")).expect("a sighting");
            assert!(!seen.to_string().contains("somebody-else"), "{seen:#}");
            assert_eq!(lines(&seen, "x-cloudnexus-id"), [key.tenant.as_str()]);
        } else {
            let _ = told("cloudnexus-servers", &answer);
        }
        assert_eq!(world.gateway.entries().of(answer.says("x-request-id"))["status"], status);
    }
}

#[test]
fn no_two_keys_are_one_object() {
    let world = World::start();
    let key = world.key("cloudnexus", &["storage:write"]).text;
    let put = |name: &str| {
        let request = Request::new("PUT", "api.cloudnexus.io", &format!("/v2/objects/bk_prod-assets/{name}"));
        world.ask(&request.bearer(&key).body("application/octet-stream", b"a")).status
    };
    for folded in ["a//b", "a%2f%2fb", "a%2F/b", "/a/b", "%2fa"] {
        assert_eq!(put(folded), 400, "{folded}");
    }
    assert_eq!([put("a/b"), put("a%2Fb")], [200, 200], "a slash of a key may be encoded");
}

#[test]
fn where_a_tenant_is_limited_as_a_whole_its_tier_counts_and_changes_while_it_asks() {
    let world = World::start();
    let tenant = world.new_tenant("tiered");
    let keys = [(); 2].map(|()| world.key_with("cloudnexus-servers", &tenant, &["servers:read"], &[]));
    let servers = |key: &Key| {
        let request = Request::get("api.cloudnexus.io", "/v2/servers").bearer(&key.text);
        let answer = world.ask(&request.header("X-CloudNexus-Id", &tenant)).expect(200);
        ["x-ratelimit-limit", "x-ratelimit-remaining"].map(|it| answer.says(it).parse::<u32>().expect("a number"))
    };
    assert_eq!(keys.each_ref().map(servers), [[100, 99], [100, 98]]);
    let set =
        |tier: &str| world.gateway.command(&["tenants", "set-tier", &tenant, &format!("cloudnexus-servers={tier}")]);
    assert_eq!(set("professional").code, 0);
    world.gateway.catch_up();
    let [[_, first], [limit, second]] = keys.each_ref().map(servers);
    assert_eq!((limit, first - second), (500, 1), "keys of one tenant are counted apart");
    let listed = world.gateway.json(&["api-keys", "list", "--tenant", &tenant]);
    assert_eq!((&listed[0]["tier"], &listed[1]["tier"]), (&json!("professional"), &json!("professional")));
    assert_eq!(set("").code, 0);
    world.gateway.catch_up();
    assert_eq!(keys.each_ref().map(servers)[1][0], 100);
    let own = ["api-keys", "create", "--name", "own", "--api", "cloudnexus-servers", "--tenant", &tenant];
    let refused = world.gateway.command(&[&own[..], &["--tier", "enterprise"]].concat());
    assert_eq!(refused.code, 2, "{refused:?}");
    let said = "no key has a tier of its own; help: `portcullis tenants set-tier TENANT cloudnexus-servers=TIER`";
    assert!(refused.errors.contains(said), "{refused:?}");
    assert_eq!(set("gold").code, 2);
}

#[test]
fn an_operator_is_shown_all_of_a_key_but_the_key() {
    let world = World::start();
    let tenant = world.new_tenant("shown");
    let ops = world.user("ops", &tenant, "owner").id;
    let more = ["--allow", "203.0.113.0/24,2001:db8::1", "--expires", "2100-01-01T00:00:00Z", "--owner", &ops];
    let key = world.key_with("cloudnexus", &tenant, &["storage:read"], &more);
    let listed = world.gateway.json(&["api-keys", "list", "--tenant", &tenant])[0].take();
    let shown = world.gateway.json(&["api-keys", "show", &key.id]);
    assert_eq!(shown, listed);
    assert_eq!(shown["ip_allow"], json!(["203.0.113.0/24", "2001:db8::1/128"]), "{shown:#}");
    for words in [&["api-keys", "list", "--tenant", &tenant][..], &["api-keys", "show", &key.id]] {
        let table = world.gateway.command(words).out;
        for cell in ["OWNER", &ops, "FROM", "203.0.113.0/24,2001:db8::1/128", "ENDS", "2100-01-01T00:00:00"] {
            assert!(table.contains(cell), "{cell}: {table}");
        }
        assert!(!table.contains(&key.text), "{table}");
    }
    let nobody = world.gateway.command(&["api-keys", "show", "key_nobody"]);
    assert!(nobody.code == 2 && nobody.errors.contains("there is no key `key_nobody`"), "{nobody:?}");
}
