//! Which web pages may use the API.
//!
//! A request with one `Origin` that an allowed pattern matches gets the headers a browser asks for;
//! one that none matches is refused. Requests without an origin do not come from a page and pass.

use std::sync::Arc;

use axum::{
    extract::{Request, State},
    http::{HeaderMap, HeaderValue, StatusCode, header},
    middleware::Next,
    response::{IntoResponse, Response},
};

use crate::answer::Refusal;

/// The origins that are allowed.
#[derive(Debug)]
pub(crate) enum AllowedOrigins {
    /// The single pattern `*`.
    Every,
    /// Those one of the patterns matches.
    Matching(Vec<Pattern>),
}

/// Text with `*` for any text and `?` for one optional character, without regard to case. A pattern
/// without a scheme stands for `http://` and `https://`.
#[derive(Debug)]
pub(crate) struct Pattern(Vec<u8>);

impl AllowedOrigins {
    /// From the operator's patterns, each of which may be a list with commas. `None` when there are
    /// none: then origins are not looked at.
    pub(crate) fn new(patterns: &[String]) -> Option<Self> {
        let patterns: Vec<&str> = patterns
            .iter()
            .flat_map(|pattern| pattern.split(','))
            .map(str::trim)
            .filter(|pattern| !pattern.is_empty())
            .collect();
        match patterns.as_slice() {
            [] => None,
            ["*"] => Some(Self::Every),
            _ => Some(Self::Matching(patterns.into_iter().flat_map(Pattern::parse).collect())),
        }
    }

    /// The headers an answer to a page of `origin` needs.
    fn headers_for(&self, origin: &HeaderValue) -> Option<HeaderMap> {
        let mut headers = HeaderMap::with_capacity(3);
        headers.insert(header::ACCESS_CONTROL_ALLOW_HEADERS, HeaderValue::from_static("Content-Type"));
        match self {
            Self::Every => {
                headers.insert(header::ACCESS_CONTROL_ALLOW_ORIGIN, HeaderValue::from_static("*"));
            }
            Self::Matching(patterns) => {
                if !patterns.iter().any(|pattern| pattern.matches(origin.as_bytes())) {
                    return None;
                }
                headers.insert(header::ACCESS_CONTROL_ALLOW_ORIGIN, origin.clone());
                headers.insert(header::VARY, HeaderValue::from_static("Origin"));
            }
        }
        Some(headers)
    }
}

impl Pattern {
    fn parse(pattern: &str) -> Vec<Self> {
        let pattern = pattern.to_ascii_lowercase();
        if pattern.starts_with("http://") || pattern.starts_with("https://") {
            vec![Self(pattern.into_bytes())]
        } else {
            ["http://", "https://"].map(|scheme| Self(format!("{scheme}{pattern}").into_bytes())).into()
        }
    }

    /// Whether the pattern stands for all of `text`. Takes |pattern| · |text| steps at most.
    fn matches(&self, text: &[u8]) -> bool {
        let Self(pattern) = self;
        // `reached[i]` says whether `pattern[..i]` can stand for what was read of the text.
        let mut reached = vec![false; pattern.len() + 1];
        reached[0] = true;
        self.skip_optional(&mut reached);
        for byte in text.iter().map(u8::to_ascii_lowercase) {
            let mut next = vec![false; reached.len()];
            for (i, &part) in pattern.iter().enumerate().filter(|&(i, _)| reached[i]) {
                match part {
                    b'*' => next[i] = true,
                    b'?' => next[i + 1] = true,
                    _ => next[i + 1] |= part == byte,
                }
            }
            self.skip_optional(&mut next);
            reached = next;
        }
        reached[pattern.len()]
    }

    /// `*` and `?` may stand for nothing.
    fn skip_optional(&self, reached: &mut [bool]) {
        for (i, part) in self.0.iter().enumerate() {
            if reached[i] && matches!(part, b'*' | b'?') {
                reached[i + 1] = true;
            }
        }
    }
}

/// Middleware that applies the rules.
pub(crate) async fn check_origin(
    State(allowed): State<Arc<AllowedOrigins>>,
    request: Request,
    next: Next,
) -> Response {
    let mut origins = request.headers().get_all(header::ORIGIN).iter();
    let headers = match (origins.next(), origins.next()) {
        (None, _) => return next.run(request).await,
        (Some(_), Some(_)) => {
            return Refusal::bad_request("Only a single Origin header must be specified").into_response();
        }
        (Some(origin), None) => allowed.headers_for(origin),
    };
    let Some(headers) = headers else {
        return Refusal::new(StatusCode::FORBIDDEN, "Origin not allowed").into_response();
    };
    let mut response = next.run(request).await;
    response.headers_mut().extend(headers);
    response
}

#[cfg(test)]
mod tests {
    use super::*;

    fn allows(patterns: &[&str], origin: &str) -> bool {
        let patterns: Vec<String> = patterns.iter().map(|&pattern| pattern.to_owned()).collect();
        let allowed = AllowedOrigins::new(&patterns).expect("there are patterns");
        allowed.headers_for(&HeaderValue::from_str(origin).expect("a header value")).is_some()
    }

    #[test]
    fn a_pattern_stands_for_the_whole_origin() {
        assert!(allows(&["http://localhost:3000"], "http://localhost:3000"));
        assert!(!allows(&["http://localhost:3000"], "http://localhost:30001"));
        assert!(!allows(&["http://localhost:3000"], "http://localhost:300"));
        assert!(!allows(&["example.org"], "http://evil.com/example.org"));
    }

    #[test]
    fn the_scheme_may_be_left_out_and_case_does_not_count() {
        for origin in ["http://example.org", "https://example.org", "HTTPS://Example.ORG"] {
            assert!(allows(&["example.org"], origin), "{origin}");
        }
        assert!(!allows(&["https://example.org"], "http://example.org"));
        assert!(!allows(&["example.org"], "ftp://example.org"));
    }

    #[test]
    fn a_star_is_any_text_and_a_question_mark_one_optional_character() {
        assert!(allows(&["http://localhost:*"], "http://localhost:8080"));
        assert!(allows(&["*.example.org"], "https://a.b.example.org"));
        assert!(!allows(&["*.example.org"], "https://example.org"));
        assert!(allows(&["https://host?.net"], "https://host1.net"));
        assert!(allows(&["https://host?.net"], "https://host.net"));
        assert!(!allows(&["https://host?.net"], "https://host12.net"));
        assert!(!allows(&["https://host?.net"], "https://hostXnet"));
    }

    #[test]
    fn patterns_come_one_by_one_or_with_commas() {
        assert!(allows(&["a.org,b.org"], "http://b.org"));
        assert!(allows(&["a.org", "b.org"], "http://b.org"));
        assert!(allows(&["*", "b.org"], "http://c.org"));
        assert!(AllowedOrigins::new(&[String::new(), " , ".into()]).is_none());
    }

    #[test]
    fn many_stars_do_not_make_matching_slow() {
        assert!(!allows(&[&"*a".repeat(40)], &format!("http://{}b", "a".repeat(4000))));
    }
}
