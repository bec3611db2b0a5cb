use std::time::Duration;

use domain::{Change, Imported, KeyRecord, Overlap, Vault};
use http::HeaderName;
use proptest::prelude::*;

use super::*;
use crate::testing::{NOW, arrival, kept, minted_key, record, secrets, showing, tenant};

static ACCOUNT: HeaderName = HeaderName::from_static("x-cloudnexus-id");

struct Api {
    name: ApiName,
    prefixes: Vec<String>,
    imported: bool,
    tenant_header: bool,
    anonymous: bool,
}

impl Api {
    fn new() -> Self {
        Self {
            name: "novastraxis".parse().unwrap(),
            prefixes: vec!["nsx_live_".to_owned()],
            imported: false,
            tenant_header: false,
            anonymous: false,
        }
    }

    fn rules(&self) -> AuthRules<'_> {
        AuthRules {
            api: &self.name,
            keys: Some(KeyRules { prefixes: &self.prefixes, imported: self.imported }),
            signatures: None,
            tokens: None,
            tenant_header: self.tenant_header.then_some(&ACCOUNT),
            sessions: None,
            anonymous: self.anonymous,
        }
    }

    fn ask(&self, arrival: &Arrival, keys: Vec<KeyRecord>) -> Result<Option<Caller>, Unauthenticated> {
        who(&self.rules(), arrival, &Keyring::build([tenant("acme")], keys))
    }

    #[track_caller]
    fn refuses(&self, arrival: &Arrival, keys: Vec<KeyRecord>, cause: &Cause) -> Unauthenticated {
        let refused = self.ask(arrival, keys).unwrap_err();
        assert_eq!(refused.cause, *cause);
        assert!(refused.standing.is_none() || refused.method == Some(AuthMethod::ApiKey), "{refused:?}");
        refused
    }
}

fn who(rules: &AuthRules<'_>, arrival: &Arrival, ring: &Keyring) -> Result<Option<Caller>, Unauthenticated> {
    authenticate(rules, arrival, None, ring, &secrets()).map(|it| it.map(|(caller, _)| caller))
}

#[test]
fn a_good_key_names_its_caller() {
    let key = minted_key("nsx_live_", 1);
    let record = kept(&key);
    let caller = Api::new().ask(&showing(&key), vec![record.clone()]).unwrap().unwrap();
    assert_eq!(caller.standing.key, record.id);
    assert_eq!(caller.standing.lineage, record.lineage);
    assert_eq!(caller.standing.tenant, record.tenant);
    assert_eq!(caller.standing.scopes, record.scopes);
    assert_eq!(caller.standing.tier, record.tier);
    assert_eq!(caller.method, AuthMethod::ApiKey);
    assert!(caller.in_allowlist && caller.retires.is_none() && !caller.standing.suspended);
}

#[test]
fn nothing_shown_is_401_unless_anybody_may_ask() {
    let mut api = Api::new();
    let refused = api.refuses(&arrival("/", &[]), vec![], &Cause::Missing);
    assert_eq!(refused.kind(), Kind::Unproven);
    assert_eq!(refused.challenge(&api.rules()).unwrap(), "Bearer realm=\"novastraxis\"");
    api.anonymous = true;
    assert!(api.ask(&arrival("/", &[]), vec![]).unwrap().is_none());
}

#[test]
fn a_bad_credential_is_refused_even_where_anybody_may_ask() {
    let api = Api { anonymous: true, ..Api::new() };
    let refused = api.refuses(&showing(&minted_key("nsx_live_", 1)), vec![], &Cause::Unknown);
    assert_eq!(refused.challenge(&api.rules()).unwrap(), "Bearer realm=\"novastraxis\", error=\"invalid_token\"");
}

#[test]
fn a_mistyped_key_is_turned_away_by_its_checksum() {
    let mut key = minted_key("nsx_live_", 1);
    let records = vec![kept(&key)];
    key.pop();
    let refused = Api::new().refuses(&showing(&key), records, &Cause::BadChecksum);
    assert!(refused.guessed());
}

#[test]
fn what_is_no_key_of_ours_is_malformed_where_none_are_imported() {
    Api::new().refuses(&showing("sk-abcdefghijklmnop"), vec![], &Cause::Malformed);
}

#[test]
fn a_key_of_another_api_is_401_and_named_in_the_entry() {
    let key = minted_key("nx_live_sk_", 1);
    let record = KeyRecord { api: "cloudnexus".parse().unwrap(), ..kept(&key) };
    let id = record.id.clone();
    let refused = Api::new().refuses(&showing(&key), vec![record], &Cause::WrongApi);
    assert_eq!(refused.standing.as_ref().map(|it| it.key.clone()), Some(id));
    assert_eq!(refused.kind(), Kind::Unproven);
}

