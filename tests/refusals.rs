//! Bad input at the front door: each refusal in the words of its API, and each in the log.

use std::time::Duration;

use acceptance::{Connection, Refusal, Request, World, until};
use serde_json::{Value, json};

const NSX: &str = "api.novastraxis.com";
const NEXUS: &str = "api.cloudnexus.io";
const NX: &str = "cloudnx.in";
const NOVA: &str = "api.novapai.ai";

/// A read that exists at each API, where everything about it may be refused.
const READS: [(&str, &str, &str); 5] = [
    ("novastraxis", NSX, "/v2/compute/instances"),
    ("cloudnexus", NEXUS, "/v2/instances"),
    ("cloudnexus-servers", NEXUS, "/v2/servers"),
    ("cloudnx", NX, "/compute/instances"),
    ("novastack", NOVA, "/router/v1/models"),
];

/// The code that novastraxis, the two APIs of cloudnexus, and novastack have for a status. cloudnx has none.
const CODES: [(u16, [&str; 3]); 6] = [
    (400, ["invalid_request", "INVALID_REQUEST", "invalid_request"]),
    (401, ["unauthorized", "UNAUTHORIZED", "invalid_api_key"]),
    (403, ["forbidden", "FORBIDDEN", "insufficient_permissions"]),
    (404, ["not_found", "RESOURCE_NOT_FOUND", "not_found"]),
    (410, ["gone", "GONE", "gone"]),
    (429, ["rate_limited", "RATE_LIMITED", "rate_limit_exceeded"]),
];

/// Asks, and holds the refusal to its status, step and reason.
#[track_caller]
fn check(world: &World, api: &str, request: &Request, (status, step, reason): (u16, &str, &str)) {
    let column = match api {
        "novastraxis" => Some(0),
        "cloudnexus" | "cloudnexus-servers" => Some(1),
        "novastack" => Some(2),
        _ => None,
    };
    let row = CODES.iter().find(|(it, _)| *it == status).map(|(_, codes)| codes);
    let code = column.and_then(|at: usize| row?.get(at)).copied().unwrap_or_default();
    world.refuses(api, request, Refusal { status, code, step, reason });
}

#[test]
fn whoever_shows_no_credential_is_asked_for_one() {
    let world = World::start();
    for (api, host, path) in READS {
        check(&world, api, &Request::get(host, path), (401, "authenticate", "missing"));
        let challenge = world.ask(&Request::get(host, path)).expect(401);
        let scheme = if api == "cloudnx" { "AWS4-HMAC-SHA256" } else { "Bearer" };
        assert!(challenge.says("www-authenticate").starts_with(scheme), "{challenge}");
    }
}

#[test]
fn a_key_that_nobody_made_opens_nothing() {
    let world = World::start();
    for (_, host, path) in READS {
        let made_up = Request::get(host, path).bearer("nsx_live_a1b2c3d4e5f6a7b8c9d0e1f2a3b4c5d6");
        let answer = world.ask(&made_up).expect(401);
        let entry = world.gateway.entries().of(answer.says("x-request-id"));
        assert_eq!(entry["decision"]["step"], "authenticate", "{entry:#}");
        assert_eq!(entry.get("auth"), None, "nobody is known: {entry:#}");
    }
}

#[test]
fn a_key_of_one_api_opens_no_other() {
    let world = World::start();
    let key = world.key("novastraxis", &["compute"]);
    world.permits("novastraxis", &Request::get(NSX, "/v2/compute/instances").bearer(&key.text), 200);
    for (api, host, path) in READS.into_iter().filter(|(api, ..)| !matches!(*api, "novastraxis" | "cloudnx")) {
        check(&world, api, &Request::get(host, path).bearer(&key.text), (401, "authenticate", "wrong_api"));
    }
}

#[test]
fn two_credentials_are_one_too_many() {
    let world = World::start();
    let key = world.key("novastraxis", &["compute"]);
    let twice = Request::get(NSX, "/v2/compute/instances").bearer(&key.text).bearer(&key.text);
    check(&world, "novastraxis", &twice, (400, "authenticate", "two_credentials"));
}

