//! How large a circuit is.

/// The numbers that decide what a proof costs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Shape {
    /// Equations.
    pub constraints: usize,
    /// Wires, the constant one among them.
    pub wires: usize,
    /// Public wires, outputs first, without the constant one.
    pub public: usize,
    /// Terms in the left factors, the right factors and the products.
    pub non_zeros: [usize; 3],
}

impl Shape {
    /// Points of the domain that the constraints are interpolated over: a power of two with room for
    /// each constraint and, behind them, one row for each public wire and the constant.
    pub fn domain(&self) -> usize {
        (self.constraints + self.public + 1).next_power_of_two()
    }
}
