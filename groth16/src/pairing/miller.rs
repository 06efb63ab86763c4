//! Miller loops over prepared lines.

use ark_bn254::{Fq, Fq2 as ArkFq2, Fq12 as ArkFq12};
use ark_ff::Field;

use super::lines::{FixedLines, Line, Lines};
use super::steps::{Step, steps};
use super::{Fq2, Fq12};
use crate::lanes::{Backend, Kernel, Lanes as _, MAX_LANES};

/// What a line needs to know of the point (x, y) of G1 at which it is taken.
///
/// Both zero for infinity, and for a pair that shall not count: then every line is 1.
#[derive(Clone, Copy)]
pub(crate) struct Evaluation<B: Backend> {
    /// `-x / y`.
    pub(crate) slope_factor: B::Fq,
    /// `1 / y`.
    pub(crate) intercept_factor: B::Fq,
}

/// The product of the values of all pairs; they share the squarings.
pub(crate) fn product<B: Backend>(backend: B, lines: &Lines<B>, at: &[Evaluation<B>]) -> ArkFq12 {
    let f = accumulate(backend, |step| lines.of_step(step), at);
    let mut lanes = [ArkFq12::ONE; MAX_LANES];
    backend.run(ToLanes { f: &f, out: &mut lanes[..B::Fq::LANES] });
    lanes[..B::Fq::LANES].iter().product()
}

/// The value of each pair, the lanes of each group in turn.
pub(crate) fn each<B: Backend>(backend: B, lines: &Lines<B>, at: &[Evaluation<B>]) -> Vec<ArkFq12> {
    let mut values = vec![ArkFq12::ONE; at.len() * B::Fq::LANES];
    for (group, values) in values.chunks_mut(B::Fq::LANES).enumerate() {
        let of_group = |step| std::slice::from_ref(&lines.of_step(step)[group]);
        let f = accumulate(backend, of_group, std::slice::from_ref(&at[group]));
        backend.run(ToLanes { f: &f, out: values });
    }
    values
}

fn accumulate<'a, B: Backend>(
    backend: B,
    lines_of_step: impl Fn(usize) -> &'a [Line<B>],
    at: &[Evaluation<B>],
) -> Fq12<B> {
    let mut f = Fq12::one(backend);
    for (index, step) in steps().enumerate() {
        if step == Step::Double && index > 0 {
            f = f.square();
        }
        for (line, at) in lines_of_step(index).iter().zip(at) {
            f = backend.run(LineProduct { f: &f, line, at });
        }
    }
    f
}

/// The product of the values of pairs whose points of G2 are fixed, given `(-x / y, 1 / y)` of those of
/// G1. For a backend of one lane.
pub(crate) fn fixed_product<B: Backend>(backend: B, pairs: &[(&FixedLines, (Fq, Fq))]) -> ArkFq12 {
    let mut f = Fq12::one(backend);
    for (index, step) in steps().enumerate() {
        if step == Step::Double && index > 0 {
            f = f.square();
        }
        f = multiply_fixed(backend, f, index, pairs);
    }
    single_lane(backend, &f)
}

/// `f` times the lines of step `index` of the fixed pairs.
pub(super) fn multiply_fixed<B: Backend>(
    backend: B,
    mut f: Fq12<B>,
    index: usize,
    pairs: &[(&FixedLines, (Fq, Fq))],
) -> Fq12<B> {
    for (FixedLines(lines), at) in pairs {
        f = backend.run(FixedLineProduct { backend, f: &f, line: &lines[index], at });
    }
    f
}

/// The element of the first lane.
pub(super) fn single_lane<B: Backend>(backend: B, f: &Fq12<B>) -> ArkFq12 {
    let mut lanes = [ArkFq12::ONE; MAX_LANES];
    backend.run(ToLanes { f, out: &mut lanes[..B::Fq::LANES] });
    lanes[0]
}

struct LineProduct<'a, B: Backend> {
    f: &'a Fq12<B>,
    line: &'a Line<B>,
    at: &'a Evaluation<B>,
}

impl<B: Backend> Kernel for LineProduct<'_, B> {
    type Output = Fq12<B>;

    #[inline(always)]
    fn run<Same: Backend>(self, _: Same) -> Fq12<B> {
        let Self { f, line, at } = self;
        f.mul_by_line(&line.slope.scale(&at.slope_factor), &line.intercept.scale(&at.intercept_factor))
    }
}

struct FixedLineProduct<'a, B: Backend> {
    backend: B,
    f: &'a Fq12<B>,
    line: &'a (ArkFq2, ArkFq2),
    at: &'a (Fq, Fq),
}

impl<B: Backend> Kernel for FixedLineProduct<'_, B> {
    type Output = Fq12<B>;

    #[inline(always)]
    fn run<Same: Backend>(self, _: Same) -> Fq12<B> {
        let Self { backend, f, line: (slope, intercept), at: (slope_factor, intercept_factor) } = self;
        f.mul_by_line(
            &Fq2::splat(backend, *slope).scale(&B::Fq::splat(*slope_factor)),
            &Fq2::splat(backend, *intercept).scale(&B::Fq::splat(*intercept_factor)),
        )
    }
}

struct ToLanes<'a, B: Backend> {
    f: &'a Fq12<B>,
    out: &'a mut [ArkFq12],
}

impl<B: Backend> Kernel for ToLanes<'_, B> {
    type Output = ();

    #[inline(always)]
    fn run<Same: Backend>(self, _: Same) {
        self.f.to_lanes(self.out);
    }
}
