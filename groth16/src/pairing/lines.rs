//! The lines of the Miller loop, for many points of G2 in step.
//!
//! Each step needs the slope of a line, hence a division; one inversion serves all points of a step.

use ark_bn254::{Fq, Fq2 as ArkFq2, G2Affine};
use ark_ec::AffineRepr;
use ark_ff::{AdditiveGroup, Field};

use super::Fq2;
use super::steps::{LINE_COUNT, Step, images, steps};
use crate::lanes::{Backend, BackendKind, Kernel, Lanes as _, MAX_LANES, Mask, Quadratic, dispatch};

/// The line through two points of the twist (or the tangent at one), `y = slope * x - intercept`.
///
/// Untwisted, taken at (X, Y) of G1 and divided by Y it is `1 - slope X / Y w + intercept / Y w^3`.
#[derive(Clone, Copy)]
pub(crate) struct Line<B: Backend> {
    pub(crate) slope: Fq2<B>,
    pub(crate) intercept: Fq2<B>,
}

/// The lines of many points: for each step in turn, one vector of lines for each group of lanes.
pub(crate) struct Lines<B: Backend> {
    pub(crate) groups: usize,
    pub(crate) lines: Vec<Line<B>>,
}

impl<B: Backend> Lines<B> {
    /// The lines of one step, one for each group.
    pub(crate) fn of_step(&self, step: usize) -> &[Line<B>] {
        &self.lines[step * self.groups..][..self.groups]
    }
}

/// Walks the multiples of `points`, none of them infinity, all on the curve.
///
/// Gives the lines, and whether each point is in the subgroup. The lines of one that is not have no
/// meaning.
pub(crate) fn walk<B: Backend>(backend: B, points: &[G2Affine]) -> (Lines<B>, Vec<bool>) {
    let mut walkers: Vec<Walker<B>> = Vec::with_capacity(points.len().div_ceil(B::Fq::LANES));
    for group in points.chunks(B::Fq::LANES) {
        walkers.push(backend.run(Start { backend, points: group }));
    }
    let mut scratch = Vec::with_capacity(walkers.len());
    let mut lines = Vec::with_capacity(walkers.len() * LINE_COUNT);
    for step in steps() {
        backend.run(Advance { walkers: &mut walkers, scratch: &mut scratch, lines: &mut lines, step });
    }
    let groups = walkers.len();
    let mut in_subgroup = Vec::with_capacity(points.len());
    for (walker, group) in walkers.iter().zip(points.chunks(B::Fq::LANES)) {
        let arrived = backend.run(Arrival(walker));
        in_subgroup.extend((0..group.len()).map(|lane| arrived.has(lane)));
    }
    (Lines { groups, lines }, in_subgroup)
}

#[derive(Clone, Copy)]
struct Point<B: Backend> {
    x: Fq2<B>,
    y: Fq2<B>,
}

/// A group of points on their way.
struct Walker<B: Backend> {
    q: Point<B>,
    /// psi(Q), -psi^2(Q), -psi^3(Q).
    images: [Point<B>; 3],
    /// T.
    at: Point<B>,
    /// Lanes that met a line without slope: T was Q or -Q. In the subgroup that cannot be, as T is
    /// kQ with 1 < k and k + 1 below its order, so these points are outside. (Nowhere is y zero: the
    /// order of the curve is odd.)
    astray: Mask,
}

/// Loads a group, a ragged one with its first point repeated.
struct Start<'a, B: Backend> {
    backend: B,
    points: &'a [G2Affine],
}

impl<B: Backend> Kernel for Start<'_, B> {
    type Output = Walker<B>;

    #[inline(always)]
    fn run<Same: Backend>(self, _: Same) -> Walker<B> {
        let mut lanes = [self.points[0]; MAX_LANES];
        lanes[..self.points.len()].copy_from_slice(self.points);
        let lanes = &lanes[..B::Fq::LANES];
        let mut images_of = [[lanes[0]; MAX_LANES]; 3];
        for (lane, q) in lanes.iter().enumerate() {
            for (image, point) in images_of.iter_mut().zip(images(q)) {
                image[lane] = point;
            }
        }
        let q = load(self.backend, lanes);
        let images = images_of.map(|image| load(self.backend, &image[..B::Fq::LANES]));
        Walker { q, images, at: q, astray: Mask::NONE }
    }
}

#[inline(always)]
fn load<B: Backend>(backend: B, points: &[G2Affine]) -> Point<B> {
    let mut x = [ArkFq2::ZERO; MAX_LANES];
    let mut y = x;
    for (lane, point) in points.iter().enumerate() {
        (x[lane], y[lane]) = (point.x, point.y);
    }
    Point {
        x: Fq2::new(backend, Quadratic::from_lanes(&x[..points.len()])),
        y: Fq2::new(backend, Quadratic::from_lanes(&y[..points.len()])),
    }
}

/// A walker's division in waiting: `denominator`, its norm, and the product of the norms before it.
struct Division<B: Backend> {
    denominator: Fq2<B>,
    norm: B::Fq,
    before: B::Fq,
}

