//! The few operations on small square matrices that Poseidon's sparse form is derived with.

use std::array;

use ark_bn254::Fr;
use ark_ff::{AdditiveGroup, Field};

/// Rows of a square matrix.
pub(super) type Matrix<const T: usize> = [[Fr; T]; T];

/// `left · right`, both of one length.
pub(super) fn dot(left: &[Fr], right: &[Fr]) -> Fr {
    left.iter().zip(right).map(|(l, r)| *l * r).sum()
}

/// `matrix · vector`.
pub(super) fn product<const T: usize>(matrix: &Matrix<T>, vector: &[Fr; T]) -> [Fr; T] {
    array::from_fn(|row| dot(&matrix[row], vector))
}

/// `left · right`.
pub(super) fn multiply<const T: usize>(left: &Matrix<T>, right: &Matrix<T>) -> Matrix<T> {
    array::from_fn(|row| array::from_fn(|column| (0..T).map(|k| left[row][k] * right[k][column]).sum()))
}

/// `matrix` with its first row and column replaced by those of the identity.
pub(super) fn without_first_lane<const T: usize>(matrix: &Matrix<T>) -> Matrix<T> {
    array::from_fn(|row| {
        array::from_fn(|column| match (row, column) {
            (0, 0) => Fr::ONE,
            (0, _) | (_, 0) => Fr::ZERO,
            _ => matrix[row][column],
        })
    })
}

/// The inverse, by Gauss and Jordan.
///
/// # Panics
///
/// When there is none. The matrices here follow from Poseidon's published parameters alone.
pub(super) fn inverse<const T: usize>(matrix: &Matrix<T>) -> Matrix<T> {
    let mut left = *matrix;
    let mut right: Matrix<T> =
        array::from_fn(|row| array::from_fn(|column| Fr::from(u64::from(row == column))));
    for column in 0..T {
        let pivot = (column..T).find(|&row| left[row][column] != Fr::ZERO).expect("an MDS matrix is regular");
        left.swap(column, pivot);
        right.swap(column, pivot);
        let scale = left[column][column].inverse().expect("a pivot is not zero");
        for side in [&mut left, &mut right] {
            side[column] = side[column].map(|value| value * scale);
        }
        for row in (0..T).filter(|&row| row != column) {
            let factor = left[row][column];
            for side in [&mut left, &mut right] {
                side[row] = array::from_fn(|k| side[row][k] - factor * side[column][k]);
            }
        }
    }
    right
}
