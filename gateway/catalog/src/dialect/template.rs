//! The body of a refusal with holes in it, compiled once.
//!
//! Knows JSON and XML well enough that nothing put into a hole can change the shape of the body around it.

/// What a hole is filled with.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Hole {
    Code,
    Kind,
    Message,
    RequestId,
    Param,
    Resource,
}

impl Hole {
    const ALL: [(&'static str, Self); 6] = [
        ("{code}", Self::Code),
        ("{type}", Self::Kind),
        ("{message}", Self::Message),
        ("{request_id}", Self::RequestId),
        ("{param}", Self::Param),
        ("{resource}", Self::Resource),
    ];

    fn named(text: &str) -> Option<Self> {
        Self::ALL.iter().find(|(name, _)| *name == text).map(|(_, hole)| *hole)
    }

    /// A text that would be a hole if it stood alone or were spelled better.
    fn misplaced(text: &str) -> bool {
        Self::ALL.iter().any(|(name, _)| text.contains(name)) || text.starts_with('{') && text.ends_with('}')
    }
}

/// The values of one refusal.
pub(super) struct Filling<'a> {
    pub(super) code: &'a str,
    pub(super) kind: &'a str,
    pub(super) message: &'a str,
    pub(super) request_id: &'a str,
    pub(super) param: Option<&'a str>,
    pub(super) resource: Option<&'a str>,
}

impl<'a> Filling<'a> {
    fn get(&self, hole: Hole) -> Option<&'a str> {
        match hole {
            Hole::Code => Some(self.code),
            Hole::Kind => Some(self.kind),
            Hole::Message => Some(self.message),
            Hole::RequestId => Some(self.request_id),
            Hole::Param => self.param,
            Hole::Resource => self.resource,
        }
    }
}

/// How a body is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Format {
    Json,
    Xml,
}

/// A compiled body: literal text between holes.
#[derive(Clone, Debug)]
pub(super) struct Template {
    pub(super) format: Format,
    pieces: Vec<Piece>,
    literal: usize,
}

#[derive(Clone, Debug)]
enum Piece {
    Literal(String),
    Hole(Hole),
}

impl Template {
    /// Compiles a body, or says what is wrong with it.
    pub(super) fn compile(format: Format, text: &str) -> Result<Self, String> {
        let pieces = match format {
            Format::Json => json_pieces(text)?,
            Format::Xml => xml_pieces(text)?,
        };
        let literal = pieces.iter().map(|it| if let Piece::Literal(text) = it { text.len() } else { 0 }).sum();
        Ok(Self { format, pieces, literal })
    }

    /// The body of the gateway's own words: `{"error":{"message":...,"request_id":...}}`.
    pub(super) fn plain() -> Self {
        let literal = |text: &str| Piece::Literal(text.to_owned());
        let pieces = vec![
            literal("{\"error\":{\"message\":"),
            Piece::Hole(Hole::Message),
            literal(",\"request_id\":"),
            Piece::Hole(Hole::RequestId),
            literal("}}"),
        ];
        Self { format: Format::Json, pieces, literal: 0 }
    }

    /// The body of an error of OAuth (RFC 6749 section 5.2).
    pub(super) fn oauth() -> Self {
        let literal = |text: &str| Piece::Literal(text.to_owned());
        let pieces = vec![
            literal("{\"error\":"),
            Piece::Hole(Hole::Code),
            literal(",\"error_description\":"),
            Piece::Hole(Hole::Message),
            literal("}"),
        ];
        Self { format: Format::Json, pieces, literal: 0 }
    }

    /// Whether the body has this hole.
    pub(super) fn has(&self, hole: Hole) -> bool {
        self.pieces.iter().any(|it| matches!(it, Piece::Hole(found) if *found == hole))
    }

    /// The body with these values.
    pub(super) fn fill(&self, filling: &Filling<'_>) -> Vec<u8> {
        // Escapes are rare; what they add is left to the allocator.
        let mut out = Vec::with_capacity(self.literal + filling.message.len() + 160);
        for piece in &self.pieces {
            match (piece, self.format) {
                (Piece::Literal(text), _) => out.extend_from_slice(text.as_bytes()),
                (Piece::Hole(hole), Format::Json) => {
                    // INVARIANT: a text can always be written as JSON, and memory does not refuse a write.
                    _ = serde_json::to_writer(&mut out, &filling.get(*hole));
                }
                (Piece::Hole(hole), Format::Xml) => push_xml(filling.get(*hole).unwrap_or_default(), &mut out),
            }
        }
        out
    }
}

