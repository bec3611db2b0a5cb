//! What is told of policies that cannot be put in force: everything, once, where it is.

use super::*;

#[test]
fn one_fault_hides_no_other_of_its_file_nor_of_another() {
    let own = guardrail(concat!(
        "forbid (principal, action, resource) when { context.nope };\n",
        "@id(\"one\") forbid (principal, action, resource);\n",
        "@id(\"one\") forbid (principal, action == Example::Action::\"getThng\", resource);\n",
        "@id(\"two\") forbid (principal, action == Example::Action::\"getPrt\", resource);\n",
    ));
    let text = "[{".to_owned();
    let cases = Some(CasesSource { file: "guardrails/own.cases.json".into(), text });
    let broken = grant("permit (");
    let failing = r#"[{ "name": "never", "decision": "deny", "reason": [], "request":
        { "principal": "Gw::ApiKey::\"k\"", "action": "Example::Action::\"getThing\"", "resource": "Example::Thing::\"x\"" } }]"#;
    let second = PolicySource {
        file: "apis/example/more.cedar".into(),
        cases: Some(CasesSource { file: "apis/example/more.cases.json".into(), text: failing.to_owned() }),
        ..grant(&ALL.replace("\"all\")", "\"one\")"))
    };
    let listing = listed(&faults(&[PolicySource { cases, ..own }, broken, second]));
    for expected in [
        "guardrails/own.cedar:1:1: policy without an id",
        "guardrails/own.cedar:1:45: for policy `guardrails/own.cedar:1:1`, attribute `nope`",
        "guardrails/own.cedar:3:1: id `one` is taken at guardrails/own.cedar:2",
        "guardrails/own.cedar:3:41: ",
        "guardrails/own.cedar:4:41: ",
        "guardrails/own.cases.json:1:2: not a list of cases",
        "apis/example/access.cedar:1:9: ",
        "apis/example/more.cedar:1:1: id `one` is taken at guardrails/own.cedar:2",
        "apis/example/more.cases.json:1:12: case `never`: decision is allow",
    ] {
        assert!(listing.contains(expected), "{expected}\n{listing}");
    }
}

#[test]
fn a_policy_that_cannot_be_read_hides_nothing_of_the_others_of_its_file() {
    let text = concat!(
        "@id(\"a\") permt (principal, action, resource); // with ; and \"quotes\n",
        "@id(\"b\") permit (principal, action == Example::Action::\"getThng\", resource) when { \";\" == \";\" };\n",
        "@id(\"c\") permit (principal, action == Example::Action::\"getPart\", resource);\n",
        "@id(\"d\") permit (principal, action == Example::Action::\"getPrt\", resource\n",
    );
    let listing = listed(&faults(&[grant(text)]));
    let lines: Vec<&str> = listing.lines().filter(|it| !it.starts_with(' ')).collect();
    let [unread, slip, unended] = lines.as_slice() else { panic!("{listing}") };
    assert!(unread.starts_with("apis/example/access.cedar:1:"), "{listing}");
    assert!(slip.starts_with("apis/example/access.cedar:2:39: ") && slip.contains("getThng"), "{listing}");
    assert!(unended.starts_with("apis/example/access.cedar:4:74: "), "{listing}");
}