#[test]
fn a_key_in_the_address_goes_no_further() {
    let world = World::start();
    let key = world.key("novastraxis", &["compute"]);
    let other = world.key("novastack", &["read"]).text;
    let spelled = key.text.replace('_', "%5f");
    for target in [
        format!("/v2/compute/instances/{}", key.text),
        format!("/v2/compute/instances/{spelled}"),
        format!("/v2/compute/instances/{other}"),
        format!("/v2/compute/instances/i?unlisted={}", key.text),
        format!("/v2/compute/instances/i?unlisted=a&{spelled}=b"),
    ] {
        let request = Request::delete(NSX, &target).bearer(&key.text);
        check(&world, "novastraxis", &request, (400, "authenticate", "credential_in_url"));
        let entry = world.gateway.entries().all().last().unwrap().to_string();
        assert!([&key.text, &other].iter().all(|it| !entry.contains(it.as_str())), "{entry}");
    }
    assert_eq!(world.clouds.seen("novastraxis"), [] as [Value; 0]);
}

#[test]
fn a_key_in_another_header_goes_no_further() {
    let world = World::start();
    let key = world.key("novastraxis", &["compute"]);
    for (name, value) in [("X-Api-Key", key.text.clone()), ("Cookie", format!("a=b; session={}", key.text))] {
        let request = Request::get(NSX, "/v2/compute/instances").bearer(&key.text).header(name, &value);
        check(&world, "novastraxis", &request, (400, "authenticate", "credential_elsewhere"));
    }
    assert_eq!(world.clouds.seen("novastraxis"), [] as [Value; 0]);
}

#[test]
fn a_scope_that_was_not_given_is_not_had() {
    let world = World::start();
    let key = world.key("novastraxis", &["network"]);
    let request = Request::get(NSX, "/v2/compute/instances").bearer(&key.text);
    check(&world, "novastraxis", &request, (403, "authorize", "insufficient_scope"));
    world.permits("novastraxis", &Request::get(NSX, "/v2/network/vpcs").bearer(&key.text), 200);
}

#[test]
fn an_account_header_names_the_account_of_the_key() {
    let world = World::start();
    let key = world.key("cloudnexus-servers", &["servers:read"]);
    let request = Request::get(NEXUS, "/v2/servers").bearer(&key.text);
    check(&world, "cloudnexus-servers", &request, (400, "authenticate", "tenant_header_missing"));
    let told = world.ask(&request).expect(400).json()["error"]["message"].to_string();
    assert!(told.contains("x-cloudnexus-id"), "{told}");
    let other = request.clone().header("X-CloudNexus-Id", "acct_other");
    check(&world, "cloudnexus-servers", &other, (403, "authenticate", "tenant_mismatch"));
    // Accounts cannot be tried faster than anything else.
    let left = |request: &Request, status: u16| -> u32 {
        let answer = world.ask(request).expect(status);
        answer.says("x-ratelimit-remaining").parse().expect("a number")
    };
    let twice = other.clone().header("X-CloudNexus-Id", "acct_other");
    let first = left(&request, 400);
    assert_eq!([left(&other, 403), left(&twice, 400)], [first - 1, first - 2]);
    let own = request.header("X-CloudNexus-Id", &key.tenant);
    world.permits("cloudnexus-servers", &own, 200);
}

#[test]
fn what_connection_names_does_not_count_because_it_is_not_sent_on() {
    let world = World::start();
    let key = world.key("cloudnexus-servers", &["servers:read"]);
    let hop = Request::get(NEXUS, "/v2/servers").bearer(&key.text).header("X-CloudNexus-Id", &key.tenant);
    world.permits("cloudnexus-servers", &hop.clone().header("Connection", "keep-alive, authorization"), 200);
    let hop = hop.header("Connection", "X-CloudNexus-Id");
    check(&world, "cloudnexus-servers", &hop, (400, "authenticate", "tenant_header_missing"));
    let key = world.key("novastraxis", &["compute"]);
    let wanted = json!({ "machine_type": "n2-standard-4", "region": "us-east-1" });
    let hop = Request::post(NSX, "/v2/compute/instances").bearer(&key.text).json(&wanted);
    let hop = hop.header("Connection", "close, Content-Type");
    check(&world, "novastraxis", &hop, (400, "validate", "wrong_media_type"));
}

