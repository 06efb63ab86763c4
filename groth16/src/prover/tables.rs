//! The key's points, prepared for sums over them.

use std::fmt;
use std::path::Path;
use std::sync::Arc;

use ark_bn254::{Fr, G1Affine, G1Projective, G2Affine, G2Projective};
use ark_ec::AffineRepr;
use ark_ff::{AdditiveGroup, Field};

use super::WireSet;
use crate::key::ProvingKey;
use crate::lanes::{BackendKind, Row};
use crate::msm::{FixedBaseTable, TableShape};
use crate::scratch::Scratch;
use crate::tables::cache::{CacheIdentity, TableOrigin, read_or_rebuild};

/// Tables of multiples of a key's points, for one kind of backend.
///
/// Wires whose point is infinity are left out. C's table holds the points of three queries, because
/// they are summed at once: first H, then L, then B in G1.
pub struct Tables {
    key: Arc<ProvingKey>,
    kind: BackendKind,
    a: FixedBaseTable<G1Projective>,
    b_g2: FixedBaseTable<G2Projective>,
    c: FixedBaseTable<G1Projective>,
    /// The wires of A's points.
    a_wires: WireSet,
    /// The wires of B's points, in both groups.
    b_wires: WireSet,
    /// The wires of L's points.
    l_wires: WireSet,
}

impl fmt::Debug for Tables {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut tables = formatter.debug_struct("Tables");
        tables.field("kind", &self.kind).field("bytes", &self.bytes()).finish_non_exhaustive()
    }
}

impl Tables {
    /// Calculates the tables for `key`.
    pub fn build(key: Arc<ProvingKey>, kind: BackendKind) -> Self {
        let points = Points::of(&key);
        let sums = points.build(kind);
        Self::new(key, kind, points, sums)
    }

    /// Reads the tables for `key` from the file at `path`, or calculates them and writes the file. See
    /// [`cache`](crate::tables::cache) for what is trusted of it.
    pub fn read_or_build(key: Arc<ProvingKey>, kind: BackendKind, path: &Path) -> (Self, TableOrigin) {
        let points = Points::of(&key);
        let identity = CacheIdentity { key_sha256: key.sha256(), kind, shapes: points.shapes() };
        let from_rows = |rows| points.take_rows(kind, rows);
        let build = || points.build(kind);
        let (sums, origin) = read_or_rebuild(path, &identity, from_rows, build, Sums::rows);
        (Self::new(key, kind, points, sums), origin)
    }

    fn new(key: Arc<ProvingKey>, kind: BackendKind, points: Points, sums: Sums) -> Self {
        let Points { a_wires, b_wires, l_wires, .. } = points;
        let Sums { a, b_g2, c } = sums;
        Self { key, kind, a, b_g2, c, a_wires, b_wires, l_wires }
    }

    /// The key that they are for.
    pub fn key(&self) -> &Arc<ProvingKey> {
        &self.key
    }

    /// The kind of backend that they are for.
    pub fn kind(&self) -> BackendKind {
        self.kind
    }

    /// How much memory they take.
    pub fn bytes(&self) -> usize {
        self.a.bytes() + self.b_g2.bytes() + self.c.bytes()
    }

    /// The sum of A over all wires.
    pub(super) fn a(&self, witness: &[Fr]) -> G1Projective {
        self.a.msm(&gather(witness, &self.a_wires))
    }

    /// The sum of A over the wires that vary.
    pub(super) fn a_of(&self, witness: &[Fr], varying: &WireSet) -> G1Projective {
        self.a.msm_sparse(&self.a_wires.scalars_of(varying, witness, 0, &Fr::ONE))
    }

    /// The sum of B in G2 over all wires.
    pub(super) fn b_g2(&self, witness: &[Fr]) -> G2Projective {
        self.b_g2.msm(&gather(witness, &self.b_wires))
    }

    /// The sum of B in G2 over the wires that vary.
    pub(super) fn b_g2_of(&self, witness: &[Fr], varying: &WireSet) -> G2Projective {
        self.b_g2.msm_sparse(&self.b_wires.scalars_of(varying, witness, 0, &Fr::ONE))
    }

    /// The sum of B in G1 over all wires.
    pub(super) fn b_g1(&self, witness: &[Fr]) -> G1Projective {
        self.c.msm_sparse(&self.b_g1_scalars(witness, &self.b_wires, &Fr::ONE))
    }

    /// The sum of L over all private wires.
    pub(super) fn l(&self, witness: &[Fr]) -> G1Projective {
        self.c.msm_sparse(&self.l_scalars(witness, &self.l_wires))
    }

    /// The sum of H with the quotient's scalars.
    pub(super) fn h(&self, quotient: &[Fr]) -> G1Projective {
        self.c.msm_sparse(&numbered(quotient))
    }

    /// The sums of H, of L and, r times, of B in G1 over all wires.
    pub(super) fn c(&self, quotient: &[Fr], witness: &[Fr], r: &Fr) -> G1Projective {
        let (l, b) = (self.l_wires.len(), self.b_wires.len());
        let mut scalars = Scratch::filled(Fr::ZERO, quotient.len() + l + b);
        let (h_scalars, wire_scalars) = scalars.split_at_mut(quotient.len());
        let (l_scalars, b_scalars) = wire_scalars.split_at_mut(l);
        h_scalars.copy_from_slice(quotient);
        for (scalar, wire) in l_scalars.iter_mut().zip(self.l_wires.iter()) {
            *scalar = witness[wire];
        }
        for (scalar, wire) in b_scalars.iter_mut().zip(self.b_wires.iter()) {
            *scalar = witness[wire] * r;
        }
        self.c.msm(&scalars)
    }