#[test]
fn a_policy_at_fault_hides_no_case_that_the_others_decide() {
    let case = |name: &str, scope: &str, action: &str, decision: &str, reason: &str| {
        format!(
            r#"{{ "name": "{name}", "decision": "{decision}", "reason": {reason}, "request": {{
                "principal": "Gw::ApiKey::\"k\"", "action": "Example::Action::\"{action}\"",
                "resource": "Example::Thing::\"x\"" }}, "entities": [{{ "uid": {{ "type": "Gw::ApiKey", "id": "k" }},
                "attrs": {{}}, "parents": [{{ "type": "Gw::Scope", "id": "{scope}" }}] }}] }}"#
        )
    };
    let told = |policies: &str, cases: &[String]| -> Vec<String> {
        let text = format!("[{}]", cases.join(","));
        let cases = Some(CasesSource { file: "apis/example/access.cases.json".into(), text });
        let found = faults(&[PolicySource { cases, ..grant(policies) }]);
        let of_cases = found.iter().filter(|it| it.file.ends_with("access.cases.json"));
        of_cases.map(|it| it.message.clone()).collect()
    };
    let sound = "@id(\"read\") permit (principal in Gw::Scope::\"things:read\",
        action == Example::Action::\"getThing\", resource);";
    let slip = "@id(\"write\") permit (principal in Gw::Scope::\"things:write\",
        action == Example::Action::\"deleteThng\", resource);";
    let both = format!("{sound}\n{slip}");
    let cases = [
        case("reads", "things:read", "getThing", "allow", r#"["read"]"#),
        case("never", "things:read", "getThing", "deny", "[]"),
        case("lacks the scope", "things:read", "deleteThing", "allow", r#"["write"]"#),
        // By the policy that is at fault, which may be meant so.
        case("writes", "things:write", "deleteThing", "allow", r#"["write"]"#),
        case("by nobody", "things:read", "getThing", "allow", r#"["red"]"#),
    ];
    assert_eq!(
        told(&both, &cases),
        [
            "case `never`: decision is allow, by [\"read\"]",
            "case `lacks the scope`: decision is deny, by []",
            "case `by nobody`: no policy has the id `red`",
            "case `by nobody`: reason is [\"read\"], not [\"red\"]",
        ]
    );
    let forbids = format!("{sound}\n{}", slip.replace("permit", "forbid").replace(":write", ":read"));
    let may_be_forbidden = [cases[0].clone(), cases[1].clone()];
    assert_eq!(told(&forbids, &may_be_forbidden), [""; 0], "a forbid may be meant for it");
    let unread = format!("{sound}\npermt (");
    assert_eq!(told(&unread, &may_be_forbidden), [""; 0], "what cannot be read may be a forbid");
}

#[test]
fn where_an_api_is_not_known_only_what_is_wrong_without_it_is_told() {
    let kind = PolicyKind::Grant("strange".parse().unwrap());
    let strange = |text: &str| PolicySource { kind: kind.clone(), file: "apis/strange/a.cedar".into(), ..grant(text) };
    let known = [Fronted::new(api())];
    let of_it =
        strange("@id(\"s\") permit (principal, action == Strange::Action::\"a\", resource) when { context.nope };");
    let cases = |text: &str| Some(CasesSource { file: "own.cases.json".into(), text: text.to_owned() });
    let case = r#"[{ "decision": "allow", "reason": [], "request":
        { "principal": "Gw::ApiKey::\"k\"", "action": "Strange::Action::\"a\"", "resource": "Strange::Thing::\"x\"" } }]"#;
    let about_it = PolicySource {
        cases: cases(case),
        ..guardrail(concat!(
            "@id(\"a\") forbid (principal, action == Strange::Action::\"a\", resource);\n",
            "@id(\"b\") forbid (principal, action in Gw::Action::\"strange:read\", resource);\n",
            "@id(\"c\") forbid (principal, action, resource) when { resource is Strange::Thing };\n",
            "@id(\"d\") forbid (principal is Gw::Anonymous, action, resource is Example::Thing);\n",
        ))
    };
    let good = [of_it.clone(), about_it, grant(ALL)];
    assert_eq!(listed(&Authorizer::faults(&known, &good)), "");
    let bad = PolicySource { cases: cases("["), ..strange(&of_it.text.replace("@id(\"s\")", "")) };
    let slip = guardrail("@id(\"e\") forbid (principal, action, resource) when { context.nope };");
    let listing = listed(&Authorizer::faults(&known, &[bad, slip]));
    let lines: Vec<&str> = listing.lines().filter(|it| !it.starts_with(' ')).collect();
    let [id, slip, cases] = lines.as_slice() else { panic!("{listing}") };
    assert!(cases.starts_with("own.cases.json:1:1: not a list of cases"), "{listing}");
    assert!(id.starts_with("apis/strange/a.cedar:1:2: policy without an id"), "{listing}");
    assert!(slip.contains("own.cedar:1:54: for policy `e`, attribute `nope`"), "{listing}");
}

#[test]
fn a_slip_is_one_fault_however_many_operations_it_is_in() {
    let told = |condition: &str| {
        let text = format!("@id(\"a\") forbid (principal, action, resource) when {{ {condition} }};");
        let faults = faults(&[guardrail(&text)]);
        faults.iter().map(|it| it.message.clone()).collect::<Vec<_>>()
    };
    assert_eq!(
        told("context.nope == 1"),
        [concat!(
            "for policy `a`, attribute `nope` in context for 6 operations, such as ",
            "`Example::Action::\"deleteThing\"`, not found"
        )]
    );
    assert_eq!(
        told("resource.nope == 1"),
        ["for policy `a`, attribute `nope` on entity type `Example::Api` not found, and of 3 more"]
    );
    assert_eq!(told("resource > 1").len(), 1);
    assert_eq!(told("context.nope == 1 || context.none == 1").len(), 2);
}

#[test]
fn the_action_that_was_meant_is_one_of_the_same_api() {
    let help = |id: &str| {
        let text = format!("@id(\"a\") permit (principal, action == Example::Action::\"{id}\", resource);");
        faults(&[grant(&text)]).remove(0).help
    };
    assert_eq!(help("listThing").unwrap(), "did you mean `Example::Action::\"listThings\"`?");
    assert_eq!(help("getPrat").unwrap(), "did you mean `Example::Action::\"getPart\"`?");
    assert_eq!(help("somethingElse"), None);
}

#[test]
fn every_fault_is_found_at_once_and_stands_where_it_is() {
    let broken = grant("permit (principal, action, resource)\nwhen { tru };;");
    let own = guardrail(concat!(
        "@id(\"lets-through\")\npermit (principal, action, resource);\n",
        "@id(\"odd\") @reason(\"because\") forbid (principal, action, resource);\n",
        "@id(\"lets-through\") forbid (principal, action, resource);\n",
        "forbid (principal, action, resource);\n",
    ));
    let listing = listed(&faults(&[broken, own]));
    assert!(listing.contains("apis/example/access.cedar:2:14: unexpected token `;`"), "{listing}");
    assert!(listing.contains("guardrails/own.cedar:5:1: policy without an id"), "{listing}");
    let own = guardrail(concat!(
        "@id(\"lets-through\")\npermit (principal, action, resource);\n",
        "@id(\"odd\") @reason(\"because\") forbid (principal, action, resource);\n",
        "@id(\"lets-through\") forbid (principal, action, resource);\n",
    ));
    let listing = listed(&faults(&[own]));
    assert!(listing.contains("guardrails/own.cedar:1:1: guardrail `lets-through` permits"), "{listing}");
    assert!(
        listing.contains("guardrails/own.cedar:3:1: guardrail `odd` gives the unknown reason `because`"),
        "{listing}"
    );
    assert!(
        listing.contains("guardrails/own.cedar:4:1: id `lets-through` is taken at guardrails/own.cedar:1"),
        "{listing}"
    );
}

#[track_caller]
fn fault(policy: &str, place: &str, expected: &str) {
    let listing = listed(&faults(&[grant(policy)]));
    assert!(listing.contains(&format!("apis/example/access.cedar{place}")), "{listing}");
    assert!(listing.contains(expected), "{listing}");
}

#[test]
fn what_the_schema_does_not_know_is_a_fault_with_its_column() {
    let all = r#"permit (principal, action in Example::Action::"all", resource)"#;
    fault("@id(\"a\") permit (principal, action == Example::Action::\"getThng\", resource);", ":1:39: ", "getThng");
    fault(&format!("@id(\"a\") {all} when {{ principal.name == 1 }};"), ":1:", "name");
    fault(&format!("@id(\"a\") {all} when {{ context.input.x }};"), ":1:", "input");
    fault(&format!("@id(\"a\") {all} when {{ 1 == \"x\" }};"), ":1:", "");
    // A policy that can never apply is only a warning to Cedar.
    let never = r#"@id("a") permit (principal is Gw::Anonymous, action == Example::Action::"getThing", resource);"#;
    fault(never, ":1:1", "unable to find an applicable action");
    fault(&format!("@id(\"a\") {all} when {{ false }};"), ":1:1", "");
}

#[test]
fn a_policy_of_an_api_must_stay_within_it() {
    fault(r#"@id("a") permit (principal, action, resource);"#, ":1:1", "reaches beyond the API `example`");
    fault(r#"@id("a") permit (principal, action in Gw::Action::"read", resource);"#, ":1:1", "reaches beyond");
    fault(r#"@id("ceiling.x") permit (principal, action in Example::Action::"read", resource);"#, ":1:1", "generates");
    fault(
        r#"@id("a") @kind("x") forbid (principal, action in Example::Action::"read", resource);"#,
        ":1:1",
        "reserved",
    );
    fault(
        r#"@id("a") @reason("no_permit") forbid (principal, action in Example::Action::"read", resource);"#,
        ":1:1",
        "gives a reason",
    );
    fault(
        r#"@id("a") permit (principal == ?principal, action in Example::Action::"read", resource);"#,
        "",
        "has no link",
    );
}

#[test]
fn a_text_that_would_exhaust_the_stack_is_a_fault_with_its_column() {
    let deep = format!(
        "@id(\"a\") permit (principal, action, resource) when {{ {}1{} }};",
        "(".repeat(2_000),
        ")".repeat(2_000)
    );
    fault(&deep, ":1:", "nested more than 40 deep");
    let long = format!("{} when {{ true{} }};", ALL.trim_end_matches(';'), " && true".repeat(10_000));
    fault(&long, ":1:", "a policy longer than 10240 bytes");
    fault(&" ".repeat(1024 * 1024 + 1), "", "longer than 1048576 bytes");
}

#[test]
fn the_longest_chain_is_decided_on_a_small_stack_and_a_longer_one_is_a_fault() {
    let chain = |length: usize| {
        format!("{} when {{ context.source.tls{} }};", ALL.trim_end_matches(';'), " && true".repeat(length))
    };
    let bench = Bench::with(&[grant(&chain(390))]);
    let small = std::thread::Builder::new().stack_size(2 * 1024 * 1024);
    let decided = small.spawn(move || bench.ask("getThing", &["t1"], &caller(standing("t", &["things:read"]))).is_ok());
    assert!(decided.unwrap().join().unwrap());
    fault(&chain(1_000), ":1:1: ", "chains more than 400 operators");
}

#[test]
fn cases_that_do_not_hold_keep_the_policies_out() {
    let case = |decision: &str, reason: &str, operation: &str| {
        let text = format!(
            r#"[{{ "name": "a key reads",
  "request": {{ "principal": "Gw::ApiKey::\"k\"", "action": "Example::Action::\"{operation}\"", "resource": "Example::Thing::\"x\"" }},
  "entities": [], "decision": "{decision}", "reason": [{reason}], "num_errors": 0 }}]"#
        );
        let cases = Some(CasesSource { file: "apis/example/access.cases.json".into(), text });
        Authorizer::load(&[Fronted::new(api())], &[PolicySource { cases, ..grant(ALL) }])
            .map(|_| ())
            .map_err(|it| listed(&it))
    };
    assert_eq!(case("allow", "\"all\"", "getThing"), Ok(()));
    for (decision, reason, operation, expected) in [
        ("deny", "\"all\"", "getThing", "access.cases.json:1:12: case `a key reads`: decision is allow"),
        ("allow", "", "getThing", "reason is [\"all\"], not []"),
        ("allow", "\"al\"", "getThing", "no policy has the id `al`"),
        ("allow", "\"all\"", "getThng", "is no action"),
        ("allow", "\"all\"", "listThings", "is never asked by"),
        ("allow", "\"all\" ,,", "getThing", "access.cases.json:3:"),
    ] {
        let listing = case(decision, reason, operation).unwrap_err();
        assert!(listing.contains(expected), "{listing}");
    }
}

#[test]
fn an_api_whose_names_do_not_fit_is_a_fault() {
    let named =
        |namespace: &str| Fronted::new(Arc::new(Api { namespace: namespace.to_owned(), ..api().as_ref().clone() }));
    for bad in ["Gw", "", "a b", "A::B", "__cedar", "1"] {
        let listing = listed(&Authorizer::load(&[named(bad)], &[]).unwrap_err());
        assert!(listing.contains("cannot be a Cedar namespace"), "{bad}: {listing}");
    }
    let listing = listed(&Authorizer::load(&[named("A"), named("A")], &[]).unwrap_err());
    assert!(listing.contains("namespace `A` is another API's"), "{listing}");
    let operations = vec![Arc::new(crate::sample::operation("read", "/x"))];
    let taken = Fronted::new(Arc::new(Api { operations, ..api().as_ref().clone() }));
    assert!(listed(&Authorizer::load(&[taken], &[]).unwrap_err()).contains("operationId `read`"));
}

#[test]
fn a_scope_that_no_operation_asks_for_is_a_slip_of_the_pen() {
    let known = api().scopes().next().unwrap().to_string();
    let text = |scope: &str| {
        format!(
            "@id(\"s\") permit (principal in Gw::Scope::\"{scope}\", action in Example::Action::\"all\", resource);"
        )
    };
    let told = |scope: &str| faults(&[grant(&text(scope))]).iter().map(ToString::to_string).collect::<Vec<_>>();
    assert!(Authorizer::load(&[Fronted::new(api())], &[grant(&text(&known))]).is_ok(), "{known}");
    let near = format!("{known}s");
    let message = format!("policy `s` names the scope `{near}`, which no operation of `example` asks for");
    assert_eq!(told(&near), [format!("apis/example/access.cedar:1:1: {message}\n  help: did you mean `{known}`?")]);
    let within = ALL.replace(");", ") when { principal in Gw::Scope::\"nobody\" };");
    assert!(listed(&faults(&[grant(&within)])).contains("names the scope `nobody`"));
}

#[test]
fn an_api_of_which_nothing_is_permitted_is_a_fault() {
    let only = "@id(\"f\") forbid (principal, action in Example::Action::\"all\", resource);";
    for text in ["", only] {
        let faults = faults(&[grant(text)]);
        let messages: Vec<&str> = faults.iter().map(|it| it.message.as_str()).collect();
        assert_eq!(messages, ["nothing of `example` is permitted to anybody"], "{text}");
    }
    let broken = faults(&[grant("permit (")]);
    assert!(!listed(&broken).contains("is permitted to anybody"), "{}", listed(&broken));
}

#[test]
fn a_template_is_named_where_it_stands() {
    let text = format!("{ALL}\n@id(\"t\")\npermit (principal == ?principal, action, resource);");
    let faults = faults(&[grant(&text)]);
    assert_eq!((faults[0].line, faults[0].message.as_str()), (2, "template `t` has no link"));
}

#[test]
fn an_operation_that_no_permit_speaks_of_is_told() {
    let unpermitted = |permits: &str| -> Vec<String> {
        let loaded = Authorizer::load(&[Fronted::new(api())], &[grant(permits)]).unwrap();
        loaded.unpermitted().iter().map(|it| it.id.to_string()).collect()
    };
    assert_eq!(unpermitted(ALL), [""; 0]);
    let one = r#"@id("a") permit (principal, action == Example::Action::"getThing", resource);"#;
    assert_eq!(unpermitted(one), ["listThings", "deleteThing", "getPart", "status"]);
    // A group stands for its members, and a forbid permits nothing.
    let reads = r#"@id("a") permit (principal, action in Example::Action::"read", resource);
        @id("b") forbid (principal, action == Example::Action::"deleteThing", resource);"#;
    assert_eq!(unpermitted(reads), ["deleteThing"]);
}
