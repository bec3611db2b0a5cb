//! Pages for people: a frame that every page has, and markup in which nothing is left unescaped by forgetting it.
//!
//! [`Markup`] takes text of this program as it is and everything else escaped; there is no third way in. No page has a
//! script but one of this program's own, which is known by its hash; none can be framed, none is kept, and a form leads to
//! the host that it came from.

use std::sync::LazyLock;

use aws_lc_rs::digest::{SHA256, digest};
use axum::http::header::{CACHE_CONTROL, CONTENT_SECURITY_POLICY, CONTENT_TYPE, REFERRER_POLICY};
use axum::http::{HeaderValue, StatusCode};
use axum::response::{IntoResponse, Response};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

/// The one style of all pages. It is known by its hash, so that no other is applied.
const STYLE: &str = "\
:root{color-scheme:light dark;font:1rem/1.5 system-ui,sans-serif}\
body{margin:0;padding:2rem 1rem}\
main{max-width:24rem;margin:0 auto}\
h1{font-size:1.5rem;line-height:1.2}\
label{display:block;margin:1rem 0 .25rem;font-weight:600}\
input,button{font:inherit;box-sizing:border-box;width:100%;min-height:2.75rem;padding:.5rem .75rem;border:1px solid #767676;border-radius:.25rem}\
button{margin-top:1.5rem;font-weight:600;cursor:pointer}\
.other{display:block;box-sizing:border-box;padding:.6rem .75rem;border:1px solid #767676;border-radius:.25rem;text-align:center}\
input:focus-visible,button:focus-visible,a:focus-visible{outline:3px solid #1a73e8;outline-offset:2px}\
.fault{margin:.5rem 0;padding:.5rem .75rem;border-left:.25rem solid #c5221f}\
.quiet{opacity:.8}";

/// What a browser may do with a page, but for where its forms lead.
static POLICY: LazyLock<String> = LazyLock::new(|| {
    let style = STANDARD.encode(digest(&SHA256, STYLE.as_bytes()));
    format!(
        "default-src 'none'; style-src 'sha256-{style}'; frame-ancestors 'none'; base-uri 'none'; form-action 'self'"
    )
});

/// A piece of a page in which everything is escaped that this program has not written itself.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Markup(String);

impl Markup {
    /// Nothing yet.
    pub(crate) fn new() -> Self {
        Self::default()
    }

    /// Then this, as it is.
    #[must_use]
    pub(crate) fn raw(mut self, markup: &'static str) -> Self {
        self.0.push_str(markup);
        self
    }

    /// Then these words, whoever they come from: between tags, or in an attribute with double quotes.
    #[must_use]
    pub(crate) fn text(mut self, words: &str) -> Self {
        for it in words.chars() {
            match it {
                '&' => self.0.push_str("&amp;"),
                '<' => self.0.push_str("&lt;"),
                '>' => self.0.push_str("&gt;"),
                '"' => self.0.push_str("&quot;"),
                '\'' => self.0.push_str("&#39;"),
                it if it.is_control() && it != '\n' => self.0.push('\u{fffd}'),
                it => self.0.push(it),
            }
        }
        self
    }

    /// Then another piece.
    #[must_use]
    pub(crate) fn then(mut self, other: &Self) -> Self {
        self.0.push_str(&other.0);
        self
    }

    /// Then a value of a form that people do not see.
    #[must_use]
    pub(crate) fn hidden(self, name: &'static str, value: &str) -> Self {
        self.raw("<input type=\"hidden\" name=\"").raw(name).raw("\" value=\"").text(value).raw("\">")
    }

    /// Then something to be filled in.
    #[must_use]
    pub(crate) fn field(self, field: &Field<'_>) -> Self {
        self.input(field, " required ")
    }

    /// Then something that may be filled in.
    #[must_use]
    pub(crate) fn optional(self, field: &Field<'_>) -> Self {
        self.input(field, " ")
    }

    fn input(self, field: &Field<'_>, required: &'static str) -> Self {
        let Field { name, label, kind, hints, value, fault } = *field;
        let input = self.raw("<label for=\"").raw(name).raw("\">").text(label).raw("</label><input id=\"").raw(name);
        let input = input.raw("\" name=\"").raw(name).raw("\" type=\"").raw(kind).raw("\"").raw(required).raw(hints);
        let input = if value.is_empty() { input } else { input.raw(" value=\"").text(value).raw("\"") };
        let input = if fault { input.raw(" aria-invalid=\"true\" aria-describedby=\"fault\"") } else { input };
        input.raw(">")
    }

