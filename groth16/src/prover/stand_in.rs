//! Until the fixed-base tables are there: ark's multi-scalar multiplication in their shape.

use ark_bn254::Fr;
use ark_ec::{CurveGroup, VariableBaseMSM};

use crate::lanes::BackendKind;

pub(super) struct FixedBaseTable<G: CurveGroup>(Vec<G::Affine>);

impl<G: CurveGroup<ScalarField = Fr> + VariableBaseMSM<MulBase = G::Affine>> FixedBaseTable<G> {
    pub(super) fn build(_kind: BackendKind, points: &[G::Affine]) -> Self {
        Self(points.to_vec())
    }

    pub(super) fn msm(&self, scalars: &[Fr]) -> G {
        G::msm_unchecked(&self.0, scalars)
    }

    pub(super) fn msm_sparse(&self, scalars: &[(usize, Fr)]) -> G {
        let points: Vec<_> = scalars.iter().map(|(index, _)| self.0[*index]).collect();
        let scalars: Vec<_> = scalars.iter().map(|(_, scalar)| *scalar).collect();
        G::msm_unchecked(&points, &scalars)
    }

    pub(super) fn bytes(&self) -> usize {
        self.0.len() * size_of::<G::Affine>()
    }
}
