//! Messages that carry a number, and finding the numbers in what a node returns.

use std::{
    borrow::Cow,
    time::{SystemTime, UNIX_EPOCH},
};

use base64::{Engine, engine::general_purpose::STANDARD};
use bytes::Bytes;
use serde::Deserialize;

use super::LoadError;

/// A run's name and a number, padded so that its base64 needs no padding and the rest of the payload
/// can be encoded once.
const HEADER: usize = 24;
/// What the header is in base64.
const HEADER_TEXT: usize = HEADER / 3 * 4;

/// The largest payload that makes sense to try: over nwaku's and weir's limits.
const MAX_PAYLOAD: usize = 2 * 1024 * 1024;

/// Makes the messages of one run and knows them again.
#[derive(Debug)]
pub(crate) struct Messages {
    run: [u8; 8],
    after_header: String,
}

#[derive(Deserialize)]
struct Received<'a> {
    #[serde(borrow)]
    payload: Cow<'a, str>,
}

impl Messages {
    /// Messages with payloads of `size` bytes. No two runs have a number in common.
    pub(crate) fn new(size: usize, content_topic: &str) -> Result<Self, LoadError> {
        if !(HEADER..=MAX_PAYLOAD).contains(&size) {
            return Err(LoadError::Setting(format!("--size is between {HEADER} and {MAX_PAYLOAD}")));
        }
        let filler = STANDARD.encode(vec![0xa5; size - HEADER]);
        let topic = serde_json::to_string(content_topic)
            .map_err(|error| LoadError::Setting(format!("--content-topic: {error}")))?;
        // Nanoseconds since 1970: runs of one machine start at different ones.
        let run = (unix_nanos() as u64).to_be_bytes();
        Ok(Self { run, after_header: format!("{filler}\",\"contentTopic\":{topic},\"timestamp\":") })
    }

    /// The JSON of the message with this number, with the present as its time.
    pub(crate) fn encode(&self, number: u64) -> Bytes {
        let mut header = [0; HEADER];
        header[..8].copy_from_slice(&self.run);
        header[8..16].copy_from_slice(&number.to_be_bytes());
        let timestamp = unix_nanos();
        format!("{{\"payload\":\"{}{}{timestamp}}}", STANDARD.encode(header), self.after_header).into()
    }

    /// The numbers of this run's messages in a REST answer, in its order.
    pub(crate) fn numbers(&self, answer: &[u8]) -> Result<Vec<u64>, serde_json::Error> {
        let messages: Vec<Received<'_>> = serde_json::from_slice(answer)?;
        Ok(messages.iter().filter_map(|message| self.number(&message.payload)).collect())
    }

    fn number(&self, payload: &str) -> Option<u64> {
        let header = STANDARD.decode(payload.get(..HEADER_TEXT)?).ok()?;
        let number = header.strip_prefix(&self.run)?.first_chunk()?;
        Some(u64::from_be_bytes(*number))
    }
}

/// Wall clock, for the timestamp field only.
fn unix_nanos() -> u128 {
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_nanos())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_message_is_nwakus_json_with_a_payload_of_the_size_asked_for() {
        for size in [24, 25, 26, 27, 1024] {
            let messages = Messages::new(size, "/a/1/\"b\"/c").unwrap();
            let json: serde_json::Value = serde_json::from_slice(&messages.encode(7)).unwrap();
            let payload = STANDARD.decode(json["payload"].as_str().unwrap()).unwrap();
            assert_eq!(payload.len(), size);
            assert_eq!(json["contentTopic"], "/a/1/\"b\"/c");
            assert!(json["timestamp"].as_i64().unwrap() > 0);
        }
    }

    #[test]
    fn numbers_are_found_among_other_messages() {
        let messages = Messages::new(30, "/a/1/b/c").unwrap();
        let answer = [
            String::from_utf8(messages.encode(3).to_vec()).unwrap(),
            r#"{"payload":"","contentTopic":"x"}"#.to_owned(),
            r#"{"payload":"AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA","proof":""}"#.to_owned(),
            String::from_utf8(messages.encode(u64::MAX).to_vec()).unwrap().replace('/', "\\/"),
        ];
        let answer = format!("[{}]", answer.join(", "));
        assert_eq!(messages.numbers(answer.as_bytes()).unwrap(), [3, u64::MAX]);
        assert!(messages.numbers(b"[]").unwrap().is_empty());
        assert!(messages.numbers(b"not json").is_err());
    }

    #[test]
    fn sizes_out_of_range_are_refused() {
        assert!(matches!(Messages::new(23, "x"), Err(LoadError::Setting(_))));
        assert!(matches!(Messages::new(MAX_PAYLOAD + 1, "x"), Err(LoadError::Setting(_))));
    }
}
