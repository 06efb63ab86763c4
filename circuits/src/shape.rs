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

/// [`RLN_V2_DEPTH_20`](crate::RLN_V2_DEPTH_20).
pub const SINGLE: Shape =
    Shape { constraints: 5820, wires: 5844, public: 5, non_zeros: [9658, 13282, 49869] };

/// The circuit for several message ids, `multi_message_id/max_out_4` of zerokit.
pub const MULTI_4: Shape =
    Shape { constraints: 7390, wires: 7401, public: 15, non_zeros: [12418, 16908, 62048] };

impl Shape {
    /// Points of the domain that the constraints are interpolated over: a power of two with room for
    /// each constraint and, behind them, one row for each public wire and the constant.
    pub fn domain(&self) -> usize {
        (self.constraints + self.public + 1).next_power_of_two()
    }
}
