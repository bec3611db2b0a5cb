//! Tokens that are bound to a key, and whoever has stolen one (RFC 9449).

use acceptance::{Answer, Request, World, node};
use aws_lc_rs::digest::{SHA256, digest};
use aws_lc_rs::signature::{Ed25519KeyPair, KeyPair as _};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde_json::{Value, json};

use crate::client::{Client, NOVA, claims, form, now, text};
use crate::users::Browser;
use crate::{LIST, SCOPE};

const TOKEN: &str = "/oauth/token";

/// Somebody with a key.
struct Holder {
    pair: Ed25519KeyPair,
    made: std::cell::Cell<u32>,
    /// What their proofs repeat.
    nonce: std::cell::RefCell<Option<String>>,
}

fn encoded(text: impl AsRef<[u8]>) -> String {
    URL_SAFE_NO_PAD.encode(text)
}

fn hash(text: &str) -> String {
    encoded(digest(&SHA256, text.as_bytes()))
}

impl Holder {
    /// Somebody who knows what to repeat.
    fn new(world: &World) -> Self {
        let holder = Self::stranger();
        holder.hear(&world.ask(&Request::get(NOVA, LIST).header("DPoP", "nonsense")));
        holder
    }

    /// Somebody who comes for the first time.
    fn stranger() -> Self {
        let pair = Ed25519KeyPair::generate().expect("a key");
        Self { pair, made: std::cell::Cell::new(0), nonce: std::cell::RefCell::default() }
    }

    /// Repeats what an answer says from now on.
    fn hear(&self, answer: &Answer) {
        *self.nonce.borrow_mut() = Some(answer.says("dpop-nonce").to_owned());
    }

    fn x(&self) -> String {
        encoded(self.pair.public_key().as_ref())
    }

