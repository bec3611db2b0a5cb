mod bound;
mod loading;

use domain::{Api, AuthMethod, Caller, Requirement, Scope, Timestamp};
use proptest::prelude::*;

use super::*;
use crate::sample::{api, arrival, call, caller, requirement, standing};
use crate::source::{CasesSource, PolicyKind, ResourceTenant, shipped_guardrails};

fn grant(text: &str) -> PolicySource {
    let kind = PolicyKind::Grant("example".parse().unwrap());
    PolicySource { file: "apis/example/access.cedar".into(), text: text.to_owned(), kind, cases: None }
}

fn guardrail(text: &str) -> PolicySource {
    let kind = PolicyKind::Guardrail;
    PolicySource { file: "guardrails/own.cedar".into(), text: text.to_owned(), kind, cases: None }
}

const ALL: &str = r#"@id("all") permit (principal is Gw::ApiKey, action in Example::Action::"all", resource);"#;

struct Bench {
    api: Arc<Api>,
    authorizer: Authorizer,
}

impl Bench {
    fn with(sources: &[PolicySource]) -> Self {
        let fronted = Fronted { https_only: true, ..Fronted::new(api()) };
        Self::of(fronted, sources)
    }

    fn of(fronted: Fronted, sources: &[PolicySource]) -> Self {
        let sources: Vec<PolicySource> = shipped_guardrails().into_iter().chain(sources.iter().cloned()).collect();
        let api = Arc::clone(&fronted.api);
        Self { api, authorizer: Authorizer::load(&[fronted], &sources).unwrap_or_else(|it| panic!("{}", listed(&it))) }
    }

    fn ask(&self, operation: &str, parameters: &[&str], caller: &Caller) -> Result<Permit, Forbidden> {
        self.ask_at(operation, parameters, caller, &arrival())
    }

    fn ask_at(&self, id: &str, with: &[&str], caller: &Caller, arrival: &Arrival) -> Result<Permit, Forbidden> {
        let call = call(&self.api, id, with);
        let fast = self.authorizer.authorize(&call, Some(caller), arrival);
        let again = self.authorizer.authorize(&call, Some(caller), arrival);
        let stock = self.authorizer.decide_by_stock(&call, Some(caller), arrival).unwrap();
        assert_eq!((fast.is_ok(), again.is_ok()), (stock.allowed, stock.allowed), "{fast:?} {stock:?}");
        fast
    }

    #[track_caller]
    fn refused(&self, operation: &str, caller: &Caller, reason: Reason) -> Forbidden {
        self.refused_at(operation, caller, &arrival(), reason)
    }

    #[track_caller]
    fn refused_at(&self, operation: &str, caller: &Caller, arrival: &Arrival, reason: Reason) -> Forbidden {
        let parameters: &[&str] = if operation == "listThings" { &[] } else { &["t1"] };
        let forbidden = self.ask_at(operation, parameters, caller, arrival).unwrap_err();
        assert_eq!(forbidden.reason(), reason, "{forbidden}");
        assert_eq!(forbidden.told().reason, reason.as_str());
        forbidden
    }
}

fn listed(faults: &Faults) -> String {
    faults.iter().map(ToString::to_string).collect::<Vec<_>>().join("\n")
}

fn faults(sources: &[PolicySource]) -> Faults {
    Authorizer::load(&[Fronted::new(api())], sources).unwrap_err()
}

fn ids(ids: &[Arc<str>]) -> Vec<&str> {
    ids.iter().map(AsRef::as_ref).collect()
}

#[test]
fn nothing_is_permitted_where_no_policy_permits() {
    let bench = Bench::with(&[]);
    let forbidden = bench.refused("listThings", &caller(standing("t", &["things:read"])), Reason::NoPermit);
    assert!(forbidden.determining().is_empty());
    let bare = Authorizer::load(&[Fronted::new(api())], &[]).unwrap();
    let refused = bare.authorize(&call(&bench.api, "getPart", &["t", "p"]), None, &arrival()).unwrap_err();
    assert_eq!(refused.reason(), Reason::NoPermit);
}

