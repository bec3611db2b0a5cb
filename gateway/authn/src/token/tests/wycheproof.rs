//! The vectors of Project Wycheproof: what others got wrong about signed tokens and their keys.

use std::collections::BTreeSet;

use serde_json::{Value, json};

use crate::token::signed::Signed;
use crate::token::{BadKeySet, KeySet};

#[path = "../../../../authz/tests/vectors/mod.rs"]
mod vectors;

/// Good tokens that are refused, and why.
const NOT_TAKEN: [(&str, &[u32], &str); 8] = [
    ("signature", &[1, 348, 352, 357, 358, 359, 372, 373, 376, 377], "a shared secret: no HMAC is taken"),
    ("signature", &[264, 265, 266, 267, 268, 269, 270, 271], "RS384 and RS512 are not taken"),
    ("signature", &[272, 273, 274, 275, 287, 288, 320, 321, 322, 323, 325, 326, 327, 328], "PS* are not taken"),
    ("signature", &[346, 350], "signed with PS384 under a key that says PS256"),
    ("signature", &[347, 351], "ES512 is not taken, and the key calls it ES521"),
    ("key", &[2, 13, 14, 15], "a shared secret: no HMAC is taken"),
    ("crypto", &[1, 48], "a shared secret: no HMAC is taken"),
    ("crypto", &[50, 67], "an encrypted token"),
];

/// Every key set that a group can be read as. Of private keys it is the public half: that they are private is not what
/// the group is about.
fn sets(group: &Value) -> Vec<Result<KeySet, BadKeySet>> {
    let whole = |it: &Value| if it.get("keys").is_some() { it.clone() } else { json!({ "keys": [it] }) };
    let mut sets: Vec<Value> = ["public", "private"].iter().filter_map(|it| group.get(it)).map(whole).collect();
    for key in sets.iter_mut().filter_map(|it| it["keys"].as_array_mut()).flatten() {
        if let Some(key) = key.as_object_mut() {
            key.retain(|name, _| !["d", "p", "q", "dp", "dq", "qi"].contains(&name.as_str()));
        }
    }
    sets.iter().map(|it| KeySet::from_json(it.to_string().as_bytes())).collect()
}

/// Whether a token is taken, under whichever of the sets. What a token is about is not asked: these are about nothing.
fn taken(group: &Value, test: &Value) -> bool {
    let Some(token) = test.get("jws").or_else(|| test.get("jwe")).and_then(Value::as_str) else { return false };
    sets(group).iter().flatten().any(|set| Signed::parse(token).and_then(|it| set.verify(&it)).is_ok())
}

#[test]
fn nothing_invalid_is_taken_and_of_the_valid_everything_but_what_is_listed() {
    let mut invalid = 0;
    for name in ["signature", "key", "crypto"] {
        let Some(file) = vectors::find(&format!("wycheproof/json_web_{name}_test.json")) else { return };
        let all: Value = serde_json::from_slice(&std::fs::read(file).unwrap()).unwrap();
        let mut refused = BTreeSet::new();
        for group in all["testGroups"].as_array().unwrap() {
            for test in group["tests"].as_array().unwrap() {
                let id = u32::try_from(test["tcId"].as_u64().unwrap()).unwrap();
                if test["result"] == "valid" {
                    if !taken(group, test) {
                        refused.insert(id);
                    }
                } else {
                    assert!(!taken(group, test), "{name} {id}: {}", test["comment"]);
                    invalid += 1;
                }
            }
        }
        let listed: BTreeSet<u32> = NOT_TAKEN.iter().filter(|it| it.0 == name).flat_map(|it| it.1).copied().collect();
        assert_eq!(refused, listed, "{name}");
    }
    assert_eq!(invalid, 453);
}

#[test]
fn no_encrypted_token_is_even_looked_at() {
    let Some(file) = vectors::find("wycheproof/json_web_encryption_test.json") else { return };
    let all: Value = serde_json::from_slice(&std::fs::read(file).unwrap()).unwrap();
    let groups = all["testGroups"].as_array().unwrap();
    let tokens = groups.iter().flat_map(|it| it["tests"].as_array().unwrap()).filter_map(|it| it["jwe"].as_str());
    assert_eq!(tokens.filter(|it| Signed::parse(it).is_ok()).count(), 0);
}