    /// Then what was wrong with what was filled in, for those who see it and those who hear it. There is one on a page.
    #[must_use]
    pub(crate) fn fault(self, words: &str) -> Self {
        self.raw("<p id=\"fault\" class=\"fault\" role=\"alert\">").text(words).raw("</p>")
    }
}

/// Something to be filled in.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Field<'a> {
    /// What it is called in the form.
    pub(crate) name: &'static str,
    /// What people call it.
    pub(crate) label: &'a str,
    /// The type of the input: `text`, `password`.
    pub(crate) kind: &'static str,
    /// Further attributes, such as `autocomplete`.
    pub(crate) hints: &'static str,
    /// What is filled in already.
    pub(crate) value: &'a str,
    /// Whether the fault that the page tells of may be about it.
    pub(crate) fault: bool,
}

/// A whole page.
pub(crate) struct Page<'a> {
    title: &'a str,
    main: Markup,
    /// Where else its form may lead by a redirect, besides its own host.
    leading_to: Option<&'a str>,
    script: Option<&'static str>,
}

impl<'a> Page<'a> {
    /// With this title, which is its one heading too.
    pub(crate) fn new(title: &'a str, main: Markup) -> Self {
        Self { title, main, leading_to: None, script: None }
    }

    /// The answer to its form may be a redirect to this origin (`https://app.example`, `http://127.0.0.1:7000`), or scheme
    /// (`app:`). Browsers hold redirects to what the page has said of its forms. What cannot be one is left out.
    #[must_use]
    pub(crate) fn leading_to(self, origin: &'a str) -> Self {
        let fits = |it: u8| it.is_ascii_alphanumeric() || matches!(it, b'.' | b':' | b'/' | b'-' | b'+' | b'[' | b']');
        let leading_to = (origin.contains(':') && origin.bytes().all(fits)).then_some(origin);
        Self { leading_to, ..self }
    }

    /// The answer to its form may lead on to an application, wherever that is: which one it will be the page cannot know.
    /// Nothing that others write can make a form of it.
    #[must_use]
    pub(crate) fn leading_to_applications(self) -> Self {
        Self { leading_to: Some("https: http://127.0.0.1:* http://localhost:*"), ..self }
    }

    /// With a script of this program's own: browsers that run any run this one and no other.
    #[must_use]
    pub(crate) fn with_script(self, script: &'static str) -> Self {
        Self { script: Some(script), ..self }
    }

    /// As an answer.
    pub(crate) fn answer(self, status: StatusCode) -> Response {
        let Self { title, main, leading_to, script } = self;
        let page = Markup::new()
            .raw("<!doctype html><html lang=\"en\"><head><meta charset=\"utf-8\">")
            .raw("<meta name=\"viewport\" content=\"width=device-width,initial-scale=1\"><title>")
            .text(title)
            .raw("</title><style>")
            .raw(STYLE)
            .raw("</style></head><body><main><h1>")
            .text(title)
            .raw("</h1>")
            .then(&main)
            .raw("</main>");
        let page = match script {
            Some(script) => page.raw("<script>").raw(script).raw("</script>"),
            None => page,
        };
        let page = page.raw("</body></html>");
        let policy = leading_to.map_or_else(|| POLICY.clone(), |it| format!("{} {it}", *POLICY));
        // What forms may lead to stands last.
        let policy = match script {
            Some(script) => {
                format!("script-src 'sha256-{}'; {policy}", STANDARD.encode(digest(&SHA256, script.as_bytes())))
            }
            None => policy,
        };
        let mut response = (status, page.0).into_response();
        let headers = response.headers_mut();
        headers.insert(CONTENT_TYPE, HeaderValue::from_static("text/html; charset=utf-8"));
        // A page whose policy could not be said may do nothing at all.
        let nothing = HeaderValue::from_static("default-src 'none'; frame-ancestors 'none'");
        headers.insert(CONTENT_SECURITY_POLICY, HeaderValue::try_from(policy).unwrap_or(nothing));
        headers.insert(REFERRER_POLICY, HeaderValue::from_static("no-referrer"));
        headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
        response
    }
}

