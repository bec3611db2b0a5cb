//! How often an address may ask, and what becomes of it beyond that.

use std::time::{Duration, Instant};

use acceptance::{Refusal, Request, World, frames, until};
use serde_json::json;

const NSX: &str = "api.novastraxis.com";

#[test]
fn nobody_is_refused_more_often_than_the_shield_lets_them_ask() {
    let world = World::with(|settings, _| settings.more.push_str("[limits.shield]\nrate = 1\nburst = 20\n"));
    let mut connection = world.gateway.door().secure(NSX);
    for (number, path) in ["/nope", "/v2/../x", "/v1/x"].into_iter().cycle().take(20).enumerate() {
        let answer = connection.ask(&Request::get(NSX, path));
        assert!([404, 400, 410].contains(&answer.status), "{number}: {answer}");
    }
    let limited = Refusal { status: 429, code: "rate_limited", step: "shield", reason: "address_limited" };
    world.refuses("novastraxis", &Request::get(NSX, "/nope"), limited);
    // A head that is no HTTP is not even told so. One more is let ask each second, and that may have passed.
    let before = world.gateway.entries().all().len();
    let garbage = || {
        let mut connection = world.gateway.door().secure(NSX);
        connection.send(b"GARBAGE\r\n\r\n");
        usize::from(!connection.rest().is_empty())
    };
    let answered: usize = (0..20).map(|_| garbage()).sum();
    assert!(answered < 20, "each was answered");
    assert_eq!(world.gateway.entries().all().len(), before + answered);
    // A client of the issuer reads nothing but OAuth.
    let asked = Request::post(NSX, "/oauth/token").body("application/x-www-form-urlencoded", "a=b".to_owned());
    let told = until("a refusal by the shield", Duration::from_secs(20), || {
        world.gateway.door().secure(NSX).ask_if_alive(&asked).filter(|it| it.status == 429)
    });
    assert_eq!(told.json()["error"], "temporarily_unavailable", "{told}");
    assert!(told.says("refusal-reason") == "address_limited" && told.header("retry-after").is_some(), "{told}");
}

#[test]
#[expect(clippy::disallowed_methods, reason = "a test outside the gateway has no clock but the machine's")]
fn who_goes_on_beyond_the_shield_is_not_even_refused_and_that_is_counted() {
    let more = "[limits.shield]\nrate = 1\nburst = 20\nrefusals = 3\n[audit]\nheartbeat_ms = 50\n";
    let world = World::with(|settings, _| settings.more.push_str(more));
    let (entries, asked) = (world.gateway.entries(), Request::get(NSX, "/nope"));
    let (before, begun) = (entries.all().len(), Instant::now());
    let answers: Vec<_> = (0..300).map(|_| world.gateway.door().secure(NSX).ask_if_alive(&asked)).collect();
    let seconds = usize::try_from(begun.elapsed().as_secs()).unwrap_or(usize::MAX) + 1;
    let with = |status: u16| answers.iter().flatten().filter(|it| it.status == status).count();
    let (looked_at, told) = (with(404), with(429));
    assert_eq!(looked_at + told, answers.iter().flatten().count(), "{answers:?}");
    assert!(looked_at <= 20 + seconds && (3..=3 + 3 * seconds).contains(&told), "{looked_at} {told}");
    // Over HTTP/2 it is the stream that ends.
    let line = [(":method", "GET"), (":scheme", "https"), (":path", "/nope"), (":authority", NSX)];
    let stream = || {
        let mut two = world.gateway.door().secure_two(NSX);
        two.send(&[frames::begin(), frames::head(&line)].concat());
        frames::answer(&mut two)
    };
    let streams: Vec<_> = (0..20).map(|_| stream()).collect();
    let reset = streams.iter().filter(|it| it.is_none()).count();
    let silent = answers.iter().filter(|it| it.is_none()).count();
    assert!(silent > 0 && reset > 0, "all were answered: {silent} {reset}");
    let answered = before + looked_at + told + streams.len() - reset;
    until("an entry of each answer", Duration::from_secs(20), || (entries.all().len() == answered).then_some(()));
    let beats = entries.of_kind(1, |it| it["refused_before_context"]["shielded"] == json!(silent + reset));
    assert!(!beats.is_empty());
    assert_eq!(entries.all().len(), answered, "whoever was not answered has an entry");
}