#[test]
fn a_tenant_sees_nothing_of_another() {
    let world = World::start();
    let (mine, yours) = (world.new_tenant("mine"), world.new_tenant("yours"));
    let my_key = world.key_with("novastraxis", &mine, &["compute"], &[]);
    let your_key = world.key_with("novastraxis", &yours, &["compute"], &[]);
    let body = json!({ "machine_type": "n2-standard-4", "region": "us-east-1", "network_id": "vpc-4a1c" });
    let made = world.ask(&Request::post(NSX, "/v2/compute/instances").bearer(&my_key.text).json(&body)).expect(201);
    let id = made.json()["instance"]["id"].as_str().unwrap().to_owned();
    let listed = |key: &str| -> String {
        let page = |it: u32| format!("/v2/compute/instances?per_page=100&page={it}");
        (1..=5).map(|it| world.ask(&Request::get(NSX, &page(it)).bearer(key)).expect(200).text()).collect()
    };
    assert!(listed(&my_key.text).contains(&id));
    assert!(!listed(&your_key.text).contains(&id), "another tenant's instance is listed");
    let path = format!("/v2/compute/instances/{id}");
    let _ = world.ask(&Request::delete(NSX, &path).bearer(&your_key.text)).expect(404);
    let _ = world.ask(&Request::delete(NSX, &path).bearer(&my_key.text)).expect(202);
}

#[test]
fn nothing_is_served_without_tls() {
    let world = World::start();
    let key = world.key("novastraxis", &["compute"]);
    for (api, host, path) in READS {
        let request = Request::get(host, path).bearer(&key.text).plain();
        check(&world, api, &request, (403, "identify", "https_required"));
        // Whoever looks after keys finds out which of them were overheard.
        let answer = world.ask(&request).expect(403);
        let entry = world.gateway.entries().of(answer.says("x-request-id"));
        assert_eq!((&entry["auth"]["key"], &entry["tenant"]), (&json!(key.id), &json!(key.tenant)), "{entry:#}");
        let unknown = world.ask(&Request::get(host, path).bearer("nsx_live_a1b2c3d4").plain()).expect(403);
        assert_eq!(world.gateway.entries().of(unknown.says("x-request-id"))["auth"].get("key"), None);
    }
}

#[test]
fn a_removed_version_says_when_it_went_and_where_to_go() {
    let world = World::start();
    for target in ["/v1/compute/instances", "/v1/", "/v1/anything?at=all"] {
        let answer = world.ask(&Request::get(NSX, target)).expect(410);
        let refusal = Refusal { status: 410, code: "gone", step: "identify", reason: "version_removed" };
        world.check_refusal("novastraxis", &answer, refusal);
        assert!(answer.says("deprecation").starts_with('@'), "{answer}");
        assert_eq!(answer.says("sunset"), "Fri, 31 Jul 2026 23:59:59 GMT");
        assert!(
            answer.headers.iter().any(|(name, value)| name == "link" && value.contains("successor-version")),
            "{answer}"
        );
    }
}