#[test]
fn a_permit_names_the_policies_and_the_bundle_it_rests_on() {
    let bench = Bench::with(&[grant(ALL)]);
    let permit = bench.ask("getThing", &["t1"], &caller(standing("t", &["things:read"]))).unwrap();
    assert_eq!(ids(permit.determining()), ["all"]);
    assert_eq!(permit.bundle().len(), 64);
    let other = Bench::with(&[grant(&ALL.replace("\"all\")", "\"read\")"))]);
    assert_ne!(permit.bundle(), other.authorizer.bundle());
    let relaid = Bench::with(&[grant(&format!("// The same.\n\n{}", ALL.replace(", ", ",\n  ")))]);
    assert_eq!(permit.bundle(), relaid.authorizer.bundle());
}

#[test]
fn a_scope_that_is_missing_is_named_and_no_permit_makes_up_for_it() {
    let bench = Bench::with(&[grant(ALL)]);
    let forbidden = bench.refused("deleteThing", &caller(standing("t", &["things:read"])), Reason::InsufficientScope);
    assert_eq!(forbidden.missing_scopes(), ["things:write".parse::<Scope>().unwrap()]);
    assert_eq!(ids(forbidden.determining()), ["ceiling.things:write"]);
}

#[test]
fn a_scope_without_a_permit_grants_nothing() {
    let bench = Bench::with(&[grant(
        r#"@id("reads") permit (principal is Gw::ApiKey, action in Example::Action::"read", resource);"#,
    )]);
    let both = caller(standing("t", &["things:read", "things:write"]));
    assert!(bench.ask("getThing", &["t1"], &both).is_ok());
    bench.refused("deleteThing", &both, Reason::NoPermit);
}

#[test]
fn each_guardrail_refuses_with_its_own_reason() {
    let bench = Bench::with(&[grant(ALL)]);
    let good = standing("t", &["things:read"]);
    let suspended = caller(Standing { suspended: true, ..good.clone() });
    bench.refused("getThing", &suspended, Reason::Suspended);
    let at = |it: &str| it.parse::<Timestamp>().unwrap();
    let expired = caller(Standing { expires: Some(at("2026-11-23T12:00:00.250Z")), ..good.clone() });
    bench.refused("getThing", &expired, Reason::CredentialExpired);
    let not_yet = caller(Standing { expires: Some(at("2026-11-23T12:00:00.251Z")), ..good.clone() });
    assert!(bench.ask("getThing", &["t1"], &not_yet).is_ok());
    let elsewhere = Caller { in_allowlist: false, ..caller(good.clone()) };
    bench.refused("getThing", &elsewhere, Reason::IpNotAllowed);
    let mut plain = arrival();
    plain.source.tls = false;
    bench.refused_at("getThing", &caller(good), &plain, Reason::PlainHttp);
}

#[test]
fn every_shipped_guardrail_has_cases_in_which_it_forbids() {
    let shipped = shipped_guardrails();
    let ran = Bench::with(&[]).authorizer.run_cases(&shipped).unwrap();
    assert_eq!(ran.cases, 20);
    for source in &shipped {
        let cases = &source.cases.as_ref().unwrap().text;
        for policy in gate::parse(&source.file, &source.text).unwrap() {
            assert!(cases.contains(&format!("\"reason\": [\"{}\"]", policy.id())), "{}", policy.id());
        }
    }
}

#[test]
fn a_guardrail_that_nothing_here_comes_under_is_left_out_and_named() {
    let bench = Bench::of(Fronted::new(api()), &[grant(ALL)]);
    assert_eq!(bench.authorizer.idle_guardrails(), ["guard.tls-only"]);
    let mut plain = arrival();
    plain.source.tls = false;
    assert!(bench.ask_at("getThing", &["t1"], &caller(standing("t", &["things:read"])), &plain).is_ok());
}