/// Cuts a JSON text at its holes. Space between tokens is dropped; the order of keys is the operator's.
fn json_pieces(text: &str) -> Result<Vec<Piece>, String> {
    serde_json::from_str::<serde_json::Value>(text).map_err(|why| format!("is not JSON: {why}"))?;
    let mut pieces = Vec::new();
    let mut literal = String::new();
    let mut rest = text.trim_start();
    while let Some(first) = rest.chars().next() {
        if first == '"' {
            // The text is known to be JSON, so that a string token ends at the first bare quotation mark.
            let (token, after) = rest.split_at_checked(string_end(rest)).unwrap_or((rest, ""));
            let value: String = serde_json::from_str(token).map_err(|why| format!("is not JSON: {why}"))?;
            rest = after.trim_start();
            match Hole::named(&value) {
                Some(_) if rest.starts_with(':') => return Err(format!("`{value}` cannot be a key")),
                Some(hole) => {
                    pieces.push(Piece::Literal(std::mem::take(&mut literal)));
                    pieces.push(Piece::Hole(hole));
                }
                None if Hole::misplaced(&value) => return Err(misplaced(&value)),
                None => literal.push_str(token),
            }
        } else {
            literal.push(first);
            rest = rest.get(first.len_utf8()..).unwrap_or_default().trim_start();
        }
    }
    pieces.push(Piece::Literal(literal));
    Ok(pieces)
}

/// The length of the string token that `text` begins with.
fn string_end(text: &str) -> usize {
    let mut escaped = false;
    for (at, byte) in text.bytes().enumerate().skip(1) {
        match byte {
            b'"' if !escaped => return at + 1,
            b'\\' => escaped = !escaped,
            _ => escaped = false,
        }
    }
    text.len()
}

/// Cuts an XML document at the elements whose whole text is a hole.
fn xml_pieces(text: &str) -> Result<Vec<Piece>, String> {
    let text = text.trim();
    let document = roxmltree::Document::parse(text).map_err(|why| format!("is not XML: {why}"))?;
    let mut pieces = Vec::new();
    let mut done = 0;
    for node in document.descendants() {
        if let Some(attribute) = node.attributes().find(|it| Hole::misplaced(it.value())) {
            return Err(misplaced(attribute.value()));
        }
        let Some(value) = node.text().filter(|_| node.is_text() || node.is_comment()) else { continue };
        let range = node.range();
        // CDATA has a range longer than its text, and would need other escapes.
        let alone = node.is_text() && range.len() == value.len() && node.next_sibling().is_none();
        match Hole::named(value) {
            Some(hole) if alone && node.prev_sibling().is_none() => {
                pieces.push(Piece::Literal(text.get(done..range.start).unwrap_or_default().to_owned()));
                pieces.push(Piece::Hole(hole));
                done = range.end;
            }
            None if !Hole::misplaced(value) => {}
            Some(_) | None => return Err(misplaced(value)),
        }
    }
    pieces.push(Piece::Literal(text.get(done..).unwrap_or_default().to_owned()));
    Ok(pieces)
}

fn misplaced(text: &str) -> String {
    let known: Vec<&str> = Hole::ALL.iter().map(|(name, _)| *name).collect();
    format!("`{text}` is no placeholder; a value is filled where it is exactly one of {}", known.join(" "))
}

