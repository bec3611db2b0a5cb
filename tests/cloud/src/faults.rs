//! Which answers go wrong, and how. Armed through the control port only: no client of the gateway can reach it.

use std::sync::{Mutex, PoisonError};

use serde::{Deserialize, Serialize};

/// A fault as it is armed: `POST /control/faults`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Fault {
    /// The API that is struck.
    pub(crate) api: String,
    /// Only this operation of it.
    #[serde(default)]
    pub(crate) operation: Option<String>,
    /// What goes wrong.
    pub(crate) kind: Ailment,
    /// How long, where the kind has a length.
    #[serde(default = "usual_ms")]
    pub(crate) ms: u64,
    /// How many requests are struck; all of them until it is cleared when nothing is said.
    #[serde(default)]
    pub(crate) times: Option<u64>,
    /// The status that `fail` answers.
    #[serde(default = "usual_status")]
    pub(crate) status: u16,
}

/// What can go wrong.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Ailment {
    /// Waits, then answers as ever.
    Slow,
    /// Answers `status` in the API's own words; nothing is done.
    Fail,
    /// Takes the request and does not answer for as long as `ms` says, then hangs up.
    Hang,
    /// Sends bytes that are not HTTP, then hangs up.
    Garbage,
    /// Tears the connection with a TCP reset in place of an answer.
    Reset,
    /// Does what was asked, declares the whole answer, sends half of its body and hangs up.
    Truncate,
    /// Does what was asked and declares half of the body it then sends; the connection stays open.
    WrongLength,
    /// Does what was asked and sends the body a byte at a time, `ms` apart.
    SlowDrip,
}

fn usual_ms() -> u64 {
    1_000
}

fn usual_status() -> u16 {
    500
}

/// The faults that are armed, in the order they came.
#[derive(Debug, Default)]
pub(crate) struct Faults(Mutex<Vec<Fault>>);

impl Faults {
    /// Arms one more.
    pub(crate) fn arm(&self, fault: Fault) {
        self.lock().push(fault);
    }

    /// What strikes a request of `operation` at `api`, if anything does; it is used up by one.
    pub(crate) fn strike(&self, api: &str, operation: Option<&str>) -> Option<Fault> {
        let mut armed = self.lock();
        let meant = |it: &Fault| it.api == api && (it.operation.is_none() || it.operation.as_deref() == operation);
        let at = armed.iter().position(|it| meant(it) && it.times != Some(0))?;
        let fault = armed.get_mut(at)?;
        if let Some(times) = &mut fault.times {
            *times -= 1;
        }
        let struck = fault.clone();
        if struck.times == Some(0) {
            armed.remove(at);
        }
        Some(struck)
    }

    /// Those that are still armed.
    pub(crate) fn armed(&self) -> Vec<Fault> {
        self.lock().clone()
    }

    /// Disarms those of `api`, or all.
    pub(crate) fn disarm(&self, api: Option<&str>) {
        self.lock().retain(|it| api.is_some_and(|api| it.api != api));
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Vec<Fault>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn fault(text: &str) -> Fault {
        serde_json::from_str(text).unwrap()
    }

    #[test]
    fn a_fault_strikes_as_often_as_it_says_and_only_what_it_names() {
        let faults = Faults::default();
        faults.arm(fault(r#"{"api":"cloudnx","operation":"listThings","kind":"fail","times":2,"status":503}"#));
        assert_eq!(faults.strike("novastack", Some("listThings")), None);
        assert_eq!(faults.strike("cloudnx", Some("other")), None);
        assert_eq!(faults.strike("cloudnx", None), None);
        assert_eq!(faults.strike("cloudnx", Some("listThings")).unwrap().status, 503);
        assert!(faults.strike("cloudnx", Some("listThings")).is_some());
        assert_eq!(faults.strike("cloudnx", Some("listThings")), None);
        assert!(faults.armed().is_empty());
    }

    #[test]
    fn without_a_number_it_strikes_until_it_is_disarmed() {
        let faults = Faults::default();
        faults.arm(fault(r#"{"api":"cloudnx","kind":"slow_drip"}"#));
        faults.arm(fault(r#"{"api":"novastack","kind":"hang"}"#));
        assert!((0..100).all(|_| faults.strike("cloudnx", None).is_some()));
        faults.disarm(Some("cloudnx"));
        assert_eq!(faults.strike("cloudnx", None), None);
        assert!(faults.strike("novastack", Some("anything")).is_some());
        faults.disarm(None);
        assert!(faults.armed().is_empty());
    }

    #[test]
    fn a_fault_that_is_misspelt_is_refused() {
        for text in
            [r#"{"api":"a","kind":"odd"}"#, r#"{"kind":"slow"}"#, r#"{"api":"a","kind":"slow","milliseconds":5}"#]
        {
            assert!(serde_json::from_str::<Fault>(text).is_err(), "{text}");
        }
    }
}
