//! How the node learns the address others can reach it at.

use std::{net::IpAddr, str::FromStr};

/// A value of `--nat`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Nat {
    /// Whatever works. weir asks no router yet, so this announces what [`Nat::None`] announces.
    Any,
    /// The listen addresses as they are.
    None,
    /// The listen port at this address.
    ExternalIp(IpAddr),
    /// Ask the router by UPnP; weir cannot yet.
    Upnp,
    /// Ask the router by NAT-PMP; weir cannot yet.
    Pmp,
}

/// A text that is no value of `--nat`.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum NatError {
    /// None of the methods.
    #[error("expected any, none or extip:<IP address>")]
    Method,
    /// `extip:` without an address behind it.
    #[error("`{0}` behind extip: is not an IP address")]
    Address(String),
}

impl FromStr for Nat {
    type Err = NatError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        match text {
            "any" => Ok(Self::Any),
            "none" => Ok(Self::None),
            "upnp" => Ok(Self::Upnp),
            "pmp" => Ok(Self::Pmp),
            _ => {
                let address = text.strip_prefix("extip:").ok_or(NatError::Method)?;
                let address = address.parse().map_err(|_| NatError::Address(address.to_owned()))?;
                Ok(Self::ExternalIp(address))
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nat_takes_a_method_or_an_address() {
        assert_eq!("any".parse(), Ok(Nat::Any));
        assert_eq!("extip:192.0.2.7".parse(), Ok(Nat::ExternalIp([192, 0, 2, 7].into())));
        assert_eq!("extip:example.org".parse::<Nat>(), Err(NatError::Address("example.org".into())));
        assert_eq!("maybe".parse::<Nat>(), Err(NatError::Method));
    }
}
