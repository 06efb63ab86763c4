//! Tests of the peer manager.