/// One step of every walker.
struct Advance<'a, B: Backend> {
    walkers: &'a mut [Walker<B>],
    scratch: &'a mut Vec<Division<B>>,
    lines: &'a mut Vec<Line<B>>,
    step: Step,
}

impl<B: Backend> Kernel for Advance<'_, B> {
    type Output = ();

    #[inline(always)]
    fn run<Same: Backend>(self, _: Same) {
        let Self { walkers, scratch, lines, step } = self;
        scratch.clear();
        let mut product = B::Fq::one();
        for walker in walkers.iter_mut() {
            let denominator = walker.denominator(step);
            let norm = denominator.norm();
            scratch.push(Division { denominator, norm, before: product });
            product = product.mul(&norm);
        }
        // Backwards, `inverse` is that of the product of this norm and all before it.
        let mut inverse = invert::<B>(&product);
        let first = lines.len();
        lines.extend(walkers.iter().map(|walker| Line { slope: walker.at.x, intercept: walker.at.y }));
        for ((walker, division), line) in walkers.iter_mut().zip(&*scratch).zip(&mut lines[first..]).rev() {
            let of_norm = inverse.mul(&division.before);
            inverse = inverse.mul(&division.norm);
            *line = walker.advance(step, &division.denominator.conjugate().scale(&of_norm));
        }
    }
}

impl<B: Backend> Walker<B> {
    /// What is added to T in `step`, T itself when it is doubled.
    #[inline(always)]
    fn addend(&self, step: Step) -> Point<B> {
        match step {
            Step::Double => self.at,
            Step::Add => self.q,
            Step::Subtract => Point { x: self.q.x, y: self.q.y.neg() },
            Step::AddFrobenius => self.images[0],
            Step::SubtractFrobeniusTwice => self.images[1],
        }
    }

    /// What the slope of the line is divided by; one where that is zero, and the lane is noted.
    #[inline(always)]
    fn denominator(&mut self, step: Step) -> Fq2<B> {
        let denominator = match step {
            Step::Double => self.at.y.double(),
            _ => self.at.x.sub(&self.addend(step).x),
        };
        let zero = denominator.is_zero();
        self.astray = self.astray.or(zero);
        Fq2::select(zero, &Fq2::one(denominator.backend()), &denominator)
    }

    /// Takes the step, given the inverse of the denominator. Gives the line.
    #[inline(always)]
    fn advance(&mut self, step: Step, inverse: &Fq2<B>) -> Line<B> {
        let Point { x, y } = self.at;
        let addend = self.addend(step);
        let numerator = match step {
            Step::Double => {
                let square = x.square();
                square.double().add(&square)
            }
            _ => y.sub(&addend.y),
        };
        let slope = numerator.mul(inverse);
        let intercept = slope.mul(&addend.x).sub(&addend.y);
        let sum_x = slope.square().sub(&x).sub(&addend.x);
        // The third point of the line, negated.
        self.at = Point { x: sum_x, y: intercept.sub(&slope.mul(&sum_x)) };
        Line { slope, intercept }
    }
}

/// The lanes whose point is in the subgroup.
struct Arrival<'a, B: Backend>(&'a Walker<B>);

impl<B: Backend> Kernel for Arrival<'_, B> {
    type Output = Mask;

    #[inline(always)]
    fn run<Same: Backend>(self, _: Same) -> Mask {
        let Walker { images: [.., goal], at, astray, .. } = self.0;
        at.x.equals(&goal.x).and(at.y.equals(&goal.y)).without(*astray)
    }
}

/// The inverse in each lane, all but zero.
#[inline(always)]
pub(crate) fn invert<B: Backend>(value: &B::Fq) -> B::Fq {
    let mut elements = [Fq::ONE; MAX_LANES];
    value.to_lanes(&mut elements[..B::Fq::LANES]);
    ark_ff::batch_inversion(&mut elements[..B::Fq::LANES]);
    B::Fq::from_lanes(&elements[..B::Fq::LANES])
}

/// The lines of a point that is used again and again: slopes and intercepts.
///
/// Those of infinity are zeros, lines that take the value one everywhere.
#[derive(Clone, Debug)]
pub(crate) struct FixedLines(pub(crate) Vec<(ArkFq2, ArkFq2)>);

impl FixedLines {
    /// Of a point of the subgroup, or infinity.
    pub(crate) fn new(point: &G2Affine) -> Self {
        if point.is_zero() {
            return Self(vec![(ArkFq2::ZERO, ArkFq2::ZERO); LINE_COUNT]);
        }
        dispatch(BackendKind::Portable, Fixed(point))
    }
}

struct Fixed<'a>(&'a G2Affine);

impl Kernel for Fixed<'_> {
    type Output = FixedLines;

    #[inline(always)]
    fn run<B: Backend>(self, backend: B) -> FixedLines {
        let (lines, _) = walk(backend, &[*self.0]);
        let element = |value: Fq2<B>| {
            let mut element = [ArkFq2::ZERO];
            value.to_lanes(&mut element);
            element[0]
        };
        FixedLines(lines.lines.iter().map(|line| (element(line.slope), element(line.intercept))).collect())
    }
}