#[test]
fn several_reasons_give_the_most_telling() {
    let bench = Bench::with(&[grant(ALL)]);
    let both = caller(Standing { suspended: true, ..standing("t", &[]) });
    let forbidden = bench.refused("getThing", &both, Reason::Suspended);
    assert_eq!(ids(forbidden.determining()), ["ceiling.things:read", "guard.suspended"]);
}

#[test]
fn a_second_tenant_is_never_reached_whatever_is_permitted() {
    let fronted = Fronted { resource_tenant: ResourceTenant::Parameter("id".to_owned()), ..Fronted::new(api()) };
    let everything = format!(
        "{ALL} @id(\"t2\") permit (principal, action == Example::Action::\"getThing\", resource in Gw::Tenant::\"t2\");"
    );
    let bench = Bench::of(fronted, &[grant(&everything)]);
    let own = caller(standing("t1", &["things:read"]));
    assert!(bench.ask("getThing", &["t1"], &own).is_ok());
    let forbidden = bench.ask("getThing", &["t2"], &own).unwrap_err();
    assert_eq!(forbidden.reason(), Reason::TenantMismatch);
    assert_eq!(ids(forbidden.determining()), ["isolation.Example.Thing"]);
    // Whose the list is, nobody knows.
    assert_eq!(bench.ask("listThings", &[], &own).unwrap_err().reason(), Reason::PolicyError);
}

#[test]
fn what_a_caller_sends_never_becomes_an_entity() {
    let admin = r#"@id("escape") permit (principal is Gw::ApiKey, action in Example::Action::"all", resource)
        when { context.req.host == "Gw::Scope::\"admin\"" || context.req.path like "*__entity*" };
        @id("named") permit (principal is Gw::ApiKey, action in Example::Action::"all", resource == Example::Thing::"x\"y");"#;
    let bench = Bench::with(&[grant(admin)]);
    let own = caller(standing("t", &["things:read"]));
    let mut sent = arrival();
    for name in ["x-portcullis-tenant", "x-role", "authorization", "content-length"] {
        let value = r#"{"__entity":{"type":"Gw::Tenant","id":"t2"}}"#;
        sent.headers.insert(http::HeaderName::from_static(name), http::HeaderValue::from_static(value));
    }
    bench.refused_at("getThing", &own, &sent, Reason::NoPermit);
    // Text is compared as text; a path parameter is an id and never syntax.
    sent.host = "Gw::Scope::\"admin\"".to_owned();
    assert!(bench.ask_at("getThing", &["t1"], &own, &sent).is_ok());
    assert!(bench.ask("getThing", &["x\"y"], &own).is_ok());
    assert!(bench.ask("getThing", &["x\\\"y"], &own).is_err());
}

const OVERFLOWS: &str = "context.time.hour * 9223372036854775807 > 0";

#[test]
fn a_forbid_that_errs_denies() {
    let errs = format!("@id(\"errs\") forbid (principal is Gw::ApiKey, action, resource) when {{ {OVERFLOWS} }};");
    let bench = Bench::with(&[grant(ALL), guardrail(&errs)]);
    let forbidden = bench.refused("getThing", &caller(standing("t", &["things:read"])), Reason::PolicyError);
    assert_eq!(ids(forbidden.erring()), ["errs"]);
    assert_eq!(forbidden.blame(), domain::Blame::Policy);
    let mut at_midnight = arrival();
    at_midnight.at.wall = "2026-11-23T00:30:00Z".parse().unwrap();
    assert!(bench.ask_at("getThing", &["t1"], &caller(standing("t", &["things:read"])), &at_midnight).is_ok());
}

