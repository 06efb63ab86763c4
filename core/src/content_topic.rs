//! Content topics: what an application calls its messages.

use std::{fmt, sync::Arc};

use crate::limits::MAX_CONTENT_TOPIC_LENGTH;

/// The topic an application gives its message, not blank and at most
/// [`MAX_CONTENT_TOPIC_LENGTH`] bytes.
///
/// Relay carries any text; only autosharding needs the structure of 23/WAKU2-TOPICS, which
/// [`ContentTopic::parts`] reads. Clones share the text.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ContentTopic(Arc<str>);

/// The parts of `/<application>/<version>/<name>/<encoding>`, with an optional generation in front.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ContentTopicParts<'a> {
    /// The application's name.
    pub application: &'a str,
    /// The application's version.
    pub version: &'a str,
    /// The name of the topic inside the application.
    pub name: &'a str,
    /// How the payload is encoded.
    pub encoding: &'a str,
}

/// Why a text is not a content topic, or has no structure to shard by.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ContentTopicError {
    /// Nothing but white space.
    #[error("the content topic is empty")]
    Blank,
    /// Longer than [`MAX_CONTENT_TOPIC_LENGTH`].
    #[error("the content topic has {0} bytes; at most {MAX_CONTENT_TOPIC_LENGTH} are allowed")]
    TooLong(usize),
    /// The leading slash is missing.
    #[error("content-topic '{0}' must start with slash")]
    NoLeadingSlash(String),
    /// Not four parts, or five with a generation, or a part is empty.
    #[error(
        "Invalid content topic structure. Expected either /<application>/<version>/<topic-name>/<encoding> \
         or /<gen>/<application>/<version>/<topic-name>/<encoding>, got '{0}'"
    )]
    Structure(String),
    /// The generation is not a number.
    #[error("generation '{0}' is not a number")]
    GenerationNotANumber(String),
    /// A generation whose sharding rule is not defined.
    #[error("Generation > 0 are not supported yet")]
    GenerationUnsupported(u64),
}

impl ContentTopic {
    /// A content topic of any structure.
    pub fn new(topic: &str) -> Result<Self, ContentTopicError> {
        if topic.trim().is_empty() {
            return Err(ContentTopicError::Blank);
        }
        if topic.len() > MAX_CONTENT_TOPIC_LENGTH {
            return Err(ContentTopicError::TooLong(topic.len()));
        }
        Ok(Self(topic.into()))
    }

    /// The text.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The structure autosharding reads (23/WAKU2-TOPICS, generation 0 only).
    pub fn parts(&self) -> Result<ContentTopicParts<'_>, ContentTopicError> {
        let rest =
            self.0.strip_prefix('/').ok_or_else(|| ContentTopicError::NoLeadingSlash(self.0.to_string()))?;
        let parts: Vec<&str> = rest.splitn(6, '/').collect();
        let (generation, [application, version, name, encoding]) = match *parts.as_slice() {
            [a, b, c, d] => (None, [a, b, c, d]),
            [generation, a, b, c, d] => (Some(generation), [a, b, c, d]),
            _ => return Err(ContentTopicError::Structure(self.0.to_string())),
        };
        if [application, version, name, encoding].iter().any(|part| part.is_empty()) {
            return Err(ContentTopicError::Structure(self.0.to_string()));
        }
        match generation.map(str::parse::<u64>) {
            None | Some(Ok(0)) => Ok(ContentTopicParts { application, version, name, encoding }),
            Some(Ok(generation)) => Err(ContentTopicError::GenerationUnsupported(generation)),
            Some(Err(_)) => {
                Err(ContentTopicError::GenerationNotANumber(generation.unwrap_or_default().to_owned()))
            }
        }
    }
}

impl fmt::Display for ContentTopic {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parts_of(topic: &str) -> Result<String, ContentTopicError> {
        let topic = ContentTopic::new(topic)?;
        let parts = topic.parts()?;
        Ok(format!("{}|{}|{}|{}", parts.application, parts.version, parts.name, parts.encoding))
    }

    #[test]
    fn generation_zero_may_be_written_or_left_out() {
        assert_eq!(parts_of("/app/1/name/proto"), Ok("app|1|name|proto".into()));
        assert_eq!(parts_of("/0/app/1/name/proto"), Ok("app|1|name|proto".into()));
    }

    #[test]
    fn each_malformed_topic_names_its_rule() {
        assert_eq!(parts_of("  "), Err(ContentTopicError::Blank));
        assert_eq!(parts_of("app/1/n/e"), Err(ContentTopicError::NoLeadingSlash("app/1/n/e".into())));
        for topic in ["/app", "/app/1/n", "/app/1/n/", "//1/n/e", "/0/a/1/n/e/x"] {
            assert_eq!(parts_of(topic), Err(ContentTopicError::Structure(topic.into())), "{topic}");
        }
        assert_eq!(parts_of("/1/app/1/n/e"), Err(ContentTopicError::GenerationUnsupported(1)));
        assert_eq!(parts_of("/x/app/1/n/e"), Err(ContentTopicError::GenerationNotANumber("x".into())));
        assert_eq!(parts_of(&"/".repeat(2000)), Err(ContentTopicError::TooLong(2000)));
    }
}