    fn thumbprint(&self) -> String {
        hash(&format!(r#"{{"crv":"Ed25519","kty":"OKP","x":"{}"}}"#, self.x()))
    }

    /// A new proof for this request.
    fn proof(&self, method: &str, path: &str, token: Option<&str>) -> String {
        self.made.set(self.made.get() + 1);
        let jwk = json!({ "kty": "OKP", "crv": "Ed25519", "x": self.x() });
        let head = json!({ "typ": "dpop+jwt", "alg": "EdDSA", "jwk": jwk });
        let path = path.split('?').next().unwrap_or_default();
        let jti = self.made.get().to_string();
        let mut said = json!({ "jti": jti, "htm": method, "htu": format!("https://{NOVA}{path}"), "iat": now() });
        if let Some(token) = token {
            said["ath"] = hash(token).into();
        }
        if let Some(nonce) = &*self.nonce.borrow() {
            said["nonce"] = nonce.as_str().into();
        }
        let message = format!("{}.{}", encoded(head.to_string()), encoded(said.to_string()));
        let signature = encoded(self.pair.sign(message.as_bytes()).as_ref());
        format!("{message}.{signature}")
    }

    /// The token of a client that acts for itself.
    fn token(&self, world: &World, client: &Client) -> Answer {
        let request = client.basic(&form(NOVA, TOKEN, &[("grant_type", "client_credentials")]));
        world.ask(&request.header("DPoP", &self.proof("POST", TOKEN, None)))
    }
}

fn shown(method: &str, path: &str, token: &str, proof: &str) -> Request {
    let scheme = format!("DPoP {token}");
    Request::new(method, NOVA, path).header("Authorization", &scheme).header("DPoP", proof)
}

/// Why a request was refused, as its entry has it.
#[track_caller]
fn reason(world: &World, answer: &Answer) -> String {
    assert_eq!(answer.status, 401, "{answer}");
    let entry = world.gateway.entries().of(answer.says("x-request-id"));
    text(&entry["decision"], "reason")
}

#[test]
fn a_bound_token_is_good_with_a_new_proof_of_its_own_key_for_each_request_and_for_nobody_else() {
    let world = World::start();
    let client = Client::make(&world, "novastraxis", &world.tenant("novastraxis"), SCOPE);
    let (holder, thief) = (Holder::new(&world), Holder::new(&world));
    let made = holder.token(&world, &client).expect(200).json();
    assert_eq!(made["token_type"], "DPoP", "{made}");
    let token = text(&made, "access_token");
    assert_eq!(claims(&token)["cnf"], json!({ "jkt": holder.thumbprint() }));
    let other = text(&holder.token(&world, &client).expect(200).json(), "access_token");
    let ask = |proof: &str| world.ask(&shown("GET", LIST, &token, proof));
    let proof = holder.proof("GET", LIST, Some(&token));
    let told = ask(&proof).expect(200);
    let seen = world.clouds.saw("novastraxis", told.says("x-request-id")).expect("a sighting");
    assert!(!seen.to_string().contains(&proof) && !seen.to_string().contains("\"dpop\""), "{seen:#}");
    let replayed = ask(&proof).expect(401);
    assert_eq!(reason(&world, &replayed), "proof_replayed");
    let challenge = replayed.says("www-authenticate");
    assert!(challenge.starts_with("DPoP ") && challenge.contains("error=\"invalid_dpop_proof\""), "{challenge}");
    assert_eq!(replayed.says("refusal-reason"), "invalid_dpop_proof");
    for (proof, why) in [
        (holder.proof("POST", LIST, Some(&token)), "proof_wrong_method"),
        (holder.proof("GET", "/v2/compute", Some(&token)), "proof_wrong_uri"),
        (holder.proof("GET", LIST, Some(&other)), "proof_wrong_token"),
        (holder.proof("GET", LIST, None), "proof_bad_claim"),
        (thief.proof("GET", LIST, Some(&token)), "proof_other_key"),
        ("a.b.c".to_owned(), "proof_malformed"),
    ] {
        assert_eq!(reason(&world, &ask(&proof)), why);
    }
    let bare = world.ask(&Request::get(NOVA, LIST).header("Authorization", &format!("DPoP {token}")));
    assert_eq!(reason(&world, &bare), "proof_missing");
    let stolen = world.ask(&Request::get(NOVA, LIST).bearer(&token));
    assert_eq!(reason(&world, &stolen), "token_bound");
    assert!(stolen.says("www-authenticate").contains("error=\"invalid_token\""), "{stolen}");
    let proof = holder.proof("GET", LIST, Some(&token));
    let both = shown("GET", LIST, &token, &proof).bearer(&token);
    assert_eq!(world.ask(&both).expect(400).says("refusal-reason"), "two_credentials");
    let _ = ask(&proof).expect(200);
    let free = world.ask(&client.basic(&form(NOVA, TOKEN, &[("grant_type", "client_credentials")]))).expect(200);
    let free = text(&free.json(), "access_token");
    let unbound = world.ask(&shown("GET", LIST, &free, &holder.proof("GET", LIST, Some(&free))));
    assert_eq!(reason(&world, &unbound), "token_unbound");
    let _ = world.ask(&Request::get(NOVA, LIST).bearer(&free)).expect(200);
    let state = world.ask(&client.basic(&form(NOVA, "/oauth/introspect", &[("token", &token)]))).expect(200).json();
    assert_eq!((&state["token_type"], &state["cnf"]["jkt"]), (&json!("DPoP"), &json!(holder.thumbprint())), "{state}");
    let everything = json!(world.gateway.entries().whole()).to_string() + &world.gateway.process().log();
    assert!(!everything.contains(&token) && !everything.contains(&proof), "a token or a proof is in an entry");
}

#[test]
fn a_proof_at_the_issuer_is_good_once_and_some_clients_get_nothing_without_one() {
    let world = World::start();
    let tenant = world.tenant("novastraxis");
    let must = Client::make(&world, "novastraxis", &tenant, &[SCOPE, &["--dpop"]].concat());
    let theirs = Client::make(&world, "novastraxis", &world.new_tenant("other"), SCOPE);
    let holder = Holder::new(&world);
    let request = must.basic(&form(NOVA, TOKEN, &[("grant_type", "client_credentials")]));
    let refused = |request: &Request| {
        let told = world.ask(request).expect(400);
        assert_eq!(told.json()["error"], "invalid_dpop_proof", "{told}");
    };
    refused(&request);
    let proof = holder.proof("POST", TOKEN, None);
    let _ = world.ask(&request.clone().header("DPoP", &proof)).expect(200);
    refused(&request.clone().header("DPoP", &proof));
    refused(&request.clone().header("DPoP", &holder.proof("GET", TOKEN, None)));
    refused(&request.clone().header("DPoP", &holder.proof("POST", "/oauth/par", None)));
    refused(&request.clone().header("DPoP", "nonsense"));
    let twice = request.header("DPoP", &holder.proof("POST", TOKEN, None));
    refused(&twice.header("DPoP", &holder.proof("POST", TOKEN, None)));
    // One key for two tenants: each token opens its own.
    for client in [&must, &theirs] {
        let token = text(&holder.token(&world, client).expect(200).json(), "access_token");
        assert_eq!(claims(&token)["tenant"], json!(client.tenant));
        let told = world.ask(&shown("GET", LIST, &token, &holder.proof("GET", LIST, Some(&token)))).expect(200);
        let entry = world.gateway.entries().of(told.says("x-request-id"));
        assert_eq!((&entry["tenant"], &entry["auth"]["key"]), (&json!(client.tenant), &json!(client.grant)));
    }
    let told = world.ask(&Request::get(NOVA, "/.well-known/oauth-authorization-server")).expect(200).json();
    assert_eq!(told["dpop_signing_alg_values_supported"], json!(["ES256", "EdDSA", "Ed25519", "RS256"]));
}

#[test]
fn a_proof_that_repeats_no_nonce_of_now_is_refused_with_one_at_the_issuer_and_at_the_api() {
    let mut world = World::start();
    let client = Client::make(&world, "novastraxis", &world.tenant("novastraxis"), SCOPE);
    let holder = Holder::stranger();
    let refused = holder.token(&world, &client).expect(400);
    assert_eq!(refused.json()["error"], "use_dpop_nonce", "{refused}");
    holder.hear(&refused);
    let made = holder.token(&world, &client).expect(200);
    holder.hear(&made);
    let token = text(&made.json(), "access_token");
    let ask = |world: &World, who: &Holder, path: &str| {
        world.ask(&shown("GET", path, &token, &who.proof("GET", path, Some(&token))))
    };
    holder.hear(&ask(&world, &holder, LIST).expect(200));
    let known = holder.nonce.borrow().clone();
    for made_up in [None, Some(String::new()), known.map(|it| it.to_lowercase())] {
        *holder.nonce.borrow_mut() = made_up;
        let refused = ask(&world, &holder, LIST);
        assert_eq!(reason(&world, &refused), "proof_nonce");
        assert_eq!(refused.says("refusal-reason"), "use_dpop_nonce");
        let user = ask(&world, &holder, "/oauth/userinfo").expect(401);
        for challenge in [&refused, &user].map(|it| it.says("www-authenticate")) {
            assert!(challenge.starts_with("DPoP ") && challenge.contains("error=\"use_dpop_nonce\""), "{challenge}");
        }
        assert_eq!(refused.says("dpop-nonce").len(), 24);
        holder.hear(&user);
        let _ = ask(&world, &holder, LIST).expect(200);
    }
    // Proofs that were made ahead are of no use to another process of the gateway, as after enough time.
    world.gateway.restart();
    let late = ask(&world, &holder, LIST);
    assert_eq!(reason(&world, &late), "proof_nonce");
    holder.hear(&late);
    let _ = ask(&world, &holder, LIST).expect(200);
}

#[test]
fn where_no_nonce_is_asked_for_none_is_told() {
    let world = World::with(|settings, _| settings.more += "[keys]\nproof_nonce = \"0s\"\n");
    let client = Client::make(&world, "novastraxis", &world.tenant("novastraxis"), SCOPE);
    assert_eq!(Holder::stranger().token(&world, &client).expect(200).header("dpop-nonce"), None);
}

#[test]
fn the_openid_client_of_others_is_let_in_as_a_device_and_has_its_tokens_bound_to_its_key() {
    let world = World::start();
    let tenant = world.tenant("novastraxis");
    let device = Client::make(&world, "novastraxis", &tenant, &["--device", "--scopes", "openid,profile,compute"]);
    let more = ["--auth", "none", "--grants", "authorization_code,refresh_token", "--dpop"];
    let more = [&more[..], &["--redirect-uri", "https://app.example/cb", "--scopes", "openid,compute"]].concat();
    let app = Client::make(&world, "novastraxis", &tenant, &more);
    let ann = Browser::of(&world, "ann", &tenant);
    let told = node(
        &world,
        "possession.mjs",
        &[
            ("ISSUER", &format!("https://{NOVA}")),
            ("DEVICE", &device.id),
            ("APP", &app.id),
            ("USER", &ann.name),
            ("PASSWORD", &ann.password),
            ("BACK", "https://app.example/cb"),
        ],
    );
    let told: Value = serde_json::from_str(told.out.lines().last().unwrap_or_default()).expect("what it saw");
    for kind in ["device", "app"] {
        let seen = &told[kind];
        assert_eq!((&seen["sub"], &seen["token_type"]), (&json!(ann.user), &json!("dpop")), "{told:#}");
        assert_eq!((&seen["listed"], &seen["stolen"]), (&json!(200), &json!(401)), "{told:#}");
        assert_eq!((&seen["without"], &seen["with_another"]), (&json!(true), &json!("invalid_grant")), "{told:#}");
        assert_eq!((&seen["refreshed"], &seen["named"]), (&json!("dpop"), &json!(true)), "{told:#}");
    }
    assert_eq!(told["app"]["other_key"], "invalid_grant", "{told:#}");
    world.gateway.entries().assert_sound();
}
