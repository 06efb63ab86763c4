//! Rules of WebSockets, ports aside.

use std::path::Path;

use weir_net::certificate::Files;

use super::{listeners::WebSockets, network::Host, pick, take};
use crate::config::{
    CertificateSource, ConfigError, SecureWebSocket, WebSocketConfig,
    layers::{Given, Layers},
};

pub(super) fn validate(
    layers: &Layers,
    listeners: &WebSockets,
    host: Option<&Host>,
    data_dir: &Path,
) -> Result<WebSocketConfig, ConfigError> {
    let certificate = certificate(layers, host, data_dir)?;
    let secure = listeners.secure.as_ref().zip(certificate);
    Ok(WebSocketConfig {
        plain_port: listeners.plain.as_ref().map(|listener| listener.address().port()),
        secure: secure
            .map(|(listener, certificate)| SecureWebSocket { port: listener.address().port(), certificate }),
        trusted: pick!(layers, websocket.websocket_secure_trust_path).map(|given| given.value),
    })
}

fn certificate(
    layers: &Layers,
    host: Option<&Host>,
    data_dir: &Path,
) -> Result<Option<CertificateSource>, ConfigError> {
    let switch = take!(layers, websocket.websocket_secure_support);
    let self_signed = take!(layers, websocket.websocket_secure_self_signed);
    let certificate = pick!(layers, websocket.websocket_secure_cert_path);
    let key = pick!(layers, websocket.websocket_secure_key_path);
    if !switch.value {
        let asked = self_signed.value.then(|| self_signed.setting.clone());
        let written = [asked, Given::written(certificate), Given::written(key)];
        return match written.into_iter().flatten().next() {
            Some(setting) => Err(ConfigError::SecureWebSocketOff { setting, switch: switch.setting }),
            None => Ok(None),
        };
    }
    match (certificate, key) {
        (Some(given), _) | (None, Some(given)) if self_signed.value => {
            Err(ConfigError::TwoCertificates { setting: self_signed.setting, given: given.setting })
        }
        (Some(certificate), Some(key)) => {
            Ok(Some(CertificateSource::Files(Files { certificate: certificate.value, key: key.value })))
        }
        (Some(certificate), None) => Err(ConfigError::CertificateMissing {
            setting: certificate.setting,
            missing: "--websocket-secure-key-path",
        }),
        (None, Some(key)) => Err(ConfigError::CertificateMissing {
            setting: key.setting,
            missing: "--websocket-secure-cert-path",
        }),
        (None, None) if self_signed.value => Ok(Some(CertificateSource::SelfSigned {
            files: Files {
                certificate: data_dir.join("websocket-cert.pem"),
                key: data_dir.join("websocket-key.pem"),
            },
            names: names(layers, host),
        })),
        (None, None) => {
            Err(ConfigError::CertificateMissing { setting: switch.setting, missing: "one of them" })
        }
    }
}

/// What a browser may call the node when it is developed against.
fn names(layers: &Layers, host: Option<&Host>) -> Vec<String> {
    let mut names = vec!["localhost".to_owned(), "127.0.0.1".to_owned(), "::1".to_owned()];
    let listen = take!(layers, network.listen_address).value;
    let others =
        (!listen.is_unspecified()).then(|| listen.to_string()).into_iter().chain(host.map(Host::text));
    for name in others {
        if !names.contains(&name) {
            names.push(name);
        }
    }
    names
}