fn push_xml(value: &str, out: &mut Vec<u8>) {
    for it in value.chars() {
        match it {
            '&' => out.extend_from_slice(b"&amp;"),
            '<' => out.extend_from_slice(b"&lt;"),
            '>' => out.extend_from_slice(b"&gt;"),
            '"' => out.extend_from_slice(b"&quot;"),
            '\'' => out.extend_from_slice(b"&apos;"),
            // Bare, a reader would turn it into a line feed (XML 1.0 section 2.11).
            '\r' => out.extend_from_slice(b"&#13;"),
            // Characters that XML 1.0 cannot hold in any spelling (section 2.2).
            '\0'..='\u{8}' | '\u{b}' | '\u{c}' | '\u{e}'..='\u{1f}' | '\u{fffe}' | '\u{ffff}' => {
                out.extend_from_slice("\u{fffd}".as_bytes());
            }
            other => out.extend_from_slice(other.encode_utf8(&mut [0; 4]).as_bytes()),
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const XML: &str = "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<Error><Code>{code}</Code><Message>{message}</Message>\
                       <Resource>{resource}</Resource><RequestId>{request_id}</RequestId></Error>";

    fn filling<'a>(code: &'a str, message: &'a str, param: Option<&'a str>) -> Filling<'a> {
        Filling { code, kind: "t", message, request_id: "req_1", param, resource: param }
    }

    fn text(template: &Template, filling: &Filling<'_>) -> String {
        String::from_utf8(template.fill(filling)).unwrap()
    }

    #[track_caller]
    fn refused(format: Format, text: &str, because: &str) {
        let why = Template::compile(format, text).unwrap_err();
        assert!(why.contains(because), "{text}: {why}");
    }

    #[test]
    fn keys_keep_their_order_and_space_between_tokens_is_dropped() {
        let template = Template::compile(
            Format::Json,
            "{ \"message\" : \"{message}\",\n \"a\\\" b\": [ \"{param}\", 1.5, true ], \"type\": \"{type}\" }",
        )
        .unwrap();
        assert_eq!(
            text(&template, &filling("c", "no \"go\"", None)),
            r#"{"message":"no \"go\"","a\" b":[null,1.5,true],"type":"t"}"#
        );
        assert!(template.has(Hole::Param) && !template.has(Hole::Code));
    }

    #[test]
    fn an_xml_body_is_filled_where_an_element_holds_a_placeholder_alone() {
        let template = Template::compile(Format::Xml, XML).unwrap();
        assert_eq!(
            text(&template, &filling("AccessDenied", "a < b & \"c\"", Some("/k"))),
            "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<Error><Code>AccessDenied</Code>\
             <Message>a &lt; b &amp; &quot;c&quot;</Message><Resource>/k</Resource><RequestId>req_1</RequestId></Error>"
        );
    }

    #[test]
    fn a_body_that_could_not_be_filled_is_refused() {
        refused(Format::Json, r#"{"code": "{code}""#, "is not JSON");
        refused(Format::Json, "{code}", "is not JSON");
        refused(Format::Json, r#"{"{code}": 1}"#, "cannot be a key");
        refused(Format::Json, r#"{"code": "{cod}"}"#, "`{cod}` is no placeholder");
        refused(Format::Json, r#"{"code": "it is {code}"}"#, "`it is {code}` is no placeholder");
        refused(Format::Json, r#"{"x {code}": 1}"#, "is no placeholder");
        refused(Format::Xml, "<Error><Code>{code}</Error>", "is not XML");
        refused(Format::Xml, "<Error>{cod}</Error>", "is no placeholder");
        refused(Format::Xml, "<Error>{code} {message}</Error>", "is no placeholder");
        refused(Format::Xml, "<Error>{code}<b/></Error>", "is no placeholder");
        refused(Format::Xml, "<Error code=\"{code}\"/>", "is no placeholder");
        refused(Format::Xml, "<Error><![CDATA[{code}]]></Error>", "is no placeholder");
        refused(Format::Xml, "<Error><!--{code}--></Error>", "is no placeholder");
    }

    proptest! {
        #[test]
        fn a_json_body_keeps_its_shape_whatever_is_put_into_it(message in any::<String>(), param in any::<Option<String>>()) {
            let written = r#"{"error": {"message": "{message}", "param": "{param}", "at": ["{message}", 7, {}]}}"#;
            let template = Template::compile(Format::Json, written).unwrap();
            let body: serde_json::Value = serde_json::from_slice(&template.fill(&filling("c", &message, param.as_deref()))).unwrap();
            let expected = serde_json::json!({"error": {"message": message, "param": param, "at": [message, 7, {}]}});
            prop_assert_eq!(body, expected);
        }

        #[test]
        fn an_xml_body_keeps_its_shape_whatever_is_put_into_it(code in any::<String>(), message in any::<String>()) {
            let template = Template::compile(Format::Xml, XML).unwrap();
            let body = text(&template, &filling(&code, &message, None));
            let document = roxmltree::Document::parse(&body).unwrap();
            let children: Vec<_> = document.root_element().children().map(|it| it.tag_name().name()).collect();
            prop_assert_eq!(children, ["Code", "Message", "Resource", "RequestId"]);
            let holdable = |it: &str| it.replace(|it| (it < ' ' && !"\t\n\r".contains(it)) || matches!(it, '\u{fffe}' | '\u{ffff}'), "\u{fffd}");
            let texts: Vec<_> = document.root_element().children().map(|it| it.text().unwrap_or_default().to_owned()).collect();
            prop_assert_eq!(texts, [holdable(&code), holdable(&message), String::new(), "req_1".to_owned()]);
        }

        #[test]
        fn a_template_is_compiled_or_refused_but_never_a_panic(text in "[{}\"\\\\a-d:,<>/! \\[\\]&;é]{0,40}") {
            _ = Template::compile(Format::Json, &text);
            _ = Template::compile(Format::Xml, &text);
        }
    }
}
