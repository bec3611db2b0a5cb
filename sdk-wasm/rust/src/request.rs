//! The head of a request, as far as the plugin was granted it.

use crate::Request;

impl Request {
    /// The first value of a header that was granted, where it is text.
    pub fn header(&self, name: &str) -> Option<&str> {
        self.values(name).into_iter().next()
    }

    /// Every value of a header that was granted, as far as they are text.
    pub fn values(&self, name: &str) -> Vec<&str> {
        let named = self.headers.iter().filter(|it| it.name.eq_ignore_ascii_case(name));
        named.filter_map(|it| std::str::from_utf8(&it.value).ok()).collect()
    }

    /// A parameter of the path, by the name that it has in the document of the API.
    pub fn param(&self, name: &str) -> Option<&str> {
        self.params.iter().find(|it| it.0 == name).map(|it| it.1.as_str())
    }
}
