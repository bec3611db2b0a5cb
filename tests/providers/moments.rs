//! When a user has shown who they are, where nobody but their provider knows.

use serde_json::json;

use crate::Scene;
use crate::client::{claims, text};
use crate::visitor::{Visitor, parameter};

#[test]
fn nobody_is_said_to_have_signed_in_at_a_time_that_their_provider_does_not_say() {
    let scene = Scene::new(&["--make-users"]);
    let silent = json!({ "faults": { "claims": { "auth_time": null } } });
    scene.idp.told(&silent);
    let mut ann = scene.visitor();
    let entered = ann.signs_in(&scene.idp, &scene.app, "ann").expect(303);
    let said = claims(&text(&ann.lets(&scene.app, entered.says("location")), "id_token"));
    assert!(said["sub"].is_string() && said.get("auth_time").is_none(), "{said}");
    for (asked, sent) in [(("max_age", "1000000"), "1000000"), (("prompt", "login"), "0")] {
        // It may be any time ago: whoever asks how lately has them go there again, and the provider must say it then.
        scene.idp.told(&silent);
        let login = ann.see(&Visitor::asks(&scene.app, &[asked])).expect(303);
        assert!(login.says("location").starts_with("/oauth/login?"), "{asked:?}: {login}");
        let away = ann.sets_out_for(&scene.app, &[asked]).expect(303);
        assert_eq!(parameter(away.says("location"), "max_age").as_deref(), Some(sent), "{asked:?}: {away}");
        let back = ann.signs_in_there(&scene.idp, &away, "ann");
        let refused = ann.see(&back).expect(403);
        assert_eq!(scene.why(&refused), "token_bad_claim", "{asked:?}");
        scene.idp.told(&json!({ "faults": {} }));
        let away = ann.sets_out_for(&scene.app, &[asked]).expect(303);
        let back = ann.signs_in_there(&scene.idp, &away, "ann");
        let entered = ann.see(&back).expect(303);
        let said = claims(&text(&ann.lets(&scene.app, entered.says("location")), "id_token"));
        assert!(said["auth_time"].is_i64(), "{asked:?}: {said}");
        // Whoever comes next does not say it again.
        scene.idp.told(&silent);
        ann.forgets();
        let _ = ann.signs_in(&scene.idp, &scene.app, "ann").expect(303);
    }
}