#[test]
fn an_imported_key_opens_in_whatever_form_it_has() {
    let api = Api { imported: true, ..Api::new() };
    for key in ["nsx_live_a1b2c3d4e5f6", "nx_live_sk_8f9d2a1b", "sk-proj_abc/def+ghi=", &minted_key("other_", 3)] {
        let record = record(secrets().keep_imported(Imported::Plain(key)));
        assert!(api.ask(&showing(key), vec![record]).unwrap().is_some(), "{key}");
        let refused = api.refuses(&showing(&format!("{key}x")), vec![], &Cause::Unknown);
        assert!(refused.guessed());
    }
}

#[test]
fn an_imported_key_that_could_be_guessed_opens_nothing_even_when_it_came_as_a_digest() {
    let api = Api { imported: true, ..Api::new() };
    for (key, opens) in
        [("x".repeat(15), false), ("x".repeat(16), true), ("x".repeat(512), true), ("x".repeat(513), false)]
    {
        let record = record(secrets().keep_imported(Imported::Sha256(secrets::sha256(&key))));
        assert_eq!(api.ask(&showing(&key), vec![record]).is_ok(), opens, "{}", key.len());
    }
}

#[test]
fn an_imported_key_opens_nothing_where_none_are_taken() {
    let key = "nsx_live_a1b2c3d4e5f6";
    let record = record(secrets().keep_imported(Imported::Plain(key)));
    Api::new().refuses(&showing(key), vec![record], &Cause::BadChecksum);
}

#[test]
fn an_end_is_seen_to_the_nanosecond() {
    let key = minted_key("nsx_live_", 1);
    let api = Api::new();
    let ends = |at| {
        [
            (KeyRecord { expires: Some(at), ..kept(&key) }, Cause::Expired),
            (KeyRecord { overlap: Some(Overlap { since: NOW, until: at }), ..kept(&key) }, Cause::Replaced),
        ]
    };
    let nano = Duration::from_nanos(1);
    for (record, _) in ends(NOW + nano) {
        assert!(api.ask(&showing(&key), vec![record]).is_ok());
    }
    for (record, cause) in ends(NOW).into_iter().chain(ends(NOW - nano)) {
        let id = record.id.clone();
        let refused = api.refuses(&showing(&key), vec![record], &cause);
        assert_eq!(refused.standing.map(|it| it.key.clone()), Some(id));
    }
}

#[test]
fn a_revoked_key_opens_nothing_whatever_else_is_true_of_it() {
    let key = minted_key("nsx_live_", 1);
    for revoked in [NOW - Duration::from_secs(1), NOW, NOW + Duration::from_secs(1)] {
        let record = KeyRecord { revoked: Some(revoked), expires: Some(NOW), ..kept(&key) };
        Api::new().refuses(&showing(&key), vec![record], &Cause::Revoked);
    }
}

#[test]
fn everything_unproven_is_told_alike() {
    let api = Api::new();
    let (key, other) = (minted_key("nsx_live_", 1), minted_key("nsx_live_", 2));
    let told = |arrival: &Arrival, record: KeyRecord| {
        let refused = api.ask(arrival, vec![record]).unwrap_err();
        (refused.kind(), refused.told(&api.rules()))
    };
    let missing = told(&arrival("/", &[]), kept(&key));
    assert_eq!(missing.1.reason, "unauthenticated");
    assert_eq!(told(&showing(&other), kept(&key)), missing);
    assert_eq!(told(&showing("nsx_live_typo"), kept(&key)), missing);
    assert_eq!(told(&showing("a.b.c"), kept(&key)), missing);
    assert_eq!(told(&arrival("/", &[("authorization", "Basic eA==")]), kept(&key)), missing);
    assert_eq!(told(&showing(&key), KeyRecord { expires: Some(NOW), ..kept(&key) }), missing);
    assert_eq!(told(&showing(&key), KeyRecord { revoked: Some(NOW), ..kept(&key) }), missing);
    assert_eq!(
        told(&showing(&key), KeyRecord { overlap: Some(Overlap { since: NOW, until: NOW }), ..kept(&key) }),
        missing
    );
    assert_eq!(told(&showing(&key), KeyRecord { api: "cloudnexus".parse().unwrap(), ..kept(&key) }), missing);
}

