//! The profiles that ship.

use catalog::Unidentified;
use domain::{CountedBy, PathMode, Timestamp};

use crate::{arrival, host, identify, load, shipped};

#[test]
fn every_profile_that_ships_is_without_fault() {
    let catalog = load(&shipped());
    let names: Vec<_> = catalog.profiles().iter().map(|it| it.api.name.as_str()).collect();
    assert_eq!(names, ["cloudnexus", "cloudnexus-servers", "cloudnx", "novastack", "novastraxis", "portcullis"]);
    for (index, profile) in catalog.profiles().iter().enumerate() {
        assert!(!profile.api.operations.is_empty(), "{}", profile.api.name);
        assert!(profile.api.operations.iter().all(|it| it.api_index == index && it.api == profile.api.name));
        assert!(profile.policies.iter().all(|it| it.is_file()), "{:?}", profile.policies);
    }
}

#[test]
fn every_operation_that_ships_is_found_by_its_own_path() {
    let catalog = load(&shipped());
    for profile in catalog.profiles() {
        for surface in &profile.surfaces {
            let host = catalog.host(&surface.hosts[0]).unwrap();
            assert_eq!(host.paths, surface.paths);
        }
        for operation in &profile.api.operations {
            let path = operation.template.replace('{', "x-").replace('}', "");
            let hosts = profile.surfaces.iter().flat_map(|it| &it.hosts);
            let mut found =
                hosts.map(|it| identify(&catalog, &arrival(operation.method.as_str(), &format!("{it}{path}"))));
            let good = found.any(|it| match it {
                Ok(call) => call.operation.template == operation.template && call.operation.method == operation.method,
                // Only query parameters tell it from its neighbours.
                Err(refusal) => matches!(refusal, Unidentified::UnknownSubresource),
            });
            assert!(good, "{} {}", operation.method, operation.template);
        }
    }
}

#[test]
fn two_apis_share_a_host_and_are_told_apart_by_path() {
    let catalog = load(&shipped());
    for (path, api) in
        [("instances", "cloudnexus"), ("servers", "cloudnexus-servers"), ("clusters/k8s", "cloudnexus-servers")]
    {
        let call = identify(&catalog, &arrival("GET", &format!("api.cloudnexus.io/v2/{path}"))).unwrap();
        assert_eq!(catalog.profile(&call).api.name.as_str(), api);
    }
    let unknown = arrival("GET", "api.cloudnexus.io/v2/nothing");
    assert!(matches!(identify(&catalog, &unknown), Err(Unidentified::UnknownPath)));
    assert_eq!(catalog.profiles()[host(&catalog, &unknown).speaker()].api.name.as_str(), "cloudnexus");
}

#[test]
fn parameters_are_decoded_in_the_order_of_the_template() {
    let catalog = load(&shipped());
    let call = identify(&catalog, &arrival("PUT", "api.cloudnexus.io/v2/objects/b%20k/a/b%C3%A9")).unwrap();
    assert_eq!(
        (call.operation.id.as_str(), &*call.parameters),
        ("putObject", &["b k".to_owned(), "a/bé".to_owned()][..])
    );
}

#[test]
fn a_method_that_is_not_documented_is_told_what_is() {
    let catalog = load(&shipped());
    let Err(Unidentified::MethodNotAllowed { allow }) =
        identify(&catalog, &arrival("PATCH", "api.cloudnexus.io/v2/instances"))
    else {
        panic!("allowed");
    };
    assert_eq!(allow, "GET, POST");
}

#[test]
fn a_request_without_tls_is_refused_before_its_path_is_looked_at() {
    let catalog = load(&shipped());
    for target in ["api.novastraxis.com/v2/compute/instances", "api.novastraxis.com/nothing"] {
        let mut arrival = arrival("GET", target);
        arrival.source.tls = false;
        assert!(matches!(identify(&catalog, &arrival), Err(Unidentified::PlainHttp)), "{target}");
    }
}

#[test]
fn v1_of_novastraxis_is_gone_once_july_2026_has_passed() {
    let catalog = load(&shipped());
    let mut arrival = arrival("GET", "api.novastraxis.com/v1/compute/instances");
    let Err(Unidentified::Removed(notice)) = identify(&catalog, &arrival) else { panic!("still there") };
    assert_eq!(host(&catalog, &arrival).notices(&arrival), None, "said once, by the refusal");
    let headers: Vec<_> =
        notice.headers().iter().map(|(name, value)| (name.as_str(), value.to_str().unwrap())).collect();
    assert!(headers.contains(&("deprecation", "@1767225600")), "{headers:?}");
    assert!(headers.contains(&("sunset", "Fri, 31 Jul 2026 23:59:59 GMT")), "{headers:?}");
    assert!(headers.contains(&("link", "</v2>; rel=\"successor-version\"")), "{headers:?}");

    let at = |text: &str| text.parse::<Timestamp>().unwrap();
    arrival.at.wall = at("2026-07-31T23:59:59Z");
    assert!(matches!(identify(&catalog, &arrival), Err(Unidentified::UnknownPath)));
    assert_eq!(host(&catalog, &arrival).notices(&arrival), Some(notice.headers()));
    arrival.at.wall = at("2025-12-31T23:59:59Z");
    assert_eq!(host(&catalog, &arrival).notices(&arrival), None);
}

#[test]
fn an_object_host_keeps_slashes_and_has_words_of_its_own() {
    let catalog = load(&shipped());
    let arrival = arrival("GET", "s3.cloudnx.in/bucket/a//b%2Fc");
    let call = identify(&catalog, &arrival).unwrap();
    assert_eq!(call.parameters, ["bucket", "a//b/c"]);
    assert_eq!(host(&catalog, &arrival).paths, PathMode::Objects);
    assert_eq!(catalog.surface(&call).unwrap().sigv4_service.as_deref(), Some("s3"));
    assert_ne!(catalog.upstream(&call), &catalog.profile(&call).upstream);
}

