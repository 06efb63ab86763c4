//! One keep-alive HTTP/1.1 connection.

use std::time::Duration;

use bytes::Bytes;
use http_body_util::{BodyExt, Full};
use hyper::{
    Method, Request, StatusCode, Uri,
    client::conn::http1::{SendRequest, handshake},
    header,
};
use hyper_util::rt::TokioIo;
use tokio::{net::TcpStream, time::timeout};

use super::LoadError;

/// Longer than any answer of the node takes: it gives up a publish after 5 s itself.
const ANSWER_TIMEOUT: Duration = Duration::from_secs(20);

/// A connection that is made at the first request and again after a failure.
#[derive(Debug)]
pub(crate) struct Connection {
    authority: String,
    sender: Option<SendRequest<Full<Bytes>>>,
}

impl Connection {
    /// To `http://host:port`, without connecting yet.
    pub(crate) fn new(url: &str) -> Result<Self, LoadError> {
        let wrong = || LoadError::Url(url.to_owned());
        let uri: Uri = url.parse().map_err(|_| wrong())?;
        match (uri.scheme_str(), uri.authority()) {
            (Some("http"), Some(authority)) if authority.port().is_some() => {
                Ok(Self { authority: authority.to_string(), sender: None })
            }
            _ => Err(wrong()),
        }
    }

    pub(crate) async fn get(&mut self, path: &str) -> Result<(StatusCode, Bytes), LoadError> {
        self.request(Method::GET, path, Bytes::new()).await
    }

    pub(crate) async fn post(&mut self, path: &str, json: Bytes) -> Result<(StatusCode, Bytes), LoadError> {
        self.request(Method::POST, path, json).await
    }

    async fn request(
        &mut self,
        method: Method,
        path: &str,
        body: Bytes,
    ) -> Result<(StatusCode, Bytes), LoadError> {
        // Taken out, so that a failed or abandoned exchange is not followed by another on it.
        let sender = self.sender.take();
        let exchange = exchange(&self.authority, sender, method, path, body);
        let failed = |detail| LoadError::Node { url: format!("http://{}{path}", self.authority), detail };
        match timeout(ANSWER_TIMEOUT, exchange).await {
            Ok(Ok((sender, status, body))) => {
                self.sender = Some(sender);
                Ok((status, body))
            }
            Ok(Err(error)) => Err(failed(error.to_string())),
            Err(_) => Err(failed(format!("no answer in {ANSWER_TIMEOUT:?}"))),
        }
    }
}

type Failure = Box<dyn std::error::Error + Send + Sync>;

async fn exchange(
    authority: &str,
    sender: Option<SendRequest<Full<Bytes>>>,
    method: Method,
    path: &str,
    body: Bytes,
) -> Result<(SendRequest<Full<Bytes>>, StatusCode, Bytes), Failure> {
    let mut sender = match sender.filter(|sender| !sender.is_closed()) {
        Some(sender) => sender,
        None => connect(authority).await?,
    };
    sender.ready().await?;
    let request = Request::builder()
        .method(method)
        .uri(path)
        .header(header::HOST, authority)
        .header(header::CONTENT_TYPE, "application/json")
        .body(Full::new(body))?;
    let response = sender.send_request(request).await?;
    let status = response.status();
    let body = response.into_body().collect().await?.to_bytes();
    Ok((sender, status, body))
}

async fn connect(authority: &str) -> Result<SendRequest<Full<Bytes>>, Failure> {
    let stream = TcpStream::connect(authority).await?;
    // A message is one write; waiting for more would be measured as the node's latency.
    stream.set_nodelay(true)?;
    let (sender, connection) = handshake(TokioIo::new(stream)).await?;
    // Ends with the sender; its error also reaches whoever waits for an answer.
    tokio::spawn(connection);
    Ok(sender)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_url_needs_scheme_and_port() {
        assert!(Connection::new("http://127.0.0.1:8645").is_ok());
        assert!(Connection::new("http://[::1]:8645/").is_ok());
        for wrong in ["127.0.0.1:8645", "https://127.0.0.1:8645", "http://localhost", "http://", ""] {
            assert!(matches!(Connection::new(wrong), Err(LoadError::Url(_))), "{wrong}");
        }
    }
}
