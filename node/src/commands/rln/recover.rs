//! `weir rln recover`: what two proofs under one nullifier reveal.
//!
//! As JSON: the evidence of a node is an array of `{"epoch", "commitment", "nullifier", "root",
//! "seen_at", "secret"}`, `seen_at` in nanoseconds since 1970 and `secret` null unless asked for;
//! two proofs give `{"commitment", "secret"}`. Field elements are 64 hex digits, little-endian.

use std::fmt;

use base64::{Engine, engine::general_purpose::STANDARD};
use serde::{Deserialize, Deserializer, Serialize, de::Error};
use weir_core::Timestamp;
use weir_rln::{Evidence, IdentitySecret, ProofClaim, Share, recover_secret};
use weir_storage::{EvidenceRecord, StateStore};

use super::RlnError;
use crate::{cli::RecoverArgs, output};

pub(super) fn recover(arguments: &RecoverArgs) -> Result<(), RlnError> {
    match arguments.proofs.as_slice() {
        [first, second] => {
            let secret = secret_of(parse(first, 1)?, parse(second, 2)?)?;
            output::print_as(arguments.format, &Recovered::of(&secret))?;
        }
        _ => {
            let evidence = Listing(
                evidence(arguments)?.iter().map(|record| Row::of(record, arguments.show_secrets)).collect(),
            );
            output::print_as(arguments.format, &evidence)?;
        }
    }
    Ok(())
}

/// A node's state that is not there is not made.
fn evidence(arguments: &RecoverArgs) -> Result<Vec<EvidenceRecord>, RlnError> {
    let path = arguments.data_dir.join("state.redb");
    if !path.exists() {
        return Err(RlnError::Missing { what: "node's state", path });
    }
    Ok(StateStore::open(path)?.evidence()?)
}

/// What an operator can give of a message.
enum Given {
    /// A whole proof, whose nullifier tells whether the secret is right.
    Proof(Box<ProofClaim>),
    /// A share alone.
    Share(Share),
}

/// A share as JSON.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct ShareText {
    #[serde(deserialize_with = "from_text")]
    x: weir_rln::ShareX,
    #[serde(deserialize_with = "from_text")]
    y: weir_rln::ShareY,
}

fn from_text<'de, T, D>(deserializer: D) -> Result<T, D::Error>
where
    T: std::str::FromStr<Err: fmt::Display>,
    D: Deserializer<'de>,
{
    String::deserialize(deserializer)?.parse().map_err(D::Error::custom)
}

fn parse(text: &str, position: usize) -> Result<Given, RlnError> {
    let not_a_proof = |problem| RlnError::NotAProof { position, problem };
    if text.trim_start().starts_with('{') {
        let share: ShareText = serde_json::from_str(text).map_err(|error| not_a_proof(error.to_string()))?;
        return Ok(Given::Share(Share { x: share.x, y: share.y }));
    }
    let bytes = STANDARD.decode(text.trim()).map_err(|error| not_a_proof(error.to_string()))?;
    let proof = weir_wire::decode_rate_limit_proof(&bytes)
        .map_err(|source| RlnError::Undecodable { position, source })?;
    let claim = ProofClaim::parse(&proof).map_err(|source| RlnError::Claim { position, source })?;
    Ok(Given::Proof(Box::new(claim)))
}

fn secret_of(first: Given, second: Given) -> Result<IdentitySecret, RlnError> {
    match (first, second) {
        (Given::Proof(first), Given::Proof(second)) => {
            if first.nullifier() != second.nullifier() {
                return Err(RlnError::DifferentNullifiers);
            }
            let evidence = Evidence::new(
                second.epoch(),
                second.root(),
                second.nullifier(),
                first.share(),
                second.share(),
            )?;
            Ok(evidence.secret)
        }
        (first, second) => Ok(recover_secret(first.share(), second.share())?),
    }
}

impl Given {
    fn share(&self) -> Share {
        match self {
            Self::Proof(claim) => claim.share(),
            Self::Share(share) => *share,
        }
    }
}

/// A secret that two proofs gave away, to be shown: that is what was asked for.
#[derive(Serialize)]
struct Recovered {
    commitment: String,
    secret: String,
}

impl Recovered {
    fn of(secret: &IdentitySecret) -> Self {
        Self { commitment: secret.commitment().to_string(), secret: hex::encode(*secret.to_bytes()) }
    }
}

impl fmt::Display for Recovered {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "identity commitment  {}\nidentity secret      {}", self.commitment, self.secret)
    }
}

#[derive(Serialize)]
struct Listing(Vec<Row>);

#[derive(Serialize)]
struct Row {
    epoch: u64,
    commitment: String,
    nullifier: String,
    root: String,
    seen_at: i64,
    secret: Option<String>,
}

impl Row {
    fn of(record: &EvidenceRecord, show_secret: bool) -> Self {
        Self {
            epoch: record.epoch,
            commitment: hex::encode(record.commitment),
            nullifier: hex::encode(record.nullifier),
            root: hex::encode(record.root),
            seen_at: record.seen_at.as_nanos(),
            secret: show_secret.then(|| hex::encode(*record.secret)),
        }
    }
}

impl fmt::Display for Listing {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.0.is_empty() {
            return f.write_str("no evidence: nobody was seen breaking the rate limit");
        }
        let mut table = output::Table::new(["EPOCH", "COMMITMENT", "SEEN (UNIX S)", "SECRET"]);
        for row in &self.0 {
            table.push([
                row.epoch.to_string(),
                row.commitment.clone(),
                Timestamp::from_nanos(row.seen_at).as_secs().to_string(),
                row.secret.clone().unwrap_or_else(|| "hidden (--show-secrets)".to_owned()),
            ]);
        }
        table.fmt(f)
    }
}