#[cfg(test)]
mod tests {
    use axum::body::to_bytes;

    use super::*;

    const SCRIPT: &str = "\"'><script>alert(1)</script>&\u{7}";

    #[test]
    fn what_others_write_is_text_wherever_it_stands() {
        let Markup(made) = Markup::new().raw("<p>").text(SCRIPT).raw("</p>");
        assert_eq!(made, "<p>&quot;&#39;&gt;&lt;script&gt;alert(1)&lt;/script&gt;&amp;\u{fffd}</p>");
        let field = Field { name: "user", label: SCRIPT, kind: "text", hints: "autofocus", value: SCRIPT, fault: true };
        let Markup(made) = Markup::new().field(&field).hidden("continue", SCRIPT).fault(SCRIPT);
        assert!(!made.contains("<script") && !made.contains("\"'"), "{made}");
    }

    #[test]
    fn a_field_is_tied_to_its_label_and_to_what_was_wrong_with_it() {
        let field = Field { name: "user", label: "User", kind: "text", hints: "autofocus", value: "", fault: true };
        let Markup(made) = Markup::new().fault("No.").field(&field);
        assert_eq!(
            made,
            "<p id=\"fault\" class=\"fault\" role=\"alert\">No.</p><label for=\"user\">User</label><input id=\"user\" \
             name=\"user\" type=\"text\" required autofocus aria-invalid=\"true\" aria-describedby=\"fault\">"
        );
    }

    #[tokio::test]
    async fn a_page_may_do_nothing_but_send_its_form_home() {
        let response = Page::new("Sign <in>", Markup::new()).answer(StatusCode::OK);
        let header = |name: &str| response.headers()[name].to_str().unwrap().to_owned();
        let style = STANDARD.encode(digest(&SHA256, STYLE.as_bytes()));
        assert_eq!(
            header("content-security-policy"),
            format!(
                "default-src 'none'; style-src 'sha256-{style}'; frame-ancestors 'none'; base-uri 'none'; form-action \
                 'self'"
            )
        );
        assert_eq!((header("referrer-policy"), header("cache-control")), ("no-referrer".into(), "no-store".into()));
        let body = to_bytes(response.into_body(), 1 << 20).await.unwrap();
        let text = std::str::from_utf8(&body).unwrap();
        assert!(text.starts_with("<!doctype html><html lang=\"en\">") && text.contains("<h1>Sign &lt;in&gt;</h1>"));
        assert!(text.contains(&format!("<style>{STYLE}</style>")) && text.matches("<h1").count() == 1);
    }

    #[tokio::test]
    async fn a_page_runs_its_own_script_and_no_other() {
        let response =
            Page::new("t", Markup::new()).with_script("alert(1)").leading_to_applications().answer(StatusCode::OK);
        let told = response.headers()["content-security-policy"].to_str().unwrap().to_owned();
        let hash = STANDARD.encode(digest(&SHA256, b"alert(1)"));
        assert!(told.starts_with(&format!("script-src 'sha256-{hash}'; default-src 'none'; ")), "{told}");
        assert!(!told.contains("unsafe") && told.matches("script-src").count() == 1, "{told}");
        let body = to_bytes(response.into_body(), 1 << 20).await.unwrap();
        assert!(std::str::from_utf8(&body).unwrap().ends_with("</main><script>alert(1)</script></body></html>"));
    }

    #[test]
    fn a_form_leads_further_only_to_what_can_be_an_origin() {
        let policy = |origin| {
            let response = Page::new("t", Markup::new()).leading_to(origin).answer(StatusCode::OK);
            response.headers()["content-security-policy"].to_str().unwrap().to_owned()
        };
        assert!(policy("https://app.example:8443").ends_with("; form-action 'self' https://app.example:8443"));
        let response = Page::new("t", Markup::new()).leading_to_applications().answer(StatusCode::OK);
        let told = response.headers()["content-security-policy"].to_str().unwrap();
        assert!(told.ends_with("; form-action 'self' https: http://127.0.0.1:* http://localhost:*"), "{told}");
        for bad in ["", "x", "https://a; script-src *", "https://a, *", "*", "https://a b"] {
            assert!(policy(bad).ends_with("; form-action 'self'"), "{bad}");
        }
    }
}
