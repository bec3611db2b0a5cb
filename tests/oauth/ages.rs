//! How long ago a user may have shown who they are, as clients ask for it.

use acceptance::World;

use crate::client::query;
use crate::users::{AUTHORIZE, Browser, app, back, challenge, request};

#[test]
fn whoever_signs_in_for_it_is_as_fresh_as_any_client_asks_for() {
    let world = World::start();
    let client = app(&world, "none");
    let challenge = challenge();
    let mut ann = Browser::of(&world, "ann", &client.tenant);
    for age in ["0", "1", "0"] {
        let asks = [&request(&client, &challenge)[..], &[("max_age", age)]].concat();
        let told = back(&ann.lets(&asks));
        assert!(told["code"].is_string(), "max_age={age}: {told}");
    }
    // Each time they have to: what they have shown before is too old by then.
    let asks = [&request(&client, &challenge)[..], &[("max_age", "0")]].concat();
    let login = ann.see(&format!("{AUTHORIZE}?{}", query(&asks))).expect(303);
    assert!(login.says("location").starts_with("/oauth/login"), "{login}");
    let silent = [&asks[..], &[("prompt", "none")]].concat();
    assert_eq!(back(&ann.see(&format!("{AUTHORIZE}?{}", query(&silent))).expect(303))["error"], "login_required");
}