#[test]
fn a_permit_that_errs_is_passed_over_and_counted() {
    let errs = format!(
        "@id(\"a-errs\") permit (principal, action == Example::Action::\"getThing\", resource) when {{ {OVERFLOWS} }};"
    );
    let last = r#"@id("b-holds") permit (principal, action == Example::Action::"getThing", resource) when { context.time.weekday == 1 };"#;
    let own = caller(standing("t", &["things:read"]));
    let bench = Bench::with(&[grant(&errs)]);
    let forbidden = bench.refused("getThing", &own, Reason::NoPermit);
    assert_eq!(ids(forbidden.erring()), ["a-errs"]);
    assert_eq!(bench.authorizer.skipped_permits(), 2);
    let bench = Bench::with(&[grant(&format!("{errs}{last}"))]);
    let permit = bench.ask("getThing", &["t1"], &own).unwrap();
    assert_eq!((ids(permit.determining()), ids(permit.erring())), (vec!["b-holds"], vec!["a-errs"]));
}

#[test]
fn an_operation_that_no_document_names_is_refused_before_any_policy() {
    let bench = Bench::with(&[grant(ALL)]);
    let own = caller(standing("t", &["things:read", "things:write"]));
    let mut stranger = crate::sample::operation("purge", "/v1/purge");
    stranger.requirement = Requirement::default();
    let ask = |operation: Operation| {
        let call = Call { operation: Arc::new(operation), parameters: vec!["t1".to_owned()] };
        bench.authorizer.authorize(&call, Some(&own), &arrival()).map_err(|it| it.reason())
    };
    assert_eq!(ask(stranger).unwrap_err(), Reason::UnmappedOperation);
    // The name alone is not enough: this one asks for another scope than the one that was validated.
    let known = bench.api.operations.iter().find(|it| it.id.as_str() == "deleteThing").unwrap().as_ref().clone();
    let lax = Operation { requirement: requirement(&["things:read"]), ..known.clone() };
    assert_eq!(ask(lax).unwrap_err(), Reason::UnmappedOperation);
    assert!(ask(known).is_ok());
}

#[test]
fn somebody_without_a_credential_gets_what_names_them_and_nothing_else() {
    let open = r#"@id("anybody") permit (principal is Gw::Anonymous, action == Example::Action::"status", resource);"#;
    let bench = Bench::with(&[grant(&format!("{ALL}{open}"))]);
    let ask = |id: &str| bench.authorizer.authorize(&call(&bench.api, id, &[]), None, &arrival());
    assert_eq!(ids(ask("status").unwrap().determining()), ["anybody"]);
    assert_eq!(ask("listThings").unwrap_err().reason(), Reason::NoPermit);
}

#[test]
fn one_standing_never_gets_what_was_decided_for_another() {
    let bench = Bench::with(&[grant(ALL)]);
    for round in 0..200 {
        let scopes: &[&str] = if round % 2 == 0 { &["things:read"] } else { &[] };
        let own = caller(standing("t", scopes));
        assert_eq!(bench.ask("getThing", &["t1"], &own).is_ok(), round % 2 == 0, "{round}");
    }
}

#[test]
fn a_caller_that_signs_is_not_taken_for_one_that_shows_a_key() {
    let signed = r#"@id("signed") permit (principal, action == Example::Action::"getThing", resource) when { context.auth.method == "sigv4" };"#;
    let bench = Bench::with(&[grant(signed)]);
    let by_key = caller(standing("t", &["things:read"]));
    let by_signature = Caller { method: AuthMethod::SigV4, ..by_key.clone() };
    assert!(bench.ask("getThing", &["t1"], &by_key).is_err());
    assert!(bench.ask("getThing", &["t1"], &by_signature).is_ok());
}