#[test]
fn a_suspended_tenant_is_known_and_marked() {
    let key = minted_key("nsx_live_", 1);
    let api = Api::new();
    let ring = Keyring::build([tenant("acme")], [kept(&key)]);
    let mut suspended = tenant("acme");
    suspended.suspended = Some(NOW);
    let after = ring.apply([Change::Tenant(suspended)]);
    let ask = |ring: &Keyring| who(&api.rules(), &showing(&key), ring).unwrap().unwrap();
    assert!(!ask(&ring).standing.suspended, "who pinned the old ring keeps it");
    assert!(ask(&after).standing.suspended);
    assert!(!ask(&after.apply([Change::Tenant(tenant("acme"))])).standing.suspended);
}

#[test]
fn an_address_that_is_not_on_the_list_is_marked() {
    let key = minted_key("nsx_live_", 1);
    let api = Api::new();
    let listed = |nets: &[&str], source: &str| {
        let ip_allow = nets.iter().map(|it| it.parse().unwrap()).collect();
        let mut arrival = showing(&key);
        arrival.source.address = source.parse().unwrap();
        api.ask(&arrival, vec![KeyRecord { ip_allow, ..kept(&key) }]).unwrap().unwrap().in_allowlist
    };
    assert!(listed(&["192.0.2.0/24", "2001:db8::/32"], "192.0.2.255"));
    assert!(listed(&["192.0.2.0/24", "2001:db8::/32"], "2001:db8::1"));
    assert!(!listed(&["192.0.2.0/24", "2001:db8::/32"], "192.0.3.0"));
    assert!(!listed(&["192.0.2.7/32"], "2001:db8::1"));
    assert!(listed(&[], "203.0.113.1"));
}

#[test]
fn a_key_in_its_overlap_says_when_it_retires() {
    let key = minted_key("nsx_live_", 1);
    let until = NOW + Duration::from_mins(1);
    let caller =
        Api::new().ask(&showing(&key), vec![KeyRecord { overlap: Some(Overlap { since: NOW, until }), ..kept(&key) }]);
    assert_eq!(caller.unwrap().unwrap().retires, Some(Overlap { since: NOW, until }));
}

#[test]
fn the_account_header_is_compared_with_the_tenant_of_the_key() {
    let key = minted_key("nsx_live_", 1);
    let api = Api { tenant_header: true, ..Api::new() };
    let bearer = format!("Bearer {key}");
    let ask = |accounts: &[&str]| {
        let mut headers = vec![("authorization", bearer.as_str())];
        headers.extend(accounts.iter().map(|it| ("X-CloudNexus-Id", *it)));
        api.ask(&arrival("/", &headers), vec![kept(&key)])
    };
    assert!(ask(&["acme"]).unwrap().is_some());
    for (accounts, cause, kind) in [
        (vec![], Cause::TenantHeaderMissing, Kind::Malformed),
        (vec!["acme", "acme"], Cause::TenantHeaderRepeated, Kind::Malformed),
        (vec!["globex"], Cause::WrongTenant, Kind::WrongTenant),
        (vec!["ACME"], Cause::WrongTenant, Kind::WrongTenant),
        (vec![""], Cause::TenantHeaderMissing, Kind::Malformed),
    ] {
        let refused = ask(&accounts).unwrap_err();
        assert_eq!((&refused.cause, refused.kind()), (&cause, kind), "{accounts:?}");
        assert_eq!(refused.told(&api.rules()).param.as_deref(), Some("x-cloudnexus-id"));
    }
}

#[test]
fn a_bad_key_is_refused_before_the_account_header_is_read() {
    let api = Api { tenant_header: true, ..Api::new() };
    api.refuses(&showing(&minted_key("nsx_live_", 1)), vec![], &Cause::Unknown);
}

#[test]
fn two_credentials_and_keys_in_the_address_are_400() {
    let key = minted_key("nsx_live_", 1);
    let bearer = format!("Bearer {key}");
    let api = Api { anonymous: true, ..Api::new() };
    let twice = arrival("/", &[("authorization", &bearer), ("authorization", &bearer)]);
    assert_eq!(api.refuses(&twice, vec![kept(&key)], &Cause::TwoCredentials).kind(), Kind::Malformed);
    let in_url = arrival(&format!("/?api_key={key}"), &[]);
    assert_eq!(api.refuses(&in_url, vec![kept(&key)], &Cause::InUrl).kind(), Kind::Malformed);
    let long = showing(&"x".repeat(9000));
    assert_eq!(api.refuses(&long, vec![kept(&key)], &Cause::Oversized).kind(), Kind::Malformed);
}

