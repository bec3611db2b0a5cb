//! An arrival whose operation is known.

use std::sync::Arc;

use crate::Operation;

/// One operation of one API, asked for with these path parameters.
#[derive(Clone, Debug)]
pub struct Call {
    /// The operation.
    pub operation: Arc<Operation>,
    /// The values of the operation's path parameters, percent-decoded once, in the order of
    /// [`Operation::parameters`].
    pub parameters: Vec<String>,
}

impl Call {
    /// The value of one path parameter.
    pub fn parameter(&self, name: &str) -> Option<&str> {
        let at = self.operation.parameters.iter().position(|it| it == name)?;
        self.parameters.get(at).map(String::as_str)
    }
}