#[test]
fn what_begins_like_a_key_of_any_api_is_seen_in_an_address_and_taken_out() {
    #[track_caller]
    fn check(address: &str, taken_out: &str) {
        let catalog = load(&shipped());
        assert_eq!(catalog.without_keys(address), taken_out);
        assert_eq!(catalog.shows_key(address), address != taken_out, "{address}");
    }
    check("/v2/servers/nsx_live_abc4567", "/v2/servers/[key]");
    check("/v2/servers/cn_live_sk_abc45/power", "/v2/servers/[key]");
    check("/v2/a%20b/nx%5Flive%5fsk_abc456?x=nvs_live_1", "/v2/a b/[key]");
    check("/v2/nx%255Flive%255fsk_abc456", "/v2/[key]");
    check("/v2/servers?sort=nvs_live_1234567", "/v2/servers?sort=[key]");
    check("/v2/servers?sort=nvs_live_nvs_live_1", "/v2/servers?sort=[key]");
    check("/v2/a%20b/nx_test?sort=live_", "/v2/a%20b/nx_test?sort=live_");
}

#[test]
fn what_is_shorter_than_any_key_is_a_name_that_begins_like_one() {
    let catalog = load(&shipped());
    for address in ["/v2/servers/nsx_live_db", "/v2/servers/nsx_live_db/disks/d-0123456789", "/v2?owner=nsx_live_x&a=b"]
    {
        assert!(!catalog.shows_key(address), "{address}");
        assert!(catalog.without_keys(address).ends_with("[key]"), "{address} is not told all the same");
    }
}

#[test]
fn other_secrets_are_taken_out_of_an_address_and_words_are_not() {
    let catalog = load(&shipped());
    let check = |address: &str, taken_out: &str| assert_eq!(catalog.without_keys(address), taken_out);
    check("/hooks/whsec_abc/x", "/hooks/[key]");
    check("/t/eyJhbGciOiJSUzI1NiJ9.eyJzdWIiOiJ4In0.c2ln", "/t/[key]");
    check("/t/%65yJhbGciOiJSUzI1NiJ9.eyJz", "/t/[key]");
    check("/k/-----BEGIN%20PRIVATE%20KEY-----", "/k/[key]");
    check("/k/NSX_LIVE_ABC", "/k/[key]");
    check("/b/k/X-Amz-Signature=0123", "/b/k/X-Amz-[key]");
    check("/v2/x/Basic%20dXNlcjpodW50ZXIy", "/v2/x/[key]");
    check("/v2/x/bearer%20abc4711def", "/v2/x/[key]");
    check("/auth/session=abc", "/auth/[key]");
    check("/v2/x/4111111111111111/y", "/v2/x/[number]/y");
    check("/v2/x/4111%201111%201111%201111", "/v2/x/[number]");
    check("/v2/x/536-22-8731", "/v2/x/[number]");
    check("/compute/VqMg9JvRlLp6xAaCC9P/cjh0B47ron4PPkaSYVj5/x", "/compute/[key]/x");
    check("/compute/VqMg9JvRlLp6xAaCC9P%2fcjh0B47ron4PPkaSYVj5", "/compute/[key]");
    check("/a%2520b/nsx%255Flive%25255fabc", "/a b/[key]");
    for harmless in [
        "/music/HeyJudeByTheBeatlesRemastered",
        "/eyJ",
        "/eyJude/live",
        "/a%20b",
        "/docs/Basic%20Introduction",
        "/v2/x/4111111111111112",
        "/logs/2026-11-22T13:41:31.123456789Z",
    ] {
        check(harmless, harmless);
    }
}

#[test]
fn an_api_whose_documents_name_access_tokens_takes_those_of_its_own_origin() {
    let catalog = load(&shipped());
    let issuer = |name: &str| {
        let profile = catalog.profiles().iter().find(|it| it.api.name.as_str() == name).unwrap();
        profile.token_issuer.clone()
    };
    assert_eq!(issuer("novastraxis").unwrap(), "https://api.novastraxis.com");
    assert_eq!(issuer("cloudnexus-servers").unwrap(), "https://api.cloudnexus.io");
    assert_eq!(issuer("cloudnx").unwrap(), "https://cloudnx.in");
    for none in ["cloudnexus", "novastack", "portcullis"] {
        assert_eq!(issuer(none), None, "{none}");
    }
}

#[test]
fn tiers_are_those_of_the_references() {
    let catalog = load(&shipped());
    let rules = |api: &str, tier: &str| {
        let profile = catalog.profiles().iter().find(|it| it.api.name.as_str() == api).unwrap();
        let tier = profile.limits.tier(&tier.parse().unwrap());
        let rules = tier.rules.iter().map(|it| (it.limit.get(), it.window.as_secs()));
        (profile.limits.counted_by, rules.collect::<Vec<_>>())
    };
    assert_eq!(rules("novastraxis", "standard"), (CountedBy::Lineage, vec![(1000, 60), (333, 10)]));
    assert_eq!(rules("novastraxis", "enterprise"), (CountedBy::Lineage, vec![(10_000, 60), (3333, 10)]));
    assert_eq!(rules("novastraxis", "no-such-tier"), rules("novastraxis", "standard"));
    assert_eq!(rules("cloudnexus", "standard"), (CountedBy::Lineage, vec![(1000, 60)]));
    assert_eq!(rules("cloudnx", "standard"), (CountedBy::Owner, vec![(30, 1)]));
    assert_eq!(rules("cloudnexus-servers", "professional"), (CountedBy::Tenant, vec![(500, 60)]));
}