#[test]
fn a_policy_may_ask_for_a_second_factor_and_how_long_ago_it_was_shown() {
    let strong = r#"@id("strong") permit (principal, action == Example::Action::"getThing", resource)
        when { context.auth.mfa && context.auth has mfa_age && context.auth.mfa_age <= duration("10m") };"#;
    let bench = Bench::with(&[grant(strong)]);
    let session = |methods: &[&str], ago: u64| {
        let methods = methods.iter().map(|it| (*it).to_owned()).collect();
        let authenticated = Some(arrival().at.wall - std::time::Duration::from_secs(ago));
        let grant = domain::Grant { kind: domain::GrantKind::Session, client: None, authenticated, methods };
        let standing = Standing { grant: Some(grant), ..standing("t", &["things:read"]) };
        Caller { method: AuthMethod::Session, ..caller(standing) }
    };
    let may = |caller: &Caller| bench.ask("getThing", &["t1"], caller).is_ok();
    assert!(may(&session(&["pwd", "otp", "mfa"], 599)));
    assert!(!may(&session(&["pwd", "otp", "mfa"], 601)));
    assert!(!may(&session(&["pwd"], 0)));
    assert!(!may(&caller(standing("t", &["things:read"]))));
}

#[test]
fn a_policy_may_ask_how_long_ago_somebody_signed_in_and_a_token_was_made() {
    let ask = |condition: &str, caller: &Caller| {
        let policy = format!(
            r#"@id("fresh") permit (principal, action == Example::Action::"getThing", resource) when {{ {condition} }};"#
        );
        Bench::with(&[grant(&policy)]).ask("getThing", &["t1"], caller).is_ok()
    };
    let ago = |seconds: u64| arrival().at.wall - std::time::Duration::from_secs(seconds);
    let grant = domain::Grant {
        kind: domain::GrantKind::Session,
        client: None,
        authenticated: Some(ago(3600)),
        methods: vec!["pwd".to_owned()],
    };
    let standing_of = |grant| Standing { grant, ..standing("t", &["things:read"]) };
    let token = Some(Arc::new(domain::TokenShown { signer: "one".to_owned(), issued: ago(60) }));
    let session = Caller { method: AuthMethod::Session, token, ..caller(standing_of(Some(grant))) };
    let key = caller(standing_of(None));
    let (new_token, newer) = ("context.auth has token_age && context.auth.token_age <= duration(\"60s\")", "59s");
    assert!(ask(new_token, &session) && !ask(&new_token.replace("60s", newer), &session));
    let login = "context.auth has login_age && context.auth.login_age <= duration(\"1h\")";
    assert!(ask(login, &session) && !ask(&login.replace("1h", "3599s"), &session));
    assert!(!ask(new_token, &key) && !ask(login, &key), "a key has neither");
    assert!(ask("!(context.auth has token_age) && !(context.auth has login_age)", &key));
}

#[test]
fn the_schema_of_an_api_reads_like_its_document() {
    let bench = Bench::with(&[]);
    let text = bench.authorizer.schema_text(&"example".parse().unwrap()).unwrap();
    let (_, own) = text.split_once("namespace Example").unwrap();
    insta::assert_snapshot!(own);
    assert_eq!(bench.authorizer.schema_text(&"other".parse().unwrap()), None);
}

fn scope() -> impl Strategy<Value = (String, String, String)> {
    let principal = prop::sample::select(vec![
        "principal",
        "principal is Gw::ApiKey",
        "principal in Gw::Scope::\"things:read\"",
        "principal in Gw::Tenant::\"t1\"",
        "principal == Gw::ApiKey::\"key_1\"",
        "principal is Gw::ApiKey in Gw::Tier::\"standard\"",
    ]);
    let action = prop::sample::select(vec![
        "action in Example::Action::\"all\"",
        "action in Example::Action::\"read\"",
        "action == Example::Action::\"getThing\"",
        "action in [Example::Action::\"delete\", Example::Action::\"tag:parts\"]",
    ]);
    let resource =
        prop::sample::select(vec!["resource", "resource in Gw::Tenant::\"t1\"", "resource in Example::Thing::\"t1\""]);
    (principal, action, resource).prop_map(|(p, a, r)| (p.to_owned(), a.to_owned(), r.to_owned()))
}

