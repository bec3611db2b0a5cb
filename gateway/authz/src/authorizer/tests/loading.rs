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