#[test]
fn unknown_paths_and_methods_are_worded_by_the_api_of_the_host() {
    let world = World::start();
    for (api, host, path) in READS.into_iter().filter(|(api, ..)| *api != "cloudnexus-servers") {
        check(&world, api, &Request::get(host, "/no/such/thing"), (404, "identify", "unknown_path"));
        let answer = world.ask(&Request::new("PATCH", host, path)).expect(405);
        assert!(answer.says("allow").contains("GET"), "{answer}");
        // Who asked what of which API in vain can be asked by API.
        let entry = world.gateway.entries().of(answer.says("x-request-id"));
        assert_eq!((&entry["request"]["api"], entry["request"].get("operation")), (&json!(api), None), "{entry:#}");
        // What was entered is counted in the same breath, but the answer does not wait for it.
        let counted = || world.gateway.metric("portcullis_refusals_total", &[api, "unknown_path"]) >= 1.0;
        until("it to be counted", Duration::from_secs(20), || counted().then_some(()));
    }
    // What one API of a shared host knows is refused in its name.
    let answer = world.ask(&Request::new("PATCH", NEXUS, "/v2/servers")).expect(405);
    let entry = world.gateway.entries().of(answer.says("x-request-id"));
    assert_eq!(entry["request"]["api"], "cloudnexus-servers", "{entry:#}");
    let plain = world.gateway.door().plain().ask(&Request::get(NSX, "/v2/compute/instances"));
    let entry = world.gateway.entries().of(plain.says("x-request-id"));
    let told = (&entry["request"]["api"], &entry["decision"]["reason"]);
    assert_eq!(told, (&json!("novastraxis"), &json!("https_required")), "{entry:#}");
    let nowhere = world.gateway.door().secure(NSX).ask(&Request::get("api.example.com", "/")).status;
    assert_eq!(nowhere, 404);
}

#[test]
fn whoever_is_known_is_counted_for_what_is_not_there_too() {
    let world = World::start();
    let key = world.key("novastraxis", &["compute"]);
    let left = |request: Request, status: u16| -> u32 {
        let answer = world.ask(&request.bearer(&key.text)).expect(status);
        let entry = world.gateway.entries().of(answer.says("x-request-id"));
        assert_eq!(entry["auth"]["key"], key.id.as_str(), "{entry:#}");
        answer.says("x-ratelimit-remaining").parse().unwrap()
    };
    let first = left(Request::get(NSX, "/no/such/thing"), 404);
    assert_eq!(left(Request::new("PATCH", NSX, "/v2/compute/instances"), 405), first - 1);
    assert_eq!(left(Request::get(NSX, "/v1/anything"), 410), first - 2);
    // Which keys are good is not to be found out this way either.
    for shown in [format!("{}x", key.text), "nsx_live_a1b2c3d4".to_owned()] {
        let answer = world.ask(&Request::get(NSX, "/no/such/thing").bearer(&shown)).expect(404);
        assert_eq!(answer.header("x-ratelimit-remaining"), None, "{answer}");
    }
}

#[test]
fn a_session_is_a_credential_and_goes_no_further() {
    let world = World::start();
    let request = Request::get(NX, "/compute/instances").header("Cookie", "theme=dark; cnx_access=abc");
    check(&world, "cloudnx", &request, (401, "authenticate", "token_malformed"));
    let twice = request.header("Authorization", "AWS4-HMAC-SHA256 Credential=x");
    check(&world, "cloudnx", &twice, (400, "authenticate", "two_credentials"));
    assert_eq!(world.clouds.seen("cloudnx"), [] as [Value; 0]);
}

#[test]
fn tricks_in_a_path_are_refused_before_anything_is_found_there() {
    let world = World::start();
    let key = world.key("novastraxis", &["compute"]);
    for trick in ["/v2/compute/%2e%2e/iam/service-accounts", "/v2/compute/..%2finstances", "/v2/compute/%00", "/v2/%zz"]
    {
        let answer = world.ask(&Request::get(NSX, trick).bearer(&key.text));
        assert!(matches!(answer.status, 400 | 404), "{trick}: {answer}");
        let entry = world.gateway.entries().of(answer.says("x-request-id"));
        assert_eq!(entry["decision"]["outcome"], "refuse", "{entry:#}");
    }
    assert!(world.clouds.seen("novastraxis").is_empty(), "a trick reached the cloud");
}