#[test]
fn a_credential_the_api_does_not_take_is_401_and_never_ignored() {
    let api = Api { anonymous: true, ..Api::new() };
    api.refuses(&arrival("/?X-Amz-Signature=00&X-Amz-Credential=x", &[]), vec![], &Cause::KindNotTaken);
    api.refuses(&arrival("/", &[("authorization", "AWS4-HMAC-SHA256 Credential=x")]), vec![], &Cause::KindNotTaken);
    api.refuses(&showing("eyJhbGciOiJub25lIn0.e30."), vec![], &Cause::KindNotTaken);
    let name = "cloudnx".parse().unwrap();
    let none = AuthRules {
        api: &name,
        keys: None,
        signatures: None,
        tokens: None,
        tenant_header: None,
        sessions: None,
        anonymous: false,
    };
    let key = minted_key("nsx_live_", 1);
    let ring = Keyring::build([tenant("acme")], [kept(&key)]);
    let refused = who(&none, &showing(&key), &ring).unwrap_err();
    assert_eq!((&refused.cause, refused.challenge(&none)), (&Cause::KindNotTaken, None));
    let (region, service, paths) = ("in-mum", "cloudnx", domain::PathMode::Objects);
    let signatures = SignatureRules { region, service, paths, skew: sigv4::SKEW };
    let signed = AuthRules { signatures: Some(signatures), ..none };
    let refused = who(&signed, &showing(&key), &ring).unwrap_err();
    assert_eq!(refused.challenge(&signed).unwrap(), "AWS4-HMAC-SHA256 realm=\"cloudnx\"");
}

#[test]
fn only_a_key_whose_checksum_holds_passes_a_spent_budget() {
    let api = Api::new();
    let quick = |sent: &Arrival| is_quickly_judged(&api.rules(), sent, &Keyring::default());
    assert!(quick(&showing(&minted_key("nsx_live_", 1))));
    for other in ["nsx_live_a1b2c3d4e5f6", "a.b.c"] {
        assert!(!quick(&showing(other)), "{other}");
    }
    assert!(!quick(&arrival("/", &[])));
}

#[test]
fn no_refusal_and_no_debug_text_holds_what_was_shown() {
    let api = Api { imported: true, tenant_header: true, ..Api::new() };
    let (good, bad) = (minted_key("nsx_live_", 1), minted_key("nsx_live_", 2));
    let imported = "nsx_live_canary-7f3a9c";
    let keys = vec![kept(&good), KeyRecord { revoked: Some(NOW), ..kept(&bad) }];
    let ring = Keyring::build([tenant("acme")], keys.clone());
    let mut said = vec![format!("{ring:?} {keys:?} {:?}", secrets())];
    for shown in [good.as_str(), &bad, imported] {
        for line in
            [format!("Bearer {shown}"), format!("Basic {shown}"), format!("Bearer {shown} {shown}"), shown.into()]
        {
            let answer = who(&api.rules(), &arrival("/", &[("authorization", &line)]), &ring);
            said.push(format!("{answer:?}"));
            if let Err(refused) = answer {
                let told = refused.told(&api.rules());
                said.push(format!("{refused} {} {told:?} {:?}", refused.reason(), refused.challenge(&api.rules())));
            }
        }
    }
    for canary in [good.trim_start_matches("nsx_live_"), bad.trim_start_matches("nsx_live_"), "canary"] {
        assert!(said.iter().all(|it| !it.contains(canary)), "{canary} in {said:#?}");
    }
}

proptest! {
    #[test]
    fn a_key_with_any_byte_changed_is_refused(bits: [u8; 32], at in 0_usize..58, flip in 1_u8..128, imported: bool) {
        let key = keyformat_of(&bits);
        let records = vec![kept(&key)];
        let mut changed = key.clone().into_bytes();
        changed[at] ^= flip;
        let api = Api { imported, ..Api::new() };
        let line = [b"Bearer ".as_slice(), &changed].concat();
        let mut shown = arrival("/", &[]);
        if let Ok(value) = http::HeaderValue::from_bytes(&line) {
            shown.headers.insert("authorization", value);
        }
        prop_assert!(api.ask(&shown, records.clone()).is_err());
        prop_assert!(api.ask(&showing(&key), records).is_ok());
    }

    #[test]
    fn whatever_is_shown_nobody_is_let_in_without_a_key(
        query in "[ -~]{0,30}",
        lines in proptest::collection::vec(proptest::collection::vec(any::<u8>(), 0..60), 0..3),
    ) {
        let api = Api { imported: true, ..Api::new() };
        let mut shown = arrival(&format!("/?{query}"), &[]);
        for line in lines {
            if let Ok(value) = http::HeaderValue::from_bytes(&line) {
                shown.headers.append("authorization", value);
            }
        }
        prop_assert!(api.ask(&shown, vec![kept(&minted_key("nsx_live_", 1))]).is_err());
    }
}

fn keyformat_of(bits: &[u8; 32]) -> String {
    keyformat::write("nsx_live_", &mut bits.clone())
}
