//! The optimal ate pairing of BN254, taken of many pairs at once.
//!
//! ```text
//!  points of G2 ── lines::walk ──► the lines through the multiples of each point, and whether
//!                                  the point is in its subgroup (comes for free at the end)
//!  points of G1 ── Evaluation ──► what a line needs to know of its point
//!                        │
//!                        ▼
//!                  miller::{product, each} ──► values in Fq12, final_exponentiation ──► 1 or not
//! ```
//!
//! A pairing is only ever compared with one, so a line may be scaled by any element of Fq2: the final
//! exponentiation takes those to one. Every line is scaled to have 1 as its constant coefficient, which
//! saves a quarter of the multiplications, and lets a pair drop out by zeros in its [`Evaluation`].
//!
//! Points are public here: nothing in this module is constant-time on purpose.

mod final_exponentiation;
mod fq12;
mod fq2;
mod fq6;
mod lines;
mod miller;
mod projective;
mod steps;
#[cfg(test)]
pub(crate) mod tests;

pub(crate) use final_exponentiation::final_exponentiation;
pub(crate) use fq2::Fq2;
pub(crate) use fq12::Fq12;
pub(crate) use lines::{FixedLines, invert, walk};
pub(crate) use miller::{Evaluation, each, fixed_product, product};
pub(crate) use projective::single_product;