#[test]
fn a_parameter_out_of_its_bounds_is_named() {
    let world = World::start();
    let key = world.key("novastraxis", &["compute"]);
    let request = Request::get(NSX, "/v2/compute/instances?per_page=101").bearer(&key.text);
    let answer = world.ask(&request).expect(400);
    let message = answer.json()["message"].as_str().unwrap().to_owned();
    assert!(message.contains("per_page") && !message.contains("101"), "a value was echoed, or nothing said: {answer}");
    // Whoever looks into it later finds all that was wrong.
    let request = Request::get(NSX, "/v2/compute/instances?per_page=101&page=hush").bearer(&key.text);
    let answer = world.ask(&request).expect(400);
    let detail = world.gateway.entries().of(answer.says("x-request-id"))["decision"]["detail"].to_string();
    assert!(detail.contains("`per_page`") && detail.contains("`page`"), "{detail}");
    assert!(!detail.contains("101") && !detail.contains("hush"), "a value was echoed: {detail}");
}

#[test]
fn bodies_are_held_to_the_document_before_the_cloud_sees_a_byte() {
    let world = World::start();
    let key = world.key("novastack", &["write"]);
    let chat = |media: &str, body: &str| {
        Request::post(NOVA, "/router/v1/chat/completions").bearer(&key.text).body(media, body)
    };
    for (request, status) in [
        (chat("application/json", "{\"model\": "), 400),
        (chat("application/json", "{}"), 400),
        (chat("application/json", "[]"), 400),
        (chat("text/plain", "hello"), 400),
    ] {
        let answer = world.ask(&request).expect(status);
        let entry = world.gateway.entries().of(answer.says("x-request-id"));
        assert_eq!(entry["decision"]["step"], "validate", "{entry:#}");
    }
    assert!(world.clouds.seen("novastack").is_empty(), "a bad body reached the cloud");
}

#[test]
fn whoever_asks_too_much_is_told_when_to_come_back() {
    let world = World::start();
    let key = world.key("novastack", &["read"]);
    let request = Request::get(NOVA, "/router/v1/models").bearer(&key.text);
    let mut connection = world.gateway.door().secure(NOVA);
    for left in (0..60).rev() {
        let answer = connection.ask(&request).expect(200);
        assert_eq!(
            (answer.says("x-ratelimit-limit"), answer.says("x-ratelimit-remaining")),
            ("60", &*left.to_string())
        );
    }
    let answer = connection.ask(&request).expect(429);
    let refusal = Refusal { status: 429, code: "rate_limit_exceeded", step: "limit", reason: "rate_limited" };
    world.check_refusal("novastack", &answer, refusal);
    let wait: u64 = answer.says("retry-after").parse().unwrap();
    assert!((1..=61).contains(&wait), "{answer}");
}

#[test]
fn headers_the_gateway_makes_cannot_be_forged() {
    let world = World::start();
    let key = world.key("novastraxis", &["compute"]);
    let request = Request::get(NSX, "/v2/compute/instances")
        .bearer(&key.text)
        .header("X-Portcullis-Tenant", "ten_somebody_else")
        .header("X-Portcullis-Anything", "1")
        .header("X_Portcullis_Tenant", "ten_somebody_else")
        .header("X_Anything", "1")
        .header("Connection", "X-Private, keep-alive")
        .header("X-Private", "for this hop only");
    let answer = world.permits("novastraxis", &request, 200);
    let seen = world.clouds.saw("novastraxis", answer.says("x-request-id")).unwrap();
    let headers: Vec<(String, String)> = serde_json::from_value(seen["headers"].clone()).unwrap();
    let of = |name: &str| -> Vec<&str> {
        headers.iter().filter(|(it, _)| it.eq_ignore_ascii_case(name)).map(|(_, value)| value.as_str()).collect()
    };
    assert_eq!(of("x-portcullis-tenant"), [key.tenant.as_str()]);
    assert_eq!(of("x-portcullis-api"), ["novastraxis"]);
    for gone in ["authorization", "x-portcullis-anything", "x_portcullis_tenant", "x_anything", "x-private"] {
        assert!(of(gone).is_empty(), "`{gone}` reached the cloud: {headers:?}");
    }
    assert_eq!(of("traceparent").len(), 1, "{headers:?}");
}

