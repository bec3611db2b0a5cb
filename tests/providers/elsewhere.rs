//! What the provider of one tenant says of somebody opens nothing of what they are in others.

use crate::Scene;
use crate::client::{NOVA, form, text};
use crate::visitor::Visitor;

const PASSKEYS: &str = "/oauth/passkeys";

/// Ann, who has a password here, is linked to an account of the provider of a tenant, and owns another tenant.
struct Both {
    scene: Scene,
    password: String,
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
        Self { scene, password }
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
