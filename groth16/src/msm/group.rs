//! The two groups that sums are taken in, and their coordinates in lanes and in rows.

use ark_bn254::{Fq, Fq2, Fr, G1Affine, G2Affine, g1, g2};
use ark_ec::scalar_mul::glv::GLVConfig;
use ark_ec::short_weierstrass::Projective;
use ark_ec::{AffineRepr, CurveGroup};
use ark_ff::Field;

use crate::lanes::{Backend, Lanes, MAX_LANES, Mask, Quadratic, Row};

/// A group of BN254: `G1Projective` or `G2Projective`.
///
/// Both curves are `y^2 = x^3 + b` with `b` not zero and an odd number of points. So `(0, 0)` is on
/// neither and can stand for infinity in rows, and no point has `y = 0`, so every doubling has a slope.
pub trait TableGroup: CurveGroup<ScalarField = Fr, Affine: AffineRepr<BaseField = Self::BaseField>> {
    /// How many rows of 64 bytes a point fills.
    const ROWS: usize;

    /// Which of the two it is.
    const NAME: TableGroupName;

    /// One coordinate of a point for each lane of the backend.
    type Coordinate<B: Backend>: Coordinate<Value = Self::BaseField>;

    /// The point with these coordinates, which are not checked.
    fn point(x: Self::BaseField, y: Self::BaseField) -> Self::Affine;

    /// The point times [`GLVConfig::LAMBDA`] of G1, for the price of one multiplication.
    fn times_lambda(point: &Self::Affine) -> Self::Affine;
}

/// The names of the groups, and their numbers in files.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TableGroupName {
    /// The curve over the base field.
    G1 = 1,
    /// The group on the twist over the quadratic extension.
    G2 = 2,
}

impl TableGroup for Projective<g1::Config> {
    const ROWS: usize = 1;
    const NAME: TableGroupName = TableGroupName::G1;
    type Coordinate<B: Backend> = B::Fq;

    fn point(x: Fq, y: Fq) -> G1Affine {
        G1Affine::new_unchecked(x, y)
    }

    fn times_lambda(point: &G1Affine) -> G1Affine {
        g1::Config::endomorphism_affine(point)
    }
}

impl TableGroup for Projective<g2::Config> {
    const ROWS: usize = 2;
    const NAME: TableGroupName = TableGroupName::G2;
    type Coordinate<B: Backend> = Quadratic<B::Fq>;

    fn point(x: Fq2, y: Fq2) -> G2Affine {
        G2Affine::new_unchecked(x, y)
    }

    fn times_lambda(point: &G2Affine) -> G2Affine {
        // Here the other cube root of one belongs to the same lambda: the square of the one of G1.
        let mut image = *point;
        image.x.mul_assign_by_fp(&g1::Config::ENDO_COEFFS[0].square());
        image
    }
}

/// Coordinates of points, one for each lane: of the base field for G1, of its extension for G2.
pub trait Coordinate: Copy {
    /// The coordinate of one lane.
    type Value: Field;

    /// How many coordinates are calculated in step.
    const LANES: usize;

    /// Zero in every lane.
    fn zero() -> Self;

    /// One in every lane.
    fn one() -> Self;

    /// Takes exactly [`Self::LANES`] coordinates.
    fn from_lanes(values: &[Self::Value]) -> Self;

    /// Writes exactly [`Self::LANES`] coordinates.
    fn to_lanes(&self, out: &mut [Self::Value]);

    /// The sum.
    fn add(&self, other: &Self) -> Self;

    /// The difference.
    fn sub(&self, other: &Self) -> Self;

    /// The product.
    fn mul(&self, other: &Self) -> Self;

    /// `self * (a - b)`.
    fn mul_difference(&self, a: &Self, b: &Self) -> Self;

    /// The square.
    fn square(&self) -> Self;

    /// Twice the value.
    fn double(&self) -> Self;

    /// The lanes that hold zero.
    fn is_zero(&self) -> Mask;

    /// Takes `if_set` in the lanes of `mask` and `if_clear` in the others.
    fn select(mask: Mask, if_set: &Self, if_clear: &Self) -> Self;

    /// The negative in the lanes of `mask`, the value itself in the others.
    fn negate_where(&self, mask: Mask) -> Self;

    /// Reads `x` and `y` of the first [`Self::LANES`] points, each given by its rows.
    fn load(points: [&[Row]; MAX_LANES]) -> (Self, Self);

    /// Writes the points of the first lanes, as many as `rows` has space for.
    fn store(x: &Self, y: &Self, rows: &mut [Row]);
}