#[test]
fn heads_that_cannot_be_read_are_answered_or_cut_and_leave_the_gateway_standing() {
    let world = World::start();
    let https = world.gateway.door();
    for bytes in [
        "GARBAGE\r\n\r\n",
        "GET / HTTP/1.1\r\nHost: api.novastraxis.com\r\nContent-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n",
        "GET / HTTP/1.1\r\nHost: api.novastraxis.com\r\nHost: cloudnx.in\r\n\r\n",
        "GET / HTTP/1.1\r\n\r\n",
        "CONNECT api.novastraxis.com:443 HTTP/1.1\r\nHost: api.novastraxis.com\r\n\r\n",
    ] {
        let mut connection = https.secure(NSX);
        connection.send(bytes.as_bytes());
        connection.finish();
        let told = String::from_utf8_lossy(&connection.rest()).into_owned();
        assert!(told.is_empty() || told.starts_with("HTTP/1.1 4"), "{bytes:?}: {told}");
    }
    let huge = Request::get(NSX, "/v2/compute/instances").header("X-Long", &"a".repeat(200_000));
    let mut connection = https.secure(NSX);
    connection.send(format!("GET / HTTP/1.1\r\nHost: {NSX}\r\nX-Long: {}\r\n\r\n", huge.headers[0].1).as_bytes());
    let told = String::from_utf8_lossy(&connection.rest()).into_owned();
    assert!(told.is_empty() || told.starts_with("HTTP/1.1 4"), "{told}");
    assert_eq!(world.gateway.ask_admin("/readyz").status, 200);
    assert!(
        ["novastraxis", "cloudnx"].into_iter().all(|api| world.clouds.seen(api).is_empty()),
        "a broken head reached a cloud"
    );
}

#[test]
fn a_cloud_that_fails_is_answered_for_in_its_own_words() {
    let mut world = World::start();
    let key = world.key("novastraxis", &["compute"]);
    let request = Request::get(NSX, "/v2/compute/instances").bearer(&key.text);
    for (fault, status, code) in [
        (json!({ "kind": "reset", "times": 4 }), 502, "bad_gateway"),
        (json!({ "kind": "garbage", "times": 4 }), 502, "bad_gateway"),
    ] {
        world.clouds.arm("novastraxis", &fault);
        let answer = world.ask(&request).expect(status);
        world.clouds.heal();
        assert_eq!(answer.json()["error_code"], code, "{answer}");
        let entry = world.gateway.entries().of(answer.says("x-request-id"));
        assert_eq!((&entry["decision"]["outcome"], &entry["decision"]["step"]), (&json!("fail"), &json!("forward")));
    }
    world.clouds.kill();
    let answer = world.ask(&request).expect(502);
    assert_eq!(answer.json()["error_code"], "bad_gateway", "{answer}");
}

#[test]
fn every_request_has_one_entry_and_the_log_is_sound() {
    let world = World::start();
    let key = world.key("novastack", &["read"]);
    let good = Request::get(NOVA, "/router/v1/models").bearer(&key.text);
    let bad = Request::get(NOVA, "/router/v1/models").bearer("nvs_live_nobody");
    let mut connection: Connection = world.gateway.door().secure(NOVA);
    let ids: Vec<String> = (0..40)
        .map(|number| {
            let answer = connection.ask(if number % 4 == 0 { &bad } else { &good });
            answer.says("x-request-id").to_owned()
        })
        .collect();
    let wanted: Vec<&str> = ids.iter().map(String::as_str).collect();
    let found = world.gateway.entries().of_each(&wanted);
    assert_eq!(found.len(), 40);
    assert_eq!(world.gateway.entries().all().len(), 40, "an entry too many");
    world.gateway.entries().assert_sound();
}
