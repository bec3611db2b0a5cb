//! JSON written without a serialiser: one entry is written for every request, and the names of its fields need no look.

/// An object that is being written.
pub(crate) struct Object<'o> {
    out: &'o mut Vec<u8>,
    begun: bool,
}

impl<'o> Object<'o> {
    /// Writes one object. Whatever `fields` does, it is closed.
    pub(crate) fn write(out: &'o mut Vec<u8>, fields: impl FnOnce(&mut Object<'_>)) {
        out.push(b'{');
        let mut object = Object { out, begun: false };
        fields(&mut object);
        object.out.push(b'}');
    }

    /// The name of a field, which stands for itself: visible ASCII, no quotation mark.
    fn name(&mut self, name: &'static str) {
        if std::mem::replace(&mut self.begun, true) {
            self.out.push(b',');
        }
        self.out.push(b'"');
        self.out.extend_from_slice(name.as_bytes());
        self.out.extend_from_slice(b"\":");
    }

    pub(crate) fn text(&mut self, name: &'static str, value: &str) {
        self.name(name);
        text(self.out, value);
    }

    pub(crate) fn text_if(&mut self, name: &'static str, value: Option<&str>) {
        if let Some(value) = value {
            self.text(name, value);
        }
    }

    pub(crate) fn number(&mut self, name: &'static str, value: impl Into<u64>) {
        self.name(name);
        self.out.extend_from_slice(itoa::Buffer::new().format(value.into()).as_bytes());
    }

    pub(crate) fn flag(&mut self, name: &'static str, value: bool) {
        self.name(name);
        self.out.extend_from_slice(if value { b"true" } else { b"false" });
    }

    pub(crate) fn texts<'t>(&mut self, name: &'static str, values: impl IntoIterator<Item = &'t str>) {
        self.name(name);
        self.out.push(b'[');
        for (at, value) in values.into_iter().enumerate() {
            if at > 0 {
                self.out.push(b',');
            }
            text(self.out, value);
        }
        self.out.push(b']');
    }

    pub(crate) fn object(&mut self, name: &'static str, fields: impl FnOnce(&mut Object<'_>)) {
        self.name(name);
        Object::write(self.out, fields);
    }
}

/// A string (RFC 8259 section 7). Most need no escape, which is seen many bytes at a time.
fn text(out: &mut Vec<u8>, value: &str) {
    let escaped = |it: u8| it < b' ' || it == b'"' || it == b'\\';
    out.push(b'"');
    if value.bytes().fold(false, |so_far, it| so_far | escaped(it)) {
        for byte in value.bytes() {
            match byte {
                b'"' | b'\\' => out.extend_from_slice(&[b'\\', byte]),
                b'\n' => out.extend_from_slice(b"\\n"),
                b'\r' => out.extend_from_slice(b"\\r"),
                b'\t' => out.extend_from_slice(b"\\t"),
                0x08 => out.extend_from_slice(b"\\b"),
                0x0c => out.extend_from_slice(b"\\f"),
                0..b' ' => {
                    let digit = |it: u8| if it < 10 { b'0' + it } else { b'a' - 10 + it };
                    out.extend_from_slice(&[b'\\', b'u', b'0', b'0', digit(byte >> 4), digit(byte & 15)]);
                }
                _ => out.push(byte),
            }
        }
    } else {
        out.extend_from_slice(value.as_bytes());
    }
    out.push(b'"');
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn a_string_is_written_as_the_serialiser_would(value in any::<String>(), control in "[\\x00-\\x1f\"\\\\é]{0,8}") {
            for it in [&value, &control] {
                let mut out = Vec::new();
                text(&mut out, it);
                prop_assert_eq!(String::from_utf8(out).unwrap(), serde_json::to_string(it).unwrap());
            }
        }
    }
}