    /// The sum of H, and those of L and, r times, of B in G1 over the wires that vary.
    pub(super) fn c_of(&self, quotient: &[Fr], witness: &[Fr], varying: &WireSet, r: &Fr) -> G1Projective {
        let h = numbered(quotient);
        let l = self.l_scalars(witness, varying);
        let b = self.b_g1_scalars(witness, varying, r);
        let mut scalars = Scratch::filled((0, Fr::ZERO), h.len() + l.len() + b.len());
        let parts = h.iter().chain(l.iter()).chain(b.iter());
        for (scalar, part) in scalars.iter_mut().zip(parts) {
            *scalar = *part;
        }
        self.c.msm_sparse(&scalars)
    }

    fn l_scalars(&self, witness: &[Fr], wires: &WireSet) -> Scratch<(usize, Fr)> {
        self.l_wires.scalars_of(wires, witness, self.key.h_query.len(), &Fr::ONE)
    }

    fn b_g1_scalars(&self, witness: &[Fr], wires: &WireSet, factor: &Fr) -> Scratch<(usize, Fr)> {
        let first = self.key.h_query.len() + self.l_wires.len();
        self.b_wires.scalars_of(wires, witness, first, factor)
    }
}

/// What sums are taken over.
struct Points {
    a: Vec<G1Affine>,
    b_g2: Vec<G2Affine>,
    c: Vec<G1Affine>,
    a_wires: WireSet,
    b_wires: WireSet,
    l_wires: WireSet,
}

/// The tables of [`Points`].
struct Sums {
    a: FixedBaseTable<G1Projective>,
    b_g2: FixedBaseTable<G2Projective>,
    c: FixedBaseTable<G1Projective>,
}

impl Points {
    fn of(key: &ProvingKey) -> Self {
        let public = key.public_wire_count();
        let a_wires: WireSet = finite(&key.a_query).collect();
        let b_wires: WireSet = finite(&key.b_g1_query).chain(finite(&key.b_g2_query)).collect();
        let l_wires: WireSet = finite(&key.l_query).map(|private| public + private).collect();

        let a = a_wires.iter().map(|wire| key.a_query[wire]).collect();
        let b_g2 = b_wires.iter().map(|wire| key.b_g2_query[wire]).collect();
        let mut c = key.h_query.clone();
        c.extend(l_wires.iter().map(|wire| key.l_query[wire - public]));
        c.extend(b_wires.iter().map(|wire| key.b_g1_query[wire]));
        Self { a, b_g2, c, a_wires, b_wires, l_wires }
    }

    /// In the order of [`Sums::rows`].
    fn shapes(&self) -> Vec<TableShape> {
        vec![
            FixedBaseTable::<G1Projective>::shape_for(&self.a),
            FixedBaseTable::<G2Projective>::shape_for(&self.b_g2),
            FixedBaseTable::<G1Projective>::shape_for(&self.c),
        ]
    }

    fn build(&self, kind: BackendKind) -> Sums {
        Sums {
            a: FixedBaseTable::build(kind, &self.a),
            b_g2: FixedBaseTable::build(kind, &self.b_g2),
            c: FixedBaseTable::build(kind, &self.c),
        }
    }

    /// Makes tables of rows that have the shapes of [`Self::shapes`].
    fn take_rows(&self, kind: BackendKind, rows: Vec<Vec<Row>>) -> Sums {
        let [a, b_g2, c] = rows.try_into().expect("there are as many tables as shapes");
        let expected = "rows have the shapes that they were read with";
        Sums {
            a: FixedBaseTable::from_rows(kind, &self.a, a).expect(expected),
            b_g2: FixedBaseTable::from_rows(kind, &self.b_g2, b_g2).expect(expected),
            c: FixedBaseTable::from_rows(kind, &self.c, c).expect(expected),
        }
    }
}

impl Sums {
    fn rows(&self) -> Vec<&[Row]> {
        vec![self.a.rows(), self.b_g2.rows(), self.c.rows()]
    }
}

fn finite<A: AffineRepr>(query: &[A]) -> impl Iterator<Item = usize> + '_ {
    query.iter().enumerate().filter(|(_, point)| !point.is_zero()).map(|(index, _)| index)
}

fn gather(witness: &[Fr], wires: &WireSet) -> Scratch<Fr> {
    let mut scalars = Scratch::filled(Fr::ZERO, wires.len());
    for (scalar, wire) in scalars.iter_mut().zip(wires.iter()) {
        *scalar = witness[wire];
    }
    scalars
}

fn numbered(scalars: &[Fr]) -> Scratch<(usize, Fr)> {
    let mut numbered = Scratch::filled((0, Fr::ZERO), scalars.len());
    for (index, (entry, scalar)) in numbered.iter_mut().zip(scalars).enumerate() {
        *entry = (index, *scalar);
    }
    numbered
}

impl WireSet {
    /// For those of `chosen` that are in this set and not zero: where the set's points begin in a table
    /// plus the wire's place in the set, and the wire's value times `factor`.
    fn scalars_of(&self, chosen: &Self, witness: &[Fr], first: usize, factor: &Fr) -> Scratch<(usize, Fr)> {
        let places = || chosen.iter().filter_map(|wire| Some((self.position(wire)?, witness[wire])));
        let used = || places().filter(|(_, value)| *value != Fr::ZERO);
        let mut scalars = Scratch::filled((0, Fr::ZERO), used().count());
        for (scalar, (place, value)) in scalars.iter_mut().zip(used()) {
            *scalar = (first + place, value * factor);
        }
        scalars
    }
}
