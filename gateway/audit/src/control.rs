//! Entries of the log about itself.

use domain::Timestamp;

use crate::cbor::Object;

/// What became of the log.
#[derive(Clone, Copy, Debug)]
pub struct Control<'a> {
    /// The configured name of this gateway.
    pub node: &'a str,
    /// A random number drawn when this process started, in hexadecimal.
    pub boot: &'a str,
    /// When.
    pub time: Timestamp,
    /// What.
    pub action: Action,
}

/// The beginning or the end of a run.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Action {
    /// A process began to write.
    Start {
        /// How the run before it ended.
        before: Before,
        /// How many bytes of an entry that was never finished were cut off.
        torn: u64,
    },
    /// The process ended as it was told to. Entries of requests that were still being answered may follow.
    Stop,
}

/// How the run before this one ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Before {
    /// There was none.
    Nothing,
    /// It said that it would end.
    Stop,
    /// It said nothing: it was killed, or the machine went down.
    Crash,
}

/// The class of these entries.
pub(crate) const CLASS: &str = "audit.control";

/// The action of an end.
pub(crate) const STOP: &str = "stop";

impl Control<'_> {
    pub(crate) fn write(&self, node_seq: u64, out: &mut Vec<u8>) {
        Object::write(out, |it| {
            it.text("boot", self.boot);
            it.text("node", self.node);
            it.signed("time", self.time.nanos());
            if let Action::Start { torn, .. } = self.action {
                it.number("torn", torn);
            }
            it.text("class", CLASS);
            match self.action {
                Action::Start { before, .. } => {
                    it.text("action", "start");
                    it.text("before", before.as_str());
                }
                Action::Stop => it.text("action", STOP),
            }
            it.number("schema", 1_u64);
            it.number("node_seq", node_seq);
        });
    }
}

impl Before {
    fn as_str(self) -> &'static str {
        match self {
            Self::Nothing => "nothing",
            Self::Stop => STOP,
            Self::Crash => "crash",
        }
    }
}
