//! Working memory for secrets.

use std::mem::{MaybeUninit, size_of};
use std::ops::{Deref, DerefMut};
use std::slice;

use zeroize::Zeroize;

/// A vector of plain values that is overwritten before its memory is given back.
///
/// It does not grow, because growing would leave a copy behind.
pub(crate) struct Scratch<T: Copy>(Vec<T>);

impl<T: Copy> Scratch<T> {
    /// `count` times `value`.
    pub(crate) fn filled(value: T, count: usize) -> Self {
        Self(vec![value; count])
    }
}

impl<T: Copy> Deref for Scratch<T> {
    type Target = [T];

    fn deref(&self) -> &[T] {
        &self.0
    }
}

impl<T: Copy> DerefMut for Scratch<T> {
    fn deref_mut(&mut self) -> &mut [T] {
        &mut self.0
    }
}

impl<T: Copy> Drop for Scratch<T> {
    fn drop(&mut self) {
        let bytes = self.0.len() * size_of::<T>();
        let start = self.0.as_mut_ptr().cast::<MaybeUninit<u8>>();
        self.0.clear();
        // SAFETY: the vector owns these bytes, which may hold anything as MaybeUninit. No T is read from
        // them any more: the vector is empty now, and T has no destructor because it is Copy.
        unsafe { slice::from_raw_parts_mut(start, bytes) }.zeroize();
    }
}