/// A point of G1 is one row: `x` and `y`.
impl<L: Lanes<Fq>> Coordinate for L {
    type Value = Fq;
    const LANES: usize = L::LANES;

    #[inline(always)]
    fn zero() -> Self {
        L::zero()
    }

    #[inline(always)]
    fn one() -> Self {
        L::one()
    }

    #[inline(always)]
    fn from_lanes(values: &[Fq]) -> Self {
        L::from_lanes(values)
    }

    #[inline(always)]
    fn to_lanes(&self, out: &mut [Fq]) {
        Lanes::to_lanes(self, out);
    }

    #[inline(always)]
    fn add(&self, other: &Self) -> Self {
        Lanes::add(self, other)
    }

    #[inline(always)]
    fn sub(&self, other: &Self) -> Self {
        Lanes::sub(self, other)
    }

    #[inline(always)]
    fn mul(&self, other: &Self) -> Self {
        Lanes::mul(self, other)
    }

    #[inline(always)]
    fn mul_difference(&self, a: &Self, b: &Self) -> Self {
        Lanes::mul_difference(self, a, b)
    }

    #[inline(always)]
    fn square(&self) -> Self {
        Lanes::square(self)
    }

    #[inline(always)]
    fn double(&self) -> Self {
        Lanes::double(self)
    }

    #[inline(always)]
    fn is_zero(&self) -> Mask {
        Lanes::is_zero(self)
    }

    #[inline(always)]
    fn select(mask: Mask, if_set: &Self, if_clear: &Self) -> Self {
        L::select(mask, if_set, if_clear)
    }

    #[inline(always)]
    fn negate_where(&self, mask: Mask) -> Self {
        Lanes::negate_where(self, mask)
    }

    #[inline(always)]
    fn load(points: [&[Row]; MAX_LANES]) -> (Self, Self) {
        L::load(points.map(|rows| &rows[0]))
    }

    #[inline(always)]
    fn store(x: &Self, y: &Self, rows: &mut [Row]) {
        L::store(x, y, rows);
    }
}

/// A point of G2 is two rows: the two parts of `x`, then those of `y`.
impl<L: Lanes<Fq>> Coordinate for Quadratic<L> {
    type Value = Fq2;
    const LANES: usize = L::LANES;

    #[inline(always)]
    fn zero() -> Self {
        Self::zero()
    }

    #[inline(always)]
    fn one() -> Self {
        Self::one()
    }

    #[inline(always)]
    fn from_lanes(values: &[Fq2]) -> Self {
        Self::from_lanes(values)
    }

    #[inline(always)]
    fn to_lanes(&self, out: &mut [Fq2]) {
        self.to_lanes(out);
    }

    #[inline(always)]
    fn add(&self, other: &Self) -> Self {
        self.add(other)
    }

    #[inline(always)]
    fn sub(&self, other: &Self) -> Self {
        self.sub(other)
    }

    #[inline(always)]
    fn mul(&self, other: &Self) -> Self {
        self.mul(other)
    }

    #[inline(always)]
    fn mul_difference(&self, a: &Self, b: &Self) -> Self {
        self.mul(&a.sub(b))
    }

    #[inline(always)]
    fn square(&self) -> Self {
        self.square()
    }

    #[inline(always)]
    fn double(&self) -> Self {
        self.double()
    }

    #[inline(always)]
    fn is_zero(&self) -> Mask {
        self.is_zero()
    }

    #[inline(always)]
    fn select(mask: Mask, if_set: &Self, if_clear: &Self) -> Self {
        Self::select(mask, if_set, if_clear)
    }

    #[inline(always)]
    fn negate_where(&self, mask: Mask) -> Self {
        self.negate_where(mask)
    }

    #[inline(always)]
    fn load(points: [&[Row]; MAX_LANES]) -> (Self, Self) {
        let (x0, x1) = L::load(points.map(|rows| &rows[0]));
        let (y0, y1) = L::load(points.map(|rows| &rows[1]));
        (Self { c0: x0, c1: x1 }, Self { c0: y0, c1: y1 })
    }

    #[inline(always)]
    fn store(x: &Self, y: &Self, rows: &mut [Row]) {
        let points = rows.len() / 2;
        let (mut x_rows, mut y_rows) = ([Row::default(); MAX_LANES], [Row::default(); MAX_LANES]);
        L::store(&x.c0, &x.c1, &mut x_rows[..points]);
        L::store(&y.c0, &y.c1, &mut y_rows[..points]);
        for (point, (x_row, y_row)) in rows.chunks_exact_mut(2).zip(x_rows.iter().zip(&y_rows)) {
            point[0] = *x_row;
            point[1] = *y_row;
        }
    }
}
