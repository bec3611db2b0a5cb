//! What the provider of one tenant says of somebody opens nothing of what they are in others.

use acceptance::{Answer, Request};
use serde_json::{Value, json};

use crate::Scene;
use crate::client::{Client, NOVA, form, text};
use crate::visitor::Visitor;

const PASSKEYS: &str = "/oauth/passkeys";
const DEVICE: &str = "/oauth/device";
const GRANT: &str = "urn:ietf:params:oauth:grant-type:device_code";

/// Ann, who has a password here, is linked to an account of the provider of a tenant, and owns another tenant.
struct Both {
    scene: Scene,
    password: String,
    elsewhere: String,
}

impl Both {
    #[track_caller]
    fn new() -> Self {
        let scene = Scene::new(&[]);
        let gateway = &scene.world.gateway;
        let role = format!("{}=member", scene.tenant);
        let made = gateway.json(&["users", "create", "--name", "ann@example.com", "--role", &role]);
        let (user, password) = (text(&made, "id"), text(&made, "password"));
        let connection = text(&scene.connection, "id");
        let link = ["providers", "link", &connection, "--subject", "bob", "--user", &user];
        assert_eq!(gateway.command(&link).code, 0);
        let elsewhere = scene.world.new_tenant("elsewhere");
        let owner = ["users", "set-roles", &user, "--tenant", &elsewhere, "--roles", "owner"];
        assert_eq!(gateway.command(&owner).code, 0);
        Self { scene, password, elsewhere }
    }

    /// Ann, or whoever runs the provider and says to be her.
    #[track_caller]
    fn through_the_provider(&self) -> Visitor<'_> {
        let mut visitor = self.scene.visitor();
        let _ = visitor.signs_in(&self.scene.idp, &self.scene.app, "bob").expect(303);
        visitor
    }

    /// Signs in with the password, in the place of whatever the browser had.
    #[track_caller]
    fn signs_in_here(&self, visitor: &mut Visitor<'_>, onward: &str) {
        let fields = [("continue", onward), ("user", "ann@example.com"), ("password", &self.password)];
        assert_eq!(visitor.send(form(NOVA, "/oauth/login", &fields)).expect(303).says("location"), onward);
    }

    fn device(&self, tenant: &str) -> Client {
        Client::make(&self.scene.world, "novastraxis", tenant, &["--device", "--scopes", "openid,compute"])
    }

    #[track_caller]
    fn begun(&self, client: &Client) -> Value {
        let fields = [("client_id", client.id.as_str()), ("scope", "openid compute")];
        self.scene.world.ask(&form(NOVA, "/oauth/device_authorization", &fields)).expect(200).json()
    }

    fn poll(&self, client: &Client, begun: &Value) -> Answer {
        let code = text(begun, "device_code");
        let fields = [("grant_type", GRANT), ("client_id", client.id.as_str()), ("device_code", &code)];
        self.scene.world.ask(&form(NOVA, "/oauth/token", &fields))
    }
}

fn typed(begun: &Value) -> Request {
    form(NOVA, DEVICE, &[("user_code", &text(begun, "user_code"))])
}

fn allows(question: &Answer) -> Request {
    let page = question.text();
    let asked = page.split("name=\"asked\" value=\"").nth(1).and_then(|it| it.split('"').next()).expect("a question");
    form(NOVA, DEVICE, &[("asked", asked), ("decision", "allow")])
}

#[test]
fn who_signs_in_at_the_provider_of_one_tenant_looks_after_no_passkeys() {
    let both = Both::new();
    let mut ann = both.through_the_provider();
    let page = ann.see(PASSKEYS).expect(403);
    assert_eq!(page.header("location"), None, "nobody is led round in circles");
    assert!(page.text().contains("who have signed in here itself") && !page.text().contains("challenge"), "{page}");
    for fields in [[("name", "mine"), ("key", "x")], [("remove", "x"), ("name", "")]] {
        let refused = ann.send(form(NOVA, PASSKEYS, &fields)).expect(403);
        assert!(refused.text().contains("who have signed in here itself"), "{refused}");
        assert_eq!(both.scene.why(&refused), "insufficient_scope");
    }
    both.signs_in_here(&mut ann, PASSKEYS);
    assert!(ann.see(PASSKEYS).expect(200).text().contains("challenge"));
}

#[test]
fn who_signs_in_at_the_provider_of_one_tenant_lets_no_device_of_another_in() {
    let both = Both::new();
    let (theirs, own) = (both.device(&both.elsewhere), both.device(&both.scene.tenant));
    let mut ann = both.through_the_provider();
    let begun = both.begun(&theirs);
    let told = ann.send(typed(&begun)).expect(400);
    assert!(told.text().contains("the provider of another account"), "{told}");
    // Nor by answering what she was asked where she had shown her password.
    let mut here = both.scene.visitor();
    both.signs_in_here(&mut here, DEVICE);
    let answer = allows(&here.send(typed(&begun)).expect(200));
    let told = ann.send(answer).expect(400);
    assert!(told.text().contains("the provider of another account"), "{told}");
    assert_eq!(both.poll(&theirs, &begun).expect(400).json()["error"], json!("authorization_pending"));
    let begun = both.begun(&own);
    let answer = allows(&ann.send(typed(&begun)).expect(200));
    let _ = ann.send(answer).expect(200);
    let _ = both.poll(&own, &begun).expect(200);
}
