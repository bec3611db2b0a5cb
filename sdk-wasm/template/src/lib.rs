//! Greets whoever asks, and turns away whom it is told to.

use portcullis_plugin::{Call, Config, Plugin, Problem, Request, Severity, Verdict, export, log};

struct Hello {
    greeting: String,
}

impl Plugin for Hello {
    fn configure(config: &Config) -> Result<Self, Vec<Problem>> {
        let greeting = config.text("/greeting").unwrap_or("hello");
        if greeting.chars().any(char::is_control) {
            return Err(vec![Problem::at("/greeting", "has a character that no header may have")]);
        }
        Ok(Self { greeting: greeting.to_owned() })
    }

    fn on_request(&self, call: &Call, request: &Request) -> Verdict {
        if let Some(why) = request.header("x-blocked") {
            log::info(&format!("{} is turned away", call.request_id));
            return Verdict::respond(403, format!("not today: {why}")).finding(
                "hello.blocked",
                Severity::Low,
                "a request that asked to be",
            );
        }
        Verdict::set("x-greeting", &self.greeting)
    }
}

export!(Hello);

#[cfg(test)]
mod tests {
    use portcullis_plugin::{HeaderOp, testing};

    use super::*;

    #[test]
    fn everybody_is_greeted_as_it_was_configured() {
        let hello: Hello = testing::configured(r#"{"greeting": "good day"}"#).unwrap();
        let verdict = hello.on_request(&testing::call(), &testing::request("GET", "/things", &[]));
        assert!(matches!(verdict.edits(), Some([HeaderOp::Set(it)]) if it.value == b"good day"), "{verdict:?}");
    }

    #[test]
    fn whoever_asks_for_it_is_turned_away_and_that_is_evidence() {
        testing::begin();
        let hello: Hello = testing::configured("{}").unwrap();
        let request = testing::request("GET", "/things", &[("X-Blocked", "rain")]);
        let verdict = hello.on_request(&testing::call(), &request);
        assert_eq!(verdict.reply(), Some((403, &b"not today: rain"[..])));
        assert_eq!(verdict.findings().len(), 1);
        assert_eq!(testing::lines(), ["info: req_1 is turned away"]);
    }

    #[test]
    fn a_greeting_that_no_header_can_say_is_refused_with_its_place() {
        let problems = testing::configured::<Hello>(r#"{"greeting": "a\nb"}"#).err().unwrap();
        assert_eq!(problems[0].pointer, "/greeting");
    }
}
