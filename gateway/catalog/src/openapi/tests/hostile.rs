//! Documents that try to keep the loader busy for ever, or to exhaust it. Each ends in faults, quickly.

use super::*;

#[track_caller]
fn refused(text: &str, message: &str) {
    let faults = read_text(text).expect_err(message);
    assert!(faults.iter().any(|it| it.message.contains(message)), "{:?}", faults.iter().take(3).collect::<Vec<_>>());
    assert!(faults.iter().all(|it| it.line > 0), "every fault has a line");
}

fn with_schemas(schemas: &str) -> String {
    document(&format!("{ID}get: {{ operationId: a }}")).replace("    Name:", &format!("{schemas}    Name:"))
}

/// Schemas that each refer to the next one.
fn chain(length: usize, link: impl Fn(usize) -> String) -> String {
    let mut links: Vec<String> = (0..length).map(|it| format!("    A{it}: {}\n", link(it + 1))).collect();
    links.push(format!("    A{length}: {{}}\n"));
    links.concat()
}

#[test]
fn aliases_that_multiply_are_cut_short() {
    let mut bomb = String::from("a0: &a0 [x, x, x, x, x, x, x, x, x]\n");
    for level in 1..12 {
        let above = format!("*a{}", level - 1);
        let line = format!("a{level}: &a{level} [{}]\n", [above.as_str(); 9].join(", "));
        bomb.push_str(&line);
    }
    refused(&bomb, "alias");
}

#[test]
fn nesting_without_end_is_cut_short() {
    refused(&"[".repeat(100_000), "recursion limit");
    refused(&format!("a: {}1{}", "{b: ".repeat(5_000), "}".repeat(5_000)), "Depth");
    let block: Vec<String> = (0..300).map(|depth| format!("{}a:\n", " ".repeat(depth))).collect();
    refused(&block.concat(), "Depth");
    refused(&"- ".repeat(100_000), "Depth");
}

#[test]
fn a_document_can_be_too_long_and_hold_too_much() {
    let long = "#".repeat(5 * 1024 * 1024);
    assert_eq!(read_text(&long).unwrap_err()[0].message, "document is longer than 4194304 bytes");
    refused(&format!("[{}]", "1,".repeat(1_000_000)), "Nodes");
}

#[test]
fn a_key_that_stands_twice_is_a_fault_where_it_stands() {
    let faults = read_text("openapi: 3.1.0\ninfo: {}\nopenapi: 3.1.0\n").unwrap_err();
    assert_eq!(faults[0].line, 3, "{faults:?}");
}

#[test]
fn references_that_go_round_in_a_circle_lead_to_nothing() {
    let circle = "    A: { $ref: '#/components/schemas/B' }\n    B: { $ref: '#/components/schemas/A' }\n";
    refused(&with_schemas(circle), "leads to nothing");
    refused(&with_schemas("    A: { $ref: '#/components/schemas/A' }\n"), "leads to nothing");
}

#[test]
fn a_schema_that_applies_to_itself_is_a_fault() {
    refused(&with_schemas("    A: { allOf: [{ $ref: '#/components/schemas/A' }] }\n"), "applies to itself without end");
    let pair = "    A: { anyOf: [{ type: string }, { $ref: '#/components/schemas/B' }] }\n    B: { not: { $ref: '#/components/schemas/A' } }\n";
    refused(&with_schemas(pair), "applies to itself without end");
    let links = chain(2000, |next| format!("{{ allOf: [{{ $ref: '#/components/schemas/A{next}' }}] }}"));
    refused(&with_schemas(&links), "schemas apply to one value");
}

#[test]
fn a_schema_that_holds_itself_in_a_field_is_as_good_as_any() {
    let tree = "    A: { type: object, properties: { left: { $ref: '#/components/schemas/A' } } }\n";
    read_text(&with_schemas(tree)).unwrap();
}

#[test]
fn a_long_chain_of_schemas_that_hold_each_other_does_not_exhaust_the_stack() {
    let links = chain(5000, |next| format!("{{ properties: {{ a: {{ $ref: '#/components/schemas/A{next}' }} }} }}"));
    let text = with_schemas(&links);
    let text = text.replace(
        "get: {",
        "put: { requestBody: { content: { application/json: { schema: { $ref: '#/components/schemas/A0' } } } },",
    );
    assert_eq!(read_text(&text).unwrap().operations.len(), 1);
}

proptest::proptest! {
    #[test]
    fn no_text_makes_the_loader_panic(text in "[ \\n\\-:{}\\[\\]&*a-c'\"#/$]{0,200}") {
        let _either = read_text(&text);
    }

    #[test]
    fn no_change_of_one_line_makes_the_loader_panic(line in 0_usize..20, text in "[ ]{0,8}[a-z$]{0,8}(: ?)?[a-z0-9{}\\[\\]]{0,8}") {
        let good = document(&format!("{ID}get: {{ operationId: a }}"));
        let changed: Vec<&str> =
            good.lines().enumerate().map(|(at, it)| if at == line { text.as_str() } else { it }).collect();
        if let Err(faults) = read_text(&changed.join("\n")) {
            proptest::prop_assert!(faults.iter().all(|it| it.line > 0));
        }
    }
}