fn policies() -> impl Strategy<Value = String> {
    let condition = prop::sample::select(vec![
        "",
        "when { context.source.tls }",
        "when { context.time.hour * 9223372036854775807 > 0 }",
        "when { context.time.hour >= 12 && context.auth.method == \"api_key\" }",
        "unless { context.req has body_bytes }",
        "when { context.req.path like \"/v1/*\" }",
        "when { context.source.ip.isInRange(ip(\"192.0.2.0/24\")) }",
        "when { resource.tenant == Gw::Tenant::\"t1\" }",
        "when { context.time.now > datetime(\"2026-11-23T12:00:00Z\") }",
    ]);
    let effect = prop::sample::select(vec!["permit", "permit", "forbid"]);
    let policy = (effect, scope(), condition).prop_map(|(effect, (principal, action, resource), when)| {
        format!("{effect} ({principal}, {action}, {resource}) {when};\n")
    });
    let named = |(at, policy): (usize, String)| format!("@id(\"p{at}\") {policy}");
    prop::collection::vec(policy, 0..12).prop_map(move |all| all.into_iter().enumerate().map(named).collect())
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 48, ..ProptestConfig::default() })]

    #[test]
    fn the_fast_road_and_cedar_itself_never_disagree(
        text in policies(),
        by_parameter in any::<bool>(),
        asked in prop::collection::vec((0..5_usize, 1..3_u8, 1..3_u8, any::<[bool; 6]>(), 0..24_i64), 12),
    ) {
        let tenancy = if by_parameter { ResourceTenant::Parameter("id".to_owned()) } else { ResourceTenant::Caller };
        let fronted = Fronted { https_only: true, resource_tenant: tenancy, ..Fronted::new(api()) };
        // What a set of random policies is faulted for, such as one that can never apply, is not what is asked here.
        let sources: Vec<PolicySource> = shipped_guardrails().into_iter().chain([grant(&text)]).collect();
        let loaded = Authorizer::load(std::slice::from_ref(&fronted), &sources);
        prop_assume!(loaded.is_ok());
        let authorizer = loaded.unwrap();
        for (operation, tenant, id, [tls, listed, suspended, reads, writes, declares], hour) in asked {
            let operation = Arc::clone(&fronted.api.operations[operation]);
            let parameters = operation.parameters.iter().map(|_| format!("t{id}")).collect();
            let call = Call { operation, parameters };
            let scopes: Vec<&str> = [("things:read", reads), ("things:write", writes)].iter().filter(|it| it.1).map(|it| it.0).collect();
            let own = Standing { suspended, ..standing(&format!("t{tenant}"), &scopes) };
            let own = Caller { in_allowlist: listed, ..caller(own) };
            let mut arrival = arrival();
            arrival.source.tls = tls;
            arrival.at.wall = Timestamp::from_seconds(hour * 3_600 + 1_795_392_000);
            if declares {
                arrival.headers.insert(http::header::CONTENT_LENGTH, http::HeaderValue::from_static("5"));
            }
            let stock = authorizer.decide_by_stock(&call, Some(&own), &arrival).unwrap();
            for _ in 0..2 {
                match authorizer.authorize(&call, Some(&own), &arrival) {
                    Ok(permit) => {
                        prop_assert!(stock.allowed, "{:?} {:?}", permit, stock);
                        prop_assert!(permit.determining().iter().all(|it| stock.determining.contains(&it.to_string())));
                    }
                    Err(forbidden) => {
                        prop_assert!(!stock.allowed, "{:?} {:?}", forbidden, stock);
                        let all = [&stock.determining, &stock.erring].map(|it| it.iter()).into_iter().flatten().collect::<Vec<_>>();
                        prop_assert!(forbidden.determining().iter().all(|it| all.contains(&&it.to_string())), "{:?} {:?}", forbidden, stock);
                        if forbidden.reason() == Reason::NoPermit {
                            prop_assert!(stock.determining.is_empty());
                        }
                    }
                }
            }
        }
    }
}
